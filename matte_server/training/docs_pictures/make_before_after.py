"""Draws ``before_after.webp``, the moving picture at the top of the README: the demo's plate, wiped to its comp.

    python -m matte_server.training.docs_pictures.make_before_after DEMO

``DEMO`` is the folder that ``cleanplate demo`` wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...demo.packaged import FRAMES, demo_shot
from ...io.exr import read_image
from .screen import on_screen

PICTURE = Path(__file__).parents[2] / "docs" / "before_after.webp"
SIZE, MILLISECONDS, QUALITY, STEPS = (640, 360), 90, 68, 36
_FIRST = 1001


def _shown(path: Path) -> Image.Image:
    return on_screen(read_image(path).rgb, SIZE)


def wiped(plate: Image.Image, comp: Image.Image, share: float) -> Image.Image:
    """The comp from the left up to ``share`` of the width, the plate after it, and a line between them."""
    line = round(share * SIZE[0])
    whole = plate.copy()
    whole.paste(comp.crop((0, 0, line, SIZE[1])), (0, 0))
    ImageDraw.Draw(whole).line((line, 0, line, SIZE[1]), fill=(255, 255, 255), width=2)
    return whole


def main(demo: Path) -> None:
    numbers = [_FIRST + index for index in range(FRAMES)]
    plates = [_shown(Path(demo_shot().plate.replace("####", str(number)))) for number in numbers]
    comps = [_shown(demo / f"comp.{number}.exr") for number in numbers]
    pictures = []
    for step in range(STEPS):
        # The shot goes to and fro, so that its end meets its beginning.
        turn = step % (2 * FRAMES - 2)
        index = min(turn, 2 * FRAMES - 2 - turn)
        share = 0.5 - 0.5 * np.cos(2 * np.pi * step / STEPS)
        pictures.append(wiped(plates[index], comps[index], float(share)))
    pictures[0].save(
        PICTURE, save_all=True, append_images=pictures[1:], duration=MILLISECONDS, loop=0, quality=QUALITY, method=6
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
