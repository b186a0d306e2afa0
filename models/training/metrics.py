"""Numbers for the card: AUC, precision and recall with intervals. Rows whose label is unknown never count."""

from __future__ import annotations

import math

import numpy as np

from data import UNKNOWN


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN when a class is missing."""
    score, truth = score[truth != UNKNOWN], truth[truth != UNKNOWN]
    positives = int((truth == 1).sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_interval(score: np.ndarray, truth: np.ndarray, groups: np.ndarray, seed: int, rounds: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval over whole groups: frames of one video are one observation."""
    rng = np.random.default_rng(seed)
    keep = truth != UNKNOWN
    score, truth, groups = score[keep], truth[keep], groups[keep]
    names, inverse = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(inverse == i) for i in range(len(names))]
    values = []
    for _ in range(rounds):
        index = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        values.append(auc(score[index], truth[index]))
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson score interval of a share."""
    if total == 0:
        return 0.0, 1.0
    p = hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def counts(score: np.ndarray, truth: np.ndarray, threshold: float) -> dict[str, int]:
    yes = score >= threshold
    return {
        "tp": int((yes & (truth == 1)).sum()),
        "fp": int((yes & (truth == 0)).sum()),
        "fn": int((~yes & (truth == 1)).sum()),
        "tn": int((~yes & (truth == 0)).sum()),
    }


def best_f1_threshold(score: np.ndarray, truth: np.ndarray) -> float:
    """The middle of the widest range of thresholds with the best F1."""
    grid = np.linspace(0.05, 0.95, 181)
    f1 = []
    for threshold in grid:
        c = counts(score, truth, threshold)
        f1.append(2 * c["tp"] / max(1, 2 * c["tp"] + c["fp"] + c["fn"]))
    best = np.flatnonzero(np.array(f1) >= max(f1) - 1e-9)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(runs, key=len)
    return float(grid[widest[len(widest) // 2]])
