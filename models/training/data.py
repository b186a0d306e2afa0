"""The annotated pictures, and a memory-mapped store of their decoded pixels.

A label of a picture is 1 (present), 0 (known absent) or `UNKNOWN`, which no loss and no metric ever counts.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

# OpenCV's own threads do not live through the fork of a data worker.
cv2.setNumThreads(0)

UNKNOWN = -1
LONGEST_SIDE = 640
JUDGED = Path(__file__).resolve().parent / "judged.toml"


@dataclass(frozen=True)
class Picture:
    """`boxes` maps a label to rows of x0, y0, x1, y1 in 0..1; `mask` is the path of a pixel mask, for `mask_label`."""

    index: int
    file_name: str
    source: str
    group: str
    split: str
    width: int
    height: int
    labels: dict[str, int]
    boxes: dict[str, np.ndarray]
    mask: str | None = None
    mask_label: str | None = None
    rendered: bool = False


def read_pictures(root: Path) -> list[Picture]:
    """Read `annotations.json` (COCO) below `root`."""
    raw = json.loads((root / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in raw["categories"]}
    boxes: dict[int, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for annotation in raw["annotations"]:
        boxes[annotation["image_id"]][names[annotation["category_id"]]].append(annotation["bbox"])
    pictures = []
    for entry in raw["images"]:
        size = np.array([entry["width"], entry["height"]] * 2, dtype=np.float32)
        corners = {}
        for label, rows in boxes[entry["id"]].items():
            xywh = np.array(rows, dtype=np.float32)
            xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
            corners[label] = np.clip(xyxy / size, 0, 1)
        labels = {k: UNKNOWN if v is None else int(v) for k, v in entry["labels"].items()}
        mask = entry.get("mask")
        pictures.append(
            Picture(
                index=len(pictures),
                file_name=entry["file_name"],
                source=entry["source"],
                group=entry["group"],
                split=entry["split"],
                width=entry["width"],
                height=entry["height"],
                labels=labels,
                boxes=corners,
                mask=mask,
                mask_label="waterlogging" if mask else None,
            )
        )
    return pictures


def with_judged(pictures: list[Picture], path: Path = JUDGED) -> list[Picture]:
    """The same pictures with the labels that were judged by eye; they only ever fill what is unknown."""
    rules = {rule["name"]: rule for rule in tomllib.loads(path.read_text())["source"]}
    judged = []
    for picture in pictures:
        rule = rules.get(picture.source)
        labels = dict(picture.labels)
        if rule and picture.index not in rule.get("except", []):
            for name in rule["absent"]:
                if labels.get(name, UNKNOWN) == UNKNOWN:
                    labels[name] = 0
        judged.append(replace(picture, labels=labels))
    return judged


def decode(path: Path) -> np.ndarray:
    """RGB pixels, height x width x 3, longest side at most 640."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path.name} is not a picture")
    scale = LONGEST_SIDE / max(bgr.shape[:2])
    if scale < 1:
        size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(bgr[:, :, ::-1])


class Store:
    """Decoded pictures in one flat file, opened read-only by every worker."""

    def __init__(self, pixels: Path, table: Path) -> None:
        self._path = pixels
        self._table = np.load(table)
        self._pixels: np.memmap | None = None

    def __getitem__(self, index: int) -> np.ndarray:
        if self._pixels is None:
            self._pixels = np.memmap(self._path, dtype=np.uint8, mode="r")
        offset, height, width = self._table[index]
        return self._pixels[offset : offset + height * width * 3].reshape(height, width, 3)

    def __getstate__(self) -> dict:
        return {"_path": self._path, "_table": self._table, "_pixels": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)


def open_store(root: Path, pictures: list[Picture], work: Path) -> Store:
    """Decode every picture once; the cache is keyed by the list of files."""
    key = hashlib.sha256("\n".join(p.file_name for p in pictures).encode()).hexdigest()[:12]
    pixels, table = work / f"pixels-{key}.u8", work / f"pixels-{key}.npy"
    if not table.exists():
        work.mkdir(parents=True, exist_ok=True)
        rows, offset = [], 0
        with pixels.open("wb") as out:
            for picture in pictures:
                image = decode(root / picture.file_name)
                out.write(image.tobytes())
                rows.append((offset, image.shape[0], image.shape[1]))
                offset += image.size
        np.save(table, np.array(rows, dtype=np.int64))
    return Store(pixels, table)


def letterbox(image: np.ndarray, width: int, height: int, pad: int) -> np.ndarray:
    """Scale to fit, aspect kept, centred on grey: what the camera side does with a frame."""
    scale = min(width / image.shape[1], height / image.shape[0])
    new_w = min(width, max(1, round(image.shape[1] * scale)))
    new_h = min(height, max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, (new_w, new_h), interpolation=how)
    canvas = np.full((height, width, 3), pad, dtype=np.uint8)
    x, y = (width - new_w) // 2, (height - new_h) // 2
    canvas[y : y + new_h, x : x + new_w] = small
    return canvas
