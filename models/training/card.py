"""The model's card in plain words, from measured numbers only."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

import metrics
import rendered
from data import UNKNOWN, Picture
from settings import Settings

LIMITS = """\
- Fire was learnt from about eight videos and sixty web pictures, smoke from about eight videos, most of them indoors and half of
  those security fog. The val split rests on two fire videos and two smoke videos. A difference of a few points means nothing.
- Almost no training picture comes from a fixed street camera with a fire in it. Small fires in streets were composed. Expect
  scores to fall on a new city's cameras: run it silently for some days and set the thresholds per camera.
- Small things are the weak side: of the composed ones most stay under the threshold of the frame's score. Watch the heat map's
  change over time, or cut a far street out of the frame and show it larger.
- Smoke on val mistakes the emptied smoke-test room and the yard camera of one source for smoke: see its false alarms above.
- Thin, distant, white smoke before a bright sky, steam, exhaust and dust are not well covered; nor is infrared at night.
- Lighters and candles count as fire: most pictures of one source are of them.
- The head stage of these weights was trained two epochs before small flames at the foot of plumes were added to the recipe, and
  the full stage's machine was shared: running the recipe again gives weights of the same kind, not the same bytes.
- A single frame is not an alarm. The score is meant to be gathered over several looks.
- Calibration and thresholds were fitted on the val split, and that split was looked at while the recipe was made (the linear part was
  added because it helped there): precision and recall there flatter the model, and AUC a little.
