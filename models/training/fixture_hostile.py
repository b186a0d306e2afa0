"""Graphs that ask for too much, or answer oddly: folders under `broken/` and `odd/`, each named by what it does.

Called by `fixtures.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64
HUGE = 1_000_000
YOLOV8 = '[head]\nkind = "yolov8"\noutput = "output"\n'
YOLOV10 = '[head]\nkind = "yolov10"\noutput = "output"\n'
SCORES = '[head]\nkind = "multilabel"\nscore_output = "scores"\n'

_node = helper.make_node


def constant(name: str, value) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def model(nodes, outputs: dict[str, list], constants=(), values=(), opsets=(), check: bool = True) -> onnx.ModelProto:
    made = helper.make_model(
        helper.make_graph(
            list(nodes),
            "hostile",
            [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            initializer=list(constants),
            value_info=list(values),
        ),
        producer_name="citybrain-fixtures",
        opset_imports=[helper.make_opsetid("", 17), *opsets],
        ir_version=8,
    )
    if check:
        onnx.checker.check_model(made)
    return made


MEAN = [
    _node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
    _node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
]
BY_255 = constant("full_scale", np.float32(255))


def scores(extra=(), constants=(), values=(), opsets=(), check=True, last="means"):
    """Mean of each channel, with something wrong on the way."""
    nodes = [*MEAN, *extra, _node("Div", [last, "full_scale"], ["scores"])]
    return model(nodes, {"scores": [1, 3]}, [BY_255, *constants], values, opsets, check)


def huge_tensor():
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[HUGE, HUGE])
    return scores([_node("Mul", ["means", "weights"], ["weighed"])], [weights], check=False)


def huge_shape():
    return scores(values=[helper.make_tensor_value_info("means", TensorProto.FLOAT, [HUGE, HUGE])], check=False)


def huge_fill():
    fill = [_node("ConstantOfShape", ["shape"], ["filled"]), _node("ReduceMax", ["filled"], ["most"], keepdims=0)]
    return scores([*fill, _node("Add", ["means", "most"], ["sum"])], [constant("shape", np.array([HUGE, HUGE]))], last="sum")


def custom_operator():
    return scores([_node("Dream", ["means"], ["dreamt"], domain="city.dreams")], opsets=[helper.make_opsetid("city.dreams", 1)], last="dreamt")


def cycle():
    circle = [_node("Add", ["means", "second"], ["first"]), _node("Add", ["first", "means"], ["second"])]
    return scores(circle, check=False, last="second")


def empty():
    return model([], {"frame": [1, 3]}, check=False)


def explosion():
    """As many floats as the sum of all pixels times 1500: two thousand million for a grey frame, 8 GB."""
    nodes = [
        _node("ReduceSum", ["pixels"], ["sum"], keepdims=0),
        _node("Mul", ["sum", "factor"], ["many"]),
        _node("Cast", ["many"], ["many_whole"], to=TensorProto.INT64),
        _node("Reshape", ["many_whole", "one"], ["shape"]),
        _node("ConstantOfShape", ["shape"], ["filled"]),
        _node("ReduceMax", ["filled"], ["most"], keepdims=0),
        _node("Add", ["means", "most"], ["total"]),
    ]
    return scores(nodes, [constant("factor", np.float32(1500)), constant("one", np.array([1], np.int64))], last="total")


def endless_loop():
    """A loop that counts to 2^62."""
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)  # noqa: E731
    body = helper.make_graph(
        [_node("Identity", ["go_on"], ["go_on_out"]), _node("Add", ["carried", "step"], ["carried_out"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("go_on", TensorProto.BOOL, []), value("carried", TensorProto.FLOAT, [1, 3])],
        [value("go_on_out", TensorProto.BOOL, []), value("carried_out", TensorProto.FLOAT, [1, 3])],
        initializer=[constant("step", np.float32(1e-9))],
    )
    loop = [_node("Loop", ["turns", "yes", "means"], ["looped"], body=body)]
    return scores(loop, [constant("turns", np.array(1 << 62)), constant("yes", np.array(True))], last="looped")


def rows(values: np.ndarray, shape: list) -> onnx.ModelProto:
    """The same rows for every frame."""
    nodes = [
        *MEAN,
        _node("ReduceMax", ["means"], ["most"], keepdims=0),
        _node("Mul", ["most", "nothing"], ["zero"]),
        _node("Add", ["rows", "zero"], ["output"]),
    ]
    return model(nodes, {"output": shape}, [constant("rows", values.astype(np.float32)), constant("nothing", np.float32(0))])


def shape_of_the_frame(values: np.ndarray) -> onnx.ModelProto:
    """The same rows, in a shape that only a run tells."""
    nodes = [
        *MEAN,
        _node("ReduceMax", ["means"], ["most"], keepdims=0),
        _node("Mul", ["most", "nothing"], ["zero"]),
        _node("Cast", ["zero"], ["zero_whole"], to=TensorProto.INT64),
        _node("Add", ["zero_whole", "ones"], ["repeats"]),
        _node("Tile", ["rows", "repeats"], ["output"]),
    ]
    constants = [constant("rows", values.astype(np.float32)), constant("nothing", np.float32(0)), constant("ones", np.ones(3, np.int64))]
    return model(nodes, {"output": [1, "rows_", "places"]}, constants)


def thousands():
    """200,000 columns that all score: a grid of boxes, most of which overlap many others. Made in the graph."""
    count = 200_000
    nodes = [
        *MEAN,
        _node("ReduceMax", ["means"], ["most"], keepdims=0),
        _node("Mul", ["most", "nothing"], ["zero"]),
        _node("Range", ["from", "to", "step"], ["numbers"]),
        _node("Mod", ["numbers", "width"], ["x"], fmod=1),
        _node("Div", ["numbers", "slope"], ["y"]),
        _node("Mul", ["x", "nothing"], ["flat"]),
        _node("Add", ["flat", "size"], ["sizes"]),
        _node("Mod", ["numbers", "turn"], ["rest"], fmod=1),
        _node("Div", ["rest", "scale"], ["part"]),
        _node("Add", ["part", "half"], ["sures"]),
        *[_node("Unsqueeze", [name, "front"], [f"{name}_row"]) for name in ("x", "y", "sizes", "sures")],
        _node("Concat", ["x_row", "y_row", "sizes_row", "sizes_row", "sures_row"], ["table"], axis=0),
        _node("Unsqueeze", ["table", "front"], ["batch"]),
        _node("Add", ["batch", "zero"], ["output"]),
    ]
    numbers = {"from": 0, "to": count, "step": 1, "width": SIDE, "slope": count / SIDE, "nothing": 0, "size": 8, "turn": 997, "scale": 2500, "half": 0.5}
    constants = [constant(name, np.float32(value)) for name, value in numbers.items()]
    return model(nodes, {"output": [1, 5, "places"]}, [*constants, constant("front", np.array([0], np.int64))])


def write_hostile(root: Path, write, manifest, sha256, input_table: str) -> None:
    """Folders under `broken/`, which are refused, and `odd/`, which are not."""

    def folder(place: str, made: onnx.ModelProto, labels: list[str], head: str) -> None:
        content = made.SerializeToString(deterministic=True)
        name = Path(place).name
        write(root / place, content, manifest(name, sha256(content), labels, input_table, head))

    colors = ["red", "green", "blue"]
    for case, make in {
        "huge-tensor": huge_tensor,
        "huge-shape": huge_shape,
        "huge-fill": huge_fill,
        "custom-operator": custom_operator,
        "cyclic-graph": cycle,
        "empty-graph": empty,
        "exploding-output": explosion,
        "endless-loop": endless_loop,
    }.items():
        folder(f"broken/{case}", make(), colors, SCORES)
    nothing_of_one = np.array([[[8, 8, 24, 24, 0.9, 0]]])
    folder("broken/unknown-class", rows(np.array([[[8, 8, 24, 24, 0.9, 7]]]), [1, 1, 6]), ["car"], YOLOV10)
    folder("broken/nan-box", rows(np.where(nothing_of_one == 24, np.nan, nothing_of_one), [1, 1, 6]), ["car"], YOLOV10)
    folder("broken/infinite-score", rows(np.where(nothing_of_one == 0.9, np.inf, nothing_of_one), [1, 1, 6]), ["car"], YOLOV10)
    folder("broken/wrong-class-count", rows(np.full((1, 7, 9), 0.5), [1, 7, 9]), ["car"], YOLOV8)
    folder("broken/wrong-class-count-at-run", shape_of_the_frame(np.full((1, 7, 9), 0.5)), ["car"], YOLOV8)
    folder("odd/zero-detections", rows(np.zeros((1, 0, 6)), [1, "boxes", 6]), ["car"], YOLOV10)
    folder("odd/thousands-of-boxes", thousands(), ["car"], YOLOV8)
