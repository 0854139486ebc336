"""How far a run is, in figures and words. No nuke here."""

from __future__ import annotations

import time

from matte_link.diagnostics import warnings_of
from matte_link.job_events import FrameDone, FrameFailed, FrameProgress, JobEvent, JobFinished
from matte_link.sequence import counted


def duration(seconds: float) -> str:
    """For example ``40 s`` or ``3 min``."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class JobProgress:
    """How many frames of a run are done, and what the artist is told at its end.

    ``total``, ``done`` and ``failed`` count each view of a frame.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.failed = 0
        self.cancelled = False
        self.code = ""
        self.trouble = ""
        self.warning = ""
        self.makers = ""
        """What the artist must know about who made the range's results; set when the job has ended."""
        self.frames: set[int] = set()
        self._part = 0.0
        self._most = 0.0
        self._stage = ""
        self._started = time.monotonic()

    def add(self, event: JobEvent) -> None:
        """Counts one event."""
        if isinstance(event, FrameProgress):
            self._part = event.done / max(event.total, 1)
            self._stage = f"frame {event.frame}, {event.stage}"
        elif isinstance(event, FrameDone):
            self._part = 0.0
            self.done += 1
            self.frames.add(event.frame)
            warnings = warnings_of(event.diagnostics)
            if warnings and not self.warning:
                self.warning = f"Frame {event.frame}: {' '.join(warnings)}"
        elif isinstance(event, FrameFailed):
            self._part = 0.0
            self.failed += 1
            self._note(event.code, f"Frame {event.frame}: {event.message} {event.hint}")
        elif isinstance(event, JobFinished):
            self.cancelled = self.cancelled or event.cancelled
            if event.code:
                # The reason why the whole job stopped says more than why its first frame failed.
                self.code, self.trouble = event.code, f"{event.message} {event.hint}".strip()
        self._most = max(self._most, self.done + self.failed + self._part)

    def _note(self, code: str, text: str) -> None:
        if not self.trouble:
            self.code, self.trouble = code, text.strip()

    @property
    def percent(self) -> int:
        """0 to 100. The stages of a frame count in part. Frames that are under way together report in turn, and yet
        it never goes back."""
        return min(100, int(100 * self._most / max(self.total, 1)))

    @property
    def bar_text(self) -> str:
        """The text of the progress bar."""
        ended = self.done + self.failed
        left = (time.monotonic() - self._started) / ended * (self.total - ended) if ended else 0.0
        parts = [f"{self.done} of {self.total} done", f"{duration(left)} left" if left >= 1 else "", self._stage]
        return ", ".join(part for part in parts if part)

    @property
    def succeeded(self) -> bool:
        """Whether every frame has its result."""
        return self.done == self.total

    @property
    def summary(self) -> str:
        """One line for the status knob when the run has ended."""
        of_all = f" of {counted(self.total, 'frame')}" if self.total != self.done else ""
        head = f"{self.done}{of_all} done"
        if self.trouble:
            return f"{head}. {self.trouble}"
        if self.cancelled:
            return f"cancelled, {head}"
        remarks = [f"Check: {self.warning}"] if self.warning else []
        remarks += [self.makers[:1].upper() + self.makers[1:]] if self.makers else []
        return f"{head}. {' '.join(remarks)}" if remarks else f"up to date, {head}"
