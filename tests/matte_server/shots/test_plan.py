"""Plans: the names that an artist gives become frames with files, or one sentence that says what is wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link.messages import Pong
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.io.video_writer import H264, MovieSettings, VideoWriter
from matte_server.shots.plan import plan_shot, solve_file_of
from matte_server.shots.plan_checks import check_model
from matte_server.shots.portraits import pictures_in
from matte_server.shots.role_files import RoleFiles
from matte_server.shots.shot import ShotSources, neighbour_offsets
from tests.matte_server.io.test_media import RATE, SIZE, picture

from .conftest import save


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ("out/matte.####.exr", "matte"),
        ("out/matte.v2.@@@@.exr", "matte.v2"),
        ("out/shot010_v2_####.exr", "shot010_v2_####"),
        ("out/matte.%04d.exr", "matte"),
        ("out/matte.$F4.exr", "matte"),
        ("out/m-####.exr", "m-####"),
        ("out/m####.exr", "m####"),
        ("out/m..####.exr", "m."),
        ("out/m.<f>.exr", "m.#"),
        ("out/m.#####.exr", "m.#####"),
        ("out/m.####.EXR", "m.####.EXR"),
        ("out/m.####.png", "m.####.png"),
        ("out/matte.mov", "matte.mov"),
        ("out/m.exr", "m.exr"),
        ("out/m.png", "m.png"),
        ("out/m.png.exr", "m.png.exr"),
        ("out/matte.mov.####.exr", "matte.mov.####"),
        ("out/matte.MOV.####.exr", "matte.MOV.####"),
        ("out/take_##.mov", "take_##.mov"),
        ("out/####.exr", "####"),
        ("out/.####.exr", ".####"),
        ("out/m_####_left.exr", "m_####_left"),
        ("out/m_%04d_right.exr", "m_####_right"),
        ("out/m.####.v2.exr", "m.####.v2"),
        ("out/####_left.exr", "####_left"),
        ("out/0####0.exr", "0####0"),
    ],
)
def test_where_a_solve_is_kept(output: str, kept: str) -> None:
    assert solve_file_of(output) == Path("out") / f"{kept}.platesolve.json"


def test_outputs_that_may_lie_in_one_folder_have_a_solve_each() -> None:
    numbers = ("#", "##", "####", "#####", "_####", ".####", "-####", ".####.", ".####_left", "_####.left")
    stems = ("m", "m.", "m_", "m.mov", "m.png", "m.0001", "")
    sequences = [f"{stem}{number}{suffix}" for stem in stems for number in numbers for suffix in (".exr", ".png")]
    single = {f"{stem}{suffix}" for stem in stems if stem for suffix in (".exr", ".png", ".mov", ".mov.exr")}
    outputs = {*sequences, *single, "m.mp4.mov", "m.####.mov"}
    assert len({solve_file_of(output) for output in outputs}) == len(outputs)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    for frame in range(1, 6):
        save(tmp_path / f"p.{frame:04}.exr", np.zeros((4, 4, 3)))
    for frame in range(1, 4):
        save(tmp_path / f"b.{frame:04}.exr", np.zeros((4, 4, 3)))
    save(tmp_path / "c.exr", np.zeros((4, 4, 3)))
    return tmp_path


@pytest.mark.parametrize(
    ("end", "offset", "frames"),
    [
        ("loop", 0, [1, 2, 3, 1, 2]),
        ("hold", 0, [1, 2, 3, 3, 3]),
        ("loop", 4, [2, 3, 1, 2, 3]),
        ("hold", -2, [1, 1, 1, 2, 3]),
    ],
)
def test_a_short_background_is_looped_or_held(shot: Path, end: str, offset: int, frames: list[int]) -> None:
    sources = ShotSources(
        plate=str(shot / "p.####.exr"),
        clean_plate=str(shot / "c.exr"),
        output=str(shot / "m.####.exr"),
        background=str(shot / "b.####.exr"),
        comp=str(shot / "comp.####.exr"),
        background_offset=offset,
        background_end=end,
    )
    planned = plan_shot(sources, "", MatteOptions())
    assert [frame.background for frame in planned.frames] == [shot / f"b.{frame:04}.exr" for frame in frames]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("still.0007", 7),
        ("still.-005", -5),
        ("still_1001", 1001),
        ("still.123456789012345", 123456789012345),
        ("still", 1),
    ],
)
def test_a_still_keeps_its_number(shot: Path, name: str, number: int) -> None:
    save(shot / f"{name}.exr", np.zeros((4, 4, 3)))
    planned = plan_shot(replace(sources_of(shot), plate=str(shot / f"{name}.exr")), "", MatteOptions())
    assert [frame.output.name for frame in planned.frames] == [f"m.{number:04}.exr"]


def test_a_frame_of_the_take_is_the_clean_plate_of_all(shot: Path) -> None:
    take = str(shot / "p.####.exr")
    sources = replace(sources_of(shot), clean_plate=take, clean_frame=2)
    planned = plan_shot(sources, "", MatteOptions())
    assert {frame.clean_plate for frame in planned.frames} == {shot / "p.0002.exr"}
    assert [frame.frame for frame in planned.all_frames] == [1, 2, 3, 4, 5]
    # Without that choice every frame would be its own clean plate.
    with pytest.raises(MatteError, match="is plate and clean plate at once") as raised:
        plan_shot(replace(sources, clean_frame=None), "", MatteOptions())
    assert "--clean-frame N" in str(raised.value)
    with pytest.raises(MatteError, match=r"p\.0009\.exr does not exist"):
        plan_shot(replace(sources, clean_frame=9), "", MatteOptions())
    with pytest.raises(MatteError, match="is a single picture"):
        plan_shot(replace(sources_of(shot), clean_frame=2), "", MatteOptions())


@pytest.mark.parametrize("role", ["clean", "core", "holdout", "trimap"])
def test_every_role_has_an_offset_and_an_end(shot: Path, role: str) -> None:
    """Three pictures, b.0001 to b.0003, for the five frames of the shot."""
    name = "clean_plate" if role == "clean" else role
    sources = replace(sources_of(shot), **{name: str(shot / "b.####.exr")})  # type: ignore[arg-type]
    with pytest.raises(MatteError, match=r"b\.0004\.exr and 1 more do not exist"):
        plan_shot(sources, "", MatteOptions())
    for end, offset, numbers in (("hold", 1, [2, 3, 3, 3, 3]), ("loop", 0, [1, 2, 3, 1, 2])):
        changed: dict[str, Any] = {f"{role}_end": end, f"{role}_offset": offset}
        planned = plan_shot(replace(sources, **changed), "", MatteOptions())
        assert [getattr(frame, name) for frame in planned.frames] == [shot / f"b.{n:04}.exr" for n in numbers]


def test_a_clean_plate_video_of_another_length(shot: Path) -> None:
    with VideoWriter(shot / "clean.mp4", MovieSettings(SIZE[1], SIZE[0], RATE), H264) as writer:
        for number in range(3):
            writer.write(picture(number))
    sources = replace(sources_of(shot), clean_plate=str(shot / "clean.mp4"))
    with pytest.raises(MatteError) as raised:
        plan_shot(sources, "", MatteOptions())
    assert raised.value.code == "missing_frame"
    assert "clean.mp4 has 3 pictures, and frame 4 of the shot needs picture 4" in str(raised.value)
    assert "--clean-end or --clean-frame" in str(raised.value)
    held = plan_shot(replace(sources, clean_end="hold"), "", MatteOptions())
    assert [frame.video_frames["clean_plate"] for frame in held.frames] == [1, 2, 3, 3, 3]
    first = plan_shot(replace(sources, clean_frame=1), "", MatteOptions())
    assert [frame.video_frames["clean_plate"] for frame in first.frames] == [1] * 5
    # Longer than the plate: the first pictures, one for each frame.
    assert len(plan_shot(sources, "1-2", MatteOptions()).frames) == 2


def test_a_video_is_numbered_from_one(shot: Path) -> None:
    path = shot / "take.mov"
    with VideoWriter(path, MovieSettings(SIZE[1], SIZE[0], RATE), H264) as video:
        for number in range(3):
            video.write(picture(number))
    sources = ShotSources(str(path), str(shot / "c.exr"), str(shot / "m.mov"))
    planned = plan_shot(sources, "2-3", MatteOptions())
    assert [frame.video_frames["plate"] for frame in planned.frames] == [2, 3]
    assert planned.frames[0].output == shot / "m.mov.frames" / "matte.0002.exr"
    assert planned.movies.matte == shot / "m.mov"
    assert len(planned.all_frames) == 3


def sources_of(shot: Path) -> ShotSources:
    return ShotSources(
        plate=str(shot / "p.####.exr"), clean_plate=str(shot / "c.exr"), output=str(shot / "out" / "m.####.exr")
    )


def test_all_frames_are_planned_unless_some_are_named(shot: Path) -> None:
    assert [frame.frame for frame in plan_shot(sources_of(shot), "", MatteOptions()).frames] == [1, 2, 3, 4, 5]
    part = plan_shot(sources_of(shot), "2-3", MatteOptions())
    assert [frame.frame for frame in part.frames] == [2, 3]
    assert [frame.frame for frame in part.all_frames] == [1, 2, 3, 4, 5]
    assert part.frames[0].plate == shot / "p.0002.exr" and part.frames[0].output == shot / "out" / "m.0002.exr"


@pytest.mark.parametrize(
    ("names", "frames", "last"),
    [
        (("p.0001.exr", "p.0002.exr"), (1, 2), "p.0002.exr"),
        (("p.9.exr", "p.10.exr"), (9, 10), "p.10.exr"),
        (("p_v2.1001.exr", "p.1001.exr"), (1001,), "p.1001.exr"),
    ],
)
def test_a_star_is_the_frame_number_of_an_input(
    tmp_path: Path, names: tuple[str, ...], frames: tuple[int, ...], last: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    files = RoleFiles(str(tmp_path / "p.*.exr"))
    assert files.frames == frames
    assert files.file_of(frames[-1])[0].name == last


@pytest.mark.parametrize("name", ["p*left.exr", "p*-left.exr", "p*.left.exr", "*left.exr", "Reel #2 p*left.exr"])
def test_a_star_may_have_a_letter_or_anything_behind_it(tmp_path: Path, name: str) -> None:
    for number in (9, 10):
        (tmp_path / name.replace("*", str(number))).touch()
    files = RoleFiles(str(tmp_path / name))
    assert files.frames == (9, 10)
    assert files.file_of(9)[0].name == name.replace("*", "9")


def test_a_star_that_stands_for_nothing_or_for_two_widths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MatteError, match=r"No file matches .*: \* stands for a frame number\."):
        RoleFiles(str(tmp_path / "p.*.exr"))
    for name in ("p.001.exr", "p.0002.exr"):
        (tmp_path / name).touch()
    with pytest.raises(MatteError, match="several widths"):
        RoleFiles(str(tmp_path / "p.*.exr"))


@pytest.mark.parametrize(
    ("name", "odd", "changes"),
    [
        ("p.####.exr", "p.6.exr", {}),
        ("p.####.exr", "p.1.exr", {}),
        ("p.####.exr", "p.001.exr", {}),
        ("p.####.exr", "b.03.exr", {"clean_plate": "b.####.exr", "clean_end": "hold"}),
        ("q.%d.exr", "q.02.exr", {}),
        ("q.####", "q.3", {}),
        ("p.####.exr", "p.0006.EXR", {}),
    ],
)
def test_files_that_are_named_almost_as_a_sequence_are_not_left_out_in_silence(
    shot: Path, name: str, odd: str, changes: dict[str, Any]
) -> None:
    for file in ("q.9.exr", "q.10.exr", "q.0009", "q.0010", odd):
        (shot / file).touch()
    named: dict[str, Any] = {role: str(shot / text) if "." in text else text for role, text in changes.items()}
    sources = replace(sources_of(shot), plate=str(shot / name), **named)
    difference = "other capitals in its suffix" if odd.endswith("EXR") else "another number of digits"
    with pytest.raises(MatteError, match=f"there is {odd}, with {difference}") as refused:
        plan_shot(sources, "", MatteOptions())
    assert refused.value.code == "bad_range"
    wanted = "9-10" if "q" in name else "2-3"
    assert len(plan_shot(sources, wanted, MatteOptions()).frames) == 2  # named, the frames are plain


def test_a_frame_whose_link_leads_nowhere_is_missing_and_shortens_no_shot(shot: Path) -> None:
    (shot / "p.0006.exr").symlink_to(shot / "away" / "p.0006.exr")
    with pytest.raises(MatteError, match=r"p\.0006\.exr is a link to a file that does not exist") as raised:
        plan_shot(sources_of(shot), "", MatteOptions())
    assert raised.value.code == "missing_frame" and "--frames" in raised.value.hint
    assert len(plan_shot(sources_of(shot), "1-5", MatteOptions()).frames) == 5


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"clean_plate": "b.####.exr"}, "Render what is missing, or say with --clean-end what stands for it."),
        ({"core": "b.####.exr"}, "Render what is missing, or say with --core-end what stands for it."),
        (
            {"holdout": "b.####.exr", "holdout_offset": 9},
            "Choose another --holdout-offset, or say with --holdout-end what stands for missing pictures.",
        ),
        (
            {"clean_plate": "b.####.exr", "clean_frame": 7},
            "Correct the name, or choose a picture that exists with --clean-frame.",
        ),
    ],
)
def test_where_a_sequence_is_too_short_the_hint_names_its_own_option(
    shot: Path, changes: dict[str, Any], hint: str
) -> None:
    named: dict[str, Any] = {
        word: str(shot / value) if isinstance(value, str) else value for word, value in changes.items()
    }
    with pytest.raises(MatteError, match="not exist") as raised:
        plan_shot(replace(sources_of(shot), **named), "", MatteOptions())
    assert (raised.value.code, raised.value.hint) == ("missing_frame", hint)


@pytest.mark.parametrize("name", ["p.{frame:04d}.exr", "p.%04i.exr", "p.????.exr", "p.<frame>.exr"])
def test_who_writes_frame_numbers_as_other_programs_do_is_told_how(shot: Path, name: str) -> None:
    with pytest.raises(MatteError, match="does not exist") as raised:
        plan_shot(replace(sources_of(shot), plate=str(shot / name)), "", MatteOptions())
    assert raised.value.hint == "Correct the name. Frame numbers are written as ####, %04d or *."


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("p.####.exr 1-4", "A range is no part of the name: write --frames 1-4."),
        ("p.1-9x2#.exr", "A range is no part of the name: write --frames 1-9x2."),
        ("'p.####.exr'", "These quotes belong to the name: the shell did not take ' for one. Leave them out."),
        ("q.####.exr", "Check the folder and the number of # in the name."),
    ],
)
def test_a_pattern_that_no_file_matches_is_told_what_may_be_wrong(shot: Path, name: str, hint: str) -> None:
    with pytest.raises(MatteError, match="No file matches") as raised:
        plan_shot(replace(sources_of(shot), plate=str(shot / name)), "", MatteOptions())
    assert raised.value.hint == hint


def test_a_looped_sequence_with_gaps_shows_what_was_there_before(tmp_path: Path) -> None:
    for number in range(1, 21):
        if number % 4 != 3:
            (tmp_path / f"c.{number:04}.exr").touch()
    files = RoleFiles(str(tmp_path / "c.####.exr"), end="loop")
    shown = {number: int(files.file_of(number)[0].name[2:6]) for number in range(-45, 45)}
    # Frame 0 is the last one of the round before.
    assert [shown[number] for number in (-5, -4, -1, 0, 1, 2, 3, 4)] == [14, 16, 18, 20, 1, 2, 2, 4]
    assert all(shown[number] == shown[(number - 1) % 20 + 1] for number in shown)


def test_frames_without_a_clean_plate_are_not_solved(shot: Path) -> None:
    """The background's three frames as a clean plate sequence, one frame further on."""
    sources = replace(sources_of(shot), clean_plate=str(shot / "b.####.exr"), clean_offset=-1)
    planned = plan_shot(sources, "2", MatteOptions())
    assert planned.frames[0].clean_plate == shot / "b.0001.exr"
    assert [frame.frame for frame in planned.all_frames] == [2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "frames", "code", "words"),
    [
        ({}, "1-9", "missing_frame", "p.0006.exr and 3 more do not exist"),
        ({}, "6", "missing_frame", "p.0006.exr does not exist"),
        ({"clean_plate": "folder"}, "", "missing_frame", "folder is a folder, and one picture is needed"),
        ({"core": "link.exr"}, "", "missing_frame", "link.exr is a link to a file that does not exist"),
        ({"holdout": "loop.exr"}, "", "missing_frame", "loop.exr is a link to a file that does not exist"),
        ({"trimap": "pipe.exr"}, "", "missing_frame", "pipe.exr is neither a file nor a folder"),
        ({"clean_plate": "pipe.mov"}, "", "missing_frame", "pipe.mov is neither a file nor a folder"),
        ({}, "one", "bad_range", "one"),
        # Frame 1 of it was p.0001.exr's number without what stands before the star.
        ({"plate": "p.00*.exr"}, "", "bad_range", "stands for a part of a frame number"),
        ({"output": "folder"}, "", "bad_output", "folder is a folder"),
        ({"plate": "none_v2*.exr"}, "", "no_frames", "No file matches"),
        ({"plate": "none.####.exr"}, "", "no_frames", "No file matches"),
        ({"output": "m.exr"}, "", "bad_output", "is one file for 5 frames"),
        ({"output": "m.####.tga"}, "", "bad_output", "A matte cannot be written to a file named"),
        ({"output": "made.000#.exr"}, "", "bad_output", "made.0002.exr is a folder; nothing was started"),
        ({"output": "pipe.exr"}, "3", "bad_output", "pipe.exr is neither a file nor a folder"),
        ({"background": "c.exr", "comp": "pipe.mov"}, "3", "bad_output", "pipe.mov is neither a file nor a folder"),
        ({"output": "p.####.exr"}, "", "output_is_input", "is both input and output"),
        ({"background": "c.exr"}, "", "bad_option", "A background and a comp go together"),
        ({"background": "c.exr", "comp": "comp.####.gif"}, "", "bad_output", "A comp cannot be written"),
        ({"background": "c.exr", "comp": "out/m.####.exr"}, "", "bad_output", "have the same name"),
        ({"trimap": "c.exr", "core": "c.exr"}, "", "bad_option", "A trimap says what core and holdout are"),
    ],
)
def test_a_plan_that_cannot_work_is_one_sentence(
    shot: Path, changes: dict[str, str], frames: str, code: str, words: str
) -> None:
    (shot / "folder").mkdir()
    (shot / "made.0002.exr").mkdir()
    for name, target in (("link.exr", "nothing.exr"), ("loop.exr", "loop.exr")):
        (shot / name).symlink_to(shot / target)
    for name in ("pipe.exr", "pipe.mov"):
        os.mkfifo(shot / name)
    named: dict[str, Any] = {role: str(shot / name) for role, name in changes.items()}
    sources = replace(sources_of(shot), **named)
    with pytest.raises(MatteError) as raised:
        plan_shot(sources, frames, MatteOptions())
    assert (raised.value.code, words in raised.value.message) == (code, True), raised.value.message
    assert raised.value.hint.endswith("they lie between 1 and 5.") == ("p.0006.exr" in words)
    # Frames can be left out where each has a file of its own, not where all need the one that is missing.
    assert code != "missing_frame" or ("--frames" in raised.value.hint) == (not changes), raised.value.hint


