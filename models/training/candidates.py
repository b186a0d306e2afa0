"""Backbones and input sizes side by side: what frozen features are worth on sources never seen, and what they cost.

    python models/training/candidates.py --data ../shared/data --work ../training-work [--nanodet package/models]

A linear model on frozen ImageNet features is only a first cut, but it is the same cut for all. For every label and every source
that holds the label, the model is fitted without that source and scores its pictures against its own negatives and those of
val. Prints one row of Markdown per candidate.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import coco_nanodet
import data
import export
import metrics
import onnx_graph
import scene
import settings as settings_file
import train
from bank import planes
from calibrate import Platt, Scores
from data import letterbox
from model import HeatmapNet, summary
from scene import Scene

FEWEST = 10
NANODET = "nanodet_g"
TAPS = ("PartitionedCall/onnx_tf_prefix_Concat_42", "PartitionedCall/onnx_tf_prefix_Concat_62")
"""What NanoDet-g's backbone gives at strides 16 and 32, 256 and 512 channels."""
CANDIDATES = (
    ("tf_efficientnet_lite0", 320, 192),
    ("tf_efficientnet_lite0", 352, 192),
    ("tf_efficientnet_lite0", 384, 224),
    ("tf_efficientnet_lite0", 416, 256),
    ("tf_efficientnet_lite1", 352, 192),
    ("tf_efficientnet_lite1", 384, 224),
    ("tf_efficientnet_lite2", 320, 192),
    ("tf_efficientnet_lite2", 384, 224),
)


class NanoDet(nn.Module):
    """The backbone of the ready COCO detector, as it is: frame [1, H, W, 3] u8 -> a score per label."""

    features = 2 * (256 + 512)

    def __init__(self, folder: Path, labels: int) -> None:
        super().__init__()
        self.graph = coco_nanodet.Graph(*coco_nanodet.read(folder))
        self.scores = nn.Linear(self.features, labels)

    def pooled(self, planes: Tensor) -> Tensor:
        made: dict[str, object] = {"input_1": (planes.flip(1) - self.graph.mean) * self.graph.inverse}
        return summary([planes, *(self.graph.value(tap, made) for tap in TAPS)])

    def forward(self, frame: Tensor) -> Tensor:
        return self.scores(self.pooled(frame.permute(0, 3, 1, 2).float())).sigmoid()

    def exported(self, width: int, height: int) -> bytes:
        buffer, frame = io.BytesIO(), torch.zeros((1, height, width, 3), dtype=torch.uint8)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self, (frame,), buffer, input_names=["frame"], output_names=["image_score"], opset_version=17, dynamo=False
            )
        return buffer.getvalue()


def plain_scores(net: HeatmapNet, labels: int) -> Scores:
    """Calibration that changes nothing, to export an untrained net for its cost."""
    same = [Platt(1.0, 0.0)] * labels
    width = net.features
    return Scores(same, same, same, Scene(np.zeros(width), np.ones(width), np.zeros((width, labels)), np.zeros(labels)), (0.5,) * labels)


@torch.no_grad()
def frozen(net: HeatmapNet | NanoDet, pictures: list[data.Picture], store: data.Store, settings: settings_file.Settings) -> np.ndarray:
    """Pooled features of the letterboxed pictures."""
    size, rows = settings.input, []
    for start in range(0, len(pictures), 16):
        part = [letterbox(store[p.index], size.width, size.height, size.pad) for p in pictures[start : start + 16]]
        rows.append(net.pooled(planes(torch.from_numpy(np.stack(part)))).numpy())
    return np.concatenate(rows)


def unseen_areas(pooled: np.ndarray, truth: np.ndarray, pictures: list[data.Picture], label: int, l2: float) -> dict[str, float]:
    learn = np.array([p.split == "train" for p in pictures])
    sources = np.array([p.source for p in pictures])
    nothing = np.zeros((0, pooled.shape[1])), np.zeros((0, 1), dtype=np.int64)
    column, areas = truth[:, label : label + 1], {}
    for source in np.unique(sources):
        gone = sources == source
        keep = learn & ~gone & (column[:, 0] != data.UNKNOWN)
        if (column[gone] == 1).sum() < FEWEST or not (column[keep] == 1).any():
            continue
        kept = [p for p, k in zip(pictures, keep, strict=True) if k]
        logit = scene.fit(pooled[keep], column[keep], kept, *nothing, l2)(pooled)[:, 0]
        here = (gone & (column[:, 0] == 1)) | ((column[:, 0] == 0) & (gone | ~learn))
        areas[str(source)] = metrics.auc(logit[here], column[here, 0])
    return areas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("../training-work"))
    parser.add_argument("--nanodet", type=Path, help="folder with nanodet.json and nanodet.bin, see coco_nanodet.py")
    parser.add_argument("--only", nargs="+", help="backbones")
    args = parser.parse_args()
    base = settings_file.load()
    torch.set_num_threads(base.run.threads)
    pictures = data.read_pictures(args.data)
    store = data.open_store(args.data, pictures, args.work)
    truth = train.truths(pictures, base.labels)
    val = np.array([p.split == "val" for p in pictures])
    nothing = np.zeros((0, len(base.labels)), dtype=np.int64)
    wanted = CANDIDATES + (((NANODET, 416, 256),) if args.nanodet else ())
    for backbone, width, height in (row for row in wanted if not args.only or row[0] in args.only):
        settings = dataclasses.replace(base, input=dataclasses.replace(base.input, width=width, height=height))
        if backbone == NANODET:
            net = NanoDet(args.nanodet, len(base.labels)).eval()
        else:
            net = HeatmapNet(backbone, len(base.labels), pretrained=True).eval()
        cache = args.work / f"frozen-{backbone}-{width}x{height}.npy"
        if not cache.exists():
            np.save(cache, frozen(net, pictures, store, settings))
        pooled = np.load(cache)
        kept = [p for p in pictures if p.split == "train"]
        linear = scene.fit(pooled[~val], truth[~val], kept, np.zeros((0, pooled.shape[1])), nothing, base.scene.l2)
        logits, cells = linear(pooled[val]), []
        for k, label in enumerate(base.labels):
            unseen = unseen_areas(pooled, truth, pictures, k, base.scene.l2)
            each = " ".join(f"{source} {area:.3f}" for source, area in unseen.items()) or "no second source"
            mean = f"{np.mean(list(unseen.values())):.3f}" if unseen else "–"
            cells.append(f"{metrics.auc(logits[:, k], truth[val, k]):.3f} / {mean}")
            print(f"  {backbone} {width}x{height} {label}: {each}", flush=True)
        if backbone == NANODET:
            content = net.exported(width, height)
        else:
            content = onnx_graph.build(net, plain_scores(net, len(base.labels)), settings)
        frames = np.zeros((4, height, width, 3), dtype=np.uint8)
        small = onnx_graph.integers(content, export.for_integers(kept[::8], store, settings))
        costs = [onnx_graph.cpu_milliseconds(onnx_graph.session(each), frames, 40) for each in (content, small)]
        print(f"| {backbone} {width}×{height} | {' | '.join(cells)} | {costs[0]:.1f} / {costs[1]:.1f} | {len(content) / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
