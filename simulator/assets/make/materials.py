"""Procedural materials. Each can be dried or wetted, and each lamp switched, between passes."""
import bpy

_made = {}
_wet = []      # (principled node, dry roughness, wet roughness, value node, dry value, wet value)
_lamps = []    # (emission strength socket, strength at night)


def reset():
    _made.clear()
    _wet.clear()
    _lamps.clear()


def get(name):
    if name not in _made:
        _made[name] = _build(name)
    return _made[name]


def set_wet(wet):
    for socket, dry, moist in _wet:
        socket.default_value = moist if wet else dry


def set_lamps(on):
    for socket, strength in _lamps:
        socket.default_value = strength if on else 0.0


# name: (colour, roughness, noise scale, noise depth, wet roughness or None, metallic)
PLAIN = {
    "concrete": ((0.32, 0.31, 0.29), 0.9, 0.7, 0.35, 0.45, 0),
    "concrete_dark": ((0.16, 0.16, 0.155), 0.9, 0.5, 0.45, 0.4, 0),
    "wall_cream": ((0.52, 0.46, 0.36), 0.9, 0.35, 0.30, None, 0),
    "wall_pink": ((0.50, 0.36, 0.30), 0.9, 0.35, 0.30, None, 0),
    "wall_grey": ((0.38, 0.39, 0.39), 0.9, 0.35, 0.30, None, 0),
    "wall_brick": ((0.30, 0.15, 0.11), 0.9, 0.6, 0.35, None, 0),
    "wall_white": ((0.62, 0.62, 0.59), 0.85, 0.3, 0.25, None, 0),
    "wall_blue": ((0.26, 0.33, 0.38), 0.9, 0.35, 0.3, None, 0),
    "roof": ((0.20, 0.18, 0.17), 0.95, 0.4, 0.4, None, 0),
    "frame": ((0.45, 0.45, 0.46), 0.5, 3, 0.1, None, 0.2),
    "frame_dark": ((0.06, 0.06, 0.065), 0.5, 3, 0.1, None, 0.2),
    "metal": ((0.30, 0.31, 0.32), 0.45, 3, 0.2, None, 0.6),
    "rust": ((0.22, 0.11, 0.06), 0.8, 4, 0.5, None, 0.2),
    "galvanised": ((0.42, 0.43, 0.44), 0.45, 5, 0.25, None, 0.7),
    "yellow": ((0.75, 0.42, 0.03), 0.45, 2.0, 0.25, None, 0),
    "white_paint": ((0.68, 0.68, 0.66), 0.6, 3, 0.35, 0.25, 0),
    "yellow_paint": ((0.65, 0.42, 0.06), 0.6, 3, 0.35, 0.25, 0),
    "black": ((0.012, 0.012, 0.013), 0.6, 5, 0.2, None, 0),
    "rubber": ((0.02, 0.02, 0.02), 0.85, 6, 0.3, None, 0),
    "bark": ((0.11, 0.075, 0.05), 0.95, 5, 0.4, None, 0),
    "leaf_a": ((0.055, 0.11, 0.025), 0.7, 1.5, 0.4, None, 0),
    "leaf_b": ((0.085, 0.14, 0.03), 0.7, 1.5, 0.4, None, 0),
    "leaf_c": ((0.035, 0.08, 0.02), 0.7, 1.5, 0.4, None, 0),
    "red_cloth": ((0.52, 0.03, 0.025), 0.85, 1.2, 0.25, None, 0),
    "orange_cloth": ((0.65, 0.20, 0.03), 0.85, 1.2, 0.25, None, 0),
    "blue_cloth": ((0.05, 0.16, 0.42), 0.85, 1.2, 0.25, None, 0),
    "green_cloth": ((0.05, 0.26, 0.10), 0.85, 1.2, 0.25, None, 0),
    "white_cloth": ((0.65, 0.65, 0.62), 0.85, 1.2, 0.2, None, 0),
    "net": ((0.035, 0.16, 0.085), 0.9, 1.0, 0.3, None, 0),
    "hoarding": ((0.07, 0.20, 0.42), 0.5, 0.8, 0.25, None, 0),
    "wood": ((0.30, 0.19, 0.09), 0.85, 3, 0.4, None, 0),
    "cardboard": ((0.40, 0.27, 0.15), 0.95, 2.5, 0.25, None, 0),
    "bag_black": ((0.018, 0.018, 0.02), 0.28, 4, 0.3, None, 0),
    "bag_white": ((0.60, 0.60, 0.60), 0.35, 4, 0.15, None, 0),
    "bag_blue": ((0.06, 0.17, 0.45), 0.32, 4, 0.2, None, 0),
    "bag_red": ((0.45, 0.05, 0.05), 0.32, 4, 0.2, None, 0),
    "paper": ((0.70, 0.69, 0.64), 0.9, 3, 0.2, None, 0),
    "skin": ((0.46, 0.27, 0.18), 0.7, 3, 0.05, None, 0),
    "hair": ((0.02, 0.016, 0.013), 0.6, 3, 0.2, None, 0),
    "shoe": ((0.05, 0.05, 0.05), 0.7, 3, 0.2, None, 0),
    "cloth_one": ((0.5, 0.5, 0.5), 0.9, 5, 0.15, None, 0),
    "cloth_two": ((0.32, 0.32, 0.32), 0.9, 5, 0.15, None, 0),
    "car_paint": ((0.5, 0.5, 0.5), 0.25, 1, 0.03, None, 0),
    "car_white": ((0.66, 0.66, 0.65), 0.22, 1, 0.05, None, 0),
    "car_black": ((0.015, 0.015, 0.018), 0.18, 1, 0.05, None, 0),
    "car_silver": ((0.36, 0.37, 0.38), 0.25, 1, 0.05, None, 0.5),
    "car_red": ((0.36, 0.02, 0.02), 0.2, 1, 0.05, None, 0),
    "car_blue": ((0.03, 0.07, 0.20), 0.2, 1, 0.05, None, 0),
    "soil": ((0.20, 0.14, 0.085), 1.0, 0.6, 0.5, 0.5, 0),
    "rubble": ((0.34, 0.31, 0.28), 1.0, 2.5, 0.5, 0.6, 0),
    "grass": ((0.07, 0.12, 0.035), 1.0, 1.2, 0.5, 0.8, 0),
    "bin_green": ((0.03, 0.16, 0.07), 0.5, 3, 0.2, None, 0),
    "bin_grey": ((0.12, 0.125, 0.13), 0.5, 3, 0.2, None, 0),
    "plate": ((0.05, 0.12, 0.45), 0.4, 3, 0.05, None, 0),
}

