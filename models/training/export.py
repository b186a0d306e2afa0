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
from bank import Bank, Clean
from data import Picture, Store
from model import HeatmapNet
from settings import Settings
from train import predict, truths

MOST_BYTES = 20_000_000
MOST_DIFFERENCE = 1e-2


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
        *([f'purpose = "{model.purpose}"'] if model.purpose != "detector" else []),
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


CALIBRATION_FRAMES = 160


def for_integers(learn: list[Picture], store: Store, settings: Settings) -> np.ndarray:
    """Training pictures of every source in turn, as a camera would show them."""
    by_source: dict[str, list[Picture]] = {}
    for picture in learn:
        by_source.setdefault(picture.source, []).append(picture)
    each = CALIBRATION_FRAMES // len(by_source)
    some = [p for rows in by_source.values() for p in rows[:: max(1, len(rows) // each)][:each]]
    return report.frames_of(some, store, settings)


def ship(
    settings: Settings,
    net: HeatmapNet,
    learn: list[Picture],
    judged: list[Picture],
    raw: list[Picture],
    bank: Bank,
    rows: np.ndarray,
    clean: Clean,
    store: Store,
    masks: dict[int, np.ndarray],
    held: list[Picture],
    root: Path,
    work: Path,
    caches: Path,
    folder: Path,
) -> None:
    linear = scene.learn(net, [p for p in learn if not p.rendered], clean, bank, rows, settings)
    val = [p for p in raw if p.split == "val"]
    answers = predict(net, val, clean)
    truth = truths([judged[p.index] for p in val], settings.labels)
    groups = np.array([p.group for p in val])
    scores = calibrate.fit_scores(answers.image, answers.pooled, truth, groups, linear, settings.scene_share)
    image = scores.image(answers.image, answers.pooled)
    thresholds = {
        label: metrics.alarm_threshold(image[:, k], truth[:, k], alarms=settings.alarms[k]) for k, label in enumerate(settings.labels)
    }
    float_content = onnx_graph.build(net, scores, settings, thresholds)
    rows_few = list(range(0, len(val), max(1, len(val) // 24)))
    few = report.frames_of([val[i] for i in rows_few], store, settings)
    difference = image_difference(float_content, few, image[rows_few])
    content = onnx_graph.integers(float_content, for_integers(learn, store, settings))
    if len(content) > MOST_BYTES:
        raise ValueError(f"the exported file has {len(content)} bytes, more than {MOST_BYTES}")
    measured = report.measure(content, val, store, settings, thresholds, masks)
    measured["float"] = report.summary_of(float_content, val, store, settings, thresholds, masks)
    measured["clips"] = clips.measure(content, root, settings, thresholds)
    measured["rendered"] = report.rendered(content, held, store, settings, thresholds)
    measured["difference"] = difference
    measured["thresholds"] = thresholds
    measured["bytes"], measured["float_bytes"] = len(content), len(float_content)
    measured["calibration"] = report.calibration(scores, answers, truth, groups, settings)
    (work / "measured.json").write_text(json.dumps(measured, indent=1))
    training = training_rows(learn)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (work / "model-float.onnx").write_bytes(float_content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.toml").write_text(manifest(settings, digest, thresholds, training, measured))
    write_card(settings, learn, work, caches, folder)
    for label in settings.labels:
        m = measured["labels"][label]
        print(
            f"{label}: auc {m['auc']:.4f} (float {measured['float'][label]['auc']:.4f}) precision {m['precision']['value']:.3f} "
            f"recall {m['recall']['value']:.3f} alarms {m['false_alarms']['value']:.4f} ap50 {m.get('ap50')} "
            f"threshold {thresholds[label]:.3f} rendered {measured['rendered'].get(label)}"
        )
    print(f"{measured['cpu_ms']:.1f} ms, {len(content)} bytes; float {measured['float']['cpu_ms']:.1f} ms", flush=True)


def image_difference(content: bytes, frames: np.ndarray, image: np.ndarray) -> float:
    """Largest difference of the picture's scores between the exported float graph and PyTorch."""
    _, made = onnx_graph.run_all(onnx_graph.session(content), frames)
    worst = float(np.abs(image - made).max())
    # The features that calibration saw lay in half precision on disk.
    if worst > MOST_DIFFERENCE:
        raise ValueError(f"the exported file differs from PyTorch by {worst}")
    return worst


def write_card(settings: Settings, learn: list[Picture], work: Path, caches: Path, folder: Path) -> None:
    """From what was measured last, and every check on unseen sources that lies beside it."""
    measured = json.loads((work / "measured.json").read_text())
    unseen = [json.loads(path.read_text()) for path in sorted(caches.glob("without-*/unseen*.json"))]
    (folder / "CARD.md").write_text(card.write(settings, training_rows(learn), measured, unseen))
