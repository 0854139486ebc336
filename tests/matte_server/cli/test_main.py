"""The command as a whole, run as a process of its own: what it answers to words that it does not know."""

from __future__ import annotations

import subprocess
import sys

from matte_server.cli import console


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "matte_server.cli.main", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_old_name_of_build_plate_is_refused_and_the_commands_are_named() -> None:
    ended = run("cleanplate", "plate.####.exr", "-o", "clean.exr")
    assert ended.returncode == console.BAD_INPUT
    assert "invalid choice: 'cleanplate'" in ended.stderr
    assert "build-plate" in ended.stderr


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (console.OK, f"cleanplate {version('cleanplate')}\n")
