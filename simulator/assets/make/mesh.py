"""Meshes built from numbers: boxes, quads, cylinders and lofts that share one list of materials."""
import math
import bpy
import materials


class Mesh:
    """Collects faces with materials and becomes one object."""

    def __init__(self, name):
        self.name, self.verts, self.faces, self.slots, self.names = name, [], [], [], []

    def slot(self, material):
        if material not in self.names:
            self.names.append(material)
        return self.names.index(material)

    def face(self, points, material):
        base = len(self.verts)
        self.verts.extend(tuple(p) for p in points)
        self.faces.append(tuple(range(base, base + len(points))))
        self.slots.append(self.slot(material))

    def box(self, low, high, material, top=None):
        """An axis-aligned box; `top` names another material for the upper face."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        self.face([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], top or material)
        self.face([(x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)], material)
        self.face([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], material)
        self.face([(x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)], material)
        self.face([(x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)], material)
        self.face([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], material)

    def slab(self, center, along, size, material, up=(0, 0, 1)):
        """A box of size (length, width, height) whose length runs along a unit vector in 3-D."""
        ax = along
        up0 = up if abs(ax[2]) < 0.95 else (1, 0, 0)
        side = cross(up0, ax)
        side = scaled(side, 1 / (norm(side) or 1))
        top = cross(ax, side)
        l, w, h = (s / 2 for s in size)
        corner = lambda i, j, k: tuple(center[n] + ax[n] * l * i + side[n] * w * j + top[n] * h * k for n in range(3))
        for axis in range(3):
            for sign in (-1, 1):
                quad = []
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                    ijk = [0, 0, 0]
                    ijk[axis], ijk[(axis + 1) % 3], ijk[(axis + 2) % 3] = sign, a, b
                    quad.append(corner(*ijk))
                self.face(quad if sign > 0 else quad[::-1], material)

    def rod(self, a, b, radius, material, sides=8):
        """A cylinder from a to b."""
        axis = [b[n] - a[n] for n in range(3)]
        axis = scaled(axis, 1 / (norm(axis) or 1))
        side = cross((0, 0, 1) if abs(axis[2]) < 0.9 else (1, 0, 0), axis)
        side = scaled(side, 1 / norm(side))
        other = cross(axis, side)
        ring = []
        for i in range(sides):
            t = 2 * math.pi * i / sides
            ring.append([side[n] * math.cos(t) * radius + other[n] * math.sin(t) * radius for n in range(3)])
        for i in range(sides):
            p, q = ring[i], ring[(i + 1) % sides]
            self.face([add(a, p), add(a, q), add(b, q), add(b, p)], material)
        self.face([add(b, r) for r in ring], material)
        self.face([add(a, r) for r in ring[::-1]], material)

    def build(self, smooth=False, index=3):
        data = bpy.data.meshes.new(self.name)
        verts, faces = welded(self.verts, self.faces) if smooth else (self.verts, self.faces)
        data.from_pydata(verts, [], faces)
        for name in self.names:
            data.materials.append(materials.get(name))
        data.polygons.foreach_set("material_index", self.slots)
        if smooth:
            data.polygons.foreach_set("use_smooth", [True] * len(self.faces))
        data.update()
        thing = bpy.data.objects.new(self.name, data)
        thing.pass_index = index
        bpy.context.scene.collection.objects.link(thing)
        return thing


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def norm(a):
    return math.sqrt(sum(x * x for x in a))


def scaled(a, s):
    return [x * s for x in a]


def add(a, b):
    return [a[n] + b[n] for n in range(3)]


def welded(verts, faces):
    """Joins corners at the same place, so that smoothing and subdivision see one surface."""
    seen, kept, to = {}, [], []
    for v in verts:
        key = tuple(round(x, 4) for x in v)
        if key not in seen:
            seen[key] = len(kept)
            kept.append(v)
        to.append(seen[key])
    return kept, [tuple(to[i] for i in face) for face in faces]
