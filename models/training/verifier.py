"""The second opinion on a fire: the shipped network again, in float, over a larger square input on a crop around the alarm.

    python models/training/verifier.py --data ../shared/data --work ../training-work

It shares the detector's weights, so it is not another mind but a closer look: the linear part, calibration and thresholds are
fitted anew on crops. Run it after `run` has shipped the detector.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import torch

import calibrate
import data
import export
import metrics
import onnx_graph
import places
import rendered
import report
import scene
import settings as settings_file
from bank import planes
from data import UNKNOWN, Picture, Store, letterbox
from model import HeatmapNet, summary
from samples import anywhere
from settings import Settings
from train import truths

NAME, SIDE, LABELS = "fire-verifier-lite0", 352, ("fire", "smoke")
GROWN, LEAST = 2.5, 0.3
"""A crop is as much larger than the box as the pipeline cuts it, and no side smaller than this share of the picture's longer one."""
CROPS = 700


def crop(pixels: np.ndarray, box: np.ndarray, grown: float = GROWN) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = max((box[2] - box[0]) * width, (box[3] - box[1]) * height) * grown
    side = min(max(side, LEAST * max(width, height)), max(width, height))
    x, y = (box[0] + box[2]) * width / 2, (box[1] + box[3]) * height / 2
    left, top = int(max(0, x - side / 2)), int(max(0, y - side / 2))
    return np.ascontiguousarray(pixels[top : int(y + side / 2) + 1, left : int(x + side / 2) + 1])


def own_settings(detector: Settings) -> Settings:
    return dataclasses.replace(
        detector,
        model=dataclasses.replace(detector.model, name=NAME, purpose="verifier"),
        input=dataclasses.replace(detector.input, width=SIDE, height=SIDE),
        labels=LABELS,
        boxed=LABELS,
        scene_share=(0.5,) * len(LABELS),
    )


def own_network(weights: dict[str, torch.Tensor], detector: Settings) -> HeatmapNet:
    """The detector's network with the rows of these labels alone."""
    net = HeatmapNet(detector.model.backbone, len(LABELS), pretrained=False)
    rows = [detector.labels.index(label) for label in LABELS]
    sides = [4 * k + side for k in rows for side in range(4)]
    chosen = {"heat": rows, "edges": sides, "box.edges": sides, "box.middle": rows, "box.area": rows}
    picked = {name: value[chosen[part]] if (part := name.rpartition(".")[0]) in chosen else value for name, value in weights.items()}
    net.load_state_dict(picked)
    return net.eval().to(memory_format=torch.channels_last)


def training_crops(pictures: list[Picture], store: Store, settings: Settings) -> tuple[list[Picture], np.ndarray]:
    """Crops around boxes, and anywhere in pictures known to be without, as many of each label's kind as there may be."""
    rng = np.random.default_rng(settings.run.seed)
    known = [p for p in pictures if all(p.labels.get(label, UNKNOWN) != UNKNOWN for label in LABELS) or any(p.boxes.get(label) is not None for label in LABELS)]
    chosen = [known[i] for i in rng.permutation(len(known))[:CROPS]]
    frames = []
    for picture in chosen:
        boxes = [box for label in LABELS for box in picture.boxes.get(label, ())]
        box = boxes[rng.integers(len(boxes))] if boxes else anywhere(rng)
        part = crop(store[picture.index], box, rng.uniform(1.3, 3.0))
        frames.append(letterbox(part, SIDE, SIDE, settings.input.pad))
    return chosen, np.stack(frames)


