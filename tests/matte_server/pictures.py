"""Pictures made by rule, whose truth is known, for the tests of core, pixels, files and pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from matte_server.core.image import SCENE_LINEAR, Float32, Image
from matte_server.core.window import Window

Array = npt.NDArray[np.float64]


def room(height: int, width: int, seed: int = 1, contrast: float = 1.0) -> Float32:
    """A scene-linear wall with detail at every scale and some furniture: height x width x 3, about 0.02 to 1.5.

    It is a function of the pixel's place alone, cut from a fixed pattern, so that crops of it agree.
    """
    return _room(height, width, seed, contrast).copy()


@lru_cache(maxsize=16)
def _room(height: int, width: int, seed: int, contrast: float) -> Float32:
    """Most tests of a file see the same room, and one at HD takes half a second."""
    rng = np.random.default_rng(seed)
    light = np.full((height, width, 3), 0.3, np.float64)
    for octave, cells in enumerate((4, 12, 40, 120)):
        noise = rng.normal(0.0, 1.0, (cells, cells, 3))
        grown = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        light *= np.exp(contrast * 0.35 / (1 + 0.4 * octave) * grown)
    for _ in range(60):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(width // 60 + 2, width // 10 + 3), rng.integers(height // 60 + 2, height // 8 + 3)
        factor = np.exp(contrast * rng.normal(0.0, 0.5, 3))
        light[y : y + h, x : x + w] *= factor
    return np.clip(cv2.GaussianBlur(light, (0, 0), 0.8), 0.0, 4.0).astype(np.float32)


def image(pixels: npt.NDArray[np.floating], data: Window | None = None, display: Window | None = None) -> Image:
    """A scene-linear picture; its windows start at the origin where none are given."""
    height, width, channels = pixels.shape
    data = data or Window(0, 0, width, height)
    names = ("R", "G", "B", "A")[:channels] if channels >= 3 else ("A",)
    return Image(np.ascontiguousarray(pixels, np.float32), names, data, display or data, colourspace=SCENE_LINEAR)


def soft_disc(height: int, width: int, centre: tuple[float, float], radius: float, blur: float) -> Float32:
    """Alpha of a disc at ``centre`` (x, y) whose edge runs linearly over ``blur`` pixels: height x width."""
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - centre[0], y - centre[1])
    return np.asarray(np.clip((radius - distance) / blur + 0.5, 0.0, 1.0), np.float32)


@dataclass(frozen=True, eq=False)
class Truth:
    """A plate composed from known parts, all h x w x 3 scene-linear but ``alpha``, h x w."""

    plate: Float32
    clean: Float32
    alpha: Float32
    foreground: Float32


def composed(
    height: int = 160, width: int = 240, noise: float = 0.0, seed: int = 1, peak: float = 50.0, blur: float = 8.0
) -> Truth:
    """A soft-edged disc of shaded colour, with a lamp of brightness ``peak`` on it, before a room."""
    clean = room(height, width, seed)
    alpha = soft_disc(height, width, (width * 0.5, height * 0.55), height * 0.28, blur)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    shade = 0.75 + 0.25 * np.sin(x / 9.0) * np.cos(y / 7.0)
    foreground = shade[..., None] * np.array([1.4, 0.25, 0.08], np.float32)
    lamp = np.hypot(x - width * 0.5, y - height * 0.55) < height * 0.05
    foreground[lamp] = peak
    plate = alpha[..., None] * foreground + (1 - alpha[..., None]) * clean
    if noise:
        rng = np.random.default_rng(seed + 100)
        plate = (plate + rng.normal(0, noise, plate.shape)).astype(np.float32)
        clean = (clean + rng.normal(0, noise, clean.shape)).astype(np.float32)
    return Truth(plate.astype(np.float32), clean.astype(np.float32), alpha, foreground.astype(np.float32))


def homography_within(corner_moves: Mapping[str, tuple[float, float]], height: int, width: int) -> Array:
    """The homography that moves the corners of a height x width picture by these many pixels."""
    corners = {"tl": (0, 0), "tr": (width - 1, 0), "br": (width - 1, height - 1), "bl": (0, height - 1)}
    source = np.array([corners[name] for name in corners], np.float32)
    target = np.array(
        [(x + corner_moves[name][0], y + corner_moves[name][1]) for name, (x, y) in corners.items()], np.float32
    )
    return np.asarray(cv2.getPerspectiveTransform(source, target), np.float64)


def moved(pixels: Float32, matrix: Array) -> Float32:
    """``pixels`` warped by ``matrix`` (source to target) by an independent resampler, as another camera saw it."""
    height, width = pixels.shape[:2]
    return np.asarray(
        cv2.warpPerspective(
            pixels, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        ),
        np.float32,
    )


def shrunk(pixels: Float32, width: int, height: int) -> Float32:
    """``pixels`` averaged down."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.float32)
