"""Shots that begin before frame 0, as handles and pre-roll make them: a chunk's range begins with a dash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from matte_server.farm.farm_job import FarmJob, FarmPlan, blender_job, nuke_job
from matte_server.farm.openjd import template
from matte_server.server.local_server import LocalServer

from .conftest import CLEANPLATE, FarmShot, cleanplate, run
from .test_opencue import _chunks, _specification

_FRAMES = (-2, -1, 0, 1)


@pytest.fixture
def early(shot: FarmShot, tmp_path: Path) -> list[str]:
    """The words of a shot of :data:`_FRAMES`, whose results go to ``tmp_path / "out"``."""
    plates = sorted(shot.folder.glob("plate.*.exr"))
    for number, plate in zip(_FRAMES, plates, strict=False):
        (tmp_path / f"p.{number}.exr").write_bytes(plate.read_bytes())
    output = str(tmp_path / "out" / "m.#.exr")
    return ["shot", str(tmp_path / "p.#.exr"), "--clean", shot.clean, "-o", output, "--model", "difference"]


def results(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("out/*.exr"))


_ALL = ["m.-1.exr", "m.-2.exr", "m.0.exr", "m.1.exr"]


def test_open_job_description_makes_them(
    openjd: str, early: list[str], server: LocalServer, tmp_path: Path
) -> None:
    """Every chunk ended with "argument --frames: expected one argument"."""
    folder = tmp_path / "job"
    cleanplate("farm", "openjd", *early, "--cleanplate", CLEANPLATE, "--bundle", str(folder), "--chunk", "3",
               "--server", server.endpoint.address)  # fmt: skip
    parameters = f"file://{folder / 'openjd_parameters.yaml'}"
    said = run(openjd, "run", str(folder / "template.yaml"), "-p", parameters)
    assert "Chunks run: 2" in said and results(tmp_path) == _ALL


def test_opencue_makes_them(opencue_python: str, early: list[str], server: LocalServer, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    cleanplate("farm", "opencue", *early, "--cleanplate", CLEANPLATE, "--bundle", str(folder), "--chunk", "2")
    [layer] = _specification(opencue_python, folder, tmp_path).iter("layer")
    chunks = _chunks(opencue_python, layer)
    assert chunks == [("-2", "-1"), ("0", "1")]
    for first, last in chunks:
        filled = str(layer.findtext("cmd")).replace("#FRAMESPEC#", f"{first}-{last}")
        run("bash", "-c", filled, env={"CLEANPLATE_SERVER": server.endpoint.address})
    assert results(tmp_path) == _ALL


def _in_blender(tmp_path: Path) -> FarmJob:
    scene = tmp_path / "a.blend"
    scene.touch()
    return blender_job(str(scene), "-5-5", "", "blender", "early")


def _in_nuke(tmp_path: Path) -> FarmJob:
    script = tmp_path / "a.nk"
    script.touch()
    return nuke_job(str(script), "Cleanplate1", "-5-5", "", "nuke", "early")


@pytest.mark.parametrize("job", [_in_blender, _in_nuke])
def test_hosts_get_them_as_one_word(job: Callable[[Path], FarmJob], tmp_path: Path) -> None:
    """Blender's script took the range for an option."""
    made = yaml.safe_load(yaml.safe_dump(template(job(tmp_path), FarmPlan())))
    assert "--frames={{Task.Param.Frame}}" in made["steps"][0]["script"]["actions"]["onRun"]["args"]
