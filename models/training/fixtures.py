"""Write the tiny models that the Rust tests load: `python fixtures.py [folder]`.

Each folder holds `model.onnx` and `model.toml`. The answers can be worked out by hand, so a wrong
resize, channel order or a result attached to another camera's frame shows at once. The folders under
`broken/` are each wrong in the one way their name says. The output is the same byte for byte in
every run.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
from fixture_hostile import write_hostile
from fixture_layouts import write_layouts
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
CELL = 16
SIDE = 64
BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "fixtures"


def initializer(name: str, value: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def model(name: str, nodes, inputs, outputs, constants) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=constants)
    made = helper.make_model(
        graph,
        producer_name="citybrain-fixtures",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(made)
    return made


def frame_input() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, SIDE, SIDE, 3])


def brightness_heatmap(factor: float = 1.0) -> onnx.ModelProto:
    """heat = mean BT.601 luminance of each 16x16 cell / 255 (times `factor`), image_score = its maximum."""
    cells = SIDE // CELL
    nodes = [
        helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "luminance_weights"], ["luminance"], kernel_shape=[1, 1]),
        helper.make_node(
            "AveragePool", ["luminance"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]
        ),
        # White must not come out a rounding error above one.
        helper.make_node("Clip", ["means", "zero", "one"], ["cells"]),
        helper.make_node("Mul", ["cells", "factor"], ["heat"]),
        helper.make_node("ReduceMax", ["heat"], ["peak"], axes=[2, 3], keepdims=0),
        # A maximum may swallow NaN, so the factor's NaN is carried over by hand.
        helper.make_node("Mul", ["factor", "zero"], ["factor_nan"]),
        helper.make_node("Add", ["peak", "factor_nan"], ["image_score"]),
    ]
    outputs = [
        helper.make_tensor_value_info("heat", TensorProto.FLOAT, [1, 1, cells, cells]),
        helper.make_tensor_value_info("image_score", TensorProto.FLOAT, [1, 1]),
    ]
    constants = [
        initializer("luminance_weights", (BT601 / 255).astype(np.float32).reshape(1, 3, 1, 1)),
        initializer("factor", np.array(factor, dtype=np.float32)),
        initializer("zero", np.array(0, dtype=np.float32)),
        initializer("one", np.array(1, dtype=np.float32)),
    ]
    return model("brightness_heatmap", nodes, [frame_input()], outputs, constants)


def color_classifier() -> onnx.ModelProto:
    """scores = mean of red, green and blue / 255."""
    nodes = [
        helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["means", "full_scale"], ["scores"]),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])]
    constants = [initializer("full_scale", np.array(255, dtype=np.float32))]
    return model("color_classifier", nodes, [frame_input()], outputs, constants)


def color_classifier_f32() -> onnx.ModelProto:
    """As above for a planar, normalised, blue-first input: scores = mean of blue, green, red / 255."""
    nodes = [
        helper.make_node("Mul", ["frame", "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["unit"]),
        helper.make_node("ReduceMean", ["unit"], ["scores"], axes=[2, 3], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("frame", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])]
    constants = [
        initializer("mean", np.array([0.5, 0.25, 0.125], dtype=np.float32).reshape(1, 3, 1, 1)),
        initializer("std", np.array([0.5, 0.25, 2.0], dtype=np.float32).reshape(1, 3, 1, 1)),
    ]
    return model("color_classifier_f32", nodes, inputs, outputs, constants)


U8_INPUT = f"""\
[input]
name = "frame"
layout = "nhwc"
dtype = "u8"
width = {SIDE}
height = {SIDE}
color = "rgb"
resize = "letterbox"
pad = 114
"""

# A value fed to the graph is (pixel * scale - mean) / std, channels in the order of `color`.
F32_INPUT = f"""\
[input]
name = "frame"
layout = "nchw"
dtype = "f32"
width = {SIDE}
height = {SIDE}
color = "bgr"
resize = "stretch"
mean = [0.5, 0.25, 0.125]
std = [0.5, 0.25, 2.0]
scale = 0.00392156862745098
"""

HEATMAP_HEAD = """\
[head]
kind = "heatmap"
heat_output = "heat"
score_output = "image_score"
"""

MULTILABEL_HEAD = """\
[head]
kind = "multilabel"
score_output = "scores"
"""


def manifest(
    name: str, digest: str, labels: list[str], input_table: str, head_table: str
) -> str:
    quoted = ", ".join(f'"{label}"' for label in labels)
    thresholds = "\n".join(f"{label} = 0.5" for label in labels if label)
    return (
        f'format_version = 1\nname = "{name}"\nversion = "1.0.0"\nfile = "model.onnx"\n'
        f'sha256 = "{digest}"\nlicense = "Apache-2.0"\nlabels = [{quoted}]\n\n'
        f"{input_table}\n{head_table}\n[thresholds]\n{thresholds}\n"
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, content: bytes, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "model.toml").write_text(text)


def bright_manifest(name: str, content: bytes) -> str:
    return manifest(name, sha256(content), ["bright"], U8_INPUT, HEATMAP_HEAD)


def replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"nothing to break: {old!r} is not in the manifest")
    return text.replace(old, new)


def with_external_weights(good: onnx.ModelProto, location: str) -> bytes:
    made = onnx.ModelProto()
    made.CopyFrom(good)
    weights = made.graph.initializer[0]
    length = len(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weights.external_data.add(key=key, value=value)
    return made.SerializeToString(deterministic=True)


def write_broken(root: Path, good: onnx.ModelProto) -> None:
    whole = good.SerializeToString(deterministic=True)
    text = bright_manifest("broken", whole)

    def edited(case: str, old: str, new: str) -> None:
        write(root / case, whole, replaced(text, old, new))

    def damaged(case: str, content: bytes) -> None:
        write(root / case, content, bright_manifest("broken", content))

    edited("wrong-sha256", sha256(whole), "0" * 64)
    edited("wrong-input-name", 'name = "frame"', 'name = "pixels"')
    edited("wrong-input-shape", f"width = {SIDE}", f"width = {2 * SIDE}")
    edited("wrong-input-dtype", 'dtype = "u8"', 'dtype = "f32"')
    edited("label-count-mismatch", '["bright"]', '["bright", "dark"]')
    edited("missing-output", 'heat_output = "heat"', 'heat_output = "heatmap"')
    edited("unknown-head", 'kind = "heatmap"', 'kind = "tea-leaves"')
    edited("unknown-key", "format_version = 1", "format_version = 1\nconfidence = 0.5")
    edited("unknown-format-version", "format_version = 1", "format_version = 2")
    edited("threshold-out-of-range", "bright = 0.5", "bright = 1.5")
    edited("threshold-for-unknown-label", "bright = 0.5", "bright = 0.5\ndark = 0.5")
    edited("file-outside", 'file = "model.onnx"', 'file = "../../brightness_heatmap/model.onnx"')
    damaged("truncated-onnx", whole[: len(whole) // 2])
    damaged("not-onnx", b"<!doctype html><title>404 not found</title>\n")
    damaged("empty-file", b"")
    damaged("nan-output", brightness_heatmap(float("nan")).SerializeToString(deterministic=True))
    damaged("score-above-one", brightness_heatmap(3.0).SerializeToString(deterministic=True))
    # The file it points to exists and fits: only the guard against leaving the folder can refuse it.
    damaged("external-data-outside", with_external_weights(good, "../../outside-weights.bin"))
    (root.parent / "outside-weights.bin").write_bytes(good.graph.initializer[0].raw_data)


def write_model(folder: Path, content: bytes, labels: list[str], input_table: str, head_table: str) -> None:
    name = folder.name.replace("_", "-")
    write(folder, content, manifest(name, sha256(content), labels, input_table, head_table))


def main(folder: Path) -> None:
    bright = brightness_heatmap()
    content = bright.SerializeToString(deterministic=True)
    write(folder / "brightness_heatmap", content, bright_manifest("brightness-heatmap", content))

    content = color_classifier().SerializeToString(deterministic=True)
    stretched = U8_INPUT.replace("letterbox", "stretch").replace("pad = 114\n", "")
    text = manifest(
        "color-classifier", sha256(content), ["red", "green", "blue"], stretched, MULTILABEL_HEAD
    )
    write(folder / "color_classifier", content, text)

    content = color_classifier_f32().SerializeToString(deterministic=True)
    text = manifest(
        "color-classifier-f32", sha256(content), ["blue", "green", "red"], F32_INPUT, MULTILABEL_HEAD
    )
    write(folder / "color_classifier_f32", content, text)

    write_broken(folder / "broken", bright)
    write_layouts(folder, write_model)
    write_hostile(folder, write, manifest, sha256, U8_INPUT)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
