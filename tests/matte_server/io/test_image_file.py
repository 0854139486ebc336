"""Pictures that lie in memory for libraries that take files only, and how large a picture may be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.image_file import ReadLimits, check_size, in_display_window
from tests.matte_server import picture_files as files

_KILLED = """
import os, signal
from matte_server.io.image_file import temporary_picture

with temporary_picture(".exr") as path:
    path.write_bytes(bytes(1 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a file in the temporary folder")
def test_a_killed_command_leaves_no_picture_behind(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    before = set(memory.iterdir())
    done = subprocess.run([sys.executable, "-c", _KILLED], env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == -signal.SIGKILL and not list(tmp_path.iterdir())
    assert not [path for path in set(memory.iterdir()) - before if "picture" in path.name]


@pytest.mark.parametrize(
    ("data", "display", "channels"),
    [
        (Window(0, 0, 11, 1), Window(0, 0, 1, 1), 4),
        (Window(0, 0, 1, 11), Window(0, 0, 1, 1), 4),
        (Window(0, 0, 1, 1), Window(0, 0, 11, 1), 4),
        (Window(0, 0, 9, 9), Window(0, 0, 9, 9), 4),
        (Window(0, 0, 8, 10), Window(0, 0, 10, 10), 5),
    ],
)
def test_a_picture_beyond_a_limit_is_refused(data: Window, display: Window, channels: int) -> None:
    limits = ReadLimits(side=10, pixels=80, channels=4)
    check_size(Window(0, 0, 8, 10), Window(0, 0, 10, 10), 4, "a.exr", limits)
    with pytest.raises(MatteError) as caught:
        check_size(data, display, channels, "a.exr", limits)
    window = "" if data == display else f" in a display window of {display.width} x {display.height}"
    said = f"a.exr is {data.width} x {data.height}{window} with {channels} channels, more than this server takes"
    assert caught.value.code == "too_large" and caught.value.message.startswith(said)


def test_a_display_window_that_no_memory_holds_is_refused() -> None:
    pixel, plane = Window(0, 0, 1, 1), Window(0, 0, 30000, 20000)
    with pytest.raises(MatteError, match="30000 x 20000, is too large"):
        in_display_window(Image(np.zeros((1, 1, 3), np.float32), ("R", "G", "B"), pixel, plane))


@pytest.mark.parametrize("is_supported", [True, False])
def test_what_to_do_about_a_file_that_cannot_be_read(tmp_path: Path, is_supported: bool) -> None:
    """To copy again a JPEG of 12 bits, which the library does not read, would not help."""
    path = tmp_path / "a.jpg"
    files.pillow(path, np.full((16, 16, 3), 0.5))
    data = bytearray(path.read_bytes())
    if is_supported:
        del data[len(data) // 2 :]
    else:
        data[data.index(b"\xff\xc0") + 4] = 12
    path.write_bytes(data)
    with pytest.raises(MatteError) as refused:
        exr.read_image(path)
    assert refused.value.hint.startswith("It may be truncated" if is_supported else "Convert it")


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_still_says_which_of_its_channels_are_its_colour(tmp_path: Path, suffix: str) -> None:
    for name, shape in (("grey", (6, 8)), ("colour", (6, 8, 3))):
        cv2.imwrite(str(tmp_path / f"{name}.{suffix}"), np.zeros(shape, np.uint8))
    assert exr.read_image(tmp_path / f"grey.{suffix}").read_from == ("Y", "Y", "Y")
    assert exr.read_image(tmp_path / f"colour.{suffix}").read_from == ("R", "G", "B")
