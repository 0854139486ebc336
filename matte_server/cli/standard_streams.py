"""``-`` in place of a file's name: one picture from standard input, one result to standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import MatteError
from . import console

STREAM = "-"
_INPUTS = ("plate", "clean", "background", "core", "holdout", "trimap")
_BEGINNINGS = {
    b"\x76\x2f\x31\x01": ".exr",
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"SDPX": ".dpx",
    b"XPDS": ".dpx",
}
"""How the files of each format begin."""


@contextmanager
def standard_streams(arguments: argparse.Namespace) -> Iterator[None]:
    """Puts files in place of ``-`` in a parsed command line: what standard input holds, and one for the result,
    whose bytes go to standard output at the end. What is printed goes to standard error then. Raises
    ``MatteError``: bad_option, unsupported_format."""
    inputs = [role for role in _INPUTS if getattr(arguments, role, "") == STREAM]
    to_output = getattr(arguments, "output", "") == STREAM
    if not inputs and not to_output:
        yield
        return
    _check(inputs, to_output)
    with TemporaryDirectory(prefix="cleanplate-") as folder:
        if inputs:
            setattr(arguments, inputs[0], str(_received(Path(folder))))
        if not to_output:
            yield
            return
        result = Path(folder) / "standard output.exr"
        arguments.output = str(result)
        with _printing_to_standard_error():
            yield
        if result.is_file():
            sys.stdout.buffer.write(result.read_bytes())
            sys.stdout.buffer.flush()


def _check(inputs: list[str], to_output: bool) -> None:
    if len(inputs) > 1:
        raise MatteError("bad_option", f"Standard input is one picture: {inputs[0]} or {inputs[1]}, not both.")
    if to_output and sys.stdout.isatty():
        raise MatteError("bad_option", "An EXR would go to the terminal.", "Add > FILE, or name a file with -o.")


def _received(folder: Path) -> Path:
    data = sys.stdin.buffer.read()
    suffix = next((suffix for start, suffix in _BEGINNINGS.items() if data.startswith(start)), None)
    if suffix is None:
        what = "no picture that is known here" if data else "nothing"
        raise MatteError(
            "unsupported_format", f"Standard input holds {what}.", "Send an EXR, PNG, JPEG, TIFF or DPX."
        )
    path = folder / f"standard input{suffix}"
    path.write_bytes(data)
    return path


@contextmanager
def _printing_to_standard_error() -> Iterator[None]:
    before = console.out.file
    console.out.file = sys.stderr
    try:
        yield
    finally:
        console.out.file = before
