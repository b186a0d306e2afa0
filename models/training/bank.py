"""Samples made once, with the frozen part of the backbone already run over them.

Making a sample and running the first blocks costs more than training the rest on it. The bank keeps for each sample the features
at stride 8 and those after the frozen blocks (float16) and what is known of it. It lies in flat files and is filled in order, so
a run cut short goes on where it stopped. `sources` says what each sample was made of: a source is left out of a training by
leaving out every sample that it touched.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from data import Picture, Store, letterbox
from model import HeatmapNet
from samples import Sampler
from settings import Settings

FIELDS = ("image", "target", "weight", "loose", "labels", "box", "sources")
CHUNK = 16


class Made(Dataset):
    """Sample `i` is a function of (seed, i) alone, whichever worker makes it."""

    def __init__(self, sampler: Sampler, seed: int, first: int, count: int) -> None:
        self.sampler, self.seed, self.first, self.count = sampler, seed, first, count

    def __len__(self) -> int:
        return self.count - self.first

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = self.sampler.sample((self.seed, self.first + index))
        return {name: torch.as_tensor(np.ascontiguousarray(getattr(sample, name))) for name in FIELDS}


def planes(frames: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] -> float [B, 3, H, W] laid out channels last."""
    return frames.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


class Bank:
    def __init__(self, folder: Path, settings: Settings, net: HeatmapNet) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.settings = folder, settings
        size, labels, count = settings.input, len(settings.labels), settings.bank.samples
        frame = torch.zeros((1, 3, size.height, size.width))
        c8, deep = (list(x.shape[1:]) for x in net.trunk(frame, settings.bank.frozen_blocks))
        cells = [size.rows, size.columns]
        shapes = {
            "c8": (np.float16, c8),
            "deep": (np.float16, deep),
            "target": (np.uint8, [labels, *cells]),
            "weight": (np.uint8, [labels, *cells]),
            "loose": (np.uint8, [labels, *cells]),
            "labels": (np.int8, [labels]),
            "box": (np.float16, [labels, 4, *cells]),
            "sources": (np.int64, []),
        }
        self.parts = {}
        for name, (kind, shape) in shapes.items():
            path = folder / f"{name}.bin"
            mode = "r+" if path.exists() else "w+"
            self.parts[name] = np.memmap(path, dtype=kind, mode=mode, shape=(count, *shape))

    @property
    def filled(self) -> int:
        mark = self.folder / "filled"
        return int(mark.read_text()) if mark.exists() else 0

    def fill(self, net: HeatmapNet, sampler: Sampler, count: int | None = None) -> None:
        """Make what is missing of the first `count` samples."""
        run, goal, first = self.settings.run, count or self.settings.bank.samples, self.filled
        if first >= goal:
            return
        net.eval().to(memory_format=torch.channels_last)
        made = Made(sampler, run.seed, first, goal)
        loader = DataLoader(made, CHUNK, num_workers=run.workers, prefetch_factor=4 if run.workers else None)
        at, began = first, time.monotonic()
        for batch in loader:
            c8, deep = net.trunk(planes(batch["image"]), self.settings.bank.frozen_blocks)
            to = at + len(c8)
            batch |= {"c8": c8, "deep": deep}
            for name, part in self.parts.items():
                part[at:to] = batch[name].numpy().reshape(part[at:to].shape)
            at = to
            if (at - first) % (CHUNK * 16) == 0 or at == goal:
                (self.folder / "filled").write_text(str(at))
                print(f"bank {at}/{goal} {time.monotonic() - began:.0f} s", flush=True)

    def rows_without(self, names: list[str], sampler: Sampler) -> np.ndarray:
        """Numbers of the samples that no part of the named sources is in."""
        banned = sum(1 << sampler.sources.index(name) for name in names if name in sampler.sources)
        return np.flatnonzero((self.parts["sources"][: self.filled] & banned) == 0)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        rows = np.sort(rows)
        out = {}
        for name, part in self.parts.items():
            values = torch.from_numpy(np.asarray(part[rows]))
            out[name] = values.long() if name in ("labels", "sources") else values.float()
        for name in ("c8", "deep"):
            out[name] = out[name].contiguous(memory_format=torch.channels_last)
        return out


class Clean:
    """The frozen part of the backbone over the letterboxed pictures themselves, made once per picture."""

    def __init__(self, folder: Path, settings: Settings, net: HeatmapNet, pictures: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings, self.net = settings, net
        size = settings.input
        c8, deep = net.trunk(torch.zeros((1, 3, size.height, size.width)), settings.bank.frozen_blocks)
        self.c8, self.deep, self.done = (
            np.memmap(path, dtype=kind, mode="r+" if path.exists() else "w+", shape=(pictures, *shape))
            for path, kind, shape in (
                (folder / "clean-c8.bin", np.float16, c8.shape[1:]),
                (folder / "clean-deep.bin", np.float16, deep.shape[1:]),
                (folder / "clean-done.bin", np.uint8, ()),
            )
        )

    def fill(self, pictures: list[Picture], store: Store) -> None:
        size = self.settings.input
        missing = [p for p in pictures if not self.done[p.index]]
        self.net.eval().to(memory_format=torch.channels_last)
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            frames = np.stack([letterbox(store[p.index], size.width, size.height, size.pad) for p in part])
            c8, deep = self.net.trunk(planes(torch.from_numpy(frames)), self.settings.bank.frozen_blocks)
            numbers = [p.index for p in part]
            self.c8[numbers], self.deep[numbers], self.done[numbers] = c8.numpy(), deep.numpy(), 1

    def batch(self, pictures: list[Picture]) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = [p.index for p in pictures]
        c8, deep = (torch.from_numpy(np.asarray(part[numbers])).float() for part in (self.c8, self.deep))
        return c8.contiguous(memory_format=torch.channels_last), deep.contiguous(memory_format=torch.channels_last)
