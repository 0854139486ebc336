"""A run that waits for the server to learn a shot, and has the node use what was learned."""

from __future__ import annotations

import time
from typing import Optional

from matte_link.diagnostics import warnings_of
from matte_link.learn_events import LearnDone, LearnEvent, LearnFailed, LearnPreparing, LearnStep
from matte_link.learn_job import LearnJob
from matte_link.sequence import counted

from . import host, view_jobs
from .job_progress import duration
from .node_runs import NodeRun, RunOutcome
from .node_state import setting, summaries, tell
from .range_plan import RangePlan

_POLL_S = 0.1
_SHOWN_EVERY_S = 0.5


class LearnRun(NodeRun):
    """A learning job under way for a node. Cancel keeps the best so far."""

    def __init__(self, node: host.Node, plan: RangePlan, job: LearnJob) -> None:
        super().__init__(node, plan.node_id)
        self._plan = plan
        self._job = job
        self._shown = 0.0
        self._message = ""

    def leave(self) -> None:
        """The server goes on learning; Learn on the same key frames joins it."""
        self._job.leave()

    def _work(self) -> None:
        bar = host.ProgressBar("Cleanplate: learning")
        last: Optional[LearnEvent] = None
        try:
            self._job.start()
            while not isinstance(last, (LearnDone, LearnFailed)):
                if self._cancel.is_set() or bar.cancelled():
                    self._job.cancel()
                for last in self._job.poll(_POLL_S):
                    self._show(last, bar)
        finally:
            bar.close()
            view_jobs.remove_plates(self._plan)
            host.on_main(self._end, last)

    def _show(self, event: LearnEvent, bar: host.ProgressBar) -> None:
        text, percent = progress_text(event), _percent(event)
        if isinstance(event, LearnStep) and event.message:
            self._message = event.message
        if text and time.monotonic() - self._shown >= _SHOWN_EVERY_S:
            self._shown = time.monotonic()
            bar.show(percent, text)
            host.on_main(self._tell, f"{text}. {self._message}" if self._message else text)

    def _tell(self, text: str) -> None:
        if self._is_current():
            tell(self.node, text)

    def _end(self, event: Optional[LearnEvent]) -> None:
        is_current = self._is_current()
        self._ended()
        text, code = outcome_text(event, len(self._plan.frames))
        self.outcome = RunOutcome(done=int(not code), total=1, code=code, text=text)
        if not is_current:
            return
        if isinstance(event, LearnDone) and event.has_gained:
            self._use(event)
        summaries[self.node_id] = text
        tell(self.node, text)
        if code not in ("", "cancelled", "left"):
            host.say(f"{host.full_name(self.node)}: {text}")
        self.on_end(self.outcome)

    def _use(self, event: LearnDone) -> None:
        """The node's results are stale from now on, except those that were made with these weights."""
        with host.without_undo():
            host.set_value(self.node, "weights", event.output)
            if str(setting(self.node, "model")) not in ("auto", event.model):
                host.set_value(self.node, "model", event.model)


def progress_text(event: LearnEvent) -> str:
    """What the artist reads while it learns; empty for the last event."""
    if isinstance(event, LearnPreparing):
        return {
            "queued": "waiting for another shot to be learned",
            "frames": f"reading frame {event.done} of {event.total}",
        }.get(event.stage, "the server begins to learn")
    if not isinstance(event, LearnStep):
        return ""
    parts = [f"learning: step {event.step} of {event.steps}"]
    if event.error >= 0 and event.first_error >= 0:
        parts.append(f"error {100 * event.error:.2f}%, at first {100 * event.first_error:.2f}%")
    if event.left_s >= 0:
        parts.append(f"{duration(event.left_s)} left")
    return ", ".join(parts)


def _percent(event: LearnEvent) -> int:
    return min(100, 100 * event.step // max(event.steps, 1)) if isinstance(event, LearnStep) else 0


def outcome_text(event: Optional[LearnEvent], frames: int) -> tuple[str, str]:
    """What the artist reads at the end, and the code of what went wrong."""
    if isinstance(event, LearnFailed):
        return f"{event.message} {event.hint}".strip(), event.code
    if not isinstance(event, LearnDone):
        return "The learning stopped.", "internal"
    return " ".join([_ending(event, frames), *warnings_of(event.diagnostics)]), ""


def _ending(event: LearnDone, frames: int) -> str:
    if not event.has_gained:
        steps = counted(event.steps, "step")
        return f"too little was gained on what was left out after {steps}; the node keeps its weights."
    figures = f"error {100 * event.first_error:.2f}% -> {100 * event.error:.2f}% on what was left out"
    until = "" if event.is_complete else ", cancelled"
    return f"learned from {counted(frames, 'frame')}{until}: {figures}. Press 'Process range' to use it."
