"""Simulates flames and smoke as a buoyant gas in a box and films them from the side.

A flame is gas whose time since it left the fuel is short (the reaction coordinate of Nguyen, Fedkiw and Jensen,
"Physically based modeling and animation of fire", 2002); advection is semi-Lagrangian with MacCormack's correction,
pressure is solved by FFT, vorticity confinement keeps the curls. Usage:
    python fluid.py ASSETS [name ...]

NAME.jpg is a grey sheet: a column of frames that loops. Flames hold light along the line of sight; smoke has two
sheets, coverage and shade.
"""
import json
import os
import sys
import numpy as np
from PIL import Image
from scipy import fft, ndimage


class Gas:
    def __init__(self, shape, seed, wind=0.0):
        self.shape, self.rng, self.wind = shape, np.random.default_rng(seed), wind
        self.v = [np.zeros(shape, np.float32) for _ in range(3)]
        self.grid = np.indices(shape, dtype=np.float32)
        k = np.meshgrid(*[fft.fftfreq(n).astype(np.float32) * 2 * np.pi for n in shape[:2]], fft.rfftfreq(shape[2]).astype(np.float32) * 2 * np.pi, indexing="ij")
        self.k = k
        self.k2 = sum(x * x for x in k)
        self.k2[0, 0, 0] = 1
        self.fields = {}

    def back(self, dt):
        return self.grid - dt * np.stack(self.v)

    def carry(self, field, back, forth):
        once = ndimage.map_coordinates(field, back, order=1, mode="nearest")
        again = ndimage.map_coordinates(once, forth, order=1, mode="nearest")
        out = once + .5 * (field - again)
        low = ndimage.minimum_filter(field, 3)
        high = ndimage.maximum_filter(field, 3)
        low = ndimage.map_coordinates(low, back, order=0, mode="nearest")
        high = ndimage.map_coordinates(high, back, order=0, mode="nearest")
        return np.clip(out, low, high)

    def project(self, expand=None):
        spectra = [fft.rfftn(c, workers=1) for c in self.v]
        div = sum(1j * k * s for k, s in zip(self.k, spectra))
        if expand is not None:
            div = div - fft.rfftn(expand, workers=1)
        for n in range(3):
            spectra[n] = spectra[n] + 1j * self.k[n] * div / self.k2
            self.v[n] = fft.irfftn(spectra[n], s=self.shape, workers=1).astype(np.float32)

    def confine(self, strength, dt):
        g = lambda f, axis: np.gradient(f, axis=axis)
        u, v, w = self.v
        c = [g(w, 1) - g(v, 2), g(u, 2) - g(w, 0), g(v, 0) - g(u, 1)]
        size = np.sqrt(sum(x * x for x in c)) + 1e-6
        n = [g(size, a) for a in range(3)]
        length = np.sqrt(sum(x * x for x in n)) + 1e-5
        n = [x / length for x in n]
        for i, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
            self.v[i] += (dt * strength * (n[a] * c[b] - n[b] * c[a])).astype(np.float32)

    def step(self, dt, lift, curl, expand=None):
        self.v[2] += (dt * lift).astype(np.float32)
        if self.wind:
            height = np.linspace(0, 1, self.shape[2], dtype=np.float32) ** .6
            self.v[0] += dt * .08 * (self.wind * height[None, None, :] - self.v[0].mean(axis=(0, 1), keepdims=True))
        self.confine(curl, dt)
        top = np.clip((np.arange(self.shape[2]) - self.shape[2] * .9) / (self.shape[2] * .1), 0, 1).astype(np.float32)
        for n in range(3):
            self.v[n] *= 1 - .3 * top[None, None, :]
            self.v[n][:, :, :1] *= .2
        self.project(expand)
        back, forth = self.back(dt), self.back(-dt)
        self.v = [ndimage.map_coordinates(c, back, order=1, mode="nearest") for c in self.v]
        for key in self.fields:
            self.fields[key] = self.carry(self.fields[key], back, forth)


def burner(gas, width, depth, t, patches):
    """How strongly each cell of the floor burns; patches flare and die down."""
    x, y = gas.grid[0, :, :, 0] - gas.shape[0] / 2 + .5, gas.grid[1, :, :, 0] - gas.shape[1] / 2 + .5
    inside = np.clip(1.6 - 1.6 * ((x / width) ** 2 + (y / depth) ** 2), 0, 1)
    flare = np.zeros_like(x)
    for px, py, f, p in patches:
        flare += np.exp(-((x / width - px) ** 2 + (y / depth - py) ** 2) * 7) * (.55 + .45 * np.sin(f * t + p))
    return inside * np.clip(flare, .05, 1)


def flame(shape, width, depth, life, seed, frames=72, substeps=3, lift=1.0):
    gas = Gas(shape, seed)
    gas.fields["y"] = np.zeros(shape, np.float32)
    patches = [(gas.rng.uniform(-.9, .9), gas.rng.uniform(-.7, .7), gas.rng.uniform(.25, .9), gas.rng.uniform(0, 6)) for _ in range(9)]
    dt, out, warm = .75, [], 22
    for frame in range(frames + 12 + warm):
        for sub in range(substeps):
            t = (frame * substeps + sub) * dt
            y = gas.fields["y"]
            fire = burner(gas, width, depth, t, patches)
            for z in range(4):
                y[:, :, z] = np.maximum(y[:, :, z], fire)
            for n in range(2):
                gas.v[n][:, :, :6] += (gas.rng.normal(0, .45, (shape[0], shape[1], 1)) * (fire > .1)[..., None]).astype(np.float32)
            # A breeze that turns makes the tongues lean.
            gas.v[0] += (dt * .012 * np.sin(t * .11) * np.linspace(0, 1, shape[2], dtype=np.float32))[None, None, :].astype(np.float32)
            hot = np.sqrt(np.clip(y, 0, 1))
            expand = (y > .55) * .035
            expand = (expand - expand.mean()).astype(np.float32)
            gas.step(dt, hot * .26 * lift, .22, expand)
            gas.fields["y"] = np.clip(gas.fields["y"] - dt / life, 0, 1)
        if frame >= warm:
            y = gas.fields["y"]
            glow = np.clip(y, 0, 1) ** 1.3 * np.clip((1.08 - y) * 5, .35, 1)
            light = glow.sum(axis=1)
            out.append(light)
    return np.stack(loop(out, 12))


