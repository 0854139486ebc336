"""A result in another format than EXR, and what comps and videos make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.outputs import read_matte_linear, write_matte
from matte_server.shots.shot import ShotFrame

WINDOW = Window(0, 0, 8, 6)
PIXELS = np.random.default_rng(4).uniform(0.1, 0.9, (6, 8, 4)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("space", ["auto", "acescg", "pq", "logc4"])
def test_a_result_is_read_back_in_the_colourspace_that_was_chosen_for_it(
    tmp_path: Path, space: str, suffix: str
) -> None:
    """Formats without a tag for it too: TIFF has none for PQ, and none has one for a log curve."""
    light = Image(PIXELS, ("R", "G", "B", "A"), WINDOW, WINDOW)
    sent = light if space == "auto" else from_scene_linear(light, space)
    data = exr.encode_exr(exr.retag_colour(sent, "of the plate"), {}, exr.ExrFormat(bit_depth="float"))
    frame = ShotFrame(
        frame=1, plate=tmp_path / "p.exr", clean_plate=tmp_path / "c.exr", output=tmp_path / f"m{suffix}"
    )
    with ShotInputs(MatteOptions(output_colourspace=space)) as pictures:
        write_matte(frame, data, "stamp", pictures)
        found = read_matte_linear(frame, "", pictures)
    # Half a step of 16 bits, through PQ's curve: its codes are for light up to 100.
    np.testing.assert_allclose(found.pixels, PIXELS, atol=4e-4)
