"""Things drawn rather than photographed: smoke plumes, flames, lamps, rain, haze.

Each layer is `(colour h x w x 3 float 0..255, alpha h x w float 0..1)`.
"""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator
Layer = tuple[np.ndarray, np.ndarray]


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fractal_noise(rng: Rng, height: int, width: int, cells: float, stretch: float = 1.0) -> np.ndarray:
    """Octaves of smooth noise, 0..1. `cells` is the number of lumps across, `stretch` > 1 makes them tall."""
    total = np.zeros((height, width), dtype=np.float32)
    weight, norm = 1.0, 0.0
    for _ in range(5):
        columns = max(2, int(cells))
        rows = max(2, int(cells * height / width / stretch))
        lumps = rng.random((rows + 1, columns + 1), dtype=np.float32)
        total += weight * cv2.resize(lumps, (width, height), interpolation=cv2.INTER_CUBIC)
        norm += weight
        weight *= 0.55
        cells *= 2.1
        if cells > width:
            break
    total /= norm
    low, high = np.percentile(total[::4, ::4], (2, 98))
    return np.clip((total - low) / max(high - low, 1e-3), 0, 1)


def axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x in -1..1 from the left, y in 0..1 from the bottom."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    return x, y


def plume(rng: Rng, height: int, width: int) -> Layer:
    """Smoke that rises from the bottom of the patch, widens and thins out; white, grey, black or brownish."""
    x, y = axes(height, width)
    lean = rng.uniform(-0.7, 0.7)
    bend = rng.uniform(0.6, 1.8)
    foot, spread = rng.uniform(0.05, 0.3), rng.uniform(0.2, 0.9)
    wobble = (fractal_noise(rng, height, width, rng.uniform(2, 4)) - 0.5) * rng.uniform(0.2, 0.7)
    centre = lean * y**bend
    radius = foot + spread * y ** rng.uniform(0.5, 1.2)
    across = np.abs(x - centre + wobble) / radius
    body = 1 - smoothstep(0.45, 1.05, across)
    lumps = fractal_noise(rng, height, width, rng.uniform(3, 9))
    dense = rng.uniform(0.1, 0.75)
    alpha = body * smoothstep(0.0, 0.9, lumps + dense - 0.35 * y)
    alpha *= 1 - smoothstep(rng.uniform(0.5, 0.8), 1.0, y + 0 * x)
    alpha *= smoothstep(0.0, 0.06, y + 0 * x)
    alpha *= rng.uniform(0.45, 1.0)
    if rng.random() < 0.35:
        base = rng.uniform(10, 70)
    else:
        base = rng.uniform(90, 235)
    tint = np.array([1 + rng.uniform(-0.02, 0.1), 1.0, 1 + rng.uniform(-0.1, 0.06)], dtype=np.float32)
    shade = base + (fractal_noise(rng, height, width, rng.uniform(4, 12)) - 0.5) * rng.uniform(15, 90)
    colour = np.clip(shade[..., None] * tint, 0, 255)
    return colour.astype(np.float32), np.clip(alpha, 0, 1).astype(np.float32)


FLAME_HEAT = np.array([0.0, 0.2, 0.45, 0.7, 1.0], dtype=np.float32)
FLAME_RGB = np.array(
    [[60, 5, 0], [190, 45, 5], [250, 120, 20], [255, 210, 70], [255, 250, 215]], dtype=np.float32
)


