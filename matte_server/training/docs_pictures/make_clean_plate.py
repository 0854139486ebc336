"""Draws ``clean_plate.jpg``: what a good and a careless clean plate make of the demo's third frame.

python -m matte_server.training.docs_pictures.make_clean_plate
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from matte_link.options import MatteOptions
from PIL import Image, ImageDraw, ImageFont

from ...core.image import Guides, PlatePair
from ...core.image import Image as LinearImage
from ...demo.packaged import demo_shot
from ...frame.pipeline import MattePipeline
from ...io.exr import read_image
from .screen import on_screen

PICTURE = Path(__file__).parents[2] / "docs" / "clean_plate.jpg"
FRAME, SIZE, GAP, CAPTION = 1003, (480, 270), 8, 40
LABELS = (
    "a good clean plate: same camera, lens, focus, exposure and light",
    "its matte",
    "a careless one: refocused, a box moved in, light from another side",
    "its matte: lamp, books and box are taken for subject",
)


def careless(clean: LinearImage) -> LinearImage:
    """The clean plate out of focus, with the light of another hour, and a box that the plate does not have."""
    pixels = cv2.GaussianBlur(clean.rgb, (0, 0), 2.5)
    height, width = pixels.shape[:2]
    across = np.linspace(0.55, 1.5, width, dtype=np.float32)[None, :, None]
    pixels = pixels * across
    rows, columns = slice(int(0.62 * height), int(0.9 * height)), slice(int(0.1 * width), int(0.25 * width))
    pixels[rows, columns] = (0.5, 0.32, 0.2)
    return replace(clean, pixels=pixels.astype(np.float32), channels=("R", "G", "B"))


def matte(plate: LinearImage, clean: LinearImage) -> Image.Image:
    """Alpha as the server makes it."""
    result = MattePipeline(torch.device("cpu")).solve(
        PlatePair(plate=plate, clean_plate=clean), Guides(), MatteOptions(),
        check=lambda: None, progress=lambda *stage: None,
    )  # fmt: skip
    grey = (result.alpha.pixels[..., 0].clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)


def main() -> None:
    shot = demo_shot()
    plate = read_image(Path(shot.plate.replace("####", str(FRAME))))
    good = read_image(Path(shot.clean_plate))
    bad = careless(good)
    cells = (on_screen(good.rgb, SIZE), matte(plate, good), on_screen(bad.rgb, SIZE), matte(plate, bad))
    width, height = SIZE[0] + GAP, SIZE[1] + CAPTION
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), (30, 30, 32))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (cell, label) in enumerate(zip(cells, LABELS, strict=True)):
        x, y = GAP + (number % 2) * width, GAP + (number // 2) * height
        sheet.paste(cell, (x, y))
        draw.text((x, y + SIZE[1] + 4), label, fill=(220, 220, 220), font=font)
    sheet.save(PICTURE, quality=88, optimize=True)


if __name__ == "__main__":
    main()
