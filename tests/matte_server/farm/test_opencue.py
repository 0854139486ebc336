"""The outline, built by OpenCue's own code; its command run chunk by chunk as Cuebot would fill it in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from matte_server.server.local_server import LocalServer

from .conftest import FIRST, FRAMES, FarmShot, run

Make = Callable[..., Path]


def _specification(python: str, folder: Path, home: Path) -> ElementTree.Element:
    """What would go to Cuebot: pyoutline loads the layers, checks names, ranges and arguments, and serialises."""
    said = run(python, str(folder / "submit.py"), "--check", env={"HOME": str(home), "USER": "artist"})
    return ElementTree.fromstring(said[said.index("<spec>") :])


def _chunks(python: str, layer: ElementTree.Element) -> list[tuple[str, str]]:
    """First and last frame of each chunk, by OpenCue's own FrameSet."""
    script = "import sys, FileSequence as f; s = list(f.FrameSet(sys.argv[1])); c = int(sys.argv[2]); "
    script += "[print(s[i], s[min(i + c, len(s)) - 1]) for i in range(0, len(s), c)]"
    said = run(python, "-c", script, str(layer.findtext("range")), str(layer.findtext("chunk")))
    return [(first, last) for first, last in (line.split() for line in said.splitlines())]


@pytest.mark.parametrize("chunk", [3, 50])
def test_the_outlines_command_makes_the_same_bytes(
    opencue_python: str,
    bundle: Make,
    shot: FarmShot,
    truth: dict[str, str],
    server: LocalServer,
    tmp_path: Path,
    chunk: int,
) -> None:
    output = f"opencue{chunk}"
    folder = bundle("opencue", output, "--chunk", str(chunk), "--server", server.endpoint.address)
    spec = _specification(opencue_python, folder, tmp_path)
    [layer] = spec.iter("layer")
    assert (layer.findtext("range"), layer.findtext("chunk")) == (f"{FIRST}-{FIRST + FRAMES - 1}", str(chunk))
    environment = {str(key.get("name")): str(key.text) for key in layer.iter("key")}
    assert environment == {"CLEANPLATE_SERVER": server.endpoint.address}
    command = str(layer.findtext("cmd"))
    chunks = _chunks(opencue_python, layer)
    assert len(chunks) == -(-FRAMES // chunk)
    for first, last in chunks:
        filled = command.replace("#FRAMESPEC#", f"{first}-{last}")
        run("bash", "-c", filled, env=environment)
    assert shot.results(output) == truth


def test_a_part_of_the_shot_is_told_which_frames_the_whole_has(
    opencue_python: str, bundle: Make, tmp_path: Path
) -> None:
    folder = bundle("opencue", "part", "--frames", f"{FIRST}-{FIRST + 2}")
    [layer] = _specification(opencue_python, folder, tmp_path).iter("layer")
    assert layer.findtext("range") == f"{FIRST}-{FIRST + 2}"
    assert f"--shot-frames={FIRST}-{FIRST + FRAMES - 1}" in str(layer.findtext("cmd")).split()


def test_an_outline_that_opencue_refuses_is_seen(opencue_python: str, bundle: Make, tmp_path: Path) -> None:
    """The check is OpenCue's: a layer without a command does not pass it."""
    folder = bundle("opencue", "refused")
    outline = folder / "outline.json"
    outline.write_text(outline.read_text().replace('"command"', '"order"'))
    done = subprocess.run([opencue_python, str(folder / "submit.py"), "--check"], capture_output=True, text=True,
                          env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})  # fmt: skip
    assert done.returncode != 0 and "command" in done.stderr
