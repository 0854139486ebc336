"""A farm's own program solves a .blend on Blender without a window, with a server that the bundle starts itself."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.matte_server.farm.conftest import cleanplate, run
from tests.matte_server.farm.environments import Missing, environment

from .conftest import Blender, newest_version
from .test_blender import assert_outputs

CLEANPLATE = Path(sys.executable).with_name("cleanplate")
# bpy is no command: this stands for 'blender -b FILE --python-exit-code 1 --python SCRIPT -- ARGUMENTS'.
_COMMAND = """#!{python}
import runpy, sys
import bpy
assert sys.argv[1] == "-b" and sys.argv[3:6] == ["--python-exit-code", "1", "--python"]
bpy.ops.wm.open_mainfile(filepath=sys.argv[2])
runpy.run_path(sys.argv[6], run_name="__main__")
"""


# What each Blender does with the command that the bundle has is in test_blender.py.
@newest_version
@pytest.mark.timeout(900)
def test_the_bundle_solves_a_blend_file(blender: Blender, shot: Path) -> None:
    if not CLEANPLATE.exists():
        pytest.skip("the 'cleanplate' command is not installed beside this Python")
    try:
        openjd = str(environment("openjd") / "openjd")
    except Missing as reason:
        pytest.skip(str(reason))
    blender.case("files", "make,refuse", shot, code=7)
    command = shot / "blender"
    command.write_text(_COMMAND.format(python=blender.interpreter))
    command.chmod(0o755)
    job = shot / "job"
    words = ["--frames", "1-4", "--chunk", "2", "--host", str(command), "--device", "cpu", "--bundle", str(job)]
    words += ["--cleanplate", str(CLEANPLATE)]
    cleanplate("farm", "openjd", "blender", str(shot / "farm.blend"), *words)
    output = run(openjd, "run", str(job / "template.yaml"), "-p", f"file://{job / 'openjd_parameters.yaml'}")
    assert output.count("2 of 2 frames solved.") == 2

    # The file was not saved again, and renders where there is no add-on.
    shutil.copy(shot / "farm.blend", shot / "shot.blend")
    shutil.rmtree(shot / "out", ignore_errors=True)
    blender.case("files", "without", shot)
    (folder,) = {path.parent for path in shot.glob("cleanplate/*/*/matte.0004.exr")}
    for frame in range(1, 5):
        assert_outputs(shot / "out", folder / f"matte.{frame:04d}.exr", frame)
