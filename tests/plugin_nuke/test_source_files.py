"""Which frames of which files a picture depends on, and what is said where that is not known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import freshness, host, preflight
from cleanplate_node.bench import ContractBench
from cleanplate_node.frame_reach import ANY_VIEW, EVERY_FRAME, SAME_FRAME, FrameMap
from cleanplate_node.graph_scope import GraphScope
from cleanplate_node.source_files import FileStamps, SourceFile, name_by_script
from matte_link.seen_files import files_in, stamp_of
from nuke._state import State

from tests.plugin_nuke.pressing import overwrite, press


def test_the_files_of_other_views(tmp_path: Path) -> None:
    """What is read of a file with its view in the name, and of one without."""
    for view in ("left", "right"):
        (tmp_path / f"{view}.0001.exr").write_text(view)
    (tmp_path / "both.0001.exr").write_text("x")
    eyes, both = (SourceFile(pattern=f"{tmp_path}/{name}.%04d.exr") for name in ("%V", "both"))

    def stamps(file: SourceFile, seen: FrameMap, view: str) -> Any:
        return stamp_of(FileStamps([file], [{seen}], views=("left", "right")).of(1, view).seen)

    left, right = (stamps(eyes, SAME_FRAME, view) for view in ("left", "right"))
    assert left != right
    assert stamps(eyes, FrameMap(view="left"), "right") == left
    assert stamps(eyes, FrameMap(view=ANY_VIEW), "right") == [[*left, *right]]
    assert stamps(eyes, FrameMap(only_in="left"), "right") == []
    assert stamps(both, FrameMap(view=ANY_VIEW), "right") == stamps(both, SAME_FRAME, "left")


def test_a_switch_with_keys_takes_another_file_on_each_frame(bench: ContractBench, window: State) -> None:
    """A Read that is offline counts on the frames that take it."""
    shot = bench.shot((1, 2, 3))
    for frame in (1, 2, 3):
        (shot / f"other.{frame:04d}.exr").write_bytes((shot / f"plate.{frame:04d}.exr").read_bytes())
    switch = host.create("Switch")
    for number, name in enumerate(("plate", "offline", "other")):
        host.connect(switch, number, bench.read(shot / f"{name}.%04d.exr", 1, 3))
    node = bench.node_on(switch, bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    assert freshness.check(node, deep=False).text == "up to date, 3 done"
    for frame, number in {1: 0, 3: 2}.items():
        host.set_key(switch, "which", frame, number)
    assert "stale" in freshness.check(node, deep=False).text
    press(window, bench, node)
    for name, says in {
        "plate.0003": "up to date, 3 done",
        "other.0002": "up to date, 3 done",
        "plate.0002": "stale: the sources of frame 2 changed",
        "other.0003": "stale: the sources of frames 2-3 changed",
    }.items():
        overwrite(shot / f"{name}.exr")
        assert freshness.check(node, deep=False).text == says, name


def stamps_at(file: SourceFile, frame: int, *maps: FrameMap) -> Any:
    return stamp_of(FileStamps([file], [maps or (SAME_FRAME,)]).of(frame, "main").seen)


@pytest.mark.parametrize(
    ("mode", "frame", "shown"),
    [
        ("hold", 9, 4), ("hold", 0, 2), ("loop", 5, 2), ("loop", 1, 4), ("bounce", 5, 3), ("bounce", 6, 2),
        ("bounce", 0, 4), ("bounce", 8, 4), ("hold", 3, 3),
    ],
)  # fmt: skip
def test_outside_its_range_a_read_shows_another_frame(mode: str, frame: int, shown: int, tmp_path: Path) -> None:
    for number in range(2, 5):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x" * number)
    file = SourceFile(f"{tmp_path}/p.####.exr", frames=(2, 4), before=mode, after=mode)
    expected = stamps_at(file, shown)
    assert stamps_at(file, frame) == (expected if shown == frame else [[shown, *expected]]) != [None]


def test_black_and_other_words_stand_for_files(tmp_path: Path) -> None:
    pattern = f"{tmp_path}/p.%04d.exr"
    assert stamps_at(SourceFile(pattern, frames=(1, 2), after="black"), 3) == ["black"]
    assert stamps_at(SourceFile(pattern, frames=(1, 2), on_error="checkerboard"), 1) == ["checkerboard"]
    missing = FileStamps([SourceFile(pattern, frames=(1, 2))], [(SAME_FRAME,)])
    assert missing.of(1, "main").seen == [None] and not missing.are_known(1, "main")
    lut = FileStamps([SourceFile(pattern)], [(SAME_FRAME,)])
    assert lut.are_known(1, "main"), "only a Read must have a file"
    assert stamps_at(SourceFile(str(tmp_path)), 1) == ["folder"]


def test_where_any_frame_may_be_seen_all_in_the_range_count(tmp_path: Path) -> None:
    for number in range(1, 7):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x")
    file = SourceFile(f"{tmp_path}/p.%04d.exr", frames=(1, 4))
    before = stamps_at(file, 1, EVERY_FRAME)
    os.utime(tmp_path / "p.0006.exr", (1, 1))
    assert stamps_at(file, 1, EVERY_FRAME) == before == stamps_at(file, 2, EVERY_FRAME, SAME_FRAME)
    os.utime(tmp_path / "p.0004.exr", (1, 1))
    assert stamps_at(file, 1, EVERY_FRAME) != before
    shifted = SourceFile(f"{tmp_path}/p.%04d.exr", frames=(1, 4), takes=EVERY_FRAME)
    before = stamps_at(shifted, 1)
    os.utime(tmp_path / "p.0005.exr", (1, 1))
    assert stamps_at(shifted, 1) != before, "its range is not about the files' numbers"


@pytest.mark.parametrize("near", [(2, 4), (2,), (4,)])
def test_the_nearest_frame_stands_for_a_missing_one(near: tuple[int, ...], tmp_path: Path) -> None:
    """Another picture there is another picture here."""
    for number in (1, *near, 9):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x" * number)
    file = SourceFile(f"{tmp_path}/p.%04d.exr", frames=(2, 8), on_error="nearest frame")
    before = stamps_at(file, 3)
    assert len(before) == 1 and len(before[0]) == 1 + len(near)
    for number in (1, 9):
        os.utime(tmp_path / f"p.{number:04d}.exr", (1, 1))
    assert stamps_at(file, 3) == before
    os.utime(tmp_path / f"p.{near[-1]:04d}.exr", (1, 1))
    assert stamps_at(file, 3) != before
    stamps = FileStamps([file], [(SAME_FRAME,)])
    assert stamps.are_known(3, "main")
    for number in near:
        (tmp_path / f"p.{number:04d}.exr").unlink()
    assert FileStamps([file], [(SAME_FRAME,)]).of(3, "main").seen == [None], "Nuke shows an error"


def test_a_video_that_is_looped_is_another_picture_than_one_that_is_held(tmp_path: Path) -> None:
    """Its file is the same at all frames; a still's picture is, too."""
    for name in ("a.mov", "a.exr"):
        (tmp_path / name).write_text("x")
    hold, loop = (SourceFile(f"{tmp_path}/a.mov", frames=(1, 9), after=mode) for mode in ("hold", "loop"))
    assert stamps_at(hold, 10) != stamps_at(loop, 10)
    assert stamps_at(hold, 9) == stamps_at(loop, 9) == stamps_at(hold, 2)
    held, longer = (SourceFile(f"{tmp_path}/a.exr", frames=(1, last)) for last in (1, 9))
    assert stamps_at(held, 5) == stamps_at(longer, 5), "the still's range was made longer"


