"""Pictures for people: contact sheets of what went in and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from ..core.image import SCENE_LINEAR, Float32, Image
from ..core.window import Window
from ..io.colour import from_scene_linear
from ..shots.comp import over

_GAP, _CAPTION, _MARGIN = 10, 26, 18
_PAPER, _INK, _FAINT = (24, 24, 27), (235, 235, 235), (150, 150, 155)
GREY = 0.18


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet: scene-linear colour, height x width x 3, the caption below it, and how many times as
    wide as high its pixels are seen."""

    colour: Float32
    caption: str
    pixel_aspect: float = 1.0

    def height(self, width: int) -> int:
        """Its height on a sheet where it is ``width`` pixels wide."""
        high, wide = self.colour.shape[:2]
        return max(1, round(float(high * width / (wide * self.pixel_aspect))))


def rolled_off(colour: Float32) -> Float32:
    """Scene-linear colour for a screen, which cannot show more than 1: values above 0.8 are compressed instead of
    clipped, so that a window at 10 still shows its frame."""
    shoulder = 0.8
    excess = np.maximum(colour - shoulder, 0.0)
    soft: Float32 = np.minimum(colour, shoulder) + (1.0 - shoulder) * excess / (excess + 1.0)
    return soft.astype(np.float32)


def as_display(colour: Float32) -> Float32:
    """Scene-linear colour as sRGB 0..1 for a screen, with bright parts rolled off."""
    window = Window(0, 0, colour.shape[1], colour.shape[0])
    light = np.ascontiguousarray(rolled_off(colour))
    image = Image(
        pixels=light, channels=("R", "G", "B"), data_window=window, display_window=window, colourspace=SCENE_LINEAR
    )
    return np.clip(from_scene_linear(image, "srgb").pixels, 0.0, 1.0)


def foreground_and_alpha(matte: Image) -> tuple[Float32, Float32]:
    """A result's unpremultiplied colour, height x width x 3, and alpha, height x width x 1."""
    foreground, alpha = matte.pixels[..., :3], matte.pixels[..., 3:4]
    if matte.premultiplied:
        foreground = np.divide(foreground, alpha, out=np.zeros_like(foreground), where=alpha > 0)
    return foreground, alpha


def matte_cells(
    plate: Float32,
    clean: Float32,
    foreground: Float32,
    alpha: Float32,
    comp: Float32,
    pixel_aspect: float,
) -> list[Cell]:
    """The row of a frame: plate, clean plate, alpha, foreground over grey, comp."""
    pictures = {
        "plate": plate,
        "clean plate": clean,
        "alpha": np.repeat(_light_shown_as(alpha), 3, axis=-1),
        "foreground over grey": over(foreground, alpha, np.full_like(foreground, GREY)),
        "comp": comp,
    }
    return [Cell(colour=colour, caption=caption, pixel_aspect=pixel_aspect) for caption, colour in pictures.items()]


def _light_shown_as(alpha: Float32) -> Float32:
    """The scene-linear light that :func:`as_display` turns into ``alpha`` itself, so that 0.5 becomes code 128."""
    shown = np.where(alpha <= 0.04045, alpha / 12.92, ((alpha + 0.055) / 1.055) ** 2.4).astype(np.float32)
    # as_display rolls off values above 0.8: this undoes it, so that alpha 1 is white.
    excess = np.maximum(shown - 0.8, 0.0) / 0.2
    rolled = 0.8 + excess / np.maximum(1.0 - excess, 1e-4)
    return np.where(shown > 0.8, np.minimum(rolled, 1e4), shown).astype(np.float32)


def contact_sheet(
    rows: Sequence[Sequence[Cell]], titles: Sequence[str], heading: str, cell_width: int = 380
) -> Image:
    """A sheet as an sRGB picture (0..1): one row of cells for each title, captions below them. Every picture keeps
    its shape."""
    heights = [max(cell.height(cell_width) for cell in row) for row in rows]
    columns = max(len(row) for row in rows)
    sheet_width = 2 * _MARGIN + columns * cell_width + (columns - 1) * _GAP
    sheet_height = 3 * _MARGIN + 30 + sum(heights) + len(rows) * (_CAPTION + _GAP)
    sheet = Picture.new("RGB", (sheet_width, sheet_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), heading, fill=_INK, font=ImageFont.load_default(24))
    small = ImageFont.load_default(15)
    top = 2 * _MARGIN + 30
    for row, title, height in zip(rows, titles, heights, strict=True):
        for column, cell in enumerate(row):
            left = _MARGIN + column * (cell_width + _GAP)
            sheet.paste(_thumbnail(cell.colour, cell_width, cell.height(cell_width)), (left, top))
            words = f"{title}  {cell.caption}" if column == 0 else cell.caption
            draw.text((left, top + height + 4), words, fill=_FAINT, font=small)
        top += height + _CAPTION + _GAP
    pixels = np.asarray(sheet, np.float32) / 255.0
    window = Window(0, 0, sheet.width, sheet.height)
    return Image(
        pixels=pixels,
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
        colourspace="sRGB - Texture",
    )


def _thumbnail(colour: Float32, width: int, height: int) -> Picture.Image:
    small = cv2.resize(np.ascontiguousarray(colour), (width, height), interpolation=cv2.INTER_AREA)
    shown = as_display(np.asarray(small, np.float32))
    return Picture.fromarray((shown * 255.0 + 0.5).astype(np.uint8))
