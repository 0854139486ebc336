"""The command as a whole, run as a process of its own: what it answers to words that it does not know."""

from __future__ import annotations

import argparse
import errno
import mmap
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from matte_server import __main__ as door
from matte_server.cli import console, evaluate
from matte_server.cli import main as cli
from matte_server.cli.interruption import Interruption
from matte_server.cli.number_range import NumberRange
from matte_server.cli.parser import example
from matte_server.errors import MatteError


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "matte_server.cli.main", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_old_name_of_build_plate_is_refused_and_the_commands_are_named() -> None:
    ended = run("cleanplate", "plate.####.exr", "-o", "clean.exr")
    assert ended.returncode == console.BAD_INPUT
    assert "invalid choice: 'cleanplate'" in ended.stderr
    assert "build-plate" in ended.stderr


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (console.OK, f"cleanplate {version('cleanplate')}\n")
    assert cli.main(["version"]) == console.OK
    assert capsys.readouterr().out == ended.stdout


def test_alone_and_with_help_it_says_where_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == console.OK
    alone = capsys.readouterr().out
    assert cli.main(["help"]) == console.OK
    assert capsys.readouterr().out == alone
    assert "start here:" in alone and "exit codes of every command:" in alone


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("matte", "--clen", "c.exr"), "Did you mean --clean?"),
        (("matte", "p.exr", "--bit-dept=half"), "Did you mean --bit-depth?"),
        (("mattte", "p.exr"), "Did you mean matte?"),
        (("build-plate", "p.exr", "-o", "c.exr", "--refrence", "3"), "Did you mean --reference?"),
        (("models", "ftech", "v1"), "Did you mean fetch?"),
        # Misspelt, a needed flag is missing, too.
        (("build-plate", "p.exr", "--otput", "c.exr"), "Did you mean --output?"),
        (("farm", "openjd", "shot", "p.exr", "--clean", "c.exr", "-o", "m.exr", "--bundel", "x"), "mean --bundle?"),
        # What other programs call it.
        (("matte", "p.exr", "--clean-plate", "c.exr"), "Did you mean --clean?"),
        (("matte", "p.exr", "--clean", "c.exr", "-o", "m.exr", "--force"), "Did you mean --overwrite?"),
        (("serve", "--port", "5561"), "Did you mean --bind?"),
        (("keys",), "are required: KIND. KIND is one of server, client, owner. See"),
        # No abbreviations: what a later version adds must not change what this means.
        (("matte", "--overw"), "Did you mean --overwrite?"),
        (("matte", "p.exr", "--camera", "lockd"), "Did you mean locked?"),
        # Python's words for it were "invalid float value" and "invalid int value".
        (("matte", "p.exr", "--erode", "two"), "error: argument --erode: 'two' is not a number. See"),
        (("matte", "p.exr", "--despeckle", "3.5"), "error: argument --despeckle: '3.5' is not a whole number. See"),
        # Files without the flag that names them, and the plate with one.
        (("demo", "here"), "unrecognized arguments: here. Write -o here. See"),
        (("matte", "p.exr", "c.exr"), "unrecognized arguments: c.exr. Write --clean c.exr. See"),
        (("matte", "p.exr", "c.exr", "m.exr"), "Write --clean c.exr -o m.exr. See"),
        (("matte", "p.exr", "--clean", "c.exr", "m.exr"), "Write -o m.exr. See"),
        (("learn", "p.exr", "--clean=c.exr", "a.learned"), "are required: -o/--output. Write -o a.learned. See"),
        (("farm", "stop", "s.json"), "are required: --state. Write --state s.json. See"),
        (("models", "use", "v2", "a.pth"), "unrecognized arguments: a.pth. See"),
        (("matte", "--plate", "p.exr", "--clean", "c.exr"), "PLATE stands first, without a flag. See"),
        (("matte", "p.exr", "--background-plate", "c.exr"), "Did you mean --clean?"),
        (("matte", "p.####.exr", "--first", "1", "--last", "9"), "Did you mean --frames?"),
        (("matte", "p.exr", "my clean.exr"), 'Write --clean "my clean.exr". See'),
        (("matte", "p.exr", "--fps", "24", "--clean", "c.exr"), "unrecognized arguments: --fps 24. See"),
        (("matte", "p.exr", "1-9", "-o", "m.exr"), "Write --frames 1-9. See"),
        (("matte", "p.exr", "--gamma", "1", "2", "-o", "m.exr"), "unrecognized arguments: 2. See"),
        # Values in words of their own.
        (("matte", "p.exr", "--region", "0", "0", "8", "9"), 'in quotes: --region "0 0 8 9". See'),
        # Somebody who leaves the kind of a job out, or the command.
        (("farm", "openjd", "p.####.exr", "--bundle", "j"), "file: 'cleanplate farm openjd shot p.####.exr ...'."),
        (("farm", "opencue", "sh010.nk", "--bundle", "j"), "file: 'cleanplate farm opencue nuke sh010.nk ...'."),
        (("plate.1001.exr",), "To matte a picture, write 'cleanplate matte plate.1001.exr --clean CLEAN -o OUT'."),
        # Somebody who takes a flag for a command.
        (("review", "mattes"), "'help'). --review is a flag: 'cleanplate matte ... --review'. See"),
        (("watch", "drop"), "'help'). --watch is a flag: 'cleanplate matte ... --watch'. See"),
        (("abracadabra", "p"), "'help'). See"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_known_one(
    words: tuple[str, ...], suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(words)
    assert raised.value.code == console.BAD_INPUT
    assert suggestion in capsys.readouterr().err


def test_a_value_that_begins_with_a_dash_is_shown_how_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for words, advice in (
        (("--frames", "-2-1"), "A value that begins with - is written --frames=-2-1."),
        (("-o", "-x.exr"), "A value that begins with - is written --output=-x.exr."),
    ):
        with pytest.raises(SystemExit):
            cli.main(["matte", "plate.####.exr", *words])
        assert advice in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["matte", "plate.####.exr", "--frames", "--overwrite"])
    assert "begins with -" not in capsys.readouterr().err


def test_ctrl_c_while_the_command_is_imported_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class InterruptedImport(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # The signals of the tests stay as they are.
        patched.setattr(Interruption, "install", lambda self: None)
        patched.setitem(sys.modules, "matte_server.cli.main", InterruptedImport("matte_server.cli.main"))
        assert door.main() == console.INTERRUPTED
    assert capsys.readouterr().err == "error: Interrupted before anything was started.\n"
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "matte_server.cli.status", InterruptedImport("matte_server.cli.status"))
        assert cli.main(["status"]) == console.INTERRUPTED
    assert "Interrupted" in capsys.readouterr().err


def test_a_clock_that_python_does_not_hold_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the year 2262 on even Python's own logging cannot be imported, which was a traceback."""

    def beyond() -> float:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")

    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "install", lambda self: None)
        patched.setattr(time, "time", beyond)
        assert door.main() == console.BAD_INPUT
    complaint = capsys.readouterr().err
    assert complaint.startswith("error (bad_clock): ") and "2262" in complaint and complaint.count("\n") == 1


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, and those of all commands below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                # A command's arguments are added when they are needed.
                below.format_help()
                yield from parsers(below)


