"""Learns a shot in the worker process, a piece at a time, so that frames can be computed in between."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from matte_link.files import write_atomically
from matte_link.messages import Learn, LearnFrame, Matte
from matte_link.roles import LEARN_PICTURES
from matte_link.sequence import counted

from ..core.image import PlatePair
from ..errors import MatteCancelled, MatteError
from ..frame.inputs import given_alignment
from ..frame.pipeline import find_alignment
from ..learning.frames import LearningFrame
from ..learning.memory import memory_needed
from ..learning.run import LearningResult, LearningRun
from ..learning.settings import LearningProgress, LearningSettings, steps_for
from .memory import memory_left, release_free_memory
from .messages import FrameJob, FramePrepared, LearningEnded, LearningJob, StepTaken
from .reader import FrameReader

log = logging.getLogger(__name__)
Report = Callable[[FramePrepared | StepTaken], None]
_SAVE_S, _FIRST_SAVE_S = 20.0, 1.0
"""A worker that dies loses at most the steps of this many seconds, and never more than half of all."""
_REPORT_S = 0.25
_GB = 1e9


class Turn(Protocol):
    """What is called while a job is learned. ``turn()`` before each piece of work and ``pause()`` between the parts
    of a step compute the frames that wait, and raise ``MatteCancelled`` where the job was cancelled. ``alive()`` is
    called more often, and only shows that the worker lives."""

    def __call__(self) -> None: ...

    def pause(self) -> None: ...

    def alive(self) -> None: ...


class ShotLearning:
    """One learning job on this worker's device. ``spool``: the folder in which the server also looks for what was
    learnt."""

    def __init__(
        self,
        job: LearningJob,
        device: str,
        reader: FrameReader,
        turn: Turn,
        report: Report,
        spool: Path,
    ) -> None:
        self._job = job
        self._device = device
        self._reader = reader
        self._turn = turn
        self._report = report
        self._spool = spool
        self._started = time.monotonic()
        self._reported_at = 0.0
        self._largest = 0
        self._checkpoints = _Checkpoints(Path(job.checkpoint))

    def run(self) -> LearningEnded:
        """Learns until nothing is left to do or the job is cancelled, and writes what was gained. Raises
        ``MatteError``: learn_too_large, those of reading, aligning and learning; ``MatteCancelled`` where it was
        cancelled before anything was gained; and ``OSError``."""
        run = self._prepare()
        is_complete = True
        with contextlib.closing(self._checkpoints):
            is_resumed = run.begin(self._checkpoints.load())
            try:
                self._take_steps(run, is_resumed)
            except MatteCancelled:
                is_complete = False
            finally:
                if not run.is_finished:
                    self._checkpoints.save(run.checkpoint())
        return self._ended(run.result(), is_complete)

    def _take_steps(self, run: LearningRun, is_resumed: bool) -> None:
        while not run.is_finished:
            self._turn()
            progress = run.advance(self._turn.alive, self._turn.pause)
            self._tell(progress, is_resumed)
            is_resumed = False
            if self._checkpoints.is_due:
                self._checkpoints.save(run.checkpoint())

    def _tell(self, progress: LearningProgress, is_resumed: bool) -> None:
        now = time.monotonic()
        if not is_resumed and now - self._reported_at < _REPORT_S:
            return
        self._reported_at = now
        self._report(
            StepTaken(
                number=self._job.number,
                step=progress.step,
                steps=progress.steps,
                error=_known(progress.error),
                first_error=_known(progress.first_error),
                left_s=_known(progress.left_s),
                is_resumed=is_resumed,
            )
        )

    def _ended(self, result: LearningResult, is_complete: bool) -> LearningEnded:
        if not is_complete and not result.has_gained:
            raise MatteCancelled
        if result.has_gained:
            self._write(result.data)
        return LearningEnded(
            number=self._job.number,
            steps=result.steps,
            first_error=_known(result.first_error),
            error=_known(result.error),
            has_gained=result.has_gained,
            is_complete=is_complete,
            model=result.facts.model if result.facts else "",
            diagnostics={
                "frames": list(result.frames),
                "device": self._device,
                "seconds": round(time.monotonic() - self._started, 1),
                "warnings": list(result.warnings),
            },
        )

    def _write(self, data: bytes) -> None:
        """Writes what was learnt. A full disk, such as a home folder's quota, must not lose it: its
        client can still have it."""
        try:
            write_atomically(self._job.weights, data)
        except OSError:
            write_atomically(str(self._spool / Path(self._job.weights).name), data)

    def _prepare(self) -> LearningRun:
        """The run with all its frames. The pictures are read one frame after the other, and not kept."""
        request = self._job.request
        # Before the network is loaded, which takes as long as a step.
        self._turn()
        run = LearningRun(
            model=request.options.model,
            weights=request.options.weights,
            settings=settings_of(request),
            device=torch.device(self._device),
            options=replace_weights(request.options.to_dict()),
        )
        for done, frame in enumerate(request.frames):
            self._turn()
            job = frame_job(self._job, frame)
            self._reader.check_paths(job)
            inputs = self._reader.read(job)
            self._check_memory(inputs.pair)
            run.add(
                LearningFrame(
                    number=frame.frame,
                    pair=inputs.pair,
                    alignment=find_alignment(
                        inputs.pair, request.options, given_alignment(job.request), lambda stage: self._turn.alive()
                    ),
                    key=inputs.guides.core,
                    mask=inputs.guides.holdout,
                ),
                self._turn.alive,
            )
            self._report(FramePrepared(number=self._job.number, done=done + 1, total=len(request.frames)))
        return run

    def _check_memory(self, pair: PlatePair) -> None:
        """Refuses what would not fit, before it takes any of the memory: asked at each frame that is larger than
        those before."""
        window, count = pair.plate.data_window, len(self._job.request.frames)
        if window.area <= self._largest:
            return
        self._largest = window.area
        needed = memory_needed(window.height, window.width, count, torch.device(self._device).type)
        left = memory_left(self._device)
        if left is not None and left < needed:
            release_free_memory(self._device)
            left = memory_left(self._device)
        if left is not None and left < needed:
            raise MatteError(
                "learn_too_large",
                f"Learning from {counted(count, 'frame')} of {window.width} x {window.height} takes about "
                f"{needed / _GB:.1f} GB, and the matting process has {left / _GB:.1f} GB left.",
                "Learn from fewer or smaller frames, or on a machine with more memory.",
            )


class _Checkpoints:
    """The checkpoint's file, written on a thread of its own: a disk may be slow, and frames must not wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self._refusal = ""
        self._started = self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        if self._writing is not None and not self._writing.done():
            # The disk is slower than learning: waiting for it would delay the frames that wait for this step.
            return False
        now = time.monotonic()
        return now - self._saved_at > min(_SAVE_S, max(_FIRST_SAVE_S, (now - self._started) / 2))

    def load(self) -> bytes:
        """The earlier run's state; empty where there is none."""
        try:
            return self._path.read_bytes()
        except OSError:
            return b""

    def save(self, data: bytes) -> None:
        self._saved_at = time.monotonic()
        self._writing = self._writer.submit(self._write, data)

    def _write(self, data: bytes) -> None:
        """Where the disk is full, learning goes on, but after a crash not from here. The log says why, once."""
        refusal = ""
        try:
            write_atomically(str(self._path), data)
        except OSError as error:
            refusal = error.strerror or str(error)
            if refusal != self._refusal:
                log.warning("A checkpoint of learning cannot be written to %s: %s.", self._path.parent, refusal)
        self._refusal = refusal

    def close(self) -> None:
        self._writer.shutdown()


