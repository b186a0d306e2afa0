"""Where a thing ends: from each cell at stride 8, how far its edges are, how near the cell is to its middle, and, for what has
no edges but an area (water), what the map's cell is to be corrected by.

It sees the fused features (what it is) and those at stride 8 (where it ends), and is learnt after the map, on features made once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loss import box_loss

NARROW = 64
LEAST_INSIDE = 0.02
"""In cells of the map: a middle that is less inside its box is not taught."""


def conv_bn(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


def separable(width: int) -> list[nn.Module]:
    return [*conv_bn(width, width, 5, groups=width), *conv_bn(width, width), nn.ReLU6()]


class BoxBranch(nn.Module):
    def __init__(self, fused: int, c8: int, labels: int) -> None:
        super().__init__()
        self.from_fused = nn.Sequential(*conv_bn(fused, NARROW), nn.Upsample(scale_factor=2, mode="nearest"))
        self.from8 = nn.Sequential(*conv_bn(c8, NARROW))
        self.fuse = nn.Sequential(nn.ReLU6(), *separable(NARROW), *separable(NARROW), *separable(NARROW))
        self.edges = nn.Conv2d(NARROW, 4 * labels, 1)
        nn.init.normal_(self.edges.weight, std=0.01)
        nn.init.constant_(self.edges.bias, 1.0)
        self.middle = nn.Conv2d(NARROW, labels, 1)
        nn.init.normal_(self.middle.weight, std=0.01)
        nn.init.constant_(self.middle.bias, -3.0)
        self.area = nn.Conv2d(NARROW, labels, 1)
        nn.init.zeros_(self.area.weight)
        nn.init.zeros_(self.area.bias)

    def forward(self, fused: Tensor, c8: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distances to edges [B, 4 K, 2 rows, 2 columns], in cells of the map, logits of being a middle [B, K, ...], and what is
        added to the map's logits [B, K, ...]."""
        x = self.fuse(self.from_fused(fused) + self.from8(c8))
        # Exponential, so that near and far are learnt alike.
        return self.edges(x).clamp(-3.5, 4.0).exp(), self.middle(x), self.area(x)


def halved(wanted: Tensor) -> Tensor:
    """Distances [B, K, 4, rows, columns] from the middles of cells -> from those of their quarters [B, K, 4, 2 rows, 2 columns]."""
    finer = wanted.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    right = torch.tensor([-0.25, 0.25]).repeat(wanted.shape[4])[None, :]
    down = torch.tensor([-0.25, 0.25]).repeat(wanted.shape[3])[:, None]
    there = finer.sum(dim=2, keepdim=True) > 0
    shift = torch.stack([t.expand(down.shape[0], right.shape[1]) for t in (right, down, -right, -down)])
    moved = finer + shift[None, None]
    inside = there & (moved.amin(dim=2, keepdim=True) > LEAST_INSIDE)
    return moved * inside


def covered(wanted: Tensor) -> Tensor:
    """1 in the cells [B, K, rows, columns] that lie in a box of which some cell knows the edges, or next to one."""
    count, labels, _, rows, columns = wanted.shape
    out = torch.zeros(count, labels, rows, columns)
    b, k, y, x = (wanted.sum(dim=2) > 0).nonzero(as_tuple=True)
    left, top, right, bottom = wanted[b, k, :, y, x].unbind(1)
    corners = torch.stack([x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom], dim=1)
    found = torch.cat([b[:, None], k[:, None], (corners * 2).round()], dim=1)
    for i, label, *edges in torch.unique(found, dim=0).int().tolist():
        x0, y0, x1, y1 = (edge // 2 for edge in edges)
        out[i, label, max(0, y0 - 1) : y1 + 2, max(0, x0 - 1) : x1 + 2] = 1
    return out


def nearness(finer: Tensor) -> Tensor:
    """1 in the middle of a box, falling towards its edges, 0 where none is known (Z. Tian et al., "FCOS", 2019): [B, K, ...]."""
    left, top, right, bottom = finer.unbind(2)
    least = 1e-6

    def even(a: Tensor, b: Tensor) -> Tensor:
        return torch.minimum(a, b) / torch.maximum(a, b).clamp(min=least)

    return (even(left, right) * even(top, bottom)).clamp(min=0).sqrt()


def middle_loss(middle: Tensor, finer: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy with the nearness, weighed by how wrong it is (X. Li et al., "Generalized Focal Loss", 2020)."""
    goal = nearness(finer)
    where = torch.maximum(known.repeat_interleave(2, 2).repeat_interleave(2, 3), (goal > 0).float())
    each = F.binary_cross_entropy_with_logits(middle, goal, reduction="none") * (goal - middle.sigmoid()).abs() ** 2
    return (each * where).sum() / (goal > 0).sum().clamp(min=1)


def far_off(edges: Tensor, wanted: Tensor) -> Tensor:
    """Mean difference of the logarithms of the distances, capped: it pulls where the overlap says nothing yet."""
    mine = edges.unflatten(1, (-1, 4))
    there = wanted.sum(2, keepdim=True).expand_as(wanted) > 0
    if not there.any():
        return edges.sum() * 0
    return F.smooth_l1_loss(mine[there].clamp(min=0.05).log(), wanted[there].clamp(min=0.05).log())


def area_loss(area: Tensor, heat: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy and overlap of one label's corrected map with its area, all [B, 2 rows, 2 columns], where it is known."""
    logit = F.interpolate(heat[:, None], scale_factor=2, mode="bilinear", align_corners=False)[:, 0] + area
    each = F.binary_cross_entropy_with_logits(logit, wanted, reduction="none")
    sure = logit.sigmoid() * known
    shared, both = (sure * wanted).sum(), (sure + wanted * known).sum()
    return (each * known).sum() / known.sum().clamp(min=1) + 0.5 * (1 - 2 * shared / both.clamp(min=1e-6))


def loss(edges: Tensor, middle: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """`wanted` [B, K, 4, rows, columns] as in a sample, `known` [B, K, rows, columns] 1 where a middle is or is known not to be."""
    finer = halved(wanted)
    return box_loss(edges, finer) + 0.5 * far_off(edges, finer) + middle_loss(middle, finer, known)
