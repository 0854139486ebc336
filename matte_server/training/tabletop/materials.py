"""Procedural materials of the table, of what stands around, and of the things."""

from __future__ import annotations

import colorsys
from random import Random

import bpy

from ..scenes.blend_materials import MaterialGraph, Node

Colour = tuple[float, float, float]
SET_LOOKS = ("wood", "noise", "checks", "bricks", "plain")
_CLEAR_IOR = 1.45


def random_colour(dice: Random, lightest: float = 0.7, saturation: float = 0.6) -> Colour:
    """Scene-linear, the largest channel between 0.3 and 1 times ``lightest``."""
    return colorsys.hsv_to_rgb(dice.random(), saturation * dice.random(), lightest * dice.uniform(0.3, 1.0))


def solid(colour: Colour, roughness: float = 0.5, metallic: float = 0.0) -> bpy.types.Material:
    """One colour, scene-linear."""
    graph = MaterialGraph("solid")
    return graph.finish(_principled(graph, (*colour, 1.0), roughness, Metallic=metallic))


def clear(colour: Colour) -> bpy.types.Material:
    """Glass, or clear plastic, of this tint."""
    graph = MaterialGraph("clear")
    return graph.finish(
        _principled(graph, (*colour, 1.0), 0.02, Transmission_Weight=1.0, IOR=_CLEAR_IOR, Metallic=0.0)
    )


def leaf(colour: Colour) -> bpy.types.Material:
    """A thin leaf or petal: a third of the light that falls on it comes out behind."""
    graph = MaterialGraph("leaf")
    front = _principled(graph, (*colour, 1.0), 0.5)
    behind = graph.add("BsdfTranslucent", Color=(*(1.2 * value for value in colour), 1.0))
    return graph.finish(_mixed(graph, 0.35, front, behind))


def film() -> bpy.types.Material:
    """The foil of a bag: clear where it is seen straight on, shining at a slant, a little milky."""
    graph = MaterialGraph("film")
    slant = graph.add("LayerWeight", Blend=0.35)
    shine = graph.add("BsdfGlossy", Roughness=0.15)
    foil = _mixed(graph, slant.outputs["Facing"], graph.add("BsdfTransparent"), shine)
    return graph.finish(_mixed(graph, 0.12, foil, graph.add("BsdfTranslucent")))


def fibre(colour: Colour) -> bpy.types.Material:
    """Fur."""
    graph = MaterialGraph("fibre")
    shader = graph.add("BsdfHairPrincipled")
    shader.parametrization = "COLOR"
    shader.inputs["Color"].default_value = (*colour, 1.0)
    return graph.finish(shader)


def of_set(look: str, dice: Random) -> bpy.types.Material:
    """One of ``SET_LOOKS`` in random colours, with a random gloss."""
    graph = MaterialGraph(look)
    place = graph.add("TexCoord").outputs["Object"]
    first, second = (*random_colour(dice), 1.0), (*random_colour(dice, 0.9), 1.0)
    if look == "wood":
        rings = graph.add("TexWave", Vector=place, Scale=3.0, Distortion=9.0, Detail=5.0)
        colour: object = _between(graph, rings.outputs[1], (0.12, 0.06, 0.03, 1.0), (0.45, 0.27, 0.13, 1.0))
    elif look == "noise":
        grains = graph.add("TexNoise", Vector=place, Scale=14.0, Detail=8.0)
        colour = _between(graph, grains.outputs[0], first, second)
    elif look == "checks":
        colour = graph.add("TexChecker", Vector=place, Scale=9.0, Color1=first, Color2=second).outputs["Color"]
    elif look == "bricks":
        colour = graph.add("TexBrick", Vector=place, Scale=4.0, Color1=first, Color2=second).outputs["Color"]
    else:
        colour = second
    return graph.finish(_principled(graph, colour, dice.choice((0.25, 0.5, 0.8))))


def _principled(graph: MaterialGraph, colour: object, roughness: float, **inputs: object) -> Node:
    return graph.add("BsdfPrincipled", Base_Color=colour, Roughness=roughness, **inputs)


def _between(graph: MaterialGraph, factor: object, first: object, second: object) -> object:
    ramp = graph.add("ValToRGB", Fac=factor)
    for element, colour in zip(ramp.color_ramp.elements, (first, second), strict=True):
        element.color = colour
    return ramp.outputs["Color"]


def _mixed(graph: MaterialGraph, share: object, first: Node, second: Node) -> Node:
    """``share`` of the second shader, the rest of the first."""
    mixed = graph.add("MixShader")
    for socket, value in zip(mixed.inputs, (share, first.outputs[0], second.outputs[0]), strict=True):
        if isinstance(value, bpy.types.NodeSocket):
            graph.tree.links.new(value, socket)
        else:
            socket.default_value = value
    return mixed