def lacks(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    """What the help of a flag or an argument does not say."""
    if isinstance(action, argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction):
        return
    shown = parser._get_formatter()._expand_help(action)
    is_number = action.type in (int, float) or isinstance(action.type, NumberRange)
    if is_number and not re.search(r"\d to \d|or more|any (whole )?number", shown):
        yield "range"
    if action.option_strings and not action.required and not re.search(r"default: |needed", shown):
        yield "default"
    if action.option_strings and action.required and "default" in shown:
        yield "that it has no default"


@pytest.mark.parametrize("value", ["inf", "1e300", "1e999", "9" * 400])
@pytest.mark.parametrize("flag", ["--memory-gb", "--spool-gb", "--store-gb", "--hang-seconds", "--workers"])
def test_amounts_beyond_any_are_refused(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Infinity has no whole number of bytes, and ended in a traceback."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--bind", "nowhere", flag, value])
    said = capsys.readouterr().err
    assert caught.value.code == console.BAD_INPUT and flag in said
    assert "is too large a number" in said or "is not a whole number" in said


def test_every_flag_of_every_command_says_its_range_and_default() -> None:
    """Of a flag that must be given, there is no default."""
    lacking = [
        (parser.prog, action.dest, what)
        for parser in parsers(cli.parser())
        for action in parser._actions
        for what in lacks(parser, action)
    ]
    assert not lacking


