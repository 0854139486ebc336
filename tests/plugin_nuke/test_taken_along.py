"""What a node takes along into a new folder of results: what it shows, and the mattes that an artist mended."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nuke
import pytest
from cleanplate_node import arrivals, bake, freshness, generations, host, manifest, plain_exr, range_plan
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import expect_matte_there, looked_at, press, until
from tests.plugin_nuke.test_learning import with_keys

FRAMES = (1, 2, 3)


def saved_elsewhere(bench: ContractBench, node: nuke.Node) -> nuke.Node:
    (bench.folder / "v2").mkdir()
    bench.save("v2/comp_v2.nk")
    return node


def copied(bench: ContractBench, node: nuke.Node) -> nuke.Node:
    """With what feeds it, as by a ToolSet or an artist's copy and paste."""
    twin = host.copy(node)
    assert twin is not None
    for index in range(2):
        host.connect(twin, index, node.input(index))
    return twin


def another_folder(bench: ContractBench, node: nuke.Node) -> nuke.Node:
    host.set_value(node, "cache_dir", f"{bench.folder.as_posix()}/elsewhere")
    return node


def in_another_script(bench: ContractBench, node: nuke.Node) -> nuke.Node:
    for one in nuke.allNodes():
        one["selected"].setValue(True)
    file = f"{bench.folder.as_posix()}/copied.nk"
    nuke.nodeCopy(file)
    host.new_script()
    (bench.folder / "other").mkdir()
    bench.save("other/other.nk")
    assert nuke.nodePaste(file) is not None
    found = host.find("Cleanplate_Matte1")
    assert found is not None
    return found


def opened_from_a_copy(bench: ContractBench, node: nuke.Node) -> nuke.Node:
    """The script alone was copied into another folder."""
    text = bench.save().read_text(encoding="utf-8")
    (bench.folder / "copy").mkdir()
    path = bench.folder / "copy" / "comp.nk"
    path.write_text(text, encoding="utf-8")
    host.open_script(path.as_posix())
    found = host.find("Cleanplate_Matte1")
    assert found is not None
    return found


WAYS = [saved_elsewhere, copied, another_folder, in_another_script, opened_from_a_copy]
Way = Callable[[ContractBench, nuke.Node], nuke.Node]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_shown_comes_along(way: Way, bench: ContractBench, window: State) -> None:
    """One frame is made again; the others are there, as they were, and nothing of before has changed."""
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    first = bench.results(node)
    before = {path: path.stat().st_ino for path in first}
    moved = way(bench, node)
    host.go_to(1)
    assert press(window, bench, moved, "process_frame") == "up to date, 1 done"
    now = bench.results(moved)
    assert [path.name for path in now] == [path.name for path in first] and now[0].parent != first[0].parent
    assert [one.samefile(other) for one, other in zip(now, first, strict=True)] == [False, True, True]
    assert {path: path.stat().st_ino for path in first} == before
    for frame in FRAMES:
        bench.expect_matte(bench.output(moved, frame), frame)
    assert looked_at(window, bench, moved).startswith("up to date")
    window.rendered.clear()
    assert press(window, bench, moved).startswith("up to date") and not window.rendered


def test_nothing_is_made_again_where_nothing_has_changed(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    saved_elsewhere(bench, node)
    window.rendered.clear()
    assert press(window, bench, node) == "up to date" and not window.rendered
    assert Path(bench.shown(node)).is_relative_to(bench.folder / "v2") and len(bench.results(node)) == 3


def test_what_is_stale_is_stale_there_too(bench: ContractBench, window: State) -> None:
    shot = bench.shot(FRAMES)
    node = bench.node(shot, 1, 3)
    press(window, bench, node)
    (_, old, _) = bench.results(node)
    kept = old.read_bytes()
    saved_elsewhere(bench, node)
    plain_exr.write(shot / "plate.0002.exr", bench.plate(9, bench.clean()))
    host.go_to(1)
    press(window, bench, node, "process_frame")
    assert looked_at(window, bench, node) == "stale: the sources of frame 2 changed"
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 2, 9)
    assert old.read_bytes() == kept, "the script of before shows what it showed"


