"""Graphs written by the exporting libraries themselves, with answers from each library's own post-processing.

    pip install -r fixtures-requirements.txt && python fixture_exports.py [folder]

Weights are random and seeded; backbones are a few convolutions where the library's own would be megabytes. The graphs
depend on the versions pinned in fixtures-requirements.txt.
"""

from __future__ import annotations

import io
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from fixture_answers import Found, Input, answers, softmax, write_answers
from fixture_layouts import CAFFE, HEIGHT, IMAGENET, LABELS, UNIT, WIDTH, named, run
from fixtures import DEFAULT_FOLDER, write_model
from torch import nn

warnings.filterwarnings("ignore")
PICTURE = (WIDTH, HEIGHT)


@dataclass
class Fixture:
    """What one fixture's folder is made of."""

    model: onnx.ModelProto
    fed: Input
    labels: list[str]
    head: str
    right: dict


class Stub(nn.Module):
    """Feature maps of the strides from few convolutions: what stands in for a backbone."""

    def __init__(self, channels: list[int], strides: list[int], gain: float = 1.0):
        super().__init__()
        self.maps = nn.ModuleList()
        for width, stride in zip(channels, strides):
            conv = nn.Conv2d(3, width, 4, 4)
            nn.init.normal_(conv.weight, std=gain / 48**0.5)
            pool = stride // 4
            # Begun cells count, as in any network that pads.
            pad = nn.ZeroPad2d((0, -(-(-WIDTH // pool)) % 4, 0, -(-(-HEIGHT // pool)) % 4))
            self.maps.append(nn.Sequential(nn.AvgPool2d(pool, ceil_mode=True), pad, conv, nn.Tanh()))

    def forward(self, images):
        return [one(images) for one in self.maps]


class Chain(nn.Module):
    """A backbone, a head and what an exporter does between and after them."""

    def __init__(self, backbone, head, after=lambda out: out):
        super().__init__()
        self.backbone, self.head, self.after = backbone, head, after

    def forward(self, *inputs):
        return self.after(self.head(self.backbone(*inputs)))


def export(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str], opset: int = 17, **more) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(
            module.eval(), inputs, buffer, input_names=names, output_names=outputs, opset_version=opset, dynamo=False, **more
        )
    model = onnx.load_from_string(buffer.getvalue())
    # Names of modules and stack traces would make the file depend on where it was made.
    for node in model.graph.node:
        node.doc_string = ""
    return model


def randomize(module: nn.Module, names: str, gain: float, bias: float | None = None) -> None:
    """Gives the last layers weights that tell something, in place of the near zero they start training with."""
    for name, layer in module.named_modules():
        if names in name and isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=gain / layer.weight[0].numel() ** 0.5)
            if bias is not None and layer.bias is not None:
                nn.init.constant_(layer.bias, bias)


def lines(kind: str, **keys) -> str:
    """A `[head]`; values as TOML."""
    toml = lambda v: str(v).lower() if isinstance(v, bool) else f'"{v}"' if isinstance(v, str) else str(v).replace("'", '"')  # noqa: E731
    return f'[head]\nkind = "{kind}"\n' + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


def rows(boxes, scores, classes, labels) -> list[Found]:
    return [
        Found(labels[int(c)], float(s), tuple(float(e) for e in b)) for b, s, c in zip(boxes, scores, classes)
    ]


def found_again(found: list[Found], fed: Input, floor: float) -> dict:
    """Answers that the library has suppressed already."""
    return answers(found, fed, PICTURE, floor, None)


def yolox(decoded: bool) -> Fixture:
    """YOLOXHead and postprocess of the package pixeltable-yolox (Megvii's code, Apache-2.0)."""
    from yolox.models.yolo_head import YoloxHead
    from yolox.utils.boxes import postprocess

    torch.manual_seed(21)
    head = YoloxHead(len(LABELS), width=0.0625, in_channels=[256, 512, 1024], depthwise=True)
    head.decode_in_inference = decoded
    randomize(head, "conv", 1.7)
    randomize(head, "stems", 2.0)
    for name, gain, bias in (("cls_preds", 1.0, 0.0), ("obj_preds", 1.0, -1.0), ("reg_preds", 0.5, 0.7)):
        randomize(head, name, gain, bias)
    module = Chain(Stub([16, 32, 64], [8, 16, 32], 2.0), head).eval()
    fed = Input(WIDTH, HEIGHT, bgr=True, resize="letterbox_top_left")
    with torch.no_grad():
        module(torch.zeros(1, 3, HEIGHT, WIDTH))
    model = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["images"], ["output"])
    head.decode_in_inference = True
    with torch.no_grad():
        prediction = module(torch.from_numpy(fed.tensor()))
    kept = postprocess(prediction, len(LABELS), conf_thre=0.5, nms_thre=0.45)[0].numpy()
    found = rows(kept[:, :4], kept[:, 4] * kept[:, 5], kept[:, 6], LABELS)
    keys = {"layout": "decoded"} if decoded else {"layout": "raw", "strides": [8, 16, 32]}
    return Fixture(model, fed, LABELS, lines("yolox", output="output", **keys), found_again(found, fed, 0.5))


def yolov9() -> Fixture:
    """DDetect of the package libreyolo (MIT): the transposed layout, boxes as edges. NMS of torchvision."""
    from libreyolo.models.yolo9.nn import DDetect
    from torchvision.ops import batched_nms

    torch.manual_seed(22)
    head = DDetect(nc=len(LABELS), ch=(16, 16, 16), reg_max=16, stride=(8, 16, 32))
    head.export = True
    for tower in head.cv2:
        randomize(tower, "", 1.5)
    for tower in head.cv3:
        randomize(tower, "", 2.5, 0.0)
    module = Chain(Stub([16, 16, 16], [8, 16, 32], 2.0), head, lambda out: out[0])
    fed = Input(WIDTH, HEIGHT, **UNIT)
    model = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["images"], ["output"])
    with torch.no_grad():
        output = module(torch.from_numpy(fed.tensor()))[0].T
    scores, classes = output[:, 4:].max(1)
    sure = scores >= 0.3
    boxes, scores, classes = output[sure, :4], scores[sure], classes[sure]
    kept = batched_nms(boxes, scores, classes, 0.6)
    found = rows(boxes[kept], scores[kept], classes[kept], LABELS)
    head_table = lines("yolov8", output="output", boxes="edges", max_iou=0.6)
    return Fixture(named(model, LABELS), fed, LABELS, head_table, found_again(found, fed, 0.3))


