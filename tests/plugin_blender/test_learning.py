"""Key frames and Learn, in real Blender, with a real server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import Blender, make_shot, read, write
from .environments import REPOSITORY

pytestmark = pytest.mark.timeout(900)
PACKAGED = REPOSITORY / "matte_server" / "models" / "data" / "cleanplate.safetensors"


def test_key_frames_and_learned_weights(blender: Blender, tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", (48, 64), range(1, 5))
    # The disc of frame 3: the server refuses what cannot be a matte of it.
    y, x = np.mgrid[0:48, 0:64]
    disc = (x - 64 / 3 - 6) ** 2 + (y - 24) ** 2 < 12**2
    write(shot / "key.exr", np.repeat(disc[..., None], 3, -1))
    facts = blender.case("learning", shot, PACKAGED).facts
    alpha = read(Path(facts["result"]))[..., 3]
    np.testing.assert_array_equal(read(Path(facts["plain"]))[..., 0], alpha)
    # Holdout was the red of another frame, cut to 0..1 as every value of a mask is.
    holdout = np.clip(read(shot / "plate.0002.exr")[..., 0], 0.0, 1.0)
    np.testing.assert_array_equal(read(Path(facts["mended"]))[..., 0], alpha * (1 - holdout))
    np.testing.assert_array_equal(read(Path(facts["given"]))[..., 0], read(shot / "key.exr")[..., 1])
    # The weights that stand for learned ones are the packaged ones.
    np.testing.assert_array_equal(read(Path(facts["learned"])), read(Path(facts["result"])))
