"""``-`` for standard input and output: what comes out is the result alone, and what cannot work is said."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from tests.matte_server.shots.conftest import FAST, ShotFiles, disc


def through_pipes(words: list[str], sent: bytes, server: LocalServer) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "matte_server", "matte", *words, *FAST, "--server", server.endpoint.address]
    return subprocess.run(command, input=sent, capture_output=True, check=False)


def test_a_picture_from_standard_input_becomes_an_exr_on_standard_output(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path
) -> None:
    shot, report = make_shot(1), tmp_path / "report.json"
    plate = (shot.folder / "plate.1001.exr").read_bytes()
    ended = through_pipes(["-", "--clean", shot.clean, "-o", "-", "--json", str(report)], plate, server)
    assert ended.returncode == console.OK, ended.stderr
    # The disc's soft edge is 3 px of 160 wide.
    assert np.abs(exr.read_image(ended.stdout).pixels[..., 3:] - disc(0)).mean() < 0.01
    assert b"1 done" in ended.stderr
    # Neither file that stood for a stream is named, as neither is there any more.
    frame = json.loads(report.read_text())["frames"][0]
    assert (frame["files"]["plate"], frame["output"]) == ("standard input", "standard output")


def test_a_report_on_standard_output_is_json_and_nothing_else(
    make_shot: Callable[..., ShotFiles], server: LocalServer
) -> None:
    shot = make_shot(2)
    ended = through_pipes([shot.plate, "--clean", shot.clean, "-o", shot.matte, "--json", "-"], b"", server)
    assert ended.returncode == console.OK, ended.stderr
    facts = json.loads(ended.stdout)
    assert [frame["status"] for frame in facts["frames"]] == ["done", "done"]
    # The plate solve of a result that has a place is kept beside it.
    assert Path(facts["solve_file"]).is_file() and b"2 done" in ended.stderr


def test_a_broken_picture_leaves_standard_output_empty(
    make_shot: Callable[..., ShotFiles], server: LocalServer
) -> None:
    shot = make_shot(1)
    half = (shot.folder / "plate.1001.exr").read_bytes()[:9000]
    ended = through_pipes(["-", "--clean", shot.clean, "-o", "-"], half, server)
    assert (ended.returncode, ended.stdout) == (console.FRAMES_FAILED, b"")


@pytest.mark.parametrize(
    ("sent", "words", "sentence"),
    [
        (b"", (), "Standard input holds nothing. Send an EXR"),
        (b"hello", (), "Standard input holds no picture that is known here."),
        (b"YUV4MPEG2 W16 H16 F25:1", (), "Standard input holds a video, which must be named as a file."),
        (b"\0\0\0\x20ftypqt  ", (), "Standard input holds a video, which must be named as a file."),
        (2 * b"\x76\x2f\x31\x01\2\0\0\0, then pixels", (), "Standard input holds several pictures"),
        (2 * b"\x89PNG\r\n\x1a\n, then pixels", (), "Standard input holds several pictures"),
        (b"hello", ("--clean", "-"), "Standard input is one picture: plate or clean, not both."),
        (b"hello", ("--watch",), "--watch needs a folder of pictures, and standard input is none."),
        (b"hello", ("-o", "-", "--json", "-"), "Standard output is the result or the report, not both."),
        (
            b"hello",
            ("-o", "-", "--passes", "alpha"),
            "--passes makes files beside OUT, and standard output is no file.",
        ),
        (b"hello", ("-o", "-", "--review"), "--review makes files beside OUT, and standard output is no file."),
    ],
)
def test_what_cannot_work_with_streams_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    sent: bytes,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    (tmp_path / "sent").write_bytes(sent)
    with (tmp_path / "sent").open(encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        given = ["matte", "-", "--clean", "c.exr", "-o", str(tmp_path / "m.exr"), *words]
        assert cli.main(given) == console.BAD_INPUT
    printed = capfd.readouterr()
    assert sentence in " ".join(printed.err.split()) and not printed.out


def test_streams_that_are_closed_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As ``<&-`` and ``>&-`` leave them."""
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["matte", "-", "--clean", "c.exr", "-o", str(tmp_path / "m.exr")]) == console.BAD_INPUT
    assert "Nothing is sent to standard input." in capfd.readouterr().err
    words = [sys.executable, "-m", "matte_server", "matte", "p.exr", "--clean", "c.exr", "-o", "-"]
    ended = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], capture_output=True, check=False)
    assert ended.returncode == console.BAD_INPUT and b"Standard output is closed." in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize(
    ("streams", "ends"),
    [
        ("<&- >&- 2>&-", console.OK),
        ("2>/dev/full", console.OK),
        ("2>&1 | true", console.PIPE_CLOSED),
    ],
)
def test_streams_that_cannot_be_written_to(make_shot: Callable[..., ShotFiles], streams: str, ends: int) -> None:
    """A closed standard output was a traceback, a full disk under the log stopped the mattes, and a log that nobody
    read ended with the exit code that says that frames failed."""
    shot = make_shot(1)
    words = [sys.executable, "-m", "matte_server", *shot.command()]
    script = f'set -o pipefail; "$@" {streams}'
    ended = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, check=False)
    assert ended.returncode == ends, ended.stderr
    assert b"Traceback" not in ended.stderr + ended.stdout
    is_made = Path(shot.matte.replace("####", "1001")).is_file()
    assert is_made or ends == console.PIPE_CLOSED


