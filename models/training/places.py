"""Boxes out of a heat map as the camera side reads them (`models/src/heads/heatmap.rs`), and how good they are."""

from __future__ import annotations

import cv2
import numpy as np

from data import Picture

REGION_FRACTION = 0.5
MOST = 16


def content(picture: Picture, shape: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width and height of the letterboxed picture, in cells."""
    rows, columns = shape
    scale = min(width / picture.width, height / picture.height)
    wide, high = min(width, max(1, round(picture.width * scale))), min(height, max(1, round(picture.height * scale)))
    left, top = (width - wide) // 2, (height - high) // 2
    return left * columns / width, top * rows / height, wide * columns / width, high * rows / height


def boxes(heat: np.ndarray, image: float, threshold: float, picture: Picture, width: int, height: int) -> list[tuple[float, np.ndarray]]:
    """(score, x0 y0 x1 y1 in fractions of the picture) of one label's cells [rows, columns]."""
    left, top, wide, high = content(picture, heat.shape, width, height)
    rows, columns = np.arange(heat.shape[0]), np.arange(heat.shape[1])
    seen = ((rows < top + high) & (rows + 1 > top))[:, None] & ((columns < left + wide) & (columns + 1 > left))[None]
    cells = np.where(seen, heat, 0)
    peak = float(cells.max())
    if peak <= 0:
        return []
    count, parts = cv2.connectedComponents((cells >= REGION_FRACTION * min(threshold, peak)).astype(np.uint8))
    found = []
    for part in range(1, count):
        inside = parts == part
        highest = float(cells[inside].max())
        if highest < min(threshold, peak):
            continue
        y, x = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        edges = np.array([x[0] - left, y[0] - top, x[-1] + 1 - left, y[-1] + 1 - top]) / np.array([wide, high] * 2)
        found.append((image * highest / peak, np.clip(edges, 0, 1)))
    return sorted(found, key=lambda box: -box[0])[:MOST]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def average_precision(found: list[list[tuple[float, np.ndarray]]], truth: list[np.ndarray], least: float = 0.5) -> float:
    """Area under precision over recall (every point), greedy by score; each true box counts once."""
    ranked = sorted(((score, i, box) for i, rows in enumerate(found) for score, box in rows), key=lambda row: -row[0])
    total, taken = sum(len(rows) for rows in truth), [np.zeros(len(rows), dtype=bool) for rows in truth]
    hits = np.zeros(len(ranked))
    for at, (_, i, box) in enumerate(ranked):
        overlaps = [0.0 if taken[i][j] else iou(box, own) for j, own in enumerate(truth[i])]
        if overlaps and max(overlaps) >= least:
            taken[i][int(np.argmax(overlaps))] = True
            hits[at] = 1
    if total == 0 or len(ranked) == 0:
        return 0.0
    recall, precision = np.cumsum(hits) / total, np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(np.concatenate([[0], recall])) * precision).sum())


def label_precision(
    heat: np.ndarray, image: np.ndarray, threshold: float, label: str, pictures: list[Picture], width: int, height: int
) -> dict:
    """AP at IoU 0.5 over the pictures whose boxes are known and those known to be without."""
    found, truth = [], []
    for cells, score, picture in zip(heat, image, pictures, strict=True):
        own = picture.boxes.get(label)
        known = picture.labels.get(label) == 0 or (picture.labels.get(label) == 1 and own is not None and len(own) > 0)
        if known:
            found.append(boxes(cells, float(score), threshold, picture, width, height))
            truth.append(own if own is not None else np.zeros((0, 4)))
    return {"ap50": average_precision(found, truth), "boxes": sum(len(rows) for rows in truth)}


def mask_overlap(heat: np.ndarray, masks: dict[int, np.ndarray], pictures: list[Picture], cut: float, width: int, height: int) -> dict:
    """IoU of the cells from `cut` up with the masks, in the picture's own cells: of all pixels together, and the mean per picture."""
    shared = joined = 0.0
    each = []
    for cells, picture in zip(heat, pictures, strict=True):
        if picture.index not in masks:
            continue
        left, top, wide, high = (int(round(v)) for v in content(picture, cells.shape, width, height))
        own = cells[top : top + high, left : left + wide] >= cut
        mask = cv2.resize(masks[picture.index], own.shape[::-1], interpolation=cv2.INTER_AREA) > 127
        both, either = (own & mask).sum(), (own | mask).sum()
        shared, joined = shared + both, joined + either
        each.append(both / max(1, either))
    return {"iou": float(shared / max(1.0, joined)), "mean": float(np.mean(each)) if each else 0.0, "pictures": len(each)}