def settings_of(request: Learn) -> LearningSettings:
    """How many steps, and with which seed."""
    has_keys = any(frame.key is not None for frame in request.frames)
    return LearningSettings(steps=request.steps or steps_for(has_keys), seed=request.seed)


def replace_weights(options: Mapping[str, object]) -> dict[str, object]:
    """The options without the place of the weights, which are named by their digest elsewhere."""
    return {name: value for name, value in options.items() if name != "weights"}


def frame_job(job: LearningJob, frame: LearnFrame) -> FrameJob:
    """A frame that is learnt from as a frame to be computed, with the key matte as its core and the mask as its
    holdout: its pictures are then read exactly as those of a matte are."""
    request, prefix = job.request, f"{frame.frame}_"
    own = dict(zip(LEARN_PICTURES, ("plate", "clean_plate", "core", "holdout"), strict=True))
    pictures = {own[role]: job.pictures[prefix + role] for role in own if prefix + role in job.pictures}
    matte = Matte(
        id=request.id,
        frame=frame.frame,
        plate=frame.plate,
        clean_plate=frame.clean_plate,
        core=frame.key,
        holdout=frame.mask,
        options=request.options,
        view=request.view,
        hints=request.hints,
        alignment=frame.alignment,
    )
    weights = {"weights": job.pictures["weights"]} if "weights" in job.pictures else {}
    return FrameJob(number=job.number, request=matte, pictures={**pictures, **weights}, result="")


def _known(value: float | None) -> float:
    return -1.0 if value is None else value
