"""Fixtures for every folder of tests."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matte_server.server.local_server import LocalServer

# Read when torch is first imported. Threads that wait for each other by spinning take the cores from the servers
# and Blenders that the tests start. On pictures as small as most here, two threads take a quarter more CPU time
# than one, because they mostly wait. The servers that the tests start inherit it: a frame of 61 x 83 pixels takes
# a worker of two threads 0.09 s (difference) or 0.14 s (cleanplate) of CPU time, of one 0.08 or 0.09 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]

with contextlib.suppress(ImportError):  # the host suites' own environments have no Hypothesis
    from hypothesis import settings

    # A machine that is busy may take longer for an example than Hypothesis allows. The same examples each time.
    settings.register_profile("busy machine", deadline=None, derandomize=True)
    settings.load_profile("busy machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported while tests are collected stays to the end: no garbage is looked for then, nor later among
    the modules and the tests themselves."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """OpenImageIO's binding says of what is not collected at the end that it leaked."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests recorded as ``figures``, so that the log of a run names what was measured in it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    found = [words for report in reports for name, words in report.user_properties if name == "figures"]
    if found:
        terminalreporter.section("figures")
    for words in found:
        terminalreporter.write_line(words)


@pytest.fixture(autouse=True)
def same_dice() -> None:
    """Every test throws the same dice, whichever tests ran before it in its process."""
    random.seed(1)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(1)


@pytest.fixture(scope="session", autouse=True)
def learning_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers that tests start keep what they learn: not in the folder of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("learning")
    os.environ["CLEANPLATE_LEARNING"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The one real server for all tests that neither end it nor ask for flags of its own. Folders whose server has
    such flags have a fixture of this name themselves."""
    from matte_server.server.local_server import LocalServer  # the host suites' own environments need no more of it

    with LocalServer(["--device", "cpu"]) as running:
        yield running


@pytest.fixture(scope="session")
def steering_data() -> Path:
    """The development data that lives beside the checkout; tests that need it are skipped without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the development data is not at {folder}; it is not part of the repository")
    return folder
