"""The command as a whole, run as a process of its own: what it answers to words that it does not know."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from matte_server.cli import console
from matte_server.cli import main as cli


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


def test_alone_and_with_help_it_says_where_to_start() -> None:
    alone, asked = run(), run("help")
    assert alone.returncode == asked.returncode == console.OK and alone.stdout == asked.stdout
    assert "start here:" in alone.stdout and "exit codes of every command:" in alone.stdout
    assert run("version").stdout == run("--version").stdout


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("matte", "--clen", "c.exr"), "Did you mean --clean?"),
        (("matte", "p.exr", "--bit-dept=half"), "Did you mean --bit-depth?"),
        (("mattte", "p.exr"), "Did you mean matte?"),
        (("build-plate", "p.exr", "-o", "c.exr", "--refrence", "3"), "Did you mean --reference?"),
        (("models", "ftech", "v1"), "Did you mean fetch?"),
        # No abbreviations: what a later version adds must not change what this means.
        (("matte", "--overw"), "Did you mean --overwrite?"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_known_one(
    words: tuple[str, ...], suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(words)
    assert raised.value.code == console.BAD_INPUT
    assert suggestion in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="pipes of this kind are POSIX")
@pytest.mark.parametrize("words", [["models"], ["--version"]])
def test_output_that_nobody_reads_is_no_traceback(words: list[str]) -> None:
    """As in ``cleanplate models | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "matte_server.cli.main", *words]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode == (console.PIPE_CLOSED if words == ["models"] else 0)


@pytest.mark.parametrize("command", ["status", "keys"])
def test_a_small_command_imports_no_library_of_the_large_ones(command: str) -> None:
    """Less than half a second on an idle machine, of which NumPy, OpenCV and OpenImageIO would take most."""
    script = (
        f"import sys; from matte_server.cli.main import parser; parser({command!r}); "
        "print(*{'numpy', 'cv2', 'OpenImageIO', 'av', 'torch'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
