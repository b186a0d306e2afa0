"""Every number of the card and the manifest, measured with the exported file, as a plain dictionary."""

from __future__ import annotations

import os

import numpy as np

import calibrate
import metrics
import onnx_graph
import places
import probe
from calibrate import Scores
from data import UNKNOWN, Picture, Store, letterbox
from settings import Settings
from train import Answers, truths


def frames_of(pictures: list[Picture], store: Store, settings: Settings) -> np.ndarray:
    size = settings.input
    return np.stack([letterbox(store[p.index], size.width, size.height, size.pad) for p in pictures])


def share(hits: int, total: int) -> dict:
    low, high = metrics.wilson(hits, total)
    return {"value": hits / total if total else None, "low": low, "high": high, "hits": hits, "total": total}


def at_threshold(score: np.ndarray, truth: np.ndarray, threshold: float) -> dict:
    c = metrics.counts(score, truth, threshold)
    return {
        "precision": share(c["tp"], c["tp"] + c["fp"]),
        "recall": share(c["tp"], c["tp"] + c["fn"]),
        "false_alarms": share(c["fp"], c["fp"] + c["tn"]),
    }


def of_label(score: np.ndarray, truth: np.ndarray, pictures: list[Picture], threshold: float, seed: int) -> dict:
    sources = np.array([p.source for p in pictures])
    groups = np.array([p.group for p in pictures])
    low, high = metrics.auc_interval(score, truth, groups, seed)
    known = truth != UNKNOWN
    rows = {}
    for kind, names in (("source", sources), ("group", groups)):
        for name in np.unique(names[known]):
            here = known & (names == name)
            if kind == "group" and not (truth[here] == 1).any():
                continue
            rows[f"{kind} {name}"] = {
                "present": int((truth[here] == 1).sum()),
                "absent": int((truth[here] == 0).sum()),
                "auc": metrics.auc(score[here], truth[here]),
                # The group's pictures with the label against every picture without it.
                "auc_against_all_absent": metrics.auc(
                    np.concatenate([score[here & (truth == 1)], score[truth == 0]]),
                    np.concatenate([truth[here & (truth == 1)], truth[truth == 0]]),
                ),
                **at_threshold(score[here], truth[here], threshold),
            }
    return {
        "auc": metrics.auc(score, truth),
        "auc_low": low,
        "auc_high": high,
        "present": int((truth == 1).sum()),
        "absent": int((truth == 0).sum()),
        **at_threshold(score, truth, threshold),
        "parts": rows,
    }


def pointing(heat: np.ndarray, label: str, k: int, pictures: list[Picture]) -> dict:
    """Share of pictures whose strongest cell lies in a box of the label."""
    hits = total = 0
    for cells, picture in zip(heat[:, k], pictures, strict=True):
        boxes = picture.boxes.get(label)
        if picture.labels.get(label) != 1 or boxes is None or len(boxes) == 0:
            continue
        total += 1
        # A box drawn into the map is one height all over: its middle is meant.
        row, column = np.argwhere(cells >= cells.max() - 1e-6).mean(axis=0)
        hits += any(inside(row, column, cells.shape, box, picture) for box in boxes)
    return share(hits, total)


def inside(row: float, column: float, cells: tuple[int, int], box: np.ndarray, picture: Picture) -> bool:
    """The cell's middle, taken back through the letterbox, is in the box (half a cell of slack)."""
    rows, columns = cells
    scale = min(columns / picture.width, rows / picture.height)
    x = (column + 0.5 - (columns - picture.width * scale) / 2) / (picture.width * scale)
    y = (row + 0.5 - (rows - picture.height * scale) / 2) / (picture.height * scale)
    slack_x, slack_y = 0.5 / (picture.width * scale), 0.5 / (picture.height * scale)
    return bool(box[0] - slack_x <= x <= box[2] + slack_x and box[1] - slack_y <= y <= box[3] + slack_y)


