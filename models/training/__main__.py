"""From annotated pictures to shipped weights and card: `./run --data FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

import card
import data
import export
import rendered
import settings as settings_file
import train
from model import HeatmapNet
from samples import Sampler

RENDERED_STAGE = "rendered"
ZOO = Path(__file__).resolve().parent.parent / "zoo"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with annotations.json")
    parser.add_argument("--work", type=Path, default=Path("../training-work"), help="cache and checkpoints; a run cut short goes on from here")
    parser.add_argument("--config", type=Path, default=settings_file.HERE / "config.toml")
    parser.add_argument("--stages", nargs="+", help="train only these stages of the config")
    parser.add_argument("--rendered", type=Path, help="frames of the simulator for the stage of that name (default: rendered below --work)")
    parser.add_argument("--leave-out", nargs="+", default=[], help="sources or groups kept from training; they are scored, nothing is shipped")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="where the shipped folder is written")
    parser.add_argument("--card", action="store_true", help="only write the card again, from what was measured last")
    return parser.parse_args()


def left_out(picture: data.Picture, names: list[str]) -> bool:
    return picture.source in names or picture.group in names


def load_masks(root: Path, pictures: list[data.Picture], labels: tuple[str, ...]) -> dict[int, np.ndarray]:
    masks = {}
    for picture in pictures:
        if picture.mask and picture.mask_label in labels:
            mask = cv2.imread(str(root / picture.mask), cv2.IMREAD_GRAYSCALE)
            masks[picture.index] = cv2.resize(mask, (160, 160), interpolation=cv2.INTER_AREA)
    return masks


def with_rendered(
    args: argparse.Namespace,
    settings: settings_file.Settings,
    count: int,
    learn: list[data.Picture],
    store: data.Store,
    masks: dict[int, np.ndarray],
) -> tuple[list[data.Picture], rendered.WithRendered, Sampler]:
    root = args.rendered or args.work / "rendered"
    frames = rendered.read_pictures(root, settings.labels, count)
    store = rendered.WithRendered(store, count, root, frames)
    learn = learn + [frame for frame in frames if frame.split == "train"]
    return learn, store, Sampler(settings, learn, store, masks)


def main() -> None:
    args = arguments()
    settings = settings_file.load(args.config)
    torch.set_num_threads(settings.run.threads)
    torch.manual_seed(settings.run.seed)
    pictures = data.read_pictures(args.data)
    store = data.open_store(args.data, pictures, args.work)
    masks = load_masks(args.data, pictures, settings.labels)
    # A picture of which no shipped label is known teaches nothing.
    useful = [p for p in pictures if any(p.labels.get(n, data.UNKNOWN) != data.UNKNOWN for n in settings.labels)]
    learn = [p for p in useful if p.split == "train" and not left_out(p, args.leave_out)]
    val = [p for p in useful if p.split == "val"]
    work = args.work
    if args.leave_out:
        work = args.work / ("without-" + "-".join(name.replace("/", "_") for name in args.leave_out))
    work.mkdir(parents=True, exist_ok=True)
    if args.card:
        export.write_card(settings, learn, work, args.zoo / settings.model.name)
        return
    net = HeatmapNet(settings.model.backbone, len(settings.labels), pretrained=True)
    sampler = Sampler(settings, learn, store, masks)
    stages = args.stages or list(settings.stages)
    for stage in stages:
        if stage == RENDERED_STAGE:
            learn, store, sampler = with_rendered(args, settings, len(pictures), learn, store, masks)
        net = train.run_stage(stage, settings, net, sampler, val, store, work)
        net.requires_grad_(True)
    if args.leave_out:
        unseen = [p for p in useful if left_out(p, args.leave_out) or p.split == "val"]
        logits = train.predict(net, unseen, store, settings).image
        card.unseen_rows(settings, unseen, logits, args.leave_out, stages, work / "unseen.json")
        return
    export.ship(settings, net, learn, val, sampler, store, args.data, work, args.zoo / settings.model.name)


if __name__ == "__main__":
    main()
