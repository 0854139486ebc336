"""ICC profiles against LittleCMS: curves of every kind, tables, and those that cannot be applied."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from matte_server.io.icc import profile_to_rec709, read_profile
from matte_server.io.primaries import P3_D65, REC_709
from tests.matte_server import colour_formulas as formulas
from tests.matte_server.picture_files import (
    gamma_curve,
    icc_profile,
    icc_table,
    icc_table_profile,
    littlecms_srgb,
    parametric,
    table_curve,
)

CODE = 0.008
"""One code of 8-bit sRGB at 0.8 in linear light, where a code is widest here."""
ROUNDED = 0.6 / 255
"""Half a code of LittleCMS's 8 bits, and what its 16-bit sums lose."""
CURVES = {
    "gamma": gamma_curve(1.8),
    "straight": b"curv\0\0\0\0" + bytes(4),
    "two-places": table_curve(np.array([0.0, 1.0])),
    "places": table_curve(np.linspace(0.05, 0.9, 33) ** 2),
    "parametric-0": parametric(2.2),
    "parametric-1": parametric(2.4, 1 / 1.05, 0.05 / 1.05),
    "parametric-1-dark": parametric(2.4, 1.2, -0.2),
    "parametric-2": parametric(2.4, 0.9, 0.05, 0.05),
    "parametric-3": parametric(2.0, 0.8, 0.2, 0.3, 0.5),
    "parametric-4": parametric(2.2, 0.95, 0.02, 0.4, 0.05, 0.02, 0.01),
}
PICTURE = np.random.default_rng(5).integers(0, 256, (8, 8, 3)).astype(np.uint8)


def srgb_by_us(profile: bytes) -> np.ndarray:
    light = profile_to_rec709(read_profile(profile), np.asarray(PICTURE / 255, np.float32))
    return formulas.srgb_encoded(np.clip(light, 0, 1))


@pytest.mark.parametrize("curve", CURVES)
def test_curves_are_what_littlecms_makes_of_them(curve: str) -> None:
    profile = icc_profile(P3_D65, CURVES[curve])
    assert read_profile(profile).is_exact
    expected = littlecms_srgb(PillowImage.fromarray(PICTURE), profile)
    np.testing.assert_allclose(srgb_by_us(profile), expected, atol=ROUNDED)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("connection", [b"XYZ ", b"Lab "])
def test_grey_curves_end_in_luminance_or_lightness(curve: str, connection: bytes) -> None:
    profile = icc_profile((), CURVES[curve], b"GRAY", connection=connection)
    expected = littlecms_srgb(PillowImage.fromarray(PICTURE[..., 0]), profile)
    np.testing.assert_allclose(srgb_by_us(profile), expected, atol=ROUNDED)


@pytest.mark.parametrize("tag", [b"A2B0", b"A2B1"])
def test_a_table_beside_a_matrix_is_what_the_profile_means(tag: bytes) -> None:
    profile = icc_profile(REC_709, gamma_curve(2.2), more=[(tag, icc_table(P3_D65))])
    assert not read_profile(profile).is_exact
    expected = littlecms_srgb(PillowImage.fromarray(PICTURE), profile)
    np.testing.assert_allclose(srgb_by_us(profile), expected, atol=1e-5)  # float32 through sRGB's curve and back


def test_a_table_is_applied_in_eight_bits() -> None:
    profile = read_profile(icc_table_profile(REC_709))
    assert not profile.is_exact and profile.description == "Test"
    # Of the profile's own codes, so that eight bits hold them exactly.
    light = np.array([[[0.2, 0.4, 0.8], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]], np.float32)
    np.testing.assert_allclose(profile_to_rec709(profile, light), light, atol=CODE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (icc_table_profile(REC_709)[:200], "it is truncated"),
        (icc_profile((), gamma_curve(1), b"GRAY").replace(b"kTRC", b"xTRC"), "it lacks the tag kTRC"),
        (icc_profile(REC_709, gamma_curve(1)).replace(b"gXYZ", b"gxyz"), "it lacks the tag gXYZ"),
        (icc_table_profile(REC_709).replace(b"mft2", b"mft9"), "it is damaged"),
        (icc_profile(REC_709, parametric(-2.0)), "its curve is not finite"),
        (icc_profile(REC_709, b"curv\0\0\0\0\0\0\x99\0"), "its curve is truncated"),
    ],
)
def test_what_cannot_be_applied_is_refused_when_it_is_read(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_profile(data)
