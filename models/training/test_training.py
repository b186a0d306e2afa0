"""What the recipe promises, on made-up pictures: `python -m unittest discover models/training`."""

from __future__ import annotations

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch

import box_branch
import calibrate
import metrics
import onnx_graph
import places
import settings as settings_file
from compose import Canvas
from cutouts import Cutout
from data import UNKNOWN, Picture, letterbox, with_judged
from loss import box_loss, heatmap_loss
from model import HeatmapNet
from samples import Sampler
from scene import Scene

SETTINGS = settings_file.load()


THING = Cutout(0, "made", np.full((20, 30, 3), 90, dtype=np.uint8), np.full((20, 30), 255, dtype=np.uint8))


def picture(index: int, fire: int, smoke: int, boxes: dict | None = None, other: int = 0) -> Picture:
    labels = {"fire": fire, "smoke": smoke, "waterlogging": other, "litter": other, "machinery": other, "scaffolding": other}
    return Picture(index, f"{index}.jpg", "made", f"g{index}", "train", 320, 200, labels, boxes or {})


def sampler(pictures: list[Picture]) -> Sampler:
    rng = np.random.default_rng(1)
    pixels = {p.index: rng.integers(0, 256, (p.height, p.width, 3), dtype=np.uint8) for p in pictures}
    return Sampler(SETTINGS, pictures, pixels, {}, {"litter": [THING], "machinery": [THING]})


class Samples(unittest.TestCase):
    def test_the_same_seed_makes_the_same_sample(self) -> None:
        maker = sampler([picture(0, 0, 0), picture(1, 1, UNKNOWN, {"fire": np.array([[0.2, 0.2, 0.6, 0.7]])})])
        for number in range(20):
            one, two = maker.sample((5, number)), maker.sample((5, number))
            self.assertTrue(np.array_equal(one.image, two.image))
            self.assertTrue(np.array_equal(one.weight, two.weight))

    def test_an_unknown_label_is_never_trained_as_absent(self) -> None:
        maker = sampler([picture(0, UNKNOWN, UNKNOWN, other=UNKNOWN)])
        for number in range(60):
            sample = maker.sample((6, number))
            self.assertFalse((sample.labels == 0).any())
            self.assertFalse(((sample.weight > 0) & (sample.target == 0)).any())

    def test_nothing_around_a_box_is_trained_as_absent(self) -> None:
        maker = sampler([picture(0, 1, 0, {"fire": np.array([[0.0, 0.0, 1.0, 1.0]])})])
        for number in range(60):
            sample = maker.sample((7, number))
            self.assertFalse((sample.loose[0] * sample.weight[0] * (1 - sample.target[0])).any())


    def test_what_is_put_into_a_street_is_marked_where_it_stands_and_only_there(self) -> None:
        maker = sampler([picture(0, 0, 0)])
        seen = set()
        for number in range(80):
            sample = maker.sample((8, number))
            for k, label in enumerate(SETTINGS.labels):
                if sample.labels[k] == 1:
                    seen.add(label)
                    self.assertTrue((sample.target[k] * sample.weight[k]).any())
                    self.assertTrue(((1 - sample.target[k]) * sample.weight[k]).any())
        self.assertLessEqual({"waterlogging", "litter", "machinery", "scaffolding"}, seen)

    def test_a_cell_in_the_middle_of_a_box_is_told_how_far_its_edges_are(self) -> None:
        maker = sampler([picture(0, 0, 0)])
        canvas = Canvas.of(np.zeros((224, 384, 3), dtype=np.uint8), np.zeros(6, dtype=np.int64))
        canvas.boxes.append((3, 64.0, 32.0, 128.0, 96.0))
        edges = maker.edges(canvas)
        self.assertTrue(np.allclose(edges[3, :, 3, 5], [1.5, 1.5, 2.5, 2.5]))
        self.assertEqual(edges[:3].max(), 0)

    def test_judged_labels_fill_only_what_the_annotations_leave_open(self) -> None:
        known = Picture(0, "a.jpg", "nyc", "g", "train", 10, 10, {"litter": 1, "machinery": UNKNOWN}, {})
        self.assertEqual(with_judged([known])[0].labels, {"litter": 1, "machinery": 0})


