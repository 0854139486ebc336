"""What a file calls its parts is quoted in sentences that go to a terminal: nothing in them may act there."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.icc import read_profile
from matte_server.io.media import VideoReader
from matte_server.io.primaries import REC_709
from tests.matte_server import picture_files as files

CLEARS, CLEARED = "\x1b[2J", "\\x1b[2J"
"""A text that clears a terminal, and how it is shown."""
CODE = np.random.default_rng(1).random((12, 20, 3))
PLANE = np.zeros((4, 6), np.float16)


def damaged_png(path: Path) -> None:
    files.png(path, CODE)
    data = path.read_bytes()
    kind = CLEARS.encode()
    wrong = (zlib.crc32(kind) ^ 1).to_bytes(4, "big")
    path.write_bytes(data[:33] + struct.pack(">I", 0) + kind + wrong + data[33:])


def odd_layer(path: Path) -> None:
    OpenEXR.File({}, {f"{CLEARS}.{plain}": PLANE for plain in "RGB"}).write(str(path))


def odd_channels(path: Path) -> None:
    OpenEXR.File({}, {f"{CLEARS}.{plain}": PLANE for plain in "UV"}).write(str(path))


def odd_type(path: Path) -> None:
    """OpenEXR quotes the attribute that it does not understand."""
    OpenEXR.File({}, dict.fromkeys("RGB", PLANE)).write(str(path))
    path.write_bytes(path.read_bytes().replace(b"channels\0chlist\0", b"channels\0" + CLEARS.encode() + b"xx\0"))


@pytest.mark.parametrize(
    ("suffix", "write", "is_quoted"),
    [
        (".png", damaged_png, True),
        (".exr", odd_layer, True),
        (".exr", odd_channels, True),
        (".exr", odd_type, False),
    ],
)
def test_a_refusal(tmp_path: Path, suffix: str, write: Callable[[Path], None], is_quoted: bool) -> None:
    path = tmp_path / f"a{suffix}"
    write(path)
    with pytest.raises(MatteError) as refused:
        exr.read_image(path)
    said = str(refused.value)
    assert said.isprintable() and (CLEARED in said) is is_quoted


def test_a_line_of_a_radiance_header(tmp_path: Path) -> None:
    files.hdr(tmp_path / "a.hdr", CODE, f"EXPOSURE=2 {CLEARS}{'x' * 200}\n")
    (warning,) = exr.read_image(tmp_path / "a.hdr").colour_warnings
    assert warning.isprintable() and f"The tag EXPOSURE=2 {CLEARED}xxx" in warning and "x" * 80 not in warning


@pytest.mark.parametrize("is_unicode", [False, True])
def test_the_name_of_a_profile(is_unicode: bool) -> None:
    profile = files.icc_profile(REC_709, files.gamma_curve(1.8))
    assert read_profile(profile).description == "Test"
    # Both texts stand where that of eight bytes stood.
    old = profile[profile.index(b"mluc") :][:36]
    new = (
        old[:28] + CLEARS.encode("utf-16-be")
        if is_unicode
        else b"desc\0\0\0\0\0\0\0\5" + CLEARS.encode() + bytes(20)
    )
    assert read_profile(profile.replace(old, new)).description == CLEARED


def test_a_timecode(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = CLEARS
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv444p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv444p")))
        container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        (warning,) = reader.read(1).warnings
    assert warning.startswith(f"The timecode {CLEARED} was left out")
