"""A picture drawn in solid strokes at four times its size.

So the truth of alpha is the share that they cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..procedural import Float32, Random, colour, fractal_noise, smooth_noise

SUPERSAMPLE = 4
_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws with."""

Numbers = npt.NDArray[np.floating[Any]]
"""Points and vectors, in single or double precision."""
Place = Callable[[Float32], Float32]
"""Maps N x 2 local coordinates (0..1, x then y) to the sheet's (0..1)."""


class Sheet:
    """Premultiplied RGBA being drawn; coordinates and widths are 0..1 of the side, later strokes cover earlier."""

    def __init__(self, rng: Random, size: int) -> None:
        self.rng = rng
        self.side = size * SUPERSAMPLE
        self.pixels: Float32 = np.zeros((self.side, self.side, 4), np.float32)

    def line(self, points: Float32, width: float, paint: Float32) -> None:
        """An open curve (N x 2) of one width in one colour (R, G, B)."""
        thickness = max(1, round(width * self.side))
        cv2.polylines(self.pixels, [self._fixed(points)], False, _rgba(paint), thickness, cv2.LINE_8, _SHIFT)

    def fill(self, points: Float32, paint: Float32) -> None:
        """A filled polygon (N x 2)."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], _rgba(paint), cv2.LINE_8, _SHIFT)

    def cut(self, points: Float32) -> None:
        """A hole (N x 2) through everything drawn so far."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], (0.0, 0.0, 0.0, 0.0), cv2.LINE_8, _SHIFT)

    def tube(self, points: Float32, width: float, paint: Float32, shine: float = 0.6) -> None:
        """A round bar along a curve: a dark side, its colour, a highlight towards the upper left."""
        self.line(points, width, paint * 0.35)
        towards = np.array([-0.18, -0.22], np.float32) * width
        self.line(points + towards, width * 0.6, paint)
        if width * self.side > 5:
            self.line(points + towards * 1.3, width * 0.22, np.asarray(paint + shine, np.float32))

    def strands(
        self, curves: Float32, width: float, paint: Float32, shine: float, variety: float, taper: float = 0.5
    ) -> None:
        """Fibres (count x points x 2), shaded by their direction (Kajiya and Kay 1989), thinner to the tip by
        ``taper``."""
        rng, steps = self.rng, curves.shape[1] - 1
        tangents = np.diff(curves, axis=1)
        tangents /= np.linalg.norm(tangents, axis=2, keepdims=True) + 1e-9
        light = rng.normal(0, 1, 2)
        light /= np.linalg.norm(light)
        along = (tangents @ light) * 0.95
        diffuse = np.sqrt(1 - along**2)
        gleam = shine * diffuse**24
        tints = paint * np.exp(rng.normal(0, variety, (len(curves), 1)) + rng.normal(0, variety * 0.15, (1, 3)))
        fixed = np.rint(curves * self.side).astype(np.int32)
        for n in range(len(curves)):
            for k in range(steps):
                thick = max(1, round(width * self.side * (1 - taper * k / steps)))
                shade = tints[n] * (0.35 + 0.65 * diffuse[n, k]) + gleam[n, k]
                cv2.line(self.pixels, fixed[n, k].tolist(), fixed[n, k + 1].tolist(), _rgba(shade), thick)

    def texture(self, strength: float, cells: float) -> None:
        """Uneven light and stuff over everything drawn; alpha stays."""
        size = self.side // SUPERSAMPLE
        field = np.exp(
            strength * fractal_noise(self.rng, size, size, cells, 4) + 0.5 * smooth_noise(self.rng, size, size, 2.5)
        )
        self.pixels[..., :3] *= cv2.resize(field, (self.side, self.side), interpolation=cv2.INTER_LINEAR)[..., None]

    def finish(self) -> Float32:
        """The picture at its final size: premultiplied scene-linear R, G, B, A."""
        size = self.side // SUPERSAMPLE
        small = cv2.resize(self.pixels, (size, size), interpolation=cv2.INTER_AREA)
        return np.clip(np.asarray(small, np.float32), 0, 60)

    def _fixed(self, points: Float32) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        scale = self.side << _SHIFT
        return np.asarray(np.clip(points, -1, 2) * scale, np.int32).reshape(-1, 1, 2)


def _rgba(paint: Float32) -> tuple[float, float, float, float]:
    return float(paint[0]), float(paint[1]), float(paint[2]), 1.0


def pose(rng: Random, tilt: float = 3.2, reach: float = 0.9) -> Place:
    """A random view of a flat thing: the unit square turned by up to ``tilt`` radians, foreshortened, seen in mild
    perspective, ``reach`` of the sheet wide."""
    angle = rng.uniform(-tilt, tilt)
    squeeze = rng.uniform(0.6, 1.0)
    fall = rng.normal(0, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def place(points: Float32) -> Float32:
        middle = np.asarray(points, np.float64) - 0.5
        flat = middle * np.array([1.0, squeeze])
        depth = 1 + fall * middle[:, 1:]
        return np.asarray((flat / depth) @ turn.T * reach + 0.5, np.float32)

    return place


def bar(start: Numbers, end: Numbers, wide: float, narrow: float) -> Float32:
    """A tapering bar between two points as a polygon of four corners."""
    along = np.asarray(end - start, np.float64)
    side = np.array([-along[1], along[0]]) / (np.linalg.norm(along) + 1e-9) / 2
    corners = [start + side * wide, end + side * narrow, end - side * narrow, start - side * wide]
    return np.asarray(corners, np.float32)


def arc(centre: tuple[float, float], radii: tuple[float, float], first: float, last: float, count: int) -> Float32:
    """Points on an ellipse from angle ``first`` to ``last`` (radians)."""
    angle = np.linspace(first, last, count)
    return np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], 1).astype(
        np.float32
    )


def circle(centre: tuple[float, float], radii: tuple[float, float], count: int = 72) -> Float32:
    """A closed ellipse."""
    return arc(centre, radii, 0, 2 * np.pi, count)


def material(rng: Random) -> Float32:
    """A reflectance for a hard thing: metal, dark plastic, wood, or any colour."""
    kind = rng.integers(4)
    if kind == 0:
        return np.asarray(np.array([0.55, 0.55, 0.57]) * rng.uniform(0.3, 1.2), np.float32)
    if kind == 1:
        return np.full(3, rng.uniform(0.004, 0.05), np.float32)
    if kind == 2:
        return np.asarray(np.array([0.42, 0.24, 0.11]) * rng.uniform(0.3, 1.4), np.float32)
    return colour(rng)
