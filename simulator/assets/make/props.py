"""Things that stand or drive in a street. Vehicles point along +x with their middle on the origin."""
import math
import random
import bpy
from mesh import Mesh


def loft(mesh, rings, material, close=True):
    """Joins rings of equally many points; caps both ends."""
    count = len(rings[0])
    for a, b in zip(rings, rings[1:]):
        for i in range(count):
            j = (i + 1) % count
            mesh.face([a[i], a[j], b[j], b[i]], material)
    if close:
        mesh.face(rings[0][::-1], material)
        mesh.face(rings[-1], material)


def limb(mesh, a, b, ra, rb, material, sides=10):
    """A capsule that tapers from a to b."""
    ax = [b[n] - a[n] for n in range(3)]
    length = math.sqrt(sum(x * x for x in ax)) or 1e-6
    ax = [x / length for x in ax]
    ref = (0, 1, 0) if abs(ax[1]) < 0.9 else (1, 0, 0)
    s = [ax[1] * ref[2] - ax[2] * ref[1], ax[2] * ref[0] - ax[0] * ref[2], ax[0] * ref[1] - ax[1] * ref[0]]
    n = math.sqrt(sum(x * x for x in s))
    s = [x / n for x in s]
    o = [ax[1] * s[2] - ax[2] * s[1], ax[2] * s[0] - ax[0] * s[2], ax[0] * s[1] - ax[1] * s[0]]
    rings = []
    for along, r in ((-0.9 * ra, 0.43 * ra), (-0.5 * ra, 0.86 * ra), (0, ra), (length * 0.5, (ra + rb) / 2), (length, rb), (length + 0.5 * rb, 0.86 * rb), (length + 0.9 * rb, 0.43 * rb)):
        rings.append([[a[k] + ax[k] * along + (s[k] * math.cos(t) + o[k] * math.sin(t)) * r for k in range(3)] for t in [2 * math.pi * i / sides for i in range(sides)]])
    loft(mesh, rings, material)


def ellipsoid(mesh, center, radii, material, rows=8, cols=12, lump=None):
    rings = []
    for i in range(1, rows):
        lat = math.pi * i / rows - math.pi / 2
        ring = []
        for j in range(cols):
            lon = 2 * math.pi * j / cols
            k = lump(lat, lon) if lump else 1
            ring.append([center[0] + radii[0] * k * math.cos(lat) * math.cos(lon), center[1] + radii[1] * k * math.cos(lat) * math.sin(lon), center[2] + radii[2] * k * math.sin(lat)])
        rings.append(ring)
    loft(mesh, rings, material)


def moved(thing, at, turn=0.0, scale=1.0):
    thing.location, thing.rotation_euler, thing.scale = at, (0, 0, turn), (scale,) * 3
    return thing


SEDAN = dict(
    hull=[(-2.30, .36, .78, .70), (-2.22, .26, .93, .83), (-1.6, .22, .98, .90), (-.8, .20, .97, .91), (.5, .20, .95, .91), (1.2, .20, .91, .90), (1.9, .22, .80, .86), (2.22, .26, .68, .78), (2.32, .36, .58, .62)],
    belt=(-1.85, 1.25, .86, .93), roof=(-1.05, .30, .64, 1.46), wheels=(-1.38, 1.38, .33), lights=(2.18, .66, -2.26, .80, .64))
SUV = dict(
    hull=[(-2.25, .42, .95, .80), (-2.18, .34, 1.08, .90), (-1.5, .30, 1.10, .95), (-.8, .28, 1.09, .95), (.5, .28, 1.07, .95), (1.2, .28, 1.05, .94), (1.9, .30, .98, .90), (2.2, .34, .86, .82), (2.28, .44, .74, .70)],
    belt=(-2.10, 1.25, .90, 1.05), roof=(-1.80, .45, .72, 1.74), wheels=(-1.38, 1.38, .38), lights=(2.17, .84, -2.20, 1.02, .70))
