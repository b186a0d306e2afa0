"""The model's card in plain words, from measured numbers only."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

import calibrate
import metrics
import onnx_graph
import rendered
from data import UNKNOWN, Picture
from scene import Scene
from settings import Settings
from train import Answers, truths

LIMITS = """\
- Fire was learnt from about eight videos and sixty web pictures, smoke from about eight videos, most of them indoors and half of
  those security fog. The val split rests on two fire videos and two smoke videos. A difference of a few points means nothing.
- Almost no training picture comes from a fixed street camera with an event in it. Small fires, bags, machines, water and scaffolds
  in streets were composed or rendered. Expect scores to fall on a new city's cameras: run it silently for some days and set the
  thresholds per camera.
- Scaffolding was photographed in one drive through one city, mostly sheds over the pavement; nets and poles were drawn and
  rendered. No photograph of a scaffold from another place was at hand to test it on.
- Standing water at eye level is 111 pictures, 20 of them of one camera; the masks, and so the overlap with them, are aerial.
- Litter is bags on the pavements of one country and heaps from the web. A lone cup or sheet of paper is not looked for.
- Machinery is excavators, loaders and dump trucks. A parked lorry may be taken for one.
- Small things are the weak side: of the composed ones most stay under the threshold of the frame's score. In scenes of the
  simulator fires, machines and scaffolds are found; small litter and standing water mostly are not, and a wet crossing at night may
  score higher for water than a flooded underpass does.
- Fire misses its goal of 10 false alarms per 1,000 quiet pictures at a recall of 0.92: see its line above.
- Thin, distant, white smoke before a bright sky, steam, exhaust and dust are not well covered; nor is infrared at night.
- Lighters and candles count as fire: most pictures of one source are of them.
- Boxes that touch are one box: each label's boxes are drawn into one map.
- A single frame is not an alarm. The score is meant to be gathered over several looks.
- Calibration and thresholds were fitted on the val split, which was looked at while stages were added: precision and recall there
  flatter the model, and AUC a little. The sources left out were only trained on in short runs.
- These weights were trained in pieces on a busy machine, and the branch for boxes was enlarged before its last stage: running the
  recipe again gives weights of the same kind, not the same bytes.
"""


def percent(part: dict) -> str:
    if part["value"] is None:
        return "–"
    return f"{part['value']:.3f} ({part['low']:.2f}–{part['high']:.2f}; {part['hits']}/{part['total']})"


def number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def label_section(label: str, m: dict, threshold: float, plain: dict, calibration: dict) -> list[str]:
    quiet = m["false_alarms"]
    lines = [
        f"### {label}",
        "",
        f"{m['present']} pictures with, {m['absent']} without, the rest unknown and not counted. "
        f"AUC **{m['auc']:.4f}** (95 % by resampling whole groups: {m['auc_low']:.3f}–{m['auc_high']:.3f}; in float {plain['auc']:.4f}). "
        f"At the shipped threshold {threshold:.3f}: precision {percent(m['precision'])}, recall {percent(m['recall'])}, "
        f"false alarms among pictures without {percent(quiet)}, {1000 * (quiet['value'] or 0):.0f} per 1,000.",
        "",
    ]
    if "ap50" in m:
        lines += [
            f"Boxes: AP at IoU 0.5 **{m['ap50']:.3f}** over {m['boxes']} boxes (in float {plain['ap50']:.3f}). The strongest cell lies in "
            f"a box in {percent(m['pointing'])} of the pictures with boxes.",
            "",
        ]
    if "masks" in m:
        masks = m["masks"]
        lines += [
            f"Masks: cells of at least 0.5 overlap the water with IoU **{masks['iou']:.3f}** over all pixels of {masks['pictures']} aerial "
            f"pictures, {masks['mean']:.3f} on average per picture (in float {plain['masks']['iou']:.3f}).",
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
        f"Reliability (with and without weigh alike); on groups held out of the fit the calibration error of Platt scaling is "
        f"{calibration['platt']:.3f}, of isotonic {calibration['isotonic']:.3f}:",
        "",
        "| scores from | pictures | mean score | share with it | |",
        "|---|---|---|---|---|",
    ]
    for row in m["reliability"]:
        bar = "█" * round(20 * row["present"])
        lines.append(f"| {row['from']:.1f} | {row['pictures']} | {row['score']:.2f} | {row['present']:.2f} | {bar} |")
    lines += [
        "",
        "| part of val | with | without | AUC inside | its positives against all negatives | recall | false alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in m["parts"].items():
        lines.append(
            f"| {name} | {row['present']} | {row['absent']} | {number(row['auc'])} | "
            f"{number(row['auc_against_all_absent'])} | {percent(row['recall'])} | {percent(row['false_alarms'])} |"
        )
    return [*lines, "", *worst_of(m["worst"]), ""]


def worst_of(worst: dict[str, list]) -> list[str]:
    """The failures by file name; the pictures are other people's and are not shipped."""
    out = []
    for words, rows in (("Surest false alarms", worst["alarms"]), ("Surest misses", worst["misses"])):
        listed = ", ".join(f"`{name}` {score:.2f}" for score, name in rows) or "none"
        out += [f"{words}: {listed}.", ""]
    return out[:-1]


