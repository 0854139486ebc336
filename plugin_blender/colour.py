"""Colour spaces of what goes to the server and comes back, by what they mean.

A studio's OpenColorIO configuration gives them other names. Blender shows a configuration's names and nothing of
their meaning. So the working space is measured, and the other spaces are known by the names and aliases of
Blender's own configuration and of ACES.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import bpy
from mathutils import Color

from .matte_link.options import MatteOptions
from .sources import FileSource, Source

# The names that configurations use for one space: Blender 4.5 and 5.x, ACES 1.x and 2.x, common aliases.
_NAMES = {
    "linear": (
        "Linear Rec.709",
        "Linear Rec.709 (sRGB)",
        "lin_rec709",
        "lin_rec709_scene",
        "lin_srgb",
        "Utility - Linear - sRGB",
        "Utility - Linear - Rec.709",
        "Linear BT.709",
        "scene-linear Rec.709-sRGB",
    ),
    "srgb": (
        "sRGB",
        "sRGB - Texture",
        "srgb_tx",
        "srgb_texture",
        "srgb_rec709_scene",
        "Utility - sRGB - Texture",
        "sRGB Encoded Rec.709 (sRGB)",
    ),
}
# Formats of which server and Blender take the same view.
_FORMATS = {".exr": "linear", ".png": "srgb", ".jpg": "srgb", ".jpeg": "srgb"}
# What (1, 0, 0) of each working space is in linear Rec.709, the first channel: enough to tell them apart.
_PRIMARIES = {"linear": 1.0, "acescg": 1.7051, "Linear Rec.2020": 1.6605}
_TOLERANCE = 0.002
"""Blender 4.5 measures 1.70478 for ACEScg, 5.2 measures 1.70505: from other white points."""


class UnknownWorkingSpace(ValueError):
    """The compositor works in a space that the server does not know."""


def word_of(name: str, suffix: str) -> str:
    """The server's word for the space of a file of this format; empty where both may read the file differently."""
    word = _FORMATS.get(suffix, "")
    return word if word and name in _NAMES[word] else ""


def working_space() -> str:
    """The server's word for what the compositor works in; raises ``UnknownWorkingSpace``."""
    red = Color((1.0, 0.0, 0.0)).from_scene_linear_to_rec709_linear()[0]
    for word, value in _PRIMARIES.items():
        if abs(red - value) < _TOLERANCE:
            return word
    raise UnknownWorkingSpace(
        "The working space of this OCIO configuration is not Rec.709, Rec.2020 or ACEScg. Use one whose is."
    )


def set_result_space(settings: Any) -> None:
    """Sets an image's colour space to that of results. Where it has no name, they are in the working space."""
    name = _linear_name()
    if name:
        settings.name = name
    else:
        settings.is_data = True


def _linear_name() -> str:
    offered = cast(Any, bpy.types.ColorManagedInputColorspaceSettings).bl_rna.properties["name"].enum_items
    return next((name for name in _NAMES["linear"] if name in offered), "")


def settled(options: MatteOptions, plate: Source, clean_plate: Source) -> MatteOptions:
    """The panel's options with those that Blender's side of the wire fixes. Raises ``UnknownWorkingSpace``.

    The Image node names the colourspace of an image, which is passed to the server; results are what the compositor
    works in; and the edge's colour is multiplied in the node.
    """
    rendered = working_space()
    return replace(
        options,
        colourspace=_space(plate, rendered),
        clean_colourspace=_space(clean_plate, rendered),
        output_colourspace="linear" if _linear_name() else rendered,
        premultiplied=False,
        layer_confidence=True,
    )


def _space(source: Source, rendered: str) -> str:
    return source.colourspace if isinstance(source, FileSource) else rendered
