"""The six places. Units are metres; cameras look roughly along +y; lanes and spots go to views.json."""
import math
import random
import bpy
from mathutils import Matrix
from mesh import Mesh
import houses
import props

ROAD, GROUND, OTHER = 1, 2, 3


class Place:
    """What the program must know of a view besides its pictures."""

    def __init__(self, name, camera, target, lens):
        self.name, self.camera, self.target, self.lens = name, camera, target, lens
        self.lanes, self.walks, self.spots, self.flags, self.neon, self.lights = [], [], [], [], [], []
        self.water = 0.0
        self.scaffold = None

    def lane(self, *points, speed=8.0, kinds=("car",), phase=None):
        self.lanes.append({"points": points, "speed": speed, "kinds": list(kinds), "phase": phase})

    def walk(self, *points, phase=None):
        self.walks.append({"points": points, "phase": phase})

    def spot(self, name, at, kinds, surface, scale=1.0):
        self.spots.append({"name": name, "at": at, "kinds": kinds.split(), "surface": surface, "scale": scale})


def placed(make, at, turn=0.0):
    before = set(bpy.data.objects)
    make()
    for thing in set(bpy.data.objects) - before:
        thing.matrix_world = Matrix.Translation(at) @ Matrix.Rotation(turn, 4, "Z") @ thing.matrix_world
        thing.pass_index = OTHER


def plane(x0, x1, y0, y1, z, material, index, name="ground"):
    m = Mesh(name)
    m.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], material)
    m.build(index=index)


def kerb_strip(x0, x1, y0, y1, z=0.15, material="paving"):
    m = Mesh("pavement")
    m.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], material)
    m.build(index=GROUND)
    k = Mesh("kerb")
    k.box((x0 - .15, y0, -.1), (x0, y1, z + .01), "concrete")
    k.box((x1, y0, -.1), (x1 + .15, y1, z + .01), "concrete")
    k.box((x0, y0 - .15, -.1), (x1, y0, z + .01), "concrete")
    k.box((x0, y1, -.1), (x1, y1 + .15, z + .01), "concrete")
    k.build(index=GROUND)


def dashes(m, x, y0, y1, long=3.0, gap=4.5, wide=.15, z=.012, material="white_paint"):
    y = y0
    while y < y1:
        m.box((x - wide / 2, y, z - .01), (x + wide / 2, min(y + long, y1), z), material)
        y += long + gap


def zebra(m, x0, x1, y0, y1, along_x=True):
    if along_x:
        x = x0
        while x < x1:
            m.box((x, y0, 0), (x + .45, y1, .013), "white_paint")
            x += .95
    else:
        y = y0
        while y < y1:
            m.box((x0, y, 0), (x1, y + .45, .013), "white_paint")
            y += .95


def lamps(place, spots):
    for (x, y), toward in spots:
        place.lights.append(props.lamp((x, y, .15), toward))


def clutter(rng, x, y, kind):
    """Street furniture near a kerb."""
    m = Mesh("furniture")
    if kind == "box":
        m.box((x - .5, y - .3, .15), (x + .5, y + .3, 1.45), "frame")
        m.box((x - .46, y - .32, .25), (x + .46, y - .3, 1.4), "galvanised")
    elif kind == "bench":
        m.box((x - .9, y - .25, .55), (x + .9, y + .25, .62), "wood")
        m.box((x - .8, y - .2, .15), (x - .7, y + .2, .55), "frame_dark")
        m.box((x + .7, y - .2, .15), (x + .8, y + .2, .55), "frame_dark")
    elif kind == "bollards":
        for k in range(5):
            m.rod((x, y + 1.6 * k, .1), (x, y + 1.6 * k, .95), .08, "yellow", 10)
    elif kind == "bikes":
        for k in range(5):
            by = y + .7 * k
            for dx in (-.5, .5):
                m.rod((x + dx, by - .03, .48), (x + dx, by + .03, .48), .33, "rubber", 14)
                m.rod((x + dx, by - .032, .48), (x + dx, by + .032, .48), .28, "frame", 14)
            m.rod((x - .5, by, .5), (x + .3, by, .75), .03, rng.choice(["yellow", "car_blue", "green_cloth"]))
            m.rod((x + .5, by, .5), (x + .35, by, 1.1), .03, "yellow")
            m.rod((x - .15, by, .55), (x - .25, by, 1.0), .03, "yellow")
            m.box((x - .38, by - .08, .98), (x - .12, by + .08, 1.04), "black")
    elif kind == "planter":
        m.box((x - 1.2, y - .5, .15), (x + 1.2, y + .5, .65), "concrete_dark")
        for _ in range(700):
            p = (x + rng.uniform(-1.1, 1.1), y + rng.uniform(-.45, .45), .6 + rng.random() * .5)
            u = [rng.gauss(0, .07) for _ in range(3)]
            v = [rng.gauss(0, .07) for _ in range(3)]
            m.face([[p[n] - u[n] for n in range(3)], [p[n] + v[n] for n in range(3)], [p[n] + u[n] for n in range(3)]], rng.choice(["leaf_a", "leaf_b"]))
    m.build()


def parked(rng, at, turn):
    form = rng.choice([props.SEDAN, props.SEDAN, props.SUV, props.SUV, props.VAN])
    paint = rng.choice(["car_white", "car_white", "car_black", "car_silver", "car_silver", "car_red", "car_blue"])
    placed(lambda: props.car(form, paint), at, turn)


