"""Frames that are of another kind than the others of their shot are named, once, and made as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import main as cli
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots.reports import FrameReport, ResultStatus
from matte_server.shots.unlike_frames import kind_of, unlike, unlike_frames

from .conftest import ShotFiles, disc, plate_of, save, wall

HD = ("1920 x 1080", "pixel aspect 1", "ACEScg", "colour")
PROXY = ("960 x 540", "pixel aspect 1", "ACEScg", "colour")


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ({1: HD, 2: HD, 3: HD}, ""),
        ({}, ""),
        ({1: HD, 2: (), 3: HD}, ""),
        (
            {1: HD, 2: PROXY, 3: HD},
            "The plate of frame 2 differs from most: 960 x 540 instead of 1920 x 1080; look whether it belongs to "
            "the shot.",
        ),
        (
            {1: HD, 2: HD, 3: HD, 5: (*HD[:2], "sRGB", "grey (Y)"), 6: (*HD[:2], "sRGB", "grey (Y)")},
            "The plates of frames 5-6 differ from most: sRGB instead of ACEScg, grey (Y) instead of colour; look "
            "whether they belong to the shot.",
        ),
        (
            {1: PROXY, 2: HD, 3: HD, 4: (*HD[:1], "pixel aspect 2", *HD[2:])},
            "The plate of frame 1 differs from most: 960 x 540 instead of 1920 x 1080; look whether it belongs to "
            "the shot. The plate of frame 4 differs in another way.",
        ),
        (
            {**dict.fromkeys(range(1, 9), HD), 2: PROXY, 3: PROXY, 5: ("1 x 1", *HD[1:]), 6: ("2 x 2", *HD[1:])},
            "The plates of frames 2-3 differ from most: 960 x 540 instead of 1920 x 1080; look whether they belong "
            "to the shot. The plates of frames 5-6 differ in another way.",
        ),
        (
            {1: HD, 2: PROXY, 3: ()},
            "The plate of frame 2 differs from others: 960 x 540 instead of 1920 x 1080; look whether it belongs "
            "to the shot.",
        ),
    ],
)
def test_the_frames_that_differ_are_named_with_what_is_usual(
    kinds: dict[int, tuple[str, ...]], sentence: str
) -> None:
    assert unlike(kinds, "plate") == sentence


def report_of(number: int, clean: str, width: int, name: str = "") -> FrameReport:
    kind = {
        "display_window": [0, 0, width, 100],
        "pixel_aspect": 1.0,
        "colourspace": "ACEScg",
        "channels": ["R", "G", "B"],
    }
    return FrameReport(
        frame=number,
        name=name,
        status=ResultStatus.DONE,
        output="m.exr",
        diagnostics={"pictures": {"plate": kind, "clean_plate": kind}},
        files={"plate": f"p.{number}.exr", "clean_plate": clean},
    )


def test_a_clean_plate_of_all_frames_is_compared_with_no_other() -> None:
    shared = [report_of(1, "clean.exr", 160), report_of(2, "clean.exr", 80), report_of(3, "clean.exr", 160)]
    assert [sentence[:21] for sentence in unlike_frames(shared)] == ["The plate of frame 2 "]
    each = [report_of(1, "c.1.exr", 160), report_of(2, "c.2.exr", 80), report_of(3, "c.3.exr", 160)]
    assert [sentence[:27] for sentence in unlike_frames(each)] == [
        "The plate of frame 2 differ",
        "The clean plate of frame 2 ",
    ]


def test_portraits_may_be_of_any_size_and_older_results_say_nothing() -> None:
    assert not unlike_frames([report_of(1, "c.exr", 160, name="a.jpg"), report_of(2, "c.exr", 80, name="b.jpg")])
    older = [FrameReport(frame=number, status=ResultStatus.SKIPPED, output="m.exr") for number in (1, 2)]
    assert not unlike_frames([*older, report_of(3, "clean.exr", 80)])


def test_the_kind_of_a_picture_in_words() -> None:
    facts = {"display_window": [-8, 4, 64, 48], "pixel_aspect": 1.5, "colourspace": "S", "channels": ["Y"] * 3}
    assert kind_of(facts) == ("64 x 48 at -8, 4", "pixel aspect 1.5", "S", "grey (Y)")
    assert kind_of({}) == () == kind_of({"display_window": [0, 0], "pixel_aspect": 1.0})


def save_as(path: Path, pixels: np.ndarray, display: Window | None = None, aspect: float = 1.0) -> None:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    image = Image(
        np.ascontiguousarray(pixels, np.float32),
        ("R", "G", "B"),
        window,
        display or window,
        pixel_aspect=aspect,
    )
    exr.write_image(path, image)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("proxy", "80 x 60 instead of 160 x 120"),
        ("aspect", "pixel aspect 2 instead of pixel aspect 1"),
        ("display window", "200 x 120 instead of 160 x 120"),
        ("colourspace", "ACEScg instead of scene-linear Rec.709"),
        ("grey", "grey (Y) instead of colour"),
        ("data window", ""),
    ],
)
def test_a_frame_that_strayed_in_is_named_once_and_made_and_a_crop_is_not(
    make_shot: Callable[..., ShotFiles],
    server: LocalServer,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    words: str,
) -> None:
    shot = make_shot(3)
    odd, pixels = Path(shot.plate.replace("####", "1002")), plate_of(wall(), 1)
    if kind == "proxy":
        save(odd, pixels[::2, ::2])
    elif kind == "aspect":
        save_as(odd, pixels, aspect=2.0)
    elif kind == "display window":
        save_as(odd, pixels, display=Window(0, 0, 200, 120))
    elif kind == "data window":
        save_as(odd, pixels[:100, :150], display=Window(0, 0, 160, 120))
    elif kind == "colourspace":
        save(odd, pixels, {"colorInteropID": exr.Attribute(type="string", value="lin_ap1_scene")})
    else:
        window = Window(0, 0, 160, 120)
        exr.write_image(odd, Image(np.ascontiguousarray(pixels[..., :1]), ("Y",), window, window))
    assert cli.main([*shot.command(), "--server", server.endpoint.address]) == 0
    for _ in range(2):
        # Made, and then again from what is there.
        printed = capsys.readouterr().err
        assert printed.count("differ") == (1 if words else 0), printed
        assert not words or f"The plate of frame 1002 differs from most: {words}; look" in " ".join(printed.split())
        assert cli.main([*shot.command(), "--server", server.endpoint.address]) == 0
    made = exr.read_image(Path(shot.matte.replace("####", "1002")))
    assert made.display_window == exr.read_image(odd).display_window
    if kind in ("aspect", "display window"):
        # The disc's edge is 3 px wide: a matte that is 1% off on average has lost or gained a rim of it.
        assert np.abs(made.pixels[..., 3:] - disc(1)).mean() < 0.01