def measure(
    content: bytes,
    val: list[Picture],
    store: Store,
    settings: Settings,
    thresholds: dict[str, float],
    masks: dict[int, np.ndarray],
) -> dict:
    made = onnx_graph.session(content)
    frames = frames_of(val, store, settings)
    heat, score = onnx_graph.run_all(made, frames)
    truth = truths(val, settings.labels)
    size = settings.input
    out: dict = {"labels": {}, "cpu_ms": onnx_graph.cpu_milliseconds(made, frames), "load": os.getloadavg()[0]}
    for k, label in enumerate(settings.labels):
        row = of_label(score[:, k], truth[:, k], val, thresholds[label], settings.run.seed)
        row["reliability"] = metrics.reliability(score[:, k], truth[:, k])
        row["worst"] = worst(score[:, k], truth[:, k], val, thresholds[label])
        if any(label in p.boxes for p in val):
            row["pointing"] = pointing(heat, label, k, val)
            row |= places.label_precision(heat[:, k], score[:, k], thresholds[label], label, val, size.width, size.height)
        if label == "waterlogging":
            row["masks"] = places.mask_overlap(heat[:, k], masks, val, 0.5, size.width, size.height)
        if label in ("fire", "smoke"):
            small = probe.build(label, val, store, settings)
            with_heat, with_score = onnx_graph.run_all(made, small.frames)
            _, without = onnx_graph.run_all(made, small.streets)
            both = np.concatenate([with_score[:, k], without[:, k]])
            flags = np.repeat([1, 0], len(with_score))
            cells = with_heat[:, k].reshape(len(with_heat), size.rows, onnx_graph.FINER, size.columns, onnx_graph.FINER).max((2, 4))
            row["small"] = {
                "auc": metrics.auc(both, flags),
                "found": share(int((with_score[:, k] >= thresholds[label]).sum()), len(with_score)),
                "in_place": share(int(probe.found_in_place(cells, small.where).sum()), len(with_score)),
            }
        out["labels"][label] = row
    return out


def summary_of(
    content: bytes, val: list[Picture], store: Store, settings: Settings, thresholds: dict[str, float], masks: dict[int, np.ndarray]
) -> dict:
    """The same file in float: what integers cost."""
    made = onnx_graph.session(content)
    frames = frames_of(val, store, settings)
    heat, score = onnx_graph.run_all(made, frames)
    truth, size = truths(val, settings.labels), settings.input
    out: dict = {"cpu_ms": onnx_graph.cpu_milliseconds(made, frames)}
    for k, label in enumerate(settings.labels):
        out[label] = {"auc": metrics.auc(score[:, k], truth[:, k])}
        if any(label in p.boxes for p in val):
            out[label] |= places.label_precision(heat[:, k], score[:, k], thresholds[label], label, val, size.width, size.height)
        if label == "waterlogging":
            out[label]["masks"] = places.mask_overlap(heat[:, k], masks, val, 0.5, size.width, size.height)
    return out


WORST = 8


def worst(score: np.ndarray, truth: np.ndarray, pictures: list[Picture], threshold: float) -> dict[str, list]:
    """The surest false alarms and the surest misses, by file name."""
    rows = [(float(s), p.file_name, int(t)) for s, p, t in zip(score, pictures, truth, strict=True)]
    alarms = sorted((r for r in rows if r[2] == 0 and r[0] >= threshold), reverse=True)
    misses = sorted(r for r in rows if r[2] == 1 and r[0] < threshold)
    return {"alarms": [r[:2] for r in alarms[:WORST]], "misses": [r[:2] for r in misses[:WORST]]}


def rendered(content: bytes, frames: list[Picture], store: Store, settings: Settings, thresholds: dict[str, float]) -> dict:
    """On scenes of the simulator that were kept from training."""
    if not frames:
        return {}
    _, score = onnx_graph.run_all(onnx_graph.session(content), frames_of(frames, store, settings))
    truth = truths(frames, settings.labels)
    out = {}
    for k, label in enumerate(settings.labels):
        c = metrics.counts(score[:, k], truth[:, k], thresholds[label])
        area = metrics.auc(score[:, k], truth[:, k])
        out[label] = {**c, "auc": None if np.isnan(area) else area}
    return out


def calibration(scores: Scores, answers: Answers, truth: np.ndarray, groups: np.ndarray, settings: Settings) -> dict:
    """Platt against isotonic scaling, each on groups it was not fitted to."""
    linear = scores.linear(answers.pooled)
    out = {}
    for k, label in enumerate(settings.labels):
        out[label] = calibrate.compared(scores.middle(answers.image, linear, k), truth[:, k], groups)
    return out