def flame(rng: Rng, height: int, width: int) -> Layer:
    """Tongues of flame with a glow around them."""
    x, y = axes(height, width)
    turbulence = fractal_noise(rng, height, width, rng.uniform(4, 9), stretch=rng.uniform(1.2, 2.2))
    sway = (fractal_noise(rng, height, width, rng.uniform(2, 5)) - 0.5) * (0.2 + 0.9 * y)
    wide = rng.uniform(0.35, 0.75) * (1 - 0.55 * y)
    body = 1 - np.abs(x + sway) / np.maximum(wide, 1e-3)
    core = body - y * rng.uniform(0.7, 1.2) + 0.25
    heat = np.clip(core * rng.uniform(1.0, 1.8) - (turbulence - 0.35) * rng.uniform(0.7, 1.3), 0, 1)
    heat *= smoothstep(0.0, 0.08, y + 0 * x)
    heat = np.clip(heat * rng.uniform(0.8, 1.6), 0, 1)
    colour = np.stack([np.interp(heat, FLAME_HEAT, FLAME_RGB[:, c]) for c in range(3)], axis=-1)
    alpha = smoothstep(0.04, 0.35, heat)
    glow = cv2.GaussianBlur(heat, (0, 0), max(1.0, 0.12 * width))
    glow *= rng.uniform(0, 0.8)
    spread = np.maximum(alpha, np.clip(glow, 0, 0.7))
    warm = np.array([255, 140, 50], dtype=np.float32)
    mixed = np.where((alpha >= glow)[..., None], colour, warm)
    return mixed.astype(np.float32), spread.astype(np.float32)


LAMP_COLOURS = (
    (255, 255, 245), (255, 235, 190), (255, 190, 90), (255, 130, 30), (255, 60, 40),
    (255, 30, 30), (120, 255, 170), (140, 190, 255), (255, 90, 200), (255, 220, 60),
)  # fmt: skip


