"""The picture types that everybody passes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from .window import Window

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Grey = npt.NDArray[np.uint8]

SCENE_LINEAR = "scene-linear Rec.709"
_LEAST_ALPHA = 1e-6
KNOWN = "known"
"""A clean plate's channel: 1 where the clean plate is known, else 0. Without it, all of it is known."""


@dataclass(frozen=True, eq=False)
class Image:
    """One picture with everything a compositor needs back.

    ``pixels`` is float32, height x width x channels, covering exactly ``data_window``; ``channels``
    names them in order ("R", "G", "B", "A", ...). Values are in ``colourspace`` and unclamped.
    ``premultiplied`` says whether the colour was multiplied by the alpha channel. ``metadata`` holds the
    file's other attributes, passed through untouched. ``profile`` is the file's ICC profile, if ``colourspace``
    refers to it. ``colour_warnings``: a sentence for each colour tag of the file that could not be honoured;
    ``warnings``: one for each other fact. ``read_from``: the file's names of the channels that are R, G and B here;
    ``read_as``: the colourspace that the values were taken to be in before they were made scene-linear. Raises
    ``ValueError`` where the parts disagree.
    """

    pixels: Float32
    channels: tuple[str, ...]
    data_window: Window
    display_window: Window
    pixel_aspect: float = 1.0
    colourspace: str = SCENE_LINEAR
    premultiplied: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict)
    profile: bytes = b""
    warnings: tuple[str, ...] = ()
    colour_warnings: tuple[str, ...] = ()
    read_from: tuple[str, ...] = ()
    read_as: str = ""

    def __post_init__(self) -> None:
        expected = (self.data_window.height, self.data_window.width, len(self.channels))
        if self.pixels.shape != expected:
            raise ValueError(f"pixels are {self.pixels.shape}, windows and channels say {expected}")
        if self.pixels.dtype != np.float32:
            raise ValueError(f"pixels are {self.pixels.dtype}, not float32")

    def file_warnings(self, is_data: bool = False) -> tuple[str, ...]:
        """All warnings; without those on colour of a picture of data, as a guide is."""
        return self.warnings if is_data else (*self.warnings, *self.colour_warnings)

    @property
    def kind(self) -> dict[str, object]:
        """What the pictures of one shot have in common, as JSON values: the display window as x, y, width and
        height, the pixel aspect, and of the file the colourspace and the names of the colour's channels."""
        window = self.display_window
        return {
            "display_window": [window.x, window.y, window.width, window.height],
            "pixel_aspect": self.pixel_aspect,
            "colourspace": self.read_as,
            "channels": list(self.read_from),
        }

    @property
    def rgb(self) -> Float32:
        """The colour channels, height x width x 3, a view where R, G, B come first."""
        if self.channels[:3] == ("R", "G", "B"):
            return self.pixels[..., :3]
        return self.pixels[..., [self.channels.index(name) for name in "RGB"]]

    @property
    def planes(self) -> tuple[Float32, Float32, Float32]:
        """R, G and B, height x width each: views where the picture lies plane after plane in memory."""
        red, green, blue = (np.ascontiguousarray(self.rgb[..., channel]) for channel in range(3))
        return red, green, blue


def with_roles(found: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """The warnings on a frame's files, a sentence for each cause, with what the files are in the frame: "Sentence
    (plate, clean plate).". ``found``: each file's role, as in a sentence, and its warnings."""
    roles: dict[str, list[str]] = {}
    for role, sentences in found:
        for sentence in sentences:
            roles.setdefault(sentence, []).append(role)
    return tuple(f"{sentence[:-1]} ({', '.join(named)})." for sentence, named in roles.items())


def joined(*pictures: Float32) -> Float32:
    """The pictures' channels in one array: height x width x channels, plane after plane in memory if theirs are."""
    return np.moveaxis(np.concatenate([np.moveaxis(picture, -1, 0) for picture in pictures]), 0, -1)


def divided_by_alpha(image: Image) -> Image:
    """A premultiplied picture, R, G, B, A, as unpremultiplied one; where alpha is nothing, colour stays."""
    alpha = image.pixels[..., 3:4]
    pixels = image.pixels.copy(order="K")
    np.divide(pixels[..., :3], alpha, out=pixels[..., :3], where=alpha > _LEAST_ALPHA)
    return replace(image, pixels=pixels, premultiplied=False)


def multiplied_by_alpha(image: Image) -> Image:
    """The inverse of :func:`divided_by_alpha`."""
    pixels = image.pixels.copy(order="K")
    pixels[..., :3] *= image.pixels[..., 3:4]
    return replace(image, pixels=pixels, premultiplied=True)


def moved_into(window: Window, pixels: Float32, data: Window, outside: float) -> Float32:
    """The pixels of ``data``, height x width x channels, as those of another ``window``; what it has beyond them is
    ``outside``."""
    found = np.full((window.height, window.width, pixels.shape[2]), outside, np.float32)
    both = data.intersect(window)
    if both.area:
        found[both.within(window)] = pixels[both.within(data)]
    return found


@dataclass(frozen=True, eq=False)
class PlatePair:
    """The shot's frame and the same view without the subject; their windows may differ."""

    plate: Image
    clean_plate: Image


@dataclass(frozen=True, eq=False)
class Guides:
    """Mattes that the artist drew: one channel each, 0 to 1, hard or soft, in any window. Where ``core`` is 1 the
    plate shows the subject for certain, and where ``holdout`` is 1 it certainly does not."""

    core: Image | None = None
    holdout: Image | None = None
