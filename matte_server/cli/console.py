"""What the commands print: progress with time left, one line a frame, errors as one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Self, TextIO, cast

from matte_link.files import disk_words
from matte_link.messages import Progress
from matte_link.plain_text import printable
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from ..learning.settings import LearningProgress
from ..shots.reports import MEASURING, FrameReport, ResultStatus, summary_of
from .interruption import INTERRUPTED as INTERRUPTED


class _OutputConsole(Console):
    """Standard output. Where nobody reads it any more, the command ends as :data:`PIPE_CLOSED` says."""

    def on_broken_pipe(self) -> None:
        """Instead of rich's own end with exit code 1, which says that frames failed."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _ErrorConsole(_OutputConsole):
    """Standard error. Where its disk is full, what it would say is lost, and nothing else is."""

    def print(self, *objects: Any, **style: Any) -> None:
        try:
            super().print(*objects, **style)
        except BrokenPipeError:
            raise
        except OSError:
            lead_to_nothing(sys.stderr)


def lead_to_nothing(*streams: Any) -> None:
    """Has Python write nowhere to standard streams that refused what they were given, not even at its end."""
    for stream in streams:
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def output_named() -> Iterator[None]:
    """Where standard output refuses what is written inside, as a full disk does, the error says that it was this
    stream, and nothing more is written to it. ``BrokenPipeError`` is left as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        lead_to_nothing(sys.stdout)
        raise OSError(error.errno, error.strerror, "Standard output") from None


def named(stream: TextIO | None) -> TextIO | None:
    """Standard output as a command sees it, which fails as :func:`output_named` says. None: it was closed."""
    return None if stream is None else cast(TextIO, _NamedOutput(stream))


class _NamedOutput:
    """A text stream in front of standard output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As the stream does; what its encoding lacks, such as a name that is not UTF-8, as Python writes it in
        text. Raises ``OSError`` that names it."""
        with output_named():
            try:
                return self._stream.write(text)
            except UnicodeEncodeError as error:
                return self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))

    def flush(self) -> None:
        """As the stream does. Raises ``OSError`` that names it."""
        with output_named():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


out = _OutputConsole(soft_wrap=True, highlight=False)
err = _ErrorConsole(stderr=True, soft_wrap=True, highlight=False)

# Exit codes, the same for every command.
OK, FRAMES_FAILED, BAD_INPUT, NO_SERVER, OTHER_CLEAN_PLATE = 0, 1, 2, 3, 4
PIPE_CLOSED = 141
"""Whoever read the output closed it: 128 and the number of SIGPIPE, as shells report it."""
_PACE_FRAMES = 30
_PARTS_WORDS = re.compile(r"[\s&;()<>|'*?]")


def say(message: str) -> None:
    """A sentence on standard output about what was made. Where its disk is full, standard error tells that it is
    lost: what was made is there, so that the command goes on and ends as it would have."""
    try:
        out.print(escape(message))
    except BrokenPipeError:
        raise
    except OSError as error:
        warn(f"{disk_words(error)} What was made is whole, but what is said of it is lost.")


def complain(message: str, code: str = "") -> None:
    """One sentence on standard error, the code in front where there is one. What it quotes of a file does not act
    on the terminal."""
    label = f"error ({code}): " if code else "error: "
    err.print(f"[bold red]{escape(label)}[/]{escape(printable(message))}")


def as_word(path: object) -> str:
    """A path as one word of a command, in sh and on Windows."""
    return f'"{path}"' if _PARTS_WORDS.search(str(path)) else str(path)


def tell(message: str) -> None:
    """One sentence on standard error that is no complaint."""
    err.print(escape(message))


def warn(message: str) -> None:
    """One sentence on standard error about what will not go as somebody may have meant it."""
    tell(f"warning: {message}")


class Pace:
    """Frames per second over the last frames that were made, and the time that the rest will take.

    Frames that were there already, and measurements before the first, say nothing of how long the others take.
    ``clock`` is seconds."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._ends: deque[float] = deque([clock()], maxlen=_PACE_FRAMES)
        self.ended = 0

    def count(self, made: bool) -> None:
        """One more frame has ended."""
        self.ended += 1
        if made:
            self._ends.append(self._clock())
        else:
            self.not_begun()

    def not_begun(self) -> None:
        """What was done until now is no making of frames, unless one was made."""
        if len(self._ends) == 1:
            self._ends[0] = self._clock()

    @property
    def rate(self) -> float:
        """Frames per second; 0 where it is not known yet."""
        seconds = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) / seconds if seconds > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the last frame; None where it is not known yet."""
        return (self._total - self.ended) / self.rate if self.rate else None

    def __str__(self) -> str:
        if self.left_s is None:
            return ""
        return f"{self.rate:.2f} frames/s, {duration(self.left_s)} left"


def duration(seconds: float) -> str:
    """A time for people: 42 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _bar(*columns: ProgressColumn, is_quiet: bool = False) -> Bar:
    """What is done, a bar, how much of it, and further ``columns``: in a terminal; in a log it shows nothing."""
    first = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Bar(*first, *columns, console=err, transient=True, disable=is_quiet or not err.is_terminal)


