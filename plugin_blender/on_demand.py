"""Solves frames that a render in the window needs. Runs on the render's thread, so it must not use bpy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from . import file_states, put_again, runtime, server_process
from .matte_link.diagnostics import warnings_of
from .matte_link.endpoint import Endpoint
from .matte_link.errors import LinkError
from .matte_link.job import MatteJob
from .matte_link.job_events import FrameDone, FrameFailed, JobFinished
from .matte_link.sequence import format_frames
from .plan import NodeError, SolvePlan
from .sending import sent_for, task_of

CONNECT_S = 5.0
PATIENCE_S = 30.0
_LOOK_S = 0.5


@dataclass
class RenderSolve:
    """Solves missing frames during one render. ``endpoint`` is the server, or the error why there is none.

    ``changed`` is called when the panel should be drawn again.
    """

    plans: Sequence[SolvePlan]
    endpoint: Endpoint | NodeError
    changed: Callable[[], object]
    solved: set[str] = field(default_factory=set)
    """Ids of the nodes of which frames were solved."""
    reported: set[str] = field(default_factory=set)
    """Sentences that the artist has seen already."""
    _lacking: dict[str, dict[int, str]] = field(default_factory=dict)
    _away: LinkError | None = None

    def serve(self, frame: int) -> bool:
        """Solves the frame for each node that has no result of it; returns whether a node still lacks one."""
        whole = True
        for plan in self.plans:
            try:
                self._serve(plan, frame)
            except (LinkError, OSError) as error:
                whole = False
                self._lacking.setdefault(plan.node_id, {})[frame] = str(error)
                runtime.state(plan.node_id).error = self._sentence(plan.node_id)
                self.changed()
                print(f"Cleanplate: {plan.node_id}: frame {frame}: {error}", file=sys.stderr, flush=True)
        return not whole

    def sentences(self) -> list[str]:
        """One sentence for each node that lacked results; empty where none did."""
        return [self._sentence(node_id) for node_id in self._lacking]

    def _sentence(self, node_id: str) -> str:
        lacking = self._lacking[node_id]
        frames = f"frame{'s' if len(lacking) > 1 else ''} {format_frames(list(lacking))}"
        return f"Rendered without a matte: {frames}. {lacking[max(lacking)]}"

    def _serve(self, plan: SolvePlan, frame: int) -> None:
        put_again.settle(plan, frame)
        if plan.is_fresh(frame) or plan.is_uncertain(frame) or plan.stands(frame):
            return
        if plan.problem:
            raise NodeError(plan.problem)
        plan.look_again(frame)
        plan.set_aside(frame)
        if plan.needs_rendering:
            raise NodeError("What feeds the node can only be rendered before.", "Use Solve Range first.")
        plan.check([frame])
        if isinstance(self.endpoint, NodeError):
            raise self.endpoint
        if self._away:
            raise self._away
        state = runtime.state(plan.node_id)
        state.activity = f"Solving frame {frame} for the render"
        self.changed()
        try:
            self._solve(plan, frame, self.endpoint)
        finally:
            state.activity = ""
            self.changed()

    def _solve(self, plan: SolvePlan, frame: int, endpoint: Endpoint) -> None:
        job = MatteJob(
            [task_of(plan, frame, sent_for(plan, frame)())],
            plan.options,
            endpoint,
            shot=plan.node_id,
            in_flight=1,
            patience_s=PATIENCE_S,
            connect_s=CONNECT_S,
        )
        job.start()
        while not job.join(_LOOK_S):
            if server_process.has_died():
                job.cancel()
                self._away = NodeError("The server that this Blender started has stopped.", "Start it again.")
                raise self._away
        for event in reversed(job.poll()):
            if isinstance(event, JobFinished) and event.message:
                # Later frames fail at once instead of waiting for the server again.
                self._away = NodeError(event.message, runtime.hint_here(event.hint))
                raise self._away
            if isinstance(event, FrameFailed):
                raise NodeError(event.message, event.hint)
            if isinstance(event, FrameDone):
                file_states.forget(event.output)
                for warning in warnings_of(event.diagnostics):
                    print(f"Cleanplate: {plan.node_id}: frame {frame}: {warning}", file=sys.stderr, flush=True)
        self.solved.add(plan.node_id)
