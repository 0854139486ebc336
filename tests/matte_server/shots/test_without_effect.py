"""What is given and changes nothing is said, once, and nothing else is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.io import exr
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.shots.arguments import ShotOrder
from matte_server.shots.solve_file import update_solve_file
from matte_server.shots.without_effect import without_effect
from tests.matte_server.io.test_luma_chroma import luma_chroma, smooth, write_parts

from .conftest import save


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("c.exr", "p.1001.exr", "p.1002.exr", "core.1001.exr", "faces/a.exr", "faces/b.exr"):
        save(tmp_path / name, np.zeros((4, 4, 3)))
    update_solve_file(tmp_path / "solve.json", None, {}, {})
    write_parts(tmp_path / "eyes.exr", {"left": luma_chroma(smooth())}, view_of_part=True)
    picture = exr.read_image(save(tmp_path / "picture.exr", np.zeros((16, 16, 3))))
    with VideoWriter(tmp_path / "v.mov", MovieSettings(16, 16, Fraction(25))) as video:
        video.write(picture)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(output: str = "m.####.exr", plate: str = "p.####.exr", **given: Any) -> list[str]:
    names = set(given) & set(ShotOrder.__dataclass_fields__)
    options = MatteOptions(**{name: value for name, value in given.items() if name not in names})
    words = {"clean": "c.exr", **{name: given[name] for name in names}}
    order = ShotOrder(plate=plate, output=output, options=options, **words)
    return without_effect(order, order.plan())


IS_NONE = "changes nothing: that is for EXRs, and"
NO_SHOT = "p.1001.exr has no frames of one shot."
STILL = "is neither a sequence nor a video."


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"output": "m.####.png", "bit_depth": "float"}, f"--bit-depth {IS_NONE} .png is none."),
        ({"output": "m.####.TIF", "compression": "piz"}, f"--compression {IS_NONE} .tif is none."),
        (
            {"output": "m.####.png", "bit_depth": "float", "compression": "piz"},
            "--bit-depth and --compression change nothing: that is for EXRs, and .png is none.",
        ),
        (
            {"output": "m.####.png", "premultiplied": True},
            "--premultiplied changes nothing: the colour of a PNG is unpremultiplied.",
        ),
        (
            {"model": "difference", "weights": "w.pth", "precision": "float32"},
            "--weights and --precision change nothing: the model difference has no network.",
        ),
        (
            {"plate": "p.1001.exr", "output": "m.exr", "frames": "5"},
            "--frames changes nothing: p.1001.exr is one picture, and so is every other file.",
        ),
        ({"plate": "p.1001.exr", "temporal": 0.5}, f"--temporal changes nothing: {NO_SHOT}"),
        ({"plate": "p.1001.exr", "camera": "moving"}, f"--camera changes nothing: {NO_SHOT}"),
        (
            {"plate": "faces", "output": "out", "temporal": 0.5, "camera": "locked", "solve": "solve.json"},
            "--temporal, --camera and --solve change nothing: faces has no frames of one shot.",
        ),
        (
            {"solve": "solve.json", "camera": "locked", "align": "none", "match_exposure": False},
            "--camera, --align and --no-match-exposure change nothing: solve.json says how the clean plate lies.",
        ),
        (
            {"plate": "p.1001.exr", "solve": "solve.json", "camera": "locked"},
            "--camera changes nothing: solve.json says how the clean plate lies.",
        ),
        ({"deinterlace": True}, "--deinterlace changes nothing: no file of the shot is a video."),
        ({"view": "left"}, "--view changes nothing: neither plate nor clean plate is an EXR with views."),
        ({"clean_offset": 3}, f"--clean-offset changes nothing: c.exr {STILL}"),
        *(
            ({role: "c.exr", f"{role}_end": "hold", f"{role}_offset": 1},
             f"--{role}-offset and --{role}-end change nothing: c.exr {STILL}")
            for role in ("core", "holdout", "trimap")
        ),
        ({"background": "c.exr", "comp": "x.####.png", "background_end": "hold"},
         f"--background-end changes nothing: c.exr {STILL}"),
        ({"plate": "faces", "output": "out", "clean": "faces/a.exr", "clean_end": "loop"},
         f"--clean-end changes nothing: faces/a.exr {STILL}"),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_said(folder: Path, given: dict[str, Any], sentence: str) -> None:
    assert said(**given) == [sentence]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"bit_depth": "float", "compression": "piz", "premultiplied": True},
        {"output": "m.mov", "bit_depth": "float", "compression": "piz", "layer_shadow": True},
        {"output": "m.####.tif", "premultiplied": True},
        {"plate": "faces", "output": "out", "bit_depth": "float", "compression": "piz"},
        {"weights": "w.pth", "precision": "float32", "temporal": 1.0, "camera": "moving"},
        {"solve": "solve.json"},
        {"plate": "p.1001.exr", "output": "m.exr", "frames": "1001"},
        {"plate": "p.1001.exr", "frames": "5"},
        {"plate": "c.exr", "clean": "p.####.exr", "output": "m.exr", "frames": "1002"},
        {"plate": "p.1001.exr", "solve": "solve.json"},
        {"clean": "eyes.exr", "view": "left"},
        {"plate": "eyes.exr", "view": "left"},
        {"clean": "v.mov", "clean_frame": "1", "deinterlace": True},
        {"core": "core.####.exr", "core_end": "hold", "core_offset": 1},
    ],
)
def test_what_changes_something_is_not(folder: Path, given: dict[str, Any]) -> None:
    assert said(**given) == []
