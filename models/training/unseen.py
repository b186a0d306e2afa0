"""How a source never seen would fare: the linear model on frozen ImageNet features, trained without it.

`python unseen.py --data FOLDER --work FOLDER` leaves out each source, and each group of some size, that holds a label, and
scores its positives against its own negatives and all of val's. It is cheap, and it is not the shipped network, whose
features were trained on every source. The next card shows it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import candidates
import data
import metrics
import scene
import settings as settings_file
import train
from model import HeatmapNet

FEWEST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("../training-work"))
    args = parser.parse_args()
    settings = settings_file.load()
    torch.set_num_threads(settings.run.threads)
    pictures = data.read_pictures(args.data)
    store = data.open_store(args.data, pictures, args.work)
    pictures = [p for p in pictures if any(p.labels.get(n, data.UNKNOWN) != data.UNKNOWN for n in settings.labels)]
    cache = args.work / f"frozen-{settings.model.backbone}-{settings.input.width}x{settings.input.height}-known.npy"
    if not cache.exists():
        net = HeatmapNet(settings.model.backbone, len(settings.labels), pretrained=True)
        np.save(cache, candidates.frozen(net, pictures, store, settings))
    pooled, truth = np.load(cache), train.truths(pictures, settings.labels)
    learn = np.array([p.split == "train" for p in pictures])
    for name in dict.fromkeys([p.source for p in pictures] + [p.group for p in pictures]):
        gone = np.array([name in (p.source, p.group) for p in pictures])
        if max((truth[gone] == 1).sum(axis=0)) < FEWEST:
            continue
        keep = learn & ~gone
        nothing = np.zeros((0, pooled.shape[1])), np.zeros((0, truth.shape[1]), dtype=np.int64)
        kept = [p for p, k in zip(pictures, keep, strict=True) if k]
        linear = scene.fit(pooled[keep], truth[keep], kept, *nothing, settings.scene.l2)
        logits, rows = linear(pooled), []
        for k, label in enumerate(settings.labels):
            here = (gone & (truth[:, k] == 1)) | ((truth[:, k] == 0) & (gone | ~learn))
            if (truth[gone, k] == 1).sum() >= FEWEST:
                area = metrics.auc(logits[here, k], truth[here, k])
                present, absent = int((truth[here, k] == 1).sum()), int((truth[here, k] == 0).sum())
                rows.append({"label": label, "present": present, "absent": absent, "auc": area})
                print(f"without {name}: {label} auc {area:.4f}", flush=True)
        folder = args.work / ("without-" + name.replace("/", "_"))
        folder.mkdir(exist_ok=True)
        entry = {"left_out": [name], "stages": ["linear model on frozen ImageNet features"], "rows": rows}
        (folder / "unseen-frozen.json").write_text(json.dumps(entry))


if __name__ == "__main__":
    main()
