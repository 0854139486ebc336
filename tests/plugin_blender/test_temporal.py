"""Temporal smoothing in real Blender, against a real server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.matte_server.pictures import room, soft_disc

from .conftest import Blender, Pixels, make_movie, read, write

pytestmark = pytest.mark.timeout(900)
HEIGHT, WIDTH = 48, 64
FRAMES = (1, 2, 3, 4)


@pytest.fixture
def grainy(tmp_path: Path) -> Path:
    """Four frames of a soft disc that drifts by a third of a pixel a frame, with the grain of each its own; and a
    movie of five."""
    folder = tmp_path / "shot"
    folder.mkdir()
    wall = room(HEIGHT, WIDTH)
    write(folder / "clean.exr", wall)
    for frame in FRAMES:
        alpha = soft_disc(HEIGHT, WIDTH, (30 + frame / 3, 24), 13, 5.0)[..., None]
        grain = np.random.default_rng(frame).normal(0, 0.02, (HEIGHT, WIDTH, 3))
        write(folder / f"plate.{frame:04d}.exr", alpha * (0.9, 0.2, 0.1) + (1 - alpha) * wall + grain)
    make_movie(folder / "movie.mkv", 5)
    return folder


def alphas(folder: str) -> Pixels:
    """The alpha of all frames of a results folder."""
    return np.stack([read(Path(folder) / f"matte.{frame:04d}.exr")[..., 3] for frame in FRAMES])


def test_a_solve_looks_at_the_frames_around_it(blender: Blender, grainy: Path) -> None:
    facts = blender.case("temporal", grainy).facts
    plain, smooth = alphas(facts["plain"]), alphas(facts["smooth"])
    # The grain's flicker at the soft edge, which is what smoothing is for. Measured: 0.51; unsmoothed
    # it is 1, and the limit lies between.
    assert abs(np.diff(smooth, axis=0)).mean() < 0.75 * abs(np.diff(plain, axis=0)).mean()
    weights = facts["weights"]
    for frame, side in (("1", "after"), ("2", "before"), ("2", "after"), ("3", "before"), ("4", "before")):
        assert weights[frame][side] > 0.1, weights
    assert weights["1"]["before"] is None and weights["4"]["after"] is None

    # Files and the same pictures out of the compositor, a range and its parts, a solve and a render: one result.
    for way in ("rendered", "demanded"):
        np.testing.assert_array_equal(alphas(facts[way]), smooth, err_msg=way)
