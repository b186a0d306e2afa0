"""What is asked of the heat map. Nothing unknown is ever trained as absent."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from data import UNKNOWN

LOOSE_SHARE = 0.25
"""A coarse box says that the thing is somewhere in it: this share of its cells, the strongest, must answer."""


BOX_WEIGHT = 0.3
"""Small while everything is learnt; edges are learnt last, by themselves."""


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over cells per picture and label, then over those that have any."""
    total = weight.sum(dim=(2, 3))
    mean = (values * weight).sum(dim=(2, 3)) / total.clamp(min=1.0)
    has = (total > 0).float()
    return (mean * has).sum() / has.sum().clamp(min=1.0)


def loose_boxes(present: Tensor, loose: Tensor) -> Tensor:
    """Multiple-instance loss: the strongest cells in the boxes should say yes, all of them a little."""
    losses = []
    for picture, label in (loose.sum(dim=(2, 3)) > 0).nonzero().tolist():
        inside = present[picture, label][loose[picture, label] > 0]
        strongest = inside.topk(max(1, int(len(inside) * LOOSE_SHARE)), largest=False).values
        losses.append(strongest.mean() + 0.15 * inside.mean())
    return torch.stack(losses).mean() if losses else present.sum() * 0


def box_loss(edges: Tensor, wanted: Tensor) -> Tensor:
    """1 - GIoU of the boxes around one cell, both as distances [B, 4 K, ...] and [B, K, 4, ...] to the edges.

    H. Rezatofighi et al., "Generalized Intersection over Union" (2019).
    """
    mine = edges.unflatten(1, (-1, 4)).movedim(2, -1)
    truth = wanted.movedim(2, -1)
    there = truth.sum(-1) > 0
    if not there.any():
        return edges.sum() * 0
    mine, truth = mine[there], truth[there]
    inner, outer = torch.minimum(mine, truth), torch.maximum(mine, truth)

    def area(d: Tensor) -> Tensor:
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    shared = area(inner)
    union = area(mine) + area(truth) - shared
    hull = area(outer)
    return (1 - shared / union + (hull - union) / hull).mean()


def heatmap_loss(heat: Tensor, image_logit: Tensor, edges: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    present = F.softplus(-heat)
    absent = F.softplus(heat)
    target, weight = batch["target"], batch["weight"]
    known = (batch["labels"] != UNKNOWN).float()
    truth = (batch["labels"] == 1).float()
    # 0.02 of smoothing: a few labels are wrong.
    image = F.binary_cross_entropy_with_logits(image_logit, truth * 0.96 + 0.02, reduction="none")
    parts = {
        "image": (image * known).sum() / known.sum().clamp(min=1.0),
        "absent": masked_mean(absent, weight * (1 - target)),
        "sure": masked_mean(present, weight * target),
        "loose": loose_boxes(present, batch["loose"]),
        "box": box_loss(edges, batch["box"]),
    }
    total = parts["image"] + 2.0 * parts["absent"] + 0.5 * parts["sure"] + 0.5 * parts["loose"] + BOX_WEIGHT * parts["box"]
    return total, {name: float(value.detach()) for name, value in parts.items()}