# name: (colour by day, colour of the light, strength)
GLOWING = {
    "win_warm": ((0.05, 0.05, 0.05), (1.0, 0.62, 0.28), 2.2),
    "win_white": ((0.05, 0.05, 0.05), (0.85, 0.93, 1.0), 2.0),
    "win_dim": ((0.05, 0.05, 0.05), (1.0, 0.55, 0.25), 0.5),
    "shop_light": ((0.12, 0.12, 0.12), (1.0, 0.86, 0.66), 4.0),
    "lamp_head": ((0.5, 0.5, 0.5), (1.0, 0.72, 0.40), 30.0),
    "sign_red": ((0.45, 0.03, 0.03), (1.0, 0.07, 0.04), 3.0),
    "sign_green": ((0.03, 0.30, 0.10), (0.08, 1.0, 0.35), 2.0),
    "sign_blue": ((0.03, 0.12, 0.45), (0.1, 0.35, 1.0), 2.6),
    "sign_yellow": ((0.70, 0.45, 0.04), (1.0, 0.65, 0.1), 2.4),
    "sign_white": ((0.65, 0.65, 0.62), (1.0, 0.97, 0.9), 3.0),
    "letters": ((0.75, 0.72, 0.6), (1.0, 0.93, 0.75), 5.0),
    "letters_gold": ((0.75, 0.5, 0.06), (1.0, 0.72, 0.2), 4.0),
    "lantern": ((0.55, 0.04, 0.03), (1.0, 0.16, 0.05), 5.0),
    "signal_red": ((0.5, 0.02, 0.02), (1.0, 0.03, 0.02), 25.0),
    "signal_green": ((0.02, 0.4, 0.15), (0.05, 1.0, 0.4), 20.0),
    "bulb": ((0.6, 0.6, 0.55), (1.0, 0.78, 0.45), 40.0),
    "headlight": ((0.75, 0.75, 0.72), (1.0, 0.96, 0.85), 0.0),
    "taillight": ((0.40, 0.01, 0.01), (1.0, 0.03, 0.02), 0.0),
}


