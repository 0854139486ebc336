"""How much memory learning takes, so that what would not fit is refused before it starts."""

from __future__ import annotations

from .examples import LONGEST_SIDE

_FIXED = 400 << 20
"""Bytes of two copies of the weights, their gradients, the optimiser's two moments, and the libraries."""
_A_PIXEL = 900
"""Bytes a pixel of one step, or of making an example: the larger of the two. Measured on a CPU, with a quarter more
than that: 0.37 GB for one frame of 480 x 270, 0.76 GB for three of 960 x 540, 1.56 GB for one of 1920 x 1080."""
_KEPT_A_PIXEL = 26
"""Bytes a pixel of a frame that is kept: 13 half floats."""


def memory_needed(height: int, width: int, frames: int, device_type: str) -> int:
    """Bytes that a run on so many frames takes at its peak, beside what the process had before; on a GPU those of
    the GPU."""
    factor = 1
    while max(height, width) > LONGEST_SIDE * factor:
        factor *= 2
    pixels = height * width // factor**2
    kept = frames * pixels * _KEPT_A_PIXEL if device_type == "cpu" else 0
    return _FIXED + pixels * _A_PIXEL + kept
