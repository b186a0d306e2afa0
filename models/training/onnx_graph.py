"""The trained network as an ONNX graph: u8 frames in, calibrated probabilities out, BatchNorm folded, shapes fixed."""

from __future__ import annotations

import io
import tempfile
import time
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from calibrate import Platt, Scores
from model import MEAN, SCALE, HeatmapNet, fold, pool, summary
from scene import FARTHEST
from settings import Settings

OPSET = 17


FINER = 4
"""Cells of the shipped heat map to a cell of the network, each way."""
DRAWN_BOXES = 8
MOST_COVERED = 0.4
"""Boxes of one label that are drawn into the map: the surest middles."""
GAP = 0.25
"""Cells between a box and a weaker one beside it, that they stay two regions."""


class Shipped(nn.Module):
    """frame [1, H, W, 3] u8 -> heat [1, K, H/4, W/4] and image_score [1, K], both 0..1.

    The heat of a label with boxes is drawn: each of its surest middles fills the box that the network gives it, so that connected
    regions of the map are those boxes. The heat of the others (water, scaffolds) is the network's, interpolated.
    """

    def __init__(self, net: HeatmapNet, scores: Scores, settings: Settings, thresholds: dict[str, float]) -> None:
        super().__init__()
        self.net = deepcopy(net).eval().to(memory_format=torch.contiguous_format)
        with torch.no_grad():
            slope, offset = columns(scores.heat)
            self.net.heat.weight.mul_(slope[:, None, None, None])
            self.net.heat.bias.mul_(slope).add_(offset)
            self.net.stem[0].weight.div_(SCALE)
            scene_slope, scene_offset = columns(scores.scene)
            weight = torch.tensor(scores.linear.weight, dtype=torch.float32) * scene_slope
            bias = torch.tensor(scores.linear.bias, dtype=torch.float32) * scene_slope + scene_offset
            both_slope, both_offset = columns(scores.both)
        self.register_buffer("mean", torch.tensor(scores.linear.mean, dtype=torch.float32))
        self.register_buffer("inverse", 1 / torch.tensor(scores.linear.deviation, dtype=torch.float32))
        part = torch.tensor(scores.share)
        self.register_buffer("weight", weight * both_slope * part)
        self.register_buffer("bias", bias * both_slope * part + both_offset)
        self.register_buffer("share", both_slope * (1 - part))
        size = settings.input
        self.grid = (size.rows, size.columns)
        # In the map of a label with masks what is as likely as not reaches the label's threshold.
        limits = torch.tensor([thresholds.get(label, 0.5) for label in settings.labels])
        self.register_buffer("lift", limits.logit())
        self.heat_slope, self.heat_offset = (values.tolist() for values in columns(scores.heat))
        self.masked = [k for k, label in enumerate(settings.labels) if label in settings.masked]
        self.boxed = [k for k, label in enumerate(settings.labels) if label in settings.boxed]
        cell = torch.arange(4 * size.rows * size.columns)
        self.register_buffer("centre_x", (cell % (2 * size.columns) + 0.5) / 2)
        self.register_buffer("centre_y", (torch.div(cell, 2 * size.columns, rounding_mode="floor") + 0.5) / 2)
        self.register_buffer("earlier", torch.tril(torch.ones(DRAWN_BOXES, DRAWN_BOXES), diagonal=-1))
        self.register_buffer("fine_x", (torch.arange(size.columns * FINER) + 0.5)[None] / FINER)
        self.register_buffer("fine_y", (torch.arange(size.rows * FINER) + 0.5)[None] / FINER)
        fold(self.net)
        pad_statically(self.net)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        net = self.net
        x = net.stem(frame.permute(0, 3, 1, 2).float() - MEAN)
        kept = []
        for number, block in enumerate(net.blocks):
            x = block(x)
            if number in (2, 4, 6):
                kept.append(x)
        fused = net.fused(kept)
        heat = net.heat(net.fuse(fused))
        edges, middle, area = net.box(fused, kept[0])
        features = ((summary(kept) - self.mean) * self.inverse).clamp(-FARTHEST, FARTHEST)
        image = pool(heat) * self.share + features @ self.weight + self.bias
        return self.finer(heat, edges, middle, area), image.sigmoid()

    def finer(self, heat: Tensor, edges: Tensor, middle: Tensor, area: Tensor) -> Tensor:
        smooth = nn.functional.interpolate(heat, scale_factor=FINER, mode="bilinear", align_corners=False).sigmoid()
        half = nn.functional.interpolate(heat, scale_factor=2, mode="bilinear", align_corners=False).sigmoid()
        surest = half * middle.sigmoid()
        maps = []
        for k in range(heat.shape[1]):
            own = smooth[:, k : k + 1]
            if k in self.boxed:
                drawn = self.drawn(surest[:, k : k + 1], edges[:, 4 * k : 4 * k + 4]) * half[:, k].amax()
                # A trace of the map itself stays, should every box lie in the padding.
                own = torch.maximum(drawn, own * 0.01)
            if k in self.masked:
                own = self.painted(heat[:, k : k + 1], area[:, k : k + 1], k)
            maps.append(own)
        return torch.cat(maps, dim=1)

    def painted(self, heat: Tensor, area: Tensor, k: int) -> Tensor:
        """The corrected map of a label with masks, [1, 1, rows, columns] and [1, 1, 2 rows, 2 columns] -> [1, 1, 4 rows, 4 columns].

        The correction was learnt on the network's own logits; `heat` is calibrated."""
        own = (heat - self.heat_offset[k]) / self.heat_slope[k]
        half = nn.functional.interpolate(own, scale_factor=2, mode="bilinear", align_corners=False) + area
        return nn.functional.interpolate(half + self.lift[k], scale_factor=FINER // 2, mode="bilinear", align_corners=False).sigmoid()

    def drawn(self, surest: Tensor, edges: Tensor) -> Tensor:
        """[1, 1, 2 rows, 2 columns] of being a middle and [1, 4, ...] distances -> [1, 1, 4 rows, 4 columns], 1 in the surest box."""
        peaks = surest * (surest >= nn.functional.max_pool2d(surest, 3, 1, 1)).float()
        # Sorted: a peak gives way to a stronger one whose box is much the same place.
        score, cell = peaks.flatten().topk(DRAWN_BOXES)
        left, top, right, bottom = edges.flatten(2)[0].index_select(1, cell)
        x, y = self.centre_x.index_select(0, cell), self.centre_y.index_select(0, cell)
        x0, y0, x1, y1 = x - left, y - top, x + right, y + bottom
        leading = self.leading(torch.stack([x0, y0, x1, y1], dim=1))
        score = score / score.amax().clamp(min=1e-9) * leading
        inside = self.within(x0, y0, x1, y1)
        around = self.within(x0 - GAP, y0 - GAP, x1 + GAP, y1 + GAP) * leading[:, None]
        free = 1 - (self.earlier @ around).clamp(max=1.0)
        painted = (score[:, None] * inside * free).amax(dim=0)
        return painted.view(1, 1, self.fine_y.shape[1], self.fine_x.shape[1])

    def within(self, x0: Tensor, y0: Tensor, x1: Tensor, y1: Tensor) -> Tensor:
        """1 where a fine cell's middle is in a box, one row [fine rows * fine columns] for each of the N."""
        across = ((self.fine_x >= x0[:, None]) & (self.fine_x <= x1[:, None])).float()
        down = ((self.fine_y >= y0[:, None]) & (self.fine_y <= y1[:, None])).float()
        return (down[:, :, None] * across[:, None, :]).flatten(1)

    def leading(self, boxes: Tensor) -> Tensor:
        """1 for each of [N, 4] boxes of which no stronger one before it covers most of the smaller of the two, else 0."""
        low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
        high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        shared = (high - low).clamp(min=0.0).prod(dim=2)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        covered = shared / torch.minimum(area[:, None], area[None, :])
        return 1 - ((covered > MOST_COVERED).float() * self.earlier).amax(dim=1)


def columns(platt: list[Platt]) -> tuple[Tensor, Tensor]:
    return torch.tensor([p.slope for p in platt]), torch.tensor([p.offset for p in platt])


def static_padding(conv: nn.Conv2d) -> nn.Module:
    """TensorFlow's SAME padding for even sizes at stride 2 puts the odd pixel at the right and bottom."""
    if type(conv).__name__ != "Conv2dSame":
        return conv
    total = conv.kernel_size[0] - conv.stride[0]
    before, after = total // 2, total - total // 2
    plain = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, groups=conv.groups, bias=conv.bias is not None
    )
    plain.load_state_dict(conv.state_dict())
    return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), plain)


