"""Set Up Server with a real environment, pip and uv, and an index on this machine that notes what it is asked."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugin_blender import server_process, server_setup
from plugin_blender.plan import NodeError
from plugin_blender.server_setup import ServerSetup, command_in, obstacle, remove

from .package_index import PackageIndex, make_wheel, needed_wheel, server_wheel

pytestmark = pytest.mark.timeout(600)
_PATIENCE_S = 300.0


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """The index that every setting of pip and uv names, also where pip would ask through a proxy."""
    wheels = tmp_path / "index"
    needed_wheel(wheels)
    with PackageIndex(wheels).serving() as index:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX"):
            monkeypatch.setenv(name, f"{index.url}/simple/")
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("UV_NO_CACHE", "1")
        yield index


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first step makes; a copy of it costs a twentieth of another one."""
    folder = tmp_path_factory.mktemp("environment") / "server"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def begun(environment: Path, tmp_path: Path) -> Path:
    """A folder whose environment is there, so that pip begins at once."""
    return shutil.copytree(environment, tmp_path / "server", symlinks=True)


def run(setup: ServerSetup, until: Callable[[], object] = lambda: False) -> bool:
    """Polls to the end, or until something has happened; whether there is more to do. Raises ``NodeError``."""
    deadline = time.monotonic() + _PATIENCE_S
    while setup.poll():
        assert time.monotonic() < deadline, setup.last_line
        if until():
            return True
        time.sleep(0.02)
    return False


def printed(folder: Path) -> str:
    """What the command that was set up prints."""
    return subprocess.run([command_in(folder)], capture_output=True, text=True, check=True).stdout.strip()


def processes_in(folder: Path) -> list[str]:
    """The command lines of processes that work in an environment."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(os.fsencode(folder)) for word in words):
            found.append(str(words))
    return found


@pytest.mark.parametrize("cpu_only", [False, True])
def test_offline_asks_no_network_and_takes_what_lies_beside_the_wheel(
    index: PackageIndex, begun: Path, tmp_path: Path, cpu_only: bool
) -> None:
    beside = tmp_path / "wheels"
    wheel = server_wheel(beside)
    with pytest.raises(NodeError) as told:
        run(ServerSetup(begun, str(wheel), cpu_only, offline=True))
    assert "No matching distribution found for needed" in str(told.value)
    assert f"Offline, what it needs must lie in {beside}; or Allow Online Access." in str(told.value)
    assert not command_in(begun)
    needed_wheel(beside)
    run(ServerSetup(begun, str(wheel), cpu_only, offline=True))
    assert printed(begun) == "serving"
    assert index.asked == []


def test_offline_asks_not_even_the_proxy_that_should_be_dead(
    index: PackageIndex, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something may listen where nobody should; and without an index no proxy is asked for one."""
    monkeypatch.setattr(server_setup, "_NOWHERE", index.url)
    with pytest.raises(NodeError, match="No matching distribution found for needed"):
        run(ServerSetup(begun, str(server_wheel(tmp_path / "wheels")), cpu_only=False, offline=True))
    assert index.asked == []


def test_where_blender_may_the_same_index_is_asked(index: PackageIndex, tmp_path: Path) -> None:
    """It does note what it is asked. And from nothing: offline too an environment is made of what Python has."""
    folder, beside = tmp_path / "server", tmp_path / "wheels"
    wheel = server_wheel(beside)
    with pytest.raises(NodeError):
        run(ServerSetup(folder, str(wheel), cpu_only=False, offline=True))
    assert index.asked == []
    run(ServerSetup(folder, str(wheel), cpu_only=False))
    assert printed(folder) == "serving" and any("needed" in path for path in index.asked)
    remove(folder)
    assert not folder.exists()


def test_offline_takes_a_checkout_as_a_wheel_and_nothing_that_a_wheel_points_to(
    index: PackageIndex, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_PROXY", index.url)  # pip's own setting goes before the system's
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend_module"\n', encoding="utf-8"
    )
    for package, missing in (
        (checkout, "backend"),
        (server_wheel(tmp_path / "far", [f"needed @ {index.url}/files/needed-0.1-py3-none-any.whl"]), "needed"),
        (server_wheel(tmp_path / "git", [f"needed @ git+{index.url}/needed.git"]), "needed"),
    ):
        with pytest.raises(NodeError, match="could not be set up"):
            run(ServerSetup(begun, str(package), cpu_only=False, offline=True))
        assert missing in (begun / "setup.log").read_text(encoding="utf-8")
    assert index.asked == []