def wires(points, sag=.6):
    m = Mesh("wire")
    for a, b in zip(points, points[1:]):
        prev = a
        for k in range(1, 11):
            t = k / 10
            p = [a[n] + (b[n] - a[n]) * t for n in range(3)]
            p[2] -= sag * 4 * t * (1 - t)
            m.rod(prev, p, .02, "black", 4)
            prev = p
    m.build()


def hills(rng, y=220.0):
    """A far skyline so that the horizon is not a line."""
    m = Mesh("far")
    x = -160.0
    while x < 160:
        wide = rng.uniform(12, 28)
        m.box((x, y, 0), (x + wide, y + 10, rng.uniform(10, 42)), rng.choice(["wall_grey", "wall_blue", "concrete", "wall_white"]))
        x += wide + rng.uniform(0, 12)
    m.build()


def junction():
    rng = random.Random(11)
    p = Place("junction", (-12.5, -7.0, 7.4), (2.0, 16.5, 0.2), 24)
    plane(-200, 200, -60, 240, -.02, "asphalt", ROAD)
    for x0, x1, y0, y1 in ((-40, -8, -40, 12), (8, 60, -40, 12), (-60, -8, 30, 120), (8, 70, 30, 120)):
        kerb_strip(x0, x1, y0, y1)
    m = Mesh("marks")
    for y0, y1 in ((-30, 9), (35, 120)):
        dashes(m, -3.6, y0, y1)
        dashes(m, 3.6, y0, y1)
        m.box((-.2, y0, 0), (-.06, y1, .013), "yellow_paint")
        m.box((.06, y0, 0), (.2, y1, .013), "yellow_paint")
    for x0, x1 in ((-60, -11), (11, 70)):
        m.box((x0, 20.9, 0), (x1, 21.05, .013), "yellow_paint")
        for y in (16.5, 25.5):
            x = x0
            while x < x1:
                m.box((x, y - .07, 0), (x + 3, y + .07, .013), "white_paint")
                x += 7
    zebra(m, -7.6, 7.4, 9.2, 12.2)
    zebra(m, -7.6, 7.4, 30.2, 33.2)
    zebra(m, -10.9, -7.9, 12.6, 29.6, False)
    zebra(m, 7.9, 10.9, 12.6, 29.6, False)
    m.box((.4, 8.3, 0), (7.6, 8.7, .013), "white_paint")
    m.box((-7.6, 33.8, 0), (-.4, 34.2, .013), "white_paint")
    m.build(index=ROAD)
    houses.block((-60, 37, .15), (1, 0), 45, 14, 6, "wall_cream", rng)
    houses.block((15, 38, .15), (1, 0), 46, 14, 8, "wall_grey", rng)
    houses.block((-15, 51, .15), (0, 1), 50, 10, 7, "wall_pink", rng, sides=(False, False))
    houses.block((15, 108, .15), (0, -1), 56, 10, 7, "wall_white", rng, sides=(False, False))
    houses.block((17, 9, .15), (0, -1), 40, 14, 6, "wall_brick", rng, sides=(False, True))
    houses.block((17, 5, .15), (0, -1), 38, 14, 6, "wall_brick", rng)
    lamps(p, [((-9.2, 35), (1, 0)), ((9.2, 9), (-1, 0)), ((9.2, 34), (-1, 0)), ((-9.2, 60), (1, 0)), ((9.2, 62), (-1, 0)), ((28, 31.5), (0, -1)), ((-30, 31.5), (0, -1))])
    for x, y in ((-8.9, 31.2), (8.9, 31.0), (8.9, 11.0)):
        s = Mesh("signal")
        s.rod((x, y, .15), (x, y, 5.6), .09, "frame_dark")
        end = (x - math.copysign(4.2, x), y, 5.8)
        s.rod((x, y, 5.5), end, .06, "frame_dark")
        for e in (end, (x, y, 3.2)):
            s.box((e[0] - .22, y - .25, e[2] - .55), (e[0] + .22, y - .05, e[2] + .55), "black")
            for k, name in enumerate(("signal_red", "black", "black")):
                s.rod((e[0], y - .25, e[2] + .35 - .35 * k), (e[0], y - .3, e[2] + .35 - .35 * k), .12, name, 12)
        s.build()
    for x, y, h in ((-11, 40, 7), (-11, 48, 8), (11.5, 41, 7.5), (11.5, 50, 8), (20, 33.2, 6.5), (30, 33, 7), (40, 33, 7), (-22, 33.2, 7), (-34, 33, 7.5), (11.5, 4.5, 6.5)):
        props.tree((x, y, .15), h, rng)
    for x, kind in ((12.6, "box"), (13.4, "bench")):
        clutter(rng, x, 9.5 if kind == "box" else 6.5, kind)
    clutter(rng, -9.4, 33, "bollards")
    props.bin_((10.4, 33.4, .15))
    props.bin_((11.2, 33.4, .15), "bin_grey")
    placed(lambda: props.car(props.SUV, "car_silver"), (12.9, 27.6, 0), 0.0)
    parked(rng, (24, 14.0, 0), math.pi)
    hills(rng)
    p.lane((1.9, -25, 0), (1.9, 130, 0), speed=9, kinds=("car", "bus"), phase=0)
    p.lane((5.4, -25, 0), (5.4, 130, 0), speed=8, kinds=("car", "truck"), phase=0)
    p.lane((-1.9, 130, 0), (-1.9, -25, 0), speed=9, phase=0)
    p.lane((-5.4, 130, 0), (-5.4, -25, 0), speed=7, kinds=("car", "bus", "scooter"), phase=0)
    p.lane((-60, 18.7, 0), (70, 18.7, 0), speed=8, phase=1)
    p.lane((70, 23.2, 0), (-60, 23.2, 0), speed=8, kinds=("car", "truck"), phase=1)
    p.lane((70, 27.4, 0), (-60, 27.4, 0), speed=5, kinds=("scooter",), phase=1)
    for y in (10.6, 31.8):
        p.walk((-16, y, .05), (16, y, .05), phase=1)
        p.walk((16, y + .8, .05), (-16, y + .8, .05), phase=1)
    p.walk((12.5, 34.5, .15), (60, 34.5, .15))
    p.walk((-12.5, 35.5, .15), (-50, 35.5, .15))
    p.walk((9.5, 31, .15), (9.5, 12, .05), phase=0)
    p.spot("roadside", (-5.0, 17.5, 0), "fire smoke littering machinery", "road", 1.2)
    p.spot("bin", (10.8, 33.2, 1.2), "fire smoke", "bin", 1.3)
    p.spot("vehicle", (12.6, 27.4, .9), "fire smoke", "vehicle", 1.7)
    p.spot("window", (25.5, 37.4, 11.0), "fire smoke", "balcony", 1.6)
    p.spot("shop", (19.5, 37.6, 1.3), "fire smoke", "shop", 1.6)
    p.spot("corner", (12.0, 11.0, .15), "littering", "pavement", 1.1)
    p.spot("kerb", (10.2, 32.5, .15), "littering", "pavement", 1.2)
    p.spot("crossing", (2, 17, 0), "waterlogging", "road")
    p.spot("works", (6.0, 22.0, 0), "machinery", "road")
    p.flags = [(-8.6, 31.5, 3.6), (8.6, 31.4, 3.6)]
    p.neon = [(16.0, 37.8, 6.4)]
    return p