def smoke(shape, radius, seed, frames=84, substeps=2, wind=.65):
    gas = Gas(shape, seed, wind)
    gas.fields["s"] = np.zeros(shape, np.float32)
    gas.fields["h"] = np.zeros(shape, np.float32)
    patches = [(gas.rng.uniform(-.8, .8), gas.rng.uniform(-.8, .8), gas.rng.uniform(.1, .4), gas.rng.uniform(0, 6)) for _ in range(7)]
    dt, cover, shade, warm = .9, [], [], 60
    # The plume starts left of the middle so that the wind has room to carry it.
    offset = -shape[0] * .16
    for frame in range(frames + 16 + warm):
        for sub in range(substeps):
            t = (frame * substeps + sub) * dt
            gas.grid[0] -= offset
            fire = burner(gas, radius, radius, t, patches)
            gas.grid[0] += offset
            for z in range(5):
                gas.fields["s"][:, :, z] = np.maximum(gas.fields["s"][:, :, z], fire)
                gas.fields["h"][:, :, z] = np.maximum(gas.fields["h"][:, :, z], fire)
            for n in range(2):
                gas.v[n][:, :, :8] += (gas.rng.normal(0, .3, (shape[0], shape[1], 1)) * (fire > .1)[..., None]).astype(np.float32)
            gas.step(dt, gas.fields["h"] * .13, .36)
            gas.fields["h"] *= 1 - .010 * dt
            gas.fields["s"] *= 1 - .0022 * dt
        if frame >= warm:
            s = gas.fields["s"]
            fade = np.clip((shape[2] - np.arange(shape[2])) / (shape[2] * .4), 0, 1)[None, None, :]
            edge = np.clip((shape[0] - np.arange(shape[0])) / 10, 0, 1)[:, None, None] * np.clip(np.arange(shape[0]) / 10, 0, 1)[:, None, None]
            s = s * fade * edge
            above = np.cumsum(s[:, :, ::-1], axis=2)[:, :, ::-1] - s
            behind = np.cumsum(s, axis=1)
            lit = np.exp(-.035 * above - .05 * (behind - s))
            through = np.exp(-.5 * (behind - s))
            tau = s.sum(axis=1)
            bright = (lit * through * s).sum(axis=1) / np.maximum((through * s).sum(axis=1), 1e-4)
            cover.append((1 - np.exp(-.42 * tau)) * border(shape))
            shade.append(bright)
    return np.stack(loop(cover, 16)), np.stack(loop(shade, 16))


def border(shape):
    """Thins the plume toward the sides and the top of the box, which it would otherwise be cut off by."""
    ease = lambda t: np.clip(t, 0, 1) ** 2 * (3 - 2 * np.clip(t, 0, 1))
    x, z = np.arange(shape[0]) + .5, np.arange(shape[2]) + .5
    return (ease(x / 12) * ease((shape[0] - x) / 34))[:, None] * ease((shape[2] - z) / 40)[None, :]


def loop(frames, blend):
    """Fades the end into the beginning."""
    count = len(frames) - blend
    out = list(frames[:count])
    for k in range(blend):
        w = (k + 1) / (blend + 1)
        out[k] = frames[k] * w + frames[count + k] * (1 - w)
    return out


def sheet(path, frames, gamma, scale):
    """Frames of (x, z) with z up become rows of pictures with y down."""
    frames = np.clip(frames / scale, 0, 1) ** gamma
    frames = frames.transpose(0, 2, 1)[:, ::-1]
    Image.fromarray((frames.reshape(-1, frames.shape[2]) * 255 + .5).astype(np.uint8)).save(path, quality=87)


FLAMES = {
    "flame_small": dict(shape=(64, 32, 128), width=9, depth=7, life=44, seed=3),
    "flame_tall": dict(shape=(72, 32, 160), width=13, depth=9, life=64, seed=5, lift=1.1),
    "flame_wide": dict(shape=(144, 24, 120), width=46, depth=8, life=46, seed=8),
}


def main():
    assets, names = sys.argv[1], sys.argv[2:] or [*FLAMES, "smoke"]
    about_path = f"{assets}/fluid.json"
    about = json.load(open(about_path)) if os.path.exists(about_path) else {}
    for name in names:
        if name == "smoke":
            cover, shade = smoke((120, 44, 132), 13, 4)
            sheet(f"{assets}/smoke_cover.jpg", cover, 1, 1)
            sheet(f"{assets}/smoke_shade.jpg", shade, 1, 1)
            about[name] = {"size": [cover.shape[1], cover.shape[2]], "frames": len(cover), "foot": [float(cover.shape[1] * .34), float(cover.shape[2])], "source": 26}
        else:
            light = flame(**FLAMES[name])
            sheet(f"{assets}/{name}.jpg", light, .5, 16.0)
            about[name] = {"size": [light.shape[1], light.shape[2]], "frames": len(light), "foot": [light.shape[1] / 2, float(light.shape[2])], "source": FLAMES[name]["width"] * 2}
        print(name, flush=True)
        with open(about_path, "w") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main()
