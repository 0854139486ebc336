"""Frames a subject tightly: where the camera stands, and how wide and tall the picture becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .obj import Points
from .recipes import View

_SENSOR = 36.0  # mm on the longer side, full frame
_MARGIN = 0.03


@dataclass(frozen=True)
class CameraShot:
    """``place`` (3,) metres; rows of ``axes`` (3, 3): the camera's right, up and back. ``sensor`` mm wide,
    ``shift`` in widths, as Blender counts them; ``width`` x ``height`` pixels."""

    place: Points
    axes: Points
    distance: float
    sensor: float
    shift: tuple[float, float]
    width: int
    height: int


def frame(points: Points, view: View, keep: Points | None = None) -> CameraShot:
    """The shot whose picture just holds ``points`` (N, 3); where ``keep`` is given, only its extent counts
    and the rest may be cut by the frame."""
    azimuth, elevation = np.radians(view.azimuth), np.radians(view.elevation)
    back = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    up = np.cross(back, right)
    axes = np.stack([right, up, back])
    wanted = points if keep is None else keep
    centre = (wanted.min(axis=0) + wanted.max(axis=0)) / 2
    local = (wanted - centre) @ axes.T
    reach = float(np.ptp(local[:, :2], axis=0).max())
    distance = reach * view.lens / _SENSOR * 1.05 + float(local[:, 2].max())
    depth = distance - local[:, 2]
    seen = local[:, :2] * view.lens / depth[:, None]  # mm on the sensor
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = _MARGIN * (high - low).max()
    low, high = low - margin, high + margin
    size = high - low
    pixel = size.max() / view.size
    width, height = (max(64, round(float(s / pixel) / 8) * 8) for s in size)
    middle = (low + high) / 2
    sensor = pixel * width
    return CameraShot(
        place=centre + back * distance, axes=axes, distance=distance, sensor=sensor,
        shift=(float(middle[0] / sensor), float(middle[1] / sensor)), width=width, height=height,
    )  # fmt: skip
