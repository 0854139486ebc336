"""Edit lists, clean apertures and display matrices of MP4: boxes that are written here, byte by byte."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from matte_server.errors import MatteError
from matte_server.io.media import VideoReader
from matte_server.io.mp4_boxes import has_odd_edits, track_boxes
from tests.matte_server.video_files import long_gop, number_of, set_display_matrix

COUNT = 14
TRACK = (b"moov", b"trak")
ENTRY = (*TRACK, b"mdia", b"minf", b"stbl", b"stsd")
Edit = tuple[int, int, float]
"""For how many pictures, from which one on (-1: nothing is shown), and how fast."""


def place_of(data: bytes, kinds: tuple[bytes, ...]) -> list[int]:
    """Where each box on the way begins."""
    places, at = [], 0
    for kind in kinds:
        while data[at + 4 : at + 8] != kind:
            at += int.from_bytes(data[at : at + 4], "big")
        places.append(at)
        at += 8
    return places


def put(data: bytes, kinds: tuple[bytes, ...], box: bytes, instead_of: bytes = b"") -> bytes:
    """``box`` at the end of the one that ``kinds`` lead to, or instead of the one in it with this type. The
    pictures lie before all boxes that grow, so their places stay."""
    places = place_of(data, kinds)
    begin = end = places[-1] + int.from_bytes(data[places[-1] : places[-1] + 4], "big")
    if instead_of:
        begin = place_of(data, (*kinds, instead_of))[-1]
        end = begin + int.from_bytes(data[begin : begin + 4], "big")
    changed = bytearray(data[:begin] + box + data[end:])
    for place in places:
        (size,) = struct.unpack_from(">I", changed, place)
        struct.pack_into(">I", changed, place, size + len(box) - (end - begin))
    return bytes(changed)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def with_edits(data: bytes, edits: list[Edit], version: int = 0) -> bytes:
    places = place_of(data, (b"moov", b"mvhd")), place_of(data, (*TRACK, b"mdia", b"mdhd"))
    of_movie, of_track = (struct.unpack_from(">I", data, at[-1] + 20)[0] // 24 for at in places)
    (first,) = struct.unpack_from(">i", data, place_of(data, (*TRACK, b"edts", b"elst"))[-1] + 20)
    layout = ">Qqi" if version else ">Iii"
    content = struct.pack(">BBHI", version, 0, 0, len(edits))
    for length, begin, speed in edits:
        start = -1 if begin < 0 else first + begin * of_track
        content += struct.pack(layout, length * of_movie, start, round(speed * 65536))
    return put(data, TRACK, box(b"edts", box(b"elst", content)), instead_of=b"edts")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    long_gop(tmp_path / "a.mp4")
    return tmp_path / "a.mp4"


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("edits", "shown"),
    [
        ([(9, 5, 1.0)], range(5, 14)),
        ([(12, -1, 1.0), (14, 0, 1.0)], range(14)),
        ([(6, -1, 1.0), (2, -1, 0.0), (3, -1, 1.0), (9, 5, 1.0)], range(5, 14)),
        ([(4, 0, 1.0), (5, 8, 1.0)], [0, 1, 2, 3, 8, 9, 10, 11, 12]),
        ([(4, 8, 1.0), (4, 0, 1.0)], [8, 9, 10, 11, 0, 1, 2, 3]),
    ],
    ids=["cut", "late", "late by several", "two parts", "exchanged"],
)
def test_edits_that_are_followed(video: Path, edits: list[Edit], shown: list[int], version: int) -> None:
    video.write_bytes(with_edits(video.read_bytes(), edits, version))
    with VideoReader(video) as reader:
        found = [number_of(reader.read(number).pixels) for number in range(1, reader.facts.frames + 1)]
    assert found == list(shown)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    "edits",
    [
        [(4, 0, 1.0), (24, -1, 1.0), (5, 8, 1.0)],
        [(4, 0, 1.0), (10, 4, 0.0), (3, 8, 1.0)],
        [(7, 0, 2.0)],
        [(14, 0, 1.0), (9, -1, 1.0)],
    ],
    ids=["gap", "held", "fast", "gap at the end"],
)
def test_edits_of_which_ffmpeg_shows_other_pictures_are_refused(
    video: Path, edits: list[Edit], version: int
) -> None:
    video.write_bytes(with_edits(video.read_bytes(), edits, version))
    with pytest.raises(MatteError, match="has an edit list with a gap, a held picture or another speed") as refused:
        VideoReader(video)
    assert refused.value.code == "unreadable"


@pytest.mark.parametrize("size", [0, 4, 8, 12, 19])
def test_an_edit_list_that_is_cut_says_nothing(size: int) -> None:
    content = struct.pack(">BBHIIii", 0, 0, 0, 9, 24, 0, 0)
    assert not has_odd_edits(box(b"edts", box(b"elst", content[:size])))
    assert has_odd_edits(box(b"edts", box(b"elst", content)))


def test_an_edit_list_that_leaves_everything_out(video: Path) -> None:
    """It was a picture whose data are damaged."""
    video.write_bytes(with_edits(video.read_bytes(), [(0, 0, 1.0)]))
    with pytest.raises(MatteError, match="shows no pictures: its edit list leaves them out") as refused:
        VideoReader(video)
    assert refused.value.code == "no_video"


@pytest.mark.parametrize(
    ("aperture", "is_named"),
    [((352, 2, 255, 2), True), ((192, 1, 256, 2), False), ((0, 0, 9, 1), False), ((9, 1, 0, 0), False)],
)
def test_a_clean_aperture_is_named_and_all_is_read(video: Path, aperture: tuple[int, ...], is_named: bool) -> None:
    data, content = video.read_bytes(), struct.pack(">8I", *aperture, 0, 1, 0, 1)
    entry = place_of(data, ENTRY)[-1] + 16
    (size,) = struct.unpack_from(">I", data, entry)
    longer = struct.pack(">I", size + 40) + data[entry + 4 : entry + size] + box(b"clap", content)
    video.write_bytes(put(data, ENTRY[:-1], box(b"stsd", bytes(7) + b"\1" + longer), instead_of=b"stsd"))
    with VideoReader(video) as reader:
        found = reader.read(3)
    assert found.pixels.shape[:2] == (128, 192) and number_of(found.pixels) == 2
    said = "Players show 176 x 127.5 of the video's pixels, its clean aperture; all 192 x 128 were read."
    assert found.warnings == ((said,) if is_named else ())


@pytest.mark.parametrize(
    ("degrees", "is_right"), [(0.0, True), (0.01, True), (10.0, False), (45.0, False), (89.9, False), (90.01, True)]
)
def test_a_matrix_that_turns_by_no_right_angle_is_named(video: Path, degrees: float, is_right: bool) -> None:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    set_display_matrix(video, (cosine, sine, -sine, cosine))
    with VideoReader(video) as reader:
        warnings = reader.read(1).warnings
    assert [text for text in warnings if "by other than right angles" in text] == list(warnings)
    assert bool(warnings) != is_right


@pytest.mark.parametrize(
    ("matrix", "stored", "shown"),
    [
        ((2.0, 0.0, 0.0, 1.0), (1, 1), 2.0),
        ((-2.0, 0.0, 0.0, 4.0), (1, 1), 0.5),
        ((3.0, 0.0, 0.0, 3.0), (3, 2), 1.5),
        ((2.0, 0.0, 0.0, 1.0), (3, 2), 3.0),
        # x' = ax + cy and y' = bx + dy: a stored pixel's width is b of the upright one's height.
        ((0.0, 2.0, -1.0, 0.0), (1, 1), 0.5),
        ((0.0, 1.0, -2.0, 0.0), (1, 1), 2.0),
        ((0.0, 1.0, -2.0, 0.0), (4, 1), 0.5),
        ((0.0, 1.0, -1.0, 0.0), (4, 1), 0.25),
        # Rounded.
        ((1.0, 0.0, 0.0, 1.0005), (4, 1), 4.0),
    ],
)
@pytest.mark.parametrize("is_in_boxes", [True, False])
def test_a_matrix_that_stretches(
    tmp_path: Path,
    matrix: tuple[float, float, float, float],
    stored: tuple[int, int],
    shown: float,
    is_in_boxes: bool,
) -> None:
    """The stored pixels' aspect is in the container, or in the codec's data alone."""
    path = tmp_path / "a.mp4"
    in_codec = "1/1" if is_in_boxes else "{}/{}".format(*stored)
    options: dict[str, Any] = {"x264-params": f"sar={in_codec}:bframes=0"}
    long_gop(path, 3, **options)
    set_display_matrix(path, matrix)
    data = path.read_bytes()
    if is_in_boxes:
        entry = place_of(data, ENTRY)[-1] + 16
        (size,) = struct.unpack_from(">I", data, entry)
        aspect = box(b"pasp", struct.pack(">2I", *stored))
        longer = struct.pack(">I", size + 16) + data[entry + 4 : entry + size] + aspect
        data = put(data, ENTRY[:-1], box(b"stsd", bytes(7) + b"\1" + longer), instead_of=b"stsd")
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert math.isclose(reader.facts.pixel_aspect, shown) and reader.facts.notes == ()


def test_boxes_of_a_cut_file_say_nothing(video: Path, tmp_path: Path) -> None:
    """Whatever is left of them: what is missing is found by others."""
    data = with_edits(video.read_bytes(), [(7, 0, 2.0)])
    assert track_boxes(video, 1) and not track_boxes(video, 2)
    for end in range(len(data) - 900, len(data), 7):
        (tmp_path / "cut.mp4").write_bytes(data[:end])
        with pytest.raises(MatteError):
            VideoReader(tmp_path / "cut.mp4")