def residential():
    rng = random.Random(22)
    p = Place("residential", (1.2, -9.0, 5.8), (-0.6, 14.0, 0.4), 26)
    plane(-3.6, 3.6, -60, 200, 0, "asphalt", ROAD)
    kerb_strip(-8.5, -3.75, -60, 150)
    kerb_strip(3.75, 8.5, -60, 150)
    plane(-80, 80, -60, 200, -.06, "concrete_dark", GROUND)
    houses.block((-9, -8, .15), (0, 1), 26, 12, 5, "wall_cream", rng, balconies=.55)
    houses.block((-9, 24, .15), (0, 1), 30, 12, 5, "wall_pink", rng, balconies=.5)
    houses.block((-9, 62, .15), (0, 1), 40, 12, 5, "wall_grey", rng, sides=(True, False))
    houses.block((9, 20, .15), (0, -1), 28, 12, 5, "wall_grey", rng, shops=False, balconies=.6)
    houses.block((9, 54, .15), (0, -1), 28, 12, 5, "wall_white", rng, shops=False, balconies=.6)
    houses.block((9, 98, .15), (0, -1), 38, 12, 5, "wall_brick", rng, sides=(False, True))
    houses.block((-22, 120, .15), (1, 0), 44, 12, 8, "wall_blue", rng)
    for y in (13, 28, 42, 57):
        for x, dx in ((-4.6, 1), (4.6, -1)):
            if (y, x) in ((13, 4.6), (42, 4.6), (28, -4.6), (57, -4.6)):
                lamps(p, [((x, y), (dx, 0))])
    for y in (3, 19, 30, 37, 47, 58):
        props.tree((5.2, y + 2.5, .15), rng.uniform(5, 6.5), rng)
        if y not in (3, 19):
            props.tree((-5.3, y, .15), rng.uniform(5, 6.5), rng)
    for y in (9, 15.2, 33, 39, 45.5, 52):
        parked(rng, (2.75, y, 0), math.pi / 2)
    for y in (26, 32, 38.2, 50, 56):
        parked(rng, (-2.75, y, 0), -math.pi / 2)
    wires([(-8.9, -5, 7), (-6, 22, 6.6), (-6, 50, 6.6), (-8, 90, 7)])
    wires([(-8.9, 6, 8.4), (8.9, 15, 7.4)])
    wires([(-8.9, 30, 8.4), (8.9, 36, 7.4)])
    m = Mesh("poles")
    for y in (22, 50):
        m.rod((-6, y, 0), (-6, y, 7.2), .14, "concrete", 10)
    m.build()
    for k in range(4):
        props.bin_((-4.5, 11.6 + .85 * k, .15), rng.choice(["bin_green", "bin_grey"]))
    clutter(rng, 5.4, 8, "bikes")
    clutter(rng, -5.6, 18.5, "box")
    clutter(rng, 6.4, 24, "planter")
    hills(rng)
    p.lane((0.2, 140, 0), (-0.4, 24, 0), (-1.0, -20, 0), speed=5, kinds=("car", "scooter"))
    p.lane((0.4, -20, 0), (0.4, 140, 0), speed=5, kinds=("car", "scooter", "scooter"))
    p.walk((-6.4, -10, .15), (-6.6, 110, .15))
    p.walk((-7.2, 110, .15), (-7.2, -10, .15))
    p.walk((7.0, -10, .15), (7.0, 110, .15))
    p.walk((-6, 8, .15), (-1, 14, 0), (1.0, 60, 0))
    p.spot("bins", (-4.5, 12.9, 1.1), "fire smoke", "bin", 1.0)
    p.spot("vehicle", (2.75, 15.2, 1.0), "fire smoke", "vehicle", 1.6)
    p.spot("road", (-1.6, 17, 0), "fire smoke littering", "road", 1.0)
    p.spot("balcony", (-7.9, 31, 8.0), "fire smoke", "balcony", 1.5)
    p.spot("window", (-8.8, 37.0, 7.0), "fire smoke", "balcony", 1.5)
    p.spot("bin_side", (-3.3, 10.6, 0), "littering", "road", 1.2)
    p.spot("pavement", (-5.6, 8.6, .15), "littering", "pavement", 1.0)
    p.spot("street", (0, 14, 0), "waterlogging", "road")
    p.spot("dig", (-1.6, 24, 0), "machinery", "road", .8)
    p.spot("facade", (0, 0, 0), "scaffolding", "facade")
    p.scaffold = dict(origin=(-8.9, 24.5, .15), along=(0, 1), length=19, height=15, outward=(1, 0))
    p.flags = [(4.4, 13, 3.4), (4.4, 42, 3.4)]
    p.neon = [(-8.6, 12, 4.6)]
    return p


