"""ICC profiles with tables, which LittleCMS applies; those with curves are in the table of files."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.io.icc import profile_to_rec709, read_profile
from matte_server.io.primaries import REC_709
from tests.matte_server.picture_files import icc_table_profile

CODE = 0.008
"""One code of 8-bit sRGB at 0.8 in linear light, where a code is widest here."""


def test_a_table_is_applied_in_eight_bits() -> None:
    profile = read_profile(icc_table_profile(REC_709))
    assert not profile.is_exact and profile.description == "Test"
    # Of the profile's own codes, so that eight bits hold them exactly.
    light = np.array([[[0.2, 0.4, 0.8], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]], np.float32)
    np.testing.assert_allclose(profile_to_rec709(profile, light), light, atol=CODE)


def test_a_table_that_was_cut_is_refused_when_it_is_read() -> None:
    data = icc_table_profile(REC_709)
    with pytest.raises(ValueError, match="it is truncated"):
        read_profile(data[:200])
