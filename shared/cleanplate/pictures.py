"""What may be given as a picture: an array or a file, and how each becomes an :class:`Image`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matte_link.diagnostics import warnings_of
from matte_link.options import MatteOptions

from matte_server.core.image import SCENE_LINEAR, Guides, Image, PlatePair
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.frame.inputs import warnings_of_files
from matte_server.io import exr
from matte_server.io.colour import clean_plate_space, to_scene_linear
from matte_server.io.media import is_video
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.named_paths import named_path
from matte_server.shots.shot import ShotFrame

Array = npt.NDArray[Any]
Picture = Array | str | Path
"""Height x width x 3 floats, unclamped and scene-linear Rec.709 unless the options name a colourspace; or the name
of an image file in any colourspace. A matte is height x width floats from 0 to 1 or bools, or a file."""
_CHANNELS = {1: ("A",), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}
"""What an array is taken to hold as a matte, by its depth; the matte is found in it as in a file."""
_LAYERS = {"layer": "plate", "clean_layer": "clean plate", "view": "plate"}
"""The options that choose what is read from a file, by the picture that then has to be one."""


def pair_of(plate: Picture, clean: Picture, options: MatteOptions) -> PlatePair:
    """Plate and clean plate, scene-linear. Raises ``MatteError``: bad_picture, bad_option, missing_file, and the
    codes of reading pictures."""
    given = {"plate": plate, "clean plate": clean}
    arrays = {name for name, picture in given.items() if _is_array(picture, name)}
    _check_layers(arrays, options)
    asked = "" if options.colourspace == "auto" else options.colourspace
    if not arrays:
        image, read_clean = _read_pair(_file(plate), _file(clean), options)
        return PlatePair(plate=image, clean_plate=read_clean())
    if "plate" in arrays:
        image = image_of(np.asarray(plate), "plate")
        lit = to_scene_linear(image, asked or SCENE_LINEAR, options.ocio_config)
    else:
        lit, _ = _read_pair(_file(plate), _file(plate), options)
    if "clean plate" not in arrays:
        behind = replace(options, layer=options.clean_layer, colourspace=options.clean_colourspace)
        return PlatePair(plate=lit, clean_plate=_read_pair(_file(clean), _file(clean), behind)[0])
    space = clean_plate_space(options.clean_colourspace, SCENE_LINEAR, SCENE_LINEAR, asked)
    image = image_of(np.asarray(clean), "clean plate")
    return PlatePair(plate=lit, clean_plate=to_scene_linear(image, space, options.ocio_config))


def _check_layers(arrays: set[str], options: MatteOptions) -> None:
    for name, of in _LAYERS.items():
        if getattr(options, name) and of in arrays:
            raise MatteError("bad_option", f"{name} chooses what is read from a file, and the {of} is an array.")


def _read_pair(plate: Path, clean: Path, options: MatteOptions) -> tuple[Image, Callable[[], Image]]:
    """A plate, and a function that reads its clean plate. Neither is a video, so nothing stays open."""
    return ShotInputs(options).pair(ShotFrame(frame=1, plate=plate, clean_plate=clean, output=Path()))


def guide_of(guide: Picture | None, name: str, plate: Image) -> Image | None:
    """A core or holdout matte for ``plate``; an array has the plate's size and lies on its pixels. A picture's is
    its alpha, or its red where it has none. Raises as :func:`pair_of` does."""
    if guide is None:
        return None
    if not _is_array(guide, name):
        return exr.matte_channel(exr.read_image(_file(guide)))
    values = np.asarray(guide)
    layers = values[..., None] if values.ndim == 2 else values
    window = plate.data_window
    channels = _CHANNELS.get(layers.shape[-1] if layers.ndim == 3 else 0, ())
    is_number = np.issubdtype(values.dtype, np.floating) or values.dtype == np.bool_
    if layers.shape[:2] != (window.height, window.width) or not channels or not is_number:
        raise MatteError(
            "bad_picture",
            f"The {name} matte is an array of {_in_words(values)}.",
            f"Give floats from 0 to 1, or bools, of the plate's size, {window.height} x {window.width}.",
        )
    pixels = np.ascontiguousarray(layers, np.float32)
    image = Image(pixels=pixels, channels=channels, data_window=window, display_window=plate.display_window)
    return exr.matte_channel(image)


def with_file_warnings(diagnostics: Mapping[str, Any], pair: PlatePair, guides: Guides) -> dict[str, Any]:
    """A frame's diagnostics with what its files state and could not be honoured, which arrays do not."""
    return {**diagnostics, "warnings": [*warnings_of(diagnostics), *warnings_of_files(pair, guides)]}


def image_of(pixels: Array, name: str) -> Image:
    """An array as an image; raises ``MatteError("bad_picture", ...)`` for anything but floats of the right
    shape, with a pixel at least."""
    is_picture = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size > 0
    if not is_picture or not np.issubdtype(pixels.dtype, np.floating):
        raise MatteError(
            "bad_picture",
            f"The {name} is an array of {_in_words(pixels)}.",
            "Give floats, height x width x 3: scene-linear, or codes divided by the largest (255), with "
            'colourspace="srgb" or whatever they are in.',
        )
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    with np.errstate(over="ignore"):
        # What is too large for single precision becomes infinite, and is refused as such.
        flat = np.ascontiguousarray(pixels, np.float32)
    return Image(pixels=flat, channels=("R", "G", "B"), data_window=window, display_window=window)


def _in_words(array: Array) -> str:
    """An array's type and shape."""
    return f"{array.dtype}, {' x '.join(map(str, array.shape)) or 'one number'}"


def _is_array(picture: object, name: str) -> bool:
    """Whether a picture is an array, and not a file; raises ``MatteError("bad_picture", ...)`` where it is
    neither."""
    if isinstance(picture, np.ma.MaskedArray):
        raise MatteError(
            "bad_picture",
            f"The {name} is a masked array, whose mask says nothing here.",
            "Give every pixel a value first, such as with filled(0).",
        )
    if isinstance(picture, np.ndarray):
        return True
    if isinstance(picture, str | Path):
        return False
    raise MatteError(
        "bad_picture",
        f"The {name} is of the type {type(picture).__name__}, and neither a NumPy array nor the name of a file.",
        "Make an array of it with numpy.asarray, or give a file's name.",
    )


def _file(name: Picture) -> Path:
    path = Path(named_path(str(name)))
    for_shots = "For a sequence or a video use matte_shot."
    if is_video(path):
        raise MatteError("bad_picture", f"{path} is a video, and matte takes one picture.", for_shots)
    with contextlib.suppress(OSError):  # such as a name that is too long
        if path.is_file():
            return path
        if path.is_dir():
            raise MatteError("missing_file", f"{path} is a folder, and matte takes one picture.", for_shots)
    raise MatteError("missing_file", f"{path} does not exist.", for_shots)