def market():
    rng = random.Random(33)
    p = Place("market", (-1.6, -8.5, 5.6), (0.3, 11.0, 0.6), 25)
    plane(-60, 60, -60, 160, 0, "paving", GROUND)
    plane(-2.6, 2.6, -60, 160, .02, "concrete_dark", ROAD)
    houses.block((-8, -10, 0), (0, 1), 30, 10, 3, "wall_cream", rng, balconies=.3)
    houses.block((-8, 21, 0), (0, 1), 34, 10, 4, "wall_brick", rng, balconies=.3)
    houses.block((8, 16, 0), (0, -1), 26, 10, 4, "wall_white", rng, balconies=.3)
    houses.block((8, 52, 0), (0, -1), 34, 10, 3, "wall_pink", rng, balconies=.3)
    houses.block((-14, 66, 0), (1, 0), 30, 12, 6, "wall_grey", rng)
    cloth = ["red_cloth", "red_cloth", "orange_cloth", "blue_cloth", "green_cloth", "red_cloth"]
    for side in (-1, 1):
        y = 2.0
        while y < 50:
            if rng.random() < .76:
                stall(p, side * 4.6, y, side, rng, rng.choice(cloth))
            y += 3.5
    m = Mesh("strings")
    for y in (9, 17, 26, 36):
        prev = None
        for k in range(13):
            t = k / 12
            q = (-7.6 + 15.2 * t, y, 5.6 - 1.6 * 4 * t * (1 - t) * .5)
            if prev:
                m.rod(prev, q, .012, "black", 4)
            prev = q
            if 0 < k < 12 and k % 2 == 0:
                m.rod((q[0], y, q[2] - .12), (q[0], y, q[2] - .5), .17, "lantern", 10)
                m.rod((q[0], y, q[2] - .5), (q[0], y, q[2] - .75), .03, "orange_cloth", 5)
    m.build()
    lamps(p, [((-7.6, 16), (1, 0)), ((7.6, 31), (-1, 0)), ((7.6, 2), (-1, 0)), ((-7.6, 45), (1, 0))])
    props.bin_((-3.1, 8.6, 0))
    props.bin_((3.2, 19.0, 0), "bin_grey")
    hills(rng)
    p.lane((0.9, 90, 0), (0.9, -16, 0), speed=2.6, kinds=("scooter",))
    for x in (-1.7, -.6, .3, 1.2, 2.0):
        p.walk((x, -12, .02), (x + .3, 60, .02))
        p.walk((x + .4, 60, .02), (x, -12, .02))
    p.spot("stall", (4.4, 12.6, 2.45), "fire smoke", "stall", 1.3)
    p.spot("bin", (-3.1, 8.6, 1.05), "fire smoke", "bin", .8)
    p.spot("awning", (-4.4, 19.5, 2.6), "fire smoke", "stall", 1.7)
    p.spot("ground", (1.6, 14, .02), "fire smoke littering", "road", .9)
    p.spot("behind_stall", (-2.6, 10.6, 0), "littering", "pavement", 1.1)
    p.spot("stall_side", (2.9, 17.0, 0), "littering", "pavement", 1.2)
    p.spot("street", (0, 12, 0), "waterlogging", "road")
    p.spot("facade", (0, 0, 0), "scaffolding", "facade")
    p.scaffold = dict(origin=(-7.9, 22, 0), along=(0, 1), length=14, height=14, outward=(1, 0))
    p.flags = [(-3.0, 16, 3.0), (3.0, 23, 3.0), (-3.0, 31, 3.0)]
    p.neon = [(-7.6, 12, 4.4), (7.6, 20, 4.6)]
    return p


