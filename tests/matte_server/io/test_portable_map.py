"""PFM, PPM and PGM pictures, and which of them are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr

FLOATS, CODES = np.arange(1, 73, dtype="<f4") / 64, np.arange(1, 73, dtype=np.uint8)


def picture(folder: Path, head: bytes) -> Path:
    """A picture of 6 x 4 pixels with three channels; a newline behind it, as editors leave it, is no harm."""
    path = folder / "a.pfm"
    path.write_bytes(head + (FLOATS if head[1:2] in b"Ff" else CODES).tobytes() + b"\n" * (b"\r" not in head))
    return path


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (b"PF\n6 4\n-1.0\n", 1.0),
        (b"PF\n6 4\n-2\n", 2.0),
        (b"PF 6 4 -1.0 ", 1.0),
        (b"PF\n# 0 nan\n6 4\n-1.0\n", 1.0),
        (b"PF\r\n6 4\r\n-1.0\n", 1.0),
    ],
)
def test_floats_are_read_as_they_are(tmp_path: Path, head: bytes, unit: float) -> None:
    """Lines of a PFM go up."""
    expected = FLOATS.reshape(4, 6, 3)[::-1] * unit
    assert np.array_equal(exr.read_image(picture(tmp_path, head)).pixels, expected)


@pytest.mark.parametrize("head", [b"P6\n6 4\n255\n", b"P6 6 4 255 ", b"P6\r\n6 4\r\n255\n"])
def test_codes_are_read_as_they_are(tmp_path: Path, head: bytes) -> None:
    found = exr.read_image(picture(tmp_path, head)).pixels
    assert np.array_equal(np.rint(found * 255), CODES.reshape(4, 6, 3))


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        *((b"PF\n6 4\n%b\n" % scale, "its header states the scale") for scale in (b"0", b"-0.0", b"nan")),
        *((b"PF\n6 4\n%b\n" % scale, "its header states the scale") for scale in (b"-inf", b"1e-50", b"1e99")),
        (b"PF\n# comment\n6 4\n0\n", "its header states the scale 0"),
        (b"P6\n6 4\n0\n", "its header states the largest code 0"),
        (b"PF4\n6 3\n-1.0\n", "is a picture of the kind 'PF4'"),
        (b"P62\n6 4\n255\n", "is a picture of the kind 'P62'"),
        (b"PF\n6 4\n-1.0\r\n", "CR and LF end its header"),
        (b"P6\r\n6 4\r\n255\r\n", "CR and LF end its header"),
        (b"P5\n72 1\n255\r\n", "CR and LF end its header"),
        (b"P5\n36 1\n65535\r\n", "CR and LF end its header"),
        (b"PF\n6 4\nscale\n", "cannot be read"),
        (b"PF\n6 4\n", "cannot be read"),
    ],
)
def test_what_would_be_read_as_another_picture_is_refused(tmp_path: Path, head: bytes, sentence: str) -> None:
    """They were black, noise, or shifted by a byte."""
    with pytest.raises(MatteError, match=sentence) as refused:
        exr.read_image(picture(tmp_path, head))
    assert refused.value.code == "unreadable"
