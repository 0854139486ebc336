"""Commands to a worker that reads late or never, through real pipes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from matte_server.server import command_sender
from matte_server.server.command_sender import CommandSender

Ends = tuple[CommandSender, Connection]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = Pipe()
    sender = CommandSender(ours)
    sender.start()
    yield sender, theirs
    theirs.close()
    sender.end()
    ours.close()


def test_a_worker_that_reads_nothing_keeps_nobody_waiting_and_gets_everything_in_order(ends: Ends) -> None:
    """Small commands are written by whoever sends them until the pipe fills; after that, and after one that is
    larger than the pipe, the thread writes. A send that waited would never return: nobody reads before the last."""
    sender, worker = ends
    commands = [
        b"%6d %s" % (number, b"x" * size) for number, size in enumerate([100, 3000] * 150 + [1 << 19] + [9] * 50)
    ]
    for command in commands:
        sender.send(command)
    assert [worker.recv_bytes() for _ in commands] == commands
    sender.send(b"next")
    assert worker.recv_bytes() == b"next"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says how much of a pipe is free")
def test_a_command_that_the_pipe_takes_wakes_no_thread() -> None:
    ours, theirs = Pipe()
    sender = CommandSender(ours)  # its thread never starts
    sender.send(b"frame 1")
    assert theirs.poll(0) and theirs.recv_bytes() == b"frame 1"
    # One that might fill the pipe is left to the thread, and so is whatever follows it.
    sender.send(b"x" * (command_sender._buffer_size(ours) // 4))
    sender.send(b"frame 3")
    assert not theirs.poll(0)


def test_nothing_is_written_once_the_worker_has_ended(ends: Ends) -> None:
    sender, worker = ends
    sender.end()
    sender.send(b"late")
    assert not worker.poll(0)
