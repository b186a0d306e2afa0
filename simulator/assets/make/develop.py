"""Develops the light-by-light renders into the pictures and maps that the program carries.

    python develop.py WORK ASSETS
"""
import json
import os
import sys
import numpy as np
import OpenEXR
from PIL import Image
from scipy import ndimage

MAP = (640, 360)


def load(path):
    layers = OpenEXR.File(path, separate_channels=True).channels()
    get = lambda name: next(c.pixels for k, c in layers.items() if k.endswith(name)).astype(np.float32)
    rgb = np.stack([get("Combined." + c) for c in "RGB"], -1)
    return rgb, get("Combined.A"), get("Depth.Z"), get("IndexOB.X")


def tone(x):
    """A filmic curve like a small camera's: soft shoulder, a little toe, then sRGB."""
    a, b, c, d, e = 2.51, 0.03, 2.43, 0.59, 0.14
    x = np.clip((x * (a * x + b)) / (x * (c * x + d) + e), 0, 1)
    return np.where(x < .0031308, x * 12.92, 1.055 * np.power(x, 1 / 2.4) - .055)


def clouds(shape, seed):
    rng = np.random.default_rng(seed)
    h, w = shape
    out = np.zeros(shape, np.float32)
    for octave in range(1, 7):
        n = 2 ** octave
        grid = rng.random((n + 2, n * 2 + 2)).astype(np.float32)
        out += ndimage.zoom(grid, (h / (n + 1), w / (n * 2 + 1)), order=3)[:h, :w] / 2 ** (octave * .85)
    return (out - out.min()) / (out.max() - out.min())


def sky(shape, kind, seed):
    h, w = shape
    up = np.clip(1 - np.arange(h)[:, None] / (h * .4), 0, 1)[..., None]
    cloud = clouds(shape, seed)[..., None]
    mix = lambda low, high: np.array(low) * (1 - up) + np.array(high) * up
    if kind == "day":
        wisps = np.clip((cloud - .42) * 2.2, 0, 1) * .75
        return mix((.72, .80, .88), (.30, .48, .78)) * (1 - wisps) + np.array((.92, .93, .94)) * wisps
    if kind == "day_rain":
        return mix((.62, .65, .68), (.46, .49, .53)) * (.85 + .3 * cloud)
    if kind == "dusk":
        return mix((.26, .22, .22), (.06, .09, .18)) * (.8 + .5 * cloud)
    if kind == "dusk_rain":
        return mix((.13, .14, .17), (.06, .07, .10)) * (.8 + .5 * cloud)
    glow = mix((.030, .024, .020), (.006, .007, .011))
    return glow * (.7 + .6 * cloud) * (1.6 if kind == "night_rain" else 1)


# share of sun, sky and lamps, tint of the sky light, exposure
LIGHTS = {
    "day": (1.12, .62, .0, (.95, .98, 1.06), .66),
    "day_rain": (.0, 1.0, .03, (.95, .98, 1.0), 1.0),
    "dusk": (.0, .10, .55, (.72, .85, 1.25), 1.5),
    "dusk_rain": (.0, .10, .55, (.80, .92, 1.15), 1.4),
    "night": (.0, .014, 1.0, (.75, .88, 1.25), 2.1),
    "night_rain": (.0, .016, 1.0, (.8, .9, 1.2), 1.9),
}


def develop(parts, alpha, name, seed):
    sun, sky_share, lamps, tint, exposure = LIGHTS[name]
    wet = name.endswith("rain")
    light = parts["skywet" if wet else "sky"] * sky_share * np.array(tint)
    light = light + parts["lampswet" if wet else "lamps"] * lamps
    if sun:
        light = light + parts["sun"] * sun
    if name.startswith(("night", "dusk")):
        # As a camera meters: the usual brightness of the street decides the exposure.
        usual = np.median(light.mean(-1)[alpha > .5]) * exposure
        exposure *= np.clip((.06 if name.startswith("night") else .085) / usual, .25, 1.35)
    bright = np.clip(light * exposure - 1.5, 0, 12) / exposure
    bloom = sum(ndimage.gaussian_filter(bright, (s, s, 0)) * k for s, k in ((3, .20), (10, .10), (34, .05)))
    light = light + bloom
    h, w = alpha.shape
    light = light + sky((h, w), name, seed) / exposure * (1 - alpha[..., None])
    return (tone(light * exposure) * 255 + .5).astype(np.uint8)


def haze(light, depth, colour, reach):
    fade = np.exp(-np.clip(depth, 0, 400) / reach)[..., None]
    return light * fade + np.array(colour) * (1 - fade)


def main():
    work, assets = sys.argv[1:3]
    os.makedirs(assets, exist_ok=True)
    views = []
    for number, file in enumerate(sorted(f for f in os.listdir(work) if f.endswith(".json"))):
        place = json.load(open(f"{work}/{file}"))
        name = place["name"]
        parts = {}
        for part in ("sun", "sky", "skywet", "lamps", "lampswet"):
            rgb, alpha, depth, index = load(f"{work}/{name}.{part}.exr")
            if part in ("sun", "sky", "skywet"):
                colour = {"sun": (.05, .045, .04), "sky": (.55, .62, .72), "skywet": (.50, .54, .58)}[part]
                reach = {"sun": 900, "sky": 900, "skywet": 380}[part]
                rgb = haze(rgb, depth, np.array(colour), reach) * alpha[..., None]
            parts[part] = rgb
        for light in LIGHTS:
            Image.fromarray(develop(parts, np.clip(alpha, 0, 1), light, number)).save(f"{assets}/{name}.{light}.jpg", quality=88, subsampling=1)
        # Distance along the optical axis in 2 cm steps; 65535 is the sky.
        z = np.where((alpha > .5) & (depth < 1300), np.clip(depth * 50, 0, 65534), 65535)
        step = max(1, z.shape[1] // MAP[0])
        z = z[step // 2::step, step // 2::step].astype(np.uint16)
        Image.fromarray(z).save(f"{assets}/{name}.depth.png", optimize=True)
        index = np.where(alpha > .5, np.rint(index), 0)[step // 2::step, step // 2::step]
        Image.fromarray((index.astype(np.uint8)) * 60).save(f"{assets}/{name}.ground.png", optimize=True)
        path = f"{work}/{name}.scaffold.exr"
        if os.path.exists(path):
            rgb, alpha, _, _ = load(path)
            alpha = np.clip(alpha, 0, 1)
            rgb = tone(rgb / np.maximum(alpha, 1e-3)[..., None] * .62)
            rgba = np.dstack([rgb, alpha])
            Image.fromarray((rgba * 255 + .5).astype(np.uint8)).save(f"{assets}/{name}.scaffold.png", optimize=True)
        views.append(place)
    round_all = lambda v: round(v, 4) if isinstance(v, float) else [round_all(x) for x in v] if isinstance(v, (list, tuple)) else {k: round_all(x) for k, x in v.items()} if isinstance(v, dict) else v
    with open(f"{assets}/views.json", "w") as file:
        json.dump([round_all(v) for v in views], file, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