VAN = dict(
    hull=[(-2.45, .40, 1.0, .84), (-2.40, .30, 1.1, .90), (-1.5, .28, 1.12, .92), (.5, .28, 1.1, .92), (1.6, .28, 1.08, .92), (2.15, .30, .98, .88), (2.40, .40, .80, .76)],
    belt=(-2.40, 2.05, .90, 1.07), roof=(-2.30, 1.15, .76, 1.98), wheels=(-1.55, 1.5, .33), lights=(2.30, .80, -2.44, 1.0, .68))


def car(form, paint="car_paint", name="car", blind=()):
    """A passenger vehicle from its side profile; `blind` lists windows that are panels, as on a delivery van."""
    hull = Mesh(name)
    rings = []
    for x, zb, zt, hw in form["hull"]:
        zm = zb + (zt - zb) * 0.62
        rings.append([(x, -hw * .9, zb), (x, -hw, zb + .12), (x, -hw, zm), (x, -hw * .93, zt - .03), (x, -hw * .6, zt), (x, hw * .6, zt), (x, hw * .93, zt - .03), (x, hw, zm), (x, hw, zb + .12), (x, hw * .9, zb)])
    loft(hull, rings, paint)
    body = hull.build(smooth=True)
    body.modifiers.new("round", "SUBSURF").levels = 2
    body.modifiers["round"].render_levels = 2
    top = Mesh(name + "_top")
    bx0, bx1, bw, bz = form["belt"]
    rx0, rx1, rw, rz = form["roof"]
    belt = [(bx0, -bw, bz - .08), (bx1, -bw, bz - .08), (bx1, bw, bz - .08), (bx0, bw, bz - .08)]
    brow = [(rx0 - .06, -rw - .015, rz - .07), (rx1 + .1, -rw - .015, rz - .07), (rx1 + .1, rw + .015, rz - .07), (rx0 - .06, rw + .015, rz - .07)]
    roof = [(rx0 + .08, -rw + .06, rz), (rx1 - .08, -rw + .06, rz), (rx1 - .08, rw - .06, rz), (rx0 + .08, rw - .06, rz)]
    loft(top, [belt, brow, roof], paint)
    for side, (i, j) in enumerate(((0, 1), (1, 2), (2, 3), (3, 0))):
        if side in blind:
            continue
        parts = [(0.05, 0.5), (0.53, 0.95)] if side in (0, 2) else [(0.07, 0.93)]
        for s, e in parts:
            pane(top, belt[i], belt[j], brow[j], brow[i], s, e, 0.17, 0.93)
    top.build()
    parts = Mesh(name + "_parts")
    hw = max(s[3] for s in form["hull"])
    rear, front, radius = form["wheels"]
    for x in (rear, front):
        for side in (-1, 1):
            y = side * (hw - .10)
            parts.rod((x, y - .11, radius), (x, y + .11, radius), radius, "rubber", 20)
            parts.rod((x, y + side * .112, radius), (x, y + side * .125, radius), radius * .62, "galvanised", 14)
            parts.rod((x, side * (hw - .005), radius + .02), (x, side * (hw + .004), radius + .02), radius * 1.16, "black", 20)
    fx, fz, tx, tz, ly = form["lights"]
    for side in (-1, 1):
        ellipsoid(parts, (fx - .05, side * ly, fz), (.13, .2, .085), "headlight")
        ellipsoid(parts, (tx + .06, side * ly, tz), (.10, .2, .10), "taillight")
        parts.box((bx1 - .55, side * (hw + .02) - .09, bz), (bx1 - .4, side * (hw + .02) + .09, bz + .13), paint)
    first, last = form["hull"][0], form["hull"][-1]
    parts.box((last[0] - .06, -.26, .42), (last[0] + .025, .26, .55), "plate")
    parts.box((first[0] - .03, -.26, .55), (first[0] + .06, .26, .68), "plate")
    parts.box((last[0] - .08, -.5, last[1] - .06), (last[0] + .012, .5, last[1] + .06), "black")
    parts.build()