def test_results_of_other_settings_are_not_taken_for_these(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    saved_elsewhere(bench, node)
    host.set_value(node, "erode", 2.0)
    host.go_to(1)
    press(window, bench, node, "process_frame")
    assert [path.name for path in bench.results(node)] == ["matte.main.0001.exr"]


def test_results_that_are_there_stay(bench: ContractBench, window: State) -> None:
    """The folder was this node's before: what it has of its own is not replaced by what is shown."""
    node = bench.node(bench.shot(FRAMES), 1, 3, cache_dir=f"{bench.folder.as_posix()}/own")
    host.go_to(2)
    press(window, bench, node, "process_frame")
    (own,) = bench.results(node)
    host.set_value(node, "cache_dir", f"{bench.folder.as_posix()}/other")
    press(window, bench, node, "process_range")
    host.set_value(node, "cache_dir", f"{bench.folder.as_posix()}/own")
    inode = own.stat().st_ino
    host.go_to(1)
    press(window, bench, node, "process_frame")
    assert own.stat().st_ino == inode and len(bench.results(node)) == 3
    assert [one.frame for one in manifest.read_all(range_plan.shown_folder(bench.shown(node)))] == [1, 2, 3]


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev,
    reason="needs two disks",
)
def test_on_another_disk_they_are_made_again(bench: ContractBench, window: State) -> None:
    """Nobody waits for gigabytes to be copied."""
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        host.set_value(node, "cache_dir", folder)
        assert press(window, bench, node) == "up to date, 3 done"
        assert Path(bench.shown(node)).is_relative_to(folder) and len(bench.results(node)) == 3


def test_a_farm_takes_nothing_along(bench: ContractBench, window: State) -> None:
    """Its tasks would all do so at once, and each makes its own frames."""
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    saved_elsewhere(bench, node)
    script = bench.save("v2/comp_v2.nk")
    start_nuke(window=False)
    assert bake.main([script.as_posix(), "--frames", "2", "--node", "all"]) == 0
    assert [path.name for path in (bench.folder / "v2").rglob("*.exr")] == ["matte.main.0002.exr"]


def test_what_another_nuke_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    """A name that is taken although nothing was seen there; the frames behind it come along all the same."""
    old, new = (f"{tmp_path.as_posix()}/{name}" for name in ("old", "new"))
    for frame in (1, 2):
        Path(old).mkdir(exist_ok=True)
        Path(manifest.result_file(old, frame, "main")).write_bytes(b"matte")
        manifest.write(old, manifest.Record(frame=frame, view="main", hashes="", files="f"))
    Path(new).mkdir()
    Path(manifest.result_file(new, 1, "main")).symlink_to("/nowhere/at/all")
    for may_copy in (False, True):
        generations.carry_over(old, new, may_copy=may_copy)
        assert Path(manifest.result_file(new, 1, "main")).is_symlink()
        assert Path(manifest.result_file(new, 2, "main")).read_bytes() == b"matte"
        assert [one.frame for one in manifest.read_all(new)] == [2], "the other Nuke says what it has made"


def made_of(name: str, frame: int) -> manifest.Record:
    return manifest.Record(frame=frame, view="main", hashes="", files=name)


def put(folder: str, record: manifest.Record, matte: bytes = b"") -> None:
    manifest.write(folder, record)
    if matte:
        Path(manifest.result_file(folder, record.frame, record.view)).write_bytes(matte)


@pytest.mark.parametrize("may_copy", [False, True])
def test_no_matte_of_an_earlier_picture_comes_along(may_copy: bool, tmp_path: Path) -> None:
    """Neither for a frame that failed there, nor one of before from under a frame that failed here."""
    old, new = (f"{tmp_path.as_posix()}/{name}" for name in ("old", "new"))
    failed = replace(made_of("new plate", 1), code="bad_plate", message="NaN")
    put(old, made_of("old plate", 1), b"old matte")
    put(new, failed)
    failed_here = replace(made_of("new plate", 2), code="bad_plate", message="NaN")
    put(old, failed_here, b"old matte")
    put(old, made_of("plate", 3), b"matte")
    put(old, made_of("its matte was deleted", 4))
    generations.carry_over(old, new, may_copy=may_copy)
    assert manifest.read_all(new) == [failed, failed_here, made_of("plate", 3)]
    assert [path.name for path in Path(new).glob("*.exr")] == ["matte.main.0003.exr"]


# -- key frames


def keys_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("keys/*.exr"))


@pytest.mark.parametrize("way", [saved_elsewhere, another_folder, in_another_script, opened_from_a_copy])
def test_key_frames_come_along(way: Way, bench: ContractBench, window: State) -> None:
    """*Learn* would have learned without them, from the shot itself."""
    node = with_keys(bench, window, (1, 3))
    host.go_to(2)
    press(window, bench, node, "process_frame")
    there = set(bench.folder.rglob("keys/*.exr"))
    moved = way(bench, node)
    freshness.check(moved)
    assert host.value(moved, "key_frames") == "1,3" and set(bench.folder.rglob("keys/*.exr")) == there
    plain_exr.write(bench.folder / "shot" / "plate.0003.exr", bench.plate(1, bench.clean()))
    status = press(window, bench, moved, "learn")
    assert status.startswith("The plate or clean plate of key frame 3 has changed since."), status
    host.go_to(3)
    press(window, bench, moved, "remove_key")
    assert host.value(moved, "key_frames") == "1"
    left = sorted(path.name for path in set(bench.folder.rglob("keys/*.exr")) - there)
    assert left == ["key.main.0001.exr"] and all(path.is_file() for path in there), "the first script has its own"
    bench.expect_tidy(moved)


