"""Draws ``shadow.jpg``: a comp without and with the shadow layer, beside the place as it is rendered.

python -m matte_server.training.docs_pictures.make_shadow FOLDER, the one that :mod:`shadow_scene` rendered into.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matte_link.options import MatteOptions
from PIL import Image, ImageDraw, ImageFont

from ...core.image import Float32, Guides, PlatePair
from ...frame.pipeline import MattePipeline
from ...io.exr import read_image
from .screen import on_screen

PICTURE = Path(__file__).parents[2] / "docs" / "shadow.jpg"
CELL, GAP, CAPTION = (480, 270), 8, 26


def comps(folder: Path) -> tuple[Float32, Float32]:
    """The subject before the new background, height x width x 3, scene-linear: without its shadow, and with it."""
    plate, clean, background = (read_image(folder / f"{name}.exr") for name in ("plate", "clean", "background"))
    result = MattePipeline(torch.device("cpu")).solve(
        PlatePair(plate=plate, clean_plate=clean), Guides(), MatteOptions(layer_shadow=True),
        check=lambda: None, progress=lambda *stage: None,
    )  # fmt: skip
    alpha = result.alpha.pixels
    subject, shadow = result.foreground.pixels * alpha, result.layers["shadow"].pixels
    return subject + background.rgb * (1 - alpha), subject + background.rgb * shadow * (1 - alpha)


def main(folder: Path) -> None:
    without, with_shadow = comps(folder)
    truth = read_image(folder / "truth.exr").rgb
    wrong = [1e3 * float(np.abs(comp - truth).mean()) for comp in (without, with_shadow)]
    cells = {
        "plate": read_image(folder / "plate.exr").rgb,
        "in another place, as it is rendered": truth,
        f"comp without the shadow layer: error {wrong[0]:.1f} (x 1000)": without,
        f"comp with it: error {wrong[1]:.1f}": with_shadow,
    }
    width, height = CELL[0] + GAP, CELL[1] + CAPTION
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), (30, 30, 32))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (label, light) in enumerate(cells.items()):
        x, y = GAP + (number % 2) * width, GAP + (number // 2) * height
        sheet.paste(on_screen(light, CELL), (x, y))
        draw.text((x, y + CELL[1] + 4), label, fill=(220, 220, 220), font=font)
    sheet.save(PICTURE, quality=88, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
