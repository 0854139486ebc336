"""After *Process frame* the frames around it follow, one at a time, while the artist goes on working.

Each step renders the plates of one frame on the main thread and then rests for as long as that took, so that Nuke
belongs to the artist at least half of the time. A press of a button, a change of settings or graph, or a frame that
fails ends it.
"""

from __future__ import annotations

import time
from typing import Optional

from . import host, later, node_runs, preflight, range_plan
from .node_runs import RunOutcome
from .node_state import UNCLEAR, node_id, setting, summaries, tell, words_of
from .plates import render_plates
from .range_run import RangeRun
from .status_basis import note_part, tell_trouble

_REST_S = 0.1
"""The shortest rest between two frames."""
_BUSY_S = 1.0
"""The rest where Nuke renders something else."""
_going_on: dict[str, FramesAround] = {}


class FramesAround:
    """The frames around one that was made, nearest to the frame that the artist looks at first.

    ``key`` is the settings key of the frame that was made; where the node has another one, nothing more is made.
    """

    def __init__(self, node: host.Node, frames: tuple[int, ...], key: str, first: RunOutcome) -> None:
        self._node = node
        self._id = node_id(node)
        self._left = set(frames)
        self._key = key
        self._total = len(frames)
        self._done = 0
        self._made = first.done
        self._ended = False

    def cancel(self) -> None:
        """No further frame is begun; the one under way gives way to whatever comes."""
        self._ended = True

    def go_on(self) -> None:
        """On the main thread: makes the next frame that has no result."""
        if node_runs.must_wait():
            self._later(_BUSY_S)
            return
        while not self._ended:
            if not self._left or not host.exists(self._node):
                self._end("")
                return
            now = host.current_frame()
            frame = min(self._left, key=lambda one: (abs(one - now), one))
            self._left.remove(frame)
            try:
                if self._began(frame):
                    return
                self._done += 1
            except UNCLEAR as error:
                if getattr(error, "code", "") != "busy":
                    self._end(f"Frame {frame}: {words_of(error)}")
                    return
                self._left.add(frame)
                self._later(_BUSY_S)
                return

    def _began(self, frame: int) -> bool:
        """Renders a frame's plates and sends them; False where it has its result. Raises ``LinkError``."""
        started = time.monotonic()
        plan = preflight.preflight(self._node, (frame,), False, "batch", quietly=True)
        if range_plan.key_of(plan.folder) != self._key:
            self._forget()
            return False
        if not plan.keys:
            return False
        run = RangeRun(self._node, render_plates(self._node, plan), quiet=True, is_background=True)
        pause = max(_REST_S, time.monotonic() - started)
        run.on_end = lambda outcome: self._after(run, outcome, pause)
        tell(self._node, f"{self._so_far()}, now frame {frame}")
        run.start()
        return True

    def _after(self, run: RangeRun, outcome: RunOutcome, pause_s: float) -> None:
        if self._ended:
            return
        self._done += 1
        self._made += outcome.done
        if run.is_stale:
            self._forget()
        elif outcome.succeeded:
            tell(self._node, self._so_far())
            self._later(pause_s)
        else:
            self._end(outcome.text)

    def _later(self, seconds: float) -> None:
        later.after(seconds, host.on_main, self.go_on)

    def _so_far(self) -> str:
        return f"up to date, {self._made} done; around it {self._done} of {self._total}"

    def _end(self, trouble: str) -> None:
        self._forget()
        if host.exists(self._node):
            text = f"{self._so_far()}. {trouble}" if trouble else f"up to date, {self._made} done"
            summaries[self._id] = text
            if trouble:
                tell_trouble(self._node, text)
            else:
                tell(self._node, text)
                note_part(self._node)

    def _forget(self) -> None:
        self._ended = True
        if _going_on.get(self._id) is self:
            del _going_on[self._id]


def follow(node: host.Node, made: RangeRun, frame: int) -> None:
    """Has the frames around ``frame`` follow once ``made``, its own run, has ended."""
    count = int(setting(node, "around"))

    def begin(outcome: RunOutcome) -> None:
        if not outcome.succeeded or not host.exists(node):
            return
        frames = tuple(one for one in preflight.frames_of(node) if one != frame and abs(one - frame) <= count)
        chain = FramesAround(node, frames, range_plan.key_of(made.plan.folder), outcome)
        _going_on[node_id(node)] = chain
        host.on_main(chain.go_on)

    if count > 0 and host.has_window():
        made.on_end = begin


def going_on(node: host.Node) -> Optional[FramesAround]:
    """The frames around one of a node that are still to come, or None."""
    return _going_on.get(node_id(node))


def stop(node: host.Node) -> None:
    """Ends what goes on in the background of a node, so that something else can begin at once."""
    chain = _going_on.pop(node_id(node), None)
    if chain is not None:
        chain.cancel()
    node_runs.give_way(node)


def stop_all() -> None:
    """Ends what goes on in the background of every node."""
    for chain in _going_on.values():
        chain.cancel()
    _going_on.clear()