def stall(p, x, y, side, rng, cloth):
    """A table of goods under a sloping awning."""
    m = Mesh("stall")
    for dx in (-1.3, 1.3):
        for dy in (-1.5, 1.5):
            m.rod((x + dx, y + dy, 0), (x + dx, y + dy, 2.3 + (.4 if dx * side > 0 else 0)), .035, "galvanised", 6)
    low, high = x - side * rng.uniform(1.2, 1.7), x + side * 1.4
    lift = rng.uniform(-.15, .3)
    stripes = 6 if rng.random() < .6 else 1
    for k in range(stripes):
        a, b = y - 1.65 + 3.3 * k / stripes, y - 1.65 + 3.3 * (k + 1) / stripes
        colour = cloth if k % 2 == 0 or cloth == "blue_cloth" else "white_cloth"
        quad = [(low, a, 2.2 + lift), (low, b, 2.2 + lift), (high, b, 2.7 + lift), (high, a, 2.7 + lift)]
        m.face(quad if side < 0 else quad[::-1], colour)
        m.face([(low, a, 1.97 + lift), (low, b, 1.97 + lift), (low, b, 2.2 + lift), (low, a, 2.2 + lift)], colour)
    m.box((x - .8, y - 1.4, .75), (x + .8, y + 1.4, .85), "wood")
    m.box((x - .75, y - 1.35, 0), (x + .75, y + 1.35, .74), rng.choice(["cardboard", "blue_cloth", "white_cloth", "green_cloth"]))
    goods = ["orange_cloth", "green_cloth", "red_cloth", "yellow", "leaf_b", "bag_red", "cardboard", "paper", "car_white"]
    for gx in (-.5, 0, .5):
        for gy in (-1.05, -.35, .35, 1.05):
            kind = rng.choice(goods)
            m.box((x + gx - .24, y + gy - .32, .85), (x + gx + .24, y + gy + .32, .95), "wood")
            for _ in range(9):
                c = (x + gx + rng.uniform(-.18, .18), y + gy + rng.uniform(-.25, .25), .98 + rng.random() * .05)
                props.ellipsoid(m, c, (.075, .075, .065), kind, 4, 6)
    for _ in range(2):
        c = (x + rng.uniform(-1.2, 1.2) - side * .8, y + rng.uniform(-1.4, 1.4))
        m.box((c[0] - .25, c[1] - .2, 0), (c[0] + .25, c[1] + .2, .35), rng.choice(["cardboard", "bag_blue", "wood"]))
    m.rod((x, y, 2.45), (x, y, 2.35), .06, "bulb", 8)
    m.build()
    p.lights.append((x, y, 2.3, "bulb"))


def dip(y):
    """Height of the road under the bridge."""
    t = max(0.0, 1 - abs(y - 27) / 21)
    return -2.6 * (t * t * (3 - 2 * t))


