"""One solve: frames prepared here, on Blender's main thread, and matted by the server on a worker's."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import bpy

from . import file_states, fingerprint, jobs, kept_results, planning, runtime, server_process
from .contents import FrameContents
from .matte_link.client import MatteClient
from .matte_link.diagnostics import warnings_of
from .matte_link.errors import LinkError
from .matte_link.job import MatteJob
from .matte_link.job_events import FrameDone, FrameFailed, FrameProgress, JobFinished
from .matte_link.messages import Pong
from .matte_link.sequence import counted
from .plan import NodeError
from .preferences import endpoint
from .rendered import RenderedInputs
from .result_files import SentPictures
from .sending import task_of

IN_FLIGHT = 2
CONNECT_S = 5.0
ASK_S = 1.0
PATIENCE_S = 30.0
_PAUSE_S = 0.002
_STARTING_S = 0.1
_FAREWELL_S = 0.3


class Solve:
    """Solves some frames of one node: call :meth:`step` until it returns False, then :meth:`close`.

    A frame whose pictures, options and maker are those of a result that is there already is not sent: it is
    ``unchanged``. With ``only_compare`` nothing is sent: results of other pictures become stale.

    ``failures`` holds a sentence per frame that has no result; ``stopped`` is why the rest was not tried.
    Raises ``NodeError`` where nothing can be solved.
    """

    def __init__(
        self, scene: Any, node: Any, frames: Sequence[int], again: bool = False, only_compare: bool = False
    ) -> None:
        if runtime.running is not None:
            raise NodeError("A solve is already running.", "Wait for it, or cancel it.")
        self.node_id = node.matte.node_id
        # A result is compared with its maker too. If no server answers here, the job reports it later.
        with contextlib.suppress(LinkError):
            _ask_ready_server()
        fingerprint.forget()
        self.plan = planning.refresh(scene, node)
        if self.plan.problem:
            raise NodeError(self.plan.problem)
        self._again, self._only_compare = again, only_compare
        self.frames = self._wanted(frames)
        self.done: list[int] = []
        self.unchanged: list[int] = []
        self.failures: dict[int, str] = self._without_inputs()
        self.stopped = ""
        self.cancelled = False
        self.diagnostics: dict[int, Any] = {}
        self._cancelled_at = 0.0
        self._restarts, self._is_restarting = 0, False
        self._edits = runtime.edits
        self._under_way: set[int] = set()
        possible = [frame for frame in self.frames if frame not in self.failures]
        self._waiting = deque(possible)
        self._inputs = RenderedInputs(self.plan, possible)
        self._contents = FrameContents(self.plan, self._inputs.files)
        self._job = self._start_job() if self.frames and not only_compare else None
        self._state = runtime.state(self.node_id)
        self._state.error, self._state.done, self._state.total = "", 0, len(self.frames)
        self._state.activity = "Connecting"
        self._note_progress()
        planning.show_state(node)
        runtime.running = self

    def _wanted(self, frames: Sequence[int]) -> tuple[int, ...]:
        if self._only_compare:
            existing = self.plan.frames_with_results()
            return tuple(frame for frame in frames if frame in existing)
        return tuple(frame for frame in frames if self._again or not self.plan.is_fresh(frame))

    def _without_inputs(self) -> dict[int, str]:
        """Why some frames cannot be solved, as one sentence each. Raises ``NodeError`` where it is all of them."""
        reasons = {frame: reason for frame in self.frames if (reason := self.plan.obstacle(frame))}
        if reasons and len(reasons) == len(self.frames):
            self.plan.check(self.frames)
        return {frame: str(reason) for frame, reason in reasons.items()}

    def _start_job(self) -> MatteJob:
        job = MatteJob(
            [],
            self.plan.options,
            endpoint(),
            priority=_priority(),
            shot=self.node_id,
            in_flight=IN_FLIGHT,
            patience_s=PATIENCE_S,
            connect_s=CONNECT_S,
            more=True,
        )
        job.start()
        return job

    def step(self) -> bool:
        """Does what can be done without waiting; returns whether the solve goes on."""
        if not self.frames:
            return False
        finished = self._take_events()
        if self.cancelled:
            # A server that does not answer is not waited for.
            return not finished and time.monotonic() - self._cancelled_at < _FAREWELL_S
        if not finished and not self.stopped and self._has_server():
            self._prepare_next()
        return not finished

    def _has_server(self) -> bool:
        """Whether frames can be sent. Our own server is started again where it has died; what was under way there
        is sent again."""
        if self._only_compare or not (self._is_restarting or server_process.has_died()):
            return True
        try:
            if not self._is_restarting:
                self._restart()
            self._is_restarting = server_process.poll() is None
        except NodeError as error:
            self._is_restarting = False
            self._stop(str(error))
            return False
        if not self._is_restarting:
            self._job = self._start_job()
        return not self._is_restarting

    def _restart(self) -> None:
        """Raises ``NodeError`` where the server dies for the second time, or does not start."""
        if self._restarts:
            server_process.poll()
        self._restarts += 1
        self._is_restarting = True
        self._state.activity = "The server has stopped and is started again"
        self._end_job(0.0)
        self._job = None
        self._waiting.extendleft(sorted(self._under_way, reverse=True))
        self._under_way.clear()
        server_process.start_again()

    def cancel(self) -> None:
        """Stops the solve; results of finished frames are kept."""
        if not self.cancelled:
            self.cancelled, self._cancelled_at = True, time.monotonic()
        if self._job:
            self._job.cancel()
        else:
            self._waiting.clear()

    def run(self) -> None:
        """Solves all frames and waits, without a window. ``KeyboardInterrupt`` cancels and is raised again."""
        try:
            while self.step():
                time.sleep(_PAUSE_S)
        except KeyboardInterrupt:
            self.cancel()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Ends the worker and updates the panel."""
        runtime.running = None
        self._take_events()
        self._end_job(_FAREWELL_S if self.cancelled else 5.0)
        self._contents.close()
        self._inputs.close()
        self._state.activity = self._state.progress = ""
        self._state.error = self.sentence
        runtime.look_back_again()
        if self.done and self.plan.server and self.plan.maker is None:
            # It has started since, and knows who makes its results.
            with contextlib.suppress(LinkError):
                _asked(ASK_S)
        with contextlib.suppress(NodeError):
            planning.refresh(*planning.find(self.node_id), by_timer=True)

    @property
    def sentence(self) -> str:
        """What went wrong; empty where nothing did."""
        if self.stopped:
            return self.stopped
        if not self.failures:
            return ""
        first = min(self.failures)
        more = f" ({counted(others, 'more frame')} failed)" if (others := len(self.failures) - 1) else ""
        return f"Frame {first}: {self.failures[first]}{more}"

    @property
    def summary(self) -> str:
        """How many frames were solved, in one line."""
        if not self.frames:
            return "No frame has a result." if self._only_compare else "Every frame is solved."
        same = f", {len(self.unchanged)} unchanged" if self.unchanged or self._only_compare else ""
        cancelled = ", cancelled" if self.cancelled else ""
        if self._only_compare:
            return f"{len(self.frames)} results compared{same}{cancelled}."
        return f"{len(self.done)} of {len(self.frames)} frames solved{same}{cancelled}."

    @property
    def warnings(self) -> list[str]:
        """The warnings of all results, each once."""
        return sorted({text for facts in self.diagnostics.values() for text in warnings_of(facts)})

    # -- frames to the worker

    def _prepare_next(self) -> None:
        if not self._waiting:
            if self._job:
                self._job.close()
        elif self._job is None or self._job.waiting == 0:
            # One frame lies ready while others are under way: the server never waits, and the disk stays empty.
            frame = self._waiting[0]
            try:
                scene, node = planning.find(self.node_id)
                if planning.plan_of(scene, node).makes_the_same == self.plan.makes_the_same:
                    self._prepare(scene, node, frame)
                else:
                    self._stop("The node was changed while it was solved; solve again for the new settings.")
            except (LinkError, OSError) as error:
                self._waiting.popleft()
                self._fail(frame, str(error))

    def _prepare(self, scene: Any, node: Any, frame: int) -> None:
        """One thing at a time: the window lives between two of them, also where a frame needs its neighbours."""
        self.plan.look_again(frame)
        obstacle = self.plan.obstacle(frame)
        if obstacle:
            raise NodeError(obstacle)
        lacking = self._inputs.lacking(frame)
        if lacking and jobs.is_busy():
            self._state.activity = jobs.waiting()
            return
        if lacking:
            self._state.activity = f"Rendering the inputs of frame {lacking[0]}"
            self._inputs.render(scene, node, lacking[0])
            return
        sent = self._contents.of(frame)
        if sent is not None:
            self._use(frame, sent)
            self._waiting.popleft()

    def _use(self, frame: int, sent: SentPictures) -> None:
        """The frame's pictures are there: sends them where no result of the same ones is there."""
        if not self._again and kept_results.take_equal(self.plan, frame, sent):
            self.unchanged.append(frame)
            self._note_comparison(frame)
        else:
            kept_results.withdraw(self.plan, frame, sent)
            if self._job:
                self._under_way.add(frame)
                self._job.add(task_of(self.plan, frame, sent, self._inputs.files))
                return
        self._end_frame(frame)
        self._show()

    def _stop(self, sentence: str) -> None:
        self.stopped = self.stopped or sentence
        self._waiting.clear()
        if self._job:
            self._job.cancel()

    def _end_job(self, wait_s: float) -> None:
        if self._job:
            self._job.cancel()
            self._job.join(wait_s)
            self._take_events()

    # -- events of the worker

    def _take_events(self) -> bool:
        """Takes what the worker has to report; whether everything is done."""
        if self._job is None:
            return not (self._is_restarting or self._waiting)
        finished, before = False, len(self.done)
        for event in self._job.poll():
            if isinstance(event, FrameProgress):
                self._state.activity = f"Frame {event.frame}: {event.stage}"
            elif isinstance(event, FrameDone):
                self._finish(event)
            elif isinstance(event, FrameFailed):
                self._fail(event.frame, f"{event.message} {event.hint}".rstrip())
            elif isinstance(event, JobFinished):
                finished = True
                self.stopped = self.stopped or f"{event.message} {runtime.hint_here(event.hint)}".strip()
        if len(self.done) > before:
            self._show()
        return finished

    def _finish(self, event: FrameDone) -> None:
        file_states.forget(event.output)
        self.done.append(event.frame)
        self.diagnostics[event.frame] = event.diagnostics
        self._note_comparison(event.frame)
        self._end_frame(event.frame)

    def _note_comparison(self, frame: int) -> None:
        """Nothing is unknown of this frame, until something is edited that only a comparison would notice."""
        if runtime.in_window and self._edits == runtime.edits:
            self._state.compared[frame] = self.plan.stamp(frame)

    def _fail(self, frame: int, sentence: str) -> None:
        self.failures[frame] = sentence
        self._state.error = self.sentence
        self._end_frame(frame)

    def _end_frame(self, frame: int) -> None:
        self._under_way.discard(frame)
        self._inputs.forget(frame)
        self._note_progress()

    def _note_progress(self) -> None:
        self._state.done = len(self.done) + len(self.unchanged)
        doing = "comparing" if self._only_compare else "solving"
        self._state.progress = f"{doing} {self._state.done} of {self._state.total}" if self.frames else ""

    def _show(self) -> None:
        # The panel counts again.
        runtime.mark_changed()
        with contextlib.suppress(NodeError):
            _, node = planning.find(self.node_id)
            planning.show_new(node, self.plan)