@pytest.mark.parametrize(
    ("mode", "text", "taken"),
    [
        ("offset", "100", 103), ("offset", " -2 ", 1), ("offset", "+2", 5), ("start at", "1", 1003),
        ("start at", "0", 1004), ("start_at", "1001", 3), ("expression", "frame+1", 4),
        ("expression", "frame - 1", 2),
        ("expression", "frame", 3), ("expression", "7", 7), ("expression", "0", 0), ("offset", "0", 3),
        ("start at", "", 3), ("offset", "", 3),
    ],
)  # fmt: skip
def test_which_file_a_read_takes(mode: str, text: str, taken: int, lonely: ContractBench) -> None:
    """At frame 3, of files that begin with 1001 (user guide, Changing the Relation Between the Current Frame and
    the Frame Read In)."""
    first = 1001 if mode.startswith("start") else 1
    read = lonely.read(lonely.folder / "p.%04d.exr", first, 1100)
    host.set_value(read, "origfirst", first)
    read["frame_mode"]._values.append("start_at")  # type: ignore[attr-defined]  # as scripts of tools have it
    host.set_value(read, "frame_mode", mode)
    host.set_value(read, "frame", text)
    (file,) = [file for one in host.upstream([read]).facts for file in one.files]
    assert file.takes.at(3) == taken and not file.takes.is_any


