"""Renders sheets of vehicles, people, litter and an excavator from several sides, for the program to place.

    python sprites.py ASSETS [kind ...]

A sheet is NAME.jpg (colour) and NAME.png (red: coverage, green: first paint, blue: second paint). Headings run from
away (+90 degrees) over right (0) to toward the camera (-90); the left half is a mirror image.
"""
import json
import math
import os
import sys
import tempfile
import bpy
import numpy as np
from mathutils import Matrix, Vector
from PIL import Image, ImageFilter
import develop
import materials
import props
import render_views

PAINTS = {"car_paint": 1, "cloth_one": 1, "cloth_two": 2}
SIDES = [-90, -75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 75, 90]
WALK = [-90, -45, 0, 45, 90]
ROUND = [-135, -90, -45, 0, 45, 90, 135, 180]
PHASES = [k / 8 for k in range(8)]

# name: (what makes one, headings, poses, elevations, metres wide, above and below the foot point, pixels per metre)
KINDS = {
    "sedan": (lambda pose: props.car(props.SEDAN), SIDES, [0], [9, 24], (5.2, 2.5, 1.2), 40),
    "suv": (lambda pose: props.car(props.SUV), SIDES, [0], [9, 24], (5.2, 2.8, 1.2), 40),
    "van": (lambda pose: props.car(props.VAN, blind=(0, 2)), SIDES, [0], [9, 24], (5.5, 3.1, 1.3), 40),
    "truck": (lambda pose: props.truck(), SIDES, [0], [9, 24], (6.9, 4.3, 1.7), 34),
    "bus": (lambda pose: props.bus(), SIDES, [0], [9, 24], (11.0, 5.2, 2.6), 28),
    "scooter": (lambda pose: props.scooter(), SIDES, [0], [9, 24], (2.5, 2.2, .6), 56),
    "man": (lambda pose: props.person(pose), WALK, PHASES, [9, 24], (1.3, 1.9, .4), 56),
    "woman": (lambda pose: props.person(pose, skirt=True), WALK, PHASES, [9, 24], (1.3, 1.9, .4), 56),
    "umbrella": (lambda pose: props.person(pose, umbrella="car_paint"), WALK, PHASES, [9, 24], (1.5, 2.4, .5), 56),
    "standing": (lambda pose: props.person(pose, walking=False), ROUND[:7], [0, .4], [9, 24], (1.0, 1.9, .4), 56),
    "excavator": (lambda pose: props.excavator(*pose), [-150, -90, -45, 0, 45, 90], [(0, 0), (.5, 0), (1, .2), (1, .8), (.5, 1), (0, 1)], [14], (14.0, 7.4, 3.2), 24),
    "litter": (lambda pose: props.litter(*pose), [0], [(k, s) for s in (1, 2, 3) for k in ("bag", "bags", "heap", "boxes")], [12, 28], (3.2, 1.6, .8), 90),
}


