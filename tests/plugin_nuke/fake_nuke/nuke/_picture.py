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


@dataclass(frozen=True, eq=False)
class Picture:
    """RGBA float32 in the data window; zero outside."""

    pixels: Pixels
    data: Window
    display: Window
    aspect: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)

    def on(self, window: Window) -> Pixels:
        """The pixels of another data window."""
        x, y, width, height = window
        result = np.zeros((height, width, 4), np.float32)
        left, top = max(x, self.data[0]), max(y, self.data[1])
        right = min(x + width, self.data[0] + self.data[2])
        bottom = min(y + height, self.data[1] + self.data[3])
        if right > left and bottom > top:
            result[top - y : bottom - y, left - x : right - x] = self.pixels[
                top - self.data[1] : bottom - self.data[1], left - self.data[0] : right - self.data[0]
            ]
        return result

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
        return Picture(pixels, data, display, self.aspect, self.metadata)


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
        )
    finally:
        reader.close()


def write_exr(path: Path, picture: Picture, channels: str, half: bool, compression: str, metadata: bool) -> None:
    """Writes ``rgb``, ``rgba`` or ``alpha`` under a temporary name and renames it, as Nuke does."""
    wanted = {"rgb": (0, 1, 2), "rgba": (0, 1, 2, 3), "alpha": (3,)}[channels]
    x, y, width, height = picture.data
    spec = oiio.ImageSpec(width, height, len(wanted), oiio.HALF if half else oiio.FLOAT)
    spec.channelnames = tuple(CHANNELS[index] for index in wanted)
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
    good = writer.write_image(np.ascontiguousarray(picture.pixels[..., wanted]))
    if not writer.close() or not good:
        temporary.unlink(missing_ok=True)
        raise RuntimeError(f"{path}: {writer.geterror().strip() or 'cannot be written'}")
    temporary.replace(path)