@pytest.mark.parametrize(
    ("mode", "text", "takes"), [("offset", "2", FrameMap(later=2)), ("start at", "2", EVERY_FRAME)]
)
def test_which_file_a_write_that_reads_takes(mode: str, text: str, takes: FrameMap, lonely: ContractBench) -> None:
    """It has the numbers of its files as a Read has, but no range that is placed."""
    pattern = (lonely.folder / "p.%04d.exr").as_posix()
    write = host.create("Write", file=pattern, reading=True, frame_mode=mode, frame=text)
    (file,) = [file for one in host.upstream([write]).facts for file in one.files]
    assert file == SourceFile(pattern, takes=takes)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("expression", "frame/2"), ("expression", "frame+fps"), ("expression", "t"), ("expression", "frame*2"),
        ("start at", "[value root.first_frame]"), ("offset", "1.5"), ("start at", "frame"), ("offset", "frame"),
        ("start at", "1"),
    ],
)  # fmt: skip
def test_a_read_of_which_it_is_not_known_takes_any_frame(mode: str, text: str, lonely: ContractBench) -> None:
    """The last one is a range that was cut: two frames are its first."""
    read = lonely.read(lonely.folder / "p.%04d.exr", 1001, 1100)
    host.set_value(read, "frame_mode", mode)
    host.set_value(read, "frame", text)
    (file,) = [file for one in host.upstream([read]).facts for file in one.files]
    assert file.takes == EVERY_FRAME


def test_a_read_that_starts_at_another_frame_depends_on_that_file_alone(tmp_path: Path) -> None:
    """At both ends of its range on all: no document says that it ends with the files."""
    for number in range(11, 16):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x" * number)
    file = SourceFile(f"{tmp_path}/p.%04d.exr", frames=(11, 14), takes=FrameMap(later=10))
    before = {frame: stamps_at(file, frame) for frame in (1, 2, 4, 5)}
    os.utime(tmp_path / "p.0012.exr", (1, 1))
    os.utime(tmp_path / "p.0015.exr", (1, 1))
    after = {frame: stamps_at(file, frame) for frame in before}
    assert [frame for frame in before if before[frame] != after[frame]] == [2, 5]
    held = FileStamps([file], [(FrameMap(fixed=2),)])
    assert stamp_of(held.of(77, "main").seen) == after[2], "behind a FrameHold too"


def test_files_of_one_time_and_size_are_told_by_their_number(tmp_path: Path) -> None:
    """As an archive may leave them. No other part of a key says where a Read starts, or which neighbour is left."""
    for number in (1, 2, 4):
        (tmp_path / f"p.{number:04d}.exr").write_text("x")
        os.utime(tmp_path / f"p.{number:04d}.exr", (1, 1))
    pattern = f"{tmp_path}/p.%04d.exr"
    one, two = (SourceFile(pattern, frames=(1, 9), takes=FrameMap(later=later)) for later in (-10, -9))
    assert stamps_at(one, 11) != stamps_at(two, 11) == stamps_at(one, 12)
    nearest = SourceFile(pattern, frames=(1, 3), on_error="nearest frame")
    before = stamps_at(nearest, 3)
    (tmp_path / "p.0002.exr").unlink()
    assert stamps_at(nearest, 3) != before