def world():
    """Light from above, little from below, sun from behind the camera without shadows between cells."""
    tree = bpy.context.scene.world.node_tree
    nodes, links = tree.nodes, tree.links
    where = nodes.new("ShaderNodeTexCoord")
    split = nodes.new("ShaderNodeSeparateXYZ")
    links.new(where.outputs["Generated"], split.inputs[0])
    fade = nodes.new("ShaderNodeMapRange")
    for key, value in (("From Min", -.15), ("From Max", .15), ("To Min", .16), ("To Max", .75)):
        fade.inputs[key].default_value = value
    links.new(split.outputs["Z"], fade.inputs["Value"])
    back = nodes["Background"]
    back.inputs["Color"].default_value = (.82, .91, 1, 1)
    links.new(fade.outputs["Result"], back.inputs["Strength"])
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.color, sun.use_shadow = 2.2, (1, .93, .82), False
    sun.cycles.cast_shadow = False
    thing = bpy.data.objects.new("sun", sun)
    thing.rotation_euler = Vector((.34, .62, -.72)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(thing)


def sheet(name, elevation, work):
    make, headings, poses, _, (wide, above, below), scale = KINDS[name]
    render_views.setup(False)
    scene = bpy.context.scene
    scene.cycles.samples = 12
    scene.render.film_transparent = True
    scene.view_layers[0].use_pass_material_index = True
    world()
    cell_w, cell_h = round(wide * scale), round((above + below) * scale)
    tilt = math.radians(elevation)
    up = Vector((0, math.sin(tilt), math.cos(tilt)))
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    eye.data.type, eye.data.clip_end = "ORTHO", 2000
    cols, rows = len(headings), len(poses)
    eye.data.ortho_scale = max(cols * cell_w, rows * cell_h) / scale
    middle = Vector(((cols - 1) / 2 * cell_w / scale, 0, 0)) - up * ((rows - 1) / 2 * cell_h / scale) + up * ((above - below) / 2)
    look = Vector((0, math.cos(tilt), -math.sin(tilt)))
    eye.location = middle - look * 500
    eye.rotation_euler = look.to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(eye)
    scene.camera = eye
    scene.render.resolution_x, scene.render.resolution_y = cols * cell_w, rows * cell_h
    for row, pose in enumerate(poses):
        before = set(bpy.data.objects)
        make(pose)
        parts = list(set(bpy.data.objects) - before)
        for col, heading in enumerate(headings):
            at = Matrix.Translation(Vector((col * cell_w / scale, 0, 0)) - up * (row * cell_h / scale)) @ Matrix.Rotation(math.radians(heading), 4, "Z")
            for part in parts:
                twin = part if col == len(headings) - 1 else part.copy()
                if twin is not part:
                    scene.collection.objects.link(twin)
                twin.matrix_world = at @ part.matrix_world if twin is not part else at
    for material in bpy.data.materials:
        material.pass_index = PAINTS.get(material.name, 3)
    path = f"{work}/sheet.{name}.{elevation}.exr"
    render_views.shoot(path)
    return path


def read(path):
    import OpenEXR
    layers = OpenEXR.File(path, separate_channels=True).channels()
    get = lambda end: next(c.pixels for k, c in layers.items() if k.endswith(end)).astype(np.float32)
    return np.stack([get("Combined." + c) for c in "RGB"], -1), np.clip(get("Combined.A"), 0, 1), np.rint(get("IndexMA.X"))


def spread(rgb, alpha):
    """Lets colours run past the edge so that JPEG and scaling bring no dark fringe."""
    out, weight = rgb * (alpha > .6)[..., None], (alpha > .6).astype(np.float32)
    from scipy import ndimage
    for s in (1.5, 4, 10):
        blur = ndimage.gaussian_filter(out, (s, s, 0))
        w = ndimage.gaussian_filter(weight, s)
        fill = blur / np.maximum(w, 1e-4)[..., None]
        hole = weight < .5
        grow = hole & (w > .02)
        out[grow], weight[grow] = fill[grow], 1
    return out


def main():
    assets, names = sys.argv[1], sys.argv[2:] or list(KINDS)
    work = tempfile.mkdtemp()
    about_path = f"{assets}/sprites.json"
    about = json.load(open(about_path)) if os.path.exists(about_path) else {}
    for name in names:
        _, headings, poses, elevations, (wide, above, below), scale = KINDS[name]
        colour, mask = [], []
        for elevation in elevations:
            rgb, alpha, index = read(sheet(name, elevation, work))
            plain = spread(develop.tone(rgb / np.maximum(alpha, 1e-3)[..., None] * .70), alpha)
            colour.append((np.clip(plain, 0, 1) * 255).astype(np.uint8))
            paint = [np.array(Image.fromarray(((index == k) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(.6))) for k in (1, 2)]
            mask.append(np.dstack([(alpha * 255).astype(np.uint8), *paint]))
        Image.fromarray(np.vstack(colour)).save(f"{assets}/{name}.jpg", quality=88)
        Image.fromarray(np.vstack(mask)).save(f"{assets}/{name}.png", optimize=True)
        about[name] = {"headings": headings, "poses": len(poses), "elevations": elevations, "cell": [round(wide * scale), round((above + below) * scale)], "foot": [wide * scale / 2, above * scale], "scale": scale}
        with open(about_path, "w") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main()
