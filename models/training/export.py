"""Calibrate, export, verify and write the shipped folder: `model.onnx`, `model.toml`, `CARD.md`."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np

import calibrate
import card
import clips
import metrics
import onnx_graph
import report
import scene
import settings as settings_file
from data import Picture, Store
from model import HeatmapNet
from samples import Sampler
from settings import Settings
from train import predict, truths

MOST_BYTES = 20_000_000
MOST_DIFFERENCE = 1e-3


def source_table() -> dict[str, dict[str, str]]:
    return tomllib.loads((settings_file.HERE / "sources.toml").read_text())


def training_rows(learn: list[Picture]) -> list[dict]:
    table = source_table()
    return [
        {"source": source, "licence": table[source]["licence"], "origin": table[source]["origin"], "pictures": count}
        for source, count in sorted(Counter(p.source for p in learn).items())
    ]


def manifest(settings: Settings, digest: str, thresholds: dict[str, float], rows: list[dict], measured: dict) -> str:
    model, size = settings.model, settings.input
    lines = [
        "format_version = 1",
        f'name = "{model.name}"',
        f'version = "{model.version}"',
        'file = "model.onnx"',
        f'sha256 = "{digest}"',
        f'license = "{model.license}"',
        "labels = [" + ", ".join(f'"{label}"' for label in settings.labels) + "]",
        "",
        "[input]",
        'name = "frame"',
        'layout = "nhwc"',
        'dtype = "u8"',
        f"width = {size.width}",
        f"height = {size.height}",
        'color = "rgb"',
        'resize = "letterbox"',
        f"pad = {size.pad}",
        "",
        "[head]",
        'kind = "heatmap"',
        'heat_output = "heat"',
        'score_output = "image_score"',
        "",
        "[thresholds]",
        *(f"{label} = {thresholds[label]:.3f}" for label in settings.labels),
    ]
    for row in rows:
        lines += ["", "[[training_data]]"]
        lines += [f'source = "{row["source"]}"', f'licence = "{row["licence"]}"', f"pictures = {row['pictures']}"]
    lines += ["", "[accuracy]"]
    for label in settings.labels:
        m = measured["labels"][label]
        lines += ["", f"[accuracy.{label}]", f"auc = {m['auc']:.4f}"]
        lines += [f"precision = {m['precision']['value']:.4f}", f"recall = {m['recall']['value']:.4f}"]
    return "\n".join(lines) + "\n"


def verify(content: bytes, frames: np.ndarray, heat: np.ndarray, image: np.ndarray) -> float:
    """Largest difference between the exported file and PyTorch, as probabilities."""
    made_heat, made_image = onnx_graph.run_all(onnx_graph.session(content), frames)
    worst = max(float(np.abs(heat - made_heat).max()), float(np.abs(image - made_image).max()))
    if worst > MOST_DIFFERENCE:
        raise ValueError(f"the exported file differs from PyTorch by {worst}")
    return worst


def ship(
    settings: Settings,
    net: HeatmapNet,
    learn: list[Picture],
    val: list[Picture],
    sampler: Sampler,
    store: Store,
    root: Path,
    work: Path,
    folder: Path,
) -> None:
    linear = scene.learn(net, learn, store, sampler, settings)
    answers = predict(net, val, store, settings)
    truth = truths(val, settings.labels)
    groups = np.array([p.group for p in val])
    scores = calibrate.fit_scores(answers.image, answers.pooled, truth, groups, linear)
    image = scores.image(answers.image, answers.pooled)
    heat = np.stack([scores.heat[k](answers.heat[:, k]) for k in range(len(settings.labels))], axis=1)
    thresholds = {
        label: metrics.best_f1_threshold(image[:, k], truth[:, k]) for k, label in enumerate(settings.labels)
    }
    content = onnx_graph.build(net, scores, settings)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the exported file has {len(content)} bytes, more than {MOST_BYTES}")
    few = val[:: max(1, len(val) // 48)]
    rows = [val.index(p) for p in few]
    difference = verify(content, report.frames_of(few, store, settings), heat[rows], image[rows])
    measured = report.measure(content, val, store, settings, thresholds)
    measured["clips"] = clips.measure(content, root, settings, thresholds)
    measured["difference"] = difference
    measured["thresholds"] = thresholds
    measured["bytes"] = len(content)
    (work / "measured.json").write_text(json.dumps(measured, indent=1))
    training = training_rows(learn)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.toml").write_text(manifest(settings, digest, thresholds, training, measured))
    write_card(settings, learn, work, folder)
    for label in settings.labels:
        m = measured["labels"][label]
        print(f"{label}: auc {m['auc']:.4f} precision {m['precision']['value']:.3f} recall {m['recall']['value']:.3f}")


def write_card(settings: Settings, learn: list[Picture], work: Path, folder: Path) -> None:
    """From what was measured last, and every check on unseen sources that lies beside it."""
    measured = json.loads((work / "measured.json").read_text())
    unseen = [json.loads(path.read_text()) for path in sorted(work.glob("without-*/unseen*.json"))]
    (folder / "CARD.md").write_text(card.write(settings, training_rows(learn), measured, unseen))
