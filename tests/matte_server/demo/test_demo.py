"""``cleanplate demo`` as a stranger runs it: another process, a server of its own, files and figures at the end."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matte_link.sequence import FramePattern

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.core.image import Float32
from matte_server.demo.packaged import FRAMES, SIZE, demo_shot
from matte_server.io import exr

# Measured with the packaged network: 0.0093 over the frame and 0.074 in the band. A fifth more is let pass for
# other processors' arithmetic; a network that is worse than that has lost something.
FRAME_MAD, BAND_MAD = 0.0112, 0.089

# The command takes 16 s of CPU time; a loaded two-core machine has taken five minutes.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class DemoRun:
    """What a run of the command left."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The README's own command, as it is installed."""
    place = tmp_path_factory.mktemp("demo")
    command = [str(Path(sys.executable).with_name("cleanplate")), "demo"]
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=840, check=False)
    assert ended.returncode == 0, f"cleanplate demo failed:\n{ended.stdout}{ended.stderr}"
    return DemoRun(place / "cleanplate_demo", ended.stdout)


def channel(path: Path, name: str) -> Float32:
    found = exr.read_image(path)
    return found.pixels[..., found.channels.index(name) if name in found.channels else 0]


def frames(pattern: str) -> list[tuple[int, Path]]:
    numbers = FramePattern(pattern).frames_on_disk()
    return [(number, FramePattern(pattern).path(number)) for number in numbers]


def test_a_folder_that_cannot_be_written_is_refused_before_a_server_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "demo"
    taken.write_bytes(b"I was here first")
    assert cli.main(["demo", "-o", str(taken)]) == console.BAD_INPUT
    printed = capsys.readouterr()
    assert "cannot be written (Not a directory); nothing was started" in printed.err and "server" not in printed.out
    assert taken.read_bytes() == b"I was here first"


def test_the_shot_is_what_it_says() -> None:
    shot = demo_shot()
    assert len(frames(shot.plate)) == len(frames(shot.truth)) == FRAMES
    files = list(Path(shot.clean_plate).parent.iterdir())
    # Issue: at most 4 MB in the repository.
    assert sum(file.stat().st_size for file in files) <= 4_000_000
    for (_, plate), (_, truth) in zip(frames(shot.plate), frames(shot.truth), strict=True):
        light = exr.read_image(plate)
        assert light.rgb.shape == (SIZE[1], SIZE[0], 3) and light.rgb.max() > 2.0
        alpha = channel(truth, "A")
        assert alpha.min() == 0.0 and alpha.max() == 1.0
        # Hair: a tenth of the picture is neither one nor the other.
        assert ((alpha > 0.02) & (alpha < 0.98)).mean() > 0.08


def test_plate_and_clean_plate_differ_where_the_truth_says_that_she_is() -> None:
    """The truth is the plate's own: the two pictures differ under the subject, and by camera, exposure and noise
    elsewhere."""
    shot = demo_shot()
    _, plate = frames(shot.plate)[0]
    _, truth = frames(shot.truth)[0]
    difference = np.abs(exr.read_image(plate).rgb - exr.read_image(Path(shot.clean_plate)).rgb).mean(-1)
    alpha = channel(truth, "A")
    plaster = (slice(20, 160), slice(235, 310))
    assert alpha[plaster].max() == 0.0
    # The plate is 4 % brighter than the clean plate; the subject differs by a third of its light.
    assert np.median(difference[plaster]) < 0.25 * np.median(difference[alpha == 1.0])


def test_everything_is_written(demo: DemoRun) -> None:
    numbers = [number for number, _ in frames(demo_shot().plate)]
    for name in ("matte", "comp"):
        assert [number for number, _ in frames(str(demo.folder / f"{name}.####.exr"))] == numbers
    sheet = exr.read_image(demo.folder / "contact_sheet.png")
    assert sheet.pixels.shape[1] > 1500 and sheet.pixels.std() > 0.1
    said = demo.said.replace("\n", "")
    assert f"lie in {demo.folder.resolve()}:" in said
    for named in ("matte.####.exr", "comp.####.exr", "contact_sheet.png"):
        assert str(Path(demo.folder.name, named)) in said
    assert not list(demo.folder.rglob("*.tmp*"))


def test_the_matte_is_near_the_truth_and_the_command_says_how_near(
    demo: DemoRun, record_property: Callable[[str, object], None]
) -> None:
    record_property("figures", "cleanplate demo: " + " ".join(demo.said.partition("From the truth: ")[2].split()))
    truth = dict(frames(demo_shot().truth))
    pairs = [
        (channel(path, "A"), channel(truth[number], "A"))
        for number, path in frames(str(demo.folder / "matte.####.exr"))
    ]
    whole = float(np.mean([np.abs(found - true).mean() for found, true in pairs]))
    band = np.concatenate([np.abs(f - t)[(t > 0.02) & (t < 0.98)] for f, t in pairs])
    assert whole < FRAME_MAD and float(band.mean()) < BAND_MAD
    said = re.search(r"off by ([\d.]+) on average.*by\s+([\d.]+) in the hair", demo.said, re.DOTALL)
    assert said and float(said[1]) == pytest.approx(whole, abs=6e-5)
    assert float(said[2]) == pytest.approx(float(band.mean()), abs=6e-4)


def test_the_foreground_over_the_clean_plate_is_the_plate_again(demo: DemoRun) -> None:
    said = re.search(r"misses\s+the plate by ([\d.e+-]+) of its range", demo.said)
    # The median of partly covered pixels, where the foreground is quiet instead of exact: how far it departs grows
    # with the error that the network expects of its alpha. Measured 1.0e-3 with the packaged network, and a fifth
    # more is let pass as above.
    assert said and float(said[1]) <= 1.2e-3


def test_the_comp_holds_light_above_one_and_the_new_background(demo: DemoRun) -> None:
    shot = demo_shot()
    number, comp = frames(str(demo.folder / "comp.####.exr"))[0]
    behind, shown = exr.read_image(Path(shot.background)).rgb, exr.read_image(comp).rgb
    alpha = channel(FramePattern(str(demo.folder / "matte.####.exr")).path(number), "A")
    clear = alpha == 0.0
    assert clear.mean() > 0.2 and shown.max() > 1.5
    # Half floats: 11 bits.
    np.testing.assert_allclose(shown[clear], behind[clear], rtol=1e-3, atol=1e-4)
