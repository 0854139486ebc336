"""Draws ``temporal.png``: what temporal smoothing does to the alpha of hair that stands still under grain.

One frame of the demo is held for 24 frames with grain of their own and matted by the packaged model as the server
does it.

    python -m matte_server.training.docs_pictures.make_temporal
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matte_link.options import MatteOptions
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from ...core.image import Float32, Guides, Image, PlatePair
from ...core.window import Window
from ...demo.packaged import demo_shot
from ...frame.model_output import ModelOutput, smooth_alpha
from ...frame.pipeline import MattePipeline
from ...io.exr import read_image

PICTURE = Path(__file__).parents[2] / "docs" / "temporal.png"
CELL, CAPTION, FRAMES, GAIN = 200, 34, 24, 10
PART = Window(x=300, y=60, width=460, height=380)
"""Of the demo, around its head."""
# Scene-linear, per frame and channel: read noise, and shot noise's variance per unit of light.
READ, SHOT = 0.004, 0.0006


def held() -> list[ModelOutput]:
    """The model's output for each of the grainy frames."""
    shot, pipeline = demo_shot(), MattePipeline(torch.device("cpu"))
    plate, clean = read_image(Path(shot.plate.replace("####", "1003"))), read_image(Path(shot.clean_plate))
    options, callbacks = MatteOptions(), {"check": lambda: None, "progress": lambda *stage: None}
    given = pipeline.predict(PlatePair(plate=plate, clean_plate=clean), Guides(), options, **callbacks).alignment  # type: ignore[arg-type]
    rows = slice(PART.y, PART.bottom)
    light = plate.rgb[rows, PART.x : PART.right]
    deviation = np.sqrt(READ**2 + SHOT * np.maximum(light, 0.0))
    found = []
    for number in range(FRAMES):
        grain = np.random.default_rng(number).normal(0, 1, light.shape) * deviation
        grainy: Image = replace(
            plate, pixels=(light + grain).astype(np.float32), channels=("R", "G", "B"), data_window=PART
        )
        pair = PlatePair(plate=grainy, clean_plate=clean)
        found.append(pipeline.predict(pair, Guides(), options, given=given, **callbacks).temporal_only())  # type: ignore[arg-type]
    return found


def smoothed(frames: list[ModelOutput]) -> list[Float32]:
    """Every frame's alpha with ``temporal`` 1."""
    alphas = []
    for number, own in enumerate(frames):
        sides = {"before": number - 1, "after": number + 1}
        around = {side: frames[at] for side, at in sides.items() if 0 <= at < len(frames)}
        alphas.append(smooth_alpha(own, around, 1.0, lambda: None)[0][0, 0].numpy())
    return alphas


def cells(off: list[Float32], on: list[Float32]) -> list[tuple[str, Float32]]:
    """Captions and pictures, CELL x CELL, 0..1."""
    change = np.mean([np.abs(b - a) for a, b in pairwise(off)], axis=0)
    blocks = np.add.reduceat(np.add.reduceat(change, np.arange(0, change.shape[0], CELL), 0),
                             np.arange(0, change.shape[1], CELL), 1)  # fmt: skip
    y, x = (int(at) * CELL for at in np.unravel_index(blocks.argmax(), blocks.shape))
    y, x = min(y, change.shape[0] - CELL), min(x, change.shape[1] - CELL)
    line = y + int(change[y : y + CELL, x : x + CELL].sum(1).argmax())
    here = np.s_[y : y + CELL, x : x + CELL]
    one = off[0][here].copy()
    one[line - y, ::4] = 1.0

    def over_time(alphas: list[Float32]) -> Float32:
        rows = np.stack([alpha[line, x : x + CELL] for alpha in alphas])
        return np.asarray(rows[np.arange(CELL) * len(alphas) // CELL], np.float32)

    def changes(alphas: list[Float32]) -> Float32:
        steps = [np.abs(b - a)[here] for a, b in pairwise(alphas)]
        return np.asarray(np.clip(GAIN * np.mean(steps, axis=0), 0, 1), np.float32)

    return [
        ("alpha of one frame, and a line", one),
        (f"that line in {FRAMES} frames, time\ndownwards: off", over_time(off)),
        ("the same,\ntemporal 1", over_time(on)),
        (f"change from frame to frame,\n{GAIN} times: off", changes(off)),
        ("the same,\ntemporal 1", changes(on)),
    ]


def main() -> None:
    frames = held()
    drawn = cells([frame.features.alpha[0, 0].numpy() for frame in frames], smoothed(frames))
    sheet = Picture.new("RGB", (len(drawn) * (CELL + 8) + 8, CELL + CAPTION + 16), (30, 30, 32))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (label, values) in enumerate(drawn):
        x = 8 + number * (CELL + 8)
        sheet.paste(Picture.fromarray((values * 255).round().astype(np.uint8)), (x, 8))
        draw.multiline_text((x, CELL + 10), label, fill=(220, 220, 220), font=font, spacing=1)
    sheet.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
