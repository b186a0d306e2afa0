"""Small fires and smoke in streets, put together from the val split: crops of val scenes in val street pictures.

No real set of street cameras with small fires is at hand. The composed pictures ask one thing: is a thing of 3-15 % of the
width found, in the right place, where the same street without it stays silent? They say nothing of how a fire looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import compose
from compose import Canvas
from data import Picture, Store, letterbox
from settings import Settings

STREETS = ("octa", "nyc", "malta-signs", "kniti-flood", "priyanshu-road")
PER_STREET = 2


@dataclass(frozen=True)
class Probe:
    """`frames` [N, H, W, 3] with the thing, `streets` [N, H, W, 3] without, `where` [N, rows, columns] of the thing."""

    frames: np.ndarray
    streets: np.ndarray
    where: np.ndarray


def build(label: str, val: list[Picture], store: Store, settings: Settings) -> Probe:
    size = settings.input
    rng = np.random.default_rng((settings.run.seed, 7, len(label)))
    donors = [
        (p, box)
        for p in val
        if p.labels.get(label) == 1
        for box in p.boxes.get(label, ())
        if (box[2] - box[0]) * (box[3] - box[1]) < 0.6
    ]
    streets = [p for p in val if p.source in STREETS and p.labels.get(label) == 0]
    by_group: dict[str, list] = {}
    for donor in donors:
        by_group.setdefault(donor[0].group, []).append(donor)
    groups = list(by_group.values())
    frames, empty, where = [], [], []
    for street in (s for s in streets for _ in range(PER_STREET)):
        base = letterbox(store[street.index], size.width, size.height, size.pad)
        choices = groups[rng.integers(len(groups))]
        donor, box = choices[rng.integers(len(choices))]
        pixels = store[donor.index]
        h, w = pixels.shape[:2]
        crop = pixels[int(box[1] * h) : int(box[3] * h), int(box[0] * w) : int(box[2] * w)]
        for _ in range(8):
            canvas = Canvas.of(base, np.zeros(1, dtype=np.int64))
            alpha = compose.paste_crop(rng, canvas, crop, label, large=0.15)
            cells = alpha.reshape(size.rows, size.stride, size.columns, size.stride).mean((1, 3))
            if alpha.sum() > 150:
                frames.append(canvas.image)
                empty.append(base)
                where.append(cells)
                break
    return Probe(np.stack(frames), np.stack(empty), np.stack(where))


def found_in_place(heat: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Whether the strongest cell touches the thing, or a neighbour of it; [N] bool."""
    hit = []
    for cells, thing in zip(heat, where, strict=True):
        row, column = np.unravel_index(cells.argmax(), cells.shape)
        near = thing[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        hit.append(near.max() > 0.05)
    return np.array(hit)
