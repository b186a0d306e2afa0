"""The boxes of cells, learnt last: everything else is frozen, so that the fused features are made once and gone over often."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from bank import Bank, Clean
from compose import Canvas
from data import Picture
from loss import box_loss
from model import HeatmapNet
from samples import Sampler
from settings import Settings


def of_clean(picture: Picture, sampler: Sampler, settings: Settings) -> np.ndarray:
    """Distances to edges in the letterboxed picture itself."""
    size = settings.input
    scale = min(size.width / picture.width, size.height / picture.height)
    wide, high = picture.width * scale, picture.height * scale
    left, top = (size.width - wide) / 2, (size.height - high) / 2
    blank = Canvas.of(np.zeros((size.height, size.width, 3), dtype=np.uint8), np.zeros(len(settings.labels), dtype=np.int64))
    for k, label in enumerate(settings.labels):
        for x0, y0, x1, y1 in picture.boxes.get(label, ()):
            blank.boxes.append((k, left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high))
    return sampler.edges(blank)


@torch.no_grad()
def fused_features(
    net: HeatmapNet, bank: Bank, rows: np.ndarray, clean: Clean, pictures: list[Picture], sampler: Sampler, settings: Settings
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head fuses [N, WIDTH, rows, columns], of samples and clean pictures that have boxes, and their distances."""
    net.eval()
    blocks, fused, wanted = settings.bank.frozen_blocks, [], []
    with_boxes = [part for part in np.array_split(rows, max(1, len(rows) // 64))]
    for part in with_boxes:
        chosen = part[bank.parts["box"][part].reshape(len(part), -1).any(1)]
        if len(chosen):
            batch = bank.batch(chosen)
            fused.append(net.fused(net.rest(batch["c8"], batch["deep"], blocks)).half())
            wanted.append(batch["box"].half())
    for start in range(0, len(pictures), 32):
        part = pictures[start : start + 32]
        fused.append(net.fused(net.rest(*clean.batch(part), blocks)).half())
        wanted.append(torch.from_numpy(np.stack([of_clean(p, sampler, settings) for p in part])).half())
    return torch.cat(fused), torch.cat(wanted)


def far_off(edges: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean difference of the logarithms of the distances, capped: it pulls where the overlap says nothing yet."""
    mine, truth = edges.unflatten(1, (-1, 4)), wanted
    there = truth.sum(2, keepdim=True).expand_as(truth) > 0
    if not there.any():
        return edges.sum() * 0
    return F.smooth_l1_loss(mine[there].clamp(min=0.05).log(), truth[there].clamp(min=0.25).log())


def learn(
    net: HeatmapNet, bank: Bank, rows: np.ndarray, clean: Clean, pictures: list[Picture], sampler: Sampler, settings: Settings, work: Path
) -> HeatmapNet:
    stage, path = settings.boxes, work / "checkpoint-boxes.pt"
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
        return net
    began = time.monotonic()
    own = [p for p in pictures if not p.rendered and any(len(p.boxes.get(label, ())) for label in settings.labels)]
    rows = rows[(rows >= stage.rows[0]) & (rows < stage.rows[1])]
    fused, wanted = fused_features(net, bank, rows, clean, own, sampler, settings)
    print(f"boxes: {len(fused)} with boxes, {time.monotonic() - began:.0f} s", flush=True)
    net.eval()
    parts = [net.fuse_box, net.edges]
    parameters = [p for part in parts for p in part.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    torch.manual_seed(settings.run.seed)
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, weight_decay=settings.optimizer.weight_decay)
    steps = int(stage.passes * len(fused)) // stage.batch
    order = np.concatenate(
        [np.random.default_rng((settings.run.seed, 5, turn)).permutation(len(fused)) for turn in range(math.ceil(stage.passes) + 1)]
    )
    total = 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for part in parts:
            part.train()
        chosen = order[step * stage.batch : (step + 1) * stage.batch]
        edges = net.boxes(fused[chosen].float())
        truth = wanted[chosen].float()
        loss = box_loss(edges, truth) + 0.5 * far_off(edges, truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        total += float(loss.detach())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            print(f"boxes {step + 1}/{steps} {time.monotonic() - began:.0f} s | {total / ((step % 100) + 1):.3f}", flush=True)
            total = 0.0
    net.eval()
    torch.save(net.state_dict(), path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)
    return net