@pytest.mark.parametrize(
    ("space", "hint"),
    [
        ("acescgg", "Did you mean ACEScg? It knows "),
        ("logC4-", "Did you mean logc4?"),
        ("nothing like it", "It knows "),
    ],
)
def test_a_misspelt_colourspace_suggests_the_nearest(shot: Path, space: str, hint: str) -> None:
    sources = ShotSources(str(shot / "p.####.exr"), str(shot / "c.exr"), str(shot / "m.####.exr"))
    with pytest.raises(MatteError) as caught:
        plan_shot(sources, "", MatteOptions(colourspace=space))
    assert caught.value.code == "unknown_colourspace" and caught.value.hint.startswith(hint)


def test_a_gap_between_the_frames_is_refused_unless_frames_are_named(shot: Path) -> None:
    (shot / "p.0003.exr").unlink()
    with pytest.raises(MatteError, match="has no frame 3 between 1 and 5"):
        plan_shot(sources_of(shot), "", MatteOptions())
    assert len(plan_shot(sources_of(shot), "1,2,4,5", MatteOptions()).frames) == 4


def test_neighbours_are_two_apart_where_only_every_other_frame_exists(shot: Path) -> None:
    assert neighbour_offsets(plan_shot(sources_of(shot), "3", MatteOptions())) == {"before": -1, "after": 1}
    for frame in (2, 4):
        (shot / f"p.{frame:04}.exr").unlink()
    assert neighbour_offsets(plan_shot(sources_of(shot), "3", MatteOptions())) == {"before": -2, "after": 2}


