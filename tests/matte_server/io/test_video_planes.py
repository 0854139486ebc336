"""Codes of video planes against those that ITU-T H.273 and BT.709 print."""

from __future__ import annotations

import av
import numpy as np
import pytest

from matte_server.io.video_planes import rgb_of, to_code, unsupported_matrix
from tests.matte_server.video_files import VideoTags, frame_of


@pytest.mark.parametrize(
    ("bits", "full", "chroma", "codes"),
    [
        (8, False, False, (16, 235)),
        (8, False, True, (16, 240)),
        (10, False, False, (64, 940)),
        (10, False, True, (64, 960)),
        (12, False, False, (256, 3760)),
        (8, True, False, (0, 255)),
        (10, True, False, (0, 1023)),
    ],
)
def test_black_and_white_have_their_codes(bits: int, full: bool, chroma: bool, codes: tuple[int, int]) -> None:
    ends = np.array([-0.5, 0.5] if chroma else [0.0, 1.0], np.float32)
    assert tuple(to_code(ends, bits, full, chroma)) == codes


@pytest.mark.parametrize(("bits", "full", "middle"), [(8, False, 128), (8, True, 128), (10, False, 512)])
def test_no_colour_is_the_middle_of_the_codes(bits: int, full: bool, middle: int) -> None:
    assert to_code(np.zeros(1, np.float32), bits, full, chroma=True)[0] == middle


def test_codes_stay_in_what_the_interface_allows() -> None:
    """BT.709: codes 0 and 255 (0 to 3 and 1020 to 1023) carry timing in limited range."""
    beyond = np.array([-9.0, 9.0], np.float32)
    assert tuple(to_code(beyond, 8, False, chroma=False)) == (1, 254)
    assert tuple(to_code(beyond, 10, False, chroma=False)) == (4, 1019)
    assert tuple(to_code(beyond, 8, True, chroma=False)) == (0, 255)


@pytest.mark.parametrize("name", ["yuva444p10le", "gbrap10le"])
def test_opaque_is_the_highest_code_of_alpha(name: str) -> None:
    """Alpha has the full range of codes, whatever the colour has."""
    ramp = np.array([[0, 256, 512, 1023]], np.uint16).repeat(2, 0)
    found = rgb_of(frame_of([ramp * 0 + 512, ramp * 0 + 512, ramp * 0 + 512, ramp], name, VideoTags()))
    assert found.shape == (2, 4, 4)
    # Single precision.
    np.testing.assert_allclose(found[0, :, 3], [0.0, 256 / 1023, 512 / 1023, 1.0], rtol=1e-6)


def test_rgb_planes_are_whole_parts_of_their_highest_code() -> None:
    green, blue, red = (np.full((2, 2), code, np.uint16) for code in (1023, 0, 341))
    found = rgb_of(frame_of([green, blue, red], "gbrp10le", VideoTags()))
    np.testing.assert_allclose(found, np.broadcast_to([1 / 3, 1.0, 0.0], (2, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_ycgco(full: bool) -> None:
    """H.273, equations for MatrixCoefficients 8: Cg lies in the plane of Cb, Co in that of Cr."""
    red, green, blue = np.random.default_rng(2).random((3, 4, 6))
    luma, cg = green / 2 + (red + blue) / 4, green / 2 - (red + blue) / 4
    sizes, offsets = ((1023,) * 3, (0, 512, 512)) if full else ((876, 896, 896), (64, 512, 512))
    scaled = zip((luma, cg, (red - blue) / 2), sizes, offsets, strict=True)
    planes = [np.rint(each * size + offset).astype(np.uint16) for each, size, offset in scaled]
    frame = frame_of(planes, "yuv444p10le", VideoTags(matrix=8, is_full=full))
    # Half a step of each of the three planes.
    assert float(np.abs(rgb_of(frame) - np.stack([red, green, blue], -1)).max()) < 1.5 / 876
    assert unsupported_matrix(frame) == ""


@pytest.mark.parametrize(
    ("name", "matrix", "warned"),
    [
        ("yuv444p10le", 14, True),  # ICtCp
        ("yuv420p10le", 10, True),  # BT.2020 with constant luminance
        ("nv12", 14, True),
        ("yuv420p", 2, False),
        ("yuv420p", 4, False),
        ("gbrp10le", 0, False),
        ("gray10le", 14, False),
    ],
)
def test_a_matrix_that_is_not_supported_is_named(name: str, matrix: int, warned: bool) -> None:
    frame = av.VideoFrame(16, 16, name)
    frame.colorspace = matrix
    assert unsupported_matrix(frame) == (
        f"The tag matrix {matrix} of the video is not supported; its pictures were read with that of BT.601."
        if warned
        else ""
    )
