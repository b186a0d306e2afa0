"""Every number of the card and the manifest, measured with the exported file, as a plain dictionary."""

from __future__ import annotations

import numpy as np

import metrics
import onnx_graph
import probe
from data import UNKNOWN, Picture, Store, letterbox
from settings import Settings
from train import truths


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
        row, column = np.unravel_index(cells.argmax(), cells.shape)
        hits += any(inside(row, column, cells.shape, box, picture) for box in boxes)
    return share(hits, total)


def inside(row: int, column: int, cells: tuple[int, int], box: np.ndarray, picture: Picture) -> bool:
    """The cell's middle, taken back through the letterbox, is in the box (half a cell of slack)."""
    rows, columns = cells
    scale = min(columns / picture.width, rows / picture.height)
    x = (column + 0.5 - (columns - picture.width * scale) / 2) / (picture.width * scale)
    y = (row + 0.5 - (rows - picture.height * scale) / 2) / (picture.height * scale)
    slack_x, slack_y = 0.5 / (picture.width * scale), 0.5 / (picture.height * scale)
    return bool(box[0] - slack_x <= x <= box[2] + slack_x and box[1] - slack_y <= y <= box[3] + slack_y)


def measure(content: bytes, val: list[Picture], store: Store, settings: Settings, thresholds: dict[str, float]) -> dict:
    made = onnx_graph.session(content)
    frames = frames_of(val, store, settings)
    heat, score = onnx_graph.run_all(made, frames)
    truth = truths(val, settings.labels)
    out: dict = {"labels": {}, "cpu_ms": onnx_graph.cpu_milliseconds(made, frames)}
    for k, label in enumerate(settings.labels):
        row = of_label(score[:, k], truth[:, k], val, thresholds[label], settings.run.seed)
        row["pointing"] = pointing(heat, label, k, val)
        if label in ("fire", "smoke"):
            small = probe.build(label, val, store, settings)
            with_heat, with_score = onnx_graph.run_all(made, small.frames)
            _, without = onnx_graph.run_all(made, small.streets)
            both = np.concatenate([with_score[:, k], without[:, k]])
            flags = np.repeat([1, 0], len(with_score))
            threshold = thresholds[label]
            row["small"] = {
                "auc": metrics.auc(both, flags),
                "found": share(int((with_score[:, k] >= threshold).sum()), len(with_score)),
                "in_place": share(int(probe.found_in_place(with_heat[:, k], small.where).sum()), len(with_score)),
            }
        out["labels"][label] = row
    return out
