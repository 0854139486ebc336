"""What the commands print while they run: pace, durations, and one line a frame in a log."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.messages import Progress

from matte_server.cli.console import Detail, Pace, ShotProgress, Steps, as_word, complain, duration
from matte_server.shots.reports import MEASURING, FrameReport, ResultStatus


def test_pace_counts_only_what_was_made() -> None:
    now = [100.0]
    pace = Pace(10, lambda: now[0])
    for _ in range(4):
        pace.count(made=False)
    now[0] = 200.0
    pace.count(made=False)
    assert str(pace) == ""
    for _ in range(2):
        now[0] += 4.0
        pace.count(made=True)
    assert pace.rate == pytest.approx(0.25)
    assert str(pace) == "0.25 frames/s, 12 s left"


def test_the_time_that_a_shot_is_measured_is_no_frame_s(capsys: pytest.CaptureFixture[str]) -> None:
    """After 24 s of measuring, a frame of 2 s promised seven hours for the other 999."""
    now = [100.0]
    with ShotProgress({number: f"frame {number}" for number in range(1000)}) as progress:
        progress._pace = Pace(1000, lambda: now[0])
        for done in range(24):
            now[0] += 1.0
            progress((0, Progress(id="solve", stage=MEASURING, done=done, total=24)))
        now[0] += 2.0
        progress(FrameReport(frame=0, status=ResultStatus.DONE, output=""))
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"{MEASURING}: 24 frames") and len(told) == 2
    assert "0.50 frames/s, 33 min 18 s left" in told[1]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (7625, "2 h 07 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_log_has_one_line_a_frame_with_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with ShotProgress({number: f"frame {number}" for number in (1, 2, 3)}) as progress:
        progress((1, Progress(id="x", stage="align", done=0, total=7)))
        progress(FrameReport(frame=1, status=ResultStatus.SKIPPED, output="m.0001.exr"))
        progress(FrameReport(frame=2, status=ResultStatus.FAILED, output="", code="deep", message="[It] is deep."))
        figures = {"warnings": ["No subject was found."]}
        progress(FrameReport(frame=3, status=ResultStatus.DONE, output="", seconds=1.25, diagnostics=figures))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[1/3] frame 1: already done, m.0001.exr"
    # Brackets of a message are text, not markup.
    assert lines[1] == "[2/3] frame 2: failed (deep): [It] is deep."
    assert lines[2].startswith("[3/3] frame 3: 1.2 s, ") and lines[2].endswith("WARNING: No subject was found.")
    assert len(lines) == 3


@pytest.mark.parametrize(("detail", "lines"), [(Detail.NORMAL, 3), (Detail.QUIET, 2)])
def test_a_cause_that_stops_many_frames_is_told_once(
    detail: Detail, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with ShotProgress({number: f"frame {number}" for number in (1, 2, 3)}, detail) as progress:
        for number, message in ((1, "m.1.exr: disk full."), (2, "m.2.exr: disk full."), (3, "It is deep.")):
            progress(FrameReport(frame=number, status=ResultStatus.FAILED, output="", code="x", message=message))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "[1/3] frame 1: failed (x): m.1.exr: disk full."
    assert told[1:-1] == ["[2/3] frame 2: failed as frame 1 did"][: lines - 2]
    assert told[-1] == "[3/3] frame 3: failed (x): It is deep."


def test_other_work_has_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps("clean plate", 2) as steps:
        steps(1, 2, "frame 1001")
        steps(2, 2, "voting")
    assert capsys.readouterr().err == "[1/2] clean plate: frame 1001\n[2/2] clean plate: voting\n"


def test_a_complaint_goes_to_standard_error_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    complain("The plate [left] is missing.", "missing_frame")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error (missing_frame): The plate [left] is missing.\n")


@pytest.mark.parametrize(
    ("path", "word"), [("jobs/a", "jobs/a"), ("a&b", '"a&b"'), (Path("sh 010/job"), '"sh 010/job"')]
)
def test_a_path_that_a_shell_would_part_is_one_word_of_a_command(path: str | Path, word: str) -> None:
    assert as_word(path) == word
