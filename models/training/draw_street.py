"""Standing water, scaffolds and heaps drawn rather than photographed, and what looks like them: wet roads, fences, heaps of gravel.

Shapes are alphas, float h x w in 0..1; layers as in `draw`.
"""

from __future__ import annotations

import cv2
import numpy as np

from draw import Layer, axes, fractal_noise, smoothstep

Rng = np.random.Generator


def flooded_shape(rng: Rng, height: int, width: int) -> np.ndarray:
    """A part of the ground: what lies below a waterline that wanders, or a broad pool that perspective flattens."""
    wander = (fractal_noise(rng, 8, width, rng.uniform(2, 6))[4] - 0.5) * rng.uniform(0.02, 0.15)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    if rng.random() < 0.5:
        top = rng.uniform(0.4, 0.75) + rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, width, dtype=np.float32) + wander
        shape = smoothstep(-0.01, 0.02, y - top[None, :])
        if rng.random() < 0.3:
            shape = shape * (1 - smoothstep(-0.02, 0.02, y - rng.uniform(0.85, 1.1)))
    else:
        middle = (rng.uniform(0.2, 0.8), rng.uniform(0.6, 0.9))
        wide, flat = rng.uniform(0.25, 0.7), rng.uniform(0.08, 0.25)
        x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
        lumps = fractal_noise(rng, height, width, rng.uniform(3, 6)) - 0.5
        radius = np.sqrt(((x - middle[0]) / wide) ** 2 + ((y - middle[1]) / flat) ** 2) + lumps * 0.5
        shape = 1 - smoothstep(0.92, 1.0, radius)
    return shape.astype(np.float32)


