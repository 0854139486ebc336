"""``cleanplate farm task``, run as a farm's worker runs it: what it is given reaches the pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.window import Window
from matte_server.farm.task import without_missing
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots.arguments import ShotOrder

from .conftest import CLEANPLATE, FIRST, FarmShot, cleanplate, make_shot, run

_OPTIONS = ("--options", '{"model": "difference"}')


@pytest.fixture
def small(tmp_path: Path) -> FarmShot:
    return make_shot(tmp_path, 3)


def _task(server: LocalServer, shot: FarmShot, output: str, *more: str, ok: bool = True) -> str:
    """Runs the task; ``more`` comes last, so that its flags replace those here."""
    return cleanplate("farm", "task", "--plate", shot.plate, "--clean", shot.clean, "--output", shot.output(output),
                      "--frames", f"{FIRST}-{FIRST + 2}", *_OPTIONS, *more, ok=ok,
                      env={"CLEANPLATE_SERVER": server.endpoint.address})  # fmt: skip


def _gain(path: Path) -> list[float]:
    alignment = exr.read_diagnostics(path)["alignment"]
    assert isinstance(alignment, dict)
    return [float(value) for value in alignment["gain"]]


def test_a_given_plate_solve_is_used_as_it_is(server: LocalServer, small: FarmShot) -> None:
    _task(server, small, "first", "--camera", "moving")
    solve = small.folder / "first" / "matte.platesolve.json"
    facts = json.loads(solve.read_text())
    # No exposure like it is in the shot, so it can only come from the file.
    for number, entry in facts["frames"].items():
        entry["alignment"]["gain"] = [1.5, 1.25, (int(number) - FIRST) / 4 + 1.0]
    given = small.folder / "given.json"
    given.write_text(json.dumps(facts))
    _task(server, small, "second", "--solve", str(given))
    for index in range(3):
        name = f"matte.{FIRST + index}.exr"
        assert _gain(small.folder / "second" / name) == [1.5, 1.25, index / 4 + 1.0]
        # The wall shows where the clean plate, too bright now, is taken from the plate.
        first, second = (exr.read_image(small.folder / part / name).pixels for part in ("first", "second"))
        assert not np.array_equal(first, second)


@pytest.mark.parametrize("camera", ["locked", "moving"])
def test_the_camera_is_solved_as_named(server: LocalServer, small: FarmShot, camera: str) -> None:
    _task(server, small, camera, "--camera", camera)
    facts = json.loads((small.folder / camera / "matte.platesolve.json").read_text())
    assert facts["camera"] == camera


def test_the_clean_plates_offset_reaches_the_task(server: LocalServer, small: FarmShot) -> None:
    clean = (small.folder / "clean.exr").read_bytes()
    for index in range(3):
        (small.folder / f"clean.{FIRST + 50 + index}.exr").write_bytes(clean)
    sequence = ("--clean", str(small.folder / "clean.####.exr"))
    assert "do not exist" in _task(server, small, "none", *sequence, ok=False)
    _task(server, small, "offset", *sequence, "--clean-offset=50")
    assert len(small.results("offset")) == 3


def test_a_frame_of_another_size_is_named_in_the_farms_log(server: LocalServer, small: FarmShot) -> None:
    stray = small.folder / f"plate.{FIRST + 1}.exr"
    picture = exr.read_image(stray)
    half = np.ascontiguousarray(picture.pixels[::2, ::2])
    window = Window(0, 0, half.shape[1], half.shape[0])
    exr.write_image(stray, replace(picture, pixels=half, data_window=window, display_window=window))
    printed = " ".join(_task(server, small, "stray").split())
    assert printed.count(f"The plate of frame {FIRST + 1} differs from most: ") == 1


def test_a_missing_plate_fails_its_frame_and_not_the_chunk(server: LocalServer, small: FarmShot) -> None:
    (small.folder / f"plate.{FIRST + 1}.exr").unlink()
    printed = _task(server, small, "hole", "--solve", "", ok=False)
    assert sorted(small.results("hole")) == [f"matte.{FIRST}.exr", f"matte.{FIRST + 2}.exr"]
    assert f"openjd_fail: 1 of 3 frames failed; the plate of frame {FIRST + 1} does not exist." in printed
    # None is there: one sentence, for the farm too.
    for index in (0, 2):
        (small.folder / f"plate.{FIRST + index}.exr").unlink()
    printed = _task(server, small, "none", ok=False)
    assert "openjd_fail: " in printed and "Traceback" not in printed


def test_a_config_that_the_job_names_is_used(small: FarmShot, tmp_path: Path) -> None:
    """Through a session's own server, which may read that one file."""
    config = tmp_path / "show.ocio"
    config.write_text("not a config")
    state = tmp_path / "state.json"
    words = ("--ocio-config", str(config), "--options", '{"model": "difference", "colourspace": "odd space"}')
    run(CLEANPLATE, "farm", "start", "--state", str(state), "--device", "cpu", "--read", str(config))
    try:
        server = json.loads(state.read_text())
        printed = cleanplate(
            "farm", "task", "--plate", small.plate, "--clean", small.clean, "--output", small.output("ocio"),
            "--frames", str(FIRST), *words, ok=False,
            env={"CLEANPLATE_SERVER": server["address"], "CLEANPLATE_KEYS": server["keys"]},
        )  # fmt: skip
    finally:
        run(CLEANPLATE, "farm", "stop", "--state", str(state))
    assert "path_refused" not in printed and f"The OCIO config {config} cannot be read" in printed


@pytest.mark.parametrize(
    ("name", "late"),
    [
        ("plate.####.exr", (FIRST + 1,)),
        ("plate.*.exr", (FIRST + 1,)),
        ("take #, ##.mov", ()),
        ("take ##.exr", ()),
    ],
)
def test_a_late_plate_is_missed_by_the_names_that_the_command_takes(
    name: str, late: tuple[int, ...], small: FarmShot
) -> None:
    """A video has no files that are missing, whatever its name, nor has a still that is there."""
    (small.folder / f"plate.{FIRST + 1}.exr").unlink()
    for other in ("take #, ##.mov", "take ##.exr"):
        (small.folder / other).touch()
    order = ShotOrder(plate=str(small.folder / name), clean=small.clean, output="", frames=f"{FIRST}-{FIRST + 2}")
    there, missing = without_missing(order)
    assert missing == late
    assert there.frames == (f"{FIRST},{FIRST + 2}" if late else order.frames)
