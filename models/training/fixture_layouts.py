"""Graphs in the layouts of exporters that cannot be had as a small package, with answers worked out in numpy.

Called by `fixtures.py`. Each graph looks at the frame through seeded convolutions, so that every cell tells something
else, and ends in the layout of its exporter. No trained weights, and no code or weights of the projects named.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from fixture_answers import Found, Input, answers, sigmoid, softmax, write_answers
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 96, 64
LABELS = ["person", "car", "bus"]
CAFFE = {"mean": (103.53, 116.28, 123.675), "std": (57.375, 57.12, 58.395), "bgr": True}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "scale": 1 / 255}
UNIT = {"scale": 1 / 255}

_node = helper.make_node


class Builder:
    """Nodes and constants of one graph, with seeded weights."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, name: str, value) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(_node(op, inputs, [output], **attributes))
        return output

    def nodes_of(self, op: str, inputs: list[str], outputs: list[str], **attributes) -> None:
        self.nodes.append(_node(op, inputs, outputs, **attributes))

    def map(self, name: str, stride: int, channels: int, gain: float, bias: float = 0.0) -> str:
        """A feature map [1, channels, rows, columns] of the frame."""
        source = "images"
        if stride > 4:
            pool = stride // 4
            source = self.node(
                "AveragePool", [source], f"{name}_mean", kernel_shape=[pool] * 2, strides=[pool] * 2, ceil_mode=1
            )
        weights = self.random.normal(0, gain / np.sqrt(48), (channels, 3, 4, 4)).astype(np.float32)
        inputs = [
            source,
            self.constant(f"{name}_weights", weights),
            self.constant(f"{name}_bias", np.full(channels, bias, np.float32)),
        ]
        return self.node("Conv", inputs, name, kernel_shape=[4, 4], strides=[4, 4], auto_pad="SAME_UPPER")

    def cells(self, name: str, stride: int, channels: int, gain: float, bias: float = 0.0) -> str:
        """The same as [1, cells, channels]."""
        flat = self.constant(f"{name}_flat", np.array([1, channels, -1], np.int64))
        rows = self.node("Reshape", [self.map(f"{name}_map", stride, channels, gain, bias), flat], f"{name}_rows")
        return self.node("Transpose", [rows], name, perm=[0, 2, 1])

    def whole(self, name: str, channels: int, gain: float) -> str:
        """[1, channels] of the whole frame."""
        pooled = self.node("AveragePool", ["images"], f"{name}_mean", kernel_shape=[16, 24], strides=[16, 24])
        flat = self.node("Flatten", [pooled], f"{name}_flat")
        weights = self.random.normal(0, gain / np.sqrt(48), (48, channels)).astype(np.float32)
        return self.node("MatMul", [flat, self.constant(f"{name}_weights", weights)], name)

    def finish(self, outputs: dict[str, list], types: dict[str, int] | None = None, extra=()) -> onnx.ModelProto:
        types = types or {}
        made = helper.make_model(
            helper.make_graph(
                self.nodes,
                "layout",
                [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH]), *extra],
                [
                    helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), shape)
                    for name, shape in outputs.items()
                ],
                initializer=self.constants,
            ),
            producer_name="citybrain-fixtures",
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        )
        onnx.checker.check_model(made)
        return made


def named(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """With class names where many exporters leave them."""
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", str(dict(enumerate(names)))
    return model


def run(model: onnx.ModelProto, fed: Input, **extra) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {fed.name: fed.tensor(), **extra})))


