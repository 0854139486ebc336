"""The packaged demo shot: scene-linear EXR plates, their clean plate, the true alpha and a new background.

Made by ``make_shot.py`` in this folder from material of our own and CC0 sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "shot"


@dataclass(frozen=True)
class DemoShot:
    """Files of the shot; ``plate`` and ``truth`` are patterns with ``####``."""

    plate: str
    clean_plate: str
    truth: str
    background: str


def demo_shot() -> DemoShot:
    """Where the shot lies in the installed package."""
    return DemoShot(
        plate=str(_FOLDER / "plate.####.exr"),
        clean_plate=str(_FOLDER / "clean.exr"),
        truth=str(_FOLDER / "truth.####.exr"),
        background=str(_FOLDER / "background.exr"),
    )