def taken_to_v2(bench: ContractBench, window: State) -> nuke.Node:
    """A node with two key frames, of which one frame was made before the script was saved elsewhere, and one
    since."""
    node = with_keys(bench, window, (1, 3))
    host.go_to(2)
    press(window, bench, node, "process_frame")
    saved_elsewhere(bench, node)
    press(window, bench, node, "process_frame")
    return node


def test_key_frames_come_along_with_the_first_frame_that_is_made(bench: ContractBench, window: State) -> None:
    """From then on the node shows the new folder, and nothing names the one before."""
    node = taken_to_v2(bench, window)
    assert keys_below(bench.folder / "v2") == ["key.main.0001.exr", "key.main.0003.exr"]
    freshness.check(node)
    assert host.value(node, "key_frames") == "1,3"


def test_key_frames_that_are_there_stay(bench: ContractBench, window: State) -> None:
    node = taken_to_v2(bench, window)
    for frame in (1, 3):
        host.go_to(frame)
        press(window, bench, node, "remove_key")
    bench.save("comp.nk")
    press(window, bench, node, "process_frame")
    freshness.check(node)
    assert host.value(node, "key_frames") == "1,3", "those of the first folder"
    bench.save("v2/comp_v2.nk")
    freshness.check(node)
    assert host.value(node, "key_frames") == "none", "all were taken away here"


def test_a_copy_has_no_key_frames(bench: ContractBench, window: State) -> None:
    """It may be before another plate; the panel says that there are none."""
    node = with_keys(bench, window, (1,))
    press(window, bench, node, "process_frame")
    twin = copied(bench, node)
    press(window, bench, twin, "process_frame")
    freshness.check(twin)
    assert host.value(twin, "key_frames") == "none" and host.value(node, "key_frames") == "1"


def test_key_frames_that_cannot_be_copied_stop_the_press(bench: ContractBench, window: State) -> None:
    """Nothing is half there, and nothing was made without them."""
    node = with_keys(bench, window, (1,))
    press(window, bench, node, "process_frame")
    saved_elsewhere(bench, node)
    shown = bench.shown(node)
    (Path(shown).parents[1] / "keys" / "key.main.0009.exr").symlink_to("/nowhere/at/all")
    status = press(window, bench, node, "process_frame")
    assert status.startswith("The key frames in ") and "cannot be copied to" in status, status
    assert "not all can be read" in status
    assert bench.shown(node) == shown and not keys_below(bench.folder / "v2")
    bench.expect_tidy(node)


# -- nodes that came from elsewhere


def as_toolset(bench: ContractBench, node: nuke.Node) -> str:
    """A ToolSet is the text of the nodes that were selected."""
    host.select_nothing()
    node["selected"].setValue(True)
    file = f"{bench.folder.as_posix()}/toolset.nk"
    nuke.nodeCopy(file)
    return file


@pytest.mark.parametrize("in_another", [True, False])
def test_a_node_of_a_toolset_shows_no_matte_of_another_shot(
    in_another: bool, bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot(FRAMES), 1, 3, guard=False)
    press(window, bench, node)
    made = bench.results(node)
    toolset = as_toolset(bench, node)
    if in_another:
        host.new_script()
    shot = bench.shot(FRAMES, "another", subject=(0.1, 2.0, 0.05))
    host.select_nothing()
    came = nuke.nodePaste(toolset)
    assert came is not None
    assert not freshness.look_again(came) or "matte.%V" in bench.shown(came), "it is not connected yet"
    host.connect(came, 0, bench.read(shot / "plate.%04d.exr", 1, 3))
    host.connect(came, 1, bench.read(shot / "clean.exr", 1, 1))
    bench.save("other.nk")
    until(window, bench.says(came, "not processed"))
    with pytest.raises(RuntimeError, match="cleanplate_not_processed"):
        bench.output(came, 1)
    assert press(window, bench, came) == "up to date, 3 done"
    assert all(path.is_file() for path in made)
    host.set_value(came, "erode", 1.0)
    until(window, bench.says(came, "stale"))
    bench.output(came, 1)


