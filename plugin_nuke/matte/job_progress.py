"""How far a plan is, in figures and words. No nuke here."""

from __future__ import annotations

from collections.abc import Mapping

from matte_link.job_events import FrameDone, FrameFailed, FrameProgress, JobEvent, JobFinished


def warnings_of(diagnostics: Mapping[str, object]) -> tuple[str, ...]:
    """The server's doubts of a result, with its figures."""
    found = diagnostics.get("warnings")
    return tuple(str(one) for one in found) if isinstance(found, (list, tuple)) else ()


class JobProgress:
    """How far a plan is, and what the artist must hear at its end."""

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
        self._stage = ""

    def add(self, event: JobEvent, view: str) -> None:
        """Counts one event."""
        if isinstance(event, FrameProgress):
            self._part = event.done / max(event.total, 1)
            self._stage = f"frame {event.frame}, {event.stage}"
        elif isinstance(event, FrameDone):
            self._part = 0.0
            self.done += 1
            self.frames.add(event.frame)
            doubts = warnings_of(event.diagnostics)
            if doubts and not self.warning:
                self.warning = f"Frame {event.frame}: {' '.join(doubts)}"
        elif isinstance(event, FrameFailed):
            self._part = 0.0
            self.failed += 1
            self._note(event.code, f"Frame {event.frame}: {event.message} {event.hint}")
        elif isinstance(event, JobFinished):
            self.cancelled = self.cancelled or event.cancelled
            if event.code:
                # Why all the rest has no result says more than what the first frame died of.
                self.code, self.trouble = event.code, f"{event.message} {event.hint}".strip()

    def _note(self, code: str, text: str) -> None:
        if not self.trouble:
            self.code, self.trouble = code, text.strip()

    @property
    def percent(self) -> int:
        """0 to 100, a frame's stages included."""
        return min(100, int(100 * (self.done + self.failed + self._part) / max(self.total, 1)))

    @property
    def progress(self) -> str:
        """For the progress bar."""
        return f"{self.done} of {self.total} done" + (f", {self._stage}" if self._stage else "")

    @property
    def succeeded(self) -> bool:
        """Whether every result is there."""
        return self.done == self.total

    @property
    def summary(self) -> str:
        """One line for the status knob once all is over."""
        head = f"{self.done} of {self.total} frames done" if self.total != self.done else f"{self.done} done"
        if self.trouble:
            return f"{head}. {self.trouble}"
        if self.cancelled:
            return f"cancelled, {head}"
        remarks = [f"Check: {self.warning}"] if self.warning else []
        remarks += [self.makers[:1].upper() + self.makers[1:]] if self.makers else []
        return f"{head}. {' '.join(remarks)}" if remarks else f"up to date, {head}"
