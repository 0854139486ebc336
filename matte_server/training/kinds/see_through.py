"""A subject that light passes through.

It has the light that it adds, the part that it stops in each colour, and how far it shifts what is behind it.

The plate is ``light + (1 - stopped) * behind(x + shift)``. Alpha is the mean of ``stopped`` over the channels: the
part of a new background that an over will hide. A highlight also stops what is behind it (:func:`closed`), so that
its colour, light divided by alpha, stays within what a plate can hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..procedural import Float32

BRIGHTEST_HIGHLIGHT = 2.5
"""The most that light divided by alpha is in any subject drawn here."""


@dataclass(frozen=True, eq=False)
class SeeThrough:
    """``light`` and ``stopped``: height x width x 3, scene-linear; ``shift``: height x width x 2, x then y, in
    pixels of this picture."""

    light: Float32
    stopped: Float32
    shift: Float32

    def layers(self) -> Float32:
        """One array for the bank, height x width x 8: light, stopped, shift."""
        return np.dstack([self.light, self.stopped, self.shift]).astype(np.float32)


def closed(light: Float32, stopped: Float32, shift: Float32) -> SeeThrough:
    """A see-through subject; where its light is bright, ``stopped`` is raised so that highlights hide what is
    behind them."""
    light = np.maximum(light, 0)
    least = np.clip(light.max(2, keepdims=True) / BRIGHTEST_HIGHLIGHT, 0, 1)
    stopped = np.maximum(np.clip(stopped, 0, 1), least)
    return SeeThrough(light=light, stopped=stopped, shift=shift)


def opaque(pixels: Float32) -> SeeThrough:
    """A premultiplied RGBA subject as a see-through one that shifts nothing."""
    height, width = pixels.shape[:2]
    stopped = np.repeat(pixels[..., 3:], 3, 2)
    return SeeThrough(light=pixels[..., :3], stopped=stopped, shift=np.zeros((height, width, 2), np.float32))


def resampled(pixels: Float32, x: Float32, y: Float32) -> Float32:
    """``pixels`` (height x width x 4 or 8) read at the places ``x``, ``y``, bilinear; 0 outside."""
    # Four channels at a time: OpenCV resamples no more.
    parts = [
        cv2.remap(np.ascontiguousarray(pixels[..., k : k + 4]), x, y, cv2.INTER_LINEAR)
        for k in range(0, pixels.shape[2], 4)
    ]
    return np.asarray(np.dstack(parts), np.float32)


def over(front: SeeThrough, back: SeeThrough) -> SeeThrough:
    """One over the other; the one behind is seen shifted."""
    height, width = front.light.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    seen = resampled(back.layers(), x + front.shift[..., 0], y + front.shift[..., 1])
    through = 1 - front.stopped
    return SeeThrough(
        light=front.light + through * seen[..., :3],
        stopped=1 - through * (1 - seen[..., 3:6]),
        shift=np.asarray(front.shift + seen[..., 6:], np.float32),
    )


def halved(subject: SeeThrough) -> SeeThrough:
    """The subject at half its size."""
    height, width = subject.light.shape[0] // 2, subject.light.shape[1] // 2
    light, stopped, shift = (
        np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        for part in (subject.light, subject.stopped, subject.shift)
    )
    return SeeThrough(light=light, stopped=stopped, shift=np.asarray(shift / 2, np.float32))
