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


def from_middle(x, y, width, height) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def boxes_of_cells(graph: Builder, stride: int, name: str) -> tuple[str, str]:
    """Middles and sizes in pixels of the cells of a stride, each [1, cells, 2], around the cells' middles."""
    points = np.array([[(x, y) for x, y, _ in middles([stride], 0.5)]], np.float32)
    shift = graph.node("Tanh", [graph.cells(f"{name}_shift_raw", stride, 2, 2.0)], f"{name}_shift")
    scale = graph.constant(f"{name}_stride", np.float32(stride))
    moved = graph.node("Mul", [shift, scale], f"{name}_moved")
    middle = graph.node("Add", [moved, graph.constant(f"{name}_points", points)], f"{name}_middle")
    grown = graph.node("Exp", [graph.node("Tanh", [graph.cells(f"{name}_size_raw", stride, 2, 2.0)], f"{name}_size_tanh")], f"{name}_grown")
    double = graph.constant(f"{name}_double", np.float32(2 * stride))
    return middle, graph.node("Mul", [grown, double], f"{name}_size")


def scores_of_cells(graph: Builder, stride: int, name: str, channels: int, bias: float = -1.0) -> str:
    return graph.node("Sigmoid", [graph.cells(f"{name}_raw", stride, channels, 3.0, bias)], f"{name}_scores")


def yolov5():
    """YOLOv5: rows of middle, size, objectness and scores, three for each cell."""
    graph, levels = Builder(13), []
    for stride in (8, 16, 32):
        for anchor in "abc":
            middle, size = boxes_of_cells(graph, stride, f"{anchor}{stride}")
            scores = scores_of_cells(graph, stride, f"{anchor}{stride}", 1 + len(LABELS), 0.5)
            levels.append(graph.node("Concat", [middle, size, scores], f"rows_{anchor}{stride}", axis=2))
    graph.node("Concat", levels, "output0", axis=1)
    model = named(graph.finish({"output0": [1, 3 * len(middles([8, 16, 32], 0)), 5 + len(LABELS)]}), LABELS)
    fed = Input(WIDTH, HEIGHT, **UNIT, resize="letterbox")
    found = []
    for row in run(model, fed)["output0"][0]:
        best = int(row[5:].argmax())
        found.append(Found(LABELS[best], row[4] * row[5 + best], from_middle(*row[:4])))
    return model, fed, LABELS, 'kind = "yolov5"\noutput = "output0"\n', answers(found, fed, (120, 160), 0.6, 0.45)


def yolov8():
    """YOLOv8 and v11: columns of middle, size and scores; one class in the middle is not told."""
    labels = ["person", "", "car", "bus"]
    graph, levels = Builder(14), []
    for stride in (8, 16, 32):
        middle, size = boxes_of_cells(graph, stride, f"s{stride}")
        scores = scores_of_cells(graph, stride, f"s{stride}", len(labels))
        levels.append(graph.node("Concat", [middle, size, scores], f"rows{stride}", axis=2))
    graph.node("Transpose", [graph.node("Concat", levels, "rows", axis=1)], "output0", perm=[0, 2, 1])
    model = named(graph.finish({"output0": [1, 4 + len(labels), len(middles([8, 16, 32], 0))]}), ["person", "dog", "car", "bus"])
    fed = Input(WIDTH, HEIGHT, **UNIT, resize="letterbox")
    found = []
    for column in run(model, fed)["output0"][0].T:
        best = int(column[4:].argmax())
        found.append(Found(labels[best], column[4 + best], from_middle(*column[:4])))
    return model, fed, labels, 'kind = "yolov8"\noutput = "output0"\nmax_iou = 0.5\n', answers(found, fed, (192, 96), 0.5, 0.5)