def test_every_help_begins_with_what_the_command_does() -> None:
    """Those of ``status``, ``keys server`` and a dozen more began with their flags."""
    said = {parser.prog: parser.description or "" for parser in parsers(cli.parser())}
    assert said["cleanplate keys server"] == "Make a server's keys."
    assert [name for name, text in said.items() if not re.match(r"[A-Z].*\.$", text.strip(), re.DOTALL)] == []


@pytest.mark.parametrize("columns", [80, 100])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    helps = [parser.format_help() for parser in parsers(cli.parser())]
    assert len(helps) > 20
    assert not [line for text in helps for line in text.splitlines() if len(line) > columns]


def test_an_example_that_is_too_long_goes_on_as_a_shell_takes_it() -> None:
    line = "  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr --passes alpha,foreground"
    assert example(line, 116) == line
    shown = example(line, 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(line)
    remark = "  cleanplate models use netG_epoch_12.pth    V1 runs with these from now on"
    assert example(remark, 40) == remark, "what is said to the reader is no argument"
    # No flag is parted from its value.
    assert not any(row.rstrip(" \\").split()[-1].startswith("-") for row in shown.splitlines())


@pytest.mark.parametrize("name", tuple(cli.COMMANDS))
def test_every_command_says_its_exit_codes_and_shows_how_it_is_called(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args([name, "--help"])
    shown = capsys.readouterr().out
    assert "exit codes: 0 " in shown and f"\n  cleanplate {name}" in shown.replace("fish       ", "")
    # One pair of brackets says range and default.
    assert not re.search(r"\(default: [^()]*\) \(", " ".join(shown.split()))


def test_help_of_learning_speaks_of_weights(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["learn", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "the weights to write, such as take7.learned" in shown and "matte.mov" not in shown


def test_help_of_a_command_and_an_unquoted_star(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["help", "models"]) == console.OK
    assert "usage: cleanplate models" in capsys.readouterr().out
    names = [str(tmp_path / f"plate.{number}.exr") for number in (1, 2)]
    for name in names:
        Path(name).touch()
    with pytest.raises(SystemExit):
        cli.main(["matte", *names, "--clean", "clean.exr"])
    assert "A pattern with * belongs in quotes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["matte", *names, "-o", "matte.exr"])
    assert "A pattern with * belongs in quotes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["matte", *names, "--clean=clean.exr"])
    assert "A pattern with * belongs in quotes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cleanplate mat", {"matte"}),
        ("cleanplate matte --camera ", {"auto", "locked", "moving"}),
        # Others may be installed. A shell offered the files of the folder.
        ("cleanplate matte --model ", {"auto", "cleanplate", "difference", "v1", "v2"}),
    ],
)
def test_a_shell_completes_commands_and_choices(line: str, words: set[str], tmp_path: Path) -> None:
    found = tmp_path / "found"
    asked = {
        cli.COMPLETING: "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(found),
        "_ARGCOMPLETE_IFS": "\n",
    }
    command = [sys.executable, "-m", "matte_server.cli.main"]
    subprocess.run(command, check=True, env={**os.environ, **asked})
    assert {word.strip() for word in found.read_text().split("\n")} == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", "powershell"])
def test_a_script_for_every_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == console.OK
    assert "cleanplate" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="tcsh is a shell of POSIX systems")
def test_what_tcsh_runs_for_a_tab_completes(capsys: pytest.CaptureFixture[str]) -> None:
    """argcomplete's line for it calls a script that nobody has. A real tcsh takes ours: tried by hand."""
    assert cli.main(["completion", "tcsh"]) == console.OK
    found = re.fullmatch(r"complete cleanplate 'p@\*@`(.*) cleanplate`@'\n", capsys.readouterr().out)
    assert found, "every word (p@*@), by what a command prints"
    command = f"{found[1]} {shlex.join([sys.executable, '-m', 'matte_server.cli.main'])}"
    asked = {**os.environ, "COMMAND_LINE": "cleanplate matte --camera "}
    printed = subprocess.run(["sh", "-c", command], env=asked, capture_output=True, text=True, check=True).stdout
    assert set(printed.split()) == {"auto", "locked", "moving"}


