"""A log whose reader does not read, on a real pipe."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator

import pytest

from matte_server.server import log_relay
from matte_server.server.log_relay import LogRelay


class LogPipe:
    """A pipe whose writing end a relay has taken over."""

    def __init__(self) -> None:
        self.reader, self.descriptor = os.pipe()
        self.relay = LogRelay(self.descriptor)

    def read_until(self, end: bytes) -> bytes:
        """What arrives up to and with ``end``."""
        found, deadline = b"", time.monotonic() + 30
        while not found.endswith(end):
            assert time.monotonic() < deadline, found[-200:]
            if select.select([self.reader], [], [], 0.1)[0]:
                found += os.read(self.reader, 1 << 16)
        return found


@pytest.fixture
def pipe() -> Iterator[LogPipe]:
    made = LogPipe()
    yield made
    os.close(made.reader)


def test_what_is_written_arrives_whole_and_in_order(pipe: LogPipe) -> None:
    lines = [b"line %d\n" % number for number in range(3000)]
    for line in lines:
        os.write(pipe.descriptor, line)
    assert pipe.read_until(lines[-1]) == b"".join(lines)
    pipe.relay.close()
    # From then on it goes where it went before.
    os.write(pipe.descriptor, b"last\n")
    assert pipe.read_until(b"last\n") == b"last\n"


def test_a_log_that_nobody_reads_stops_nothing_and_loses_the_oldest(
    pipe: LogPipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_relay, "_MOST_WAITING", 1 << 16)
    lines = [b"%7d %s\n" % (number, b"x" * 91) for number in range(10_000)]
    for line in lines:  # a megabyte; a pipe holds a sixteenth of it
        os.write(pipe.descriptor, line)
    found = pipe.read_until(lines[-1])
    # What the pipe held, and the last 64 KiB; each chunk that is read and passed on may be under way besides.
    assert 1 << 16 <= len(found) <= 5 << 16 and found.startswith(lines[0])


def test_as_much_as_may_wait_is_kept(pipe: LogPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_relay, "_written_at_once", lambda descriptor, data: 0)
    monkeypatch.setattr(log_relay, "_MOST_WAITING", 4)
    os.write(pipe.descriptor, b"all\n")
    assert pipe.read_until(b"all\n") == b"all\n"


def test_closing_waits_for_what_waits_but_not_for_ever(pipe: LogPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_relay, "_FLUSH_S", 0.2)
    for _ in range(3000):  # more than the pipe holds, and nobody reads
        os.write(pipe.descriptor, b"x" * 99 + b"\n")
    begun = time.monotonic()
    pipe.relay.close()
    assert time.monotonic() - begun >= 0.2
    os.set_blocking(pipe.descriptor, False)
    with pytest.raises(BlockingIOError):
        os.write(pipe.descriptor, b"x" * (1 << 16))


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_read_late_keeps_its_order(pipe: LogPipe, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    """Half of the lines are written before any is read, the others while some are; also where the system cannot
    write without waiting."""
    if not at_once:
        monkeypatch.setattr(log_relay, "_written_at_once", lambda descriptor, data: 0)
    lines = [b"line %06d of a log that is read late\n" % number for number in range(8000)]
    found = b""
    for number, line in enumerate(lines):
        os.write(pipe.descriptor, line)
        if number > len(lines) // 2:
            found += os.read(pipe.reader, 20)
    assert found + pipe.read_until(lines[-1]) == b"".join(lines)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system has no such write")
def test_a_full_pipe_takes_nothing_at_once() -> None:
    reader, writer = os.pipe()
    taken = 0
    while written := log_relay._written_at_once(writer, b"x" * 1000):
        taken += written
    assert len(os.read(reader, taken + 1)) == taken > 0
    assert log_relay._written_at_once(writer, b"again") == len(b"again")
    os.close(reader)
    os.close(writer)


def test_a_full_log_drops_the_oldest_lines_and_no_line_more(pipe: LogPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 31 lines, while nobody reads, the first is being written, and the last ten may wait."""
    lines = [b"line %02d\n" % number for number in range(31)]
    monkeypatch.setattr(log_relay, "_CHUNK", len(lines[0]))
    monkeypatch.setattr(log_relay, "_MOST_WAITING", 10 * len(lines[0]))
    filled = _fill(pipe.relay._target)
    os.write(pipe.descriptor, lines[0])
    _wait_until(lambda: pipe.relay._is_writing)
    # No later line passes by the one that is being written.
    monkeypatch.setattr(log_relay, "_written_at_once", lambda target, data: len(data))
    os.write(pipe.descriptor, b"".join(lines[1:]))
    _wait_until(lambda: list(pipe.relay._waiting)[-1:] == [lines[-1]])
    assert pipe.read_until(lines[-1]) == b"x" * filled + lines[0] + b"".join(lines[-10:])


def _fill(descriptor: int) -> int:
    """Fills a pipe to its last byte; returns how many it took."""
    os.set_blocking(descriptor, False)
    taken = 0
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(descriptor, b"x" * size)
    os.set_blocking(descriptor, True)
    return taken


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
