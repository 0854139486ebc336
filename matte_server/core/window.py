"""Pixel rectangles: data windows, display windows, regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Window:
    """A half-open rectangle of pixels, ``[x, x + width) x [y, y + height)``, y down, as in EXR.

    May be empty (a width or height of 0); negative sizes raise ``ValueError``.
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 0 or self.height < 0:
            raise ValueError(f"a window cannot have a negative size: {self.width} x {self.height}")

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.y + self.height

    @property
    def area(self) -> int:
        """How many pixels lie inside."""
        return self.width * self.height

    def intersect(self, other: Window) -> Window:
        """The pixels in both; an empty window at this one's corner where there are none."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.right, other.right) - x
        height = min(self.bottom, other.bottom) - y
        if width <= 0 or height <= 0:
            return Window(self.x, self.y, 0, 0)
        return Window(x, y, width, height)

    def within(self, whole: Window) -> tuple[slice, slice]:
        """The rows and columns of this window in an array of the pixels of ``whole``, which contains it."""
        x, y = self.x - whole.x, self.y - whole.y
        return slice(y, y + self.height), slice(x, x + self.width)

    def to_plane(self) -> npt.NDArray[np.float64]:
        """The 3 x 3 matrix from array coordinates (x, y, 1), in which this window's first pixel is (0, 0), to the
        coordinates of the EXR plane."""
        return np.array([[1, 0, self.x], [0, 1, self.y], [0, 0, 1]], np.float64)

    def from_plane(self) -> npt.NDArray[np.float64]:
        """The inverse of :meth:`to_plane`."""
        return np.array([[1, 0, -self.x], [0, 1, -self.y], [0, 0, 1]], np.float64)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}{self.x:+d}{self.y:+d}"


def enlarged(across: float, down: float) -> npt.NDArray[np.float64]:
    """The 3 x 3 matrix from the array of a picture that was reduced by these factors to the full one's. Resizing
    maps pixel edges, so centres shift by half a pixel."""
    return np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5], [0.0, 0.0, 1.0]])