def underpass():
    rng = random.Random(44)
    p = Place("underpass", (-4.8, -9.0, 6.6), (0.6, 17.0, -1.4), 26)
    m, marks, walls = Mesh("dip"), Mesh("marks"), Mesh("walls")
    y = -60
    while y < 120:
        a, b = dip(y), dip(y + 1)
        m.face([(-6.6, y, a), (6.6, y, a), (6.6, y + 1, b), (-6.6, y + 1, b)], "asphalt")
        for x in (-.1, .1):
            marks.face([(x - .05, y, a + .013), (x + .05, y, a + .013), (x + .05, y + 1, b + .013), (x - .05, y + 1, b + .013)], "yellow_paint")
        for x in (-6.1, 6.1):
            marks.face([(x - .07, y, a + .013), (x + .07, y, a + .013), (x + .07, y + 1, b + .013), (x - .07, y + 1, b + .013)], "white_paint")
        if y % 7 < 3:
            for x in (-3.2, 3.2):
                marks.face([(x - .07, y, a + .013), (x + .07, y, a + .013), (x + .07, y + 1, b + .013), (x - .07, y + 1, b + .013)], "white_paint")
        for side in (-1, 1):
            x = side * 6.6
            quad = [(x, y, a), (x, y + 1, b), (x, y + 1, .35), (x, y, .35)]
            walls.face(quad if side < 0 else quad[::-1], "concrete")
        y += 1
    m.build(index=ROAD)
    marks.build(index=ROAD)
    for side in (-1, 1):
        x = side * 6.8
        walls.box((x - .2, 3, .3), (x + .2, 21.5, .95), "concrete", "white_paint")
        walls.box((x - .2, 32.5, .3), (x + .2, 60, .95), "concrete", "white_paint")
        for k in range(12):
            yy = 3.5 + 1.6 * k
            walls.box((x - side * .22 - .015, yy, dip(yy) + .3), (x - side * .22 + .015, yy + .8, dip(yy) + .8), "yellow" if k % 2 else "black")
    walls.build()
    for side in (-1, 1):
        x0, x1 = (6.6, 60) if side > 0 else (-60, -6.6)
        plane(x0, x1, -60, 200, .2, "paving", GROUND)
    b = Mesh("bridge")
    b.box((-60, 22, 2.3), (60, 32, 3.6), "concrete_dark")
    b.box((-60, 21.7, 3.1), (60, 22.1, 4.1), "concrete")
    b.box((-60, 21.6, 2.35), (60, 21.75, 2.75), "yellow")
    for k in range(-14, 14):
        if k % 2:
            b.box((k * 1.2, 21.58, 2.35), (k * 1.2 + 1.2, 21.62, 2.75), "black")
    for side in (-1, 1):
        b.box((side * 7.4 - .6, 22, -2.6), (side * 7.4 + .6, 32, 2.4), "concrete")
    for k in range(-40, 41):
        b.rod((k * 1.5, 21.9, 4.1), (k * 1.5, 21.9, 5.3), .03, "frame", 5)
    b.rod((-60, 21.9, 5.3), (60, 21.9, 5.3), .04, "frame", 6)
    b.rod((-60, 21.9, 4.7), (60, 21.9, 4.7), .03, "frame", 6)
    b.box((-2.3, 21.52, 2.9), (2.3, 21.68, 3.75), "sign_blue")
    b.build()
    houses.words("限高 4.5 米", (0, 21.48, 3.32), (1, 0), .55, "letters")
    houses.block((-40, 44, .2), (1, 0), 30, 12, 7, "wall_grey", rng)
    houses.block((11, 46, .2), (1, 0), 36, 12, 9, "wall_cream", rng)
    houses.block((14, 20, .2), (0, -1), 24, 12, 4, "wall_brick", rng)
    lamps(p, [((-7.6, 10), (1, 0)), ((7.6, 4), (-1, 0)), ((7.6, 17), (-1, 0)), ((-7.6, 38), (1, 0))])
    p.lights += [(0, 25, 2.1, "tube"), (0, 29, 2.1, "tube")]
    t = Mesh("tubes")
    for y in (25, 29):
        t.box((-2.5, y - .08, 2.22), (2.5, y + .08, 2.3), "lamp_head")
    t.build()
    for x, y, h in ((-10, 14, 6.5), (-12, 19, 7), (10, 13, 6), (11, 8, 6.5), (-16, 36, 8), (14, 38, 7), (-9.5, 6, 5.5)):
        props.tree((x, y, .2), h, rng)
    clutter(rng, -8.8, 9, "box")
    clutter(rng, 9.2, 4, "planter")
    props.bin_((8.3, 15.5, .2))
    hills(rng)
    along = lambda x, back=False: [(x, y, dip(y)) for y in (range(100, -21, -4) if back else range(-20, 101, 4))]
    p.lane(*along(1.7), speed=8, kinds=("car", "car", "truck"))
    p.lane(*along(4.8), speed=7, kinds=("car", "scooter"))
    p.lane(*along(-1.7, True), speed=8, kinds=("car", "bus"))
    p.lane(*along(-4.8, True), speed=7, kinds=("car",))
    p.walk((-9, -8, .2), (-9, 21, .2))
    p.walk((8.6, 20, .2), (8.6, -8, .2))
    p.spot("road", (-4.2, 13, dip(13)), "fire smoke littering", "road", 1.3)
    p.spot("lane", (3.0, 16, dip(16)), "fire smoke littering", "road", 1.5)
    p.spot("bin", (8.3, 15.5, 1.25), "fire smoke", "bin", .9)
    p.spot("bridge", (5, 23, 3.7), "smoke", "roof", 1.8)
    p.spot("pavement", (8.4, 9.5, .2), "littering", "pavement", 1.3)
    p.spot("dip", (0, 22, -2.6), "waterlogging", "dip")
    p.spot("works", (3.4, 14.0, dip(14)), "machinery", "road", .9)
    p.water = -2.6
    p.flags = [(-7.4, 9, 3.2), (7.4, 16, 3.2)]
    p.neon = [(10.8, 46, 5)]
    return p


