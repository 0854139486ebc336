"""Lines that libraries print by themselves do not stand among a command's own."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli.main import main
from tests.matte_server import picture_files as files

_READS_IT = """
import contextlib, sys, warnings
import OpenImageIO as oiio
from PIL import TiffImagePlugin
from matte_server.cli.library_output import libraries_silenced

with libraries_silenced() if sys.argv[2] == "silent" else contextlib.nullcontext():
    reader = oiio.ImageInput.open(sys.argv[1])
    assert reader.read_image() is None and "IDAT" in reader.geterror()
    warnings.warn_explicit("a tag is damaged", UserWarning, "a.py", 1, module=TiffImagePlugin.__name__)
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


def test_a_command_without_standard_error_works() -> None:
    program = "from matte_server.cli.main import main; import sys; sys.argv[1:] = ['version']; sys.exit(main())"
    found = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, program], stdout=subprocess.PIPE, check=False
    )
    assert found.returncode == 0 and found.stdout.startswith(b"cleanplate ")


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_a_command_says_in_one_sentence_that_a_picture_is_damaged(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        path = tmp_path / f"p.{number}{suffix}"
        if suffix == ".png":
            damaged_png(path)
        else:
            files.exr(path, files.planes(np.random.default_rng(3).random((40, 40, 3))))
            path.write_bytes(path.read_bytes()[:4000])
    assert main(["build-plate", str(tmp_path / f"p.#{suffix}"), "-o", str(tmp_path / "clean.exr")]) == 2
    printed = capfd.readouterr().err
    assert printed.count("cannot be read") == 1 and "libpng" not in printed and "EXR_ERR" not in printed
    os.write(2, b"as before")
    assert capfd.readouterr().err == "as before"
