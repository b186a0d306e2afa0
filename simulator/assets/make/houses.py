"""Blocks of flats, shops and signs."""
import math
import bpy
import materials
from mesh import Mesh

SIGNS = ["便利店", "兰州拉面", "药房", "烟酒茶", "水果超市", "家常菜馆", "理发店", "五金建材", "手机维修", "鲜花", "面包房", "宾馆", "川菜", "中国银行", "眼镜", "牙科", "服装", "打印"]
GLASSES = ["win_warm", "win_white", "win_dim", "glass", "glass", "glass", "glass", "glass"]


def words(text, at, along, size, material="letters", tilt=math.pi / 2):
    """Letters on a wall that runs along a unit vector and faces its right-hand side."""
    curve = bpy.data.curves.new("words", "FONT")
    curve.body, curve.size, curve.extrude = text, size, .02
    curve.align_x, curve.align_y = "CENTER", "CENTER"
    curve.materials.append(materials.get(material))
    thing = bpy.data.objects.new("words", curve)
    thing.location = at
    thing.rotation_euler = (tilt, 0, math.atan2(along[1], along[0]))
    thing.pass_index = 3
    bpy.context.scene.collection.objects.link(thing)


class Wall:
    """A wall on the ground line from origin along a unit vector; its face looks to the right of that vector."""

    def __init__(self, mesh, origin, along):
        self.m, self.o, self.u = mesh, origin, along
        self.n = (along[1], -along[0])

    def at(self, s, out, z):
        return (self.o[0] + self.u[0] * s + self.n[0] * out, self.o[1] + self.u[1] * s + self.n[1] * out, self.o[2] + z)

    def quad(self, s0, s1, z0, z1, out, material):
        self.m.face([self.at(s0, out, z0), self.at(s1, out, z0), self.at(s1, out, z1), self.at(s0, out, z1)], material)

    def block(self, s0, s1, z0, z1, out0, out1, material):
        mid = self.at((s0 + s1) / 2, (out0 + out1) / 2, (z0 + z1) / 2)
        self.m.slab(mid, (self.u[0], self.u[1], 0), (s1 - s0, abs(out1 - out0), z1 - z0), material)

    def opening(self, s0, s1, z0, z1, ws0, ws1, wz0, wz1, material, glass, deep=.18):
        """A bay of wall with one recessed window."""
        self.quad(s0, s1, z0, wz0, 0, material)
        self.quad(s0, s1, wz1, z1, 0, material)
        self.quad(s0, ws0, wz0, wz1, 0, material)
        self.quad(ws1, s1, wz0, wz1, 0, material)
        self.m.face([self.at(ws0, 0, wz0), self.at(ws1, 0, wz0), self.at(ws1, -deep, wz0), self.at(ws0, -deep, wz0)], "concrete")
        self.m.face([self.at(ws0, -deep, wz1), self.at(ws1, -deep, wz1), self.at(ws1, 0, wz1), self.at(ws0, 0, wz1)], material)
        self.m.face([self.at(ws0, 0, wz0), self.at(ws0, -deep, wz0), self.at(ws0, -deep, wz1), self.at(ws0, 0, wz1)], material)
        self.m.face([self.at(ws1, -deep, wz0), self.at(ws1, 0, wz0), self.at(ws1, 0, wz1), self.at(ws1, -deep, wz1)], material)
        self.quad(ws0, ws1, wz0, wz1, -deep, glass)
        mid = (ws0 + ws1) / 2
        for a in (ws0 + .03, mid, ws1 - .03):
            self.block(a - .03, a + .03, wz0, wz1, -deep, -deep + .05, "frame")
        self.block(ws0, ws1, wz0 + (wz1 - wz0) * .66, wz0 + (wz1 - wz0) * .66 + .05, -deep, -deep + .05, "frame")


