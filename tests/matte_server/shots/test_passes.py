"""What a pass holds: pixels of a finished result, without a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.shots.passes import pass_of

WINDOW = Window(2, 1, 4, 2)
FOREGROUND = (0.5, 2.0, 0.25)
ALPHA = np.linspace(0.25, 1.0, 8, dtype=np.float32).reshape(2, 4, 1)
HALF = 1e-3
"""Half floats keep eleven bits: 0.0005 of the value, here up to 2, and twice that after a division."""


def picture(pixels: np.ndarray, channels: tuple[str, ...], premultiplied: bool = False) -> Image:
    return Image(
        pixels=np.ascontiguousarray(pixels, np.float32),
        channels=channels,
        data_window=WINDOW,
        display_window=WINDOW,
        premultiplied=premultiplied,
    )


def result(path: Path, premultiplied: bool) -> Path:
    colour = np.broadcast_to(np.array(FOREGROUND, np.float32), (2, 4, 3))
    pixels = np.concatenate([colour * ALPHA if premultiplied else colour, ALPHA], -1)
    layers = {
        "clean": picture(np.full((2, 4, 4), 0.125), ("R", "G", "B", "A")),
        "confidence": picture(ALPHA, ("Y",)),
    }
    exr.write_image(path, picture(pixels, ("R", "G", "B", "A"), premultiplied), layers=layers)
    return path


@pytest.mark.parametrize("premultiplied", [False, True])
def test_foreground_and_alpha_are_those_of_the_result(tmp_path: Path, premultiplied: bool) -> None:
    path = result(tmp_path / "matte.exr", premultiplied)
    alpha, foreground = pass_of(path, "alpha"), pass_of(path, "foreground")
    assert (alpha.channels, foreground.channels) == (("Y",), ("R", "G", "B"))
    np.testing.assert_allclose(alpha.pixels, ALPHA, rtol=HALF)
    np.testing.assert_allclose(foreground.pixels, np.broadcast_to(FOREGROUND, (2, 4, 3)), rtol=HALF)
    assert not foreground.premultiplied and foreground.data_window == WINDOW


def test_layers_are_read_in_their_own_channels(tmp_path: Path) -> None:
    path = result(tmp_path / "matte.exr", False)
    clean, confidence = pass_of(path, "clean"), pass_of(path, "confidence")
    assert (clean.channels, confidence.channels) == (("R", "G", "B"), ("Y",))
    np.testing.assert_array_equal(clean.pixels, np.full((2, 4, 3), 0.125))
    np.testing.assert_allclose(confidence.pixels, ALPHA, rtol=HALF)


def test_where_alpha_is_nothing_colour_is_finite(tmp_path: Path) -> None:
    path = result(tmp_path / "matte.exr", True)
    image = exr.read_image(path)
    exr.write_image(path, replace(image, pixels=np.zeros_like(image.pixels)))
    assert not pass_of(path, "foreground").pixels.any()