@pytest.mark.parametrize(
    ("knobs", "first", "overwritten", "changed"),
    [
        ({"on_error": "nearest frame"}, 1, 3, "frames 2-3"),
        ({"frame_mode": "offset", "frame": "-1"}, 2, 1, "frame 2"),
        ({"frame_mode": "start at", "frame": "0"}, 0, 3, "frame 2"),
        ({"after": "bounce"}, 3, 1, "frame 5"),
        ({"frame": "4-frame"}, 1, 3, "frames 1-3"),
    ],
)
def test_another_file_than_that_of_the_frame_is_overwritten(
    knobs: dict[str, Any], first: int, overwritten: int, changed: str, bench: ContractBench, window: State
) -> None:
    """Over three frames of the files 1 to 3, of which the first case lacks the second."""
    shot = bench.shot((1, 2, 3))
    reads = bench.read(shot / "plate.%04d.exr", 1, 3), bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(*reads, range_mode="custom", first=first, last=first + 2)
    for name, value in knobs.items():
        host.set_value(reads[0], name, value)
    if "on_error" in knobs:
        (shot / "plate.0002.exr").unlink()
    assert press(window, bench, node) == "up to date, 3 done"
    assert freshness.check(node, deep=False).text == "up to date, 3 done"
    shown = {1: 3, 2: 2, 3: 1} if knobs.get("frame") == "4-frame" else {5: 1} if "after" in knobs else {}
    for frame, subject in shown.items():
        bench.expect_matte(bench.result(node, frame), subject)
    overwrite(shot / f"plate.{overwritten:04d}.exr")
    assert freshness.check(node, deep=False).text == f"stale: the sources of {changed} changed"


def with_slate(bench: ContractBench, text: str) -> nuke.Node:
    """A node behind a Text2 over two frames."""
    shot = bench.shot((1, 2))
    slate = host.create("Text2", message=text)
    host.connect(slate, 0, bench.read(shot / "plate.%04d.exr", 1, 2))
    return bench.node_on(slate, bench.read(shot / "clean.exr", 1, 1))


def change_fps() -> None:
    nuke.root()["fps"].setValue(25)


def brighten() -> None:
    grade = host.find("Grade1")
    assert grade is not None
    host.set_value(grade, "white", 2.0)


