"""One stage of training, resumable: `checkpoint-<stage>.pt` is written after every epoch."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import metrics
from data import UNKNOWN, Picture, Store, letterbox
from loss import heatmap_loss
from model import MEAN, SCALE, HeatmapNet, summary
from samples import Sampler
from settings import Settings, Stage


class Epoch(Dataset):
    """Sample `i` of epoch `e` is a function of (seed, e, i) alone, whichever worker makes it."""

    def __init__(self, sampler: Sampler, seed: int, epoch: int, length: int) -> None:
        self.sampler, self.seed, self.epoch, self.length = sampler, seed, epoch, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = self.sampler.sample((self.seed, self.epoch, index))
        fields = ("image", "target", "weight", "loose", "labels")
        return {name: torch.from_numpy(np.ascontiguousarray(getattr(sample, name))) for name in fields}


def planes(frames: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] -> float [B, 3, H, W] laid out channels last."""
    return frames.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


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
    """Of N letterboxed pictures: image logits [N, K] and cell logits [N, K, rows, columns] of the heat map, pooled features."""

    image: np.ndarray
    heat: np.ndarray
    pooled: np.ndarray


@torch.no_grad()
def predict(net: HeatmapNet, pictures: list[Picture], store: Store, settings: Settings) -> Answers:
    net.eval()
    size = settings.input
    images, cells, pooled = [], [], []
    for start in range(0, len(pictures), 32):
        frames = [letterbox(store[p.index], size.width, size.height, size.pad) for p in pictures[start : start + 32]]
        kept = net.backbone((planes(torch.from_numpy(np.stack(frames))) - MEAN) / SCALE)
        heat, image = net.head(kept)
        pooled.append(summary(kept).numpy())
        images.append(image.numpy())
        cells.append(heat.numpy())
    return Answers(np.concatenate(images), np.concatenate(cells), np.concatenate(pooled))


def truths(pictures: list[Picture], labels: tuple[str, ...]) -> np.ndarray:
    return np.array([[p.labels.get(name, UNKNOWN) for name in labels] for p in pictures])


def run_stage(
    name: str,
    settings: Settings,
    net: HeatmapNet,
    sampler: Sampler,
    val: list[Picture],
    store: Store,
    work: Path,
) -> HeatmapNet:
    """Train, and give the averaged weights of the last epoch. The val split is only looked at, never chosen by."""
    stage, seed = settings.stages[name], settings.run.seed
    net.to(memory_format=torch.channels_last)
    net.freeze(stage.frozen_blocks)
    optimizer = optimizer_for(net, stage, settings.optimizer.weight_decay)
    average = Average(net, settings.optimizer.ema)
    steps_per_epoch = stage.epoch_pictures // stage.batch
    steps = steps_per_epoch * stage.epochs
    path = work / f"checkpoint-{name}.pt"
    first = 0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        net.load_state_dict(saved["net"])
        average.net.load_state_dict(saved["average"])
        average.steps = saved["steps"]
        first = saved["epoch"]
        if first < stage.epochs:
            optimizer.load_state_dict(saved["optimizer"])
    truth = truths(val, settings.labels)
    for epoch in range(first, stage.epochs):
        torch.manual_seed(seed + epoch)
        began, sums = time.monotonic(), {}
        tag = list(settings.stages).index(name) * 1000 + epoch
        epoch_data = Epoch(sampler, seed, tag, steps_per_epoch * stage.batch)
        workers = settings.run.workers
        loader = DataLoader(epoch_data, stage.batch, num_workers=workers, prefetch_factor=3 if workers else None)
        net.train()
        for number, batch in enumerate(loader):
            set_rate(optimizer, epoch * steps_per_epoch + number, steps, settings.optimizer.warmup_steps)
            heat, image = net(planes(batch["image"]))
            loss, parts = heatmap_loss(heat, image, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 5.0)
            optimizer.step()
            average.update(net)
            for part, value in parts.items():
                sums[part] = sums.get(part, 0.0) + value / steps_per_epoch
        saved = {
            "net": net.state_dict(),
            "average": average.net.state_dict(),
            "steps": average.steps,
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
        }
        torch.save(saved, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").rename(path)
        line = " ".join(f"{part} {value:.3f}" for part, value in sums.items())
        if val and (epoch % 2 or epoch + 1 == stage.epochs):
            logits = predict(average.net, val, store, settings).image
            areas = (f"{label} {metrics.auc(logits[:, k], truth[:, k]):.4f}" for k, label in enumerate(settings.labels))
            line += " | val auc " + " ".join(areas)
        print(f"{name} {epoch + 1}/{stage.epochs} {time.monotonic() - began:.0f} s | {line}", flush=True)
    return average.net
