"""What a learning worker does between two steps."""

from __future__ import annotations

import pytest
from matte_link.messages import Digest, Matte

from matte_server.errors import MatteCancelled
from matte_server.worker.learning_turn import LearningTurn
from matte_server.worker.messages import CANCEL, FrameJob, Heartbeat, WorkerMessage, encode_job

LEARNING = 9
"""The number of the learning job."""
_PICTURE = Digest("0a" * 32)


class ListedCommands:
    """A pipe that holds these commands; None stands for a moment in which nothing arrives."""

    def __init__(self, *commands: bytes | None) -> None:
        self.commands = list(commands)
        self.waits: list[float] = []
        self.sent: list[WorkerMessage] = []

    def receive(self, wait_s: float) -> bytes | None:
        self.waits.append(wait_s)
        return self.commands.pop(0) if self.commands else None

    def send(self, message: WorkerMessage) -> None:
        self.sent.append(message)


class RecordingLoop:
    """Notes what it is told to compute."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.cancelled = 0

    def handle_control(self, command: bytes) -> bool:
        if command.startswith(CANCEL):
            self.cancelled = int(command[len(CANCEL) :])
        return command.startswith(CANCEL)

    def solve(self, job: FrameJob) -> None:
        self.frames.append(job.number)

    @property
    def is_learning_cancelled(self) -> bool:
        return self.cancelled == LEARNING


def frame(number: int, priority: str = "interactive") -> bytes:
    request = Matte(id="a", frame=1, plate=_PICTURE, clean_plate=_PICTURE, priority=priority)
    return encode_job(FrameJob(number=number, request=request, pictures={}, result="r.exr"))


def test_every_interactive_frame_goes_before_the_next_step() -> None:
    channel, loop = ListedCommands(frame(1), frame(2), frame(3)), RecordingLoop()
    LearningTurn(LEARNING, channel, loop)()
    assert loop.frames == [1, 2, 3]
    # The first look costs learning nothing; after a frame the next one is waited for a moment.
    assert channel.waits[0] == 0.0 and all(0 < wait < 0.2 for wait in channel.waits[1:])


def test_batch_frames_and_steps_take_turns() -> None:
    channel, loop = ListedCommands(frame(1, "batch"), frame(2, "batch")), RecordingLoop()
    turn = LearningTurn(LEARNING, channel, loop)
    turn()
    assert loop.frames == [1]
    turn()
    assert loop.frames == [1, 2]


def test_an_artist_after_a_batch_frame_waits_for_one_step_at_most() -> None:
    channel, loop = ListedCommands(frame(1), frame(2, "batch"), frame(3)), RecordingLoop()
    turn = LearningTurn(LEARNING, channel, loop)
    turn()
    assert loop.frames == [1, 2]
    turn()
    assert loop.frames == [1, 2, 3]


def test_between_the_parts_of_a_step_artists_go_first_and_a_batch_frame_waits_for_its_end() -> None:
    channel, loop = ListedCommands(frame(1), None, frame(2, "batch"), frame(3)), RecordingLoop()
    turn = LearningTurn(LEARNING, channel, loop)
    turn.pause()
    assert loop.frames == [1]
    turn.pause()
    turn.pause()
    assert loop.frames == [1]
    turn()
    assert loop.frames == [1, 2]
    turn.pause()
    assert loop.frames == [1, 2, 3]


def test_a_batch_frame_that_is_held_is_computed_when_the_learning_has_ended() -> None:
    channel, loop = ListedCommands(frame(1, "batch"), CANCEL + b"%d" % LEARNING), RecordingLoop()
    turn = LearningTurn(LEARNING, channel, loop)
    turn.pause()
    turn.finish()
    assert loop.frames == [1]
    turn.finish()
    assert loop.frames == [1]
    with pytest.raises(MatteCancelled):
        turn.pause()


def test_a_cancelled_job_stops_and_another_does_not() -> None:
    channel, loop = ListedCommands(CANCEL + b"8", None, CANCEL + b"%d" % LEARNING), RecordingLoop()
    turn = LearningTurn(LEARNING, channel, loop)
    turn()
    with pytest.raises(MatteCancelled):
        turn()


def test_a_worker_that_learns_shows_that_it_lives() -> None:
    channel = ListedCommands()
    turn = LearningTurn(LEARNING, channel, RecordingLoop())
    for _ in range(3):
        turn()
    assert channel.sent == [Heartbeat(number=LEARNING)]
