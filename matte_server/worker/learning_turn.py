"""Computes the frames that wait, between a learning worker's steps and between the parts of one."""

from __future__ import annotations

import time
from typing import Protocol

from ..errors import MatteCancelled
from .messages import FrameJob, Heartbeat, WorkerMessage, decode_job

_HEARTBEAT_S = 1.0
_NEXT_FRAME_S = 0.05
"""After an interactive frame, learning waits so long for the next one: an artist who steps through frames, or waits
for a range, is not slowed by a step before each frame."""


class CommandChannel(Protocol):
    """The worker's pipe."""

    def receive(self, wait_s: float) -> bytes | None: ...

    def send(self, message: WorkerMessage) -> None: ...


class FrameLoop(Protocol):
    """What carries the commands out."""

    def handle_control(self, command: bytes) -> bool: ...

    def solve(self, job: FrameJob) -> None: ...

    @property
    def is_learning_cancelled(self) -> bool: ...


class LearningTurn:
    """The turn of the learning job ``number``. Interactive frames go before the next part of a step, all that wait;
    of batch frames one goes before each step, so that neither stops the other.

    The server gives a worker one frame at a time. So nothing waits behind a batch frame that is held until the step
    has ended."""

    def __init__(self, number: int, channel: CommandChannel, loop: FrameLoop) -> None:
        self._number = number
        self._channel = channel
        self._loop = loop
        self._heard_at = 0.0
        self._held: FrameJob | None = None

    def __call__(self) -> None:
        """Computes what waits, before a step. Raises ``MatteCancelled`` where the learning was cancelled."""
        self._take_frames()
        self.finish()
        self._check()

    def pause(self) -> None:
        """Computes the interactive frames that wait, between the parts of a step. Raises ``MatteCancelled``."""
        self._take_frames()
        self._check()

    def finish(self) -> None:
        """Computes the batch frame that is held, if there is one."""
        held, self._held = self._held, None
        if held is not None:
            self._loop.solve(held)

    def _take_frames(self) -> None:
        wait_s = 0.0
        while self._held is None and (command := self._channel.receive(wait_s)) is not None:
            wait_s = 0.0
            if self._loop.handle_control(command):
                continue
            frame = decode_job(command)
            if frame.request.priority == "interactive":
                self._loop.solve(frame)
                wait_s = _NEXT_FRAME_S
            else:
                self._held = frame

    def _check(self) -> None:
        self.alive()
        if self._loop.is_learning_cancelled:
            raise MatteCancelled

    def alive(self) -> None:
        """Tells the server that the worker lives, once a second."""
        if time.monotonic() - self._heard_at > _HEARTBEAT_S:
            self._heard_at = time.monotonic()
            self._channel.send(Heartbeat(number=self._number))