def on_a_full_disk(words: list[str], buffering: str = "") -> tuple[int, str]:
    """The exit code of a command whose standard output is on a full disk, and what it says on standard error."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "matte_server", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, env={**environment, "PYTHONUNBUFFERED": buffering},
        )  # fmt: skip
    assert "Traceback" not in ended.stderr and "Exception" not in ended.stderr
    return ended.returncode, ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize("words", ["version", "--version", "--help", "models --help", "matte --job-schema"])
def test_a_full_disk_under_what_was_asked_for_is_one_sentence(words: str, buffering: str) -> None:
    """It was "No space left on device" of nothing, "Exception ignored in" and 120, or (help) no word at all."""
    code, said = on_a_full_disk(words.split(), buffering)
    assert (code, said) == (
        console.BAD_INPUT,
        "error (disk_error): Standard output: No space left on device.\n",
    )


LOST = "warning: Standard output: No space left on device. What was made is whole, but what is said of it is lost."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_disk_under_what_is_said_of_results_costs_those_words_alone(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path
) -> None:
    """Reports and reviews were not written, and the exit code was that of input that cannot work."""
    shot, report = make_shot(2), tmp_path / "report.json"
    words = ("--json", str(report), "--review", "--server", server.endpoint.address)
    code, said = on_a_full_disk(shot.command(*words))
    assert (code, said.splitlines()[-1], said.count("Standard output")) == (console.OK, LOST, 1)
    assert [frame["status"] for frame in json.loads(report.read_text())["frames"]] == ["done", "done"]
    assert len(list(tmp_path.rglob("*.html"))) == 1
    folder = tmp_path / "keys"
    for key, made in ((["server"], "server.json"), (["client", "anna"], "anna.json")):
        assert on_a_full_disk(["keys", *key, "--folder", str(folder)]) == (console.OK, f"{LOST}\n")
        assert (folder / made).is_file()
    assert on_a_full_disk(["farm", "stop", "--state", str(tmp_path / "none")])[0] == console.OK
    # The figures are what was asked for, but the report is there.
    matte, figures = shot.matte.replace("####", "1001"), tmp_path / "figures.json"
    code, said = on_a_full_disk(["evaluate", matte, matte, "--json", str(figures)])
    assert code == console.BAD_INPUT and "Standard output" in said
    assert json.loads(figures.read_text())["mean"]["sad"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' disks hold no such names")
@pytest.mark.parametrize(
    ("encoding", "letters"), [("utf-8", "\u00e9\u65e5"), ("ascii", "\\xe9\\u65e5"), ("cp1252", "\u00e9\\u65e5")]
)
def test_a_name_that_standard_output_cannot_write_is_written_in_text(
    encoding: str, letters: str, tmp_path: Path
) -> None:
    """Keys were made, and then the command ended with "surrogates not allowed" and exit code 1. Windows's encodings
    lack most of the world's letters."""
    folder = tmp_path / os.fsdecode(b"\xfcb\xc3\xa9\xe6\x97\xa5")
    words = [sys.executable, "-m", "matte_server", "keys", "server", "--folder", str(folder)]
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    ended = subprocess.run(words, capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (console.OK, b"")
    said = ended.stdout.decode(encoding)
    assert f"\\udcfcb{letters}" in said and (folder / "server.json").is_file()


def test_an_error_that_nobody_reads_is_not_that_frames_failed() -> None:
    script = f"set -o pipefail; {shlex.quote(sys.executable)} -m matte_server matte no.exr 2>&1 | true"
    assert subprocess.run(["bash", "-c", script], check=False).returncode == console.PIPE_CLOSED


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists them")
def test_no_file_takes_the_place_of_a_closed_stream() -> None:
    """What libraries print on standard error would be written into it."""
    code = (
        "import os, sys; from matte_server import __main__; sys.argv = ['cleanplate', 'version']; __main__.main();"
        "sys.exit(sum(os.readlink(f'/proc/self/fd/{each}') != os.devnull for each in (0, 1, 2)))"
    )
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(words, check=False).returncode == 0


def test_several_frames_for_one_standard_output_are_refused(
    make_shot: Callable[..., ShotFiles], capfd: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    assert cli.main(["matte", shot.plate, "--clean", shot.clean, "-o", "-"]) == console.BAD_INPUT
    assert "standard output is one file for 3 frames." in " ".join(capfd.readouterr().err.split())