def picodet_cells() -> Fixture:
    """PicoHead and postprocess of the package libreyolo (MIT), ending as PaddleDetection's export without NMS does."""
    from libreyolo.models.picodet.nn import PicoHead
    from libreyolo.postprocess.picodet import postprocess

    torch.manual_seed(23)
    strides = [8, 16, 32, 64]
    head = PicoHead(in_channels=16, num_classes=len(LABELS), feat_channels=16, stacked_convs=1, strides=strides)
    randomize(head, "convs", 1.5)
    randomize(head, "gfl_cls", 6.0, -1.0)

    def paddle(out):
        flat = lambda maps: [m.flatten(2).permute(0, 2, 1) for m in maps]  # noqa: E731
        return tuple(s.sigmoid() for s in flat(out[0])) + tuple(flat(out[1]))

    module = Chain(Stub([16] * 4, strides, 2.0), head, paddle)
    fed = Input(WIDTH, HEIGHT, **IMAGENET)
    scores, boxes = [f"scores_{s}" for s in strides], [f"boxes_{s}" for s in strides]
    model = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["image"], scores + boxes)
    fed = Input(WIDTH, HEIGHT, **IMAGENET, name="image")
    with torch.no_grad():
        raw = head(module.backbone(torch.from_numpy(fed.tensor())))
    out = postprocess(raw, conf_thres=0.7, iou_thres=0.6, input_size=(HEIGHT, WIDTH), original_size=PICTURE, max_det=1000)
    found = rows(out["boxes"], out["scores"], out["classes"], LABELS)
    table = lines("picodet", score_outputs=scores, box_outputs=boxes, strides=strides, reg_max=7, scores="probabilities")
    return Fixture(model, fed, LABELS, table, found_again(found, fed, 0.7))