@pytest.mark.parametrize(
    ("changes", "frames", "code", "words"),
    [
        ({}, "1-2", "bad_range", "--frames does not apply"),
        ({"output": "out.png"}, "", "bad_output", "a folder of portraits is written to a folder"),
        ({"output": "plates"}, "", "bad_output", "is the folder of the portraits"),
        ({"core": "cores"}, "", "missing_frame", "has no picture named bob"),
        ({"plate": "cores/none"}, "", "no_frames", "There is no picture in"),
        ({"clean_plate": "plates"}, "", "bad_option", "plates is plate and clean plate at once"),
    ],
)
def test_portraits_that_cannot_be_planned_are_one_sentence(
    tmp_path: Path, changes: dict[str, str], frames: str, code: str, words: str
) -> None:
    for name in ("plates/ada", "plates/bob", "cores/ada"):
        save(tmp_path / f"{name}.exr", np.zeros((4, 4, 3)))
    save(tmp_path / "c.exr", np.zeros((4, 4, 3)))
    (tmp_path / "cores" / "none").mkdir()
    names = {"plate": "plates", "clean_plate": "c.exr", "output": "out", **changes}
    paths: dict[str, Any] = {role: str(tmp_path / name) for role, name in names.items()}
    with pytest.raises(MatteError) as raised:
        plan_shot(ShotSources(**paths), frames, MatteOptions())
    assert (raised.value.code, words in raised.value.message) == (code, True), raised.value.message


