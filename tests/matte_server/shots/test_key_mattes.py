"""What may name the key mattes of a shot, and what names none, or too many."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.shots.key_mattes import KeyMatte, key_mattes, unused_keys
from matte_server.shots.plan import plan_shot
from matte_server.shots.shot import ShotFrame, ShotSources


def touched(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def shot_frames(folder: Path) -> tuple[ShotFrame, ...]:
    """Frames 1001 to 1003."""
    touched(folder, "clean.exr", *(f"plate.{frame}.exr" for frame in (1001, 1002, 1003)))
    sources = ShotSources(
        plate=str(folder / "plate.####.exr"), clean_plate=str(folder / "clean.exr"), output=str(folder / "o.exr")
    )
    return plan_shot(sources, "", MatteOptions(), one_output=True).frames


@pytest.mark.parametrize("named", [["mended.##.v##.exr"], ["--5=mended.exr"]])
def test_a_key_that_names_no_frame_is_refused_in_words(named: list[str]) -> None:
    with pytest.raises(MatteError):
        key_mattes(named, "", ())


def test_a_mask_with_two_frame_numbers_is_refused_in_words() -> None:
    with pytest.raises(MatteError, match="more than one frame number"):
        key_mattes([], "mask.##.v##.exr", ())


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (["m.####.exr"], (1001, 1002)),
        (["m.%04d.exr"], (1001, 1002)),
        (["m.*.exr"], (1001, 1002)),
        (["1002=m.####.exr"], (1002,)),
        (["1001-1002=m.####.exr"], (1001, 1002)),
        (["1001=m.1001.exr", "m.####.exr"], (1001, 1002)),
    ],
)
def test_the_same_files_may_be_named_in_many_ways(tmp_path: Path, named: list[str], found: tuple[int, ...]) -> None:
    frames = shot_frames(tmp_path)
    touched(tmp_path, "m.1001.exr", "m.1002.exr", "m.2001.exr")
    names = [name.replace("m.", f"{tmp_path}/m.", 1) for name in named]
    assert key_mattes(names, "", frames) == {frame: KeyMatte(matte=tmp_path / f"m.{frame}.exr") for frame in found}
    assert unused_keys(names, frames) == ([] if "=" in named[-1] else [2001])


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (["1001=m.1001.exr", "1001=m.1002.exr"], "Frame 1001 has two key mattes, .*m.1001.exr and .*m.1002.exr"),
        (["m.####.exr", "1001=m.1002.exr"], "Frame 1001 has two key mattes"),
        (["1001-1003=m.####.exr"], "m.1003.exr does not exist"),
        (["1001-1003"], "1001-1003 does not say which frame"),
        ([""], "--key '' names no file"),
        (["1001="], "names no file"),
    ],
)
def test_no_frame_has_two_keys_and_no_key_is_left_out_silently(
    tmp_path: Path, named: list[str], sentence: str
) -> None:
    frames = shot_frames(tmp_path)
    touched(tmp_path, "m.1001.exr", "m.1002.exr")
    with pytest.raises(MatteError, match=sentence):
        key_mattes([name.replace("m.", f"{tmp_path}/m.", 1) for name in named], "", frames)


def test_key_mattes_of_portraits_and_their_masks_are_found_by_name(tmp_path: Path) -> None:
    touched(tmp_path, "booth/anna.png", "booth/bert.png", "mended/bert.exr", "right/bert.tif", "other/carl.png")
    (tmp_path / "clean.png").touch()
    sources = ShotSources(
        plate=str(tmp_path / "booth"), clean_plate=str(tmp_path / "clean.png"), output=str(tmp_path / "out")
    )
    frames = plan_shot(sources, "", MatteOptions(), one_output=True).frames
    mended, right, other = (str(tmp_path / name) for name in ("mended", "right", "other"))
    wanted = {2: KeyMatte(matte=tmp_path / "mended/bert.exr", mask=tmp_path / "right/bert.tif")}
    assert key_mattes([mended], right, frames) == wanted
    assert key_mattes([f"2={mended}/bert.exr"], f"{right}/bert.tif", frames) == wanted
    with pytest.raises(MatteError, match=r"other/bert.png does not exist") as raised:
        key_mattes([mended], other, frames)
    assert raised.value.hint == "Correct the name, or leave that key out."
    with pytest.raises(MatteError, match="belongs to a frame of the shot"):
        key_mattes([other], "", frames)
    with pytest.raises(MatteError, match="no key matte is named"):
        key_mattes([], right, frames)
