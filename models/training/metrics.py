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


def alarm_threshold(score: np.ndarray, truth: np.ndarray, recall: float = 0.92, alarms: float = 0.01) -> float:
    """Half way between the lowest threshold with at most `alarms` among the absent and the highest with at least `recall`.

    Where the two cannot be had together, the best F1 of the thresholds between them.
    """
    present, absent = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    quiet = float(absent[len(absent) - 1 - int(alarms * len(absent))]) + 1e-3
    heard = float(present[min(len(present) - 1, int((1 - recall) * len(present)))])
    if quiet <= heard:
        return (quiet + heard) / 2
    grid = np.linspace(heard, quiet, 101)
    f1 = []
    for threshold in grid:
        c = counts(score, truth, threshold)
        f1.append(2 * c["tp"] / max(1, 2 * c["tp"] + c["fp"] + c["fn"]))
    return float(grid[int(np.argmax(f1))])


def reliability(score: np.ndarray, truth: np.ndarray, bins: int = 5) -> list[dict]:
    """Per range of scores: how many, their mean score, and the share that has the label. Classes weigh alike."""
    known = truth != UNKNOWN
    score, yes = score[known], truth[known] == 1
    weight = np.where(yes, 0.5 / max(1, yes.sum()), 0.5 / max(1, (~yes).sum()))
    rows = []
    for low in np.arange(bins) / bins:
        here = (score >= low) & (score < low + 1 / bins + (1e-9 if low + 1 / bins < 1 else 1))
        if here.any():
            mass = weight[here]
            rows.append(
                {
                    "from": float(low),
                    "pictures": int(here.sum()),
                    "score": float((score[here] * mass).sum() / mass.sum()),
                    "present": float((yes[here] * mass).sum() / mass.sum()),
                    "mass": float(mass.sum()),
                }
            )
    return rows


def calibration_error(rows: list[dict]) -> float:
    return float(sum(row["mass"] * abs(row["score"] - row["present"]) for row in rows))