def lamps(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Head, tail and street lamps, neon strips and their streaks on a wet road: bright, warm and no fire."""
    height, width = image.shape[:2]
    light = np.zeros((height, width, 3), dtype=np.float32)
    for _ in range(int(rng.integers(1, 7))):
        colour = LAMP_COLOURS[rng.integers(len(LAMP_COLOURS))]
        x, y = int(rng.integers(width)), int(rng.integers(height))
        size = int(max(1, width * rng.uniform(0.003, 0.035)))
        shape = rng.random()
        if shape < 0.5:
            cv2.circle(light, (x, y), size, colour, -1, cv2.LINE_AA)
            if rng.random() < 0.5:
                cv2.circle(light, (min(width - 1, x + int(size * rng.uniform(3, 9))), y), size, colour, -1, cv2.LINE_AA)
        elif shape < 0.75:
            end = (x + int(size * rng.uniform(-12, 12)), y + int(size * rng.uniform(-2, 2)))
            cv2.line(light, (x, y), end, colour, max(1, size // 2), cv2.LINE_AA)
        else:
            cv2.ellipse(light, (x, y), (max(1, size // 2), int(size * rng.uniform(3, 10))), 0, 0, 360, colour, -1, cv2.LINE_AA)
    halo = cv2.GaussianBlur(light, (0, 0), width * rng.uniform(0.006, 0.03))
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.5, 2.0)) + halo * rng.uniform(0.5, 2.5)
    return np.clip(image + light, 0, 255).astype(np.uint8)


def plain_object(rng: Rng, height: int, width: int) -> Layer:
    """A cone, sign, car roof or tarpaulin in a colour of fire or of smoke, with flat shading and a hard edge."""
    palette = ((230, 60, 30), (245, 130, 20), (250, 200, 40), (200, 30, 30), (190, 190, 190), (235, 235, 235), (60, 60, 60))
    colour = np.array(palette[rng.integers(len(palette))], dtype=np.float32)
    colour = np.clip(colour * rng.uniform(0.5, 1.1) + rng.normal(0, 8, 3), 0, 255)
    mask = np.zeros((height, width), dtype=np.float32)
    kind = rng.random()
    if kind < 0.4:
        corners = rng.uniform(0.1, 0.9, (int(rng.integers(3, 6)), 2)) * [width, height]
        cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1.0, cv2.LINE_AA)
    elif kind < 0.7:
        cv2.ellipse(mask, (width // 2, height // 2), (int(width * 0.4), int(height * 0.35)), rng.uniform(0, 90), 0, 360, 1.0, -1, cv2.LINE_AA)
    else:
        mask[int(height * 0.15) : int(height * 0.85), int(width * 0.1) : int(width * 0.9)] = 1.0
    x, y = axes(height, width)
    shading = 1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * (y - 0.5)
    return np.clip(colour * shading[..., None], 0, 255).astype(np.float32), mask


def rain(rng: Rng, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    drops = (rng.random((height, width)) < rng.uniform(0.002, 0.02)).astype(np.float32) * 255
    length = int(rng.integers(5, 17))
    kernel = np.zeros((length, length), dtype=np.float32)
    slant = int(rng.integers(-length // 3, length // 3 + 1))
    cv2.line(kernel, (length // 2 - slant, 0), (length // 2 + slant, length - 1), 1.0, 1)
    streaks = cv2.filter2D(drops, -1, kernel / max(kernel.sum(), 1)) * rng.uniform(1.0, 4.0)
    return np.clip(image + np.minimum(streaks, 90)[..., None], 0, 255).astype(np.uint8)


def haze(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Even fog, thicker towards the horizon: no smoke."""
    height, width = image.shape[:2]
    _, y = axes(height, width)
    strength = rng.uniform(0.1, 0.55) * (1 + rng.uniform(-0.5, 0.5) * (y - 0.5))
    strength = np.broadcast_to(strength, (height, width))[..., None]
    tone = np.array([1, 1, 1 + rng.uniform(-0.05, 0.08)], dtype=np.float32) * rng.uniform(110, 235)
    return np.clip(image * (1 - strength) + tone * strength, 0, 255).astype(np.uint8)


def sunset(rng: Rng, image: np.ndarray) -> np.ndarray:
    """A low sun or a burning sky over the street, and its light on everything: warm all over, and no fire."""
    height, width = image.shape[:2]
    x, y = axes(height, width)
    horizon = rng.uniform(0.3, 0.75)
    middle = rng.uniform(-1, 1)
    sky = np.exp(-(((y - horizon) / rng.uniform(0.1, 0.4)) ** 2) - ((x - middle) / rng.uniform(0.5, 2.0)) ** 2)
    sky = sky * smoothstep(horizon - 0.15, horizon + 0.05, y + 0 * x)
    tint = np.array([255, rng.uniform(90, 190), rng.uniform(20, 110)], dtype=np.float32)
    out = image.astype(np.float32) * np.array([1.05, rng.uniform(0.8, 1), rng.uniform(0.6, 0.95)], dtype=np.float32)
    out = out * rng.uniform(0.6, 1.0)
    strength = (sky * rng.uniform(0.3, 0.95))[..., None].astype(np.float32)
    out = 255 - (255 - np.clip(out, 0, 255)) * (255 - tint * strength) / 255
    if rng.random() < 0.6:
        disc = np.zeros((height, width), dtype=np.float32)
        at = (int((middle + 1) / 2 * width), int((1 - horizon - rng.uniform(0, 0.2)) * height))
        cv2.circle(disc, at, max(2, int(width * rng.uniform(0.008, 0.06))), 1.0, -1, cv2.LINE_AA)
        disc = np.clip(disc + cv2.GaussianBlur(disc, (0, 0), width * 0.03) * rng.uniform(0.3, 1.5), 0, 1)[..., None]
        out = out * (1 - disc) + np.array([255, rng.uniform(200, 255), rng.uniform(90, 230)], dtype=np.float32) * disc
    return np.clip(out, 0, 255).astype(np.uint8)


def cast(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The light of sodium lamps, of a red sign or of a camera whose white balance is off."""
    casts = ((1.3, 0.9, 0.45), (1.2, 0.95, 0.7), (1.35, 0.75, 0.7), (0.8, 1.0, 1.25), (0.9, 1.1, 0.85))
    tint = np.array(casts[rng.integers(len(casts))], dtype=np.float32) ** rng.uniform(0.5, 1.2)
    return np.clip(image * tint * rng.uniform(0.6, 1.1), 0, 255).astype(np.uint8)
