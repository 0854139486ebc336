"""Luminance-chroma EXRs (Y, RY, BY) whose picture is one of several: in a layer, a view or a part."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.luma_chroma import luma_weights
from tests.matte_server.io.test_exr import raw_exr
from tests.matte_server.pictures import Array

WIDTH, HEIGHT = 32, 24
REC_709_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
# Half floats, and chroma that is interpolated between every second pixel of colours that hardly change.
TOLERANCE = 0.01


def smooth(mirrored: bool = False) -> Array:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    picture = np.stack([0.3 + 0.2 * x / WIDTH, 0.4 + 0.1 * y / HEIGHT, np.full_like(x, 0.35)], -1)
    return picture[::-1, ::-1] if mirrored else picture


def luma_chroma(picture: Array, prefix: str = "", step: int = 2) -> dict[str, tuple[Any, int]]:
    luma = picture @ REC_709_LUMA
    planes = {"BY": (picture[..., 2] - luma) / luma, "RY": (picture[..., 0] - luma) / luma}
    halved = {prefix + name: (plane[::step, ::step], step) for name, plane in planes.items()}
    return {**halved, f"{prefix}Y": (luma, 1)}


def write(path: Path, planes: dict[str, tuple[Any, int]], *more: tuple[str, str, bytes]) -> None:
    in_order = dict(sorted(planes.items()))
    raw_exr(path, Window(0, 0, WIDTH, HEIGHT), in_order, list(more))


def write_parts(path: Path, parts: dict[str, dict[str, tuple[Any, int]]], view_of_part: bool = False) -> None:
    """A multi-part EXR out of single-part ones: their headers, then their lines with the part's number."""
    headers, lines = b"", []
    for number, (name, planes) in enumerate(parts.items()):
        more = [("name", "string", name.encode()), ("type", "string", b"scanlineimage")]
        more += [("view", "string", name.encode())] if view_of_part else []
        write(path, planes, *more, ("chunkCount", "int", struct.pack("<i", HEIGHT)))
        data = path.read_bytes()
        first = data.index(struct.pack("<i", HEIGHT), data.index(b"chunkCount")) + 5
        starts = struct.unpack_from(f"<{HEIGHT}Q", data, first)
        headers += data[8:first]
        lines += [struct.pack("<i", number) + data[a:b] for a, b in zip(starts, (*starts[1:], None), strict=True)]
    head = struct.pack("<ii", 20000630, 2 | 0x1000) + headers + b"\0"
    offsets = len(head) + 8 * len(lines) + np.cumsum([0, *map(len, lines[:-1])])
    path.write_bytes(head + struct.pack(f"<{len(lines)}Q", *map(int, offsets)) + b"".join(lines))


def off(path: Path, truth: Array, layer: str = "", view: str = "") -> float:
    found = exr.read_image(path, layer=layer, view=view)
    assert found.channels == ("R", "G", "B")
    return float(np.abs(found.pixels - truth).max())


def test_a_layer_of_luminance_and_chroma_is_in_colour(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write(path, luma_chroma(smooth(), "beauty."))
    assert off(path, smooth(), layer="beauty") < TOLERANCE
    with pytest.raises(MatteError, match=r"Choose one of its layers with --layer: beauty\.$"):
        exr.read_image(path)
    for prefix in ("rgba.", "rgb."):
        write(path, luma_chroma(smooth(), prefix))
        assert off(path, smooth()) < TOLERANCE


def test_names_in_lower_case_are_the_same_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write(path, {name.lower(): plane for name, plane in luma_chroma(smooth()).items()})
    assert off(path, smooth()) < TOLERANCE


def test_each_eye_has_its_own_luminance_and_chroma(tmp_path: Path) -> None:
    left, right = smooth(), smooth(mirrored=True)
    in_channels, in_parts = tmp_path / "channels.exr", tmp_path / "parts.exr"
    views = b"".join(struct.pack("<i", len(name)) + name for name in (b"left", b"right"))
    write(in_channels, luma_chroma(left) | luma_chroma(right, "right."), ("multiView", "stringvector", views))
    write_parts(in_parts, {"left": luma_chroma(left), "right": luma_chroma(right)}, view_of_part=True)
    for path in (in_channels, in_parts):
        assert off(path, left) < TOLERANCE
        assert off(path, left, view="left") < TOLERANCE
        assert off(path, right, view="right") < TOLERANCE


def test_each_part_has_its_own_luminance_and_chroma(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_parts(path, {"diffuse": luma_chroma(smooth(mirrored=True)), "beauty": luma_chroma(smooth())})
    assert off(path, smooth()) < TOLERANCE
    assert off(path, smooth(mirrored=True), layer="diffuse") < TOLERANCE


def test_a_subsampled_channel_in_another_part_hides_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    coarse = {"lowres": (np.zeros((HEIGHT // 2, WIDTH // 2)), 2)}
    picture = {name: (smooth()[..., index], 1) for index, name in enumerate("RGB")}
    write_parts(path, {"small": coarse, "rgba": picture})
    assert off(path, smooth()) < 2**-12  # half floats below 0.5


def test_only_the_part_with_the_picture_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_parts(path, {"beauty": luma_chroma(smooth()), "diffuse": luma_chroma(smooth(mirrored=True))})
    data = path.read_bytes()
    # An impossible width, for which the module refuses the whole file.
    width = data.rindex(b"screenWindowWidth\0float\0") + 28
    path.write_bytes(data[:width] + struct.pack("<f", -1.0) + data[width + 4 :])
    assert off(path, smooth()) < TOLERANCE


@pytest.mark.parametrize("names", [("r", "g", "b"), ("red", "green", "blue"), ("R", "G", "B")])
def test_layers_that_are_read_are_offered(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "a.exr"
    write(path, {f"sky.{name}": (smooth()[..., index], 1) for index, name in enumerate(names)})
    with pytest.raises(MatteError, match=r"Choose one of its layers with --layer: sky\.$"):
        exr.read_image(path)
    assert off(path, smooth(), layer="sky") < 2**-12  # half floats below 0.5


@pytest.mark.parametrize(("part", "is_used"), [(0.0, False), (1e-4, False), (0.001, True), (0.1, True)])
def test_primaries_whose_green_is_nearly_unused_in_white_give_no_weights(part: float, is_used: bool) -> None:
    """Green is what is left of luminance, divided by its weight. White lies between red and blue, save a part."""
    red, green, blue = (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)
    white = [
        (1 - part) * (of_red + of_blue) / 2 + part * of_green
        for of_red, of_green, of_blue in zip(red, green, blue, strict=True)
    ]
    weights = luma_weights((*red, *green, *blue, *white))
    # The usual weights of Rec.709 are rounded to four digits.
    assert np.allclose(weights, REC_709_LUMA, atol=1e-4) is not is_used