def unseen_section(unseen: list[dict]) -> list[str]:
    if not unseen:
        return ["Not measured for this version.", ""]
    lines = [
        "Trained again without a source; scored are all its pictures that show the label, train and val, against its own without and all "
        "of val without. What was trained is named: the linear model on frozen features is cheap and is not the shipped network; "
        "this network on fewer samples is the shipped recipe cut short, every sample that the source gave anything to left out. "
        "Scaffolding was photographed in one source only, so it has no row.",
        "",
        "| left out | trained | label | its positives | negatives | AUC | heat map alone | scene alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in unseen:
        for row in entry["rows"]:
            lines.append(
                f"| {', '.join(entry['left_out'])} | {', '.join(entry['stages'])} | {row['label']} | {row['present']} | "
                f"{row['absent']} | {number(row['auc'])} | {number(row.get('heat'))} | {number(row.get('scene'))} |"
            )
    return [*lines, ""]


def rendered_section(rows: dict) -> list[str]:
    if not rows:
        return []
    lines = [
        "## Scenes of the simulator kept from training",
        "",
        "| label | AUC | found | missed | false alarms | quiet |",
        "|---|---|---|---|---|---|",
    ]
    for label, r in rows.items():
        lines.append(f"| {label} | {number(r['auc'])} | {r['tp']} | {r['fn']} | {r['fp']} | {r['tn']} |")
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
    return f"Also {frames} frames rendered by the project's own simulator, {share:.0%} of the samples; accuracy is not measured on such frames."


def write(settings: Settings, training: list[dict], measured: dict, unseen: list[dict]) -> str:
    model, size, augment = settings.model, settings.input, settings.augment
    frames = sum(row["pictures"] for row in training if row["source"] == rendered.SOURCE)
    total = sum(row["pictures"] for row in training) - frames
    lines = [
        f"# {model.name} {model.version}",
        "",
        f"Says for one camera frame whether and where it shows: {', '.join(settings.labels)}. One calibrated probability per label "
        f"for the frame (`image_score`), and a map of probabilities (`heat`, {size.rows * 4} rows × {size.columns * 4} columns).",
        "",
        f"- Input: {size.width}×{size.height} RGB, 8 bit, letterboxed on grey {size.pad}. 8-bit integers: {measured['bytes'] / 1e6:.1f} MB, "
        f"{measured['cpu_ms']:.1f} ms CPU a frame on one thread (median, machine shared, load {measured['load']:.1f}); the same in float "
        f"{measured['float_bytes'] / 1e6:.1f} MB and {measured['float']['cpu_ms']:.1f} ms.",
        f"- Backbone: EfficientNet-Lite0, ImageNet weights (Apache-2.0), the later blocks fine-tuned. Head: strides 8, 16 and 32 fused at "
        f"stride {size.stride}: a logit per label and cell; at stride 8 a box and how near its middle is. For {', '.join(settings.boxed)} the "
        f"boxes of the {onnx_graph.DRAWN_BOXES} surest middles are drawn into the map, for the others the map itself is interpolated (for "
        f"{', '.join(settings.masked)} corrected at stride 8). The frame's score is a mean of two calibrated "
        "logits: the four strongest cells, and a linear model over the mean and maximum of the deep features of the whole picture, which "
        f"weighs {', '.join(f'{share:.2f} for {label}' for label, share in zip(settings.labels, settings.scene_share, strict=True))}.",
        f"- Licence of these weights: {model.license}. The training pictures are not part of it and are not shipped.",
        f"- The exported float graph's scores differ from the trained network's by at most {measured['difference']:.1e}.",
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
        "A label nobody judged is unknown and never trained as absent. Beside the annotations, absence was judged by eye on contact sheets "
        "for whole sources (`models/training/judged.toml`); calibration and thresholds use it too, the figures below do not. "
        "Into pictures without them were put: bags and machines cut out of their boxes "
        f"({augment.put_litter:.0%}, {augment.put_machinery:.0%} of samples), heaps, drawn or photographed water ({augment.put_water:.0%}), drawn "
        f"scaffolds ({augment.put_scaffolding:.0%}), crops of fire and smoke, drawn plumes and flames; and in the same shapes harmless "
        f"things ({augment.put_harmless:.0%}): wet roads, fences, window grids, crops of other streets; lamps, neon, captions.",
        "",
        "## Measured on the val split (photographs, groups never seen in training)",
        "",
    ]
    for label in settings.labels:
        lines += label_section(
            label, measured["labels"][label], measured["thresholds"][label], measured["float"][label], measured["calibration"][label]
        )
    lines += clip_section(measured["clips"])
    lines += rendered_section(measured["rendered"])
    lines += ["## Sources never seen", "", *unseen_section(unseen)]
    lines += ["## Known limits", "", LIMITS]
    lines += [
        "## How to make it again",
        "",
        "```sh",
        "python3 -m venv venv && venv/bin/pip install -r models/training/requirements.txt",
        "cargo run --release -p citybrain-simulator --example export_frames -- ../training-work/rendered 240",
        "PYTHON=venv/bin/python models/training/run --data ../shared/data --work ../training-work",
        "```",
        "",
        f"Seed {settings.run.seed}; all choices are in `models/training/config.toml`. Each sample is a function of the seed and its "
        "number; sums on several threads may still differ in the last bits from one machine to the next.",
    ]
    return "\n".join(lines) + "\n"


def unseen_rows(
    settings: Settings,
    pictures: list[Picture],
    answers: Answers,
    linear: Scene,
    names: list[str],
    samples: int,
    path: Path,
) -> None:
    """Score what was left out against all negatives of val and of its own, print it and keep it for the card."""
    gone = np.array([p.source in names for p in pictures])
    truth = truths(pictures, settings.labels)
    groups = np.array([p.group for p in pictures])
    scene_logit = linear(answers.pooled)
    rows = []
    for k, label in enumerate(settings.labels):
        if (truth[gone, k] == 1).sum() < 5:
            continue
        here = (gone & (truth[:, k] == 1)) | (truth[:, k] == 0)
        known = ~gone & (truth[:, k] != UNKNOWN)
        parts = {"heat": answers.image[:, k], "scene": scene_logit[:, k]}
        if len(np.unique(truth[known, k])) == 2:
            scaled = [calibrate.fit(part[known], truth[known, k], groups[known]).logit(part) for part in parts.values()]
        else:
            scaled = [(part - part.mean()) / part.std() for part in parts.values()]
        parts["both"] = (1 - settings.scene_share[k]) * scaled[0] + settings.scene_share[k] * scaled[1]
        areas = {name: metrics.auc(logit[here], truth[here, k]) for name, logit in parts.items()}
        counts = {"present": int((truth[here, k] == 1).sum()), "absent": int((truth[here, k] == 0).sum())}
        rows.append({"label": label, **counts, "auc": areas["both"], "heat": areas["heat"], "scene": areas["scene"]})
        print(f"without {names}: {label} {areas}", flush=True)
    entry = {"left_out": names, "stages": [f"this network on {samples} samples"], "rows": rows}
    path.write_text(json.dumps(entry))