def middles(strides: list[int], shift: float) -> list[tuple[float, float, int]]:
    """x, y and stride of every cell's point, in the order of cells."""
    points = []
    for stride in strides:
        for row in range(-(-HEIGHT // stride)):
            for column in range(-(-WIDTH // stride)):
                points.append(((column + shift) * stride, (row + shift) * stride, stride))
    return points


def from_distances(scores: np.ndarray, logits: np.ndarray, strides: list[int], shift: float, labels) -> list[Found]:
    """Generalized Focal Loss: every class of a cell, and the mean of each side's distribution, kept in the input."""
    found = []
    bins = logits.shape[1] // 4
    parts = softmax(logits.reshape(-1, 4, bins)) @ np.arange(bins)
    for (x, y, stride), row, (left, top, right, bottom) in zip(middles(strides, shift), scores, parts):
        edges = (
            np.clip(x - left * stride, 0, WIDTH),
            np.clip(y - top * stride, 0, HEIGHT),
            np.clip(x + right * stride, 0, WIDTH),
            np.clip(y + bottom * stride, 0, HEIGHT),
        )
        found += [Found(label, score, edges) for label, score in zip(labels, row)]
    return found


def nanodet_plus():
    """NanoDet-Plus: one output, sigmoid in the graph, points in the corners of cells, four strides."""
    strides, reg_max = [8, 16, 32, 64], 7
    graph = Builder(11)
    levels = []
    for stride in strides:
        scores = graph.node("Sigmoid", [graph.cells(f"cls{stride}", stride, len(LABELS), 3.0, -2.0)], f"p{stride}")
        levels.append(
            graph.node("Concat", [scores, graph.cells(f"reg{stride}", stride, 4 * (reg_max + 1), 3.0)], f"l{stride}", axis=2)
        )
    graph.node("Concat", levels, "output", axis=1)
    cells = len(middles(strides, 0))
    model = graph.finish({"output": [1, cells, len(LABELS) + 4 * (reg_max + 1)]})
    fed = Input(WIDTH, HEIGHT, **CAFFE)
    output = run(model, fed)["output"][0]
    found = from_distances(output[:, :3], output[:, 3:], strides, 0.0, LABELS)
    head = f'kind = "nanodet"\noutput = "output"\nstrides = {strides}\nreg_max = {reg_max}\ncell_point = "corner"\nscores = "probabilities"\nmax_iou = 0.6\n'
    return model, fed, LABELS, head, answers(found, fed, (WIDTH, HEIGHT), 0.5, 0.6)


def nanodet_split():
    """NanoDet as converters leave it: a pair of outputs per stride, logits, points in the middle; some classes told."""
    strides, reg_max, classes = [8, 16, 32], 10, 6
    graph = Builder(12)
    outputs = {}
    for stride in strides:
        cells = len(middles([stride], 0))
        outputs[graph.cells(f"cls_{stride}", stride, classes, 3.0, -2.0)] = [1, cells, classes]
        outputs[graph.cells(f"reg_{stride}", stride, 4 * (reg_max + 1), 3.0)] = [1, cells, 4 * (reg_max + 1)]
    model = graph.finish(outputs)
    fed = Input(WIDTH, HEIGHT, **CAFFE, resize="letterbox")
    got = run(model, fed)
    scores = sigmoid(np.concatenate([got[f"cls_{s}"][0] for s in strides]))
    boxes = np.concatenate([got[f"reg_{s}"][0] for s in strides])
    of_class = ["", "vehicle", "person", "vehicle", "", ""]
    found = from_distances(scores, boxes, strides, 0.5, of_class)
    head = (
        f'kind = "nanodet"\nscore_outputs = {[f"cls_{s}" for s in strides]}\nbox_outputs = {[f"reg_{s}" for s in strides]}\n'
        f'strides = {strides}\nreg_max = {reg_max}\ncell_point = "middle"\nscores = "logits"\n'
        "\n[head.classes]\nperson = 2\nvehicle = [1, 3]\n"
    ).replace("'", '"')
    return model, fed, ["person", "vehicle"], head, answers(found, fed, (192, 96), 0.5, 0.6)


LAYOUTS = {"nanodet_plus": nanodet_plus, "nanodet_split": nanodet_split}


def write_layouts(root: Path, write_model) -> None:
    for name, make in LAYOUTS.items():
        model, fed, labels, head, right = make()
        write_model(root / name, model.SerializeToString(deterministic=True), labels, fed.table(), f"[head]\n{head}")
        write_answers(root / name, right)
