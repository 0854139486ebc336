"""Lines that libraries print by themselves do not stand among a command's own."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

from tests.matte_server import picture_files as files

_READS_IT = """
import os, sys, warnings
import OpenImageIO as oiio
from PIL import TiffImagePlugin
from matte_server.cli.library_output import silence_libraries

if sys.argv[2] == "silent":
    silence_libraries()
reader = oiio.ImageInput.open(sys.argv[1])
assert reader.read_image() is None and "IDAT" in reader.geterror()
warnings.warn_explicit("a tag is damaged", UserWarning, "TiffImagePlugin.py", 1, module=TiffImagePlugin.__name__)
print("a sentence of the command", file=sys.stderr)
raise SystemExit("and its last")
"""


def damaged_png(path: Path) -> None:
    """A complete PNG with right checksums, whose compressed data are none."""
    files.png(path, np.full((8, 8, 3), 0.5))
    data = path.read_bytes()
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    chunk = b"IDAT" + bytes(size)
    path.write_bytes(data[:at] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[at + 8 + size :])


def test_what_libraries_print_is_no_line_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "damaged.png"
    damaged_png(path)
    printed = {}
    for mode in ("silent", "loud"):
        command = [sys.executable, "-c", _READS_IT, str(path), mode]
        printed[mode] = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert printed["silent"] == "a sentence of the command\nand its last\n"
    # Otherwise there would be nothing to keep out.
    assert "libpng error" in printed["loud"] and "UserWarning" in printed["loud"]


def test_a_command_says_in_one_sentence_that_a_picture_is_damaged(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        damaged_png(tmp_path / f"p.{number}.png")
    command = [sys.executable, "-m", "matte_server", "build-plate", str(tmp_path / "p.#.png"), "-o"]
    found = subprocess.run(
        [*command, str(tmp_path / "clean.exr")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert found.returncode == 2
    assert "libpng" not in found.stderr and found.stderr.count("cannot be read") == 1
