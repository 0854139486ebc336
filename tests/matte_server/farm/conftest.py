"""A small shot on disk, the farms' own programs, and the command line."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from matte_server.cli.main import main as cli
from matte_server.server.local_server import LocalServer
from tests.benchmarks.shots import PLATES, small_shot

from .environments import Missing, environment

FRAMES = 8
FIRST = 1001
CLEANPLATE = str(Path(sys.executable).with_name("cleanplate"))
_USES = itertools.count()


@dataclass(frozen=True)
class FarmShot:
    """Plates, their clean plate, and where the mattes go."""

    folder: Path

    @property
    def plate(self) -> str:
        return str(self.folder / "plate.####.exr")

    @property
    def clean(self) -> str:
        return str(self.folder / "clean.exr")

    def output(self, name: str) -> str:
        return str(self.folder / name / "matte.####.exr")

    def results(self, name: str) -> dict[str, str]:
        """The digest of every matte's bytes, by file name."""
        found = sorted((self.folder / name).glob("*.exr"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def make_shot(folder: Path, frames: int) -> FarmShot:
    """Writes ``frames`` small plates and a clean plate."""
    plates, clean = small_shot()
    for number in range(frames):
        (folder / f"plate.{FIRST + number}.exr").write_bytes(plates[number % PLATES])
    (folder / "clean.exr").write_bytes(clean)
    return FarmShot(folder)


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> FarmShot:
    return make_shot(tmp_path_factory.mktemp("shot"), FRAMES)


@pytest.fixture(scope="session")
def truth(shot: FarmShot, server: LocalServer) -> dict[str, str]:
    """The mattes as one plain run makes them."""
    found = plain_run(shot, server, "truth")
    assert len(found) == FRAMES
    return found


def plain_run(shot: FarmShot, server: LocalServer, output: str, *more: str) -> dict[str, str]:
    """The mattes of ``cleanplate matte``, without any farm."""
    cleanplate("matte", shot.plate, "--clean", shot.clean, "-o", shot.output(output),
               "--model", "difference", "--server", server.endpoint.address, *more)  # fmt: skip
    return shot.results(output)


@pytest.fixture
def bundle(shot: FarmShot, tmp_path: Path) -> Callable[..., Path]:
    """Writes a bundle of the shot for a farm; the mattes go to the folder named."""

    def make(farm: str, output: str, *more: str) -> Path:
        folder = tmp_path / f"{farm}-{output}"
        words = ["farm", farm, "shot", shot.plate, "--clean", shot.clean, "-o", shot.output(output), "--model",
                 "difference", "--device", "cpu", "--cleanplate", CLEANPLATE, "--bundle", str(folder)]  # fmt: skip
        cleanplate(*words, *more)
        return folder

    return make


def run(*command: str, env: dict[str, str] | None = None, ok: bool = True) -> str:
    """What a command printed, both streams; it must succeed, or fail where ``ok`` is False."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    )
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def cleanplate(*words: str, env: dict[str, str] | None = None, ok: bool = True) -> str:
    """The same of our own command, in this process: its imports would take longer than most of its work here."""
    said = io.StringIO()
    with patch.dict(os.environ, env or {}), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = cli(list(words))
    assert (code == 0) == ok, said.getvalue()
    return said.getvalue()


def _programs(name: str) -> Path:
    try:
        return environment(name)
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def openjd() -> str:
    """The openjd command."""
    return str(_programs("openjd") / "openjd")


@pytest.fixture(scope="session")
def deadline() -> str:
    """The deadline command."""
    return str(_programs("openjd") / "deadline")


@pytest.fixture(scope="session")
def opencue_python() -> str:
    """A Python that has OpenCue's pyoutline and pycue."""
    return str(_programs("opencue") / "python")


@contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """Machines with addresses of their own, 10.213.7.1 and up, on one switch; skips where this system has
    no network namespaces."""
    # Names of their own each time: what a namespace held goes a while after it.
    use = next(_USES)
    names = [f"cleanplate-{os.getpid()}-{use}-{number}" for number in range(count)]
    bridge = f"cp{os.getpid() % 100000}-{use}-"
    try:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            _ip("link", "set", bridge, "up")
            for number, name in enumerate(names):
                _ip("netns", "add", name)
                _ip("link", "add", f"{bridge}v{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
                _ip("link", "set", f"{bridge}v{number}", "master", bridge, "up")
                _ip("-n", name, "addr", "add", f"10.213.7.{number + 1}/24", "dev", "eth0")
                _ip("-n", name, "link", "set", "eth0", "up")
                _ip("-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
