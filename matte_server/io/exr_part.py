"""What the header of one part of an EXR says: windows, channels, views, colour."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..core.window import Window
from .exr_header import RawAttribute, decoded_string_vector
from .timecode import Timecode

HALF, FLOAT, UINT = 1, 2, 0
"""Types of a channel's samples."""
PIXEL_ASPECT = "pixelAspectRatio"
_CHANNEL_FACTS = 16
_LEAST_ASPECT = 1e-6


@dataclass(frozen=True)
class ExrChannel:
    """One channel of a part: its name, the type of its samples, and which pixels have one: every ``across``-th of a
    line and every ``down``-th of a column of the EXR plane."""

    name: str
    sample_type: int
    across: int
    down: int

    @property
    def is_full_size(self) -> bool:
        """Whether every pixel has a sample."""
        return self.across == self.down == 1

    def fits(self, data: Window) -> bool:
        """Whether a data window begins and ends with the channel's samples, as OpenEXR demands it."""
        across, down = max(self.across, 1), max(self.down, 1)
        return not (data.x % across or data.width % across or data.y % down or data.height % down)


@dataclass(frozen=True)
class ExrPart:
    """One part of an EXR, from its header. Attributes that are missing or have an unexpected type have the value
    that OpenEXR gives them by default."""

    attributes: Mapping[str, RawAttribute]
    channels: tuple[ExrChannel, ...]
    data_window: Window
    display_window: Window

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(channel.name for channel in self.channels)

    @property
    def name(self) -> str:
        """The part's name; empty if it has none."""
        return self.text("name")

    @property
    def view(self) -> str:
        """The view that the whole part shows; empty if its channels name views, or there are none."""
        return self.text("view")

    @property
    def views_of_channels(self) -> tuple[str, ...]:
        """The views among the part's channels, the default view first."""
        listed = self.attributes.get("multiView")
        return decoded_string_vector(listed) if listed else ()

    @property
    def is_deep(self) -> bool:
        """Whether pixels have any number of samples."""
        return self.text("type").startswith("deep")

    @property
    def compression(self) -> int:
        """How its chunks are compressed, by OpenEXR's number; -1 where the header does not say."""
        (number,) = self.numbers("compression", "compression", "<B") or (-1,)
        return int(number)

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel divided by its height; 1 where OpenEXR would not take what the file states."""
        (aspect,) = self.numbers(PIXEL_ASPECT, "float", "<f") or (1.0,)
        return float(aspect) if _LEAST_ASPECT <= aspect <= 1 / _LEAST_ASPECT else 1.0

    @property
    def chromaticities(self) -> tuple[float, ...]:
        """x and y of red, green, blue and white; empty if the file does not state them."""
        return self.numbers("chromaticities", "chromaticities", "<8f")

    def text(self, name: str) -> str:
        """A string attribute; empty if it is missing or of another type."""
        value = self.attributes.get(name)
        return value.data.decode("utf-8", "replace") if value and value.type == "string" else ""

    def numbers(self, name: str, kind: str, layout: str) -> tuple[float, ...]:
        """The numbers of an attribute of type ``kind``, unpacked by ``layout``; empty if it does not fit."""
        value = self.attributes.get(name)
        if value is None or value.type != kind or len(value.data) != struct.calcsize(layout):
            return ()
        return struct.unpack(layout, value.data)


def part_of(attributes: Mapping[str, RawAttribute]) -> ExrPart:
    """The part with these attributes. Raises ``ValueError`` if its windows or channels are missing or damaged."""
    return ExrPart(
        attributes=attributes,
        channels=_channels(attributes),
        data_window=_window(attributes, "dataWindow"),
        display_window=_window(attributes, "displayWindow"),
    )


def timecode_text(attribute: object, rate: Fraction) -> str:
    """The timecode that an attribute timeCode holds, at ``rate`` frames a second; empty if it is none."""
    if not isinstance(attribute, RawAttribute) or attribute.type != "timecode" or len(attribute.data) != 8:
        return ""
    code = Timecode.unpacked(struct.unpack_from("<I", attribute.data)[0], rate)
    return str(code) if code else ""


def frame_rate(attribute: object) -> Fraction | None:
    """The frame rate that an attribute framesPerSecond states; None if it is no positive number."""
    if not isinstance(attribute, RawAttribute) or attribute.type != "rational" or len(attribute.data) != 8:
        return None
    numerator, denominator = struct.unpack("<iI", attribute.data)
    return Fraction(numerator, denominator) if numerator > 0 and denominator > 0 else None


def _window(attributes: Mapping[str, RawAttribute], name: str) -> Window:
    value = attributes.get(name)
    if value is None or value.type != "box2i" or len(value.data) != 16:
        raise ValueError(f"the header has no {name}")
    left, top, right, bottom = struct.unpack("<4i", value.data)
    return Window(left, top, right - left + 1, bottom - top + 1)


def _channels(attributes: Mapping[str, RawAttribute]) -> tuple[ExrChannel, ...]:
    value = attributes.get("channels")
    if value is None or value.type != "chlist":
        raise ValueError("the header has no list of channels")
    found, at, data = [], 0, value.data
    while at < len(data) and data[at]:
        end = data.index(b"\0", at)
        if end + 1 + _CHANNEL_FACTS > len(data):
            raise ValueError("the header's list of channels is incomplete")
        sample_type, _, across, down = struct.unpack_from("<iiii", data, end + 1)
        name = data[at:end].decode("utf-8", "replace")
        found.append(ExrChannel(name=name, sample_type=sample_type, across=across, down=down))
        at = end + 1 + _CHANNEL_FACTS
    return tuple(found)
