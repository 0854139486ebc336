"""Renders small enough to travel: lossless 8-bit WebP, a twentieth of the EXR's size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from .procedural import Float32

_LOSSLESS = 101


def save_packed(pixels: Float32, path: Path, facts: Mapping[str, object]) -> None:
    """Writes RGBA, height x width x 4, scene-linear, at ``path``, and ``facts`` as JSON beside it. The WebP holds
    the square root of colour divided by the picture's maximum, and alpha. Raises ``OSError``."""
    peak = max(float(pixels[..., :3].max()), 1e-6)
    levels = np.rint(255 * np.dstack([np.sqrt(pixels[..., 2::-1] / peak), pixels[..., 3]]).clip(0, 1))
    part = path.with_suffix(".part.webp")
    if not cv2.imwrite(str(part), levels.astype(np.uint8), [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS]):
        raise OSError(f"{part} could not be written")
    path.with_suffix(".json").write_text(json.dumps({**facts, "peak": peak}), encoding="utf-8")
    part.replace(path)


def read_packed(path: Path) -> Float32:
    """What :func:`save_packed` wrote. Raises ``FileNotFoundError``."""
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None:
        raise FileNotFoundError(f"no readable render at {path}")
    peak = float(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["peak"])
    values = levels.astype(np.float32) / 255
    return np.dstack([np.square(values[..., 2::-1]) * peak, values[..., 3]]).astype(np.float32)