class ByName(nn.Module):
    """A model of transformers with its answers as a tuple."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, images):
        out = self.model(pixel_values=images)
        return tuple(getattr(out, name) for name in self.names)


def detr_backbone():
    from transformers import RTDetrResNetConfig

    return RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage2", "stage3", "stage4"]
    )


DETR_SIZES = {
    "encoder_hidden_dim": 16,
    "encoder_in_channels": [8, 8, 8],
    "encoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "d_model": 16,
    "num_queries": 20,
    "decoder_in_channels": [16, 16, 16],
    "decoder_ffn_dim": 16,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "num_denoising": 0,
    "hidden_expansion": 0.5,
    "anchor_image_size": None,
    "eval_size": None,
}


def detr(family: str, seed: int, bias: float):
    """A small RT-DETR or D-FINE of the package transformers (Apache-2.0), and its image processor."""
    import transformers

    torch.manual_seed(seed)
    config_class = getattr(transformers, f"{family}Config")
    config = config_class(backbone_config=detr_backbone(), **DETR_SIZES, id2label=dict(enumerate(LABELS)))
    model = getattr(transformers, f"{family}ForObjectDetection")(config)
    for names, gain, bias in (("class_embed", 8.0, bias), ("enc_score_head", 8.0, 0.0), ("bbox_embed", 1.5, None), ("enc_bbox_head", 1.5, None)):
        randomize(model, names, gain, bias)
    return ByName(model.eval(), ["logits", "pred_boxes"]), transformers.RTDetrImageProcessor()


def detr_answers(module, processor, fed: Input, floor: float) -> dict:
    from types import SimpleNamespace

    with torch.no_grad():
        logits, boxes = module(torch.from_numpy(fed.tensor()))
    out = processor.post_process_object_detection(
        SimpleNamespace(logits=logits, pred_boxes=boxes), threshold=0.0, target_sizes=[(HEIGHT, WIDTH)]
    )[0]
    return found_again(rows(out["boxes"], out["scores"], out["labels"], LABELS), fed, floor)


def detr_raw() -> Fixture:
    """D-FINE without post-processing, as transformers exports it."""
    module, processor = detr("DFine", 24, -1.0)
    fed = Input(WIDTH, HEIGHT, **UNIT, name="pixel_values")
    model = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["pixel_values"], ["logits", "pred_boxes"])
    # Post-processing takes as many of all pairs of query and class as there are queries.
    table = lines("detr", logits_output="logits", boxes_output="pred_boxes", max_boxes=20)
    return Fixture(model, fed, LABELS, table, detr_answers(module, processor, fed, 0.3))


class Deploy(nn.Module):
    """Post-processing in the graph, with the inputs and outputs of the deploy export of RT-DETR, D-FINE and DEIM."""

    def __init__(self, module, top: int = 20):
        super().__init__()
        self.module, self.top = module, top

    def forward(self, images, orig_target_sizes):
        logits, boxes = self.module(images)
        middle, size = boxes.split(2, dim=-1)
        edges = torch.cat((middle - size / 2, middle + size / 2), -1) * orig_target_sizes.repeat(1, 2).unsqueeze(1)
        scores, index = logits.sigmoid().flatten(1).topk(self.top, dim=-1)
        classes, query = index % logits.shape[-1], index // logits.shape[-1]
        return classes, edges.gather(1, query.unsqueeze(-1).repeat(1, 1, 4)), scores


def detr_deploy() -> Fixture:
    """RT-DETR of transformers in the deploy layout: a second input, the size."""
    module, processor = detr("RTDetr", 25, 6.0)
    fed = Input(WIDTH, HEIGHT, **UNIT)
    inputs = (torch.zeros(1, 3, HEIGHT, WIDTH), torch.tensor([[WIDTH, HEIGHT]]))
    model = export(Deploy(module), inputs, ["images", "orig_target_sizes"], ["labels", "boxes", "scores"])
    table = lines("detr", labels_output="labels", boxes_output="boxes", scores_output="scores", size_input="orig_target_sizes")
    right = detr_answers(module, processor, fed, 0.3)
    if len(right["boxes"]) > 20:
        raise ValueError("more answers than the graph tells")
    return Fixture(model, fed, LABELS, table, right)


class Batch(nn.Module):
    """torchvision's detectors take a list of pictures; this takes a batch of one."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        found = self.model([images[0]])[0]
        return found["boxes"], found["scores"], found["labels"]


class Maps(nn.Module):
    """Feature maps by name, as SSD of torchvision wants them."""

    def __init__(self):
        super().__init__()
        self.stub = Stub([8, 8], [8, 16], 2.0)
        self.out_channels = [8, 8]

    def forward(self, images):
        return dict(zip("01", self.stub(images)))


