"""Renders every view light by light and develops the pictures that the program carries.

Light adds up, so three renders (sun, sky, lamps) dry and two wet give every time of day. What WORK already holds is
kept, so that a broken run goes on where it stopped. Usage:
    python render_views.py WORK [view ...] [--draft]
"""
import json
import math
import os
import sys
import time
import bpy
from mathutils import Vector
import materials
import props
import views

SAMPLES, SIZE = 5, (800, 450)


def setup(draft):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    materials.reset()
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 3 if draft else SAMPLES
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 4, 2, 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 4.0
    scene.cycles.seed = 1
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 50 if draft else 100
    scene.render.film_transparent = True
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "Raw"
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.image_settings.color_depth = "16"
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = True
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True


def camera(place):
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width, data.clip_end = place.lens, 36, 1000
    eye = bpy.data.objects.new("camera", data)
    eye.location = place.camera
    eye.rotation_euler = (Vector(place.target) - Vector(place.camera)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(eye)
    bpy.context.scene.camera = eye
    bpy.context.view_layer.update()
    return eye


def lights(place):
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle, sun.color = 0, math.radians(1.2), (1.0, 0.93, 0.82)
    thing = bpy.data.objects.new("sun", sun)
    thing.rotation_euler = Vector((0.34, 0.62, -0.72)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(thing)
    night = []
    for spot in place.lights:
        kind = spot[3] if len(spot) > 3 else "lamp"
        lamp = bpy.data.lights.new("lamp", "SPOT" if kind == "lamp" else "POINT")
        lamp.energy, lamp.shadow_soft_size = 0, .18
        lamp.color = (1.0, .68, .36) if kind == "lamp" else (1.0, .85, .62) if kind == "bulb" else (.86, .95, 1.0)
        if kind == "lamp":
            lamp.spot_size, lamp.spot_blend = math.radians(150), .8
        it = bpy.data.objects.new("lamp", lamp)
        it.location = spot[:3]
        bpy.context.scene.collection.objects.link(it)
        night.append((lamp, {"lamp": 1500, "bulb": 60, "tube": 260}[kind]))
    return sun, night


def sky(strength, colour):
    node = bpy.context.scene.world.node_tree.nodes["Background"]
    node.inputs["Color"].default_value = (*colour, 1)
    node.inputs["Strength"].default_value = strength


def shoot(path):
    bpy.context.scene.render.filepath = path
    begin = time.time()
    bpy.ops.render.render(write_still=True)
    print("shot", os.path.basename(path), round(time.time() - begin, 1), "s", flush=True)


def passes(place, sun, night, out):
    for name, wet, sun_on, sky_on, lamps_on in (("sun", 0, 1, 0, 0), ("sky", 0, 0, 1, 0), ("skywet", 1, 0, 1, 0), ("lamps", 0, 0, 0, 1), ("lampswet", 1, 0, 0, 1)):
        if "--draft" in sys.argv and name not in ("sun", "sky") or os.path.exists(f"{out}/{place.name}.{name}.exr"):
            continue
        bpy.context.scene.cycles.samples = 3 if "--draft" in sys.argv else SAMPLES + (3 if lamps_on else 0)
        materials.set_wet(wet)
        materials.set_lamps(lamps_on)
        sun.energy = 4.0 if sun_on else 0
        sky(1.0 if sky_on else 0.0, (.80, .90, 1.0))
        for lamp, energy in night:
            lamp.energy = energy if lamps_on else 0
        shoot(f"{out}/{place.name}.{name}.exr")


def scaffold(place, sun, out):
    """The scaffold alone, hidden where something stands before it."""
    materials.set_wet(False)
    materials.set_lamps(False)
    sky(.55, (.80, .90, 1.0))
    sun.energy = 2.6
    for thing in bpy.data.objects:
        thing.is_holdout = True
    before = set(bpy.data.objects)
    props.scaffold(**place.scaffold, net_to=.62)
    for thing in set(bpy.data.objects) - before:
        thing.is_holdout = False
        thing.pass_index = 9
    shoot(f"{out}/{place.name}.scaffold.exr")


def describe(place, eye):
    matrix = eye.matrix_world
    return {
        "name": place.name, "lens_over_width": place.lens / 36.0,
        "eye": list(matrix.translation), "right": list(matrix.col[0][:3]), "up": list(matrix.col[1][:3]), "back": list(matrix.col[2][:3]),
        "lanes": place.lanes, "walks": place.walks, "spots": place.spots, "flags": place.flags, "neon": place.neon,
        "lamps": [s[:3] for s in place.lights if len(s) == 3], "water": place.water,
    }


def main():
    work, names = sys.argv[1], [a for a in sys.argv[2:] if not a.startswith("--")]
    draft = "--draft" in sys.argv
    os.makedirs(work, exist_ok=True)
    for make in views.ALL:
        if names and make.__name__ not in names:
            continue
        setup(draft)
        place = make()
        eye = camera(place)
        sun, night = lights(place)
        with open(f"{work}/{place.name}.json", "w") as file:
            json.dump(describe(place, eye), file)
        if "--only-json" in sys.argv:
            continue
        passes(place, sun, night, work)
        if place.scaffold and not os.path.exists(f"{work}/{place.name}.scaffold.exr"):
            scaffold(place, sun, work)


if __name__ == "__main__":
    main()