def pane(mesh, a, b, c, d, s, e, low, high):
    """Glass on part of the quad a b c d (a b below), a little outside it."""
    mix = lambda p, q, t: [p[n] + (q[n] - p[n]) * t for n in range(3)]
    at = lambda u, v: mix(mix(a, b, u), mix(d, c, u), v)
    quad = [at(s, low), at(e, low), at(e, high), at(s, high)]
    mid = [sum(p[n] for p in (a, b, c, d)) / 4 for n in range(3)]
    norm = math.hypot(mid[0], mid[1]) or 1
    out = (0, math.copysign(.012, mid[1]), .004) if abs(mid[1]) > .3 else (math.copysign(.012, mid[0]), 0, .006)
    mesh.face([[p[n] + out[n] for n in range(3)] for p in quad], "glass")


def truck(paint="car_paint"):
    """A box lorry for deliveries."""
    m = Mesh("truck")
    m.box((-3.0, -1.05, .95), (1.35, 1.05, 3.0), "white_cloth")
    for x in (-3.0, -1.55, -.1, 1.35):
        for side in (-1, 1):
            m.box((x - .03, side * 1.05 - .015, .95), (x + .03, side * 1.05 + .015, 3.0), "galvanised")
    cab = [[(x, y, z) for x, y, z in ((1.45, -.98, .5), (3.05, -.98, .5), (3.05, .98, .5), (1.45, .98, .5))],
           [(1.45, -1.0, 1.45), (3.1, -1.0, 1.45), (3.1, 1.0, 1.45), (1.45, 1.0, 1.45)],
           [(1.5, -.9, 2.35), (2.65, -.9, 2.35), (2.65, .9, 2.35), (1.5, .9, 2.35)]]
    loft(m, cab, paint)
    pane(m, cab[1][1], cab[1][2], cab[2][2], cab[2][1], .08, .92, .1, .9)
    pane(m, cab[1][0], cab[1][1], cab[2][1], cab[2][0], .35, .92, .1, .9)
    pane(m, cab[1][2], cab[1][3], cab[2][3], cab[2][2], .08, .65, .1, .9)
    m.box((-3.0, -.45, .55), (2.9, .45, .95), "frame_dark")
    for x in (-1.9, 2.35):
        for side in (-1, 1):
            m.rod((x, side * .75, .42), (x, side * 1.02, .42), .42, "rubber", 18)
            m.rod((x, side * 1.02, .42), (x, side * 1.035, .42), .24, "galvanised", 12)
    for side in (-1, 1):
        m.box((3.04, side * .75 - .18, .72), (3.13, side * .75 + .18, .92), "headlight")
        m.box((-3.06, side * .85 - .12, .72), (-2.98, side * .85 + .12, .9), "taillight")
    m.box((3.03, -.95, .45), (3.12, .95, .66), "frame_dark")
    m.build()


def bus(paint="car_paint"):
    m = Mesh("bus")
    m.box((-5.2, -1.25, .35), (5.2, 1.25, 1.25), paint)
    m.box((-5.2, -1.25, 2.45), (5.2, 1.25, 3.05), "white_cloth")
    m.box((-5.15, -1.2, 1.2), (5.15, 1.2, 2.5), "glass")
    for i in range(9):
        x = -5.2 + i * 1.3
        for side in (-1, 1):
            m.box((x - .06, side * 1.22 - .04, 1.2), (x + .06, side * 1.22 + .04, 2.5), paint)
    for x in (-3.2, 3.2):
        for side in (-1, 1):
            m.rod((x, side * 1.05, .5), (x, side * 1.27, .5), .5, "rubber", 18)
    for side in (-1, 1):
        m.box((5.18, side * .9 - .22, .6), (5.26, side * .9 + .22, .85), "headlight")
        m.box((-5.26, side * 1.0 - .12, .7), (-5.18, side * 1.0 + .12, 1.1), "taillight")
    m.box((5.16, -.9, 2.55), (5.24, .9, 2.9), "letters_gold")
    m.build()


