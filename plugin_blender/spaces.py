"""The colour spaces of what goes to the server and comes back, in the server's words. Does not import bpy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .matte_link.options import MatteOptions
from .sources import FileSource, Source


@dataclass(frozen=True)
class Spaces:
    """The server's words for the colour spaces of what Blender renders, and of the results that it reads."""

    rendered: str
    results: str


def settled(options: MatteOptions, plate: Source, clean_plate: Source, spaces: Spaces) -> MatteOptions:
    """The panel's options with those that Blender's side of the wire fixes.

    The Image node names the colourspace of an image, which is passed to the server; results are what the compositor
    works in; and the edge's colour is multiplied in the node.
    """
    return replace(
        options,
        colourspace=_space(plate, spaces),
        clean_colourspace=_space(clean_plate, spaces),
        output_colourspace=spaces.results,
        premultiplied=False,
        layer_confidence=True,
    )


def _space(source: Source, spaces: Spaces) -> str:
    return source.colourspace if isinstance(source, FileSource) else spaces.rendered