def yolov10():
    """YOLOv10 and v26: the surest rows of edges, score and class, chosen in the graph."""
    graph, top = Builder(15), 12
    middle, size = boxes_of_cells(graph, 16, "s")
    half = graph.node("Mul", [size, graph.constant("half", np.float32(0.5))], "half_size")
    edges = [graph.node(op, [middle, half], f"edges_{op}") for op in ("Sub", "Add")]
    boxes = graph.node("Concat", edges, "edges", axis=2)
    scores = scores_of_cells(graph, 16, "s", len(LABELS))
    best = graph.node("ReduceMax", [scores], "best", axes=[2], keepdims=0)
    classes = graph.node("ArgMax", [scores], "classes", axis=2, keepdims=0)
    graph.nodes_of("TopK", [best, graph.constant("top", np.array([top], np.int64))], ["top_scores", "top_index"], axis=1)
    column = graph.constant("column", np.array([2], np.int64))
    number = graph.node("Cast", [classes], "class_numbers", to=TensorProto.FLOAT)
    whole = graph.node("Concat", [boxes, graph.node("Unsqueeze", [best, column], "b"), graph.node("Unsqueeze", [number, column], "c")], "all", axis=2)
    flat = graph.node("Squeeze", [graph.node("Gather", [whole, "top_index"], "gathered", axis=1), graph.constant("one", np.array([1], np.int64))], "output0")
    model = graph.finish({flat: [1, top, 6]})
    fed = Input(WIDTH, HEIGHT, **UNIT, resize="letterbox")
    found = [Found(LABELS[int(row[5])], row[4], tuple(row[:4])) for row in run(model, fed)["output0"][0]]
    return model, fed, LABELS, 'kind = "yolov10"\noutput = "output0"\n', answers(found, fed, (192, 96), 0.3, None)


def suppressed_in_graph(graph: Builder, unit: np.ndarray | None, order: list[int]) -> tuple[str, str, str]:
    """Boxes [n, 4], scores [n] and classes [n] after NonMaxSuppression of ONNX, over cells of 16 pixels."""
    middle, size = boxes_of_cells(graph, 16, "s")
    half = graph.node("Mul", [size, graph.constant("half", np.float32(0.5))], "half_size")
    boxes = graph.node("Concat", [graph.node(op, [middle, half], f"e{op}") for op in ("Sub", "Add")], "edges", axis=2)
    scores = scores_of_cells(graph, 16, "s", len(LABELS))
    by_class = graph.node("Transpose", [scores], "by_class", perm=[0, 2, 1])
    limits = [graph.constant("most", np.array([9], np.int64)), graph.constant("iou", np.float32([0.5])), graph.constant("least", np.float32([0.3]))]
    chosen = graph.node("NonMaxSuppression", [boxes, by_class, *limits], "chosen")
    numbers = [graph.constant(f"number{i}", np.array(i, np.int64)) for i in range(3)]
    classes = graph.node("Gather", [chosen, numbers[1]], "chosen_classes", axis=1)
    places = graph.node("Gather", [chosen, numbers[2]], "chosen_places", axis=1)
    flat = graph.node("Squeeze", [boxes, graph.constant("axis0", np.array([0], np.int64))], "flat_boxes")
    if unit is not None:
        flat = graph.node("Div", [flat, graph.constant("unit", unit.astype(np.float32))], "unit_boxes")
    ordered = graph.node("Gather", [flat, graph.constant("order", np.array(order, np.int64))], "ordered", axis=1)
    return graph.node("Gather", [ordered, places], "chosen_boxes", axis=0), graph.node("GatherND", [by_class, chosen], "chosen_scores"), classes


def picodet_nms():
    """PaddleDetection with NMS: rows of class, score and edges, divided by the second input, scale_factor."""
    graph = Builder(16)
    boxes, scores, classes = suppressed_in_graph(graph, None, [0, 1, 2, 3])
    # scale_factor is height, width.
    swapped = graph.node("Gather", ["scale_factor", graph.constant("yx", np.array([1, 0, 1, 0], np.int64))], "scale", axis=1)
    original = graph.node("Div", [boxes, swapped], "original")
    column = graph.constant("column", np.array([1], np.int64))
    number = graph.node("Cast", [classes], "class_numbers", to=TensorProto.FLOAT)
    rows = [graph.node("Unsqueeze", [part, column], f"{part}_column") for part in (number, scores)]
    graph.node("Concat", [*rows, original], "multiclass_nms3_0.tmp_0", axis=1)
    extra = [helper.make_tensor_value_info("scale_factor", TensorProto.FLOAT, [1, 2])]
    model = graph.finish({"multiclass_nms3_0.tmp_0": ["boxes", 6]}, extra=extra)
    fed = Input(WIDTH, HEIGHT, **IMAGENET)
    rows = run(model, fed, scale_factor=np.ones((1, 2), np.float32))["multiclass_nms3_0.tmp_0"]
    found = [Found(LABELS[int(row[0])], row[1], tuple(row[2:])) for row in rows]
    head = 'kind = "picodet"\nnms_output = "multiclass_nms3_0.tmp_0"\nscale_input = "scale_factor"\n'
    return model, fed, LABELS, head, answers(found, fed, (WIDTH, HEIGHT), 0.35, None)


