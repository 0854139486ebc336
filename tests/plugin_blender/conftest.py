"""One real server, and real Blenders that run the scripts of ``cases/``."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

from .environments import REPOSITORY, VERSIONS, Unavailable, Version, ensure

CASES = Path(__file__).resolve().parent / "cases"
_CASE_S = 600
# Nobody answers here. Servers of tests get ports above 1024, so none of them can take this one.
NOWHERE = "tcp://127.0.0.1:9"
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class Outcome:
    """How a process of Blender ended."""

    code: int
    output: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the case printed last, as JSON."""
        lines = [line for line in self.output.splitlines() if line.startswith("FACTS ")]
        assert lines, self.output[-4000:]
        found: dict[str, Any] = json.loads(lines[-1][6:])
        return found


@dataclass(frozen=True)
class Blender:
    """One Blender of the tests."""

    version: Version
    interpreter: Path
    server: str

    def case(self, name: str, *arguments: object, code: int = 0, **environment: str) -> Outcome:
        """Runs ``cases/<name>.py`` in this Blender; it must end with ``code``."""
        return self.run([CASES / f"{name}.py", *arguments], code, **environment)

    def run(self, command: list[object], code: int = 0, **environment: str) -> Outcome:
        """Runs Python with this Blender's ``bpy``; it must end with ``code``."""
        done = subprocess.run(
            [self.interpreter, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_CASE_S,
            check=False,
            env={**os.environ, "CLEANPLATE_SERVER": self.server, "PYTHONPATH": str(REPOSITORY), **environment},
        )
        assert done.returncode == code, f"ended with {done.returncode}, not {code}:\n{done.stdout[-6000:]}"
        return Outcome(code=done.returncode, output=done.stdout)


def _package(version: Version) -> str:
    return version.package


every_version = pytest.mark.parametrize("blender", VERSIONS, indirect=True, ids=_package)
"""For what each version may do otherwise: set-up, the format of files, and the API that nodes and sources are read
by. All else runs in the oldest and the newest, between which the add-on knows one difference (``versions.py``)."""
newest_version = pytest.mark.parametrize("blender", VERSIONS[-1:], indirect=True, ids=_package)


@pytest.fixture(scope="session", params=(VERSIONS[0], VERSIONS[-1]), ids=_package)
def blender(request: pytest.FixtureRequest, server: LocalServer) -> Blender:
    try:
        return Blender(version=request.param, interpreter=ensure(request.param), server=server.endpoint.address)
    except Unavailable as reason:
        pytest.skip(f"Blender {request.param.package} cannot be had: {reason}")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A folder with a shot of four odd-sized frames and its clean plate."""
    return make_shot(tmp_path / "shot", (61, 83), range(1, 5))


def make_shot(folder: Path, size: tuple[int, int], frames: range) -> Path:
    """plate.####.exr and clean.exr: a disc that moves before a textured wall, with the values that break
    careless code: far above 1, negative and tiny."""
    folder.mkdir(parents=True)
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([0.3 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.sin(x / 7 + y / 4), 0.2 + 0.15 * np.cos(x / 9)], -1)
    write(folder / "clean.exr", wall)
    for frame in frames:
        inside = (x - width / 3 - 2 * frame) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2
        plate = np.where(inside[..., None], (2.0, 0.1, 0.05), wall)
        plate[height // 2, width // 3 + 2 * frame] = (65000.0, -12.5, 1e-6)
        write(folder / f"plate.{frame:04d}.exr", plate)
    return folder


def make_movie(path: Path, frames: int, grey: int = 128) -> None:
    """A movie of one grey of 8 bits."""
    with av.open(path, "w") as movie:
        stream = movie.add_stream("ffv1", rate=24)
        stream.width = stream.height = 32
        for _ in range(frames):
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), grey, np.uint8), "rgb24")))
        movie.mux(stream.encode())


def write(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> None:
    """Writes pixels as a float EXR."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    image = Image(pixels.astype(np.float32), ("R", "G", "B", "A")[: pixels.shape[2]], window, window)
    exr.write_image(path, image, exr.ExrFormat("float", "zip"))


def read(path: Path, layer: str = "") -> Pixels:
    """A picture's pixels."""
    return exr.read_image(path, layer=layer).pixels
