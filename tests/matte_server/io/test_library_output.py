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
from matte_server.io.library_output import libraries_silenced
from tests.matte_server import picture_files as files

_READS_IT = """
import contextlib, sys, warnings
import OpenImageIO as oiio
from PIL import TiffImagePlugin
from matte_server.io.library_output import libraries_silenced

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


_READS_IN_THREADS = """
import logging, os, sys, threading, time, warnings
import cleanplate

handler = logging.StreamHandler()
logging.getLogger().addHandler(handler)
warnings.warn("once")
filters = list(warnings.filters)

def read(path):
    for _ in range(4):
        try:
            cleanplate.matte(path, path)
        except cleanplate.CleanplateError as error:
            assert error.code == "unreadable"

threads = [threading.Thread(target=read, args=(path,)) for path in sys.argv[1:] * 2]
for thread in threads:
    thread.start()
while True:
    logging.warning("of the user")
    sys.stderr.write("without an end; ")
    time.sleep(0.001)
    if not any(thread.is_alive() for thread in threads):
        break
for thread in threads:
    thread.join()
warnings.warn("twice")
assert warnings.filters == filters and sys.stderr.name == "<stderr>" and sys.stderr.fileno() == 2
os.write(2, b"as before\\n")
"""


def test_the_python_interface_leaves_the_users_standard_error(tmp_path: Path) -> None:
    """Read in several threads, damaged pictures add no line, and none of the program's own is lost."""
    damaged_png(tmp_path / "damaged.png")
    cut = tmp_path / "cut.exr"
    files.exr(cut, files.planes(np.random.default_rng(3).random((40, 40, 3))))
    cut.write_bytes(cut.read_bytes()[:4000])
    command = [sys.executable, "-c", _READS_IN_THREADS, str(tmp_path / "damaged.png"), str(cut)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = found.stderr.replace("without an end; ", "").splitlines()
    assert found.returncode == 0, found.stderr
    assert lines[0].endswith("UserWarning: once") and lines[-2].endswith("UserWarning: twice")
    assert lines[-1] == "as before"
    written = lines[1:-2]
    assert set(written) == {"of the user"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_is_forked_meanwhile_is_not_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with libraries_silenced():
        if not (child := os.fork()):
            os.write(2, b"of the child")
            os._exit(0)
        os.waitpid(child, 0)
        os.write(2, b"of a library")
    assert capfd.readouterr().err == "of the child"


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
