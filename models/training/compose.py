"""A canvas on its way to the network: pixels and, per label, where it is known to be or not to be.

Things are put into pictures here: real crops of fire and smoke, drawn ones, and distractors blended in exactly the same
ways, so that a soft edge or an odd patch is no sign of a fire.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

import draw
import draw_street
from data import UNKNOWN

Rng = np.random.Generator
FINE = 4
"""Pixels per side of a place in the fine maps; cells are averages of them."""


@dataclass
class Canvas:
    """`sure` and `loose` are where a label is (from pixels, or from a coarse box), `unsure` where nobody can say; each
    [K, h / FINE, w / FINE] in 0..1. `labels` holds 1, 0 or UNKNOWN for the whole canvas. `boxes` are rows of label, x0, y0,
    x1, y1 in pixels. `sources` names every source that gave something to the canvas."""

    image: np.ndarray
    labels: np.ndarray
    sure: np.ndarray
    loose: np.ndarray
    unsure: np.ndarray
    boxes: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, image: np.ndarray, labels: np.ndarray) -> Canvas:
        shape = (len(labels), image.shape[0] // FINE, image.shape[1] // FINE)
        maps = [np.zeros(shape, dtype=np.float32) for _ in range(3)]
        canvas = cls(image, labels.copy(), *maps)
        canvas.unsure[labels == UNKNOWN] = 1
        return canvas

    def flipped(self) -> Canvas:
        def turn(x: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(x[..., ::-1])

        image, wide = np.ascontiguousarray(self.image[:, ::-1]), self.image.shape[1]
        boxes = [(k, wide - x1, y0, wide - x0, y1) for k, x0, y0, x1, y1 in self.boxes]
        return Canvas(image, self.labels, turn(self.sure), turn(self.loose), turn(self.unsure), boxes, self.sources)


def blend(canvas: Canvas, layer: draw.Layer, x: int, y: int, mode: str) -> np.ndarray:
    """Lay `layer` over the canvas with its corner at (x, y); gives its alpha over the whole canvas."""
    colour, alpha = layer
    height, width = canvas.image.shape[:2]
    whole = np.zeros((height, width), dtype=np.float32)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + alpha.shape[1]), min(height, y + alpha.shape[0])
    if x1 <= x0 or y1 <= y0:
        return whole
    part = alpha[y0 - y : y1 - y, x0 - x : x1 - x]
    paint = colour[y0 - y : y1 - y, x0 - x : x1 - x]
    under = canvas.image[y0:y1, x0:x1].astype(np.float32)
    soft = part[..., None]
    if mode == "screen":
        mixed = 255 - (255 - under) * (255 - paint * soft) / 255
    elif mode == "lighten":
        mixed = np.maximum(under, under * (1 - soft) + paint * soft)
    else:
        mixed = under * (1 - soft) + paint * soft
    out = canvas.image.copy()
    out[y0:y1, x0:x1] = np.clip(mixed, 0, 255).astype(np.uint8)
    canvas.image = out
    whole[y0:y1, x0:x1] = part
    return whole


def fine(alpha: np.ndarray) -> np.ndarray:
    size = (alpha.shape[1] // FINE, alpha.shape[0] // FINE)
    return cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)


def mark(canvas: Canvas, label: int, alpha: np.ndarray, threshold: float) -> None:
    """Record that a label was put where `alpha` is. Too little of it to be seen leaves the label unknown."""
    small = fine(alpha)
    there = (small > threshold).astype(np.float32)
    if there.sum() >= 3:
        canvas.sure[label] = np.maximum(canvas.sure[label], there)
        canvas.labels[label] = 1
        rows, columns = np.flatnonzero(there.any(axis=1)) * FINE, np.flatnonzero(there.any(axis=0)) * FINE
        canvas.boxes.append((label, columns[0], rows[0], columns[-1] + FINE, rows[-1] + FINE))
    elif canvas.labels[label] == 0:
        canvas.labels[label] = UNKNOWN
    faint = (small > 0.03).astype(np.float32) * (1 - there)
    canvas.unsure[label] = np.maximum(canvas.unsure[label], faint)


def feather(rng: Rng, height: int, width: int) -> np.ndarray:
    """A soft-edged ellipse or rectangle."""
    x, y = draw.axes(height, width)
    y = 2 * y - 1
    power = rng.uniform(1.8, 5.0)
    radius = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)
    return 1 - draw.smoothstep(rng.uniform(0.55, 0.85), 1.0, radius)


def flame_alpha(crop: np.ndarray) -> np.ndarray:
    """How much a pixel looks like flame: red over blue, or white next to such."""
    rgb = crop.astype(np.float32) / 255
    red, blue, peak = rgb[..., 0], rgb[..., 2], rgb.max(axis=2)
    warm = draw.smoothstep(0.10, 0.35, red - blue) * draw.smoothstep(0.35, 0.65, red)
    near = cv2.GaussianBlur(warm, (0, 0), max(1.0, 0.06 * max(crop.shape[:2])))
    core = draw.smoothstep(0.85, 0.98, peak) * draw.smoothstep(0.05, 0.3, near)
    return np.maximum(warm, core)


def object_size(rng: Rng, canvas: Canvas, aspect: float, small: float, large: float) -> tuple[int, int]:
    """Height and width in pixels; the width is log-uniform between shares of the canvas, small things first."""
    height, width = canvas.image.shape[:2]
    w = width * float(np.exp(rng.uniform(np.log(small), np.log(large))))
    h = min(w * aspect, height * 0.95)
    return max(8, int(h)), max(8, int(w))


def place(rng: Rng, canvas: Canvas, height: int, width: int) -> tuple[int, int]:
    h, w = canvas.image.shape[:2]
    x = int(rng.uniform(-0.2 * width, w - 0.8 * width))
    y = int(rng.uniform(-0.1 * height, h - 0.9 * height))
    return x, y


def paste_crop(rng: Rng, canvas: Canvas, crop: np.ndarray, kind: str | None, large: float = 0.4) -> np.ndarray:
    """Blend a crop in, small; `kind` is "fire", "smoke" or None for a distractor, which may be blended either way."""
    aspect = crop.shape[0] / crop.shape[1] * float(np.exp(rng.normal(0, 0.15)))
    height, width = object_size(rng, canvas, aspect, 0.03, large)
    patch = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        patch = np.ascontiguousarray(patch[:, ::-1])
    alpha = feather(rng, height, width)
    like = kind if kind else ("fire" if rng.random() < 0.5 else "smoke")
    mode = "over"
    if like == "fire" and rng.random() < 0.65:
        alpha = alpha * flame_alpha(patch)
        mode = ("over", "screen", "lighten")[rng.integers(3)]
    elif like == "smoke":
        alpha = alpha * rng.uniform(0.55, 1.0)
    x, y = place(rng, canvas, height, width)
    return blend(canvas, (patch.astype(np.float32), alpha), x, y, mode)


def draw_plume(rng: Rng, canvas: Canvas) -> np.ndarray:
    aspect = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2))))
    height, width = object_size(rng, canvas, aspect, 0.10, 0.9)
    layer = draw.plume(rng, height, width)
    return blend(canvas, layer, *place(rng, canvas, height, width), "over")


def draw_burning(rng: Rng, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A small flame at the foot of a plume, as a burning car looks from afar; gives the alphas of plume and flame."""
    aspect = float(np.exp(rng.uniform(np.log(0.8), np.log(2.5))))
    height, width = object_size(rng, canvas, aspect, 0.08, 0.5)
    x, y = place(rng, canvas, height, width)
    smoke = blend(canvas, draw.plume(rng, height, width), x, y, "over")
    fire_width = max(7, int(width * rng.uniform(0.15, 0.5)))
    fire_height = max(7, int(fire_width * rng.uniform(0.5, 1.5)))
    left = x + (width - fire_width) // 2 + int(rng.normal(0, 0.05) * width)
    top = y + height - fire_height + int(rng.uniform(-0.05, 0.1) * height)
    fire = blend(canvas, draw.flame(rng, fire_height, fire_width), left, top, "over")
    return smoke, fire


