"""The second phase of a run: the plates go to the server; each result is written to disk and shown as it arrives.

A thread talks to the server and has the main thread show what is finished. Without a window the calling thread
does both.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from typing import Optional

from . import disk_ahead, generations, host, later, made_elsewhere, manifest, preflight, range_plan, status_basis
from .job_progress import JobProgress
from .node_options import options_of
from .node_runs import NodeRun, RunOutcome
from .node_state import STALE_SETTINGS, UNCLEAR, summaries, tell
from .range_plan import RangePlan
from .result_read import show_results
from .sources import sources_of
from .view_jobs import CleanPlateHistory, ViewJobs

PATIENCE_S = 30.0
"""Seconds that the server may be silent in the middle of a range before the range ends with an error."""
_POLL_S = 0.05
_CANCEL_POLL_S = 0.1
_RENDER_POLL_S = 0.5
"""As often is looked whether a render of the artist's has ended, which the last results wait for."""
_clean_plate_history = CleanPlateHistory()


class RangeRun(NodeRun):
    """A plan that is being carried out for a node.

    A ``quiet`` run shows no message. One in the background shows no progress bar either.
    """

    def __init__(self, node: host.Node, plan: RangePlan, quiet: bool = False, is_background: bool = False) -> None:
        super().__init__(node, plan.node_id, is_background)
        self.plan = plan
        self.makes = plan.frames
        self.is_stale = False
        """Whether a setting or the graph was changed while the run was under way."""
        self._quiet = quiet
        self._last_cancel_check = 0.0
        self._not_reloaded: set[int] = set()

    def start(self) -> None:
        if host.has_window() and not self.is_background:
            tell(self.node, f"waiting for the server, {self.plan.total} to do")
        super().start()

    def _work(self) -> None:
        jobs = ViewJobs(self.plan, PATIENCE_S, _clean_plate_history)
        bar = None if self.is_background else host.ProgressBar("Cleanplate")
        try:
            self._carry_over(left_out=self.plan.keys)
            while not jobs.finished:
                try:
                    self._step(jobs, bar)
                except KeyboardInterrupt:
                    self.cancel()
            self._note_contents(jobs, bar)
        finally:
            # Whatever happens, the node must not stay busy for ever.
            listed: Optional[made_elsewhere.Listed] = None
            records: Sequence[manifest.Record] = ()
            try:
                if bar is not None:
                    bar.close()
                jobs.delete_used_plates()
                self._carry_over()
                # Not on the main thread, since a share takes its time to tell of a thousand of them.
                with contextlib.suppress(OSError):
                    records = manifest.read_all(self.plan.folder)
                listed = made_elsewhere.list_now(self.plan.folder)
            finally:
                host.on_main(self._end, jobs.progress, listed, records)

    def _carry_over(self, left_out: Collection[tuple[int, str]] = ()) -> None:
        """Where the run writes beside the results that it replaces, all others are taken along: those that it does
        not make before its start, and what it did not come to at its end."""
        if self.plan.replaced:
            with contextlib.suppress(OSError):
                generations.carry_over(self.plan.replaced, self.plan.folder, left_out)

    def _step(self, jobs: ViewJobs, bar: Optional[host.ProgressBar]) -> None:
        ended = jobs.poll(_POLL_S)
        if ended:
            host.on_main(self._show, jobs.progress.bar_text, [one.event.frame for one in ended])
        jobs.delete_used_plates()
        jobs.note_content()
        if time.monotonic() - self._last_cancel_check >= _CANCEL_POLL_S:
            self._last_cancel_check = time.monotonic()
            if bar is not None:
                bar.show(jobs.progress.percent, jobs.progress.bar_text)
            if self._is_cancelled(bar):
                jobs.cancel()

    def _is_cancelled(self, bar: Optional[host.ProgressBar]) -> bool:
        return self._cancel.is_set() or (bar is not None and bar.cancelled())

    def _note_contents(self, jobs: ViewJobs, bar: Optional[host.ProgressBar]) -> None:
        """Notes what is left of them when all results are there: whoever cancels then loses no result."""
        with contextlib.suppress(KeyboardInterrupt):
            while not self._is_cancelled(bar) and jobs.note_content():
                pass

    def _show(self, text: str, ended: Sequence[int]) -> None:
        """On the main thread: has the Read show the results so far. It is reloaded for the frame that the artist
        looks at; for all others once, at the end. A render that goes on keeps what it began with."""
        self._not_reloaded.update(ended)
        if self._is_current() and not host.is_rendering():
            is_seen = host.current_frame() in self._not_reloaded
            show_results(self.node, self.plan.folder, self.plan.frames, reload=is_seen)
            if is_seen:
                self._not_reloaded.clear()
            if not self.is_background:
                tell(self.node, text)

    def _end(
        self, progress: JobProgress, listed: Optional[made_elsewhere.Listed], records: Sequence[manifest.Record]
    ) -> None:
        if host.is_rendering():
            later.after(_RENDER_POLL_S, host.on_main, self._end, progress, listed, records)
            return
        is_current = self._is_current()
        self._ended()
        if is_current:
            disk_ahead.note_change(host.full_name(self.node))
            if self._not_reloaded:
                show_results(self.node, self.plan.folder, self.plan.frames, listed=listed)
            progress.makers = self._compare_makers(records)
        code = progress.code or ("cancelled" if progress.cancelled else "")
        self.outcome = RunOutcome(done=progress.done, total=progress.total, code=code, text=progress.summary)
        if is_current:
            self._say_at_the_end(progress)
            self.on_end(self.outcome)

    def _say_at_the_end(self, progress: JobProgress) -> None:
        summaries[self.plan.node_id] = progress.summary
        tell(self.node, progress.summary)
        self._note_status(progress)
        if progress.trouble and not self._quiet:
            host.say(f"{host.full_name(self.node)}: {progress.summary}")

    def _note_status(self, progress: JobProgress) -> None:
        """The artist may have changed a setting while the run was under way: the result is then stale already. Of a
        view that was added there is none."""
        sources = None
        try:
            sources = sources_of(self.node)
            key = sources.settings_key(options_of(self.node))
        except UNCLEAR:
            key = ""
        self.is_stale = key != range_plan.key_of(self.plan.folder)
        added = [view for view in host.views() if view not in self.plan.views]
        if self.is_stale or added:
            tell(self.node, STALE_SETTINGS if self.is_stale else f"not processed in view {', '.join(added)}")
        status_basis.note(self.node, sources, stays=not progress.succeeded)
        if self.is_stale or not self.is_background:
            status_basis.note_part(self.node)

    def _compare_makers(self, records: Sequence[manifest.Record]) -> str:
        plan = self.plan
        address = plan.endpoint.address
        return preflight.compare_makers_of(self.node, records, plan.options, address, plan.frames).text
