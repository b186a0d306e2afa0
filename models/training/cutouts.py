"""Bags and machines cut out of their boxes, with soft outlines (GrabCut), to be put into other streets.

C. Rother, V. Kolmogorov, A. Blake, "GrabCut" (2004), as OpenCV has it. Made once and kept below the working folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data import Picture, Store

LABELS = ("litter", "machinery")
LONGEST = 176
PER_PICTURE = 2
MOSAICS = "css"
"""The source of mosaics: many of its boxes are cut at a seam, and only cut-outs that fill their box well are whole things."""


@dataclass(frozen=True)
class Cutout:
    """`rgb` [h, w, 3] u8 and `alpha` [h, w] u8 of a thing out of the picture with number `picture`, of `source`."""

    picture: int
    source: str
    rgb: np.ndarray
    alpha: np.ndarray


def cut(rgb: np.ndarray) -> np.ndarray | None:
    """Outline of what fills the middle of a crop; `None` when nothing stands out of its surroundings."""
    height, width = rgb.shape[:2]
    margin = (max(2, width // 14), max(2, height // 14))
    inner = (margin[0], margin[1], width - 2 * margin[0], height - 2 * margin[1])
    mask = np.zeros((height, width), dtype=np.uint8)
    model = [np.zeros((1, 65)) for _ in range(2)]
    cv2.setRNGSeed(1)
    try:
        cv2.grabCut(np.ascontiguousarray(rgb), mask, inner, *model, 3, cv2.GC_INIT_WITH_RECT)
    except cv2.error:
        return None
    thing = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(thing)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    thing = (parts == largest).astype(np.uint8)
    thing = cv2.morphologyEx(thing, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    share = thing.mean()
    if not 0.2 < share < 0.82:
        return None
    return cv2.GaussianBlur(thing * 255, (0, 0), 1.0)


def of_picture(picture: Picture, pixels: np.ndarray, label: str) -> list[Cutout]:
    made = []
    height, width = pixels.shape[:2]
    for box in picture.boxes.get(label, ()):
        grow = 0.08 * np.array([box[2] - box[0], box[3] - box[1]])
        x0, y0 = np.maximum(0, (box[:2] - grow) * (width, height)).astype(int)
        x1, y1 = np.minimum((width, height), (box[2:] + grow) * (width, height)).astype(int)
        if min(x1 - x0, y1 - y0) < 28:
            continue
        crop = pixels[y0:y1, x0:x1]
        scale = min(1.0, LONGEST / max(crop.shape[:2]))
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        alpha = cut(crop)
        if alpha is not None and (picture.source != MOSAICS or alpha.mean() > 0.5 * 255):
            made.append(Cutout(picture.index, picture.source, crop, alpha))
        if len(made) == PER_PICTURE:
            break
    return made


def gather(pictures: list[Picture], store: Store, work: Path | None) -> dict[str, list[Cutout]]:
    """Of all pictures given, whichever of them are later learnt from."""
    path = work / f"cutouts-{len(pictures)}.npy" if work else None
    if path and path.exists():
        return np.load(path, allow_pickle=True).item()
    made: dict[str, list[Cutout]] = {label: [] for label in LABELS}
    for picture in pictures:
        for label in LABELS:
            if picture.labels.get(label) == 1 and not picture.rendered:
                made[label] += of_picture(picture, store[picture.index], label)
    if path:
        np.save(path, np.array(made, dtype=object), allow_pickle=True)
    return made
