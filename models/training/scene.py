"""The second opinion of a picture's score: a linear model over the mean and maximum of each deep feature.

The heat map looks for the thing, this looks at the whole scene; their mistakes differ. It is fitted after the network, on the
train split only: clean letterboxed pictures and augmented samples, half and half by weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from bank import Bank, Clean
from data import UNKNOWN, Picture
from model import HeatmapNet
from settings import Settings
from train import of_bank, predict, truths

FARTHEST = 6.0
"""Standard deviations after which a feature counts no further: a new city's pictures lie outside what was seen."""


@dataclass(frozen=True)
class Scene:
    """logits = clip((features - mean) / deviation) @ weight + bias; weight [features, K]"""

    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def standard(self, features: np.ndarray) -> np.ndarray:
        return np.clip((features - self.mean) / self.deviation, -FARTHEST, FARTHEST)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return self.standard(features) @ self.weight + self.bias


def solve(x: np.ndarray, yes: np.ndarray, weight: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """Weighted logistic regression by L-BFGS."""
    inputs, target, mass = (torch.tensor(a, dtype=torch.float32) for a in (x, yes, weight))
    slope = torch.zeros(x.shape[1], requires_grad=True)
    offset = torch.zeros(1, requires_grad=True)
    solver = torch.optim.LBFGS([slope, offset], max_iter=150, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        each = F.binary_cross_entropy_with_logits(inputs @ slope + offset, target, reduction="none")
        value = (each * mass).sum() / mass.sum() + l2 * (slope * slope).sum()
        value.backward()
        return value

    solver.step(loss)
    return slope.detach().numpy(), float(offset.detach())


def fit(
    clean: np.ndarray,
    truth: np.ndarray,
    pictures: list[Picture],
    more: np.ndarray,
    more_truth: np.ndarray,
    l2: float,
) -> Scene:
    """Each group of clean pictures weighs by the root of its size, and each class alike."""
    mean, deviation = clean.mean(axis=0), clean.std(axis=0) + 1e-3
    names, group = np.unique([p.group for p in pictures], return_inverse=True)
    rooted = np.bincount(group, minlength=len(names))[group] ** -0.5
    empty = Scene(mean, deviation, np.zeros((clean.shape[1], 0)), np.zeros(0))
    weights, biases = [], []
    for k in range(truth.shape[1]):
        parts = []
        for features, labels, mass in ((clean, truth[:, k], rooted), (more, more_truth[:, k], np.ones(len(more)))):
            mass = mass.copy()
            for value in (0, 1):
                mass[labels == value] /= max(1e-9, mass[labels == value].sum())
            known = labels != UNKNOWN
            parts.append((empty.standard(features[known]), labels[known] == 1, mass[known]))
        x, yes, mass = (np.concatenate(column) for column in zip(*parts, strict=True))
        slope, offset = solve(x, yes, mass, l2)
        weights.append(slope)
        biases.append(offset)
    return Scene(mean, deviation, np.stack(weights, axis=1), np.array(biases))


def learn(
    net: HeatmapNet, pictures: list[Picture], clean: Clean, bank: Bank, rows: np.ndarray, settings: Settings
) -> Scene:
    """Fitted to the clean pictures and to some of these rows of the bank."""
    features = predict(net, pictures, clean).pooled
    some = rows[:: max(1, len(rows) // settings.scene.augmented)]
    more, more_truth = of_bank(net, bank, some, settings.bank.frozen_blocks)
    return fit(features, truths(pictures, settings.labels), pictures, more, more_truth, settings.scene.l2)
