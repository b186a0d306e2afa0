"""Frames of the project's own simulator: a minor share of what is learnt from, never of what accuracy is measured on.

    cargo run --release -p citybrain-simulator --example export_frames -- ../training-work/rendered 240

writes them with `truth.json`: for each frame its boxes by label. Unlike a photograph, a frame shows nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from data import Picture, Store, decode

SOURCE = "simulator"
# Frames of a scene are near-copies, so whole scenes are kept from training: the last seventh.
HELD_OUT = 7
# The simulator's word for what the annotations call otherwise.
NAMES = {"water": "waterlogging"}


def read_pictures(root: Path, labels: tuple[str, ...], first_index: int) -> list[Picture]:
    """Pictures numbered from `first_index`; the split of a scene is `train` or `held_out`."""
    if not (root / "truth.json").is_file():
        raise FileNotFoundError(f"no truth.json in {root}: write frames there with the simulator's example export_frames")
    frames = json.loads((root / "truth.json").read_text())
    scenes = sorted({frame["file"].split("-")[0] for frame in frames})
    kept = set(scenes[: len(scenes) - len(scenes) // HELD_OUT])
    return [_picture(frame, labels, first_index + number, kept) for number, frame in enumerate(frames)]


def _picture(frame: dict, labels: tuple[str, ...], index: int, kept: set[str]) -> Picture:
    scene = frame["file"].split("-")[0]
    boxes = {label: [box["box"] for box in frame["boxes"] if NAMES.get(box["label"], box["label"]) == label] for label in labels}
    return Picture(
        index=index,
        file_name=frame["file"],
        source=SOURCE,
        group=f"{SOURCE}/{scene}",
        split="train" if scene in kept else "held_out",
        width=640,
        height=360,
        labels={label: int(bool(rows)) for label, rows in boxes.items()},
        boxes={label: np.array(rows, dtype=np.float32) for label, rows in boxes.items() if rows},
        rendered=True,
    )


class WithRendered:
    """The store of photographs, and behind their numbers that of the rendered frames, which fit in memory."""

    def __init__(self, photographs: Store, count: int, root: Path, frames: list[Picture]) -> None:
        self._photographs, self._count = photographs, count
        self._frames = [decode(root / frame.file_name) for frame in frames]

    def __getitem__(self, index: int) -> np.ndarray:
        return self._photographs[index] if index < self._count else self._frames[index - self._count]
