"""What the recipe promises, on made-up pictures: `python -m unittest discover models/training`."""

from __future__ import annotations

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch

import calibrate
import metrics
import onnx_graph
import settings as settings_file
from data import UNKNOWN, Picture, letterbox
from loss import heatmap_loss
from model import HeatmapNet
from samples import Sampler
from scene import Scene

SETTINGS = settings_file.load()


def picture(index: int, fire: int, smoke: int, boxes: dict | None = None) -> Picture:
    labels = {"fire": fire, "smoke": smoke}
    return Picture(index, f"{index}.jpg", "made", f"g{index}", "train", 320, 200, labels, boxes or {})


def sampler(pictures: list[Picture]) -> Sampler:
    rng = np.random.default_rng(1)
    pixels = {p.index: rng.integers(0, 256, (p.height, p.width, 3), dtype=np.uint8) for p in pictures}
    return Sampler(SETTINGS, pictures, pixels, {})


class Samples(unittest.TestCase):
    def test_the_same_seed_makes_the_same_sample(self) -> None:
        maker = sampler([picture(0, 0, 0), picture(1, 1, UNKNOWN, {"fire": np.array([[0.2, 0.2, 0.6, 0.7]])})])
        for number in range(20):
            one, two = maker.sample((5, number)), maker.sample((5, number))
            self.assertTrue(np.array_equal(one.image, two.image))
            self.assertTrue(np.array_equal(one.weight, two.weight))

    def test_an_unknown_label_is_never_trained_as_absent(self) -> None:
        maker = sampler([picture(0, UNKNOWN, UNKNOWN)])
        for number in range(60):
            sample = maker.sample((6, number))
            self.assertFalse((sample.labels == 0).any())
            self.assertFalse(((sample.weight > 0) & (sample.target == 0)).any())

    def test_nothing_around_a_box_is_trained_as_absent(self) -> None:
        maker = sampler([picture(0, 1, 0, {"fire": np.array([[0.0, 0.0, 1.0, 1.0]])})])
        for number in range(60):
            sample = maker.sample((7, number))
            self.assertFalse((sample.loose[0] * sample.weight[0] * (1 - sample.target[0])).any())


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
        loss, _ = heatmap_loss(heat, heat.flatten(2).mean(2), batch)
        loss.backward()
        self.assertTrue(heat.grad[0, 0].abs().min() > 0)
        self.assertEqual(heat.grad[0, 1].abs().max(), 0)


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

    def test_the_letterbox_keeps_the_shape_and_centres(self) -> None:
        out = letterbox(np.zeros((100, 100, 3), dtype=np.uint8), 416, 256, 114)
        self.assertTrue((out[:, :80] == 114).all() and (out[:, 336:] == 114).all() and (out[:, 80:336] == 0).all())


class Export(unittest.TestCase):
    def test_the_exported_graph_answers_as_the_network_does(self) -> None:
        torch.manual_seed(0)
        net = HeatmapNet(SETTINGS.model.backbone, len(SETTINGS.labels), pretrained=False).eval()
        heat_platt = [calibrate.Platt(1.7, 0.3), calibrate.Platt(0.6, -1.0)]
        rng = np.random.default_rng(3)
        linear = Scene(rng.normal(0, 1, 864), rng.uniform(0.5, 2, 864), rng.normal(0, 0.05, (864, 2)), np.array([0.1, -0.2]))
        other, both = [calibrate.Platt(0.4, 0.1)] * 2, [calibrate.Platt(1.1, -0.3)] * 2
        scores = calibrate.Scores(heat_platt, other, both, linear)
        frames = np.random.default_rng(0).integers(0, 256, (2, 256, 416, 3), dtype=np.uint8)
        heat, image = onnx_graph.run_all(onnx_graph.session(onnx_graph.build(net, scores, SETTINGS)), frames)
        with torch.no_grad():
            planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
            cells, logits = net(planes)
            expected = scores.image(logits.numpy(), net.pooled(planes).numpy())
        self.assertEqual(heat.shape, (2, 2, 16, 26))
        for k in range(2):
            self.assertLess(np.abs(heat_platt[k](cells[:, k].numpy()) - heat[:, k]).max(), 1e-5)
        self.assertLess(np.abs(expected - image).max(), 1e-5)


if __name__ == "__main__":
    unittest.main()