def _build(name):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    if name in GLOWING:
        day, glow, strength = GLOWING[name]
        shader.inputs["Base Color"].default_value = (*day, 1)
        shader.inputs["Roughness"].default_value = 0.4
        shader.inputs["Emission Color"].default_value = (*glow, 1)
        shader.inputs["Emission Strength"].default_value = 0
        _lamps.append((shader.inputs["Emission Strength"], strength))
    elif name.startswith("glass"):
        shader.inputs["Base Color"].default_value = (0.02, 0.028, 0.035, 1)
        shader.inputs["Roughness"].default_value = 0.06
        shader.inputs["Specular IOR Level"].default_value = 0.9
    elif name == "asphalt":
        _asphalt(nodes, links, shader)
    elif name == "paving":
        _paving(nodes, links, shader)
    else:
        colour, rough, scale, depth, wet, metallic = PLAIN[name]
        _noisy(nodes, links, shader, colour, scale, depth, wet, rough)
        shader.inputs["Roughness"].default_value = rough
        shader.inputs["Metallic"].default_value = metallic
        if wet is not None:
            _wet.append((shader.inputs["Roughness"], rough, wet))
    return material


def _position(nodes):
    return nodes.new("ShaderNodeNewGeometry").outputs["Position"]


def _noise(nodes, links, scale, detail=4.0, stretch=None):
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = detail
    where = _position(nodes)
    if stretch:
        mapping = nodes.new("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = stretch
        links.new(where, mapping.inputs["Vector"])
        where = mapping.outputs["Vector"]
    links.new(where, noise.inputs["Vector"])
    return noise.outputs["Fac"]


def _ramp(nodes, links, fac, low, high):
    ramp = nodes.new("ShaderNodeMapRange")
    ramp.inputs["From Min"].default_value, ramp.inputs["From Max"].default_value = 0.3, 0.7
    ramp.inputs["To Min"].default_value, ramp.inputs["To Max"].default_value = low, high
    links.new(fac, ramp.inputs["Value"])
    return ramp.outputs["Result"]


def _times(nodes, links, *values):
    out = values[0]
    for value in values[1:]:
        product = nodes.new("ShaderNodeMath")
        product.operation = "MULTIPLY"
        links.new(out, product.inputs[0])
        links.new(value, product.inputs[1])
        out = product.outputs[0]
    return out


def _tinted(nodes, links, colour, factor):
    scale = nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    scale.inputs[0].default_value = colour
    links.new(factor, scale.inputs["Scale"])
    return scale.outputs[0]


def _noisy(nodes, links, shader, colour, scale, depth, wet, rough):
    """Two octaves of stains; the larger runs down as water does on walls."""
    fine = _ramp(nodes, links, _noise(nodes, links, scale * 6, 6), 1 - depth * 0.5, 1 + depth * 0.5)
    wide = _ramp(nodes, links, _noise(nodes, links, scale, 5, (1, 1, 0.25)), 1 - depth, 1 + depth * 0.6)
    factor = _times(nodes, links, fine, wide)
    if wet is not None:
        value = nodes.new("ShaderNodeValue")
        value.outputs[0].default_value = 1.0
        _wet.append((value.outputs[0], 1.0, 0.55))
        factor = _times(nodes, links, factor, value.outputs[0])
    links.new(_tinted(nodes, links, colour, factor), shader.inputs["Base Color"])


def _asphalt(nodes, links, shader):
    grain = _ramp(nodes, links, _noise(nodes, links, 40, 3), 0.8, 1.25)
    patches = _ramp(nodes, links, _noise(nodes, links, 0.25, 6), 0.65, 1.35)
    tracks = _ramp(nodes, links, _noise(nodes, links, 0.9, 3, (1, 0.06, 1)), 0.8, 1.15)
    cracks = nodes.new("ShaderNodeTexVoronoi")
    cracks.feature = "DISTANCE_TO_EDGE"
    cracks.inputs["Scale"].default_value = 0.16
    warp = nodes.new("ShaderNodeVectorMath")
    warp.operation = "ADD"
    wobble = nodes.new("ShaderNodeTexNoise")
    wobble.inputs["Scale"].default_value = 1.2
    links.new(_position(nodes), wobble.inputs["Vector"])
    links.new(_position(nodes), warp.inputs[0])
    links.new(wobble.outputs["Color"], warp.inputs[1])
    links.new(warp.outputs[0], cracks.inputs["Vector"])
    thin = nodes.new("ShaderNodeMapRange")
    thin.inputs["From Max"].default_value = 0.006
    thin.inputs["To Min"].default_value = 0.55
    thin.inputs["To Max"].default_value = 1.0
    links.new(cracks.outputs["Distance"], thin.inputs["Value"])
    value = nodes.new("ShaderNodeValue")
    value.outputs[0].default_value = 1.0
    _wet.append((value.outputs[0], 1.0, 0.45))
    factor = _times(nodes, links, grain, patches, tracks, thin.outputs[0], value.outputs[0])
    links.new(_tinted(nodes, links, (0.14, 0.14, 0.142), factor), shader.inputs["Base Color"])
    # Wet roads are mirrors only where water stands; elsewhere they are merely shiny.
    pools = _ramp(nodes, links, _noise(nodes, links, 0.35, 4), 1.0, 0.3)
    rough = nodes.new("ShaderNodeValue")
    rough.outputs[0].default_value = 0.9
    _wet.append((rough.outputs[0], 0.9, 0.38))
    blend = nodes.new("ShaderNodeMath")
    blend.operation = "POWER"
    exponent = nodes.new("ShaderNodeValue")
    exponent.outputs[0].default_value = 0.0
    _wet.append((exponent.outputs[0], 0.0, 1.0))
    links.new(pools, blend.inputs[0])
    links.new(exponent.outputs[0], blend.inputs[1])
    links.new(_times(nodes, links, rough.outputs[0], blend.outputs[0]), shader.inputs["Roughness"])


def _paving(nodes, links, shader):
    bricks = nodes.new("ShaderNodeTexBrick")
    bricks.inputs["Scale"].default_value = 1.0
    bricks.inputs["Brick Width"].default_value = 0.4
    bricks.inputs["Row Height"].default_value = 0.2
    bricks.inputs["Mortar Size"].default_value = 0.01
    bricks.inputs["Color1"].default_value = (0.34, 0.31, 0.29, 1)
    bricks.inputs["Color2"].default_value = (0.27, 0.25, 0.24, 1)
    bricks.inputs["Mortar"].default_value = (0.18, 0.165, 0.155, 1)
    links.new(_position(nodes), bricks.inputs["Vector"])
    stains = _ramp(nodes, links, _noise(nodes, links, 0.4, 6), 0.65, 1.25)
    value = nodes.new("ShaderNodeValue")
    value.outputs[0].default_value = 1.0
    _wet.append((value.outputs[0], 1.0, 0.5))
    scale = nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    links.new(bricks.outputs["Color"], scale.inputs[0])
    links.new(_times(nodes, links, stains, value.outputs[0]), scale.inputs["Scale"])
    links.new(scale.outputs[0], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.9
    _wet.append((shader.inputs["Roughness"], 0.9, 0.3))