def test_a_portrait_is_any_still_that_is_not_hidden(tmp_path: Path) -> None:
    pictures = ["a.exr", "b.png", "c.tif", "d.tiff", "e.jpg", "f.JPEG", "g.dpx", "h.cin"]
    for name in (*pictures, ".i.jpg", "._a.exr", "j.mov", "k.txt", "jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == pictures


def test_portraits_get_their_comps_by_name_and_one_background(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("anna", "ben"):
        save(tmp_path / "in" / f"{name}.exr", np.zeros((4, 4, 3)))
    save(tmp_path / "empty.exr", np.zeros((4, 4, 3)))
    save(tmp_path / "beach.exr", np.zeros((4, 4, 3)))
    sources = ShotSources(
        plate=str(tmp_path / "in"),
        clean_plate=str(tmp_path / "empty.exr"),
        output=str(tmp_path / "out"),
        background=str(tmp_path / "beach.exr"),
        comp=str(tmp_path / "comps"),
    )
    frames = plan_shot(sources, "", MatteOptions()).frames
    assert [frame.output for frame in frames] == [tmp_path / "out" / f"{name}.exr" for name in ("anna", "ben")]
    assert [frame.comp for frame in frames] == [tmp_path / "comps" / f"{name}.png" for name in ("anna", "ben")]
    assert {frame.background for frame in frames} == {tmp_path / "beach.exr"}
    passes = replace(sources, comp="", passes="comp,alpha")
    beside = plan_shot(passes, "", MatteOptions()).frames
    assert [frame.comp for frame in beside] == [tmp_path / "out" / f"{name}.comp.png" for name in ("anna", "ben")]
    assert [frame.passes for frame in beside] == [
        {"alpha": tmp_path / "out" / f"{name}.alpha.exr"} for name in ("anna", "ben")
    ]
    plain = plan_shot(replace(sources, background="", comp=""), "", MatteOptions()).frames
    assert {(frame.background, frame.comp) for frame in plain} == {(None, None)}


def test_weights_that_a_server_may_have_elsewhere_are_left_to_it() -> None:
    """In its own folders, or where a model of somebody's own looks for them."""
    server = Pong("p", version="", wire=1, models=("difference",))
    for model, weights, is_own in (("v2", "v2.pth", True), ("mine", "no/such", True), ("v2", "no/v2.pth", False)):
        check_model(MatteOptions(model=model, weights=weights), server, is_own)
    with pytest.raises(MatteError, match=r"no weights at no/v2\.pth"):
        check_model(MatteOptions(model="v2", weights="no/v2.pth"), server, is_own=True)
