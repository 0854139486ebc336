"""Pictures as nodes pass them on, and real EXR files. Windows are (x, y, width, height), y down as in EXR."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

Window = tuple[int, int, int, int]
Pixels = NDArray[np.float32]
CHANNELS = ("R", "G", "B", "A")
NAMES = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
_IN_NUKE = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}


@dataclass(frozen=True, eq=False)
class Picture:
    """RGBA float32 in the data window; zero outside."""

    pixels: Pixels
    data: Window
    display: Window
    aspect: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)
    layers: dict[str, Pixels] = field(default_factory=dict)
    """Every other channel by its name in Nuke, such as ``clean.red``, in the data window."""

    def on(self, window: Window) -> Pixels:
        """The pixels of another data window."""
        return self._moved(self.pixels, window)

    def _moved(self, pixels: Pixels, window: Window) -> Pixels:
        x, y, width, height = window
        result = np.zeros((height, width, *pixels.shape[2:]), np.float32)
        left, top = max(x, self.data[0]), max(y, self.data[1])
        right = min(x + width, self.data[0] + self.data[2])
        bottom = min(y + height, self.data[1] + self.data[3])
        if right > left and bottom > top:
            result[top - y : bottom - y, left - x : right - x] = pixels[
                top - self.data[1] : bottom - self.data[1], left - self.data[0] : right - self.data[0]
            ]
        return result

    def channel_on(self, name: str, window: Window) -> Pixels:
        """One channel in another data window; zero where the picture does not have it."""
        if name in NAMES:
            return self.on(window)[..., NAMES.index(name)]
        if name not in self.layers:
            return np.zeros((window[3], window[2]), np.float32)
        return self._moved(self.layers[name], window)

    def with_channel(self, name: str, values: Pixels) -> Picture:
        if name not in NAMES:
            return replace(self, layers={**self.layers, name: values})
        pixels = self.pixels.copy()
        pixels[..., NAMES.index(name)] = values
        return self.with_pixels(pixels)

    def without_layers(self) -> Picture:
        return replace(self, layers={})

    def opaque(self) -> Picture:
        return self.with_channel("rgba.alpha", np.ones(self.pixels.shape[:2], np.float32))

    def cropped(self) -> Picture:
        """The smallest window with something in it."""
        rows, columns = (np.flatnonzero(self.pixels.any(axis=(1 - axis, 2))) for axis in (0, 1))
        top, left = (int(each[0]) if each.size else 0 for each in (rows, columns))
        bottom, right = (int(each[-1]) + 1 if each.size else 1 for each in (rows, columns))
        window = (self.data[0] + left, self.data[1] + top, right - left, bottom - top)
        return replace(self, pixels=self.on(window), data=window, layers={})

    def with_pixels(self, pixels: Pixels) -> Picture:
        return replace(self, pixels=np.ascontiguousarray(pixels, np.float32))

    def encoded(self, power: float) -> Picture:
        """What a colourspace does to values where raw is off."""
        pixels = self.pixels
        return self.with_pixels((np.sign(pixels) * np.abs(pixels) ** power).astype(np.float32))

    def half_size(self) -> Picture:
        """What proxy mode hands on."""
        pixels = self.pixels[::2, ::2]
        data = (self.data[0] // 2, self.data[1] // 2, pixels.shape[1], pixels.shape[0])
        display = (0, 0, self.display[2] // 2, self.display[3] // 2)
        layers = {name: values[::2, ::2] for name, values in self.layers.items()}
        return Picture(pixels, data, display, self.aspect, self.metadata, layers)


def black(display: Window) -> Picture:
    """An empty frame of a format."""
    return Picture(np.zeros((display[3], display[2], 4), np.float32), display, display)


def read_exr(path: Path) -> Picture:
    """An EXR's picture; raises ``RuntimeError`` with the host's words."""
    reader = oiio.ImageInput.open(str(path))
    if reader is None:
        raise RuntimeError(f"{path}: {oiio.geterror()}")
    try:
        spec = reader.spec()
        read = reader.read_image(0, 0, 0, spec.nchannels, oiio.FLOAT)
        if read is None:
            raise RuntimeError(f"{path}: {reader.geterror()}")
        pixels = np.zeros((spec.height, spec.width, 4), np.float32)
        for index, name in enumerate(CHANNELS):
            if name in spec.channelnames:
                pixels[..., index] = read[..., spec.channelnames.index(name)]
        words = {entry.name: str(entry.value) for entry in spec.extra_attribs if ":" in entry.name}
        return Picture(
            pixels,
            (spec.x, spec.y, spec.width, spec.height),
            (spec.full_x, spec.full_y, spec.full_width, spec.full_height),
            float(spec.get_float_attribute("PixelAspectRatio", 1.0)),
            {name: value for name, value in words.items() if name.startswith(("camera:", "cleanplate:"))},
            {_name(one): read[..., index] for index, one in enumerate(spec.channelnames) if "." in one},
        )
    finally:
        reader.close()


def _name(channel: str) -> str:
    """A file's channel as Nuke calls it."""
    layer, _, last = channel.rpartition(".")
    return f"{layer}.{_IN_NUKE.get(last, last)}"


def write_exr(path: Path, picture: Picture, channels: str, half: bool, compression: str, metadata: bool) -> None:
    """Writes ``rgb``, ``rgba``, ``alpha`` or ``all`` under a temporary name and renames it, as Nuke does."""
    wanted = {"rgb": (0, 1, 2), "rgba": (0, 1, 2, 3), "alpha": (3,), "all": (0, 1, 2, 3)}[channels]
    layers = picture.layers if channels == "all" else {}
    x, y, width, height = picture.data
    spec = oiio.ImageSpec(width, height, len(wanted) + len(layers), oiio.HALF if half else oiio.FLOAT)
    spec.channelnames = (*(CHANNELS[index] for index in wanted), *layers)
    spec.x, spec.y = x, y
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = picture.display
    spec.attribute("PixelAspectRatio", picture.aspect)
    spec.attribute("compression", compression)
    for name, value in picture.metadata.items() if metadata else ():
        spec.attribute(name, value)
    temporary = path.with_name(f"{path.stem}.tmp.exr")
    writer = oiio.ImageOutput.create(str(temporary))
    if writer is None or not writer.open(str(temporary), spec):
        raise RuntimeError(f"{path}: {oiio.geterror() if writer is None else writer.geterror().strip()}")
    planes = [picture.pixels[..., wanted], *(values[..., None] for values in layers.values())]
    good = writer.write_image(np.ascontiguousarray(np.concatenate(planes, axis=2)))
    if not writer.close() or not good:
        temporary.unlink(missing_ok=True)
        raise RuntimeError(f"{path}: {writer.geterror().strip() or 'cannot be written'}")
    temporary.replace(path)
