"""Videos as plates, clean plates, backgrounds, results and comps, through the real command."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import main as cli
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear
from matte_server.io.media import VideoReader
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.server.local_server import LocalServer
from matte_server.shots.outputs import SCREEN
from tests.matte_server.io.test_media import with_sound
from tests.matte_server.video_files import PRORES_422_HQ

from .conftest import SIZE, ShotFiles, disc, plate_of, save, wall

RATE = Fraction(24000, 1001)


def on_screen(pixels: np.ndarray) -> Image:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    light = Image(np.ascontiguousarray(pixels, np.float32), ("R", "G", "B"), window, window)
    return from_scene_linear(light, SCREEN)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """A ProRes take of four frames, numbered from an hour on, with a tone."""
    tone = with_sound(tmp_path / "tone.mov")
    path = tmp_path / "take.mov"
    settings = MovieSettings(SIZE[1], SIZE[0], RATE, "01:00:00:00", audio=tone)
    with VideoWriter(path, settings, PRORES_422_HQ) as video:
        for number in range(4):
            # What a screen can show: the disc's red of 2 would be cut in the codec.
            video.write(on_screen(np.minimum(plate_of(wall(), number), 1.0)))
    exr.write_image(tmp_path / "clean.png", from_scene_linear(in_light(wall()), "srgb"))
    return path


def in_light(pixels: np.ndarray) -> Image:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return Image(np.ascontiguousarray(pixels, np.float32), ("R", "G", "B"), window, window)


def test_a_video_in_and_prores_with_alpha_and_a_comp_with_sound_out(
    take: Path, tmp_path: Path, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    matte, comp = tmp_path / "matte.mov", tmp_path / "comp.mp4"
    words = ["matte", str(take), "--clean", str(tmp_path / "clean.png"), "-o", str(matte), "--model", "difference"]
    words += ["--background", str(take), "--comp", str(comp), "--server", server.endpoint.address]
    assert cli.main(words) == 0
    with VideoReader(matte) as video:
        facts = video.facts
        assert (facts.frames, facts.rate, facts.timecode) == (4, RATE, "01:00:00:00")
        for number in range(4):
            alpha = video.read(number + 1).pixels[..., 3]
            # The soft rim is 3 of 160 pixels wide, and ProRes 4:2:2 blurs the plate's colour by two.
            assert np.abs(alpha - disc(number)[..., 0]).mean() < 0.02
    with VideoReader(comp) as video:
        assert (video.facts.frames, video.facts.has_audio, video.facts.codec) == (4, True, "h264")
        # The subject over its own plate is the plate again, within what H.264 keeps at this size.
        with VideoReader(take) as plate:
            assert np.abs(video.read(2).rgb - plate.read(2).rgb).mean() < 0.03
    frame = exr.read_image(tmp_path / "matte.mov.frames" / "matte.0003.exr")
    assert frame.metadata["timeCode"] == exr.RawAttribute(type="timecode", data=struct.pack("<II", 0x01000002, 0))
    # The timecode of EXRs reaches a video too.
    frames = str(tmp_path / "matte.mov.frames" / "matte.####.exr")
    third = ["matte", frames, *words[2:4], "-o", str(tmp_path / "third.mov"), "--frames", "3"]
    assert cli.main([*third, "--model", "difference", "--server", server.endpoint.address]) == 0
    with VideoReader(tmp_path / "third.mov") as video:
        assert (video.facts.rate, video.facts.timecode) == (RATE, "01:00:00:02")
    # Again: everything is there.
    before = (matte.read_bytes(), comp.read_bytes())
    capsys.readouterr()
    assert cli.main(words) == 0
    assert "4 already there" in (said := capsys.readouterr().out)
    assert said.count("already there") == 3
    assert (matte.read_bytes(), comp.read_bytes()) == before
    # A result of something else is not replaced unasked.
    matte.write_bytes(b"the client's own film")
    assert cli.main(words) == 1
    assert matte.read_bytes() == b"the client's own film"
    # A shot of one frame becomes a video as well.
    one = [word.replace("matte.mov", "one.mov").replace("comp.mp4", "one.mp4") for word in words]
    assert cli.main([*one, "--frames", "2"]) == 0
    with VideoReader(tmp_path / "one.mov") as video:
        assert video.facts.frames == 1


def test_a_frame_that_a_video_does_not_have_is_refused_unless_it_is_held(
    take: Path, tmp_path: Path, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The take's fourth and last picture is the clean plate of its first; the others have none."""
    words = ["matte", str(take), "--clean", str(take), "--clean-offset", "3", "-o", str(tmp_path / "m.####.exr")]
    words += ["--model", "difference", "--server", server.endpoint.address]
    assert cli.main(words) == 2
    assert "has 4 pictures, and frame 2 of the shot needs picture 5; nothing was started" in capsys.readouterr().err
    assert list(tmp_path.glob("m.*.exr")) == []
    assert cli.main([*words, "--clean-end", "hold"]) == 0
    assert len(list(tmp_path.glob("m.*.exr"))) == 4


@pytest.mark.parametrize("is_comp", [False, True], ids=["matte", "comp"])
def test_frames_of_two_sizes_end_a_video_as_soon_as_the_second_is_seen(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str], is_comp: bool
) -> None:
    """It was said when all frames were done."""
    shot = make_shot(3)
    save(shot.folder / "plate.1002.exr", plate_of(wall(), 1)[:-20])
    movie = shot.folder / "m.mov"
    words = [*shot.command(), "--server", server.endpoint.address]
    words += ["--background", shot.clean, "--comp", str(movie)] if is_comp else ["-o", str(movie)]
    assert cli.main(words) == 2
    printed = " ".join(capsys.readouterr().err.split())
    sizes = [f"frame 1001 is {SIZE[1]} x {SIZE[0]}", f"frame 1002 {SIZE[1]} x {SIZE[0] - 20}"]
    assert "(mixed_sizes)" in printed and "cannot hold frames of two sizes" in printed
    assert all(size in printed for size in sizes)
    assert ("Name --comp such as" if is_comp else "are kept in m.mov.frames") in printed
    assert not movie.exists()
    done = shot.folder / "out" / "matte.1001.exr" if is_comp else shot.folder / "m.mov.frames" / "matte.1001.exr"
    assert exr.is_whole(done)
