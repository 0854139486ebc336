"""A result in another format than EXR, and what comps and videos make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from matte_link.options import MatteOptions

from matte_server.core.image import Image, multiplied_by_alpha
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear, to_scene_linear
from matte_server.io.png_chunks import chunks_before_pixels
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.outputs import SCREEN, comp_of, on_screen, read_matte_linear, write_matte, write_pass
from matte_server.shots.shot import ShotFrame

WINDOW = Window(0, 0, 8, 6)
PIXELS = np.random.default_rng(4).uniform(0.1, 0.9, (6, 8, 4)).astype(np.float32)


def _sent(space: str, is_premultiplied: bool) -> bytes:
    """The EXR that a server sends for ``PIXELS``, as scene-linear Rec.709, in the colourspace that was chosen."""
    light = Image(PIXELS, ("R", "G", "B", "A"), WINDOW, WINDOW)
    light = multiplied_by_alpha(light) if is_premultiplied else light
    sent = light if space == "auto" else from_scene_linear(light, space)
    return exr.encode_exr(exr.retag_colour(sent, "of the plate"), {}, exr.ExrFormat(bit_depth="float"))


@pytest.mark.parametrize(
    ("space", "suffix", "is_premultiplied"),
    [
        ("auto", ".png", True),
        ("auto", ".tif", True),
        ("auto", ".tif", False),
        ("acescg", ".tif", False),
        ("pq", ".png", True),
        ("pq", ".tif", False),
        ("logc4", ".png", False),
        ("logc4", ".tif", True),
    ],
)
def test_a_result_is_read_back_in_the_colourspace_that_was_chosen_for_it(
    tmp_path: Path, space: str, suffix: str, is_premultiplied: bool
) -> None:
    """Formats without a tag for it too: TIFF has none for PQ, and none has one for a log curve."""
    data = _sent(space, is_premultiplied)
    frame = ShotFrame(
        frame=1, plate=tmp_path / "p.exr", clean_plate=tmp_path / "c.exr", output=tmp_path / f"m{suffix}"
    )
    with ShotInputs(MatteOptions(output_colourspace=space)) as pictures:
        write_matte(frame, data, "stamp", pictures)
        found = read_matte_linear(frame, "", pictures)
    if suffix == ".tif":
        with tifffile.TiffFile(frame.output) as stored:
            assert stored.pages.first.extrasamples == ((1 if is_premultiplied else 2),)  # associated or not
    # Half a step of 16 bits, through PQ's curve: its codes are for light up to 100. Alpha of 0.1 makes it ten.
    tolerance = 4e-3 if is_premultiplied and suffix == ".tif" else 4e-4
    np.testing.assert_allclose(found.pixels, PIXELS, atol=tolerance)


@pytest.mark.parametrize(
    ("space", "suffix", "is_premultiplied"),
    [
        ("auto", ".tif", True),
        ("auto", ".png", True),
        ("acescg", ".png", False),
        ("logc4", ".png", False),
        ("logc4", ".exr", True),
        ("srgb", ".exr", True),
    ],
)
def test_the_foreground_as_a_file_is_in_the_colourspace_of_its_result(
    tmp_path: Path, space: str, suffix: str, is_premultiplied: bool
) -> None:
    data = _sent(space, is_premultiplied)
    frame = ShotFrame(
        frame=1,
        plate=tmp_path / "p.exr",
        clean_plate=tmp_path / "c.exr",
        output=tmp_path / f"m{suffix}",
        passes={"foreground": tmp_path / f"f{suffix}"},
    )
    options = MatteOptions(output_colourspace=space, bit_depth="float", premultiplied=is_premultiplied)
    with ShotInputs(options) as pictures:
        write_matte(frame, data, "stamp", pictures)
    write_pass(frame, "foreground", "stamp", options)
    found = exr.read_image(frame.passes["foreground"])
    if space != "logc4" or suffix == ".exr":
        found = to_scene_linear(found, found.colourspace)
    else:
        # No other format can say so, and none may say sRGB.
        assert b"sRGB" not in chunks_before_pixels(frame.passes["foreground"])
        found = to_scene_linear(found, space)
    tolerance = 4e-3 if is_premultiplied and suffix == ".tif" else 4e-4  # as above
    np.testing.assert_allclose(found.rgb, PIXELS[..., :3], atol=tolerance)


def test_a_premultiplied_video_is_multiplied_as_it_is_encoded() -> None:
    """Editors divide by alpha before they decode."""
    light = Image(PIXELS, ("R", "G", "B", "A"), WINDOW, WINDOW)
    code = from_scene_linear(light, SCREEN)
    np.testing.assert_array_equal(on_screen(light).pixels, code.pixels)
    expected = code.rgb * PIXELS[..., 3:]
    # float32, divided and multiplied by alpha on the way.
    np.testing.assert_allclose(on_screen(multiplied_by_alpha(light)).rgb, expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
@pytest.mark.parametrize(
    "display",
    [Window(2, 1, 3, 4), Window(-3, -2, 16, 12), Window(6, 2, 9, 9)],
    ids=["overscan", "cropped", "beside"],
)
def test_a_comp_without_a_data_window_is_the_whole_display_window(
    tmp_path: Path, display: Window, suffix: str
) -> None:
    """The subject lies where the plate has it, whatever the matte's format; beyond its pixels is the background."""
    matte = Image(PIXELS, ("R", "G", "B", "A"), WINDOW, display)
    set_behind = np.full((display.height, display.width, 3), 0.25, np.float32)
    exr.write_image(tmp_path / "b.exr", Image(set_behind, ("R", "G", "B"), display, display))
    frame = ShotFrame(
        frame=1,
        plate=tmp_path / "p.exr",
        clean_plate=tmp_path / "c.exr",
        output=tmp_path / f"m{suffix}",
        background=tmp_path / "b.exr",
        comp=tmp_path / "c.png",
    )
    with ShotInputs(MatteOptions()) as pictures:
        write_matte(frame, exr.encode_exr(matte, {}, exr.ExrFormat(bit_depth="float")), "stamp", pictures)
        found = comp_of(frame, "", pictures)
    expected = set_behind.copy()
    for y, x in np.ndindex(WINDOW.height, WINDOW.width):
        if 0 <= y - display.y < display.height and 0 <= x - display.x < display.width:
            colour, alpha = PIXELS[y, x, :3], PIXELS[y, x, 3]
            expected[y - display.y, x - display.x] = alpha * colour + (1 - alpha) * 0.25
    # Half a step of 16 bits through sRGB's curve, in colour and in alpha.
    np.testing.assert_allclose(found.rgb, expected, atol=6e-5)
