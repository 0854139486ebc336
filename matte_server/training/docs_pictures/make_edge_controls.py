"""Draws ``edge_controls.png``: what each edge control does to the demo's true alpha, by the code that ships.

python -m matte_server.training.docs_pictures.make_edge_controls
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...core.despeckle import despeckle
from ...demo.packaged import demo_shot
from ...io.exr import matte_channel, read_image
from ...pixels.edges import erode, levels, soften

PICTURE = Path(__file__).parents[2] / "docs" / "edge_controls.png"
CELL, COLUMNS, CAPTION = 200, 4, 34


def specks(alpha: Tensor) -> Tensor:
    """The alpha with dust beside the subject and pinholes in it, as a poor matte has them."""
    rng = np.random.default_rng(4)
    dusty = alpha.clone()
    for y, x in rng.integers(3, CELL - 6, (60, 2)):
        dusty[..., y : y + 3, x : x + 3] = (dusty[..., y : y + 3, x : x + 3] - 0.8).abs()
    return dusty


def cleaned(alpha: Tensor) -> Tensor:
    return torch.from_numpy(despeckle(specks(alpha)[0, 0].numpy(), 40))[None, None]


CELLS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("as solved", lambda alpha: alpha),
    ("black point 0.2,\nwhite point 0.8", lambda alpha: levels(alpha, 0.2, 0.8, 1.0)),
    ("gamma 2", lambda alpha: levels(alpha, 0.0, 1.0, 2.0)),
    ("erode 1.5 px", lambda alpha: erode(alpha, 1.5)),
    ("erode -1.5 px", lambda alpha: erode(alpha, -1.5)),
    ("softness 2 px", lambda alpha: soften(alpha, 2.0)),
    ("specks and pinholes", specks),
    ("the same,\ndespeckle 40 px", cleaned),
)


def hair() -> Tensor:
    """The part of the demo's true alpha with the most semi-transparent pixels, 1 x 1 x CELL x CELL."""
    image = read_image(Path(demo_shot().truth.replace("####", "1001")))
    alpha = torch.from_numpy(matte_channel(image).pixels[..., 0].copy())[None, None]
    band = ((alpha > 0.05) & (alpha < 0.95)).float()
    count = torch.nn.functional.avg_pool2d(band, CELL, stride=8)[0, 0]
    y, x = divmod(int(count.argmax()), count.shape[1])
    return alpha[..., 8 * y : 8 * y + CELL, 8 * x : 8 * x + CELL]


def main() -> None:
    alpha = hair()
    rows = -(-len(CELLS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL + 8) + 8, rows * (CELL + CAPTION + 8) + 8), (30, 30, 32))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (label, control) in enumerate(CELLS):
        x = 8 + (number % COLUMNS) * (CELL + 8)
        y = 8 + (number // COLUMNS) * (CELL + CAPTION + 8)
        values = (control(alpha)[0, 0].numpy() * 255).round().astype(np.uint8)
        sheet.paste(Image.fromarray(values), (x, y))
        draw.multiline_text((x, y + CELL + 2), label, fill=(220, 220, 220), font=font, spacing=1)
    sheet.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
