"""The exported file on the clips of `clips.csv`: in how many looks a label is over its threshold."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

import onnx_graph
from data import letterbox
from settings import Settings

LOOK_SECS = 0.5


def looks(path: Path, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds and letterboxed RGB frames, one look every `LOOK_SECS`."""
    video = cv2.VideoCapture(str(path))
    rate = video.get(cv2.CAP_PROP_FPS) or 25.0
    step = max(1, round(rate * LOOK_SECS))
    size = settings.input
    times, frames, number = [], [], 0
    while video.grab():
        if number % step == 0:
            _, bgr = video.retrieve()
            times.append(number / rate)
            frames.append(letterbox(np.ascontiguousarray(bgr[:, :, ::-1]), size.width, size.height, size.pad))
        number += 1
    video.release()
    if not frames:
        raise ValueError(f"no frame of {path.name} can be decoded")
    return np.array(times), np.stack(frames)


def measure(content: bytes, root: Path, settings: Settings, thresholds: dict[str, float]) -> list[dict]:
    """Per clip and label: how many looks are over the threshold, while the thing can be seen and while it cannot."""
    if not (root / "clips.csv").exists():
        return []
    with (root / "clips.csv").open() as table:
        rows = list(csv.DictReader(table))
    made = onnx_graph.session(content)
    out = []
    for name in dict.fromkeys(row["file"] for row in rows):
        mine = [row for row in rows if row["file"] == name]
        times, frames = looks(root / "clips" / name, settings)
        _, score = onnx_graph.run_all(made, frames)
        for k, label in enumerate(settings.labels):
            spans = [(float(r["start_s"]), float(r["end_s"])) for r in mine if r["kind"] == label]
            seen = np.array([any(a <= t <= b for a, b in spans) for t in times])
            silent = any(r["kind"] == "none" for r in mine) or "rio" in name
            over = score[:, k] >= thresholds[label]
            entry = {"clip": name, "label": label, "median": float(np.median(score[:, k])), "highest": float(score[:, k].max())}
            if spans:
                out.append({**entry, "part": "present", "over": int(over[seen].sum()), "looks": int(seen.sum())})
            elif silent:
                out.append({**entry, "part": "absent", "over": int(over.sum()), "looks": len(times)})
    return out
