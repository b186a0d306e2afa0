"""From annotated pictures to shipped weights and card: `./run --data FOLDER`."""

from __future__ import annotations

import argparse
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import torch

import card
import cutouts
import data
import edges
import export
import rendered
import scene
import settings as settings_file
import train
from bank import Bank, Clean
from model import HeatmapNet
from samples import Sampler

ZOO = Path(__file__).resolve().parent.parent / "zoo"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with annotations.json")
    parser.add_argument("--work", type=Path, default=Path("../training-work"), help="cache and checkpoints; a run cut short goes on from here")
    parser.add_argument("--config", type=Path, default=settings_file.HERE / "config.toml")
    parser.add_argument("--rendered", type=Path, help="frames of the simulator (default: rendered below --work)")
    parser.add_argument("--leave-out", nargs="+", default=[], help="sources kept from training; they are scored, nothing is shipped")
    parser.add_argument("--rows", type=int, help="use no more than so many samples of the bank")
    parser.add_argument("--fill", action="store_true", help="only make the bank")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="where the shipped folder is written")
    parser.add_argument("--card", action="store_true", help="only write the card again, from what was measured last")
    return parser.parse_args()


def left_out(picture: data.Picture, names: list[str]) -> bool:
    return picture.source in names


def load_masks(root: Path, pictures: list[data.Picture], labels: tuple[str, ...]) -> dict[int, np.ndarray]:
    masks = {}
    for picture in pictures:
        if picture.mask and picture.mask_label in labels:
            mask = cv2.imread(str(root / picture.mask), cv2.IMREAD_GRAYSCALE)
            masks[picture.index] = cv2.resize(mask, (160, 160), interpolation=cv2.INTER_AREA)
    return masks


def main() -> None:
    args = arguments()
    settings = settings_file.load(args.config)
    torch.set_num_threads(settings.run.threads)
    torch.manual_seed(settings.run.seed)
    raw = data.read_pictures(args.data)
    photographs = data.open_store(args.data, raw, args.work)
    masks = load_masks(args.data, raw, settings.labels)
    pictures = data.with_judged(raw)
    # A picture of which no label is known teaches nothing.
    useful = [p for p in pictures if any(p.labels.get(n, data.UNKNOWN) != data.UNKNOWN for n in settings.labels)]
    learn = [p for p in useful if p.split == "train"]
    frames = rendered.read_pictures(args.rendered or args.work / "rendered", settings.labels, len(pictures))
    store = rendered.WithRendered(photographs, len(pictures), args.rendered or args.work / "rendered", frames)
    shown = [frame for frame in frames if frame.split == "train"]
    sampler = Sampler(settings, learn + shown, store, masks, cutouts.gather(learn, store, args.work))
    net = HeatmapNet(settings.model.backbone, len(settings.labels), pretrained=True)
    bank = Bank(args.work / f"bank-{settings.input.width}x{settings.input.height}", settings, net)
    bank.fill(net, sampler, args.rows)
    clean = Clean(args.work / f"bank-{settings.input.width}x{settings.input.height}", settings, deepcopy(net), len(pictures))
    kept = [p for p in learn if not left_out(p, args.leave_out)]
    if args.fill:
        clean.fill(pictures, store)
        return
    clean.fill([p for p in pictures if p.split == "val"], store)
    rows = bank.rows_without(args.leave_out, sampler)
    rows = rows[rows < (args.rows or len(bank.parts["labels"]))]
    work = args.work / ("without-" + "-".join(args.leave_out)) if args.leave_out else args.work / settings.model.name
    work.mkdir(parents=True, exist_ok=True)
    val = [p for p in raw if p.split == "val"]
    if args.card:
        export.write_card(settings, learn + shown, work, args.work, args.zoo / settings.model.name)
        return
    for name, stage in settings.stages.items():
        mine = rows[(rows >= stage.rows[0]) & (rows < stage.rows[1])]
        if len(mine):
            net = train.run_stage(name, settings, net, bank, mine, val, clean, work)
            net.requires_grad_(True)
    clean.fill(pictures, store)
    net = edges.learn(net, bank, rows, clean, kept, sampler, settings, masks, work)
    if args.leave_out:
        linear = scene.learn(net, kept, clean, bank, rows, settings)
        unseen = [p for p in raw if left_out(p, args.leave_out) or p.split == "val"]
        answers = train.predict(net, unseen, clean)
        card.unseen_rows(settings, unseen, answers, linear, args.leave_out, len(rows), work / "unseen.json")
        return
    held = [frame for frame in frames if frame.split == "held_out"]
    export.ship(
        settings, net, learn + shown, pictures, raw, bank, rows, clean, store, masks, held, args.data, work, args.work,
        args.zoo / settings.model.name,
    )  # fmt: skip


if __name__ == "__main__":
    main()