def person(phase=0.0, walking=True, skirt=False, umbrella=None, name="person"):
    """A walker facing +x; phase 0..1 through a stride of two steps."""
    m = Mesh(name)
    swing = math.sin(2 * math.pi * phase) * (0.5 if walking else 0.06)
    bob = 0.02 * math.cos(4 * math.pi * phase) if walking else 0
    hip, shoulder = .92 + bob, 1.42 + bob
    for side, sign in ((-1, 1), (1, -1)):
        a = swing * sign
        lift = max(0.0, -math.cos(2 * math.pi * phase + (0 if sign > 0 else math.pi))) * (0.7 if walking else 0)
        knee = (math.sin(a) * .44, side * .09, hip - math.cos(a) * .44)
        foot = (knee[0] + math.sin(a - lift) * .44, side * .09, max(.06, knee[2] - math.cos(a - lift) * .44))
        limb(m, (0, side * .09, hip), knee, .095, .07, "cloth_two")
        limb(m, knee, foot, .068, .05, "cloth_two")
        limb(m, foot, (foot[0] + .14, foot[1], foot[2] - .02), .05, .045, "shoe")
        b = -a * .8
        elbow = (math.sin(b) * .28, side * .23, shoulder - .04 - math.cos(b) * .28)
        hand = (elbow[0] + math.sin(b + .35) * .25, side * .21, elbow[2] - math.cos(b + .35) * .25)
        if umbrella and side == 1:
            elbow, hand = (.1, .24, shoulder - .28), (.22, .16, shoulder - .12)
        limb(m, (0, side * .19, shoulder - .03), elbow, .062, .05, "cloth_one")
        limb(m, elbow, hand, .045, .035, "cloth_one")
        limb(m, hand, (hand[0] + .02, hand[1], hand[2] - .06), .036, .03, "skin")
    rings = []
    for z, rx, ry in ((hip - .12, .10, .15), (hip, .115, .165), (hip + .15, .10, .145), (shoulder - .15, .115, .175), (shoulder - .02, .10, .19), (shoulder + .05, .055, .09)):
        rings.append([(rx * math.cos(t), ry * math.sin(t), z) for t in [2 * math.pi * i / 14 for i in range(14)]])
    loft(m, rings, "cloth_one")
    if skirt:
        rings = []
        for z, r in ((hip + .02, .15), (hip - .2, .21), (hip - .45, .25)):
            rings.append([(r * math.cos(t), r * math.sin(t), z) for t in [2 * math.pi * i / 14 for i in range(14)]])
        loft(m, rings, "cloth_two")
    limb(m, (0, 0, shoulder + .03), (.01, 0, shoulder + .1), .055, .05, "skin")
    ellipsoid(m, (.02, 0, shoulder + .22), (.105, .085, .125), "skin")
    ellipsoid(m, (-.015, 0, shoulder + .255), (.108, .096, .112), "hair")
    if umbrella:
        m.rod((.22, .1, shoulder - .1), (.1, .05, shoulder + .62), .012, "metal", 6)
        rings = []
        for r, z in ((.56, .38), (.42, .52), (.22, .61), (.02, .64)):
            rings.append([(.1 + r * math.cos(t), .05 + r * math.sin(t), shoulder + z) for t in [2 * math.pi * i / 16 for i in range(16)]])
        loft(m, rings, umbrella, close=False)
    m.build(smooth=True)


def scooter():
    """An electric scooter with its rider."""
    m = Mesh("scooter")
    for x in (-.62, .62):
        m.rod((x, -.05, .24), (x, .05, .24), .24, "rubber", 16)
    limb(m, (-.55, 0, .55), (-.05, 0, .52), .17, .15, "car_paint")
    limb(m, (-.1, 0, .32), (.4, 0, .32), .1, .1, "car_paint")
    limb(m, (.42, 0, .35), (.5, 0, .95), .12, .07, "car_paint")
    m.rod((.48, -.3, 1.0), (.48, .3, 1.0), .02, "black", 6)
    ellipsoid(m, (.56, 0, .85), (.06, .08, .07), "headlight")
    ellipsoid(m, (-.74, 0, .6), (.04, .08, .05), "taillight")
    limb(m, (-.25, 0, .82), (-.15, 0, 1.30), .16, .17, "cloth_one")
    for side in (-1, 1):
        limb(m, (-.22, side * .1, .76), (.18, side * .14, .66), .09, .07, "cloth_two")
        limb(m, (.18, side * .14, .66), (.22, side * .12, .36), .065, .05, "cloth_two")
        limb(m, (-.14, side * .2, 1.3), (.12, side * .26, 1.1), .06, .05, "cloth_one")
        limb(m, (.12, side * .26, 1.1), (.44, side * .24, 1.04), .045, .04, "cloth_one")
    ellipsoid(m, (-.08, 0, 1.58), (.11, .09, .13), "skin")
    ellipsoid(m, (-.10, 0, 1.63), (.14, .125, .125), "car_white")
    m.box((-1.0, -.2, .72), (-.6, .2, 1.1), "bag_blue")
    m.build(smooth=True)


