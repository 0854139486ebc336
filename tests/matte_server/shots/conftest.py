"""Small shots whose truth is known: a disc that walks past a textured wall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from matte_server.cli import main as cli
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

SIZE = (120, 160)
FAST = ("--model", "difference")
Pixels = np.ndarray[tuple[int, ...], np.dtype[Any]]


def wall(size: tuple[int, int] = SIZE, seed: int = 1) -> Pixels:
    """A wall with many corners, scene-linear, height x width x 3; smooth enough to be moved by parts of a pixel."""
    height, width = size
    random = np.random.default_rng(seed)
    coarse = random.uniform(0.05, 0.9, (height // 6, width // 6, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def moved(picture: Pixels, matrix: Pixels) -> Pixels:
    """The picture brought through ``matrix`` (its coordinates -> the new ones), its edge repeated."""
    height, width = picture.shape[:2]
    found = cv2.warpPerspective(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(found, np.float32)


def drifting(number: int) -> Pixels:
    """The matrix of a camera that turns and moves a little each frame."""
    angle = 0.004 * number
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 2.0 * number], [sin, cos, -1.0 * number], [0, 0, 1]])


def disc(frame: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Where the subject stands, 0..1 with a soft edge, height x width x 1."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    distance = np.hypot(x - 25 - 9 * frame, y - size[0] / 2)
    return np.asarray(np.clip((22 - distance) / 3 + 0.5, 0.0, 1.0)[..., None], np.float32)


def plate_of(behind: Pixels, frame: int) -> Pixels:
    """The disc before a wall, with grain."""
    alpha = disc(frame, (behind.shape[0], behind.shape[1]))
    grain = np.random.default_rng(100 + frame).normal(0, 0.002, behind.shape)
    return np.asarray(alpha * np.array([2.0, 0.1, 0.05]) + (1 - alpha) * behind + grain, np.float32)


def save(path: Path, pixels: Pixels, metadata: dict[str, object] | None = None) -> Path:
    """Writes scene-linear pixels."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    colour = np.ascontiguousarray(pixels, np.float32)
    image = Image(colour, ("R", "G", "B"), window, window, metadata=metadata or {})
    exr.write_image(path, image)
    return path


@dataclass(frozen=True)
class ShotFiles:
    """A shot on disk."""

    folder: Path
    frames: tuple[int, ...]

    @property
    def plate(self) -> str:
        return str(self.folder / "plate.####.exr")

    @property
    def clean(self) -> str:
        return str(self.folder / "clean.exr")

    @property
    def matte(self) -> str:
        return str(self.folder / "out" / "matte.####.exr")

    def command(self, *more: str) -> list[str]:
        """``cleanplate matte`` for it."""
        return ["matte", self.plate, "--clean", self.clean, "-o", self.matte, *FAST, *more]


@pytest.fixture
def make_shot(tmp_path: Path) -> Callable[..., ShotFiles]:
    """Writes a shot; ``camera`` gives each frame's transform from the clean plate."""

    def make(
        count: int = 4,
        first: int = 1001,
        camera: Callable[[int], Pixels] = lambda number: np.eye(3),
        gain: float = 1.0,
    ) -> ShotFiles:
        folder = tmp_path / "shot"
        behind = wall()
        save(folder / "clean.exr", behind)
        for number in range(count):
            save(folder / f"plate.{first + number:04}.exr", plate_of(moved(behind, camera(number)) * gain, number))
        return ShotFiles(folder, tuple(range(first, first + count)))

    return make


@pytest.fixture
def cleanplate(server: LocalServer) -> Callable[..., int]:
    """Runs the command against the tests' server and returns the exit code."""
    return lambda *words: cli.main([*words, "--server", server.endpoint.address])
