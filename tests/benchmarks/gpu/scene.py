"""A subject with a ragged edge and strands that moves before a wall with detail, as EXR files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from matte_server.core.image import SCENE_LINEAR, Float32, Image
from matte_server.core.window import Window
from matte_server.io.exr import write_image
from tests.matte_server.pictures import room

_COLOUR = np.array([0.5, 0.22, 0.12], np.float32)
_GRAIN = 0.003


def strands(height: int, width: int, centre: tuple[float, float], radius: float) -> Float32:
    """Alpha of a disc with 400 strands around it, height x width."""
    rng = np.random.default_rng(7)
    matte = np.zeros((height, width), np.uint8)
    cv2.circle(matte, tuple(round(8 * c) for c in centre), round(8 * radius), 255, -1, cv2.LINE_AA, 3)
    for angle in rng.uniform(0, 2 * np.pi, 400):
        reach, bend = rng.uniform(1.02, 1.4), rng.normal(0, 0.15)
        turns = np.linspace(angle, angle + bend, 8)
        along = np.linspace(0.9, reach, 8) * radius
        points = np.stack([centre[0] + along * np.cos(turns), centre[1] + along * np.sin(turns)], 1)
        cv2.polylines(matte, [np.asarray(points * 8, np.int32)], False, 255, 1, cv2.LINE_AA, 3)
    return np.asarray(matte / 255, np.float32)


def alpha_of(height: int, width: int, frame: int) -> Float32:
    """The true alpha of a frame, height x width."""
    return strands(height, width, (width * (0.4 + 0.01 * frame), height * 0.5), height * 0.28)


def pair(height: int, width: int, frame: int, seed: int = 1) -> tuple[Image, Image]:
    """Plate and clean plate of one frame, scene-linear, grain in both."""
    clean = room(height, width, seed)
    alpha = alpha_of(height, width, frame)[..., None]
    rng = np.random.default_rng(frame)
    plate = alpha * _COLOUR + (1 - alpha) * clean + rng.normal(0, _GRAIN, clean.shape).astype(np.float32)
    other = np.random.default_rng(999).normal(0, _GRAIN, clean.shape).astype(np.float32)
    return picture(plate), picture(clean + other)


def picture(pixels: Float32) -> Image:
    """Scene-linear R, G, B from the origin."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return Image(
        pixels=np.ascontiguousarray(pixels, np.float32),
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
        colourspace=SCENE_LINEAR,
    )


def write_shot(folder: Path, height: int, width: int, frames: int) -> None:
    """``plate.0001.exr`` ... and ``clean.exr`` in ``folder``, half float, the writer's default compression."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, frames + 1):
        plate, clean = pair(height, width, number)
        write_image(folder / f"plate.{number:04}.exr", plate)
    write_image(folder / "clean.exr", clean)