def ssd_tensorflow():
    """TensorFlow's object detection API: boxes as top, left, bottom, right in fractions; classes count from one."""
    graph, labels = Builder(16), ["", *LABELS]
    boxes, scores, classes = suppressed_in_graph(graph, np.array([WIDTH, HEIGHT] * 2), [1, 0, 3, 2])
    first = graph.constant("first", np.array([0], np.int64))
    graph.node("Unsqueeze", [boxes, first], "detection_boxes")
    graph.node("Unsqueeze", [scores, first], "detection_scores")
    number = graph.node("Cast", [classes], "class_numbers", to=TensorProto.FLOAT)
    graph.node("Unsqueeze", [graph.node("Add", [number, graph.constant("one", np.float32(1))], "from_one"), first], "detection_classes")
    # The last row is filling, as num_detections says.
    count = graph.node("Cast", [graph.node("Shape", [scores], "count")], "count_float", to=TensorProto.FLOAT)
    graph.node("Sub", [count, graph.constant("filling", np.float32([1]))], "num_detections")
    model = graph.finish({"detection_boxes": [1, "n", 4], "detection_classes": [1, "n"], "detection_scores": [1, "n"], "num_detections": [1]})
    fed = Input(WIDTH, HEIGHT, **UNIT)
    got = run(model, fed)
    count = int(got["num_detections"][0])
    found = [
        Found(labels[int(c)], s, (left * WIDTH, top * HEIGHT, right * WIDTH, bottom * HEIGHT))
        for (top, left, bottom, right), s, c in zip(got["detection_boxes"][0], got["detection_scores"][0][:count], got["detection_classes"][0])
    ]
    head = 'kind = "ssd"\nlayout = "tensorflow"\nboxes_output = "detection_boxes"\nscores_output = "detection_scores"\nclasses_output = "detection_classes"\ncount_output = "num_detections"\n'
    return model, fed, labels, head, answers(found, fed, (WIDTH, HEIGHT), 0.31, None)


def multilabel_logits():
    """Scores of the whole frame before the sigmoid."""
    graph, labels = Builder(18), ["fire", "smoke", "flood"]
    graph.whole("logits", len(labels), 2.0)
    model = graph.finish({"logits": [1, len(labels)]})
    fed = Input(WIDTH, HEIGHT, **IMAGENET)
    whole = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    found = [Found(label, float(score), whole) for label, score in zip(labels, sigmoid(run(model, fed)["logits"][0]))]
    head = 'kind = "multilabel"\nscore_output = "logits"\nscores = "logits"\n'
    return model, fed, labels, head, answers(found, fed, (WIDTH, HEIGHT), 0.01, None)


def segmentation_classes():
    """A class per pixel, chosen in the graph; regions worked out by hand, pixel by pixel."""
    graph, labels = Builder(19), ["", "water", "litter"]
    graph.node("ArgMax", [graph.map("scores", 8, len(labels), 3.0)], "classes", axis=1, keepdims=0)
    model = graph.finish({"classes": [1, HEIGHT // 8, WIDTH // 8]}, {"classes": TensorProto.INT64})
    fed = Input(WIDTH, HEIGHT, **IMAGENET)
    classes = run(model, fed)["classes"][0]
    found, seen = [], np.zeros(classes.shape, bool)
    for start in zip(*np.nonzero(classes)):
        if seen[start]:
            continue
        queue, region = [start], []
        seen[start] = True
        while queue:
            y, x = queue.pop()
            region.append((y, x))
            for near in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                inside = 0 <= near[0] < classes.shape[0] and 0 <= near[1] < classes.shape[1]
                if inside and not seen[near] and classes[near] == classes[start]:
                    seen[near] = True
                    queue.append(near)
        (top, left), (bottom, right) = np.min(region, 0), np.max(region, 0) + 1
        if len(region) >= 0.02 * classes.size:
            found.append(Found(labels[classes[start]], 1.0, (left * 8, top * 8, right * 8, bottom * 8)))
    head = 'kind = "segmentation"\noutput = "classes"\nlayout = "classes"\nmin_area = 0.02\n'
    return model, fed, labels, head, answers(found, fed, (WIDTH, HEIGHT), 0.5, None)


LAYOUTS = {
    "nanodet_plus": nanodet_plus,
    "nanodet_split": nanodet_split,
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolov10": yolov10,
    "picodet_nms": picodet_nms,
    "ssd_tensorflow": ssd_tensorflow,
    "multilabel_logits": multilabel_logits,
    "segmentation_classes": segmentation_classes,
}


def write_layouts(root: Path, write_model) -> None:
    for name, make in LAYOUTS.items():
        model, fed, labels, head, right = make()
        write_model(root / name, model.SerializeToString(deterministic=True), labels, fed.table(), f"[head]\n{head}")
        write_answers(root / name, right)
