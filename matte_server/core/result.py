"""The result of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .align import Alignment
from .image import Image


@dataclass(frozen=True, eq=False)
class MatteResult:
    """One frame's matte; every image has exactly the plate's windows, pixel aspect and metadata.

    ``alpha``: one channel, 0..1, coverage in scene-linear light. ``foreground``: R, G, B, unpremultiplied,
    unclamped, in the plate's colourspace. ``diagnostics`` are JSON-able figures and warnings (see
    ``frame.diagnostics``). ``layers`` are those that the options ask for: "clean", R, G, B brought onto the plate,
    with coverage as fourth channel "A" (0 where the clean plate did not reach); "confidence", one channel, 0..1;
    "difference", one channel, the plate's distance from the aligned clean plate in noise levels, 0 or more.
    """

    alpha: Image
    foreground: Image
    alignment: Alignment
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    layers: Mapping[str, Image] = field(default_factory=dict)
