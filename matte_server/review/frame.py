"""One finished frame for review: read from disk as scene-linear pictures, and reduced for the page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Picture

from ..core.image import Float32, Image
from ..core.window import Window
from ..io import exr
from ..shots.comp import fill, over
from ..shots.inputs import ShotInputs
from ..shots.outputs import read_matte_linear, read_shadow
from ..shots.shot import ShotFrame
from .contact_sheet import GREY, as_display, foreground_and_alpha

_JPEG_QUALITY = 88
_LEAST_CROP, _CROP_MARGIN, _CROP_WIDTH = 96, 2.0, 160


@dataclass(frozen=True, eq=False)
class FrameView:
    """A finished frame, scene-linear: pictures height x width x 3, alpha height x width x 1. ``clean`` is the clean
    plate as it was aligned for this frame, ``background`` the new one, in the subject's shadow; ``diagnostics`` are
    those stored in the matte's file. ``damaged``: the part of the result's pixels that hold NaN or infinity; alpha
    and foreground are 0 there."""

    plate: Float32
    clean: Float32
    foreground: Float32
    alpha: Float32
    background: Float32 | None
    pixel_aspect: float
    diagnostics: Mapping[str, object]
    damaged: float = 0.0

    @property
    def comp(self) -> Float32:
        """The subject over the new background, or over grey where there is none."""
        background = np.full_like(self.plate, GREY) if self.background is None else self.background
        return over(self.foreground, self.alpha, background)


def read_view(frame: ShotFrame, pictures: ShotInputs) -> FrameView:
    """Reads a finished frame; raises ``MatteError``."""
    diagnostics = exr.read_diagnostics(frame.output)
    matte = read_matte_linear(frame, str(diagnostics.get("colourspace", "")), pictures)
    plate, read_clean = pictures.pair(frame)
    if frame.output.suffix.lower() != ".exr":
        # Such a result holds the display window.
        plate = exr.in_display_window(plate)
    background = None
    if frame.background is not None:
        picture = pictures.background(frame.background, frame.video_frames.get("background", 0))
        background = fill(picture, matte)
        shadow = read_shadow(frame, pictures.options)
        background = background if shadow is None else background * shadow
    foreground, alpha = foreground_and_alpha(matte)
    is_whole = np.isfinite(matte.pixels[..., :4]).all(axis=-1, keepdims=True)
    return FrameView(
        plate=plate.rgb,
        clean=aligned(read_clean(), plate, diagnostics),
        foreground=np.where(is_whole, foreground, np.float32(0.0)),
        alpha=np.where(is_whole, alpha, np.float32(0.0)),
        damaged=1.0 - float(is_whole.mean()),
        background=background,
        pixel_aspect=plate.pixel_aspect,
        diagnostics=diagnostics,
    )


def aligned(clean: Image, plate: Image, diagnostics: Mapping[str, object]) -> Float32:
    """The clean plate as the frame used it, on the plate's pixels: height x width x 3, moved by the alignment, with
    its gain and offset applied. Diagnostics without an alignment leave it unchanged."""
    alignment = diagnostics.get("alignment")
    facts = alignment if isinstance(alignment, Mapping) else {}
    transform = np.array(facts.get("transform", np.eye(3)), np.float64)
    target, source = plate.data_window, clean.data_window
    matrix = target.from_plane() @ transform @ source.to_plane()
    size = (target.width, target.height)
    moved = cv2.warpPerspective(np.ascontiguousarray(clean.rgb), matrix, size)
    gain = np.array(facts.get("gain", 1.0), np.float32)
    return np.asarray(moved * gain + np.array(facts.get("offset", 0.0), np.float32), np.float32)


def small_pictures(view: FrameView, width: int) -> dict[str, bytes]:
    """The page's pictures of a frame, by role (see :class:`page.PageFrame`)."""
    # Multiplied by alpha: where alpha is almost 0, the foreground itself may have any value.
    colours = {"plate": view.plate, "clean": view.clean, "foreground": view.foreground * view.alpha}
    if view.background is not None:
        colours["background"] = view.background
    small = {
        role: _encoded(as_display(np.maximum(shrunk(colour, width, view.pixel_aspect), 0.0)), "JPEG")
        for role, colour in colours.items()
    }
    # Lossless: JPEG's ringing around an edge would look like a fault of the matte.
    return small | {"alpha": _encoded(shrunk(view.alpha, width, view.pixel_aspect)[..., 0], "PNG")}


def crop(view: FrameView, place: Window | None) -> bytes:
    """A JPEG of a place and what is around it: the plate and, beside it, alpha. The whole frame without a place."""
    height, width = view.alpha.shape[:2]
    x, y, wide, high = 0, 0, width, height
    if place is not None:
        side = max(_LEAST_CROP, round(_CROP_MARGIN * max(place.width, place.height)))
        wide, high = min(side, width), min(side, height)
        x = min(max(place.x + place.width // 2 - wide // 2, 0), width - wide)
        y = min(max(place.y + place.height // 2 - high // 2, 0), height - high)
    part = (slice(y, y + high), slice(x, x + wide))
    colour = as_display(np.maximum(shrunk(view.plate[part], _CROP_WIDTH, view.pixel_aspect), 0.0))
    alpha = np.repeat(shrunk(view.alpha[part], _CROP_WIDTH, view.pixel_aspect), 3, axis=-1)
    return _encoded(np.concatenate([colour, alpha], axis=1), "JPEG")


def shrunk(picture: Float32, width: int, pixel_aspect: float = 1.0) -> Float32:
    """The picture at most ``width`` wide and with square pixels: height x width x channels."""
    high, wide = picture.shape[:2]
    scale = min(1.0, width / (wide * pixel_aspect))
    size = (max(1, round(wide * pixel_aspect * scale)), max(1, round(high * scale)))
    small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(size[1], size[0], -1)


def _encoded(picture: Float32, form: str) -> bytes:
    out = io.BytesIO()
    codes = Picture.fromarray((np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
    if form == "JPEG":
        codes.save(out, form, quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    else:
        codes.save(out, form)
    return out.getvalue()