def flats(mesh, origin, along, length, floors, wall, rng, shops=True, balconies=.4, bay=3.3, lit=True):
    """One face of a block: shops below, windows, balconies and air conditioners above."""
    w = Wall(mesh, origin, along)
    count = max(1, round(length / bay))
    bay = length / count
    z = 0.0
    if shops:
        shopfronts(w, length, rng)
        z = 3.9
    columns = [rng.random() < balconies for _ in range(count)]
    for floor in range(floors):
        for i in range(count):
            s0, s1 = i * bay, (i + 1) * bay
            glass = rng.choice(GLASSES) if lit else "glass"
            if columns[i]:
                w.opening(s0, s1, z, z + 3, s0 + .5, s1 - .5, z + .2, z + 2.5, wall, glass)
                w.block(s0 + .25, s1 - .25, z - .05, z + .1, 0, 1.1, "concrete")
                w.block(s0 + .25, s1 - .25, z + .1, z + 1.0, 1.02, 1.1, rng.choice([wall, "frame", "wall_white"]))
                if rng.random() < .6:
                    w.block(s0 + .28, s1 - .28, z + 1.0, z + 2.7, 1.04, 1.07, "glass")
                    for k in range(5):
                        a = s0 + .28 + (bay - .56) * k / 4
                        w.block(a - .025, a + .025, z + 1.0, z + 2.7, 1.02, 1.1, "frame")
                elif rng.random() < .7:
                    for k in range(rng.randint(2, 5)):
                        a = s0 + .4 + rng.random() * (bay - 1.2)
                        w.block(a, a + .4, z + 1.3, z + 2.1, .9, .93, rng.choice(["white_cloth", "blue_cloth", "red_cloth", "paper", "green_cloth"]))
            else:
                w.opening(s0, s1, z, z + 3, s0 + .75, s1 - .75, z + .95, z + 2.45, wall, glass)
                if rng.random() < .45:
                    a = s0 + (.1 if rng.random() < .5 else bay - .85)
                    w.block(a, a + .75, z + .35, z + .95, .03, .38, "white_paint")
                    w.quad(a + .1, a + .5, z + .42, z + .88, .385, "frame_dark")
                if rng.random() < .25:
                    w.block(s0 + .65, s1 - .65, z + 2.5, z + 2.56, 0, .6, rng.choice(["green_cloth", "blue_cloth", "metal"]))
        z += 3
    w.quad(0, length, z, z + .8, 0, wall)
    w.block(-.1, length + .1, z + .8, z + .95, -.2, .15, "concrete")
    return z


def shopfronts(w, length, rng):
    """Shop windows, shutters and lit sign boards 3.9 m high."""
    s = 0.0
    while s < length - .5:
        wide = min(rng.uniform(3.6, 5.5), length - s)
        w.block(s, s + .25, 0, 3.9, -.2, .08, "concrete")
        if rng.random() < .25:
            w.quad(s + .25, s + wide, 0, 2.75, -.08, "galvanised")
        else:
            w.quad(s + .25, s + wide, 0, .35, -.05, "concrete_dark")
            w.quad(s + .25, s + wide, .35, 2.75, -.35, rng.choice(["shop_light", "win_white", "shop_light", "glass"]))
            for k in range(4):
                a = s + .25 + (wide - .25) * k / 3
                w.block(a - .03, a + .03, .35, 2.75, -.3, -.22, "frame")
            w.quad(s + .4, s + wide * .5, .35, 2.3, -.2, "glass")
        sign = rng.choice(["sign_red", "sign_red", "sign_blue", "sign_yellow", "sign_white", "sign_green"])
        w.block(s + .1, s + wide - .1, 2.75, 3.75, 0, .22, sign if rng.random() < .55 else "wall_brick")
        text = rng.choice(SIGNS)
        at = w.at(s + wide / 2, .25, 3.25)
        words(text, at, w.u, min(.78, (wide - .8) / max(len(text), 1)), "sign_red" if sign == "sign_white" else rng.choice(["letters", "letters_gold"]))
        s += wide
    w.quad(0, length, 3.75, 3.95, .02, "concrete")


def block(origin, along, length, depth, floors, wall, rng, shops=True, sides=(True, True), balconies=.4):
    """A whole house: front along the line, sides going back from it."""
    m = Mesh("house")
    n = (along[1], -along[0])
    z = flats(m, origin, along, length, floors, wall, rng, shops, balconies)
    back = lambda s, d: (origin[0] + along[0] * s - n[0] * d, origin[1] + along[1] * s - n[1] * d, origin[2])
    total = z + .8
    left, right = back(0, depth), back(length, 0)
    if sides[0]:
        flats(m, left, n, depth, floors + (1 if shops else 0), wall, rng, False, 0, 4.2)
    if sides[1]:
        flats(m, right, (-n[0], -n[1]), depth, floors + (1 if shops else 0), wall, rng, False, 0, 4.2)
    corners = [back(0, 0), back(length, 0), back(length, depth), back(0, depth)]
    m.face([(c[0], c[1], c[2] + total - .7) for c in corners], "roof")
    a, b = corners[3], corners[2]
    m.face([b, a, (a[0], a[1], a[2] + total), (b[0], b[1], b[2] + total)], wall)
    m.build()
    return total
