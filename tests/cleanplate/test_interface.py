"""The Python interface as a TD uses it: arrays, files, a shot, and a server that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cleanplate
import numpy as np
import pytest

from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots.reports import ResultStatus
from tests.matte_server.shots.conftest import ShotFiles, disc, make_shot, plate_of, save, server, wall

__all__ = ["make_shot", "server"]


def pair() -> tuple[np.ndarray, np.ndarray]:
    return plate_of(wall(), 4), wall()


def test_arrays_become_a_matte_and_are_not_changed() -> None:
    plate, clean = pair()
    before = plate.copy(), clean.copy()
    made = cleanplate.matte(plate, clean, model="difference", layer_difference=True)
    assert made.alpha.shape == (120, 160) and made.foreground.shape == (120, 160, 3)
    # The disc is three pixels from inside to outside: away from its edge the difference matte is sure.
    truth = disc(4)[..., 0]
    assert np.abs(made.alpha - truth)[(truth == 0) | (truth == 1)].mean() < 0.02
    assert made.layers["difference"].shape == (120, 160, 1) and made.diagnostics["warnings"] == []
    assert np.array_equal(plate, before[0]) and np.array_equal(clean, before[1])


def test_files_arrays_and_the_server_give_the_same_matte(tmp_path: Path, server: LocalServer) -> None:
    plate, clean = pair()
    files = save(tmp_path / "plate.exr", plate), save(tmp_path / "clean.exr", clean)
    # Half floats: what is in the files is what the arrays hold here.
    arrays = [exr.read_image(path).rgb for path in files]
    one = cleanplate.matte(*arrays, model="difference")
    other = cleanplate.matte(files[0], str(files[1]), model="difference")
    assert np.array_equal(one.alpha, other.alpha) and np.array_equal(one.foreground, other.foreground)
    with cleanplate.Client(server.endpoint.address) as client:
        remote = client.matte(*arrays, model="difference", bit_depth="float", layer_clean=True)
    assert np.array_equal(one.alpha, remote.alpha) and np.array_equal(one.foreground, remote.foreground)
    assert set(remote.layers) == {"clean"} and remote.diagnostics["alignment"]["kind"] == "none"


def test_guides_are_arrays_too(server: LocalServer) -> None:
    plate, clean = pair()
    core = np.zeros((120, 160), np.float32)
    core[:20, :20] = 1.0
    made = cleanplate.matte(plate, clean, core=core, model="difference")
    assert (made.alpha[:20, :20] == 1).all()
    with cleanplate.Client(server.endpoint.address) as client:
        remote = client.matte(plate, clean, holdout=np.ones((120, 160), np.float32), model="difference")
    assert remote.alpha.max() == 0


@pytest.mark.parametrize(
    ("plate", "options", "code", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), {}, "bad_picture", "array of uint8, 4 x 4 x 3"),
        (np.zeros((4, 4), np.float32), {}, "bad_picture", "array of float32, 4 x 4"),
        ("nothing.exr", {}, "missing_file", "nothing.exr does not exist"),
        (np.zeros((4, 4, 3)), {"gama": 2.0}, "bad_option", "There is no option 'gama'"),
        (np.zeros((4, 4, 3)), {"black_point": 0.9, "white_point": 0.1}, "bad_option", "black_point must lie below"),
        (np.zeros((4, 4, 3)), {"model": "nosuch"}, "unknown_model", "There is no model 'nosuch'"),
        (np.full((4, 4, 3), np.nan), {}, "not_finite", "NaN"),
    ],
)
def test_what_cannot_work_is_an_error_with_a_code(
    plate: np.ndarray | str, options: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(cleanplate.CleanplateError, match=words) as raised:
        cleanplate.matte(plate, np.zeros((4, 4, 3)), **options)
    assert raised.value.code == code


def test_a_shot_is_made_resumed_and_reported(make_shot: Callable[..., ShotFiles], server: LocalServer) -> None:
    shot = make_shot(3)
    frames: list[object] = []
    settings: dict[str, Any] = {"server": server.endpoint.address, "model": "difference", "frames": "1001-1002"}
    report = cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, on_event=frames.append, **settings)
    assert [(frame.frame, frame.status) for frame in report.frames] == [
        (1001, ResultStatus.DONE),
        (1002, ResultStatus.DONE),
    ]
    assert len(frames) >= 2
    again = cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, **settings)
    assert {frame.status for frame in again.frames} == {ResultStatus.SKIPPED}
    with pytest.raises(cleanplate.CleanplateError, match="There is no option 'frame'"):
        cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, frame="1001")
