"""The second phase of a run: plates to the server, results to disk and onto the node, as they come.

A worker thread talks to the server and asks the main thread for nothing but to show what is finished. Without a
window the calling thread does both.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Optional

from . import host, preflight
from .job_progress import JobProgress
from .node_state import summaries, tell
from .range_plan import CleanPlates, RangePlan, ViewJobs
from .result_read import show_results

PATIENCE_S = 30.0
"""How long the server may be silent in the middle of a range before the range ends with a sentence."""
_POLL_S = 0.05
_CANCEL_POLL_S = 0.1
_running: dict[str, RangeRun] = {}
_clean_plates = CleanPlates()


def running(node: host.Node) -> Optional[RangeRun]:
    """What is under way for a node."""
    return _running.get(str(host.value(node, "node_id")))


def all_running() -> list[RangeRun]:
    """Everything that is under way."""
    return list(_running.values())


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``code`` and ``text`` for the artist, or for a farm's log."""

    done: int
    total: int
    code: str
    text: str

    @property
    def succeeded(self) -> bool:
        """Whether every frame has its result."""
        return not self.code and self.done == self.total


class RangeRun:
    """A plan under way for a node."""

    def __init__(self, node: host.Node, plan: RangePlan, quiet: bool = False) -> None:
        self.node = node
        self.plan = plan
        self.outcome: Optional[RunOutcome] = None
        self._quiet = quiet
        self._cancel = threading.Event()
        self._asked = 0.0

    def cancel(self) -> None:
        """Stops within a moment; finished frames stay."""
        self._cancel.set()

    def start(self) -> None:
        """Goes on by itself where there is a window; else returns when all is over."""
        _running[self.plan.node_id] = self
        if host.has_window():
            tell(self.node, f"waiting for the server, {self.plan.total} to do")
            threading.Thread(target=self._work, name="cleanplate-node", daemon=True).start()
        else:
            self._work()

    def _work(self) -> None:
        jobs = ViewJobs(self.plan, PATIENCE_S, _clean_plates)
        bar = host.ProgressBar("Cleanplate")
        try:
            while not jobs.finished:
                try:
                    self._step(jobs, bar)
                except KeyboardInterrupt:
                    self.cancel()
        finally:
            # Whatever happened, the node must not be left at work for ever.
            try:
                bar.close()
                jobs.tidy()
            finally:
                host.on_main(self._end, jobs.tally)

    def _step(self, jobs: ViewJobs, bar: host.ProgressBar) -> None:
        if jobs.poll(_POLL_S):
            host.on_main(self._show, jobs.tally.progress)
        jobs.tidy()
        if time.monotonic() - self._asked >= _CANCEL_POLL_S:
            self._asked = time.monotonic()
            bar.show(jobs.tally.percent, jobs.tally.progress)
            if self._cancel.is_set() or bar.cancelled():
                jobs.cancel()

    def _show(self, text: str) -> None:
        """On the main thread: the Read shows what is there."""
        if host.exists(self.node):
            show_results(self.node, self.plan.folder, self.plan.frames)
            tell(self.node, text)

    def _end(self, tally: JobProgress) -> None:
        _running.pop(self.plan.node_id, None)
        if host.exists(self.node):
            tally.makers = self._compare_makers()
        code = tally.code or ("cancelled" if tally.cancelled else "")
        self.outcome = RunOutcome(done=tally.done, total=tally.total, code=code, text=tally.summary)
        summaries[self.plan.node_id] = tally.summary
        if not host.exists(self.node):
            return
        tell(self.node, tally.summary)
        if tally.trouble and not self._quiet:
            host.say(f"{host.full_name(self.node)}: {tally.summary}")

    def _compare_makers(self) -> str:
        plan = self.plan
        address = plan.endpoint.address
        return preflight.compare_makers_of(self.node, plan.folder, plan.options, address, plan.frames).text
