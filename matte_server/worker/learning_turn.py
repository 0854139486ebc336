"""What a learning worker does between two training steps: it computes the frames that wait."""

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
    """The turn of the learning job ``number``. Interactive frames go before its next step, all that wait; of batch
    frames one goes, so that neither stops the other."""

    def __init__(self, number: int, channel: CommandChannel, loop: FrameLoop) -> None:
        self._number = number
        self._channel = channel
        self._loop = loop
        self._heard_at = 0.0

    def __call__(self) -> None:
        """Computes what waits. Raises ``MatteCancelled`` where the learning was cancelled."""
        wait_s = 0.0
        while (command := self._channel.receive(wait_s)) is not None:
            wait_s = 0.0
            if self._loop.handle_control(command):
                continue
            frame = decode_job(command)
            self._loop.solve(frame)
            if frame.request.priority != "interactive":
                break
            wait_s = _NEXT_FRAME_S
        self.alive()
        if self._loop.is_learning_cancelled:
            raise MatteCancelled

    def alive(self) -> None:
        """Tells the server that the worker lives, once a second."""
        if time.monotonic() - self._heard_at > _HEARTBEAT_S:
            self._heard_at = time.monotonic()
            self._channel.send(Heartbeat(number=self._number))