def water(rng: Rng, image: np.ndarray, shape: np.ndarray) -> Layer:
    """What stands on the ground mirrored at its upper edge, tinted by mud or sky, broken by ripples."""
    height, width = shape.shape
    rows = np.flatnonzero(shape.max(axis=1) > 0.5)
    top = int(rows[0]) if len(rows) else height // 2
    index = np.abs(2 * top - np.arange(height)).clip(0, height - 1)
    mirrored = image[index].astype(np.float32)
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    ripple = (fractal_noise(rng, height, width, rng.uniform(6, 20), stretch=rng.uniform(0.15, 0.4)) - 0.5) * rng.uniform(2, 14)
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    ripple = ripple.astype(np.float32)
    mirrored = cv2.remap(mirrored, grid_x + ripple, grid_y + ripple * np.float32(0.6), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mirrored = cv2.GaussianBlur(mirrored, (0, 0), sigmaX=rng.uniform(0.6, 2), sigmaY=rng.uniform(1, 6))
    tint = np.array(((150, 120, 80), (125, 105, 80), (110, 115, 110), (130, 140, 150), (60, 60, 55))[rng.integers(5)], dtype=np.float32)
    light = np.clip(image.mean() / 110, 0.25, 1.5)
    mud = np.clip(rng.uniform(0.15, 0.9) + rng.uniform(-0.3, 0.3) * depth, 0, 1)[..., None]
    colour = mirrored * (1 - mud) + tint * light * mud
    glints = fractal_noise(rng, height, width, rng.uniform(10, 30), stretch=rng.uniform(0.1, 0.3))
    colour += ((glints - 0.5) * rng.uniform(5, 50))[..., None] * (0.4 + 0.6 * depth[..., None])
    return np.clip(colour, 0, 255).astype(np.float32), shape * rng.uniform(0.85, 1.0)


def wet(rng: Rng, image: np.ndarray, shape: np.ndarray) -> Layer:
    """A wet road is darker and mirrors lights as streaks, but the ground shows through: no standing water."""
    height, width = shape.shape
    rows = np.flatnonzero(shape.max(axis=1) > 0.5)
    top = int(rows[0]) if len(rows) else height // 2
    index = np.abs(2 * top - np.arange(height)).clip(0, height - 1)
    streaks = cv2.GaussianBlur(image[index].astype(np.float32), (0, 0), sigmaX=rng.uniform(1, 3), sigmaY=rng.uniform(8, 25))
    colour = image.astype(np.float32) * rng.uniform(0.45, 0.8) + streaks * rng.uniform(0.1, 0.4)
    return np.clip(colour, 0, 255), shape


def mound(rng: Rng, height: int, width: int) -> np.ndarray:
    """The outline of a heap: highest somewhere in the middle, ragged above, flat below."""
    x, y = axes(height, width)
    rough = (fractal_noise(rng, 8, width, rng.uniform(3, 10))[4] - 0.5) * rng.uniform(0.2, 0.6)
    crest = (1 - np.abs(x[0] - rng.uniform(-0.3, 0.3)) ** rng.uniform(1.2, 3)) * rng.uniform(0.6, 0.95) + rough
    inside = smoothstep(-0.03, 0.03, crest[None, :] - y)
    foot = (fractal_noise(rng, 8, width, rng.uniform(3, 10))[4] * 0.15)[None, :]
    return (inside * smoothstep(-0.02, 0.04, y - foot)).astype(np.float32)


POLE_COLOURS = ((150, 150, 150), (110, 105, 100), (190, 185, 175), (70, 70, 72), (185, 150, 40), (165, 120, 70), (60, 100, 170))
NET_COLOURS = ((40, 110, 60), (30, 90, 90), (60, 150, 90), (50, 90, 150), (190, 190, 185), (90, 95, 100), (180, 120, 60))


def slanted(rng: Rng, layer: Layer) -> Layer:
    """Seen from the side of the street: one edge nearer than the other."""
    colour, alpha = layer
    height, width = alpha.shape
    near, far = rng.uniform(0.0, 0.1), rng.uniform(0.1, 0.4)
    left, right = (near, far) if rng.random() < 0.5 else (far, near)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    to = np.array([[0, left * height], [width, right * height], [width, height * (1 - right * 0.5)], [0, height * (1 - left * 0.5)]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners, to)
    return cv2.warpPerspective(colour, matrix, (width, height)), cv2.warpPerspective(alpha, matrix, (width, height))


def scaffold(rng: Rng, height: int, width: int) -> Layer:
    """Standards, ledgers, braces and planks in storeys, bare or behind a net; or a shed over the pavement."""
    alpha = np.zeros((height, width), dtype=np.float32)
    colour = np.zeros((height, width, 3), dtype=np.float32)
    pole = np.array(POLE_COLOURS[rng.integers(len(POLE_COLOURS))], dtype=np.float32) * rng.uniform(0.6, 1.2)
    shed = rng.random() < 0.3
    storey = height if shed else max(9, int(height / rng.integers(2, 7)))
    bay = max(7, int(storey * rng.uniform(0.6, 1.6) * (0.5 if shed else 1)))
    thick = max(1, int(min(storey, bay) * rng.uniform(0.03, 0.09)))
    if not shed and rng.random() < 0.45:
        net = np.array(NET_COLOURS[rng.integers(len(NET_COLOURS))], dtype=np.float32)
        folds = 1 + (fractal_noise(rng, height, width, rng.uniform(4, 12), stretch=4) - 0.5) * rng.uniform(0.1, 0.5)
        colour[:] = net * folds[..., None]
        alpha[:] = rng.uniform(0.5, 0.95)
    lines = np.zeros((height, width), dtype=np.float32)
    for x in range(0, width, bay):
        cv2.line(lines, (x, 0), (x + int(rng.normal(0, 0.4)), height), 1.0, thick, cv2.LINE_AA)
    for y in range(height - 1, -1, -storey):
        cv2.line(lines, (0, y), (width, y), 1.0, thick, cv2.LINE_AA)
        cv2.line(lines, (0, y - int(storey * 0.4)), (width, y - int(storey * 0.4)), 1.0, max(1, thick - 1), cv2.LINE_AA)
        for x in range(0, width, bay):
            if rng.random() < 0.35:
                ends = ((x, y), (x + bay, y - storey)) if rng.random() < 0.5 else ((x, y - storey), (x + bay, y))
                cv2.line(lines, *ends, 1.0, max(1, thick - 1), cv2.LINE_AA)
    shade = 1 + 0.3 * (fractal_noise(rng, height, width, 8) - 0.5)
    colour = colour * (1 - lines[..., None]) + pole * shade[..., None] * lines[..., None]
    alpha = np.maximum(alpha, lines)
    plank = np.array((150, 115, 70) if rng.random() < 0.6 else (120, 120, 118), dtype=np.float32) * rng.uniform(0.6, 1.1)
    if shed:
        deck = max(3, int(height * rng.uniform(0.15, 0.35)))
        board = np.array(((35, 80, 60), (30, 60, 100), (60, 60, 60), (150, 110, 70))[rng.integers(4)], dtype=np.float32)
        colour[:deck], alpha[:deck] = board * rng.uniform(0.6, 1.2), 1.0
        dark = smoothstep(0, 1, np.linspace(1, 0, height, dtype=np.float32))[:, None] * rng.uniform(0.2, 0.6)
        alpha = np.maximum(alpha, np.broadcast_to(dark, alpha.shape))
    else:
        for y in range(height - 1, -1, -storey):
            deep = max(1, int(storey * 0.07))
            colour[max(0, y - deep) : y], alpha[max(0, y - deep) : y] = plank, 0.95
    return slanted(rng, (np.clip(colour, 0, 255), alpha))


def lattice(rng: Rng, height: int, width: int) -> Layer:
    """Fences, window grids, shutters, bare poles with wires: straight lines that hold nothing up."""
    lines = np.zeros((height, width), dtype=np.float32)
    colour = np.array(POLE_COLOURS[rng.integers(len(POLE_COLOURS))], dtype=np.float32) * rng.uniform(0.4, 1.3)
    kind = rng.random()
    thick = max(1, int(width * rng.uniform(0.004, 0.02)))
    if kind < 0.3:
        step = max(4, int(width * rng.uniform(0.02, 0.08)))
        for x in range(0, width, step):
            cv2.line(lines, (x, int(height * 0.55)), (x, height), 1.0, thick, cv2.LINE_AA)
        for y in (0.6, 0.97):
            cv2.line(lines, (0, int(height * y)), (width, int(height * y)), 1.0, thick, cv2.LINE_AA)
    elif kind < 0.6:
        columns, rows = int(rng.integers(3, 9)), int(rng.integers(2, 7))
        for row in range(rows):
            for column in range(columns):
                x0, y0 = int((column + 0.2) * width / columns), int((row + 0.2) * height / rows)
                x1, y1 = int((column + 0.75) * width / columns), int((row + 0.8) * height / rows)
                cv2.rectangle(lines, (x0, y0), (x1, y1), 1.0, -1)
    elif kind < 0.8:
        step = max(3, int(height * rng.uniform(0.03, 0.07)))
        for y in range(0, height, step):
            cv2.line(lines, (0, y), (width, y), 1.0, max(1, step // 3), cv2.LINE_AA)
    else:
        for _ in range(int(rng.integers(1, 4))):
            x = int(rng.integers(width))
            cv2.line(lines, (x, 0), (x + int(rng.normal(0, 3)), height), 1.0, thick * 2, cv2.LINE_AA)
        for _ in range(int(rng.integers(2, 9))):
            ends = rng.integers(0, height // 2 + 1, 2)
            cv2.line(lines, (0, int(ends[0])), (width, int(ends[1])), 1.0, 1, cv2.LINE_AA)
    shaded = np.broadcast_to(colour, (height, width, 3)) * (1 + 0.2 * (fractal_noise(rng, height, width, 6) - 0.5))[..., None]
    return slanted(rng, (np.clip(shaded, 0, 255).astype(np.float32), lines * rng.uniform(0.7, 1.0)))
