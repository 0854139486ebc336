"""Real hand-held footage, solved from a .blend without a window: the same pixels as the command line's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .conftest import Blender, read
from .environments import REPOSITORY

FRAME = 500


@pytest.fixture(scope="session")
def by_command(steering_data: Path, tmp_path_factory: pytest.TempPathFactory, server: object) -> Path:
    """The command line's result of one frame, on the same server."""
    output = tmp_path_factory.mktemp("command") / "matte.####.exr"
    real = steering_data / "real"
    arguments = [str(real / "plate.####.png"), "--clean", str(real / "clean.png"), "-o", str(output)]
    arguments += ["--frames", str(FRAME), "--model", "difference", "--layer-confidence"]
    # The plates' PNGs have a gamma of their own, which the Image node does not read: it says sRGB for both.
    arguments += ["--colourspace", "srgb", "--clean-colourspace", "srgb"]
    arguments += ["--server", server.endpoint.address]  # type: ignore[attr-defined]
    subprocess.run([sys.executable, "-m", "matte_server", "matte", *arguments], check=True, cwd=REPOSITORY)
    return output.with_name(f"matte.{FRAME:04d}.exr")


@pytest.mark.timeout(600)
def test_the_same_pixels_as_the_command_line(
    blender: Blender, by_command: Path, steering_data: Path, tmp_path: Path
) -> None:
    real = steering_data / "real"
    blender.case("footage", tmp_path, real / f"plate.{FRAME:04d}.png", real / "clean.png", FRAME)
    script = REPOSITORY / "plugin_blender" / "solve_headless.py"
    starter = tmp_path / "as_blender.py"
    starter.write_text(
        "import sys, runpy, bpy\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "runpy.run_path(sys.argv[2], run_name='__main__')\n"
    )
    blender.run([starter, tmp_path / "footage.blend", script, "--", "--frames", FRAME])
    (result,) = tmp_path.glob(f"cleanplate/*/*/matte.{FRAME:04d}.exr")
    np.testing.assert_array_equal(read(result), read(by_command))
    np.testing.assert_array_equal(read(result, "confidence"), read(by_command, "confidence"))
