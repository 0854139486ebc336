"""The last lines of a run: each cause once, however many frames it stopped."""

from __future__ import annotations

import pytest

from matte_server.cli import console
from matte_server.cli.conclusion import conclude
from matte_server.shots.reports import FrameReport, ResultStatus, ShotReport

_FULL = (7, 8, 10)


def failed(frame: int, code: str, message: str) -> FrameReport:
    return FrameReport(frame=frame, status=ResultStatus.FAILED, output="", code=code, message=message)


def test_a_cause_that_names_each_frame_s_file_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk under a shot of 2,000 frames was 2,000 lines."""
    full = [failed(n, "cannot_write", f"o/m.{n}.exr cannot be written: No space left on device.") for n in _FULL]
    others = [
        failed(9, "unreadable", "p.9.exr cannot be read."),
        failed(11, "cannot_write", "o/m.11.exr cannot be written: Permission denied."),
    ]
    report = ShotReport(frames=(*full[:2], *others, full[2]))
    assert conclude(report, 5) == console.FRAMES_FAILED
    assert capsys.readouterr().err.splitlines() == [
        "  frames 7-8,10 (cannot_write): o/m.7.exr cannot be written: No space left on device.",
        "  frame 9 (unreadable): p.9.exr cannot be read.",
        "  frame 11 (cannot_write): o/m.11.exr cannot be written: Permission denied.",
    ]