def alarms(folder: Path, val: list[Picture], store: Store, detector: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detector's scores [N, 2], its alarms [N, 2], and the crop around its surest box of any of the labels [N, S, S, 3]."""
    manifest = settings_file.tomllib.loads((folder / "model.toml").read_text())
    limits = np.array([manifest["thresholds"][label] for label in LABELS])
    heat, score = onnx_graph.run_all(
        onnx_graph.session((folder / "model.onnx").read_bytes()), report.frames_of(val, store, detector)
    )
    rows = [detector.labels.index(label) for label in LABELS]
    frames = []
    for cells, scores, picture in zip(heat, score, val, strict=True):
        k = max(range(len(LABELS)), key=lambda i: scores[rows[i]])
        found = places.boxes(cells[rows[k]], float(scores[rows[k]]), limits[k], picture, detector.input.width, detector.input.height)
        box = found[0][1] if found else np.array([0.0, 0.0, 1.0, 1.0])
        frames.append(letterbox(crop(store[picture.index], box), SIDE, SIDE, detector.input.pad))
    own = score[:, rows]
    return own, own >= limits, np.stack(frames)


@torch.no_grad()
def answers(net: HeatmapNet, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image logits and pooled features."""
    logits, pooled = [], []
    for start in range(0, len(frames), 16):
        kept = net.backbone(planes(torch.from_numpy(frames[start : start + 16])))
        logits.append(net.head(kept)[1].numpy())
        pooled.append(summary(kept).numpy())
    return np.concatenate(logits), np.concatenate(pooled)


def logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def card_text(settings: Settings, training: list[dict], content: bytes, cost: float, rows: dict[str, dict]) -> str:
    table = [
        f"| {label} | {r['threshold']:.3f} | {r['true_kept']} of {r['true']} | {r['false_kept']} of {r['false']} | {r['first']:.4f} | "
        f"{r['auc']:.4f} | {r['both']:.4f} |"
        for label, r in rows.items()
    ]
    total = sum(row["pictures"] for row in training if row["source"] != rendered.SOURCE)
    lines = [
        f"# {NAME} {settings.model.version}",
        "",
        "The second opinion on a fire: looks at a crop around an alarm of `street-lite0` and says again whether it shows fire or smoke.",
        "",
        f"- Input {SIDE}×{SIDE} RGB, 8 bit, letterboxed, in float. {len(content) / 1e6:.1f} MB, {cost:.1f} ms CPU a frame on one thread (median, "
        f"machine shared, load {os.getloadavg()[0]:.1f}).",
        "- The same trained network as the detector, closer and in float; only its linear part, calibration and thresholds were fitted "
        "anew, on crops. Its mistakes are therefore not independent of the detector's: it removes what looks like fire from afar "
        "and not from near, no more.",
        f"- Trained on the detector's {total} photographs and rendered frames; sources and licences are in its card and in `model.toml`.",
        f"- Licence of these weights: {settings.model.license}.",
        "",
        "## Measured on the val split",
        "",
        f"On a square crop, {GROWN:.1f} times the detector's surest box, at least {LEAST:.0%} of the picture's longer side. Calibration and thresholds were "
        "fitted on the same crops, so that these figures flatter. Frames of one video are near-copies.",
        "",
        "| label | threshold | true alarms kept | false alarms kept | AUC of the detector | of this on the crop | of the mean of both |",
        "|---|---|---|---|---|---|---|",
        *table,
        "",
        "## Known limits",
        "",
        "- As the detector's: few fires, few scenes, hardly any from a street camera.",
        "- It was not measured on a city it has never seen.",
        "- It looks at one frame; several looks at the same crop are for the pipeline to gather.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("../training-work"))
    parser.add_argument("--zoo", type=Path, default=Path(__file__).resolve().parent.parent / "zoo")
    args = parser.parse_args()
    detector = settings_file.load()
    settings = own_settings(detector)
    torch.set_num_threads(detector.run.threads)
    raw = data.read_pictures(args.data)
    store = data.open_store(args.data, raw, args.work)
    weights = torch.load(args.work / detector.model.name / "checkpoint-boxes.pt", weights_only=True)
    net = own_network(weights, detector)
    chosen, frames = training_crops([p for p in raw if p.split == "train"], store, settings)
    _, pooled = answers(net, frames)
    nothing = np.zeros((0, pooled.shape[1])), np.zeros((0, len(LABELS)), dtype=np.int64)
    linear = scene.fit(pooled, truths(chosen, LABELS), chosen, *nothing, settings.scene.l2)
    val = [p for p in raw if p.split == "val" and any(p.labels.get(label, UNKNOWN) != UNKNOWN for label in LABELS)]
    first, alarm, crops = alarms(args.zoo / detector.model.name, val, store, detector)
    image, pooled = answers(net, crops)
    truth, groups = truths(val, LABELS), np.array([p.group for p in val])
    scores = calibrate.fit_scores(image, pooled, truth, groups, linear, settings.scene_share)
    content = onnx_graph.build(net, scores, settings)
    made = onnx_graph.session(content)
    _, second = onnx_graph.run_all(made, crops)
    rows, measured, thresholds = {}, {"labels": {}}, {}
    for k, label in enumerate(LABELS):
        known, yes = truth[:, k] != UNKNOWN, truth[:, k] == 1
        thresholds[label] = metrics.alarm_threshold(second[:, k], truth[:, k])
        kept = alarm[:, k] & (second[:, k] >= thresholds[label])
        both = (logit(first[:, k]) + logit(second[:, k])) / 2
        rows[label] = {
            "threshold": thresholds[label],
            "true": int((alarm[:, k] & yes).sum()),
            "true_kept": int((kept & yes).sum()),
            "false": int((alarm[:, k] & known & ~yes).sum()),
            "false_kept": int((kept & known & ~yes).sum()),
            "first": metrics.auc(first[:, k], truth[:, k]),
            "auc": metrics.auc(second[:, k], truth[:, k]),
            "both": metrics.auc(both, truth[:, k]),
        }
        measured["labels"][label] = {"auc": rows[label]["auc"], **report.at_threshold(second[:, k], truth[:, k], thresholds[label])}
        print(label, rows[label], flush=True)
    frames_of_simulator = rendered.read_pictures(args.work / "rendered", LABELS, len(raw))
    training = export.training_rows([p for p in raw if p.split == "train"] + [f for f in frames_of_simulator if f.split == "train"])
    cost = onnx_graph.cpu_milliseconds(made, crops)
    folder = args.zoo / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "model.toml").write_text(export.manifest(settings, hashlib.sha256(content).hexdigest(), thresholds, training, measured))
    (folder / "CARD.md").write_text(card_text(settings, training, content, cost, rows))


if __name__ == "__main__":
    main()
