"""Lines that libraries print by themselves do not stand among a command's own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from matte_server.cli.main import main
from matte_server.io.exr_header import chunk_offsets
from matte_server.io.library_output import libraries_silenced, output_silenced
from tests.matte_server import picture_files as files

_READS_IT = """
import contextlib, sys, warnings
import OpenImageIO as oiio
from PIL import TiffImagePlugin
from matte_server.io.exr_header import chunk_offsets
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_the_standard_output_of_a_process_that_is_forked_meanwhile_is_not_silent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with output_silenced():
        if not (child := os.fork()):
            print("of the child", flush=True)
            os.write(1, b"and of its libraries")
            os._exit(0)
        os.waitpid(child, 0)
        os.write(1, b"of a library")
    assert capfd.readouterr().out == "of the child\nand of its libraries"


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


_READS_WHILE_PRINTING = """
import ctypes, os, sys, threading
from pathlib import Path
from matte_server.errors import MatteError
from matte_server.io import exr

c = ctypes.CDLL(None)
c.puts(b"of C before")
print("of Python before")

def write():
    while not is_done:
        print("meanwhile")

is_done = False
thread = threading.Thread(target=write)
thread.start()
try:
    exr.read_image(Path(sys.argv[1]))
except MatteError:
    pass
is_done = True
thread.join()
c.puts(b"of C after")
print("of Python after", sys.stdout.fileno(), sys.stdout.name)
"""


_READS_IT_LOUD = """
import contextlib, sys
import OpenEXR, OpenImageIO as oiio
oiio.ImageInput.open(sys.argv[1]).read_image()
with contextlib.suppress(RuntimeError):
    OpenEXR.File(sys.argv[1], separate_channels=True)
"""


def shortened_htj2k(path: Path) -> None:
    """The only chunk lacks a tenth of its end, and its size says so."""
    random = np.random.default_rng(0)
    header = {"compression": OpenEXR.HTJ2K256_COMPRESSION, "type": OpenEXR.scanlineimage}
    planes = {plain: random.random((44, 320)).astype(np.float16) for plain in "RGB"}
    OpenEXR.File(header, planes).write(str(path))
    data = bytearray(path.read_bytes())
    (begin,) = chunk_offsets(bytes(data)) or (0,)
    (size,) = struct.unpack_from("<i", data, begin + 4)
    struct.pack_into("<i", data, begin + 4, size * 9 // 10)
    path.write_bytes(data[: begin + 8 + size * 9 // 10])


def cut_luma_chroma(path: Path) -> None:
    planes = {name: np.ones((8, 8), np.float16) for name in ("Y", "RY", "BY")}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(path))
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.skipif(os.name == "nt", reason="C's library has another name there")
@pytest.mark.parametrize(
    ("write", "line"), [(shortened_htj2k, "ojph info"), (cut_luma_chroma, "Warning: Exception raised")]
)
def test_libraries_print_nothing_to_standard_output(
    tmp_path: Path, write: Callable[[Path], None], line: str
) -> None:
    """A result or a report that went there had a line of theirs inside."""
    path = tmp_path / "a.exr"
    write(path)

    # Without a buffer, a piece that another thread writes just then may be lost.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

    def printed(program: str) -> str:
        command = [sys.executable, "-c", program, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    assert line in printed(_READS_IT_LOUD)  # otherwise there would be nothing to keep out
    lines = printed(_READS_WHILE_PRINTING).splitlines()
    assert "meanwhile" in lines
    # C and Python keep what they print each for itself, so the order is not that of time.
    assert sorted(set(lines) - {"meanwhile"}) == [
        "of C after",
        "of C before",
        "of Python after 1 <stdout>",
        "of Python before",
    ]


_PRINTS_ITSELF = """
import ctypes, os, sys, threading
from matte_server.io.library_output import output_silenced

c, before = ctypes.CDLL(None), sys.stdout
c.puts(b"of C before")
with output_silenced():
    with output_silenced():
        c.puts(b"of a library")
        print("of a module")
    os.write(1, b"of another library")
    print("of another module")
    thread = threading.Thread(target=print, args=("of another thread",))
    thread.start()
    thread.join()
c.puts(b"of C after")
print("of Python after")
assert sys.stdout is before
"""


@pytest.mark.skipif(os.name == "nt", reason="C's library has another name there")
def test_only_what_this_thread_and_libraries_print_is_dropped() -> None:
    # Without this variable, C keeps what it prints until much has come together.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", _PRINTS_ITSELF]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=buffered).stdout
    assert sorted(found.splitlines()) == ["of C after", "of C before", "of Python after", "of another thread"]


def test_what_stands_in_for_standard_output_is_never_freed() -> None:
    """print() of another thread uses it without a reference, until Python 3.13: that crashed the process."""
    seen = []
    for _ in range(2):
        with output_silenced():
            seen.append(sys.stdout)
        assert sys.stdout is not seen[0]
    assert seen[0] is seen[1]