def draw_flame(rng: Rng, canvas: Canvas) -> np.ndarray:
    aspect = float(np.exp(rng.uniform(np.log(0.6), np.log(1.7))))
    height, width = object_size(rng, canvas, aspect, 0.025, 0.35)
    layer = draw.flame(rng, height, width)
    mode = "over" if rng.random() < 0.6 else "screen"
    return blend(canvas, layer, *place(rng, canvas, height, width), mode)


def draw_plain_object(rng: Rng, canvas: Canvas) -> None:
    height, width = object_size(rng, canvas, float(rng.uniform(0.4, 1.8)), 0.02, 0.2)
    layer = draw.plain_object(rng, height, width)
    blend(canvas, layer, *place(rng, canvas, height, width), "over")


def stand(rng: Rng, canvas: Canvas, aspect: float, small: float, large: float) -> tuple[int, int, int, int]:
    """x, y, height, width of a thing that stands on the ground: the lower in the picture, the larger."""
    height, width = canvas.image.shape[:2]
    foot = rng.uniform(0.5, 1.03)
    near = (foot - 0.4) / 0.6
    w = max(8, int(width * np.exp(rng.uniform(np.log(small), np.log(large))) * (0.35 + 0.65 * near)))
    h = max(8, int(min(w * aspect, 0.9 * height)))
    return int(rng.uniform(-0.15, 1.15) * width - w / 2), int(foot * height) - h, h, w


