"""What an artist reads about a plate solve."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.shot_solve import REPAIRED
from matte_server.shots.solve_file import CameraSolve
from matte_server.shots.solve_summary import describe

MOVED = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def found(
    transform: np.ndarray | None = None, gain: float = 1.0, points: int = 50, warnings: tuple[str, ...] = ()
) -> Alignment:
    return Alignment(
        transform=np.eye(3) if transform is None else transform,
        points=points,
        inliers=0.9,
        residual_px=0.2,
        gain=(gain, gain, gain),
        warnings=warnings,
    )


STILL, ELSEWHERE, LIT = found(), found(MOVED), found(gain=2.0)
LOCKED = "The camera is locked: one transform and gain for the whole shot."


def locked(one_exposure: bool = True) -> CameraSolve:
    return CameraSolve(locked=STILL, one_exposure=one_exposure, sampled=(1, 2), measured=2)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ((), ""),
        ((ELSEWHERE,), " Frame 6 is elsewhere, with a transform of its own."),
        ((ELSEWHERE, ELSEWHERE), " Frames 6-7 are elsewhere, with a transform of their own."),
        ((LIT,), " Frame 6 is lit otherwise, with a gain of its own."),
        # Measured by itself, with a gain that differs by less than grain explains.
        ((found(gain=1.004),), ""),
        ((LIT, LIT), " Frames 6-7 are lit otherwise, with a gain of their own."),
    ],
)
def test_a_locked_camera_names_the_frames_that_differ(others: tuple[Alignment, ...], words: str) -> None:
    used = dict(enumerate([STILL] * 5 + list(others), 1))
    assert describe(locked(), used) == LOCKED + words


def test_a_locked_camera_with_changing_light() -> None:
    sentence = describe(locked(one_exposure=False), {1: STILL, 2: LIT})
    assert sentence.startswith("The camera is locked: one transform for the whole shot, but a gain for each frame")


def test_where_most_frames_differ_the_camera_is_not_locked() -> None:
    half = {1: STILL, 2: ELSEWHERE}
    assert describe(locked(), half).startswith(LOCKED)
    assert describe(locked(), {**half, 3: ELSEWHERE}).startswith("The camera is nearly still, but not locked")


def test_a_moving_camera_names_what_was_helped_and_what_was_not_measured() -> None:
    helped = found(MOVED, warnings=(f"{REPAIRED} from frame 1.",))
    blind = Alignment(transform=np.eye(3))
    assert describe(None, {1: ELSEWHERE, 2: helped, 3: blind}) == (
        "Every frame has its own transform: the camera moves. Frame 2 is found only with the help of the frames "
        "beside. Without a measurement: 3."
    )
    assert describe(None, {1: blind, 2: blind}).startswith("Nothing could be measured")
