"""What a camera, the weather and the network do to a picture. Nothing here changes a label."""

from __future__ import annotations

import cv2
import numpy as np

import draw

Rng = np.random.Generator


def colour_and_light(rng: Rng, image: np.ndarray) -> np.ndarray:
    out = image.astype(np.float32)
    warmth = rng.normal(0, 0.10)
    out *= np.array([1 + warmth, 1 + rng.normal(0, 0.04), 1 - warmth], dtype=np.float32)
    if rng.random() < 0.5:
        grey = out.mean(axis=2, keepdims=True)
        out = grey + (out - grey) * rng.uniform(0.45, 1.5)
    out = (out - 128) * rng.uniform(0.7, 1.35) + 128 + rng.normal(0, 18)
    out = np.clip(out, 0, 255)
    if rng.random() < 0.6:
        out = 255 * (out / 255) ** np.exp(rng.normal(0, 0.4))
    return out.astype(np.uint8)


def night(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Darken all but the lights, as a street camera does at night."""
    out = image.astype(np.float32) / 255
    bright = out.max(axis=2, keepdims=True)
    dark = out ** rng.uniform(1.3, 2.2) * rng.uniform(0.25, 0.6)
    keep = draw.smoothstep(0.75, 0.98, bright)
    out = dark * (1 - keep) + out * keep
    out += rng.normal(0, rng.uniform(0.01, 0.05), out.shape)
    if rng.random() < 0.5:
        out *= np.array([1.15, 0.95, 0.7]) if rng.random() < 0.6 else np.array([0.8, 0.95, 1.15])
    return np.clip(out * 255, 0, 255).astype(np.uint8)


def blur(rng: Rng, image: np.ndarray) -> np.ndarray:
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    length = int(rng.integers(3, 9))
    kernel = np.zeros((length, length), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    tip = (half + half * np.cos(angle), half + half * np.sin(angle))
    tail = (half - half * np.cos(angle), half - half * np.sin(angle))
    cv2.line(kernel, tuple(np.intp(np.round(tail)).tolist()), tuple(np.intp(np.round(tip)).tolist()), 1.0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def low_resolution(rng: Rng, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    factor = rng.uniform(0.3, 0.85)
    small = cv2.resize(image, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.choice(3, p=[0.5, 0.35, 0.15])]
    return cv2.resize(small, (width, height), interpolation=how)


def jpeg(rng: Rng, image: np.ndarray) -> np.ndarray:
    quality = int(rng.integers(20, 96))
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)


def noise(rng: Rng, image: np.ndarray) -> np.ndarray:
    grain = rng.normal(0, rng.uniform(2, 12), image.shape[:2] + (1 if rng.random() < 0.5 else 3,))
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def captions(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Time stamps, logos and bars, so that they are no sign of a source."""
    out = image.copy()
    height, width = out.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        colour = tuple(int(c) for c in rng.choice([[255, 255, 255], [255, 255, 0], [230, 20, 20], [0, 0, 0]]))
        if rng.random() < 0.25:
            w, h = int(width * rng.uniform(0.05, 0.25)), int(height * rng.uniform(0.03, 0.1))
            x, y = int(rng.integers(width - w)), int(rng.choice([0, height - h]))
            cv2.rectangle(out, (x, y), (x + w, y + h), colour, -1)
            continue
        text = "".join(chr(rng.integers(45, 91)) for _ in range(int(rng.integers(4, 20))))
        where = (int(rng.uniform(0, 0.6) * width), int(rng.choice([0.08, 0.95, rng.random()]) * height))
        cv2.putText(out, text, where, int(rng.integers(0, 4)), rng.uniform(0.3, 0.9), colour, int(rng.integers(1, 3)), cv2.LINE_AA)
    return out


def cutout(rng: Rng, image: np.ndarray) -> np.ndarray:
    out = image.copy()
    height, width = out.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        w, h = int(width * rng.uniform(0.03, 0.12)), int(height * rng.uniform(0.03, 0.15))
        x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
        out[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return out


STEPS = (
    (0.85, colour_and_light),
    (0.12, night),
    (0.12, draw.haze),
    (0.10, draw.rain),
    (0.10, cutout),
    (0.20, captions),
    (0.25, blur),
    (0.25, noise),
    (0.35, low_resolution),
    (0.65, jpeg),
)


def degrade(rng: Rng, image: np.ndarray) -> np.ndarray:
    for chance, step in STEPS:
        if rng.random() < chance:
            image = step(rng, image)
    if rng.random() < 0.04:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    return image
