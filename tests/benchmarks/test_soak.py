"""The calm part of the soak test fails where it should."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from matte_link.endpoint import Endpoint

from . import soak
from .soak import Held, calm, is_flat

LAP = argparse.Namespace(laps=4, calm=100)
STILL = Held(memory=50 << 20, descriptors=20)


@pytest.mark.parametrize(
    ("name", "bytes_a_frame", "descriptors", "flat"),
    [
        ("server", 0, 0, True),
        ("server", -500, -1, True),
        # What the server knows of one frame: a list that keeps each of them.
        ("server", 3200, 0, False),
        ("worker", 3200, 0, True),
        # One decoded plate of the shot's smallest.
        ("worker", 48 * 64 * 4 * 4, 0, False),
        ("server", 0, 1, False),
        ("worker", 0, 1, False),
    ],
)
def test_what_is_kept_of_each_frame_is_a_leak(name: str, bytes_a_frame: int, descriptors: int, flat: bool) -> None:
    after = Held(memory=STILL.memory + 100 * bytes_a_frame, descriptors=STILL.descriptors + descriptors)
    assert is_flat(name, STILL, after, 100) is flat


@pytest.mark.parametrize(("pids", "kept"), [((7, 7), True), ((7, 8), False), ((7, 0), False), ((0,), False)])
def test_a_worker_that_ends_in_the_calm_part_is_a_promise_broken(
    pids: tuple[int, ...], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next worker holds as little as the first one did: its memory says nothing about a leak."""

    @contextlib.contextmanager
    def running(arguments: list[str]) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(pid=os.getpid(), endpoint=Endpoint("tcp://127.0.0.1:9"))

    named = iter(pids)
    monkeypatch.setattr(soak, "LocalServer", running)
    monkeypatch.setattr(soak, "calm_lap", lambda *arguments: None)
    monkeypatch.setattr(soak, "worker_of", lambda address, patience_s: (next(named), 1))
    monkeypatch.setattr(Held, "by", classmethod(lambda cls, pid: STILL))
    assert calm(LAP, ([], b""), []) is kept
