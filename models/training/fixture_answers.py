"""Right answers for the fixtures of heads, worked out without the code under test: numpy, and NMS of torchvision's rules.

A fixture's `answers.json` holds what `models/tests/heads.rs` compares: the size of the picture, the floor, and for each
box its label, score and edges in fractions of the picture. The picture itself is `pattern`, which the test draws too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# A score nearer to the floor than this could fall on either side on another processor.
MARGIN = 1e-4


def pattern(width: int, height: int) -> np.ndarray:
    """An RGB frame [height, width, 3] in which no two places look the same."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 5 + y * 3) % 256, (x * x // 16 + y * 7) % 256, ((x ^ y) * 9) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


@dataclass(frozen=True)
class Input:
    """How a frame is fed; what `[input]` of the manifest says."""

    width: int
    height: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    scale: float = 1.0
    bgr: bool = False
    resize: str = "stretch"
    name: str = "images"

    def tensor(self) -> np.ndarray:
        """The pattern as [1, 3, height, width] in 32-bit floats."""
        frame = pattern(self.width, self.height)[:, :, :: -1 if self.bgr else 1].astype(np.float32)
        fed = (frame * np.float32(self.scale) - np.float32(self.mean)) / np.float32(self.std)
        return np.ascontiguousarray(fed.transpose(2, 0, 1)[None]).astype(np.float32)

    def content(self, picture: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, width and height of the part of the input that shows a picture of this size."""
        if self.resize == "stretch":
            return 0, 0, self.width, self.height
        scale = min(self.width / picture[0], self.height / picture[1])
        if self.resize == "letterbox_top_left":
            return 0, 0, int(picture[0] * scale + 1e-6), int(picture[1] * scale + 1e-6)
        width, height = round(picture[0] * scale), round(picture[1] * scale)
        return (self.width - width) // 2, (self.height - height) // 2, width, height

    def table(self) -> str:
        lines = [
            "[input]",
            f'name = "{self.name}"',
            'layout = "nchw"',
            'dtype = "f32"',
            f"width = {self.width}",
            f"height = {self.height}",
            f'color = "{"bgr" if self.bgr else "rgb"}"',
            f'resize = "{self.resize}"',
        ]
        if self.resize != "stretch":
            lines.append("pad = 114")
        for key in ("mean", "std"):
            lines.append(f"{key} = [{', '.join(repr(float(v)) for v in getattr(self, key))}]")
        lines.append(f"scale = {float(self.scale)!r}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Found:
    """A box in pixels of the input; `label` is `""` for a class that is not told."""

    label: str
    score: float
    edges: tuple[float, float, float, float]


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def softmax(values: np.ndarray, axis: int = -1) -> np.ndarray:
    shifted = np.exp(values.astype(np.float64) - values.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def iou(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area = lambda e: max(e[2] - e[0], 0) * max(e[3] - e[1], 0)  # noqa: E731
    return shared / (area(a) + area(b) - shared) if shared > 0 else 0.0


def suppressed(found: list[Found], max_iou: float) -> list[Found]:
    """Greedy suppression within each label, the surest first."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: -f.score):
        overlaps = [iou(one.edges, other.edges) for other in kept if other.label == one.label]
        if any(abs(value - max_iou) < MARGIN for value in overlaps):
            raise ValueError(f"an overlap of {overlaps} is too near to {max_iou}")
        if all(value <= max_iou for value in overlaps):
            kept.append(one)
    return kept


def in_picture(one: Found, content: tuple[int, int, int, int]) -> list[float] | None:
    """Edges in fractions of the picture, clipped; none for a box without an area in it."""
    left, top, width, height = content
    x1, x2 = (min(max((one.edges[i] - left) / width, 0.0), 1.0) for i in (0, 2))
    y1, y2 = (min(max((one.edges[i] - top) / height, 0.0), 1.0) for i in (1, 3))
    return [x1, y1, x2, y2] if x2 > x1 and y2 > y1 else None


def answers(
    found: list[Found], fed: Input, picture: tuple[int, int], floor: float, max_iou: float | None
) -> dict:
    """What the head is to tell, at the first floor from `floor` up at which the answer does not hang on rounding."""
    complaint = None
    for step in range(60):
        try:
            return _answers(found, fed, picture, round(floor + 0.005 * step, 4), max_iou)
        except ValueError as error:
            complaint = error
    raise ValueError(f"take another seed: {complaint}")


def _answers(found, fed, picture, floor, max_iou) -> dict:
    content = fed.content(picture)
    near = [f.score for f in found if f.label and abs(f.score - floor) < MARGIN]
    if near:
        raise ValueError(f"scores {near} are too near to the floor {floor}")
    told = [f for f in found if f.label and f.score >= floor and in_picture(f, content)]
    kept = suppressed(told, max_iou) if max_iou is not None else sorted(told, key=lambda f: -f.score)
    if not 2 <= len(kept) <= 40:
        raise ValueError(f"{len(kept)} boxes at floor {floor} are no good test")
    if max_iou is not None and len(kept) == len(told):
        raise ValueError(f"nothing is suppressed at floor {floor}")
    rows = [
        {"label": f.label, "score": round(float(f.score), 6), "edges": [round(float(e), 6) for e in in_picture(f, content)]}
        for f in kept
    ]
    return {"picture": list(picture), "floor": floor, "boxes": rows}


def write_answers(folder: Path, value: dict) -> None:
    boxes = ",\n".join("    " + json.dumps(row) for row in value["boxes"])
    text = f'{{\n  "picture": {value["picture"]},\n  "floor": {value["floor"]},\n  "boxes": [\n{boxes}\n  ]\n}}\n'
    (folder / "answers.json").write_text(text)