class Loss(unittest.TestCase):
    def test_unknown_labels_and_weightless_cells_give_no_gradient(self) -> None:
        heat = torch.zeros((1, 2, 16, 26), requires_grad=True)
        batch = {
            "target": torch.zeros((1, 2, 16, 26)),
            "weight": torch.zeros((1, 2, 16, 26)),
            "loose": torch.zeros((1, 2, 16, 26)),
            "labels": torch.tensor([[0, UNKNOWN]]),
        }
        batch["weight"][0, 0] = 1
        batch["box"] = torch.zeros((1, 2, 4, 16, 26))
        loss, _ = heatmap_loss(heat, heat.flatten(2).mean(2), torch.ones((1, 8, 16, 26)), batch)
        loss.backward()
        self.assertTrue(heat.grad[0, 0].abs().min() > 0)
        self.assertEqual(heat.grad[0, 1].abs().max(), 0)


    def test_a_box_that_fits_costs_nothing_and_one_beside_it_more_than_one(self) -> None:
        wanted = torch.zeros((1, 1, 4, 1, 1))
        wanted[0, 0, :, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
        self.assertAlmostEqual(float(box_loss(wanted[:, 0], wanted)), 0.0, places=6)
        self.assertGreater(float(box_loss(torch.full((1, 4, 1, 1), 0.1), wanted)), 0.9)


class Numbers(unittest.TestCase):
    def test_auc_counts_ties_half_and_leaves_out_unknown(self) -> None:
        score = np.array([0.9, 0.5, 0.5, 0.1, 0.99])
        self.assertEqual(metrics.auc(score, np.array([1, 1, 0, 0, UNKNOWN])), 0.875)
        self.assertTrue(math.isnan(metrics.auc(score, np.ones(5))))

    def test_wilson_interval_is_the_textbook_one(self) -> None:
        low, high = metrics.wilson(8, 10)
        self.assertAlmostEqual(low, 0.4902, places=3)
        self.assertAlmostEqual(high, 0.9433, places=3)

    def test_calibration_rises_with_the_logit_and_meets_a_half_between_the_classes(self) -> None:
        logit = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
        platt = calibrate.fit(logit, np.array([0, 0, 0, 1, 1, 1]), np.arange(6).astype(str))
        self.assertGreater(platt.slope, 0)
        self.assertAlmostEqual(float(platt(np.array(0.0))), 0.5, places=6)

    def test_the_alarm_threshold_lies_between_the_quiet_and_the_heard(self) -> None:
        score, truth = np.array([0.1] * 100 + [0.9] * 10), np.array([0] * 100 + [1] * 10)
        self.assertAlmostEqual(metrics.alarm_threshold(score, truth), 0.5, places=2)

    def test_isotonic_scaling_never_falls(self) -> None:
        rng = np.random.default_rng(2)
        logit = rng.normal(size=60)
        knots, values = calibrate.isotonic(logit, (logit + rng.normal(size=60) > 0).astype(int))
        self.assertTrue((np.diff(values) >= 0).all() and (np.diff(knots) >= 0).all())

    def test_the_quarters_of_a_cell_are_told_their_own_distances(self) -> None:
        wanted = torch.zeros(1, 1, 4, 2, 3)
        wanted[0, 0, :, 1, 1] = torch.tensor([0.5, 1.0, 2.5, 0.1])
        finer = box_branch.halved(wanted)
        self.assertEqual(tuple(finer.shape), (1, 1, 4, 4, 6))
        self.assertTrue(np.allclose(finer[0, 0, :, 2, 2], [0.25, 0.75, 2.75, 0.35]))
        # The lower quarters have their middles below the box.
        self.assertEqual(float(finer[0, 0, :, 3].sum()), 0.0)
        self.assertEqual(float(finer[0, 0, :, :2].sum()), 0.0)

    def test_cells_in_and_beside_a_box_are_known(self) -> None:
        wanted = torch.zeros(1, 2, 4, 8, 12)
        # Columns 3 to 7 and rows 2 to 5.
        wanted[0, 1, :, 3, 5] = torch.tensor([2.5, 1.5, 1.5, 1.5])
        found = box_branch.covered(wanted)
        self.assertEqual(float(found[0, 0].sum()), 0.0)
        self.assertTrue((found[0, 1, 1:6, 2:8] == 1).all())
        self.assertEqual(float(found[0, 1, 0].sum() + found[0, 1, 7].sum() + found[0, 1, :, 0].sum()), 0.0)

    def test_the_middle_of_a_box_is_nearest(self) -> None:
        wanted = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.5, 1.0, 1.5, 1.0], [0.0, 0.0, 0.0, 0.0]]).T[None, None, :, None]
        self.assertTrue(np.allclose(box_branch.nearness(wanted)[0, 0, 0], [1.0, (1 / 3) ** 0.5, 0.0], atol=1e-4))

    def test_a_box_drawn_into_the_map_is_found_again(self) -> None:
        heat = np.zeros((56, 96), dtype=np.float32)
        heat[14:28, 24:48] = 0.8
        whole = Picture(0, "a.jpg", "made", "g", "val", 384, 224, {"fire": 1}, {"fire": np.array([[0.25, 0.25, 0.5, 0.5]])})
        (score, box), *others = places.boxes(heat, 0.9, 0.5, whole, 384, 224)
        self.assertEqual(others, [])
        self.assertAlmostEqual(score, 0.9)
        self.assertTrue(np.allclose(box, [0.25, 0.25, 0.5, 0.5]))
        precise = places.label_precision(heat[None], np.array([0.9]), 0.5, "fire", [whole], 384, 224)
        self.assertEqual(precise, {"ap50": 1.0, "boxes": 1})

    def test_the_letterbox_keeps_the_shape_and_centres(self) -> None:
        out = letterbox(np.zeros((100, 100, 3), dtype=np.uint8), 416, 256, 114)
        self.assertTrue((out[:, :80] == 114).all() and (out[:, 336:] == 114).all() and (out[:, 80:336] == 0).all())


