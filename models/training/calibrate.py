"""Platt scaling of image logits, one slope and offset per label.

J. Platt, "Probabilistic Outputs for Support Vector Machines" (1999), with his softened targets, so that perfectly parted
classes do not give an endless slope. Both classes weigh the same, and a group weighs by the root of its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import metrics
from data import UNKNOWN
from scene import Scene


@dataclass(frozen=True)
class Platt:
    """probability = sigmoid(slope * logit + offset)"""

    slope: float
    offset: float

    def logit(self, logit: np.ndarray) -> np.ndarray:
        return self.slope * logit + self.offset

    def __call__(self, logit: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-self.logit(logit)))


@dataclass(frozen=True)
class Scores:
    """Per label: the heat map's and the scene's calibration, and that of the mean of the two calibrated logits, in which the
    scene's weighs `share`."""

    heat: list[Platt]
    scene: list[Platt]
    both: list[Platt]
    linear: Scene
    share: tuple[float, ...]

    def middle(self, heat_logit: np.ndarray, scene_logit: np.ndarray, k: int) -> np.ndarray:
        part = self.share[k]
        return (1 - part) * self.heat[k].logit(heat_logit[:, k]) + part * self.scene[k].logit(scene_logit[:, k])

    def image(self, heat_logit: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        """Image probabilities [N, K] from the pooled heat logits [N, K] and pooled features."""
        linear = self.linear(pooled)
        return np.stack([b(self.middle(heat_logit, linear, k)) for k, b in enumerate(self.both)], axis=1)


def fit_scores(
    heat_logit: np.ndarray, pooled: np.ndarray, truth: np.ndarray, groups: np.ndarray, linear: Scene, share: tuple[float, ...]
) -> Scores:
    scene_logit = linear(pooled)
    scores = Scores([], [], [], linear, share)
    for k in range(truth.shape[1]):
        scores.heat.append(fit(heat_logit[:, k], truth[:, k], groups))
        scores.scene.append(fit(scene_logit[:, k], truth[:, k], groups))
        scores.both.append(fit(scores.middle(heat_logit, scene_logit, k), truth[:, k], groups))
    return scores


def fit(logit: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> Platt:
    keep = truth != UNKNOWN
    logit, yes, groups = logit[keep].astype(np.float64), truth[keep] == 1, groups[keep]
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weight = sizes[inverse] ** -0.5
    for side in (yes, ~yes):
        weight[side] /= weight[side].sum()
    # Platt's targets, with the number of groups as the number of observations.
    positive_groups = len(np.unique(groups[yes]))
    negative_groups = len(np.unique(groups[~yes]))
    target = np.where(yes, (positive_groups + 1) / (positive_groups + 2), 1 / (negative_groups + 2))
    slope, offset = 1.0, 0.0
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(slope * logit + offset, -60, 60)))
        error, curve = weight * (p - target), weight * p * (1 - p)
        gradient = np.array([(error * logit).sum(), error.sum()])
        hessian = np.array(
            [[(curve * logit * logit).sum(), (curve * logit).sum()], [(curve * logit).sum(), curve.sum()]]
        ) + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / np.abs(step).max())
        slope, offset = slope - step[0], offset - step[1]
        if np.abs(step).max() < 1e-9:
            break
    if slope <= 0:
        raise ValueError("the image logits do not grow with the label: nothing to calibrate")
    return Platt(float(slope), float(offset))


def isotonic(logit: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pool adjacent violators, classes weighing alike: knots and their probabilities, to be interpolated between."""
    order = np.argsort(logit, kind="stable")
    yes = truth[order] == 1
    weight = np.where(yes, 0.5 / max(1, yes.sum()), 0.5 / max(1, (~yes).sum()))
    blocks: list[list[float]] = []
    for value, mass, x in zip(yes.astype(float), weight, logit[order], strict=True):
        blocks.append([value * mass, mass, x, x])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2], last[3]]
    knots = np.array([edge for block in blocks for edge in block[2:]])
    return knots, np.repeat([block[0] / block[1] for block in blocks], 2)


def compared(logit: np.ndarray, truth: np.ndarray, groups: np.ndarray, folds: int = 4) -> dict[str, float]:
    """Calibration error of Platt and isotonic scaling on groups that neither was fitted to."""
    known = truth != UNKNOWN
    logit, truth, groups = logit[known], truth[known], groups[known]
    scores = {"platt": np.full(len(logit), np.nan), "isotonic": np.full(len(logit), np.nan)}
    fold = np.zeros(len(logit), dtype=int)
    for value in (0, 1):
        names = np.unique(groups[truth == value])
        for at, name in enumerate(names):
            fold[groups == name] = at % folds
    for part in range(folds):
        held = fold == part
        if held.all() or not held.any() or len(np.unique(truth[~held])) < 2:
            continue
        scores["platt"][held] = fit(logit[~held], truth[~held], groups[~held])(logit[held])
        knots, values = isotonic(logit[~held], truth[~held])
        scores["isotonic"][held] = np.interp(logit[held], knots, values)
    out = {}
    for name, score in scores.items():
        there = ~np.isnan(score)
        out[name] = metrics.calibration_error(metrics.reliability(score[there], truth[there]))
    return out