def excavator(reach=0.0, dig=0.0):
    """Tracks, house, cab and an arm; reach and dig in 0..1 move the arm."""
    m = Mesh("excavator")
    for side in (-1, 1):
        y = side * 1.15
        rings = []
        for k in (-.3, .3):
            ring = []
            for i in range(24):
                t = 2 * math.pi * i / 24
                ring.append((1.35 * (1 if math.cos(t) > 0 else -1) + .45 * math.cos(t), y + k, .45 + .45 * math.sin(t)))
            rings.append(ring)
        loft(m, rings, "rubber")
        for x in (-1.3, -.65, 0, .65, 1.3):
            m.rod((x, y - .33, .36), (x, y + .33, .36), .2, "metal", 10)
    m.box((-1.0, -.85, .5), (1.0, .85, .95), "frame_dark")
    m.box((-2.2, -1.3, 1.0), (.3, 1.3, 1.9), "yellow")
    m.box((-2.6, -1.25, 1.0), (-2.0, 1.25, 2.0), "frame_dark")
    m.box((.3, -1.3, 1.0), (1.3, -.35, 1.5), "yellow")
    m.box((-.3, .25, 1.0), (1.45, 1.3, 1.55), "yellow")
    m.box((-.28, .28, 1.55), (1.42, 1.27, 2.75), "glass")
    for x in (-.28, .55, 1.42):
        for y in (.28, 1.27):
            m.rod((x, y, 1.5), (x, y, 2.8), .05, "yellow", 6)
    m.box((-.36, .2, 2.75), (1.5, 1.35, 2.86), "yellow")
    m.rod((-1.5, -.8, 1.9), (-1.5, -.8, 2.4), .07, "metal")
    a1 = math.radians(48 + 14 * reach)
    a2 = math.radians(12 + 10 * reach)
    base = (1.1, -.25, 1.5)
    elbow0 = (base[0] + 2.4 * math.cos(a1), -.25, base[2] + 2.4 * math.sin(a1))
    elbow = (elbow0[0] + 2.3 * math.cos(a2), -.25, elbow0[2] + 2.3 * math.sin(a2))
    a3 = math.radians(-115 + 40 * reach - 15 * dig)
    wrist = (elbow[0] + 2.6 * math.cos(a3), -.25, elbow[2] + 2.6 * math.sin(a3))
    segment(m, base, elbow0, .42, .36)
    segment(m, elbow0, elbow, .42, .34)
    segment(m, elbow, wrist, .34, .28)
    m.rod((1.2, -.45, 1.3), [(base[n] + elbow0[n]) / 2 for n in range(3)], .07, "galvanised")
    m.rod([(elbow0[n] * .6 + elbow[n] * .4) for n in range(3)][:2] + [elbow0[2] + .35], (elbow[0] - .1, -.25, elbow[2] + .3), .08, "galvanised")
    b = a3 - math.radians(20 + 50 * dig)
    tip = (wrist[0] + .9 * math.cos(b), -.25, wrist[2] + .9 * math.sin(b))
    m.slab([(wrist[n] + tip[n]) / 2 for n in range(3)], [math.cos(b), 0, math.sin(b)], (.95, 1.0, .55), "frame_dark")
    for k in (-.4, 0, .4):
        m.slab((tip[0], -.25 + k, tip[2]), [math.cos(b), 0, math.sin(b)], (.3, .1, .08), "metal")
    thing = m.build()
    bevel(thing, .05)