class Export(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(0)
        count = len(SETTINGS.labels)
        self.net = HeatmapNet(SETTINGS.model.backbone, count, pretrained=False).eval()
        rng = np.random.default_rng(3)
        width = self.net.features
        linear = Scene(rng.normal(0, 1, width), rng.uniform(0.5, 2, width), rng.normal(0, 0.05, (width, count)), rng.normal(size=count))
        heat, other, both = (calibrate.Platt(*pair) for pair in ((1.7, 0.3), (0.4, 0.1), (1.1, -0.3)))
        self.scores = calibrate.Scores([heat] * count, [other] * count, [both] * count, linear, tuple(0.2 + 0.1 * k for k in range(count)))
        size = SETTINGS.input
        self.frames = rng.integers(0, 256, (2, size.height, size.width, 3), dtype=np.uint8)
        self.content = onnx_graph.build(self.net, self.scores, SETTINGS)

    def test_the_exported_graph_answers_as_the_network_does(self) -> None:
        heat, image = onnx_graph.run_all(onnx_graph.session(self.content), self.frames)
        with torch.no_grad():
            planes = torch.from_numpy(self.frames).permute(0, 3, 1, 2).float()
            cells, logits = self.net(planes)
            expected = self.scores.image(logits.numpy(), self.net.pooled(planes).numpy())
        self.assertLess(np.abs(expected - image).max(), 1e-5)
        smooth = SETTINGS.labels.index("scaffolding")
        logit = torch.nn.functional.interpolate(self.scores.heat[0].slope * cells + self.scores.heat[0].offset, scale_factor=4, mode="bilinear")
        self.assertLess(np.abs(logit.sigmoid()[:, smooth].numpy() - heat[:, smooth]).max(), 1e-4)

    def outputs(self) -> tuple[torch.Tensor, ...]:
        """Calibrated cells, and what the branch for boxes says, of the first frame."""
        with torch.no_grad():
            kept = self.net.backbone(torch.from_numpy(self.frames[:1]).permute(0, 3, 1, 2).float())
            fused = self.net.fused(kept)
            return self.net.heat(self.net.fuse(fused)), *self.net.box(fused, kept[0])

    def test_a_label_with_boxes_has_its_surest_middle_drawn_as_that_middles_box(self) -> None:
        heat, _ = onnx_graph.run_all(onnx_graph.session(self.content), self.frames[:1])
        cells, edges, middle, _ = self.outputs()
        k, scale = SETTINGS.labels.index("litter"), self.scores.heat[0]
        half = torch.nn.functional.interpolate(scale.slope * cells + scale.offset, scale_factor=2, mode="bilinear").sigmoid()[0, k]
        surest = half * middle[0, k].sigmoid()
        row, column = np.unravel_index(int(surest.argmax()), surest.shape)
        left, _, right, _ = edges[0, 4 * k : 4 * k + 4, row, column].tolist()
        drawn = heat[0, k] >= heat[0, k].max() - 1e-6
        fine = (np.arange(drawn.shape[1]) + 0.5) / 4
        inside = (fine >= (column + 0.5) / 2 - left) & (fine <= (column + 0.5) / 2 + right)
        self.assertTrue((drawn.any(0) == inside).all())
        self.assertAlmostEqual(float(heat[0, k].max()), float(half.max()), places=4)

    def test_what_is_as_likely_as_not_to_be_water_reaches_the_threshold_in_the_map(self) -> None:
        torch.nn.init.normal_(self.net.box.area.weight, std=0.3)
        cells, _, _, area = self.outputs()
        k = SETTINGS.labels.index("waterlogging")
        half = torch.nn.functional.interpolate(cells[:, k : k + 1], scale_factor=2, mode="bilinear") + area[:, k : k + 1]
        # Half of the fine cells are made to be likelier than not.
        fine = torch.nn.functional.interpolate(half, scale_factor=2, mode="bilinear")[0, 0]
        with torch.no_grad():
            self.net.box.area.bias[k] -= fine.median()
        content = onnx_graph.build(self.net, self.scores, SETTINGS, {"waterlogging": 0.8})
        heat, _ = onnx_graph.run_all(onnx_graph.session(content), self.frames[:1])
        there = (fine > fine.median()).numpy()
        self.assertLess((there != (heat[0, k] >= 0.8)).mean(), 0.01)

    def test_integers_answer_nearly_as_floats_do(self) -> None:
        _, image = onnx_graph.run_all(onnx_graph.session(self.content), self.frames)
        small = onnx_graph.integers(self.content, self.frames)
        _, rough = onnx_graph.run_all(onnx_graph.session(small), self.frames)
        self.assertLess(len(small), 0.4 * len(self.content))
        self.assertLess(np.abs(image - rough).max(), 0.15)


if __name__ == "__main__":
    unittest.main()