def suit_light(rng: Rng, canvas: Canvas, patch: np.ndarray, x: int, y: int) -> np.ndarray:
    """Brightness and tint part of the way to that of the place."""
    height, width = canvas.image.shape[:2]
    there = canvas.image[max(0, y) : min(height, y + patch.shape[0]), max(0, x) : min(width, x + patch.shape[1])]
    if there.size == 0:
        return patch.astype(np.float32)
    gain = (there.mean((0, 1)) + 20) / (patch.mean((0, 1)) + 20)
    return np.clip(patch * np.clip(gain, 0.3, 1.6) ** rng.uniform(0.2, 0.8), 0, 255).astype(np.float32)


def put_down(rng: Rng, canvas: Canvas, rgb: np.ndarray, alpha: np.ndarray, small: float, large: float) -> np.ndarray:
    """Stand a cut-out thing on the ground, with a shadow under it mostly; gives its alpha over the canvas."""
    aspect = rgb.shape[0] / rgb.shape[1] * float(np.exp(rng.normal(0, 0.12)))
    x, y, h, w = stand(rng, canvas, aspect, small, large)
    patch = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(alpha, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
    if soft.max() > 1:
        soft = soft / 255
    if rng.random() < 0.5:
        patch, soft = np.ascontiguousarray(patch[:, ::-1]), np.ascontiguousarray(soft[:, ::-1])
    if rng.random() < 0.6:
        deep = max(3, h // 5)
        shadow = feather(rng, deep, w) * rng.uniform(0.3, 0.7)
        blend(canvas, (np.zeros((deep, w, 3), dtype=np.float32), shadow), x + int(rng.normal(0, 0.06) * w), y + h - deep // 2, "over")
    return blend(canvas, (suit_light(rng, canvas, patch, x, y), soft), x, y, "over")


def put_heap(rng: Rng, canvas: Canvas, crop: np.ndarray) -> np.ndarray:
    """A heap of whatever the crop shows."""
    aspect = float(np.exp(rng.uniform(np.log(0.25), np.log(0.8))))
    x, y, h, w = stand(rng, canvas, aspect, 0.12, 0.75)
    patch = cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA)
    return blend(canvas, (suit_light(rng, canvas, patch, x, y), draw_street.mound(rng, h, w)), x, y, "over")


def put_water(rng: Rng, canvas: Canvas, texture: np.ndarray | None) -> np.ndarray:
    """Standing water over part of the ground: drawn from what it mirrors, or with the surface of a photographed flood."""
    height, width = canvas.image.shape[:2]
    shape = draw_street.flooded_shape(rng, height, width)
    if texture is None:
        layer = draw_street.water(rng, canvas.image, shape)
    else:
        layer = (suit_light(rng, canvas, cv2.resize(texture, (width, height)), 0, 0), shape * rng.uniform(0.8, 1.0))
    return blend(canvas, layer, 0, 0, "over")


def put_wet(rng: Rng, canvas: Canvas) -> None:
    height, width = canvas.image.shape[:2]
    blend(canvas, draw_street.wet(rng, canvas.image, draw_street.flooded_shape(rng, height, width)), 0, 0, "over")


def draw_scaffold(rng: Rng, canvas: Canvas) -> np.ndarray:
    height, width = canvas.image.shape[:2]
    w = int(width * np.exp(rng.uniform(np.log(0.15), np.log(0.8))))
    h = int(height * rng.uniform(0.3, 0.95))
    x, y = int(rng.uniform(-0.3, 1) * width - 0.2 * w), int(rng.uniform(-0.2, 0.75) * height) - h // 4
    layer = draw_street.scaffold(rng, max(24, h), max(24, w))
    suited = suit_light(rng, canvas, layer[0], x, y)
    return blend(canvas, (suited, layer[1]), x, y, "over")


def draw_lattice(rng: Rng, canvas: Canvas) -> None:
    height, width = canvas.image.shape[:2]
    w, h = int(width * rng.uniform(0.15, 0.9)), int(height * rng.uniform(0.2, 0.9))
    x, y = int(rng.uniform(-0.2, 0.9) * width), int(rng.uniform(-0.2, 0.6) * height)
    colour, alpha = draw_street.lattice(rng, max(24, h), max(24, w))
    blend(canvas, (suit_light(rng, canvas, colour, x, y), alpha), x, y, "over")
