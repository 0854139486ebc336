"""How far foreground over the aligned clean plate misses the plate, in files as they are written.

    python -m tests.benchmarks.bench_recomposition [--frames 6] [--model cleanplate]

First the packaged demo shot at its size, then its first frame at half size in every colour space as half and float
EXR. The plate is what its file holds; alpha, foreground and clean plate are read back out of the result's file.
Median and 99th percentile of |plate - (alpha F + (1 - alpha) clean)|, largest channel, as part of the plate's range
(its 0.5 to 99.5 percentiles, scene-linear): over the frame, and where 0.02 < alpha < 0.98. In that band the
foreground is exact only where alpha is sure; elsewhere it has a quiet colour instead, which the figure shows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern

from matte_server.core.image import SCENE_LINEAR, Float32, Guides, Image, PlatePair
from matte_server.core.window import Window
from matte_server.demo.packaged import demo_shot
from matte_server.frame.pipeline import MattePipeline
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear, to_scene_linear
from matte_server.worker.solver import matte_image
from tests.matte_server.io.test_colour import SPACES


class RecompositionBench:
    """Solves pairs in a space and a bit depth, through files."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        self._pipeline = MattePipeline(torch.device("cpu"))

    def errors(self, pair: PlatePair, space: str, depth: str) -> tuple[Float32, Float32]:
        """Per pixel, as part of the plate's range: of the whole frame, and of the band."""
        form = exr.ExrFormat(depth)
        plate, clean = (self._held(picture, space, form) for picture in (pair.plate, pair.clean_plate))
        options = MatteOptions(model=self._model, layer_clean=True, bit_depth=depth)
        found = self._pipeline.solve(
            PlatePair(plate, clean), Guides(), options, check=lambda: None, progress=lambda *stage: None
        )
        result = self._folder / "result.exr"
        image, layers = matte_image(found, space, options)
        exr.write_image(result, image, form, layers)
        matte, behind = exr.read_image(result), exr.read_image(result, layer="clean")
        alpha = matte.pixels[..., 3:]
        foreground, under = (to_scene_linear(picture, space).rgb for picture in (matte, behind))
        missed = np.abs(alpha * foreground + (1 - alpha) * under - plate.rgb).max(-1)
        low, high = np.percentile(plate.rgb, (0.5, 99.5))
        part = np.asarray(missed / (high - low), np.float32)
        band = (alpha[..., 0] > 0.02) & (alpha[..., 0] < 0.98)
        return part.ravel(), part[band]

    def _held(self, picture: Image, space: str, form: exr.ExrFormat) -> Image:
        """What a file in ``space`` holds of it, scene-linear."""
        path = self._folder / "held.exr"
        exr.write_image(path, from_scene_linear(picture, space), form)
        return to_scene_linear(exr.read_image(path), space)


def half_size(picture: Image) -> Image:
    """Averaged down by two."""
    window = Window(0, 0, picture.data_window.width // 2, picture.data_window.height // 2)
    pixels = cv2.resize(picture.rgb, (window.width, window.height), interpolation=cv2.INTER_AREA)
    return replace(
        picture, pixels=np.asarray(pixels, np.float32), channels=("R", "G", "B"), data_window=window,
        display_window=window, metadata={},
    )  # fmt: skip


def line(name: str, errors: Sequence[tuple[Float32, Float32]]) -> str:
    """Median and 99th percentile of the frame and of the band."""
    parts = (np.concatenate([each[place] for each in errors]) for place in (0, 1))
    return f"{name:26}" + "".join(f"  {np.median(part):.1e} {np.percentile(part, 99):.1e}" for part in parts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="re-composition errors")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--model", default="cleanplate")
    given = parser.parse_args(arguments)
    shot = demo_shot()
    plates = FramePattern(shot.plate)
    clean = exr.read_image(Path(shot.clean_plate))
    numbers = plates.frames_on_disk()
    print(f"{given.model:26}  frame: median, 99 %  band: median, 99 %")
    with tempfile.TemporaryDirectory() as folder:
        bench = RecompositionBench(Path(folder), given.model)
        pairs = [PlatePair(exr.read_image(plates.path(number)), clean) for number in numbers[: given.frames]]
        if pairs:
            print(line(f"demo, {len(pairs)} frames, half", [bench.errors(p, SCENE_LINEAR, "half") for p in pairs]))
        first = PlatePair(half_size(exr.read_image(plates.path(numbers[0]))), half_size(clean))
        for space in SPACES:
            for depth in ("half", "float"):
                print(line(f"{space} {depth}", [bench.errors(first, space, depth)]), flush=True)


if __name__ == "__main__":
    main()