def change_environment() -> None:
    os.environ["CLEANPLATE_TEST_SHOT"] = "sh020"


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("at [numvalue root.fps]", change_fps),
        ("[value this.note] at [value root.fps]", change_fps),
        ("[file dirname [value root.name]]: [value parent.fps]", change_fps),
        ("\\[as typed] [numvalue Grade1.white]", brighten),
        ("[getenv CLEANPLATE_TEST_SHOT]", change_environment),
    ],
)
def test_a_text_that_is_the_same_on_every_frame_is_compared_by_its_value(
    bench: ContractBench, window: State, text: str, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANPLATE_TEST_SHOT", "sh010")
    host.create("Grade")
    node = with_slate(bench, text)
    slate = host.find("Text21")
    assert slate is not None
    host.read_knobs(slate, "addUserKnob {1 note}")
    press(window, bench, node)
    assert freshness.check(node, deep=False).text == "up to date, 2 done"
    change()
    assert freshness.check(node, deep=False).text.startswith("stale: ")


def test_a_text_whose_tcl_fails_has_no_value(bench: ContractBench, window: State) -> None:
    node = with_slate(bench, "[value root.fps] [nonsense]")
    ((_, text),) = host.upstream([host.input_of(node, 0)]).driven
    assert text.values_at(1) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "[python {nuke.root()['fps'].value()}]",
        "[numvalue Animated.white] at [numvalue root.fps]",
        "[numvalue Linked.white]",
        "[numvalue Held.Animated2.white] at [numvalue root.fps]",
        "[value Other.message]",
        "[numvalue root.fps] of %04d",
    ],
)
def test_what_nothing_can_compare_is_called_unknown(bench: ContractBench, window: State, text: str) -> None:
    """A text that runs Python or TCL upstream: Nuke's hash tells it at the current frame, nothing does at the
    others."""
    host.set_key(host.create("Grade", name="Animated"), "white", 1, 1.0)
    with host.inside(host.create("Group", name="Held")):
        host.set_key(host.create("Grade", name="Animated2"), "white", 1, 1.0)
    host.create("Grade", name="Animated2")
    host.set_expression(host.create("Grade", name="Linked"), "white", "root.fps")
    host.create("Text2", message="[python {nuke.root()['fps'].value()}]", name="Other")
    node = with_slate(bench, text)
    press(window, bench, node)
    found = freshness.check(node, deep=False)
    assert found.usable and found.text.startswith("unknown: whether the sources of frames 1-2 changed.")
    assert freshness.check(node).text == "up to date", "at the current frame the hash was asked for"
    assert press(window, bench, node) == "up to date", "nor is anything made again"
    nuke.root()["fps"].setValue(25)
    assert freshness.check(node, deep=False).text.startswith("unknown: ")
    assert press(window, bench, node) == "up to date, 2 done"
    nuke.root()["fps"].setValue(24)
    host.press(host.find_read(bench.folder / "shot/plate.%04d.exr"), "reload")
    assert press(window, bench, node) == "up to date, 2 done", "hashes of before a reload tell nothing"


@pytest.mark.parametrize(
    ("link", "changed", "is_seen"),
    [
        ("parent.Tracker1.translate.x", "Tracker1.translate", True),
        ("Tracker1.rotate + 1", "Tracker1.rotate", True),
        ("root.Held.Grade1.white", "Held.Grade1.white", True),
        ("Held.Grade1.white", "Held.Grade1.white", True),
        ("parent.Tracker1.translate.x", "Tracker1.rotate", False),
        ("Bezier1.Tracker1", "Tracker1.rotate", False),
    ],
)
@pytest.mark.parametrize("kind", ["Roto", "Expression"])
def test_a_shape_that_follows_another_node(
    kind: str, link: str, changed: str, is_seen: bool, lonely: ContractBench
) -> None:
    """Its knob says nothing of an expression, and its text stays the same; so it is with an Expression's fields."""
    host.create("Tracker4", name="Tracker1")
    host.create("Grade", name="Grade1")
    held = host.create("Group", name="Held")
    with host.inside(held):
        host.create("Grade", name="Grade1")
    if kind == "Roto":
        roto = host.create("Roto", curves=f"{{layer Root {{t x44e1 {{{link}}}}} {{v 0.1}}}}")
    else:
        roto = host.create("Expression", expr1=f"rgba.green * ({link})")
    host.connect(roto, 0, lonely.read(lonely.folder / "p.%04d.exr", 1, 3))

    def seen() -> list[list[object]]:
        found = host.upstream([roto])
        assert not any(one.has_text_that_runs for one in found.facts)
        return [[knob.values_at(frame) for _, knob in found.driven] for frame in (1, 3)]

    before = seen()
    assert bool(before[0]) == link.startswith(("parent.", "Tracker", "root.", "Held."))
    other = host.find("Grade1")
    assert other is not None
    host.set_value(other, "white", 7.0)
    assert seen() == before, "one of the same name elsewhere"
    owner, _, name = changed.rpartition(".")
    node = host.inner(held, "Grade1") if "." in owner else host.find(owner)
    assert node is not None
    host.set_key(node, name, 3, 5.0)
    after = seen()
    assert (after[1] != before[1]) == is_seen


