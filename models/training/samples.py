"""From a picture to one training sample: composed, warped, degraded, with what is known of each cell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

import compose
import draw
import draw_street
import photo
from compose import FINE, Canvas
from cutouts import Cutout
from data import UNKNOWN, Picture, Store
from settings import Settings

Rng = np.random.Generator


@dataclass(frozen=True)
class Sample:
    """`target` is 1 where a label is; `weight` 0 where nobody knows; `loose` marks cells of coarse boxes, of which only
    the strongest are asked to answer. All [K, rows, columns]. `labels` [K] holds 1, 0 or UNKNOWN. `box` [K, 4, rows, columns]
    holds, in cells, how far the edges of the thing in a cell are to its left, top, right and bottom; 0 where there is none to
    learn from. `sources` is a bit for each source that gave something, in the sampler's order."""

    image: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    loose: np.ndarray
    labels: np.ndarray
    box: np.ndarray
    sources: int


TIGHT = ("litter", "machinery", "waterlogging", "scaffolding")
"""Labels whose boxes are drawn close enough for their middle to be sure ground."""


class Sampler:
    """Makes samples of the given pictures; the same `seed` makes the same sample."""

    def __init__(
        self,
        settings: Settings,
        pictures: list[Picture],
        store: Store,
        masks: dict[int, np.ndarray],
        cutouts: dict[str, list[Cutout]] | None = None,
    ) -> None:
        self.settings = settings
        self.pictures = pictures
        self.store = store
        self.masks = masks
        self.names = settings.labels
        self.donors = {n: self._donors(n) for n in ("fire", "smoke") if n in self.names}
        self.cutouts = cutouts or {}
        self.sources = sorted({p.source for p in pictures})
        self.heaps = [
            i for i, p in enumerate(pictures) if p.labels.get("litter") == 1 and not p.rendered and "litter" not in p.boxes
        ]
        self.floods = [i for i, p in enumerate(pictures) if p.labels.get("waterlogging") == 1 and not p.rendered]
        clean = [i for i, p in enumerate(pictures) if not p.rendered and all(p.labels.get(n, UNKNOWN) == 0 for n in self.names)]
        self.distractors = clean or list(range(len(pictures)))
        self.draws = self._draws()
        hard = settings.augment.hard
        self.warm, self.warm_chance = self._warm() if settings.bank.samples > hard.start else ([], np.zeros(0))

    def _warm(self) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
        """Pictures known to be without fire, each with the place in it that has most of the colours of fire, and how often to
        take them: lamps, sunsets, red cars and orange nets look more like fire than what most streets hold."""
        found, shares = [], []
        for index, picture in enumerate(self.pictures):
            if picture.labels.get("fire") != 0:
                continue
            small = cv2.resize(self.store[picture.index], (96, 54), interpolation=cv2.INTER_AREA)
            warm = compose.flame_alpha(small)
            around = cv2.blur(warm, (15, 15))
            y, x = np.unravel_index(around.argmax(), around.shape)
            shares.append(float(warm.mean()) + 0.2 * float(around.max()))
            box = np.array([x / 96 - 0.11, y / 54 - 0.18, x / 96 + 0.11, y / 54 + 0.18]).clip(0, 1)
            found.append((index, box))
        share = np.array(shares) + 1e-4
        # Yellow machines have more of the colours than all lamps together: a source counts with the root of its share.
        _, source = np.unique([self.pictures[index].source for index, _ in found], return_inverse=True)
        chance = share / np.sqrt(np.bincount(source, share)[source])
        return found, chance / chance.sum()

    def _donors(self, name: str) -> list[tuple[int, np.ndarray]]:
        return [
            (i, box)
            for i, p in enumerate(self.pictures)
            if p.labels.get(name) == 1 and not p.rendered
            for box in p.boxes.get(name, ())
            if (box[2] - box[0]) * (box[3] - box[1]) < 0.85
        ]

    def _draws(self) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """(share of the epoch, indices, their probabilities) for each label and for the rest."""
        sampling = self.settings.sampling
        rendered = np.array([p.rendered for p in self.pictures])
        sizes: dict[str, int] = {}
        for p in self.pictures:
            sizes[p.group] = sizes.get(p.group, 0) + 1
        weight = np.array([sizes[p.group] ** (sampling.group_power - 1) for p in self.pictures])
        rest = ~rendered
        draws, left = [], 1.0
        if rendered.any():
            draws.append(self._rendered_draw(rendered))
        photographs = 1.0 - sum(share for share, *_ in draws)
        for name, share in sampling.present_share.items():
            here = ~rendered & np.array([p.labels.get(name) == 1 for p in self.pictures])
            rest &= ~here
            if here.any():
                index = np.flatnonzero(here)
                draws.append((share * photographs, index, weight[index] / weight[index].sum()))
                left -= share
        index = np.flatnonzero(rest) if rest.any() else np.flatnonzero(~rendered)
        # Negatives count alike: each is another place, and hard ones are few.
        draws.append((left * photographs, index, np.full(len(index), 1 / len(index))))
        return draws

    def _rendered_draw(self, rendered: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Frames with a label and quiet ones count alike as two halves."""
        index = np.flatnonzero(rendered)
        shows = np.array([any(self.pictures[i].labels.get(n) == 1 for n in self.names) for i in index])
        halves = [half for half in (shows, ~shows) if half.any()]
        chance = sum(half / (half.sum() * len(halves)) for half in halves)
        return self.settings.sampling.rendered_share, index, chance

    def pick(self, rng: Rng) -> int:
        at = rng.random()
        for share, index, chance in self.draws:
            if at < share:
                return int(rng.choice(index, p=chance))
            at -= share
        return int(rng.choice(self.draws[-1][1]))

    def sample(self, seed: tuple[int, ...]) -> Sample:
        rng = np.random.default_rng(seed)
        size = self.settings.input
        hard = seed[-1] >= self.settings.augment.hard.start
        if rng.random() < self.settings.augment.mosaic:
            canvas = self._mosaic(rng)
        elif hard and rng.random() < self.settings.augment.hard.pick:
            index, _ = self.warm[rng.choice(len(self.warm), p=self.warm_chance)]
            canvas = self._canvas(rng, index, size.width, size.height)
        else:
            canvas = self._canvas(rng, self.pick(rng), size.width, size.height)
        if hard:
            self._look_like_fire(rng, canvas)
        if rng.random() < 0.5:
            canvas = canvas.flipped()
        canvas.image = photo.degrade(rng, canvas.image)
        return self._cells(canvas)

    def _look_like_fire(self, rng: Rng, canvas: Canvas) -> None:
        """Colours of fire, whether or not there is one: warm crops blended in as crops of fire are, a low sun, a cast."""
        chance = self.settings.augment.hard
        if rng.random() < chance.paste_warm:
            for _ in range(int(rng.integers(1, 4))):
                index, box = self.warm[rng.choice(len(self.warm), p=self.warm_chance)]
                canvas.sources.add(self.pictures[index].source)
                compose.paste_crop(rng, canvas, self._crop(index, box), None, large=0.3)
        if rng.random() < chance.sunset:
            canvas.image = draw.sunset(rng, canvas.image)
        if rng.random() < chance.cast:
            canvas.image = draw.cast(rng, canvas.image)

    def _mosaic(self, rng: Rng) -> Canvas:
        """Two or four pictures side by side, cut at cells: what is in one says nothing of the other."""
        size = self.settings.input
        x = int(rng.integers(8, size.columns - 7)) * size.stride
        y = size.height if rng.random() < 0.4 else int(rng.integers(5, size.rows - 4)) * size.stride
        rows = [(0, y)] + ([(y, size.height)] if y < size.height else [])
        parts = [
            [self._canvas(rng, self.pick(rng), x1 - x0, y1 - y0) for x0, x1 in ((0, x), (x, size.width))]
            for y0, y1 in rows
        ]
        flat = [part for row in parts for part in row]

        def join(field: str, axis: tuple[int, int]) -> np.ndarray:
            return np.concatenate([np.concatenate([getattr(p, field) for p in row], axis[1]) for row in parts], axis[0])

        for part in flat:
            self._nowhere_as_unsure(part)
        stacked = np.stack([part.labels for part in flat])
        labels = np.where((stacked == 1).any(0), 1, np.where((stacked == 0).all(0), 0, UNKNOWN))
        maps = [join(field, (1, 2)) for field in ("sure", "loose", "unsure")]
        boxes, top = [], 0
        for row in parts:
            left = 0
            for part in row:
                boxes += [(k, x0 + left, y0 + top, x1 + left, y1 + top) for k, x0, y0, x1, y1 in part.boxes]
                left += part.image.shape[1]
            top += row[0].image.shape[0]
        sources = set().union(*(part.sources for part in flat))
        return Canvas(join("image", (0, 1)), labels, *maps, boxes, sources)

    @staticmethod
    def _nowhere_as_unsure(part: Canvas) -> None:
        """A picture label without boxes: once joined with others, nobody knows where the thing is."""
        for k, label in enumerate(part.labels):
            if label == 1 and part.sure[k].max() == 0 and part.loose[k].max() == 0:
                part.unsure[k] = 1

    def _canvas(self, rng: Rng, index: int, width: int, height: int) -> Canvas:
        picture, pixels = self.pictures[index], self.store[self.pictures[index].index]
        matrix = self._warp_matrix(rng, pixels.shape[1], pixels.shape[0], width, height)
        border = (114, 114, 114) if rng.random() < 0.75 else tuple(int(v) for v in rng.integers(0, 256, 3))
        edge = cv2.BORDER_CONSTANT if rng.random() < 0.75 else cv2.BORDER_REFLECT_101
        shrink = matrix[0, 0] < 0.75 and rng.random() < 0.7
        if shrink:
            small = cv2.resize(pixels, None, fx=float(matrix[0, 0]), fy=float(matrix[1, 1]), interpolation=cv2.INTER_AREA)
            moved = np.array([[1, 0, matrix[0, 2]], [0, 1, matrix[1, 2]]], dtype=np.float64)
            image = cv2.warpAffine(small, moved, (width, height), flags=cv2.INTER_LINEAR, borderMode=edge, borderValue=border)
        else:
            image = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=edge, borderValue=border)
        labels = np.array([picture.labels.get(n, UNKNOWN) for n in self.names])
        canvas = Canvas.of(image, labels)
        canvas.sources.add(picture.source)
        for k, name in enumerate(self.names):
            self._mark_known(canvas, k, name, picture, matrix, pixels.shape, mirrored=edge != cv2.BORDER_CONSTANT)
        self._put_in(rng, canvas)
        return canvas

    @staticmethod
    def _warp_matrix(rng: Rng, w: int, h: int, width: int, height: int) -> np.ndarray:
        """Scale and shift; near the letterbox in a third of cases, else stretched, zoomed in, or shrunk."""
        mode = rng.random()
        fit = min(width / w, height / h)
        if mode < 0.35:
            sx = sy = fit * rng.uniform(0.9, 1.05)
        elif mode < 0.55:
            sx, sy = width / w * rng.uniform(0.95, 1.1), height / h * rng.uniform(0.95, 1.1)
        else:
            fill = max(width / w, height / h)
            s = np.exp(rng.uniform(np.log(0.5 * fit), np.log(1.6 * fill)))
            stretch = np.exp(rng.normal(0, 0.2))
            sx, sy = s * stretch, s / stretch
        x = rng.uniform(*sorted((0.0, width - w * sx)))
        y = rng.uniform(*sorted((0.0, height - h * sy)))
        return np.array([[sx, 0, x], [0, sy, y]], dtype=np.float64)

    def _mark_known(
        self, canvas: Canvas, k: int, name: str, picture: Picture, matrix: np.ndarray, shape: tuple, mirrored: bool
    ) -> None:
        if canvas.labels[k] != 1:
            return
        rows, columns = canvas.sure.shape[1:]
        scale = np.array([matrix[0, 0], matrix[1, 1]]) / FINE
        shift = matrix[:, 2] / FINE
        if picture.mask_label == name and picture.index in self.masks:
            mask = self.masks[picture.index].astype(np.float32) / 255
            to_fine = np.array([shape[1] / mask.shape[1], shape[0] / mask.shape[0]]) * scale
            fine_matrix = np.array([[to_fine[0], 0, shift[0]], [0, to_fine[1], shift[1]]])
            seen = cv2.warpAffine(mask, fine_matrix, (columns, rows), flags=cv2.INTER_LINEAR)
            canvas.sure[k] = (seen > 0.5).astype(np.float32)
            if canvas.sure[k].sum() < 5:
                canvas.labels[k] = UNKNOWN
                canvas.unsure[k] = 1
                return
            high, wide = np.flatnonzero(canvas.sure[k].any(1)) * FINE, np.flatnonzero(canvas.sure[k].any(0)) * FINE
            canvas.boxes.append((k, wide[0], high[0], wide[-1] + FINE, high[-1] + FINE))
            return
        boxes = picture.boxes.get(name)
        if boxes is None or len(boxes) == 0:
            # Zoomed in, the thing may be outside.
            if matrix[0, 0] * shape[1] * matrix[1, 1] * shape[0] > 1.3 * canvas.image.shape[0] * canvas.image.shape[1]:
                canvas.labels[k] = UNKNOWN
                canvas.unsure[k] = 1
            return
        kept = total = 0.0
        found: list[tuple[int, float, float, float, float]] = []
        for box in boxes:
            corners = box * np.array([shape[1], shape[0]] * 2)
            x0, y0 = corners[:2] * scale + shift
            x1, y1 = corners[2:] * scale + shift
            cx0, cx1 = np.clip((x0, x1), 0, columns)
            cy0, cy1 = np.clip((y0, y1), 0, rows)
            total += (x1 - x0) * (y1 - y0)
            kept += max(0.0, cx1 - cx0) * max(0.0, cy1 - cy0)
            left, right = int(np.floor(cx0)), int(np.ceil(cx1))
            top, bottom = int(np.floor(cy0)), int(np.ceil(cy1))
            canvas.loose[k, top:bottom, left:right] = 1
            if cx1 - cx0 > 0.5 * (x1 - x0) and cy1 - cy0 > 0.5 * (y1 - y0):
                found.append((k, cx0 * FINE, cy0 * FINE, cx1 * FINE, cy1 * FINE))
                if name in TIGHT and (name in ("litter", "machinery") or picture.rendered):
                    across, down = 0.22 * (cx1 - cx0), 0.22 * (cy1 - cy0)
                    canvas.sure[k, int(cy0 + down) : int(np.ceil(cy1 - down)), int(cx0 + across) : int(np.ceil(cx1 - across))] = 1
            margin = 4
            canvas.unsure[k, max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = 1
        if kept < 0.35 * total:
            canvas.labels[k] = UNKNOWN
            canvas.unsure[k] = 1
            canvas.loose[k] = 0
            canvas.sure[k] = 0
            return
        canvas.boxes += found
        if mirrored:
            # A mirrored border repeats the thing outside its box.
            canvas.unsure[k] = 1

    def _put_in(self, rng: Rng, canvas: Canvas) -> None:
        chance = self.settings.augment
        fire = self.names.index("fire") if "fire" in self.names else None
        smoke = self.names.index("smoke") if "smoke" in self.names else None
        self._put_street_things(rng, canvas)
        if rng.random() < chance.paste_distractor:
            for _ in range(int(rng.integers(1, 4))):
                self._distract(rng, canvas)
        if rng.random() < chance.draw_lights:
            canvas.image = draw.lamps(rng, canvas.image)
        if fire is not None and smoke is not None and rng.random() < chance.draw_burning:
            smoke_alpha, fire_alpha = compose.draw_burning(rng, canvas)
            compose.mark(canvas, smoke, smoke_alpha, 0.22)
            compose.mark(canvas, fire, fire_alpha, 0.3)
            return
        if smoke is not None and canvas.labels[smoke] != 1:
            if rng.random() < chance.draw_smoke:
                compose.mark(canvas, smoke, compose.draw_plume(rng, canvas), 0.22)
            elif rng.random() < chance.paste_smoke and self.donors["smoke"]:
                self._donate(rng, canvas, "smoke", smoke, fire)
        if fire is not None and canvas.labels[fire] != 1:
            if rng.random() < chance.draw_fire:
                compose.mark(canvas, fire, compose.draw_flame(rng, canvas), 0.3)
            elif rng.random() < chance.paste_fire and self.donors["fire"]:
                self._donate(rng, canvas, "fire", fire, smoke)

    def _put_street_things(self, rng: Rng, canvas: Canvas) -> None:
        """Rubbish, machines, water and scaffolds into any street that is not known to have them, or the same shapes empty."""
        chance = self.settings.augment
        if rng.random() < chance.put_harmless:
            self._put_harmless(rng, canvas)
        for name, wanted in (
            ("waterlogging", chance.put_water),
            ("scaffolding", chance.put_scaffolding),
            ("machinery", chance.put_machinery),
            ("litter", chance.put_litter),
        ):
            if name not in self.names or rng.random() >= wanted:
                continue
            label = self.names.index(name)
            if canvas.labels[label] == 1:
                continue
            if name == "waterlogging":
                self._put_water(rng, canvas, label)
            elif name == "scaffolding":
                compose.mark(canvas, label, compose.draw_scaffold(rng, canvas), 0.25)
            elif name == "litter" and self.heaps and rng.random() < 0.3:
                index = self.heaps[rng.integers(len(self.heaps))]
                alpha = compose.put_heap(rng, canvas, self._crop(index, lower_part(rng)))
                compose.mark(canvas, label, alpha, 0.3)
                canvas.sources.add(self.pictures[index].source)
            elif self.cutouts.get(name):
                large = 0.6 if name == "machinery" else 0.3
                for _ in range(1 if name == "machinery" else int(rng.integers(1, 4))):
                    thing = self.cutouts[name][rng.integers(len(self.cutouts[name]))]
                    small = 0.12 if name == "machinery" else 0.04
                    compose.mark(canvas, label, compose.put_down(rng, canvas, thing.rgb, thing.alpha, small, large), 0.3)
                    canvas.sources.add(thing.source)

    def _put_water(self, rng: Rng, canvas: Canvas, label: int) -> None:
        texture = None
        if self.floods and rng.random() < 0.4:
            index = self.floods[rng.integers(len(self.floods))]
            picture = self.pictures[index]
            left = rng.uniform(0, 0.4)
            texture = self._crop(index, np.array([left, 0.7, left + 0.6, 0.98]))
            canvas.sources.add(picture.source)
        compose.mark(canvas, label, compose.put_water(rng, canvas, texture), 0.4)

    def _put_harmless(self, rng: Rng, canvas: Canvas) -> None:
        kind = rng.random()
        if kind < 0.2:
            compose.put_wet(rng, canvas)
            return
        if kind < 0.45:
            compose.draw_lattice(rng, canvas)
            return
        index = self.distractors[rng.integers(len(self.distractors))]
        canvas.sources.add(self.pictures[index].source)
        crop = self._crop(index, lower_part(rng) if rng.random() < 0.5 else anywhere(rng))
        shapes = [thing for things in self.cutouts.values() for thing in things]
        if kind < 0.6 or not shapes:
            compose.put_heap(rng, canvas, crop)
        elif kind < 0.7:
            compose.blend(
                canvas,
                (cv2.resize(crop, canvas.image.shape[1::-1]).astype(np.float32), draw_street.flooded_shape(rng, *canvas.image.shape[:2])),
                0, 0, "over",
            )  # fmt: skip
        else:
            for _ in range(int(rng.integers(1, 4))):
                shape = shapes[rng.integers(len(shapes))]
                crop = self._crop(index, anywhere(rng))
                like = cv2.resize(crop, shape.alpha.shape[::-1], interpolation=cv2.INTER_AREA)
                compose.put_down(rng, canvas, like, shape.alpha, 0.04, 0.5)

    def _donate(self, rng: Rng, canvas: Canvas, name: str, label: int, other: int | None) -> None:
        index, box = self.donors[name][rng.integers(len(self.donors[name]))]
        donor = self.pictures[index]
        canvas.sources.add(donor.source)
        alpha = compose.paste_crop(rng, canvas, self._crop(index, box), name)
        compose.mark(canvas, label, alpha, 0.3)
        # Nobody said whether a crop of fire holds smoke too, or the other way round.
        other_name = "smoke" if name == "fire" else "fire"
        if other is not None and donor.labels.get(other_name, UNKNOWN) != 0:
            covered = (compose.fine(alpha) > 0.03).astype(np.float32)
            canvas.unsure[other] = np.maximum(canvas.unsure[other], covered)
            if canvas.labels[other] == 0:
                canvas.labels[other] = UNKNOWN
                outside = compose.fine(alpha) <= 0.03
                canvas.unsure[other] = np.where(outside, canvas.unsure[other], 1)

    def _distract(self, rng: Rng, canvas: Canvas) -> None:
        if rng.random() < 0.35:
            compose.draw_plain_object(rng, canvas)
            return
        index = self.distractors[rng.integers(len(self.distractors))]
        canvas.sources.add(self.pictures[index].source)
        w, h = rng.uniform(0.1, 0.5, 2)
        x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
        compose.paste_crop(rng, canvas, self._crop(index, np.array([x, y, x + w, y + h])), None, large=0.3)

    def _crop(self, index: int, box: np.ndarray) -> np.ndarray:
        pixels = self.store[self.pictures[index].index]
        h, w = pixels.shape[:2]
        x0, y0 = int(box[0] * w), int(box[1] * h)
        x1, y1 = max(x0 + 8, int(box[2] * w)), max(y0 + 8, int(box[3] * h))
        return pixels[y0:y1, x0:x1]

    def _cells(self, canvas: Canvas) -> Sample:
        size = self.settings.input
        side = size.stride // FINE

        def pooled(x: np.ndarray) -> np.ndarray:
            return x.reshape(len(self.names), size.rows, side, size.columns, side).mean((2, 4))

        sure, loose, unsure = pooled(canvas.sure), pooled(canvas.loose), pooled(canvas.unsure)
        for k in range(len(self.names)):
            if canvas.sure[k].any() and sure[k].max() < 0.3:
                sure[k] = np.where(sure[k] >= sure[k].max(), 1.0, sure[k])
            if canvas.loose[k].any() and loose[k].max() < 0.3:
                loose[k] = np.where(loose[k] >= loose[k].max(), 1.0, loose[k])
        sure_cell, loose_cell = sure >= 0.3, loose >= 0.3
        target = sure_cell.astype(np.float32)
        nowhere = ~(canvas.sure.any((1, 2)) | canvas.loose.any((1, 2)))
        blind = (canvas.labels == 1) & nowhere
        doubtful = (unsure > 0.05) | (sure > 0.02) | (loose > 0.02) | blind[:, None, None]
        weight = np.where(sure_cell, 1.0, np.where(doubtful, 0.0, 1.0)).astype(np.float32)
        only_loose = (loose_cell & ~sure_cell).astype(np.float32)
        labels = canvas.labels.astype(np.int64)
        bits = sum(1 << self.sources.index(name) for name in canvas.sources)
        return Sample(canvas.image, target, weight, only_loose, labels, self.edges(canvas), bits)

    def edges(self, canvas: Canvas) -> np.ndarray:
        """Distances to the edges of the smallest box whose middle holds the cell."""
        size = self.settings.input
        edges = np.zeros((len(self.names), 4, size.rows, size.columns), dtype=np.float32)
        centre_x, centre_y = np.arange(size.columns) + 0.5, np.arange(size.rows) + 0.5
        for k, *corners in sorted(canvas.boxes, key=lambda b: -(b[3] - b[1]) * (b[4] - b[2])):
            x0, y0, x1, y1 = np.array(corners) / size.stride
            across, down = max(0.5, 0.3 * (x1 - x0)), max(0.5, 0.3 * (y1 - y0))
            columns = np.flatnonzero(np.abs(centre_x - (x0 + x1) / 2) <= across)
            rows = np.flatnonzero(np.abs(centre_y - (y0 + y1) / 2) <= down)
            if len(rows) == 0 or len(columns) == 0:
                continue
            grid_x, grid_y = np.meshgrid(centre_x[columns], centre_y[rows])
            distances = np.stack([grid_x - x0, grid_y - y0, x1 - grid_x, y1 - grid_y])
            edges[k, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = np.maximum(distances, 0.05)
        return edges


def lower_part(rng: Rng) -> np.ndarray:
    """A box in the lower two thirds, where heaps lie and roads are."""
    w, h = rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.5)
    x, y = rng.uniform(0, 1 - w), rng.uniform(0.4, 0.98 - h)
    return np.array([x, y, x + w, y + h])


def anywhere(rng: Rng) -> np.ndarray:
    w, h = rng.uniform(0.08, 0.4, 2)
    x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
    return np.array([x, y, x + w, y + h])
