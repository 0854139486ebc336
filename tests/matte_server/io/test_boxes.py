"""Boxes of MP4 and JPEG 2000, written here byte by byte: with 64 bits of length, up to the end, and cut."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from matte_server.io.boxes import boxes, find, inside, outermost
from matte_server.io.media import VideoReader
from matte_server.io.mp4_boxes import track_boxes
from matte_server.io.video_container import is_cut
from tests.matte_server.video_files import long_gop, number_of

Make = Callable[[bytes, bytes], bytes]


def short(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def long(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


def to_the_end(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 0, kind) + content


FIRST = short(b"aaaa", b"first")
A_TO_D = FIRST + long(b"bbbb", b"second") + short(b"cccc", b"") + to_the_end(b"dddd", b"the rest")


def contents(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, data[begin:end]) for kind, begin, end in boxes(data)]


def test_boxes_of_each_length() -> None:
    want = [(b"aaaa", b"first"), (b"bbbb", b"second"), (b"cccc", b""), (b"dddd", b"the rest")]
    assert contents(A_TO_D) == want
    file = io.BytesIO(A_TO_D)
    assert [(kind, A_TO_D[begin:behind]) for kind, begin, behind in outermost(file, len(A_TO_D))] == want


@pytest.mark.parametrize("make", [short, long])
def test_what_is_there_of_a_box_that_is_cut(make: Make) -> None:
    data = FIRST + make(b"bbbb", b"second")[:-2]
    assert contents(data) == [(b"aaaa", b"first"), (b"bbbb", b"seco")]
    assert [end for _, _, end in boxes(data)][-1] == len(data)
    # Of a file, where it would have ended is of interest.
    *_, (kind, _, behind) = outermost(io.BytesIO(data), len(data))
    assert (kind, behind) == (b"bbbb", len(data) + 2)


@pytest.mark.parametrize(
    "rest",
    [
        struct.pack(">I4s", 7, b"bbbb") + b"shorter than its own head",
        struct.pack(">I4sQ", 1, b"bbbb", 15) + b"shorter than its own head",
        struct.pack(">I4s", 1, b"bbbb") + b"cut",
        b"\0\0\0",
    ],
)
def test_what_is_no_box_ends_them(rest: bytes) -> None:
    data = FIRST + rest
    assert contents(data) == [(b"aaaa", b"first")]
    assert len(list(outermost(io.BytesIO(data), len(data)))) == 1


def test_a_box_inside_others() -> None:
    data = short(b"free", b"") + long(b"moov", short(b"free", b"12") + to_the_end(b"trak", long(b"tkhd", b"head")))
    assert inside(data, b"moov", b"trak", b"tkhd") == b"head"
    assert inside(data, b"moov", b"tkhd") == b"" and find(data, b"trak") == b""
    assert find(b"12345678" + long(b"clap", b"9"), b"clap", 8) == b"9"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    long_gop(tmp_path / "a.mp4")
    return tmp_path / "a.mp4"


def test_boxes_of_a_video_with_64_bits(video: Path) -> None:
    """As a video of more than 4 GB has: its pictures lie 8 bytes further behind."""
    data = video.read_bytes()
    plain = track_boxes(video, 1)
    parts = [data[begin - 8 : end] for _, begin, end in boxes(data)]
    longer = [long(part[4:8], part[8:]) if part[4:8] == b"moov" else part for part in parts]
    assert [part[4:8] for part in parts][-1] == b"moov"  # what moves lies behind the pictures
    video.write_bytes(b"".join(longer))
    assert track_boxes(video, 1) == plain != b""
    with VideoReader(video) as reader:
        assert number_of(reader.read(3).pixels) == 2
    media = next(part for part in parts if part[4:8] == b"mdat")
    for changed in (long(b"mdat", media[8:]), to_the_end(b"mdat", media[8:])):
        video.write_bytes(b"".join(parts).replace(media, changed))
        assert (track_boxes(video, 1) == plain) is (changed[:4] != bytes(4))


@pytest.mark.parametrize(("make", "is_told"), [(short, True), (long, True), (to_the_end, False)])
def test_a_video_that_is_cut(tmp_path: Path, make: Make, is_told: bool) -> None:
    data = short(b"moov", b"header") + make(b"mdat", bytes(100))
    (tmp_path / "a.mp4").write_bytes(data)
    assert not is_cut(tmp_path / "a.mp4", "mov,mp4")
    (tmp_path / "a.mp4").write_bytes(data[:-1])
    assert is_cut(tmp_path / "a.mp4", "mov,mp4") is is_told


def with_version_1(head: bytes) -> bytes:
    """A track's header with times of 64 bits (ISO 14496-12, 8.3.2)."""
    created, modified, track, unused, duration = struct.unpack_from(">5I", head, 4)
    return b"\1" + head[1:4] + struct.pack(">QQIIQ", created, modified, track, unused, duration) + head[24:]


def test_a_track_header_with_times_of_64_bits(tmp_path: Path) -> None:
    head = struct.pack(">B3x5I", 0, 3_000_000_000, 3_000_000_001, 7, 0, 99) + bytes(60)
    for number, content in enumerate((head, with_version_1(head))):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(short(b"moov", short(b"trak", short(b"tkhd", content) + short(b"mdia", b"here"))))
        assert find(track_boxes(path, 7), b"mdia") == b"here"
        assert track_boxes(path, 0) == track_boxes(path, 99) == b""