@pytest.mark.skipif(os.name != "posix", reason="pipes of this kind are POSIX")
@pytest.mark.parametrize("words", [["models"], ["--version"], ["keys", "server", "--folder", "keys"]])
def test_output_that_nobody_reads_is_no_traceback(words: list[str], tmp_path: Path) -> None:
    """As in ``cleanplate models | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "matte_server.cli.main", *words]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode == console.PIPE_CLOSED


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["nonsense"], 2),
        (["status", "--help"], 0),
        (["keys", "client", "x"], 2),
        (["status", "--server", "x"], 2),
    ],
)
def test_a_small_command_imports_no_library_of_the_large_ones(words: list[str], code: int) -> None:
    """Less than half a second on an idle machine, of which NumPy, OpenCV and OpenImageIO would take most."""
    script = (
        "import atexit, sys; from matte_server.cli.main import main; "
        "large = {'numpy', 'cv2', 'OpenImageIO', 'av', 'torch', 'PIL', 'matte_server.cli.matte'}; "
        "atexit.register(lambda: print('large:', *large & set(sys.modules))); sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert (ended.stdout.splitlines()[-1], ended.returncode) == ("large:", code)


def test_the_help_names_every_command_as_its_own_help_does() -> None:
    """A command's module is imported when its words are parsed, so that a name without a module would pass."""
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([name, "--help"])
        assert ended.value.code == 0


@pytest.mark.parametrize("words", [["matte", "{}", "--clean", "c.exr", "-o", "m.exr"], ["evaluate", "{}", "b"]])
def test_a_name_that_no_disk_takes_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It was a traceback."""
    for name in (5000 * "x", 300 * "x"):
        assert cli.main([word.format(name) for word in words]) == console.BAD_INPUT
        printed = " ".join(capsys.readouterr().err.split())
        assert printed.startswith(f"error (name_too_long): A name is too long for the disk: ...{60 * 'x'}. Choose")
        assert "255 bytes" in printed and 61 * "x" not in printed


def test_a_full_disk_is_one_sentence_and_a_connection_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: OSError) -> int:
        raise error

    words = ["evaluate", "a", "b"]
    full, refused = OSError(errno.ENOSPC, "No space left"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    for error in (full, refused, TimeoutError(), OSError("no disk's")):
        monkeypatch.setattr(evaluate, "run", lambda _, error=error: fail(error))
        if error is full:
            assert cli.main(words) == console.BAD_INPUT
            assert capsys.readouterr().err == "error (disk_error): No space left.\n"
        else:
            with pytest.raises(type(error)):
                cli.main(words)


def test_memory_or_threads_that_run_out_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were tracebacks, and the disk was blamed for Python's own ENOMEM."""

    def no_array() -> object:
        return np.empty(1 << 60, np.uint8)

    def no_picture() -> object:
        return cv2.resize(np.zeros((1, 1), np.uint8), (1 << 30, 1 << 30))

    def no_thread() -> None:
        threading.stack_size(1 << 46)
        try:
            threading.Thread(target=print).start()
        finally:
            threading.stack_size(0)

    def no_room() -> object:
        return mmap.mmap(-1, 1 << 46)

    memory, processes = "out_of_memory", "few_processes"
    for work, code in ((no_array, memory), (no_room, memory), (no_picture, memory), (no_thread, processes)):
        monkeypatch.setattr(evaluate, "run", lambda _, work=work: work())
        assert cli.main(["evaluate", "a", "b"]) == console.BAD_INPUT
        said = capsys.readouterr().err
        assert said.startswith(f"error ({code}): ") and said.count("\n") == 1 and "(ulimit -v)" in said


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on addresses that the system keeps")
def test_a_command_that_may_have_little_memory_says_so_before_a_library_ends_it() -> None:
    limited = 'ulimit -v 3000000; exec "$@"'
    words = [sys.executable, "-m", "matte_server", "evaluate", "a", "b"]
    done = subprocess.run(["sh", "-c", limited, "sh", *words], capture_output=True, text=True)
    assert done.returncode == console.BAD_INPUT
    assert done.stderr.startswith("warning: Memory is limited to 2929 MiB (ulimit -v).")


def test_what_an_error_quotes_of_a_file_does_not_act_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise MatteError("bad_weights", "It holds \x1b]0;title\x07 and\n\x1b[2J.")

    monkeypatch.setattr(evaluate, "run", fail)
    assert cli.main(["evaluate", "a", "b"]) == console.BAD_INPUT
    assert capsys.readouterr().err == "error (bad_weights): It holds \\x1b]0;title\\x07 and \\x1b[2J.\n"
