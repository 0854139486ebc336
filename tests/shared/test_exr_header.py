"""Headers of EXRs in plain Python, compared with OpenEXR's own library."""

from __future__ import annotations

import struct
from pathlib import Path

import OpenEXR
import pytest
from matte_link.exr_header import FLOAT, HALF, header_attributes, plain_header

TEXTS = {"cleanplate:stamp": "abc", "note": "ü"}


@pytest.mark.parametrize(("kind", "letter"), [(HALF, "e"), (FLOAT, "f")])
def test_the_library_reads_what_is_written(tmp_path: Path, kind: int, letter: str) -> None:
    header = plain_header(["A", "B"], kind, (3, -2, 2, 1), (0, 0, 8, 4), 2.0, texts=TEXTS.items())
    row = struct.pack(f"<4{letter}", 1.0, 0.5, 0.25, 2.0)
    (tmp_path / "a.exr").write_bytes(
        header + struct.pack("<q", len(header) + 8) + struct.pack("<ii", -2, len(row)) + row
    )
    file = OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True)
    found, channels = file.header(), file.channels()
    assert [list(pair) for pair in found["dataWindow"]] == [[3, -2], [4, -2]]
    assert [list(pair) for pair in found["displayWindow"]] == [[0, 0], [7, 3]]
    assert found["pixelAspectRatio"] == 2.0
    assert {name: found[name] for name in TEXTS} == TEXTS
    assert {name: channel.pixels.tolist() for name, channel in channels.items()} == {
        "A": [[1.0, 0.5]],
        "B": [[0.25, 2.0]],
    }
    assert {channel.pixels.dtype.char for channel in channels.values()} == {letter}


def test_attributes_are_found_in_their_order() -> None:
    header = plain_header(["A"], HALF, (0, 0, 1, 1), (0, 0, 1, 1), texts=TEXTS.items())
    found = list(header_attributes(header))
    assert [attribute.name for attribute in found][-3:] == ["screenWindowWidth", "cleanplate:stamp", "note"]
    assert [attribute.kind for attribute in found][:3] == ["chlist", "compression", "box2i"]
    assert [header[attribute.place].decode() for attribute in found[-2:]] == ["abc", "ü"]
    assert found[-1].place.stop + 1 == len(header)


def damaged_size(header: bytes, size: int) -> bytes:
    """The header with another size of its first attribute's value."""
    at = header.index(b"chlist\0") + 7
    return header[:at] + struct.pack("<i", size) + header[at + 4 :]


@pytest.mark.parametrize("size", [-1, -30, 1 << 20])
def test_a_damaged_size_is_an_error(size: int) -> None:
    """A negative one must not lead backwards, and for ever around."""
    header = plain_header(["A"], HALF, (0, 0, 1, 1), (0, 0, 1, 1))
    with pytest.raises(ValueError, match="damaged"):
        list(header_attributes(damaged_size(header, size)))


def test_a_header_that_was_cut_is_an_error_after_its_whole_attributes() -> None:
    header = plain_header(["A"], HALF, (0, 0, 1, 1), (0, 0, 1, 1))
    whole = [attribute.place.stop for attribute in header_attributes(header)]
    for end in range(len(header)):
        found = []
        with pytest.raises(ValueError):
            for attribute in header_attributes(header[:end]):
                found.append(attribute.place.stop)
        assert found == [stop for stop in whole if stop <= end]
    with pytest.raises(ValueError, match="no EXR"):
        next(header_attributes(b"P6\n" + header))