def pad_statically(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            setattr(module, name, static_padding(child))
        else:
            pad_statically(child)


def build(net: HeatmapNet, scores: Scores, settings: Settings, thresholds: dict[str, float] | None = None) -> bytes:
    shipped = Shipped(net, scores, settings, thresholds or {}).eval()
    size = settings.input
    frame = torch.zeros((1, size.height, size.width, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            shipped, (frame,), buffer, input_names=["frame"], output_names=["heat", "image_score"],
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    graph = onnx.load_model_from_string(buffer.getvalue())
    graph.producer_name, graph.producer_version = "citybrain-training", settings.model.version
    graph.graph.name = settings.model.name
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph, full_check=True)
    return graph.SerializeToString(deterministic=True)


class Frames(CalibrationDataReader):
    """Frames [N, H, W, 3] whose values decide the ranges of the integers."""

    def __init__(self, frames: np.ndarray) -> None:
        self.rest = iter(frames)

    def get_next(self) -> dict[str, np.ndarray] | None:
        frame = next(self.rest, None)
        return None if frame is None else {"frame": frame[None]}


LAST = ("/heat/", "/box/")


def integers(content: bytes, frames: np.ndarray) -> bytes:
    """The same graph with its convolutions in 8-bit integers (U8S8, per channel); what comes after them stays in float."""
    graph = onnx.load_model_from_string(content)
    # A convolution and the clipping after it are one step in integers; the clips outside the network's layers are not such.
    last = [
        node.name
        for node in graph.graph.node
        if any(part in node.name for part in LAST) or (node.op_type == "Clip" and node.name.count("/") == 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, made = (str(Path(folder) / name) for name in ("plain.onnx", "ready.onnx", "made.onnx"))
        Path(plain).write_bytes(content)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, made, Frames(frames), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv", "Clip"], per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=last,
        )  # fmt: skip
        small = onnx.load(made)
    small.producer_name, small.producer_version, small.graph.name = graph.producer_name, graph.producer_version, graph.graph.name
    onnx.checker.check_model(small, full_check=True)
    return small.SerializeToString(deterministic=True)


def session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_all(made: onnxruntime.InferenceSession, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """heat and image_score of frames [N, H, W, 3], one at a time as the camera side does."""
    answers = [made.run(["heat", "image_score"], {"frame": frame[None]}) for frame in frames]
    return np.concatenate([a[0] for a in answers]), np.concatenate([a[1] for a in answers])


def cpu_milliseconds(made: onnxruntime.InferenceSession, frames: np.ndarray, runs: int = 60) -> float:
    """Median CPU time (user and system) of one frame on one thread."""
    spent = []
    for number in range(runs + 5):
        began = time.process_time()
        made.run(None, {"frame": frames[number % len(frames)][None]})
        spent.append(time.process_time() - began)
    return float(np.median(spent[5:]) * 1e3)