def ssd_torchvision() -> Fixture:
    """SSD of torchvision (BSD-3-Clause) with its suppression in the graph; class 0 is the background."""
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.ssd import SSD

    torch.manual_seed(26)
    anchors = DefaultBoxGenerator([[2], [2]], scales=[0.2, 0.4, 0.6], steps=[8, 16])
    model = SSD(Maps(), anchors, (WIDTH, HEIGHT), len(LABELS) + 1, score_thresh=0.3, detections_per_img=30, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    # It scales pictures itself: this keeps ours as it is.
    model.transform.min_size, model.transform.max_size, model.transform.fixed_size = (HEIGHT,), WIDTH, (WIDTH, HEIGHT)
    randomize(model.head, "classification", 6.0, 0.0)
    randomize(model.head, "regression", 2.0, 0.0)
    module = Batch(model).eval()
    fed = Input(WIDTH, HEIGHT, **UNIT)
    exported = export(module, (torch.from_numpy(fed.tensor()),), ["images"], ["boxes", "scores", "labels"])
    with torch.no_grad():
        boxes, scores, classes = module(torch.from_numpy(fed.tensor()))
    labels = ["", *LABELS]
    table = lines("ssd", layout="torchvision", boxes_output="boxes", scores_output="scores", classes_output="labels")
    return Fixture(exported, fed, labels, table, found_again(rows(boxes, scores, classes, labels), fed, 0.31))


def classifier() -> Fixture:
    """A small ResNet of timm (Apache-2.0): logits of exclusive classes, the first of which is not told."""
    from timm.models.resnet import BasicBlock, ResNet

    torch.manual_seed(27)
    module = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4, channels=(8, 8, 16, 16), stem_width=8)
    randomize(module, "fc", 8.0)
    fed = Input(WIDTH, HEIGHT, **IMAGENET)
    model = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["images"], ["logits"])
    with torch.no_grad():
        scores = module(torch.from_numpy(fed.tensor()))[0].softmax(-1)
    labels = ["", "fire", "smoke", "flood"]
    whole = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    found = [Found(label, float(score), whole) for label, score in zip(labels, scores)]
    return Fixture(model, fed, labels, lines("classifier", score_output="logits", scores="logits"), found_again(found, fed, 0.01))


def regions(classes: np.ndarray, weights: np.ndarray, labels: list[str], least: float) -> list[Found]:
    """Boxes of connected pixels of a class, with OpenCV."""
    import cv2

    found = []
    high, wide = classes.shape
    for number, label in enumerate(labels):
        if not label:
            continue
        count, marks, stats, _ = cv2.connectedComponentsWithStats((classes == number).astype(np.uint8), connectivity=8)
        for region in range(1, count):
            left, top, width, height, area = stats[region]
            if area >= least * high * wide:
                edges = (left * WIDTH / wide, top * HEIGHT / high, (left + width) * WIDTH / wide, (top + height) * HEIGHT / high)
                found.append(Found(label, float(weights[marks == region].mean()), edges))
    return found


def segmentation() -> Fixture:
    """SegFormer of transformers (Apache-2.0): logits at a quarter of the input's size."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(28)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2],
        num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, num_labels=4,
    )
    model = SegformerForSemanticSegmentation(config)
    randomize(model, "", 1.5)
    randomize(model, "classifier", 6.0, 0.0)
    module = ByName(model, ["logits"]).eval()
    fed = Input(WIDTH, HEIGHT, **IMAGENET, name="pixel_values")
    exported = export(module, (torch.zeros(1, 3, HEIGHT, WIDTH),), ["pixel_values"], ["logits"])
    with torch.no_grad():
        logits = module(torch.from_numpy(fed.tensor()))[0][0].numpy()
    parts = softmax(logits, axis=0)
    labels = ["", "water", "road", "litter"]
    found = regions(parts.argmax(0), parts.max(0), labels, 0.01)
    table = lines("segmentation", output="logits", layout="logits", min_area=0.01)
    return Fixture(exported, fed, labels, table, found_again(found, fed, 0.3))


EXPORTS = {
    "yolox_raw": lambda: yolox(decoded=False),
    "yolox_decoded": lambda: yolox(decoded=True),
    "yolov9": yolov9,
    "picodet_cells": picodet_cells,
    "detr_raw": detr_raw,
    "detr_deploy": detr_deploy,
    "ssd_torchvision": ssd_torchvision,
    "classifier": classifier,
    "segmentation": segmentation,
}


def main(root: Path, only: list[str]) -> None:
    for name, make in EXPORTS.items():
        if only and name not in only:
            continue
        fixture = make()
        content = fixture.model.SerializeToString(deterministic=True)
        write_model(root / name, content, fixture.labels, fixture.fed.table(), fixture.head)
        write_answers(root / name, fixture.right)
        print(f"{name}: {len(content)} bytes, {len(fixture.right['boxes'])} boxes from {fixture.right['floor']} up")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER, sys.argv[2:])