@pytest.mark.parametrize("link", ["parent.Tracker1.tracks.1.track_x", "Tracker1.translate.x(frame-1)"])
def test_a_shape_that_follows_what_has_no_number_is_unknown(link: str, lonely: ContractBench) -> None:
    """Keys beside the frame count too where it is taken at another one."""
    host.create("Tracker4", name="Tracker1")
    roto = host.create("Roto", curves=f"{{t {{{link}}}}}")
    assert [one.has_text_that_runs for one in host.upstream([roto]).facts] == [True]
    field = host.create("Expression", expr0=f"r + {link}")
    assert [one.has_text_that_runs for one in host.upstream([field]).facts] == [True]
    plain = host.create("Expression", expr0="r(x-1, y) + depth.Z / frame")
    assert [one.has_text_that_runs for one in host.upstream([plain]).facts] == [False]


@pytest.mark.parametrize("directory", ["{folder}", "[python {nuke.script_directory()}]", "{folder}/shot"])
def test_a_relative_name_is_one_in_the_project_directory(
    directory: str, bench: ContractBench, window: State
) -> None:
    shot = bench.shot((1, 2))
    bench.save()  # it is the script's directory that counts, so it has a name
    nuke.root()["project_directory"].setValue(directory.replace("{folder}", bench.folder.as_posix()))
    relative = Path("plate.%04d.exr" if directory.endswith("shot") else "shot/plate.%04d.exr")
    node = bench.node_on(bench.read(relative, 1, 2), bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    assert freshness.check(node, deep=False).text == "up to date, 2 done"
    overwrite(shot / "plate.0002.exr")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 2 changed"


@pytest.mark.parametrize(
    "name", ["plate.000[frame].exr", "plate.000[value frame].exr", "plate.000[python {nuke.frame()}].exr"]
)
def test_a_file_name_that_follows_the_frame_is_never_taken_for_another(
    name: str, bench: ContractBench, window: State
) -> None:
    """Nuke evaluates it at the timeline's frame, which says nothing about the others."""
    shot = bench.shot((1, 2))
    node = bench.node_on(bench.read(shot / name, 1, 2), bench.read(shot / "clean.exr", 1, 1))
    assert press(window, bench, node) == "up to date, 2 done"
    for frame in (1, 2):
        host.go_to(frame)
        assert freshness.check(node, deep=False).text.startswith("unknown: ")
        assert press(window, bench, node) == "up to date"


@pytest.mark.parametrize(
    "name", ["[getenv CLEANPLATE_TEST_SHOT]/plate.%04d.exr", "[python {'shot'}]/plate.%04d.exr"]
)
def test_a_file_name_of_the_house_is_read(
    name: str, bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANPLATE_TEST_SHOT", "shot")
    shot = bench.shot((1,))
    node = bench.node_on(bench.read(bench.folder / name, 1, 1), bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    assert freshness.check(node, deep=False).text == "up to date, 1 done"
    overwrite(shot / "plate.0001.exr")
    assert "stale" in freshness.check(node, deep=False).text


def test_a_name_of_another_system_is_looked_for_where_nuke_opens_it(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    nuke.addFilenameFilter(lambda name: name.replace("/no/such/job", shot.as_posix()))
    node = bench.node_on(
        bench.read(Path("/no/such/job/plate.%04d.exr"), 1, 1), bench.read(shot / "clean.exr", 1, 1)
    )
    press(window, bench, node)
    assert freshness.check(node, deep=False).text == "up to date, 1 done"
    overwrite(shot / "plate.0001.exr")
    assert "stale" in freshness.check(node, deep=False).text

    def fails(name: str) -> str:
        raise KeyError(name)

    nuke.addFilenameFilter(fails)
    assert freshness.check(node, deep=False).text, "a sentence, whatever the house's function raises"


def test_results_lie_where_the_houses_filter_says(bench: ContractBench, window: State) -> None:
    """Nuke writes the plates there, and reads the mattes: a script that was saved on Windows, on Linux."""
    nuke.addFilenameFilter(lambda name: name.replace("P:/show", bench.folder.as_posix()))
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2, cache_dir="P:/show/cache")
    assert press(window, bench, node) == "up to date, 2 done"
    assert [path.parents[2] for path in bench.results(node)] == [bench.folder / "cache"] * 2
    bench.expect_matte(bench.output(node, 2), 2)
    assert not [*bench.folder.glob("P:*"), *Path.cwd().glob("P:*")]
    bench.expect_tidy(node)
    host.set_value(node, "cache_dir", "Q:/show/cache")
    assert "is on a drive of Windows, which this machine does not have" in press(window, bench, node)


@pytest.mark.parametrize("name", ["plate.%04d.exr", "plates/%04d.exr", "%04d.exr", "%V/%04d.exr", "####.exr"])
def test_a_relative_name_counts_with_the_project_directory(name: str, lonely: ContractBench) -> None:
    """One that begins with its number or view too: that is no variable."""
    read = host.create("Read", file=name)
    (file,) = host.upstream([read]).facts[0].files
    assert file.is_made
    host.set_value(read, "file", f"/show/{name}")
    (file,) = host.upstream([read]).facts[0].files
    assert not file.is_made


@pytest.mark.parametrize(
    ("name", "value", "is_made"),
    [
        ("%{plates}/plate.%04d.exr", "/show/plates", False),
        ("%plates/plate.%04d.exr", "/show/plates", False),
        ("%{plates}/plate.%04d.exr", "P:/show", False),
        ("%{plates}/plate.%04d.exr", "plates", True),
        ("%{plates}/plate.%04d.exr", "%V/plates", True),
        ("/show/%{plates}/plate.%04d.exr", "plates", False),
    ],
)
def test_a_variable_at_the_head_of_a_name_says_whether_it_is_relative(
    name: str, value: str, is_made: bool, lonely: ContractBench, window: State
) -> None:
    """Its value counts by itself; the project directory only where the name begins in it."""
    window.major = 16
    nuke.scriptClear()
    read = host.create("Read", file=name)
    scope = GraphScope((("plates", value),))
    (file,) = host.upstream([read], scope).facts[0].files
    assert file.is_made == is_made


@pytest.mark.parametrize(
    "text", ["[topnode_filename]", "[topnode Grade1]", "[timecode]", "shot [in Read1 {value file}]", "[ topnode ]"]
)
def test_tcl_that_asks_another_node_is_not_known_here(text: str, lonely: ContractBench) -> None:
    slate, plain = host.create("Text2", message=text), host.create("Text2", message="[lindex {a b} 0] [to]")
    assert host.upstream([slate]).facts[0].has_text_that_runs
    assert not host.upstream([plain]).facts[0].has_text_that_runs
    read = host.create("Read", file=f"/show/{text}/plate.%04d.exr")
    assert host.upstream([read]).facts[0].has_text_that_runs


def test_one_text_in_two_project_directories_is_two_plates(bench: ContractBench, window: State) -> None:
    """As of DPX files that were restored with their times in whole seconds: time and size are the same."""
    for name in ("a", "b"):
        folder = bench.shot((1, 2), f"{name}/plates", subject=(0.1, 2.0, 0.1) if name == "b" else (2.0, 0.1, 0.05))
        for path in folder.iterdir():
            os.utime(path, (1, 1))
    nuke.root()["project_directory"].setValue((bench.folder / "a").as_posix())
    src, clean = (bench.read(Path(f"plates/{name}"), 1, 2) for name in ("plate.%04d.exr", "clean.exr"))
    node = bench.node_on(src, clean)
    press(window, bench, node)
    first = bench.shown(node)
    assert freshness.check(node, deep=False).text == "up to date, 2 done"
    nuke.root()["project_directory"].setValue((bench.folder / "b").as_posix())
    assert freshness.check(node, deep=False).text.startswith("stale")
    assert press(window, bench, node) == "up to date, 2 done" and bench.shown(node) != first
    nuke.root()["project_directory"].setValue((bench.folder / "a").as_posix())
    freshness.look_again(node)
    assert bench.shown(node) == first and bench.status(node).startswith("up to date")


def test_a_held_frame_follows_what_the_read_does_there(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2, range_mode="custom")
    host.set_value(node, "first", 1)
    host.set_value(node, "last", 3)
    press(window, bench, node)
    read = host.find_read(shot / "plate.%04d.exr")
    read["after"].setValue("black")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 3 changed"
    host.undo()
    assert freshness.check(node, deep=False).text.startswith("up to date")


def test_what_a_link_node_of_nuke_17_stands_for_counts(bench: ContractBench, window: State) -> None:
    window.major = 17
    shot = bench.shot((1,))
    grade, link = host.create("Grade"), host.create("NoOp")
    host.connect(grade, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    link._links.append(grade)
    found = host.upstream([link]).facts
    assert [one.kind for one in found] == ["Read", "Grade", "NoOp"] and found[-1].inputs == (1,)
    window.major = 16
    assert [one.kind for one in host.upstream([link]).facts] == ["NoOp"], "older versions have none"


def test_an_edited_colour_configuration_is_another_one(bench: ContractBench, tmp_path: Path) -> None:
    config = tmp_path / "config.ocio"
    config.write_text("roles:\n  scene_linear: ACES - ACEScg\n")
    node = bench.node(bench.shot((1,)), 1, 1)
    for name, value in {"colorManagement": "OCIO", "OCIO_config": "custom"}.items():
        host.set_root(name, value)
    host.set_root("customOCIOConfigPath", config.as_posix())
    before = preflight.preflight(node, (1,), True, "interactive").folder
    config.write_text("roles:\n  scene_linear: ACES - ACEScg\n# another look\n")
    assert preflight.preflight(node, (1,), True, "interactive").folder != before


def test_frames_with_the_same_time_and_size_are_two_files(tmp_path: Path) -> None:
    """As of an archive that was unpacked, where another Read holds a frame for the clean plate."""
    for frame in (1, 2):
        (tmp_path / f"plate.{frame:04d}.exr").write_text("x")
        os.utime(tmp_path / f"plate.{frame:04d}.exr", (1, 1))
    file, held = SourceFile(pattern=f"{tmp_path}/plate.%04d.exr"), FrameMap(fixed=1)
    found = FileStamps([file, file, file], [{SAME_FRAME}, {held}, {held}]).of(2, "main")
    assert [Path(one.path).name for one in files_in(found.seen)] == ["plate.0001.exr", "plate.0002.exr"]


@pytest.mark.parametrize(
    ("pattern", "script", "name"),
    [
        ("/job/sh1/plates/a.%04d.exr", "/job/sh1/comp.nk", "plates/a.%04d.exr"),
        ("/other/sh1/plates/a.%04d.exr", "/other/sh1/comp.nk", "plates/a.%04d.exr"),
        ("/job/sh1/plates/a.%04d.exr", "/job/sh1/nuke/comp.nk", "sh1/plates/a.%04d.exr"),
        ("Z:/job/sh1/plates/a.%04d.exr", "Z:/job/sh1/nuke/comp.nk", "sh1/plates/a.%04d.exr"),
        ("/job/sh10/plates/a.exr", "/job/sh1", "sh10/plates/a.exr"),
        ("/job/sh10/a.exr", "/job/sh1/comp.nk", "job/sh10/a.exr"),
        ("/a.exr", "/comp.nk", "a.exr"),
        ("/job/sh1/plates/a.exr", "", "sh1/plates/a.exr"),
        ("a.exr", "", "a.exr"),
    ],
)
def test_what_a_file_is_called_that_tcl_names(pattern: str, script: str, name: str) -> None:
    assert name_by_script(pattern, script) == name