class _OnScreen:
    """Shows its bar for as long as a ``with`` block runs."""

    _bar: Bar

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class Detail(Enum):
    """How much is printed of a run: frames that fail, every frame, or every frame with its seconds by stage."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


def detail_of(is_quiet: bool, is_verbose: bool) -> Detail:
    """The detail that -q and -v stand for."""
    if is_quiet:
        return Detail.QUIET
    return Detail.VERBOSE if is_verbose else Detail.NORMAL


class ShotProgress(_OnScreen):
    """A listener for :func:`batch.run_shot`: a bar in a terminal, plain lines in a log; both say how many frames
    a second are made and how much time is left."""

    def __init__(self, titles: Mapping[int, str], detail: Detail = Detail.NORMAL) -> None:
        """``titles``: how people know each frame, by number."""
        total = len(titles)
        self._total = total
        self._titles = titles
        self._is_measuring = False
        self._detail = detail
        self._pace = Pace(total)
        self._reported: set[str] = set()
        self._causes: dict[tuple[str, str], str] = {}
        """Why frames failed, and the title of the first that each cause stopped."""
        is_quiet = detail is Detail.QUIET
        self._bar = _bar(TextColumn("{task.fields[pace]}"), TimeElapsedColumn(), is_quiet=is_quiet)
        self._task = self._bar.add_task("starting", total=total, pace="")

    def __call__(self, event: FrameReport | tuple[int, Progress]) -> None:
        if isinstance(event, FrameReport):
            self._frame_ended(event)
        else:
            frame, stage = event
            self._bar.update(self._task, description=f"{self._titles.get(frame, f'frame {frame}')}: {stage.stage}")
            if stage.stage == MEASURING:
                self._pace.not_begun()
                self._tell_of_measuring(stage)

    def _tell_of_measuring(self, stage: Progress) -> None:
        """A log gets one line while frames spread over the shot are measured, before the first is made."""
        if not self._is_measuring and self._detail is not Detail.QUIET:
            self._is_measuring = True
            if not err.is_terminal:
                err.print(f"{MEASURING}: {stage.total} frames of the shot are compared with the clean plate")

    def _frame_ended(self, report: FrameReport) -> None:
        self._pace.count(report.status == ResultStatus.DONE)
        self._bar.update(self._task, completed=self._pace.ended, pace=str(self._pace))
        has_failed = report.status == ResultStatus.FAILED
        if self._detail is Detail.QUIET and (not has_failed or report.cause in self._causes):
            return
        printer = self._bar.console if err.is_terminal else err
        printer.print(self._line(report))

    def _line(self, report: FrameReport) -> str:
        place = f"[{self._pace.ended}/{self._total}] {report.title}"
        if report.status == ResultStatus.FAILED:
            if (first := self._causes.setdefault(report.cause, report.title)) != report.title:
                return f"{escape(place)}: [bold red]failed[/] as {escape(first)} did"
            return f"{escape(place)}: [bold red]failed[/] ({report.code}): {escape(report.message)}"
        if report.status == ResultStatus.SKIPPED:
            return f"{escape(place)}: already done, {escape(report.output)}"
        pace = "" if err.is_terminal else f"{self._pace}, "
        figures = summary_of(report.diagnostics, self._reported)
        stages = _stages(report.diagnostics) if self._detail is Detail.VERBOSE else ""
        return f"{escape(place)}: {report.seconds:.1f} s{escape(stages)}, {pace}{escape(figures)}"


def _stages(diagnostics: Mapping[str, object]) -> str:
    """The seconds of each stage, in brackets."""
    seconds = diagnostics.get("seconds")
    if not isinstance(seconds, Mapping):
        return ""
    return f" ({', '.join(f'{stage} {value:.2f}' for stage, value in seconds.items())})"


class Steps(_OnScreen):
    """Progress of work that is no frame of a shot: a bar in a terminal, a line now and then in a log."""

    def __init__(self, what: str, total: int) -> None:
        self._bar = _bar(TimeElapsedColumn(), TimeRemainingColumn())
        self._task = self._bar.add_task(what, total=total)
        self._what = what

    def __call__(self, step: int, total: int, words: str) -> None:
        """Step ``step`` of ``total`` begins."""
        self._bar.update(self._task, completed=step - 1, description=f"{self._what}: {words}")
        if not err.is_terminal:
            err.print(escape(f"[{step}/{total}] {self._what}: {words}"))


class LearningBar(_OnScreen):
    """Progress of learning a shot: a bar in a terminal, a line at each measurement in a log."""

    def __init__(self) -> None:
        self._bar = _bar(TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
        self._task = self._bar.add_task("reading", total=None, left="")
        self._error = -1.0

    def __call__(self, progress: LearningProgress) -> None:
        if progress.error is None or progress.first_error is None:
            self._bar.update(self._task, description="measuring", completed=0, total=progress.steps)
            return
        error = f"error {1e3 * progress.error:.2f} ({1e3 * progress.first_error:.2f} at the start)"
        left = "" if progress.left_s is None else f"{duration(progress.left_s)} left"
        self._bar.update(self._task, description=error, completed=progress.step, total=progress.steps, left=left)
        if not err.is_terminal and progress.error != self._error:
            parts = ", ".join(part for part in (error, left) if part)
            err.print(f"[{progress.step}/{progress.steps}] {parts}", markup=False)
        self._error = progress.error


def flush() -> None:
    """Both streams out before the process ends or hands over."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed when the command started
            stream.flush()
