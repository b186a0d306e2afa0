"""One stage of training, resumable: `checkpoint-<stage>.pt` is written after every epoch."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import metrics
from bank import Bank, Clean
from data import UNKNOWN, Picture
from loss import heatmap_loss
from model import HeatmapNet, summary
from settings import Settings, Stage


class Average:
    """Exponential moving average of the weights; it forgets slower as training goes on."""

    def __init__(self, net: HeatmapNet, decay: float) -> None:
        self.net, self.decay, self.steps = deepcopy(net).eval(), decay, 0

    @torch.no_grad()
    def update(self, net: HeatmapNet) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for ours, theirs in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if ours.dtype.is_floating_point:
                ours.lerp_(theirs, 1 - decay)
            else:
                ours.copy_(theirs)


def optimizer_for(net: HeatmapNet, stage: Stage, weight_decay: float) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            backbone = name.startswith(("stem.", "blocks."))
            groups.setdefault((backbone, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "rate": stage.backbone_rate if backbone else stage.learning_rate,
                "weight_decay": weight_decay if matrix else 0.0,
            }
            for (backbone, matrix), parameters in groups.items()
        ],
        lr=stage.learning_rate,
    )


def set_rate(optimizer: torch.optim.Optimizer, step: int, steps: int, warmup: int) -> None:
    """Linear warm-up, then a cosine down to 2 %."""
    along = step / max(1, steps)
    factor = min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * along)))
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * factor


class Answers(NamedTuple):
    """Of N letterboxed pictures: image logits [N, K], cell logits [N, K, rows, columns], pooled features, distances to edges."""

    image: np.ndarray
    heat: np.ndarray
    pooled: np.ndarray
    edges: np.ndarray


@torch.no_grad()
def predict(net: HeatmapNet, pictures: list[Picture], clean: Clean) -> Answers:
    net.eval()
    images, cells, pooled, edges = [], [], [], []
    for start in range(0, len(pictures), 32):
        kept = net.rest(*clean.batch(pictures[start : start + 32]), clean.settings.bank.frozen_blocks)
        heat, image, edge = net.head(kept)
        pooled.append(summary(kept).numpy())
        images.append(image.numpy())
        cells.append(heat.numpy())
        edges.append(edge.numpy())
    return Answers(np.concatenate(images), np.concatenate(cells), np.concatenate(pooled), np.concatenate(edges))


def truths(pictures: list[Picture], labels: tuple[str, ...]) -> np.ndarray:
    return np.array([[p.labels.get(name, UNKNOWN) for name in labels] for p in pictures])


@torch.no_grad()
def of_bank(net: HeatmapNet, bank: Bank, rows: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features and labels of samples of the bank."""
    net.eval()
    pooled, labels = [], []
    for part in np.array_split(np.sort(rows), max(1, len(rows) // 32)):
        batch = bank.batch(part)
        pooled.append(summary(net.rest(batch["c8"], batch["deep"], blocks)).numpy())
        labels.append(batch["labels"].numpy())
    return np.concatenate(pooled), np.concatenate(labels)


SAVE_EVERY = 60
"""Steps between checkpoints: a minute or two on a busy machine."""


def run_stage(
    name: str,
    settings: Settings,
    net: HeatmapNet,
    bank: Bank,
    rows: np.ndarray,
    val: list[Picture],
    clean: Clean,
    work: Path,
) -> HeatmapNet:
    """Train on these rows of the bank, and give the averaged weights. The val split is only looked at, never chosen by."""
    stage, seed, blocks = settings.stages[name], settings.run.seed, settings.bank.frozen_blocks
    net.to(memory_format=torch.channels_last)
    net.freeze(blocks if stage.backbone_rate else len(net.blocks))
    optimizer = optimizer_for(net, stage, settings.optimizer.weight_decay)
    average = Average(net, settings.optimizer.ema)
    steps = int(stage.passes * len(rows)) // stage.batch
    path = work / f"checkpoint-{name}.pt"
    first = 0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        net.load_state_dict(saved["net"])
        average.net.load_state_dict(saved["average"])
        average.steps, first = saved["average_steps"], saved["step"]
        if first < steps:
            optimizer.load_state_dict(saved["optimizer"])
    passes = int(np.ceil(stage.passes)) + 1
    order = np.concatenate([np.random.default_rng((seed, turn)).permutation(rows) for turn in range(passes)])
    torch.manual_seed(seed + first)
    began, sums, seen = time.monotonic(), {}, 0
    for step in range(first, steps):
        net.train()
        batch = bank.batch(order[step * stage.batch : (step + 1) * stage.batch])
        set_rate(optimizer, step, steps, settings.optimizer.warmup_steps)
        with torch.set_grad_enabled(stage.backbone_rate > 0):
            kept = net.rest(batch["c8"], batch["deep"], blocks)
        loss, parts = heatmap_loss(*net.head(kept), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 5.0)
        optimizer.step()
        average.update(net)
        seen += 1
        for part, value in parts.items():
            sums[part] = sums.get(part, 0.0) + value
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            save(path, net, average, optimizer, step + 1)
            line = " ".join(f"{part} {value / seen:.3f}" for part, value in sums.items())
            print(f"{name} {step + 1}/{steps} {time.monotonic() - began:.0f} s | {line}", flush=True)
            sums, seen = {}, 0
    if val and first < steps:
        truth, logits = truths(val, settings.labels), predict(average.net, val, clean).image
        areas = (f"{label} {metrics.auc(logits[:, k], truth[:, k]):.4f}" for k, label in enumerate(settings.labels))
        print(f"{name} val auc " + " ".join(areas), flush=True)
    return average.net


def save(path: Path, net: HeatmapNet, average: Average, optimizer: torch.optim.Optimizer, step: int) -> None:
    saved = {
        "net": net.state_dict(),
        "average": average.net.state_dict(),
        "average_steps": average.steps,
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    torch.save(saved, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)
