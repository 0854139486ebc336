"""Which colourspace a written file says it is in, by readers of others; what its encoder prints."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear, to_scene_linear
from matte_server.io.png_chunks import chunks_before_pixels
from tests.matte_server import colour_formulas as formulas

# Of colours inside every gamut here, as light.
LIGHT = np.random.default_rng(3).uniform(0.2, 0.6, (6, 8, 3)).astype(np.float32)
WINDOW = Window(0, 0, 8, 6)
BY_PROFILE = ("linear", "rec709", "rec2020", "p3", "adobergb", "acescg", "aces", "xyz", "gamma 1.8", "awg4")
PQ_2020, HLG_2020 = bytes((9, 16, 0, 1)), bytes((9, 18, 0, 1))
# Half a code of LittleCMS's 8 bits before and after, through the steepest curve and the widest gamut.
ROUNDED_TWICE = 0.012


def picture(space: str, light: np.ndarray = LIGHT) -> Image:
    scene = Image(np.ascontiguousarray(light, np.float32), ("R", "G", "B"), WINDOW, WINDOW)
    return from_scene_linear(scene, space)


def written(path: Path, space: str) -> Path:
    exr.write_image(path, picture(space))
    return path


@pytest.mark.parametrize("space, suffix", [("srgb", ".tif"), *itertools.product(BY_PROFILE, (".png", ".tif"))])
def test_a_colourspace_of_numbers_is_stated_by_a_profile(tmp_path: Path, space: str, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}", space)
    with PillowImage.open(path) as stored:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(stored.info["icc_profile"]))
    code = PillowImage.fromarray(np.rint(picture(space).pixels * 255).astype(np.uint8))
    srgb = ImageCms.profileToProfile(code, profile, ImageCms.createProfile("sRGB"))
    found = formulas.srgb_decoded(np.asarray(srgb) / 255)
    # A linear code has 8 bits for what sRGB has more for; XYZ and AP0 spread a step over the other channels.
    tolerance = ROUNDED_TWICE if space not in ("xyz", "aces") else 2 * ROUNDED_TWICE
    np.testing.assert_allclose(found, LIGHT, atol=tolerance)
    back = exr.read_image(path)
    np.testing.assert_allclose(to_scene_linear(back, back.colourspace).rgb, LIGHT, atol=1e-4)  # 16 bits


def test_srgb_is_stated_in_the_words_of_the_format(tmp_path: Path) -> None:
    assert b"sRGB" in chunks_before_pixels(written(tmp_path / "a.png", "srgb"))
    with PillowImage.open(written(tmp_path / "a.jpg", "srgb")) as stored:
        assert stored.getexif().get_ifd(0x8769)[0xA001] == 1  # ColorSpace of EXIF: sRGB


@pytest.mark.parametrize("space, codes", [("pq", PQ_2020), ("hlg", HLG_2020)])
def test_hdr_is_stated_by_cicp(tmp_path: Path, space: str, codes: bytes) -> None:
    assert chunks_before_pixels(written(tmp_path / "a.png", space))[b"cICP"] == codes


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_log_curve_and_a_picture_of_data_are_not_called_srgb(tmp_path: Path, suffix: str) -> None:
    grey = replace(picture("srgb"), pixels=LIGHT[..., :1], channels=("Y",))
    exr.write_image(tmp_path / f"grey{suffix}", grey)
    for path in (written(tmp_path / f"log{suffix}", "logc4"), tmp_path / f"grey{suffix}"):
        assert not chunks_before_pixels(path).keys() & {b"sRGB", b"gAMA", b"iCCP", b"cICP", b"cHRM"}
        with PillowImage.open(path) as stored:
            assert "icc_profile" not in stored.info and not stored.getexif().get_ifd(0x8769)


@pytest.mark.parametrize(
    "space, name, value",
    [
        ("srgb", "colorInteropID", "srgb_rec709_scene"),
        ("pq", "colorInteropID", "pq_rec2020_display"),
        ("logc4", "oiio:ColorSpace", "ARRI LogC4"),
        ("acescg", "chromaticities", (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)),
    ],
)
def test_an_exr_in_another_colourspace_than_its_plate_says_so(
    tmp_path: Path, space: str, name: str, value: object
) -> None:
    image = replace(
        picture(space), metadata={"chromaticities": exr.RawAttribute(type="chromaticities", data=bytes(32))}
    )
    exr.write_image(tmp_path / "a.exr", exr.retag_colour(image, "Linear P3-D65"), exr.ExrFormat(bit_depth="float"))
    header = OpenEXR.File(str(tmp_path / "a.exr"), header_only=True).header()
    assert header[name] == (value if isinstance(value, str) else pytest.approx(value))
    assert ("chromaticities" in header) == (name == "chromaticities")
    assert exr.read_image(tmp_path / "a.exr").colourspace == image.colourspace


def test_what_an_encoder_prints_is_no_line_of_ours(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libpng prints two lines on pictures wider than a million pixels."""
    width = 1_000_001
    line = Image(np.zeros((1, width, 1), np.float32), ("Y",), Window(0, 0, width, 1), Window(0, 0, width, 1))
    with pytest.raises(MatteError, match=r"a\.png cannot be written: PNG write error: Invalid IHDR data\.\Z"):
        exr.write_image(tmp_path / "a.png", line)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
