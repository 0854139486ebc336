"""A fresh stand-in for Nuke with the plugin loaded, and one real server for the whole folder."""

from __future__ import annotations

import runpy
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "plugin_nuke"
FAKE = Path(__file__).resolve().parent / "fake_nuke"

for folder in (FAKE, PLUGIN):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import nuke  # noqa: E402 - the fake, which the line above made importable
from cleanplate_node import callbacks, later, sessions  # noqa: E402
from cleanplate_node.bench import ContractBench, Server  # noqa: E402
from nuke._state import State  # noqa: E402

_REST_S = 0.1


def start_nuke(window: bool) -> State:
    """A new fake Nuke that has run the plugin's start files, as the real one does for a folder on NUKE_PATH. Looks
    at nodes that the Nuke before it put off are forgotten: its nodes have the names of the new one's. It has no
    results open either, and its timers have ended with it. Its artist rests for a shorter moment."""
    for one in threading.enumerate():
        if isinstance(one, threading.Timer):
            one.cancel()
    state = nuke.reset()
    sessions.forget_all()
    callbacks._resting = later.Rest(_REST_S, callbacks._came_to_rest)
    state.gui = window
    runpy.run_path(str(PLUGIN / "init.py"))
    if window:
        runpy.run_path(str(PLUGIN / "menu.py"))
    return state


@pytest.fixture
def window() -> Iterator[State]:
    yield start_nuke(window=True)


@pytest.fixture
def terminal() -> Iterator[State]:
    yield start_nuke(window=False)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server([sys.executable, "-m", "matte_server"])
    running.start()
    yield running
    running.stop()


@pytest.fixture
def bench(window: State, server: Server, tmp_path: Path) -> ContractBench:
    """A test bench in a Nuke with a window."""
    if not server.running:
        server.start()
    return ContractBench(tmp_path, server)


@pytest.fixture
def lonely(window: State, tmp_path: Path) -> ContractBench:
    """A bench without a server."""
    return ContractBench(tmp_path, Server(()))


@pytest.fixture
def bench_16(window: State, server: Server, tmp_path: Path) -> ContractBench:
    """A test bench in a Nuke 16 with a window."""
    window.major = 16
    nuke.scriptClear()
    if not server.running:
        server.start()
    return ContractBench(tmp_path, server)
