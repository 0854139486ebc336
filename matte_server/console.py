"""What the commands print: progress with time left, one line a frame, errors as one sentence."""

from __future__ import annotations

import sys
from types import TracebackType

from matte_link.messages import Progress
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from .batch import FrameReport, describe

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

# Exit codes, the same for every command.
OK, FRAMES_FAILED, BAD_INPUT, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 130


def complain(message: str, code: str = "") -> None:
    """One sentence on standard error, the code in front where there is one."""
    label = f"error ({code}): " if code else "error: "
    err.print(f"[bold red]{escape(label)}[/]{escape(message)}")


class ShotProgress:
    """A listener for :func:`batch.run_shot`: a bar in a terminal, plain lines in a log."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task("matting", total=total, rate="")

    def __enter__(self) -> ShotProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, event: FrameReport | tuple[int, Progress]) -> None:
        if isinstance(event, FrameReport):
            self._frame_ended(event)
        else:
            frame, stage = event
            self._bar.update(self._task, description=f"frame {frame}: {stage.stage}")

    def _frame_ended(self, report: FrameReport) -> None:
        self._ended += 1
        speed = self._bar.tasks[self._task].speed
        self._bar.update(self._task, completed=self._ended, rate=f"{speed:.2f} frames/s" if speed else "")
        printer = self._bar.console if err.is_terminal else err
        printer.print(self._line(report))

    def _line(self, report: FrameReport) -> str:
        place = f"[{self._ended}/{self._total}] frame {report.frame}"
        if report.status == "failed":
            return f"{escape(place)}: [bold red]failed[/] ({report.code}): {escape(report.message)}"
        if report.status == "skipped":
            return f"{escape(place)}: already done, {escape(report.output)}"
        return f"{escape(place)}: {report.seconds:.1f} s, {escape(describe(report.diagnostics))}"


def flush() -> None:
    """Both streams out before the process ends or hands over."""
    sys.stdout.flush()
    sys.stderr.flush()