@pytest.mark.parametrize(
    "package", ["cleanplate", "cleanplate==0.1", "https://example.com/a.whl", "./a.whl", "/no/a.whl"]
)
def test_offline_refuses_what_only_a_network_has(tmp_path: Path, package: str) -> None:
    with pytest.raises(NodeError, match="set to work offline"):
        ServerSetup(tmp_path / "server", package, cpu_only=False, offline=True)
    assert not (tmp_path / "server").exists()


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)]
)
def test_a_python_that_does_not_fit_is_named_before_anything_is_done(
    version: tuple[int, int], fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = server_wheel(tmp_path / "wheels")
    monkeypatch.setattr(sys, "version_info", (*version, 2, "final", 0))
    monkeypatch.setattr(sys, "version", f"{version[0]}.{version[1]}.2 (main)")
    refused = obstacle(str(wheel), offline=True)
    assert (refused is None) == fits
    if refused is not None:
        assert f"this Blender runs {version[0]}.{version[1]}.2." in str(refused)
        with pytest.raises(NodeError, match=r"3\.11 to 3\.13"):
            ServerSetup(tmp_path / "server", str(wheel), cpu_only=False)
        assert not (tmp_path / "server").exists()


def test_a_cancel_where_taskkill_is_missing_ends_pip_at_least(
    index: PackageIndex, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_setup, "_IS_WINDOWS", True)
    monkeypatch.setattr(server_setup, "_TASKKILL", (str(tmp_path / "no-such-command"),))
    index.stall()
    setup = ServerSetup(begun, str(server_wheel(tmp_path / "wheels")), cpu_only=False)
    assert run(setup, index.stalled.is_set)
    pip = setup._process
    setup.cancel()
    # It did not end by itself, when it had waited long enough.
    assert pip is not None and pip.returncode == -signal.SIGKILL
    assert not setup.poll() and not processes_in(begun)


def test_a_cancel_while_pip_waits_and_after_it_goes_on_and_removes(index: PackageIndex, tmp_path: Path) -> None:
    folder, wheel = tmp_path / "server", server_wheel(tmp_path / "wheels")
    index.stall()
    setup = ServerSetup(folder, str(wheel), cpu_only=False)
    assert run(setup, index.stalled.is_set) and setup.step == "Installing the server"
    assert processes_in(folder) and "needed" in setup.last_line
    setup.cancel()
    assert not setup.poll() and not command_in(folder)
    assert not processes_in(folder) and not (folder / "temporary").exists()
    # Once more in the same place, then on to the end: the environment is not made again.
    index.stall()
    again = ServerSetup(folder, str(wheel), cpu_only=False)
    assert run(again, index.stalled.is_set) and again.step == "Installing the server"
    again.cancel()
    index.goes_on.set()
    python = folder / "bin" / "python"
    made = python.lstat().st_mtime_ns
    run(ServerSetup(folder, str(wheel), cpu_only=False))
    assert printed(folder) == "serving" and python.lstat().st_mtime_ns == made
    assert not (folder / "temporary").exists()
    remove(folder)
    assert not folder.exists()


_TASKKILL = """
import os, signal, sys
from pathlib import Path

assert sys.argv[1:4] == ["/T", "/F", "/PID"]
children = {}
for file in Path("/proc").glob("[0-9]*/stat"):
    try:
        words = file.read_text().rpartition(")")[2].split()
    except OSError:
        continue
    children.setdefault(int(words[1]), []).append(int(file.parent.name))
ended = [int(sys.argv[4])]
for process in ended:
    ended += children.get(process, [])
for process in ended:
    os.kill(process, signal.SIGKILL)
"""
"""What Windows's command of that name does, by its documentation, in words of Linux."""


@pytest.mark.parametrize("system", ["posix", "Windows"])
def test_a_cancel_ends_what_builds_a_checkout_too(
    system: str, index: PackageIndex, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip builds in a process of its own, which does not end with pip."""
    if system == "Windows":
        stand_in = tmp_path / "taskkill.py"
        stand_in.write_text(_TASKKILL, encoding="utf-8")
        words = (sys.executable, str(stand_in), *server_setup._TASKKILL[1:])
        monkeypatch.setattr(server_setup, "_IS_WINDOWS", True)
        monkeypatch.setattr(server_setup, "_TASKKILL", words)
    checkout, builds = tmp_path / "checkout", tmp_path / "builds"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n', encoding="utf-8"
    )
    (checkout / "slow.py").write_text(
        "import pathlib, time\n"
        f"def build_wheel(*_):\n    pathlib.Path({str(builds)!r}).touch()\n    time.sleep(600)\n",
        encoding="utf-8",
    )
    setup = ServerSetup(begun, str(checkout), cpu_only=False)
    assert run(setup, builds.exists)
    assert len(processes_in(begun)) >= 2
    setup.cancel()
    assert not processes_in(begun)


def test_cpu_only_is_cancelled_in_both_of_its_steps_and_goes_on(
    index: PackageIndex, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real uv, which this machine's pip can have."""
    folder, wheel = begun, server_wheel(tmp_path / "wheels")
    make_wheel(tmp_path / "index", "uv").rename(tmp_path / "index" / "uv-0.9.9-py3-none-any.whl")
    index.stall()
    setup = ServerSetup(folder, str(wheel), cpu_only=True)
    assert run(setup, index.stalled.is_set) and setup.step == "Installing uv"
    setup.cancel()
    assert not processes_in(folder) and not command_in(folder)

    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_CACHE_DIR"):
        monkeypatch.delenv(name)
    index.stall()
    setup = ServerSetup(folder, str(wheel), cpu_only=True)
    try:
        assert run(setup, index.stalled.is_set) and setup.step == "Installing the server"
    except NodeError as error:
        if setup.step == "Installing uv":
            pytest.skip(f"pip cannot have uv here: {error}")
        raise
    setup.cancel()
    assert not processes_in(folder) and not command_in(folder)
    index.goes_on.set()
    setup = ServerSetup(folder, str(wheel), cpu_only=True)
    run(setup)
    assert printed(folder) == "serving"
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="a script of the shell")
@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("exit 3", "It ended with exit code 3."),
        ("kill -KILL $$", "It was killed (SIGKILL)"),
        ("echo no such file >&2", "no such file. Look at Command"),
    ],
)
def test_a_server_that_ends_is_told_by_its_last_words_or_how_it_ended(tmp_path: Path, end: str, told: str) -> None:
    """As where the system kills it for its memory: "It printed nothing" helped nobody."""
    command = tmp_path / "cleanplate"
    command.write_text(f"#!/bin/sh\n{end}\n")
    command.chmod(0o755)
    server_process.start(str(command))
    try:
        with pytest.raises(NodeError, match=f"The server did not start: {re.escape(told)}"):
            server_process.wait()
    finally:
        server_process.stop()
