"""The boxes of cells, learnt last: everything else is frozen, so that the fused features are made once and gone over often."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

import box_branch
from bank import Bank, Clean
from compose import Canvas
from data import UNKNOWN, Picture
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


class Features(NamedTuple):
    """Of N pictures: what the head fuses, features at stride 8, distances to edges and where those are known, the map's logits, and
    per quarter of a cell the area and where it is known; all half precision."""

    fused: Tensor
    c8: Tensor
    wanted: Tensor
    known: Tensor
    heat: Tensor
    area: Tensor
    area_known: Tensor


def area_of(picture: Picture, masks: dict[int, np.ndarray], settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """The letterboxed picture's mask [2 rows, 2 columns] in 0..1, and 1 where the picture is."""
    size, side = settings.input, settings.input.stride // 2
    area = np.zeros((2 * size.rows, 2 * size.columns), dtype=np.float32)
    known = np.zeros_like(area)
    mask = masks.get(picture.index)
    if mask is None:
        return area, known
    scale = min(size.width / picture.width, size.height / picture.height) / side
    wide, high = round(picture.width * scale), round(picture.height * scale)
    left, top = (area.shape[1] - wide) // 2, (area.shape[0] - high) // 2
    there = slice(top, top + high), slice(left, left + wide)
    area[there] = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA) / 255
    known[there] = 1
    return area, known


@torch.no_grad()
def features(
    net: HeatmapNet,
    bank: Bank,
    rows: np.ndarray,
    clean: Clean,
    pictures: list[Picture],
    sampler: Sampler,
    settings: Settings,
    masks: dict[int, np.ndarray],
) -> Features:
    """Of samples of the bank, and of clean pictures, that have boxes or masks."""
    net.eval()
    blocks, found = settings.bank.frozen_blocks, []
    boxed = torch.tensor([[[[float(name in settings.boxed)]]] for name in settings.labels])
    masked = [k for k, name in enumerate(settings.labels) if name in settings.masked]
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        chosen = part[bank.parts["box"][part].reshape(len(part), -1).any(1)]
        if len(chosen):
            batch = bank.batch(chosen)
            absent = (batch["weight"] > 0) & (batch["target"] == 0)
            fused = net.fused(net.rest(batch["c8"], batch["deep"], blocks))
            wanted = batch["box"] * boxed[None]
            known = torch.maximum(box_branch.covered(wanted), absent.float())
            # A picture's area is in the bank by whole cells.
            area = [batch[name][:, masked].repeat_interleave(2, 2).repeat_interleave(2, 3) for name in ("target", "weight")]
            found.append((fused, batch["c8"], wanted, known, net.heat(net.fuse(fused))[:, masked], *area))
    for start in range(0, len(pictures), 32):
        part = pictures[start : start + 32]
        c8, deep = clean.batch(part)
        wanted = torch.from_numpy(np.stack([of_clean(p, sampler, settings) for p in part])) * boxed[None]
        # Boxes of a picture are all there, or there are none.
        said = [[float(p.labels.get(n, UNKNOWN) == 0 or len(p.boxes.get(n, ())) > 0) for n in settings.labels] for p in part]
        absent = torch.tensor(said)[:, :, None, None].expand(wanted.shape[0], wanted.shape[1], *wanted.shape[3:])
        known = torch.maximum(box_branch.covered(wanted), absent)
        fused = net.fused(net.rest(c8, deep, blocks))
        areas = [area_of(p, masks, settings) for p in part]
        area = [torch.from_numpy(np.stack(each))[:, None].expand(-1, len(masked), -1, -1) for each in zip(*areas, strict=True)]
        found.append((fused, c8, wanted, known, net.heat(net.fuse(fused))[:, masked], *area))
    return Features(*(torch.cat([each.half() for each in column]) for column in zip(*found, strict=True)))


def loss_of(net: HeatmapNet, batch: Features, masked: list[int]) -> Tensor:
    """`masked` are the numbers of the labels whose areas are in `batch`, in its order."""
    deep, near = (part.contiguous(memory_format=torch.channels_last) for part in (batch.fused, batch.c8))
    edges, middle, area = net.box(deep, near)
    loss = box_branch.loss(edges, middle, batch.wanted, batch.known)
    for n, k in enumerate(masked):
        loss = loss + box_branch.area_loss(area[:, k], batch.heat[:, n], batch.area[:, n], batch.area_known[:, n])
    return loss


def replace(path: Path, saved: object) -> None:
    """Written beside first, so that a run cut short leaves the old file whole."""
    torch.save(saved, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def learn(
    net: HeatmapNet,
    bank: Bank,
    rows: np.ndarray,
    clean: Clean,
    pictures: list[Picture],
    sampler: Sampler,
    settings: Settings,
    masks: dict[int, np.ndarray],
    work: Path,
) -> HeatmapNet:
    """`work` keeps what was learnt, and how far a run cut short had come."""
    stage, path, half_way = settings.boxes, work / "checkpoint-boxes.pt", work / "checkpoint-boxes-part.pt"
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
        return net
    began = time.monotonic()
    own = [p for p in pictures if not p.rendered and (p.index in masks or any(len(p.boxes.get(n, ())) for n in settings.labels))]
    rows = rows[(rows >= stage.rows[0]) & (rows < stage.rows[1])]
    made = features(net, bank, rows, clean, own, sampler, settings, masks)
    masked = [k for k, name in enumerate(settings.labels) if name in settings.masked]
    print(f"boxes: {len(made.fused)} with boxes, {time.monotonic() - began:.0f} s", flush=True)
    net.eval()
    # Depthwise convolutions learn in half the time with the channels last.
    net.box.requires_grad_(True).to(memory_format=torch.channels_last)
    torch.manual_seed(settings.run.seed)
    optimizer = torch.optim.AdamW(net.box.parameters(), lr=stage.learning_rate, weight_decay=settings.optimizer.weight_decay)
    steps = int(stage.passes * len(made.fused)) // stage.batch
    order = np.concatenate(
        [np.random.default_rng((settings.run.seed, 5, turn)).permutation(len(made.fused)) for turn in range(math.ceil(stage.passes) + 1)]
    )
    total, first = 0.0, 0
    if half_way.exists():
        saved = torch.load(half_way, weights_only=True)
        net.box.load_state_dict(saved["box"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
        net.box.train()
        batch = Features(*(part[order[step * stage.batch : (step + 1) * stage.batch]].float() for part in made))
        loss = loss_of(net, batch, masked)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.box.parameters(), 5.0)
        optimizer.step()
        total += float(loss.detach())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            print(f"boxes {step + 1}/{steps} {time.monotonic() - began:.0f} s | {total / ((step % 100) + 1):.3f}", flush=True)
            total = 0.0
            replace(half_way, {"box": net.box.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1})
    net.eval()
    replace(path, net.state_dict())
    return net
