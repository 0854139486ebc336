"""Pressing a node's buttons as an artist does, and waiting for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nuke
from cleanplate_node import freshness, host, plain_exr
from cleanplate_node.bench import ContractBench
from nuke._state import State


def until(state: State, question: Callable[[], bool], seconds: float = 600.0) -> None:
    """Lets the host's loop run until the answer is yes. ``seconds`` ends a test that hangs, not a slow one."""
    deadline = time.monotonic() + seconds
    while not question():
        state.process_events()
        time.sleep(0.005)
        assert time.monotonic() < deadline, "waited in vain"
    assert not state.callback_errors, state.callback_errors[0]


def press(state: State, bench: ContractBench, node: nuke.Node, button: str = "process_range") -> str:
    """Presses a button, waits until the node is idle, and returns what its panel says then."""
    host.press(node, button)
    until(state, bench.idle(node))
    return bench.status(node)


def overwrite(file: Path) -> None:
    """Another file in its place: one byte longer, which no reader minds."""
    file.write_bytes(file.read_bytes() + b"\n")


def looked_at(state: State, bench: ContractBench, node: nuke.Node) -> str:
    """What the panel says of a node that is looked at, once the files were read that tell it."""
    freshness.check(node, deep=False)
    until(state, lambda: "being read" not in bench.status(node))
    return bench.status(node)


def expect_matte_there(bench: ContractBench, node: nuke.Node, frame: int, subject: int) -> None:
    """The subject stands where it does at another frame: at its front too, where it does not at this one."""
    picture = bench.result(node, frame)
    bench.expect_matte(picture, subject)
    x, y, radius = bench.truth[subject]
    assert picture.at(round(x + radius - 3), round(y), "A") > 0.98


def broken(picture: plain_exr.PlainImage) -> plain_exr.PlainImage:
    """With a pixel that is no number, which the server refuses."""
    return replace(picture, rows=[[(float("nan"),) * 3, *picture.rows[0][1:]], *picture.rows[1:]])
