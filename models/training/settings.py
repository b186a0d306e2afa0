"""The recipe's settings, read from `config.toml`. Unknown keys are errors."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Model:
    name: str
    version: str
    license: str
    backbone: str
    purpose: str = "detector"


@dataclass(frozen=True)
class Input:
    """Network input in pixels; `pad` is the grey of the letterbox, `stride` the side of a heat-map cell."""

    width: int
    height: int
    pad: int
    stride: int

    @property
    def columns(self) -> int:
        return self.width // self.stride

    @property
    def rows(self) -> int:
        return self.height // self.stride


@dataclass(frozen=True)
class Sampling:
    present_share: dict[str, float]
    group_power: float
    rendered_share: float


@dataclass(frozen=True)
class Augment:
    """Chances, each 0..1."""

    mosaic: float
    paste_fire: float
    paste_smoke: float
    draw_fire: float
    draw_smoke: float
    draw_burning: float
    paste_distractor: float
    draw_lights: float
    put_litter: float
    put_machinery: float
    put_water: float
    put_scaffolding: float
    put_harmless: float
    hard: Hard


@dataclass(frozen=True)
class Hard:
    """What is met with in samples from number `start` on only: the colours of fire where there is none. `pick` is the share of
    their pictures without fire but with its colours, the rest are chances."""

    start: int
    pick: float
    paste_warm: float
    sunset: float
    cast: float


@dataclass(frozen=True)
class Bank:
    """Samples that are made once: `frozen_blocks` is how much of the backbone has been run over each of them."""

    samples: int
    frozen_blocks: int


@dataclass(frozen=True)
class Stage:
    """`passes` over the samples of the bank from the first of `rows` to before the second."""

    rows: tuple[int, int]
    passes: float
    batch: int
    learning_rate: float
    backbone_rate: float


@dataclass(frozen=True)
class Boxes:
    """The last stage, for the edges of boxes alone: `passes` over what has boxes among these `rows` of the bank and
    the clean pictures."""

    rows: tuple[int, int]
    passes: float
    batch: int
    learning_rate: float


@dataclass(frozen=True)
class Optimizer:
    weight_decay: float
    ema: float
    warmup_steps: int


@dataclass(frozen=True)
class Scene:
    augmented: int
    l2: float


@dataclass(frozen=True)
class Run:
    seed: int
    threads: int
    workers: int


@dataclass(frozen=True)
class Settings:
    model: Model
    input: Input
    labels: tuple[str, ...]
    boxed: tuple[str, ...]
    masked: tuple[str, ...]
    scene_share: tuple[float, ...]
    alarms: tuple[float, ...]
    sampling: Sampling
    augment: Augment
    bank: Bank
    stages: dict[str, Stage]
    boxes: Boxes
    optimizer: Optimizer
    scene: Scene
    run: Run


def augment(table: dict) -> Augment:
    hard = Hard(**table.pop("hard"))
    return Augment(**table, hard=hard)


def load(path: Path = HERE / "config.toml") -> Settings:
    raw = tomllib.loads(path.read_text())
    entries = raw.pop("label")
    settings = Settings(
        model=Model(**raw.pop("model")),
        input=Input(**raw.pop("input")),
        labels=tuple(entry["name"] for entry in entries),
        boxed=tuple(entry["name"] for entry in entries if entry.get("boxes")),
        masked=tuple(entry["name"] for entry in entries if entry.get("masks")),
        scene_share=tuple(float(entry.get("scene", 0.5)) for entry in entries),
        alarms=tuple(float(entry.get("alarms", 0.01)) for entry in entries),
        sampling=Sampling(**raw.pop("sampling")),
        augment=augment(raw.pop("augment")),
        bank=Bank(**raw.pop("bank")),
        stages={name: Stage(**table) for name, table in raw.pop("stage").items()},
        boxes=Boxes(**raw.pop("boxes")),
        optimizer=Optimizer(**raw.pop("optimizer")),
        scene=Scene(**raw.pop("scene")),
        run=Run(**raw.pop("run")),
    )
    if raw:
        raise ValueError(f"{path.name}: unknown tables {sorted(raw)}")
    size = settings.input
    if size.width % (2 * size.stride) or size.height % (2 * size.stride):
        raise ValueError(f"{path.name}: width and height must be multiples of {2 * size.stride}")
    unknown = set(settings.sampling.present_share) - set(settings.labels)
    if unknown:
        raise ValueError(f"{path.name}: present_share names no label: {sorted(unknown)}")
    return settings