def _priority() -> str:
    """Frames of a background process wait behind those of an artist."""
    return "batch" if bpy.app.background else "interactive"


def solve_now(scene: Any, node: Any, frames: Sequence[int], again: bool = False) -> Solve:
    """Solves and waits. Raises ``NodeError`` where nothing can be solved."""
    solve = Solve(scene, node, frames, again)
    solve.run()
    return solve


def ask_server(timeout_s: float = 2.0) -> str:
    """One line about the server; raises ``LinkError``."""
    address, pong = _asked(timeout_s)
    return pong.sentence(address)


def _ask_ready_server() -> None:
    """Asks the server. Without a window it is waited for where it is still starting: before it knows its models,
    nothing tells whether results are of its making. Raises ``LinkError``."""
    until = time.monotonic() + (PATIENCE_S if bpy.app.background else 0.0)
    while not _asked(ASK_S)[1].models and time.monotonic() < until:
        time.sleep(_STARTING_S)


def _asked(timeout_s: float) -> tuple[str, Pong]:
    """The server's address, and what it answers, which is kept; raises ``LinkError``."""
    with MatteClient(endpoint()) as client:
        address = client.endpoint.address
        try:
            pong = client.ping(timeout_s)
        except LinkError as error:
            runtime.silent_servers.add(address)
            raise NodeError(error.message, runtime.hint_here(error.hint)) from None
    runtime.silent_servers.discard(address)
    runtime.servers[address] = pong
    return address, pong
