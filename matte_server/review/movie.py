"""The preview video of a shot's review: its comps over the new background, or over grey where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from ..core.image import SCENE_LINEAR, Float32, Image
from ..core.window import Window
from ..io.colour import from_scene_linear
from ..io.video_writer import MovieSettings, VideoWriter
from ..shots.outputs import SCREEN
from .contact_sheet import rolled_off

LONGEST_SIDE = 1920


def write_preview(
    path: Path, pictures: Iterable[Float32 | None], rate: Fraction, audio: Path | None = None,
    audio_start: Fraction = Fraction(0),
) -> None:  # fmt: skip
    """Writes an MP4 of scene-linear pictures, height x width x 3, in the first one's size. Raises ``MatteError``.

    A picture of another size is fitted into it. None stands for a frame without a result, which is black, so that
    later frames keep their time. ``audio`` names a file whose sound is copied from ``audio_start`` seconds on.
    Without any picture no file is written.
    """
    writer: VideoWriter | None = None
    size, leading_gaps = (0, 0), 0
    # The first picture says how large the video is, so the writer is opened inside.
    with ExitStack() as stack:
        for picture in pictures:
            if writer is None:
                if picture is None:
                    leading_gaps += 1
                    continue
                size = movie_size(picture)
                width, height = size
                settings = MovieSettings(
                    width=width, height=height, rate=rate, audio=audio, audio_start=audio_start
                )
                writer = stack.enter_context(VideoWriter(path, settings))
                for _ in range(leading_gaps):
                    writer.write(for_movie(None, size))
            writer.write(for_movie(picture, size))


def movie_size(picture: Float32) -> tuple[int, int]:
    """Width and height: at most ``LONGEST_SIDE``, and even, because 4:2:0 video stores colour at half the size."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return _even(width * scale), _even(height * scale)


def _even(side: float) -> int:
    return max(2, round(side) // 2 * 2)


def for_movie(picture: Float32 | None, size: tuple[int, int]) -> Image:
    """A scene-linear picture in the video's colourspace, bright parts rolled off, centred on black; None is all
    black. ``size`` is width and height."""
    canvas = np.zeros((size[1], size[0], 3), np.float32)
    if picture is not None:
        scale = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
        width = min(size[0], max(1, round(picture.shape[1] * scale)))
        height = min(size[1], max(1, round(picture.shape[0] * scale)))
        fitted = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)
        top, left = (size[1] - height) // 2, (size[0] - width) // 2
        canvas[top : top + height, left : left + width] = fitted
    window = Window(0, 0, *size)
    light = Image(
        pixels=rolled_off(canvas),
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
        colourspace=SCENE_LINEAR,
    )
    shown = from_scene_linear(light, SCREEN)
    return replace(shown, pixels=np.clip(shown.pixels, 0.0, 1.0))
