"""Frames that a render in the window comes upon unsolved. On the render's own thread: no Blender in here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from . import runtime
from .matte_link.endpoint import Endpoint
from .matte_link.errors import LinkError
from .matte_link.job import MatteJob
from .matte_link.job_events import FrameDone, FrameFailed, JobFinished
from .matte_link.sequence import format_frames
from .plan import NodeError, SolvePlan

CONNECT_S = 5.0
PATIENCE_S = 30.0


@dataclass
class RenderSolve:
    """What one render wants of our nodes; ``endpoint`` is the server, or the sentence why there is none.

    ``changed`` is called where the panel has something new to show.
    """

    plans: Sequence[SolvePlan]
    endpoint: Endpoint | NodeError
    changed: Callable[[], object]
    solved: set[str] = field(default_factory=set)
    """The nodes of which frames were solved."""
    told: set[str] = field(default_factory=set)
    """What the artist was told of already."""
    _lacking: dict[str, dict[int, str]] = field(default_factory=dict)
    _away: LinkError | None = None

    def serve(self, frame: int) -> bool:
        """Solves the frame for every node that has no result of it; whether a node must do without."""
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
        """What each node had to do without; empty where nothing was missing."""
        return [self._sentence(node_id) for node_id in self._lacking]

    def _sentence(self, node_id: str) -> str:
        lacking = self._lacking[node_id]
        frames = f"frame{'s' if len(lacking) > 1 else ''} {format_frames(list(lacking))}"
        return f"Rendered without a matte: {frames}. {lacking[max(lacking)]}"

    def _serve(self, plan: SolvePlan, frame: int) -> None:
        if plan.is_fresh(frame) or plan.stands(frame):
            return
        if plan.problem:
            raise NodeError(plan.problem)
        plan.set_aside([frame])
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
            [plan.task(frame)],
            plan.options,
            endpoint,
            shot=plan.node_id,
            in_flight=1,
            patience_s=PATIENCE_S,
            connect_s=CONNECT_S,
        )
        job.start()
        job.join()
        for event in reversed(job.poll()):
            if isinstance(event, JobFinished) and event.message:
                # A render of many frames does not wait for a server anew in each of them.
                self._away = NodeError(event.message, event.hint)
                raise self._away
            if isinstance(event, FrameFailed):
                raise NodeError(event.message, event.hint)
            if isinstance(event, FrameDone):
                for warning in event.diagnostics.get("warnings", ()):
                    print(f"Cleanplate: {plan.node_id}: frame {frame}: {warning}", file=sys.stderr, flush=True)
        self.solved.add(plan.node_id)
