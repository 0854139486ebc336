"""How far the demo's results are from its true alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matte_link.sequence import FramePattern

from ..core.image import Float32
from ..io import exr
from ..shots.reports import ShotReport
from ..shots.shot import ShotFrame
from .packaged import DemoShot

_BAND = (0.02, 0.98)


@dataclass(frozen=True)
class Distance:
    """How far a result is from the truth: mean absolute error of alpha over the frame and in the true band
    (0.02 < alpha < 0.98), and the frames' median re-composition error as a part of the plate's range."""

    frame: float
    band: float
    recomposition: float


def measure(frames: Sequence[ShotFrame], shot: DemoShot, report: ShotReport) -> Distance:
    """The demo's results against its true alpha."""
    truth = FramePattern(shot.truth)
    pairs = [(_alpha(frame.output), _alpha(truth.path(frame.frame))) for frame in frames]
    errors = [np.abs(found - true) for found, true in pairs]
    bands = [error[(true > _BAND[0]) & (true < _BAND[1])] for error, (_, true) in zip(errors, pairs, strict=True)]
    recomposition = [frame.diagnostics["recomposition_error"] for frame in report.frames]
    return Distance(
        frame=float(np.mean([error.mean() for error in errors])),
        band=float(np.concatenate(bands).mean()),
        recomposition=float(np.median(np.array(recomposition, np.float64))),
    )


def _alpha(path: Path) -> Float32:
    return exr.matte_channel(exr.read_image(path)).pixels[..., 0]
