"""Small pictures for the scripts that need many frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr

PLATES = 6
SIZE = (48, 64)


def encoded(pixels: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> bytes:
    """An EXR's bytes."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return exr.encode_exr(Image(pixels.astype(np.float32), ("R", "G", "B"), window, window), {}, exr.ExrFormat())


def small_shot() -> tuple[list[bytes], bytes]:
    """Plates with a disc in different places, and their clean plate."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([0.3 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.sin(x / 7 + y / 4), 0.2 + 0.15 * np.cos(y / 5)], -1)
    wall += np.random.default_rng(3).normal(0, 0.003, wall.shape)
    plates = []
    for number in range(PLATES):
        disc = (x - 12 - 8 * number) ** 2 + (y - height / 2) ** 2 < 81
        plates.append(encoded(np.where(disc[..., None], (2.0, 0.1, 0.05), wall)))
    return plates, encoded(wall)


def small_matte() -> bytes:
    """The true matte of the first plate of :func:`small_shot`."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width]
    disc = (x - 12) ** 2 + (y - height / 2) ** 2 < 81
    return encoded(np.repeat(disc[..., None].astype(np.float64), 3, -1))


def large_plate() -> bytes:
    """A plate of three quarters of a megabyte that belongs to no shot: nothing in it repeats. Its clean plate is
    scaled to it."""
    return encoded(np.random.default_rng(7).random((512, 512, 3)))
