"""What may be given as a picture: an array or a file, and how each becomes an :class:`Image`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.shot import ShotFrame

Array = npt.NDArray[Any]
Picture = Array | str | Path
"""Scene-linear Rec.709, height x width x 3 floats, unclamped; or the name of an image file in any colourspace."""


def pair_of(plate: Picture, clean: Picture, options: MatteOptions) -> tuple[Image, Image]:
    """Plate and clean plate, scene-linear. Raises ``MatteError``: bad_picture, missing_file, and the codes of
    reading pictures."""
    if isinstance(plate, np.ndarray) or isinstance(clean, np.ndarray):
        return _one(plate, "plate", options), _one(clean, "clean plate", options)
    paths = _file(plate), _file(clean)
    frame = ShotFrame(frame=1, plate=paths[0], clean_plate=paths[1], output=Path())
    with ShotInputs(options) as pictures:
        image, read_clean = pictures.pair(frame)
        return image, read_clean()


def guide_of(guide: Picture | None, name: str) -> Image | None:
    """A core or holdout matte: height x width floats from 0 to 1, or a file."""
    if guide is None:
        return None
    if isinstance(guide, np.ndarray):
        return image_of(guide.reshape(*guide.shape[:2], -1)[..., :1], name, ("A",))
    return exr.matte_channel(exr.read_image(_file(guide)))


def image_of(pixels: Array, name: str, channels: tuple[str, ...] = ("R", "G", "B")) -> Image:
    """An array as an image; raises ``MatteError("bad_picture", ...)`` for anything but floats of the right
    shape."""
    if pixels.ndim != 3 or pixels.shape[2] != len(channels) or not np.issubdtype(pixels.dtype, np.floating):
        raise MatteError(
            "bad_picture",
            f"The {name} is an array of {pixels.dtype}, {' x '.join(map(str, pixels.shape))}.",
            f"Give floats, height x width x {len(channels)}, scene-linear: for sRGB codes, decode them first.",
        )
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    flat = np.ascontiguousarray(pixels, np.float32)
    return Image(pixels=flat, channels=channels, data_window=window, display_window=window)


def _one(picture: Picture, name: str, options: MatteOptions) -> Image:
    if isinstance(picture, np.ndarray):
        return image_of(picture, name)
    path = _file(picture)
    with ShotInputs(options) as pictures:
        return pictures.pair(ShotFrame(frame=1, plate=path, clean_plate=path, output=Path()))[0]


def _file(name: str | Path | Array) -> Path:
    path = Path(str(name))
    if not path.is_file():
        raise MatteError("missing_file", f"{path} does not exist.", "For a sequence or a video use matte_shot.")
    return path