def site():
    rng = random.Random(55)
    p = Place("site", (-9.5, -8.0, 7.0), (3.2, 13.5, 0.4), 25)
    plane(-80, 80, -60, 200, -.02, "concrete_dark", GROUND)
    plane(-7.0, 0.0, -60, 200, 0, "asphalt", ROAD)
    kerb_strip(-11, -7.15, -60, 150)
    kerb_strip(.15, 3.2, -60, 150)
    m = Mesh("marks")
    dashes(m, -3.5, -30, 120)
    m.build(index=ROAD)
    soil = Mesh("soil")
    n, x0, y0, step = 34, 3.4, 2.0, 1.0
    heights = {}
    for i in range(n + 1):
        for j in range(n + 1):
            heights[i, j] = -.1 if i in (0, n) or j in (0, n) else .3 + .2 * math.sin(i * .7 + 1.3 * math.sin(j * .35)) * math.cos(j * .55) + rng.uniform(-.05, .05)
    for i in range(n):
        for j in range(n):
            c = lambda a, b: (x0 + a * step, y0 + b * step, heights[a, b])
            soil.face([c(i, j), c(i + 1, j), c(i + 1, j + 1), c(i, j + 1)], "soil")
    soil.build(smooth=True, index=GROUND)
    fence = Mesh("hoarding")
    y = 17.0
    while y < 46:
        fence.box((3.25, y, .15), (3.35, y + 2.0, 2.3), "hoarding")
        fence.box((3.2, y - .06, .1), (3.42, y + .06, 2.45), "frame")
        y += 2.06
    fence.build()
    b = Mesh("carcass")
    bx, by, w, d = 17.0, 16.0, 16.0, 14.0
    for floor in range(3):
        z = .2 + 3.3 * floor
        for i in range(5):
            for j in range(4):
                px, py = bx + w * i / 4, by + d * j / 3
                b.box((px - .22, py - .22, z), (px + .22, py + .22, z + 3.0), "concrete")
                if floor == 2:
                    for k in ((-.12, -.12), (.12, .12), (-.12, .12)):
                        b.rod((px + k[0], py + k[1], z + 3.3), (px + k[0], py + k[1], z + 4.3), .02, "rust", 4)
        b.box((bx - .5, by - .5, z + 3.0), (bx + w + .5, by + d + .5, z + 3.3), "concrete")
    b.box((bx, by + d * .6, .2), (bx + w, by + d * .62, 3.2), "wall_brick")
    b.build()
    r = Mesh("stuff")
    for _ in range(90):
        x, y = rng.gauss(8.5, 1.3), rng.gauss(26, 1.0)
        s = rng.uniform(.15, .5)
        r.slab((x, y, .35 + rng.random() * .9 * math.exp(-((x - 8.5) ** 2 + (y - 26) ** 2) / 3)), (math.cos(x * 9), math.sin(x * 9), .3), (s, s * .8, s * .6), rng.choice(["rubble", "concrete", "wall_brick"]))
    for k in range(8):
        r.box((12.0, 12.0, .2 + .2 * k), (14.4 - .05 * k, 13.0, .38 + .2 * k), "wall_brick")
    for k in range(14):
        r.rod((9.5, 31 + .12 * k, .4), (15.5, 31 + .12 * k, .4), .05, "rust", 5)
    r.build()
    houses.block((-12, -6, .15), (0, 1), 34, 12, 4, "wall_cream", rng, balconies=.5)
    houses.block((-12, 34, .15), (0, 1), 44, 12, 5, "wall_grey", rng, balconies=.5)
    houses.block((2, 56, .15), (1, 0), 34, 12, 6, "wall_pink", rng)
    houses.block((-40, 90, .15), (1, 0), 90, 12, 10, "wall_blue", rng, shops=False)
    houses.block((40, 50, .15), (0, -1), 44, 12, 6, "wall_white", rng, shops=False)
    lamps(p, [((-7.8, 16), (1, 0)), ((.9, 9), (-1, 0)), ((.9, 31), (-1, 0)), ((-7.8, 42), (1, 0)), ((16.4, 15), (-1, 0))])
    for x, y, h in ((-8.3, 9, 6), (-8.3, 23, 6.5), (-8.3, 31, 7), (1.8, 24, 5.5), (1.8, 37, 6), (1.8, 47, 6), (-8.3, 48, 7)):
        props.tree((x, y, .15), h, rng)
    parked(rng, (-6.0, 17, 0), -math.pi / 2)
    parked(rng, (-6.0, 28, 0), -math.pi / 2)
    parked(rng, (-1.1, 33, 0), math.pi / 2)
    props.bin_((1.2, 13.2, .15))
    props.bin_((2.0, 13.2, .15), "bin_grey")
    clutter(rng, 1.6, 19, "box")
    hills(rng)
    p.lane((-2.3, -20, 0), (-2.3, 130, 0), speed=8, kinds=("car", "truck", "scooter"))
    p.lane((-4.9, 130, 0), (-4.9, -20, 0), speed=8, kinds=("car",))
    p.walk((1.6, -8, .15), (1.6, 60, .15))
    p.walk((-9.6, 60, .15), (-9.6, -8, .15))
    p.walk((2.4, 50, .15), (2.4, -8, .15))
    p.spot("bin", (1.6, 13.2, 1.2), "fire smoke", "bin", .9)
    p.spot("plot", (7.0, 13.0, .2), "fire smoke littering machinery", "ground", 1.5)
    p.spot("carcass", (21.0, 15.6, 3.6), "fire smoke", "roof", 2.0)
    p.spot("vehicle", (-1.1, 33.0, 1.0), "fire smoke", "vehicle", 2.0)
    p.spot("road", (-2.2, 12, 0), "fire smoke", "road", 1.1)
    p.spot("pavement", (1.4, 10.2, .15), "littering", "pavement", 1.2)
    p.spot("kerb", (-.6, 14, 0), "littering", "road", 1.3)
    p.spot("street", (-3.5, 12, 0), "waterlogging", "road")
    p.spot("deep_plot", (11.0, 19.0, .2), "machinery", "ground", 1.0)
    p.spot("near_plot", (7.4, 14.0, .2), "machinery", "ground", 1.0)
    p.spot("facade", (0, 0, 0), "scaffolding", "facade")
    p.scaffold = dict(origin=(17.2, 15.4, .2), along=(1, 0), length=15, height=10.5, outward=(0, -1))
    p.flags = [(3.3, 21, 3.4), (3.3, 29, 3.4)]
    p.neon = [(-11.7, 20, 4.6)]
    return p