"""


def percent(part: dict) -> str:
    if part["value"] is None:
        return "–"
    return f"{part['value']:.3f} ({part['low']:.2f}–{part['high']:.2f}; {part['hits']}/{part['total']})"


def number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def label_section(label: str, m: dict, threshold: float) -> list[str]:
    lines = [
        f"### {label}",
        "",
        f"{m['present']} pictures with, {m['absent']} without, the rest unknown and not counted. "
        f"AUC **{m['auc']:.4f}** (95 % by resampling whole groups: {m['auc_low']:.3f}–{m['auc_high']:.3f}). "
        f"At the shipped threshold {threshold:.3f}: precision {percent(m['precision'])}, recall {percent(m['recall'])}, "
        f"false alarms among pictures without {percent(m['false_alarms'])}.",
        "",
        f"Pointing: the strongest cell lies in a box of the label in {percent(m['pointing'])} of the pictures with boxes.",
        "",
    ]
    if "small" in m:
        small = m["small"]
        lines += [
            f"Composed small {label} (3–15 % of the width, val crops in val streets; not real photographs of such a scene): AUC "
            f"against the same streets without it {small['auc']:.4f}, found at the threshold {percent(small['found'])}, "
            f"strongest cell in place {percent(small['in_place'])}.",
            "",
        ]
    lines += [
        "| part of val | with | without | AUC inside | its positives against all negatives | recall | false alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in m["parts"].items():
        lines.append(
            f"| {name} | {row['present']} | {row['absent']} | {number(row['auc'])} | "
            f"{number(row['auc_against_all_absent'])} | {percent(row['recall'])} | {percent(row['false_alarms'])} |"
        )
    return [*lines, ""]


def unseen_section(unseen: list[dict]) -> list[str]:
    if not unseen:
        return ["Not measured for this version.", ""]
    lines = [
        "Trained again without a source (or video); scored are all its pictures, train and val, against them and all of val "
        "without the label. What was trained is named: the linear model on frozen features is cheap and is not the shipped network.",
        "",
        "| left out | stages | label | its positives | negatives | AUC |",
        "|---|---|---|---|---|---|",
    ]
    for entry in unseen:
        for row in entry["rows"]:
            lines.append(
                f"| {', '.join(entry['left_out'])} | {', '.join(entry['stages'])} | {row['label']} | {row['present']} | "
                f"{row['absent']} | {number(row['auc'])} |"
            )
    return [*lines, ""]


def clip_section(rows: list[dict]) -> list[str]:
    if not rows:
        return []
    lines = [
        "## Clips, one look every half second",
        "",
        "Clips named `fire8_*` and `rio_*` are made of stills that are in train or val. The others were never trained on.",
        "",
        "| clip | label | can be seen | looks over the threshold | median score | highest |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        seen = "yes" if r["part"] == "present" else "no"
        lines.append(
            f"| {r['clip']} | {r['label']} | {seen} | {r['over']}/{r['looks']} | {r['median']:.3f} | {r['highest']:.3f} |"
        )
    return [*lines, ""]


def rendered_words(settings: Settings, frames: int) -> str:
    if not frames:
        return "No rendered frames."
    share = settings.sampling.rendered_share
    return f"In the last stage also {frames} frames rendered by the project's own simulator, {share:.0%} of what that stage saw; nothing below is measured on such frames."


def write(settings: Settings, training: list[dict], measured: dict, unseen: list[dict]) -> str:
    model, size = settings.model, settings.input
    frames = sum(row["pictures"] for row in training if row["source"] == rendered.SOURCE)
    total = sum(row["pictures"] for row in training) - frames
    lines = [
        f"# {model.name} {model.version}",
        "",
        f"Says for one camera frame whether and where it shows: {', '.join(settings.labels)}. One calibrated probability per label "
        f"for the frame (`image_score`) and per {size.stride}×{size.stride} cell (`heat`, {size.rows} rows × {size.columns} columns).",
        "",
        f"- Input: {size.width}×{size.height} RGB, 8 bit, letterboxed on grey {size.pad}. {measured['bytes'] / 1e6:.1f} MB, "
        f"{measured['cpu_ms']:.1f} ms CPU a frame on one thread (on a shared machine).",
        f"- Backbone: EfficientNet-Lite0, ImageNet weights (Apache-2.0), fine-tuned. Head: strides 8, 16 and 32 fused at stride "
        f"{size.stride}. The frame's score is the mean of two calibrated logits: the four strongest cells, and a linear model over the mean and "
        "maximum of the deep features of the whole picture.",
        f"- Licence of these weights: {model.license}. The training pictures are not part of it and are not shipped.",
        f"- The exported file differs from the trained network by at most {measured['difference']:.1e}.",
        "",
        "## Trained on",
        "",
        f"{total} photographs; a picture of whose labels none is known is left out. {rendered_words(settings, frames)} "
        "A licence is what the source itself says; \"none stated\" means exactly that, and whoever ships these weights should "
        "judge that for himself.",
        "",
        "| source | repository | licence | pictures |",
        "|---|---|---|---|",
        *(f"| {r['source']} | {r['origin']} | {r['licence']} | {r['pictures']} |" for r in training),
        "",
        "A label nobody judged is unknown and never trained as absent. In training, crops of fire and smoke were blended into other pictures, and "
        f"plumes ({settings.augment.draw_smoke:.0%} of the pictures without smoke) and flames ({settings.augment.draw_fire:.0%} of those without "
        "fire) were drawn into them; so were lamps, plain coloured things and harmless crops, blended the same way.",
        "",
        "## Measured on the val split (photographs, groups never seen in training)",
        "",
    ]
    for label in settings.labels:
        lines += label_section(label, measured["labels"][label], measured["thresholds"][label])
    lines += clip_section(measured["clips"])
    lines += ["## Sources never seen", "", *unseen_section(unseen)]
    lines += ["## Known limits", "", LIMITS]
    lines += [
        "## How to make it again",
        "",
        "```sh",
        "python3 -m venv venv && venv/bin/pip install -r models/training/requirements.txt",
        "PYTHON=venv/bin/python models/training/run --data ../shared/data --work ../training-work",
        "```",
        "",
        f"Seed {settings.run.seed}; all choices are in `models/training/config.toml`. Each sample is a function of the seed and its "
        "number; sums on several threads may still differ in the last bits from one machine to the next.",
    ]
    return "\n".join(lines) + "\n"


def unseen_rows(settings: Settings, pictures: list[Picture], logits: np.ndarray, names: list[str], stages: list[str], path: Path) -> None:
    """Score what was left out against all negatives of val and of its own, print it and keep it for the card."""
    gone = np.array([p.source in names or p.group in names for p in pictures])
    rows = []
    for k, label in enumerate(settings.labels):
        truth = np.array([p.labels.get(label, UNKNOWN) for p in pictures])
        here = (gone & (truth == 1)) | (truth == 0)
        if not (truth[here] == 1).any():
            continue
        area = metrics.auc(logits[here, k], truth[here])
        rows.append(
            {"label": label, "present": int((truth[here] == 1).sum()), "absent": int((truth[here] == 0).sum()), "auc": area}
        )
        print(f"without {names}: {label} auc {area:.4f}")
    path.write_text(json.dumps({"left_out": names, "stages": stages, "rows": rows}))
