"""The packaged demo shot: scene-linear EXR plates, their clean plate, the true alpha and a new background.

Made by ``make_shot.py`` in this folder from material of our own and CC0 sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FRAMES = 6
# The shot's pixels, and those of the renders it is cut from: the hand-held camera needs room to move.
SIZE, RENDER_SIZE = (960, 540), (1040, 585)
LENS_MM, SENSOR_MM = 70.0, 36.0
_FOLDER = Path(__file__).parent / "shot"


@dataclass(frozen=True)
class DemoShot:
    """Files of the shot; ``plate`` and ``truth`` are patterns with ``####``."""

    plate: str
    clean_plate: str
    truth: str
    background: str


def demo_shot(folder: Path = _FOLDER) -> DemoShot:
    """The shot's files in ``folder``: where it lies in the installed package."""
    return DemoShot(
        plate=str(folder / "plate.####.exr"),
        clean_plate=str(folder / "clean.exr"),
        truth=str(folder / "truth.####.exr"),
        background=str(folder / "background.exr"),
    )
