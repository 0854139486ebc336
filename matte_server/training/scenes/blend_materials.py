"""Procedural materials: no picture is loaded, so nothing but numbers needs to be kept to render them again."""

from __future__ import annotations

from typing import Any, TypeAlias

import bpy

from .parts import Material, Part

Node: TypeAlias = Any
"""A ``bpy.types.Node``: the sockets and settings of each kind are its own, and the wheel has no types for them."""


class MaterialGraph:
    """A node tree being built: ``add`` a node with its inputs set, ``link`` sockets."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, **inputs: object) -> Node:
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in inputs.items():
            socket = node.inputs[name.replace("_", " ")]
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return node

    def finish(self, shader: Node) -> bpy.types.Material:
        output = self.add("OutputMaterial")
        self.tree.links.new(shader.outputs[0], output.inputs["Surface"])
        return self.material


def _rgba(colour: tuple[float, float, float]) -> tuple[float, float, float, float]:
    return (*colour, 1.0)


def material_of(part: Part) -> bpy.types.Material:
    """The Blender material of ``part``."""
    graph = MaterialGraph(part.name)
    if part.vertex_colours is not None:
        colour = graph.add("Attribute")
        colour.attribute_name = "colour"
        return graph.finish(graph.add("BsdfPrincipled", Base_Color=colour.outputs["Color"],
                                      Roughness=part.material.roughness))  # fmt: skip
    makers = {"skin": _skin, "cloth": _cloth, "lens": _lens, "metal": _metal, "leaf": _leaf, "wood": _wood}
    return graph.finish(makers.get(part.material.look, _plastic)(graph, part.material))


def hair_material(name: str, material: Material) -> bpy.types.Material:
    """Hair: diffuse with the two lobes of Marschner's model, cheap enough for few samples."""
    graph = MaterialGraph(name)
    info = graph.add("HairInfo")
    base = _rgba(material.colours[0])
    varied = graph.add("HueSaturation", Color=base)
    spread = graph.add("MapRange", Value=info.outputs["Random"])
    spread.inputs["To Min"].default_value, spread.inputs["To Max"].default_value = 0.55, 1.5
    graph.tree.links.new(spread.outputs[0], varied.inputs["Value"])
    diffuse = graph.add("BsdfDiffuse", Color=varied.outputs[0])
    through = graph.add("BsdfHair", Color=varied.outputs[0])
    through.component = "Transmission"
    shine = graph.add("BsdfHair", Color=(0.25, 0.24, 0.23, 1.0))
    shine.component = "Reflection"
    for node in (through, shine):
        node.inputs["RoughnessU"].default_value = 0.15 + 0.3 * material.roughness
        node.inputs["RoughnessV"].default_value = 0.5
    lobes = graph.add("MixShader", Fac=0.35)
    graph.tree.links.new(diffuse.outputs[0], lobes.inputs[1])
    graph.tree.links.new(through.outputs[0], lobes.inputs[2])
    both = graph.add("AddShader")
    graph.tree.links.new(lobes.outputs[0], both.inputs[0])
    graph.tree.links.new(shine.outputs[0], both.inputs[1])
    return graph.finish(both)


def _mix(graph: MaterialGraph, factor: bpy.types.NodeSocket, first: object, second: object) -> bpy.types.NodeSocket:
    node = graph.tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    # The colour sockets of a Mix node are told apart by position: 6 and 7 in, 2 out.
    graph.tree.links.new(factor, node.inputs[0])
    for index, value in ((6, first), (7, second)):
        if isinstance(value, bpy.types.NodeSocket):
            graph.tree.links.new(value, node.inputs[index])
        else:
            node.inputs[index].default_value = value
    return node.outputs[2]


def _noise(graph: MaterialGraph, scale: float, detail: float, low: float, high: float) -> bpy.types.NodeSocket:
    """Noise in object space stretched from low..high to 0..1."""
    place = graph.add("TexCoord")
    noise = graph.add("TexNoise", Vector=place.outputs["Object"], Scale=scale, Detail=detail)
    spread = graph.add("MapRange", Value=noise.outputs[0], From_Min=low, From_Max=high)
    return spread.outputs[0]


def _bump(
    graph: MaterialGraph, height: bpy.types.NodeSocket, strength: float, distance: float
) -> bpy.types.NodeSocket:
    return graph.add("Bump", Height=height, Strength=strength, Distance=distance).outputs[0]