def segment(m, a, b, height, width):
    d = [b[n] - a[n] for n in range(3)]
    l = math.sqrt(sum(x * x for x in d))
    m.slab([(a[n] + b[n]) / 2 for n in range(3)], [x / l for x in d], (l + .3, width, height), "yellow")


def bevel(thing, width):
    modifier = thing.modifiers.new("edge", "BEVEL")
    modifier.width, modifier.segments = width, 2
    modifier.limit_method = "ANGLE"


def tree(at, height, rng, leaves=2600):
    """A trunk with boughs and leaves in clumps."""
    m = Mesh("tree")
    x, y, z = at
    fork = height * 0.38
    m.rod((x, y, z), (x + rng.uniform(-.15, .15), y, z + fork), height * .022, "bark")
    for _ in range(11):
        t, r = rng.uniform(0, 2 * math.pi), height * rng.uniform(.06, .25)
        c = (x + r * math.cos(t), y + r * math.sin(t), z + height * rng.uniform(.48, .92))
        m.rod((x, y, z + fork * .9), c, height * .008, "bark", 5)
        spread = height * rng.uniform(.10, .17)
        kind = rng.choice(["leaf_a", "leaf_b", "leaf_c"])
        for _ in range(leaves // 11):
            d = [rng.gauss(0, .5) for _ in range(3)]
            p = [c[n] + d[n] * spread * (1, 1, .7)[n] for n in range(3)]
            u = [rng.gauss(0, 1) for _ in range(3)]
            v = [rng.gauss(0, 1) for _ in range(3)]
            s = rng.uniform(.09, .2)
            nu, nv = math.sqrt(sum(k * k for k in u)), math.sqrt(sum(k * k for k in v))
            u, v = [k / nu * s for k in u], [k / nv * s * .7 for k in v]
            m.face([[p[n] - u[n] for n in range(3)], [p[n] + v[n] for n in range(3)], [p[n] + u[n] for n in range(3)], [p[n] - v[n] for n in range(3)]], kind)
    m.build()


def lamp(at, toward, height=8.0, reach=1.8):
    """A street lamp whose arm points along a unit vector; returns where its light is."""
    m = Mesh("lamp")
    x, y, z = at
    m.rod((x, y, z), (x, y, z + height), .09, "galvanised")
    m.rod((x, y, z), (x, y, z + .8), .15, "galvanised")
    end = (x + toward[0] * reach, y + toward[1] * reach, z + height + .35)
    m.rod((x, y, z + height), end, .05, "galvanised")
    m.slab(end, (toward[0], toward[1], 0), (.75, .3, .1), "frame")
    m.slab((end[0], end[1], end[2] - .06), (toward[0], toward[1], 0), (.6, .24, .02), "lamp_head")
    m.build()
    return (end[0], end[1], end[2] - .2)


def bin_(at, kind="bin_green", name="bin"):
    """A wheeled refuse bin."""
    m = Mesh(name)
    x, y, z = at
    m.box((x - .3, y - .35, z + .08), (x + .3, y + .35, z + 1.0), kind)
    m.box((x - .34, y - .4, z + 1.0), (x + .34, y + .38, z + 1.1), kind)
    m.box((x - .34, y + .3, z), (x + .34, y + .42, z + .18), "rubber")
    bevel(m.build(), .03)


def bag(mesh, at, radius, material, rng):
    """A tied bag: a lumpy ball with a knot."""
    waves = [(rng.uniform(1, 5), rng.uniform(1, 6), rng.uniform(0, 6), rng.uniform(.02, .07)) for _ in range(7)]
    lump = lambda lat, lon: 1 + sum(a * math.sin(round(f) * lon + p) * math.cos(g * lat + p) for f, g, p, a in waves)
    squash = rng.uniform(.75, .95)
    ellipsoid(mesh, (at[0], at[1], at[2] + radius * squash * .85), (radius, radius * rng.uniform(.85, 1.1), radius * squash), material, 14, 22, lump)
    top = at[2] + radius * squash * 1.8
    mesh.rod((at[0], at[1], top - .05), (at[0] + .02, at[1], top + .07), radius * .12, material, 6)
    for t in (0.5, 2.5, 4.4):
        mesh.rod((at[0], at[1], top + .05), (at[0] + .12 * math.cos(t), at[1] + .12 * math.sin(t), top + .13), radius * .07, material, 5)


def litter(kind, seed):
    """A heap that somebody left: bags, boxes, or both with loose waste."""
    rng = random.Random(seed)
    bags, boxes = Mesh("bags"), Mesh("boxes")
    colours = ["bag_black", "bag_black", "bag_white", "bag_blue", "bag_red"]
    count = {"bag": 1, "bags": 4, "heap": 9, "boxes": 1}[kind]
    for i in range(count):
        r = rng.uniform(.2, .36)
        spread = .16 * count ** .6
        at = (rng.gauss(0, spread), rng.gauss(0, spread), 0 if i < 6 else rng.uniform(.2, .35))
        bag(bags, at, r, "bag_black" if kind == "bag" else rng.choice(colours), rng)
    for _ in range({"bag": 0, "bags": 1, "heap": 4, "boxes": 5}[kind]):
        t = rng.uniform(0, 6.28)
        size = (rng.uniform(.3, .6), rng.uniform(.25, .45), rng.uniform(.15, .4))
        boxes.slab((rng.gauss(0, .45), rng.gauss(0, .45), size[2] / 2), (math.cos(t), math.sin(t), 0), size, rng.choice(["cardboard", "cardboard", "wood", "white_cloth"]))
    for _ in range({"bag": 2, "bags": 8, "heap": 26, "boxes": 14}[kind]):
        t = rng.uniform(0, 6.28)
        at = (rng.gauss(0, .65), rng.gauss(0, .65), .03)
        boxes.slab(at, (math.cos(t), math.sin(t), rng.uniform(-.2, .2)), (rng.uniform(.08, .25), rng.uniform(.06, .18), .03), rng.choice(["paper", "bag_white", "cardboard", "bag_red", "bag_blue"]))
    if bags.faces:
        bags.build(smooth=True)
    boxes.build()


def scaffold(origin, along, length, height, depth=1.2, outward=(0, -1), net_to=0.0):
    """Tubes, boards and, up to a share of the height, a green net in front of a wall."""
    m, net = Mesh("scaffold"), Mesh("net")
    bays, levels = max(2, round(length / 1.8)), max(2, round(height / 1.9))
    step, rise = length / bays, height / levels
    at = lambda i, j, k: (origin[0] + along[0] * step * i + outward[0] * depth * j, origin[1] + along[1] * step * i + outward[1] * depth * j, origin[2] + rise * k)
    for i in range(bays + 1):
        for j in (0, 1):
            base, top = at(i, j, 0), at(i, j, levels)
            m.rod(base, (top[0], top[1], top[2] + .9), .045, "galvanised", 6)
    for k in range(1, levels + 1):
        for j in (0, 1):
            m.rod(at(0, j, k), at(bays, j, k), .04, "galvanised", 6)
            rail = [at(0, j, k), at(bays, j, k)]
            m.rod((rail[0][0], rail[0][1], rail[0][2] + .9), (rail[1][0], rail[1][1], rail[1][2] + .9), .03, "rust", 6)
        mid = at(bays / 2, .5, k)
        m.slab((mid[0], mid[1], mid[2] + .05), (along[0], along[1], 0), (length, depth * .9, .06), "wood")
        for i in range(bays):
            if (i + k) % 3 == 0:
                m.rod(at(i, 1, k - 1), at(i + 1, 1, k), .035, "rust", 6)
    m.build()
    if net_to > 0:
        low, high = at(0, 1.06, 0.05), at(bays, 1.06, levels * net_to)
        cols = bays * 2
        for c in range(cols):
            a, b = at(c / 2, 1.06, 0.05), at((c + 1) / 2, 1.06, levels * net_to)
            sag = .05 * ((c % 3) - 1)
            net.face([(a[0], a[1] + sag, low[2]), (b[0], b[1] - sag, low[2]), (b[0], b[1] + sag, high[2]), (a[0], a[1] - sag, high[2])], "net")
        net.build()
