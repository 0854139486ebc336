"""When a clean plate is said to show another place, from the reports of finished frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matte_server.shots.arguments import ShotOrder
from matte_server.shots.clean_plate_check import why_not_its_clean_plate
from matte_server.shots.reports import FrameReport, ResultStatus, ShotReport
from tests.matte_server.shots.conftest import ShotFiles, save


def report_of(shot: ShotFiles, area: float, measured: int = 0) -> ShotReport:
    """All frames done with so large an alpha; in ``measured`` of them the clean plate was found again."""
    sure, lost = {"inliers": 0.9, "points": 120}, {"inliers": None, "points": 0}
    return ShotReport(
        frames=tuple(
            FrameReport(
                frame=frame,
                status=ResultStatus.DONE,
                output="",
                diagnostics={"alignment": sure if place < measured else lost, "alpha_area": area},
            )
            for place, frame in enumerate(shot.frames)
        )
    )


@pytest.mark.parametrize(
    ("area", "measured", "is_other"),
    [
        (0.97, 0, True),
        # A subject that fills five sixths of the frame, as the packaged network mattes it.
        (0.89, 0, False),
        (0.97, 1, True),
        (0.97, 2, False),
    ],
)
def test_a_subject_that_fills_the_frame_is_no_other_place(
    make_shot: Callable[..., ShotFiles], area: float, measured: int, is_other: bool
) -> None:
    shot = make_shot(4)
    # A wall without features, in which nothing can be found again, mirrored or not.
    for frame in shot.frames:
        save(shot.folder / f"plate.{frame}.exr", np.full((120, 160, 3), 0.2))
    planned = ShotOrder(plate=shot.plate, clean=shot.clean, output=shot.matte).plan()
    why = why_not_its_clean_plate(report_of(shot, area, measured), planned)
    assert ("does not seem to show the same place" in why) == is_other
    # A picture that is gone meanwhile is not called mirrored.
    (shot.folder / "clean.exr").unlink()
    assert why_not_its_clean_plate(report_of(shot, area, measured), planned) == why
