"""``-`` in place of a file's name: one picture from standard input; one result or the report to standard output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import MatteError
from . import console

STREAM = "-"
INPUT, OUTPUT = "standard input", "standard output"
_INPUTS = ("plate", "clean", "background", "core", "holdout", "trimap")
_OUTPUTS = {"output": ".exr", "json": ".json"}
"""What can go to standard output, and the ending of the file that holds it until then."""
_BESIDE_OUTPUT = ("passes", "review", "watch")
"""What writes files beside OUT, or many results."""
_PICTURES = {
    b"\x76\x2f\x31\x01": ".exr",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"II+\0": ".tif",
    b"MM\0+": ".tif",
    b"SDPX": ".dpx",
    b"XPDS": ".dpx",
    b"\x80\x2a\x5f\xd7": ".cin",
}
"""How the files of each format begin."""
_VIDEOS = ((0, b"YUV4MPEG2"), (4, b"ftyp"), (4, b"moov"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI "))
"""At which byte, and with which bytes, videos begin: Y4M, MOV and MP4, MKV and WebM, AVI."""
_NEVER_INSIDE = (".exr", ".png")
"""Of these, the beginning of another file cannot occur inside one."""


class StreamNames:
    """How the files that stand for streams are called when people are told of them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def add(self, path: Path, name: str) -> str:
        """Has ``path`` called ``name``; returns the path as text."""
        self._names[str(path)] = name
        return str(path)

    def shown(self, text: str) -> str:
        """The text with the files' names replaced."""
        for path, name in self._names.items():
            # In JSON, the backslashes of Windows are doubled.
            text = text.replace(path, name).replace(path.replace("\\", "\\\\"), name)
        return text


@contextmanager
def standard_streams(arguments: argparse.Namespace) -> Iterator[StreamNames]:
    """Puts files in place of ``-`` in a parsed command line: what standard input holds, and one for a result or a
    report, whose bytes go to standard output at the end. What is printed goes to standard error then. Raises
    ``MatteError``: bad_option, unsupported_format."""
    names = StreamNames()
    inputs = [role for role in _INPUTS if getattr(arguments, role, "") == STREAM]
    outputs = [name for name in _OUTPUTS if getattr(arguments, name, "") == STREAM]
    if not inputs and not outputs:
        yield names
        return
    _check(arguments, inputs, outputs)
    with TemporaryDirectory(prefix="cleanplate-") as folder, _named(names):
        if inputs:
            setattr(arguments, inputs[0], names.add(_received(Path(folder)), INPUT))
        if not outputs:
            yield names
            return
        result = Path(folder) / f"output{_OUTPUTS[outputs[0]]}"
        setattr(arguments, outputs[0], names.add(result, OUTPUT))
        with _printing_to_standard_error():
            yield names
        if result.is_file():
            data = result.read_bytes()
            with console.output_named():
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def _check(arguments: argparse.Namespace, inputs: list[str], outputs: list[str]) -> None:
    if len(inputs) > 1:
        raise MatteError("bad_option", f"Standard input is one picture: {inputs[0]} or {inputs[1]}, not both.")
    if len(outputs) > 1:
        raise MatteError("bad_option", "Standard output is the result or the report, not both.", "Name a file.")
    if getattr(arguments, "watch", False) and inputs:
        raise MatteError("bad_option", "--watch needs a folder of pictures, and standard input is none.")
    if inputs and (sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()):
        raise MatteError("bad_option", "Nothing is sent to standard input.", "Add < FILE, or name a file.")
    if outputs and (sys.stdout is None or sys.stdout.closed):
        raise MatteError("bad_option", "Standard output is closed.", "Add > FILE, or name a file.")
    if "output" in outputs:
        _check_result(arguments)


def _check_result(arguments: argparse.Namespace) -> None:
    if sys.stdout.isatty():
        raise MatteError("bad_option", "An EXR would go to the terminal.", "Add > FILE, or name a file with -o.")
    beside = next((name for name in _BESIDE_OUTPUT if getattr(arguments, name, "")), None)
    if beside is not None:
        raise MatteError(
            "bad_option", f"--{beside} makes files beside OUT, and standard output is no file.", "Name one with -o."
        )


@contextmanager
def _named(names: StreamNames) -> Iterator[None]:
    """Errors speak of streams, not of the files that stand for them."""
    try:
        yield
    except MatteError as error:
        raise MatteError(error.code, names.shown(error.message), names.shown(error.hint)) from None


def _received(folder: Path) -> Path:
    data = sys.stdin.buffer.read()
    suffix = next((suffix for start, suffix in _PICTURES.items() if data.startswith(start)), "")
    if not suffix:
        raise MatteError(
            "unsupported_format",
            f"Standard input holds {_what_is_no_picture(data)}.",
            "Send an EXR, PNG, JPEG, TIFF, DPX or Cineon.",
        )
    # The version of an EXR is part of what every one of them begins with.
    if suffix in _NEVER_INSIDE and data.find(data[:8], 8) > 0:
        raise MatteError(
            "unsupported_format", "Standard input holds several pictures, and one is read from it.", "Name files."
        )
    path = folder / f"input{suffix}"
    path.write_bytes(data)
    return path


def _what_is_no_picture(data: bytes) -> str:
    if not data:
        return "nothing"
    is_video = any(data[at:].startswith(start) for at, start in _VIDEOS)
    return "a video, which must be named as a file" if is_video else "no picture that is known here"


@contextmanager
def _printing_to_standard_error() -> Iterator[None]:
    """The stream itself, so that a library or another process prints nothing between the pixels."""
    sys.stdout.flush()
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, sys.stdout.fileno())
        os.close(kept)