def _skin(graph: MaterialGraph, material: Material) -> Node:
    r, g, b = material.colours[0]
    ruddy = (min(1.0, r * 1.05), g * 0.72, b * 0.68, 1.0)
    colour = _mix(graph, _noise(graph, 28, 3, 0.4, 0.75), _rgba((r, g, b)), ruddy)
    freckled = _mix(graph, _noise(graph, 330, 2, 0.62, 0.8), colour, (r * 0.6, g * 0.5, b * 0.45, 1.0))
    bump = _bump(graph, _noise(graph, 900, 2, 0.3, 0.7), 0.25, 0.0005)
    return graph.add("BsdfPrincipled", Base_Color=freckled, Roughness=material.roughness, Normal=bump)


def _pattern(graph: MaterialGraph, material: Material) -> bpy.types.NodeSocket | None:
    """0..1 where the second colour shows, or None for plain cloth."""
    vector = graph.add("TexCoord").outputs["Object"]
    if material.pattern == "stripes":
        wave = graph.add("TexWave", Vector=vector, Scale=material.scale / 6)
        wave.bands_direction = "Z"
        return graph.add("MapRange", Value=wave.outputs[1], From_Min=0.45, From_Max=0.55).outputs[0]
    if material.pattern == "checks":
        return graph.add("TexChecker", Vector=vector, Scale=material.scale).outputs[1]
    if material.pattern == "dots":
        dots = graph.add("TexVoronoi", Vector=vector, Scale=material.scale)
        return graph.add("MapRange", Value=dots.outputs[0], From_Min=0.36, From_Max=0.32).outputs[0]
    if material.pattern == "noise":
        return _noise(graph, material.scale / 4, 4, 0.45, 0.55)
    return None


def _cloth(graph: MaterialGraph, material: Material) -> Node:
    first, second = (_rgba(c) for c in material.colours)
    factor = _pattern(graph, material)
    colour = first if factor is None else _mix(graph, factor, first, second)
    worn = _noise(graph, 14, 5, 0.35, 0.8)
    shaded = _mix(graph, worn, colour, (*tuple(0.62 * c for c in first[:3]), 1.0))
    folds = _bump(graph, _noise(graph, 26, 4, 0.2, 0.8), 0.5, 0.012)
    return graph.add("BsdfPrincipled", Base_Color=shaded, Roughness=material.roughness, Normal=folds,
                     Sheen_Weight=material.sheen)  # fmt: skip


def _plastic(graph: MaterialGraph, material: Material) -> Node:
    return graph.add("BsdfPrincipled", Base_Color=_rgba(material.colours[0]), Roughness=material.roughness)


def _metal(graph: MaterialGraph, material: Material) -> Node:
    return graph.add("BsdfPrincipled", Base_Color=_rgba(material.colours[0]), Roughness=material.roughness,
                     Metallic=1.0)  # fmt: skip


def _lens(graph: MaterialGraph, material: Material) -> Node:
    """Clear with a Fresnel reflection: semi-transparent in the alpha as well."""
    clear = graph.add("BsdfTransparent", Color=(0.93, 0.95, 0.94, 1.0))
    shine = graph.add("BsdfGlossy", Roughness=material.roughness)
    mix = graph.add("MixShader", Fac=graph.add("Fresnel", IOR=1.5).outputs[0])
    graph.tree.links.new(clear.outputs[0], mix.inputs[1])
    graph.tree.links.new(shine.outputs[0], mix.inputs[2])
    return mix


def _leaf(graph: MaterialGraph, material: Material) -> Node:
    """Two-sided, with light shining through."""
    colour = _mix(graph, _noise(graph, material.scale, 3, 0.35, 0.7), *(_rgba(c) for c in material.colours))
    diffuse = graph.add("BsdfPrincipled", Base_Color=colour, Roughness=material.roughness)
    through = graph.add("BsdfTranslucent", Color=colour)
    mix = graph.add("MixShader", Fac=0.3)
    graph.tree.links.new(diffuse.outputs[0], mix.inputs[1])
    graph.tree.links.new(through.outputs[0], mix.inputs[2])
    return mix


def _wood(graph: MaterialGraph, material: Material) -> Node:
    place = graph.add("TexCoord")
    wave = graph.add("TexWave", Vector=place.outputs["Object"], Scale=material.scale / 4,
                     Distortion=6.0, Detail=3.0)  # fmt: skip
    colour = _mix(graph, wave.outputs[1], *(_rgba(c) for c in material.colours))
    return graph.add("BsdfPrincipled", Base_Color=colour, Roughness=material.roughness)