def pasted_before(toolset: str, *feeds: nuke.Node | None) -> nuke.Node:
    host.select_nothing()
    came = nuke.nodePaste(toolset)
    assert came is not None
    for index, feed in enumerate(feeds):
        host.connect(came, index, feed)
    return came


def test_a_node_that_was_cut_finds_its_results_again(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pasted while it was stale, it shows nothing, until its settings are those of the results. One that was copied
    before it was processed shows them at once."""
    node = bench.node(bench.shot((1,)), 1, 1)
    src, clean, first = node.input(0), node.input(1), bench.shown(node)
    copy = Path(as_toolset(bench, node)).rename(bench.folder / "copy.nk").as_posix()
    assert press(window, bench, node) == "up to date, 1 done"
    made = bench.shown(node)
    freshness.look_again(node)
    nuke.delete(node)
    node = pasted_before(copy, src, clean)
    freshness.look_again(node)
    assert bench.shown(node) == made
    host.set_value(node, "erode", 1.0)
    toolset = as_toolset(bench, node)
    nuke.delete(node)
    came = pasted_before(toolset, src, clean)
    freshness.look_again(came)
    assert bench.shown(came) == first
    host.set_value(came, "erode", 0.0)
    freshness.look_again(came)
    assert (bench.status(came), bench.shown(came)) == ("up to date", made)
    bench.expect_matte(bench.output(came, 1), 1)
    host.set_value(came, "erode", 1.0)
    freshness.look_again(came)
    assert bench.status(came).startswith("stale") and bench.shown(came) == made
    host.new_script()
    monkeypatch.chdir(bench.folder)
    feeds = (bench.read(bench.folder / "shot" / name, 1, 1) for name in ("plate.%04d.exr", "clean.exr"))
    came = pasted_before(copy, *feeds)
    freshness.look_again(came)
    assert bench.shown(came) == first, "an unsaved script has no folder of results"


def test_a_node_that_was_first_connected_to_another_plate_finds_its_results(
    bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    src, clean, made = node.input(0), node.input(1), bench.shown(node)
    toolset = as_toolset(bench, node)
    nuke.delete(node)
    arrivals.note_opened(())  # it was another Nuke
    another = bench.read(bench.shot((1,), "another") / "plate.%04d.exr", 1, 1)
    came = pasted_before(toolset, another, clean)
    freshness.look_again(came)
    assert "matte.%V" not in bench.shown(came)
    host.connect(came, 0, src)
    freshness.look_again(came)
    assert (bench.status(came), bench.shown(came)) == ("up to date", made)


def test_what_was_cleared_stays_cleared(bench: ContractBench, window: State) -> None:
    """A copy shows the results yet, so they are on disk."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    copied(bench, node)
    window.answers.append(True)
    host.press(node, "clear_cache")
    freshness.look_again(node)
    assert bench.status(node) == "not processed" and "matte.%V" not in bench.shown(node)


@pytest.mark.parametrize("has_window", [True, False])
def test_after_a_crash_an_unsaved_script_shows_what_was_made(
    has_window: bool, bench: ContractBench, window: State
) -> None:
    """A farm renders what was saved."""
    node = bench.node(bench.shot((1,)), 1, 1)
    script = bench.save()
    press(window, bench, node)
    made = bench.shown(node)
    window.gui = has_window
    host.open_script(script.as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None and (bench.shown(again) == made) == has_window


def test_a_copy_with_settings_that_the_original_had_shows_those(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    first = bench.shown(node)
    host.set_value(node, "erode", 1.0)
    press(window, bench, node)
    toolset = as_toolset(bench, node)
    host.select_nothing()
    came = nuke.nodePaste(toolset)
    assert came is not None and bench.shown(came) == bench.shown(node) != first
    host.set_value(came, "erode", 0.0)
    for index in range(2):
        host.connect(came, index, node.input(index))
    freshness.look_again(came)
    assert bench.shown(came) == first and freshness.check(came).usable


def test_a_copy_before_the_same_plate_shows_what_its_original_shows(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    twin = copied(bench, node)
    until(window, bench.says(twin, "up to date"))
    host.set_value(twin, "erode", 1.0)
    until(window, bench.says(twin, "stale"))
    assert bench.shown(twin) == bench.shown(node), "it was settled before that"


def test_a_node_of_a_script_shows_what_it_showed(bench: ContractBench, window: State) -> None:
    """Also where it was saved while it was stale."""
    node = bench.node(bench.shot(FRAMES), 1, 3)
    press(window, bench, node)
    host.set_value(node, "erode", 1.0)
    shown = bench.shown(node)
    host.open_script(bench.save().as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None
    until(window, bench.says(again, "stale"))
    assert bench.shown(again) == shown
