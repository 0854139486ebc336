"""The demo's contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

from matte_link.sequence import evenly_spaced

from ..core.image import Image
from ..io import exr
from ..review.contact_sheet import Cell, contact_sheet, foreground_and_alpha, matte_cells
from ..shots.shot import ShotFrame

_ROWS = 4


def demo_sheet(frames: Sequence[ShotFrame]) -> Image:
    """Plate, clean plate, alpha, foreground and comp of some frames, spread over the shot."""
    chosen = evenly_spaced(frames, _ROWS)
    rows = [_row(frame) for frame in chosen]
    titles = [f"frame {frame.frame}:" for frame in chosen]
    return contact_sheet(rows, titles, "Cleanplate demo: plate and clean plate in, alpha and foreground out")


def _row(frame: ShotFrame) -> list[Cell]:
    assert frame.comp is not None
    plate, clean, comp = (exr.read_image(path).rgb for path in (frame.plate, frame.clean_plate, frame.comp))
    matte = exr.read_image(frame.output)
    return matte_cells(plate, clean, *foreground_and_alpha(matte), comp, matte.pixel_aspect)