def avenue():
    rng = random.Random(66)
    p = Place("avenue", (9.0, -10.0, 7.8), (0.5, 15.0, 0.2), 24)
    plane(-80, 80, -60, 220, -.02, "asphalt", ROAD)
    kerb_strip(-9.2, -7.6, -60, 160, .15, "grass")
    kerb_strip(.6, 1.6, -60, 160, .2, "grass")
    kerb_strip(12.5, 16.5, -60, 160)
    kerb_strip(-36, -24.5, -60, 160)
    m = Mesh("marks")
    for x in (-5.0, -2.4, 4.4, 7.2):
        dashes(m, x, -30, 140)
    for x in (-7.3, .3, 1.9, 12.2):
        m.box((x - .07, -40, 0), (x + .07, 150, .013), "white_paint")
    for k in range(16):
        y = -4 + 2.75 * k
        m.box((-24.0, y - .06, 0), (-19.2, y + .06, .013), "white_paint")
        m.box((-14.4, y - .06, 0), (-9.6, y + .06, .013), "white_paint")
    m.build(index=ROAD)
    for k in range(15):
        y = -2.6 + 2.75 * k
        if rng.random() < .8:
            parked(rng, (-12.1, y, 0), rng.choice([0, math.pi]))
        if rng.random() < .7:
            parked(rng, (-21.6, y, 0), rng.choice([0, math.pi]))
    hedge = Mesh("hedge")
    for _ in range(9000):
        y = rng.uniform(-8, 90)
        at = (1.1 + rng.uniform(-.3, .3), y, .25 + rng.random() * .55)
        u = [rng.gauss(0, .08) for _ in range(3)]
        v = [rng.gauss(0, .08) for _ in range(3)]
        hedge.face([[at[n] - u[n] for n in range(3)], [at[n] + v[n] for n in range(3)], [at[n] + u[n] for n in range(3)]], rng.choice(["leaf_a", "leaf_b", "leaf_c"]))
    hedge.build()
    houses.block((-28, -10, .15), (0, 1), 46, 16, 3, "wall_white", rng, balconies=0, sides=(False, True))
    houses.block((-28, 44, .15), (0, 1), 50, 16, 7, "wall_blue", rng, balconies=.1)
    houses.block((17, 20, .15), (0, -1), 26, 14, 5, "wall_grey", rng, balconies=.2)
    houses.block((17, 60, .15), (0, -1), 34, 14, 7, "wall_cream", rng, balconies=.2)
    houses.block((17, 112, .15), (0, -1), 44, 14, 9, "wall_brick", rng, balconies=.2)
    houses.block((-70, 150, .15), (1, 0), 140, 14, 14, "wall_blue", rng, shops=False)
    lamps(p, [((-8.4, 8), (1, 0)), ((-8.4, 30), (1, 0)), ((-8.4, 52), (1, 0)), ((13.1, 18), (-1, 0)), ((13.1, 40), (-1, 0)), ((-8.4, 19), (-1, 0)), ((-24.6, 12), (1, 0)), ((-24.6, 30), (1, 0))])
    for y in (2, 14, 24, 36, 47, 58):
        props.tree((-8.4, y + 1.5, .15), rng.uniform(5.5, 7), rng)
        props.tree((14.2, y + 4, .15), rng.uniform(5.5, 7), rng)
    for y in (11, 29):
        props.bin_((13.3, y, .15))
        props.bin_((13.3, y + .8, .15), "bin_grey")
    clutter(rng, 14.6, 13, "bench")
    clutter(rng, 13.6, 21, "bikes")
    hills(rng)
    for x in (3.1, 5.8):
        p.lane((x, -20, 0), (x, 150, 0), speed=11, kinds=("car", "bus", "truck"))
    p.lane((8.6, -20, 0), (8.6, 150, 0), speed=9, kinds=("car",))
    p.lane((11.2, -20, 0), (11.2, 150, 0), speed=5, kinds=("scooter",))
    for x in (-1.0, -3.7, -6.2):
        p.lane((x, 150, 0), (x, -20, 0), speed=11, kinds=("car", "truck", "bus"))
    p.lane((-16.8, -12, 0), (-16.8, 60, 0), speed=3, kinds=("car",))
    p.walk((14.9, -8, .15), (14.9, 90, .15))
    p.walk((15.6, 90, .15), (15.6, -8, .15))
    p.walk((-26.4, 60, .15), (-26.4, 0, .15))
    p.walk((-18, 2, 0), (-17.2, 40, 0))
    p.spot("vehicle", (-12.1, 13.9, 1.0), "fire smoke", "vehicle", 1.8)
    p.spot("bin", (13.3, 11.4, 1.2), "fire smoke", "bin", .9)
    p.spot("road", (4.4, 14, 0), "fire smoke", "road", 1.4)
    p.spot("shop", (-27.4, 26.0, 1.6), "fire smoke", "shop", 2.0)
    p.spot("car_park", (-16.8, 17, 0), "fire smoke littering machinery", "road", 1.4)
    p.spot("pavement", (13.6, 9.2, .15), "littering", "pavement", 1.2)
    p.spot("verge", (-10.2, 9, 0), "littering", "road", 1.5)
    p.spot("avenue", (5, 10, 0), "waterlogging", "road")
    p.spot("works", (9.6, 18, 0), "machinery", "road", 1.0)
    p.spot("facade", (0, 0, 0), "scaffolding", "facade")
    p.scaffold = dict(origin=(-27.8, 12, .15), along=(0, 1), length=18, height=12, outward=(1, 0))
    p.flags = [(-8.4, 10, 3.6), (-8.4, 22, 3.6), (-8.4, 34, 3.6)]
    p.neon = [(16.7, 26, 4.4)]
    return p


ALL = [junction, residential, market, underpass, site, avenue]
