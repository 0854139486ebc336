"""Learns a shot: sends key frames, or frames of the shot itself, and gives the node the weights that come back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import jobs, key_frames, planning, runtime
from .matte_link.diagnostics import warnings_of
from .matte_link.learn_events import LearnDone, LearnFailed, LearnPreparing, LearnStep
from .matte_link.learn_job import LearnJob, LearnTask
from .matte_link.options import AUTO_MODEL
from .matte_link.sequence import evenly_spaced
from .matte_link.tasks import LocalFile
from .plan import NodeError
from .preferences import endpoint
from .rendered import RenderedInputs
from .sending import pictures_of

STEPS = 0
"""How many steps are learned; 0: as many as the server finds right."""
WITHOUT_KEYS = 8
"""How many frames, spread over the shot, are learnt from where no key frame was added."""
_WITHOUT_WEIGHTS = "difference"
_FAREWELL_S = 5.0


class Learning:
    """Learns from one node's key frames: call :meth:`step` until it returns False, then :meth:`close`.

    ``sentence`` is what came of it, and ``failed`` whether that is an error. Raises ``NodeError`` where it cannot
    begin.
    """

    def __init__(self, scene: Any, node: Any) -> None:
        if runtime.learning is not None or runtime.running is not None:
            raise NodeError("A solve or a Learn is already running.", "Wait for it, or cancel it.")
        self.node_id = node.matte.node_id
        plan = planning.refresh(scene, node)
        if plan.problem:
            raise NodeError(plan.problem)
        # Neighbours do not matter here, and learning begins with the model's own weights.
        options = replace(plan.options, temporal=0.0, weights=node.matte.weights)
        if options.model == _WITHOUT_WEIGHTS:
            options = replace(options, model=AUTO_MODEL)
        self.plan = replace(plan, options=options)
        self._keys = key_frames.files_of(node, plan)
        self._learnt_from = key_frames.named(node)
        self.frames = tuple(self._keys) or evenly_spaced(plan.frames, WITHOUT_KEYS)
        self.plan.check(self.frames)
        self._need_folder()
        self._inputs = RenderedInputs(self.plan, self.frames)
        self._endpoint = endpoint()
        self._job: LearnJob | None = None
        self.progress, self.activity = 0.0, "Connecting"
        self.sentence, self.failed, self.cancelled = "", False, False
        runtime.learning = self

    def _need_folder(self) -> None:
        """Raises ``NodeError`` where the weights could not be kept: that shall not be found out after minutes."""
        folder = Path(self.plan.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise NodeError(f"The learned weights cannot be kept in {folder}: {error.strerror}.") from None

    def step(self) -> bool:
        """Does what can be done without waiting; returns whether it goes on. The weights that come back change the
        node, so they wait for the end of a render."""
        if self._job is not None:
            return jobs.is_rendering() or not self._has_ended(self._job)
        if self.cancelled:
            self.sentence = "Learn was cancelled."
            return False
        try:
            scene, node = planning.find(self.node_id)
            self._prepare(scene, node)
        except NodeError as error:
            self.sentence, self.failed = str(error), True
        return not self.failed

    def _prepare(self, scene: Any, node: Any) -> None:
        """One frame at a time: the window lives between two of them."""
        lacking = next((frame for frame in self.frames if self._inputs.lacking(frame)), None)
        if lacking is None:
            self._job = self._start()
        elif jobs.is_busy():
            self.activity = jobs.waiting()
        else:
            self.activity = f"Rendering the inputs of frame {lacking}"
            try:
                self._inputs.render(scene, node, lacking)
            except NodeError as error:
                raise NodeError(f"Frame {lacking}: {error}") from None

    def _start(self) -> LearnJob:
        output = Path(self.plan.folder, "learning.learned")
        tasks = [self._task(frame) for frame in self.frames]
        job = LearnJob(
            tasks, self.plan.options, str(output), steps=STEPS, shot=self.node_id, endpoint=self._endpoint
        )
        job.start()
        return job

    def _task(self, frame: int) -> LearnTask:
        pictures = pictures_of(self.plan, frame, self._inputs.files)
        key = self._keys.get(frame)
        return LearnTask(
            frame=frame,
            plate=LocalFile(pictures["plate"]),
            clean_plate=LocalFile(pictures["clean_plate"]),
            key=LocalFile(key) if key else None,
        )

    def _has_ended(self, job: LearnJob) -> bool:
        """Whether the job has ended, or what came back cannot be kept."""
        try:
            return self._take_events(job)
        except NodeError as error:
            self.sentence = str(error)
        except OSError as error:
            self.sentence = f"The learned weights cannot be kept in {self.plan.folder}: {error.strerror}."
        self.failed = True
        return True

    def _take_events(self, job: LearnJob) -> bool:
        """Whether the job has ended."""
        for event in job.poll():
            if isinstance(event, LearnPreparing):
                self.activity = f"Preparing: {event.stage}"
            elif isinstance(event, LearnStep):
                self.progress = event.step / max(event.steps, 1)
                self.activity = event.message or _described(event)
            elif isinstance(event, LearnFailed):
                self.sentence, self.failed = f"{event.message} {event.hint}".strip(), event.code != "cancelled"
                return True
            elif isinstance(event, LearnDone):
                self._conclude(event)
                return True
        return False

    def _conclude(self, event: LearnDone) -> None:
        if event.has_gained:
            self._use(event)
            ending = f"Learned: {_figures(event.first_error, event.error)}. Solve again to see it."
        else:
            ending = "Too little was gained on what was left out: the node keeps its weights."
        self.sentence = " ".join([ending, *warnings_of(event.diagnostics)])

    def _use(self, event: LearnDone) -> None:
        learnt = Path(event.output)
        name = f"{event.digest[:12]}.learned"
        learnt.replace(learnt.with_name(name))
        _, node = planning.find(self.node_id)
        settings = node.matte
        settings.learned, settings.learned_from, settings.use_learned = name, self._learnt_from, True
        if settings.model not in (AUTO_MODEL, event.model):
            settings.model = event.model
        # A step of its own: an undo of something else must not take the weights away.
        bpy.ops.ed.undo_push(message="Learn")

    def cancel(self) -> None:
        """Stops after the current step; what was gained is kept."""
        self.cancelled = True
        if self._job:
            self._job.cancel()

    def close(self) -> None:
        """Ends the thread and updates the panel. Where the job goes on at the server, Learn joins it again."""
        runtime.learning = None
        if self._job:
            self._job.leave()
            self._job.join(_FAREWELL_S)
        self._inputs.close()
        runtime.mark_changed()


def _described(event: LearnStep) -> str:
    parts = [f"Step {event.step} of {event.steps}"]
    if event.error >= 0.0 and event.first_error >= 0.0:
        parts.append(_figures(event.first_error, event.error))
    if event.left_s >= 0.0:
        parts.append(f"{event.left_s:.0f} s left")
    return ", ".join(parts)


def _figures(before: float, now: float) -> str:
    return f"error of alpha {100 * before:.2f} % before, {100 * now:.2f} % now"
