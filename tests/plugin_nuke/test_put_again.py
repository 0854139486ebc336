"""Files that are put there again with their old sizes and times, as by ``cp -p``, ``rsync -t`` or in one second: no
matte of the file before passes for one of the new."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nuke
import pytest
from cleanplate_node import (
    fingerprint,
    freshness,
    host,
    manifest,
    node_options,
    overwritten,
    plain_exr,
    shown_result,
    sources,
    view_jobs,
)
from cleanplate_node.bench import ContractBench, rendered
from matte_link import seen_files
from matte_link.result_key import SAME
from nuke._state import State

from tests.plugin_nuke.pressing import expect_matte_there, looked_at, press, until

Put = Callable[[Path, Path], object]
# The clock of a disk counts in steps of the kernel, of 10 ms at most.
_TICK_S = 0.03


def over_it(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def in_its_place(source: Path, target: Path) -> None:
    source.replace(target)


def put_again(target: Path, picture: plain_exr.PlainImage, put: Put = shutil.copyfile) -> None:
    """Another picture of the size and time of the one that is there."""
    before, source = target.stat(), target.with_suffix(".new")
    plain_exr.write(source, picture)
    time.sleep(_TICK_S)
    put(source, target)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = target.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns), "the test's own premise"


@pytest.mark.parametrize("put", [over_it, in_its_place, shutil.copy2])
def test_another_picture_is_noticed_and_made(put: Put, bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    assert press(window, bench, node) == "up to date, 3 done"
    # The subject of frame 2 stands where that of frame 9 would.
    put_again(shot / "plate.0002.exr", bench.plate(9, bench.clean()), put)
    assert looked_at(window, bench, node) == "stale: the sources of frame 2 changed"
    # The stand-in's hashes, as Nuke's, do not see it either, and its Read goes on with what it has read.
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 2, 9)
    assert looked_at(window, bench, node).startswith("up to date")


def test_a_read_that_shows_the_old_picture_is_reloaded(bench: ContractBench, window: State) -> None:
    """Also before the node has looked at it for the first time; one whose file is as it was is not."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    plate = host.input_of(node, 0)
    assert plate is not None
    for button, subject in (("process_range", 9), ("process_frame", 7), ("process_range", 5)):
        bench.output(plate, 1)  # the Viewer
        plain_exr.write(shot / "plate.0001.exr", bench.plate(subject, bench.clean()))
        press(window, bench, node, button)
        expect_matte_there(bench, node, 1, subject)
    version = host.value(plate, "version")
    press(window, bench, node, "process_frame")
    assert host.value(plate, "version") == version


def test_a_file_older_than_this_nuke_is_not_read_twice(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    monkeypatch.setattr(overwritten, "_BEGAN_NS", time.time_ns() + 2 * overwritten._SKEW_NS)
    press(window, bench, node)
    assert [host.value(read, "version") for read in (host.input_of(node, 0), host.input_of(node, 1)) if read] == [
        0,
        0,
    ]


def version_of(node: nuke.Node, at: int = 0) -> object:
    read = host.input_of(node, at)
    assert read is not None
    return host.value(read, "version")


def test_no_clock_is_asked_about_a_file_that_was_seen_as_another(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's clock may be an hour behind; Windows has no time of change for what ``cp -p`` puts there."""
    monkeypatch.setattr(overwritten, "_BEGAN_NS", time.time_ns() + 3600 * 10**9)
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    assert press(window, bench, node) == "up to date, 1 done"
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


def test_a_read_is_reloaded_once(bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for files of tomorrow, and not again for its other frames: Nuke forgets all that it shows of them."""
    monkeypatch.setattr(overwritten, "_SKEW_NS", 0)
    shot = bench.shot((1, 2))
    tomorrow = time.time() + 86400
    os.utime(shot / "clean.exr", (tomorrow, tomorrow))
    node = bench.node(shot, 1, 2)
    for frame in (1, 2, 1):
        host.go_to(frame)
        press(window, bench, node, "process_frame")
    assert [version_of(node, at) for at in (0, 1)] == [1, 1]


def test_a_file_that_is_overwritten_while_the_range_is_looked_at(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its Read was found to show it, and before it is in the key of its frame."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    look = sources._hashes

    def look_slowly(feeds: dict[str, nuke.Node], frames: Sequence[int]) -> dict[int, dict[str, tuple[int, ...]]]:
        found = look(feeds, frames)
        plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
        monkeypatch.setattr(sources, "_hashes", look)
        return found

    monkeypatch.setattr(sources, "_hashes", look_slowly)
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


def test_a_reload_that_nuke_refuses_stops_nothing(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    read = host.input_of(node, 0)
    assert read is not None
    tries: list[int] = []

    def refuses() -> None:
        tries.append(1)
        raise RuntimeError("I'm already executing something else")

    read["reload"].action = refuses  # type: ignore[attr-defined]  # the stand-in's
    assert press(window, bench, node) == "up to date, 1 done"
    press(window, bench, node)
    assert len(tries) == 4, "it is tried again"
    plain_exr.write(bench.folder / "shot/plate.0001.exr", bench.plate(9, bench.clean()))
    for _ in range(2):
        assert press(window, bench, node) == (
            "Nuke does not reload Read1, and would render an older picture of the file. "
            "Press Reload there, in a LiveGroup once that is made editable, or open the script again."
        )
    read["reload"].action = read._reload  # type: ignore[attr-defined]
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


def test_a_file_that_comes_with_an_old_time_after_it_was_shown(bench: ContractBench, window: State) -> None:
    """As by ``cp -p`` before the first press: its time of change alone tells that Nuke has read another."""
    shot = bench.shot((1,))
    plate = shot / "plate.0001.exr"
    os.utime(plate, (10**9, 10**9))
    node = bench.node(shot, 1, 1)
    read = host.input_of(node, 0)
    assert read is not None
    bench.output(read, 1)
    put_again(plate, bench.plate(9, bench.clean()))
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


def test_what_was_not_reloaded_in_another_script_is_forgotten(bench: ContractBench, window: State) -> None:
    """Its nodes have these names, too, and have read nothing yet."""
    shot = bench.shot((1,))
    for picture in (1, 9):
        plain_exr.write(shot / "plate.0001.exr", bench.plate(picture, bench.clean()))
        node = bench.node(shot, 1, 1)
        read = host.input_of(node, 0)
        assert read is not None and host.full_name(read) == "Read1"

        def refuses() -> None:
            raise RuntimeError("I'm already executing something else")

        read["reload"].action = refuses  # type: ignore[attr-defined]  # the stand-in's
        assert press(window, bench, node) == "up to date, 1 done"
        host.new_script()


def test_no_old_picture_of_a_published_live_group_passes_for_a_new_one(bench: ContractBench, window: State) -> None:
    """A Reload may do nothing there; what was never read is read as it is."""
    shot = bench.shot((1,))
    live = host.create("LiveGroup", published=True)
    with host.inside(live):
        read = bench.read(shot / "plate.%04d.exr", 1, 1)
        host.connect(host.create("Output"), 0, read)
    node = bench.node_on(live, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, node) == "up to date, 1 done"
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    assert press(window, bench, node).startswith("Nuke does not reload LiveGroup1.Read1, and would render")
    bench.expect_matte(bench.result(node, 1), 1)
    host.set_value(live, "published", False)
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


@pytest.mark.parametrize("version", ["addUserKnob {1 version}", "addUserKnob {4 version M {v011 v012}}"])
def test_the_artists_own_values_are_not_read_over(version: str, bench: ContractBench, window: State) -> None:
    """A Reload as of a Camera would put the values of its file over those that were set. A house's own version
    counts nothing."""
    shot = bench.shot((1,))
    camera = host.create("Grade")
    command = "\"nuke.thisNode()\\['white'].setValue(0.5)\""
    host.read_knobs(camera, f"addUserKnob {{2 file}}\n{version}\nversion v012")
    host.read_knobs(camera, f"addUserKnob {{22 reload T {command}}}")
    host.set_value(camera, "file", f"{shot.as_posix()}/clean.exr")
    host.connect(camera, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    node = bench.node_on(camera, bench.read(shot / "clean.exr", 1, 1))
    assert press(window, bench, node) == "up to date, 1 done"
    assert host.value(camera, "white") == 1.0
    host.press(camera, "reload")
    assert host.value(camera, "white") == 0.5, "the test's own premise"


@pytest.mark.parametrize(("kind", "knob"), [("ReadGeo2", "file"), ("Vectorfield", "vfield_file")])
def test_a_scene_that_was_overwritten_is_read_again(
    kind: str, knob: str, bench: ContractBench, window: State
) -> None:
    """How often it was reloaded changes no picture."""
    shot = bench.shot((1,))
    file = shot / "scene.abc"
    file.write_bytes(b"a table")
    scene = host.create(kind, **{knob: file.as_posix()})
    host.connect(scene, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    node = bench.node_on(scene, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, node) == "up to date, 1 done"
    shown, reloads = bench.shown(node), host.value(scene, "version")
    file.write_bytes(b"a chair")
    assert looked_at(window, bench, node) == "stale: the sources of frame 1 changed"
    assert press(window, bench, node) == "up to date, 1 done"
    assert (host.value(scene, "version"), bench.shown(node)) == (reloads + 1, shown)
    host.press(scene, "reload")
    assert looked_at(window, bench, node).startswith("up to date")


@pytest.mark.parametrize(
    ("kind", "switch", "count"),
    [("Camera3", "read_from_file", "version"), ("Camera4", "read_from_scene", "file_version")],
)
def test_a_camera_that_nuke_has_read_before_is_reloaded_by_hand(
    kind: str, switch: str, count: str, bench: ContractBench, window: State
) -> None:
    """Nuke reads it again when the script is opened: the matte would be of the camera before."""
    shot = bench.shot((1,))
    file = shot / "camera.fbx"
    file.write_bytes(b"from the left")
    camera = host.create(kind, file=file.as_posix(), **{switch: True})
    host.connect(camera, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    node = bench.node_on(camera, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, node) == "up to date, 1 done"
    file.write_bytes(b"from the right")
    assert looked_at(window, bench, node) == "stale: the sources of frame 1 changed"
    for _ in range(2):
        assert press(window, bench, node).startswith(f"Nuke does not reload {kind}1, and would render an older")
    assert host.value(camera, count) == 0
    host.press(camera, "reload")
    assert press(window, bench, node) == "up to date, 1 done"
    host.set_value(camera, switch, False)
    assert press(window, bench, node) == "up to date, 1 done"
    file.write_bytes(b"from above")
    assert looked_at(window, bench, node).startswith("up to date")


def unlocked(file: Path) -> None:
    file.chmod(0o600)


def restored(file: Path) -> None:
    backup = file.with_suffix(".backup")
    backup.write_bytes(file.read_bytes())
    backup.replace(file)


@pytest.mark.parametrize("act", [Path.touch, unlocked, restored, lambda file: os.utime(file, (1, 1))])
def test_the_same_picture_with_other_times_is_no_other(
    act: Callable[[Path], object], bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    assert press(window, bench, node) == "up to date, 2 done"
    time.sleep(_TICK_S)
    act(shot / "plate.0002.exr")
    act(shot / "clean.exr")
    assert looked_at(window, bench, node) == "up to date, 2 done"
    with rendered() as plates:
        assert press(window, bench, node) == "up to date"
    assert not plates
    # Another Nuke, which has read nothing, finds it written in the records.
    seen_files._known.clear()
    wanted: list[str] = []
    monkeypatch.setattr(freshness._comparison, "want", lambda name, files: wanted.append(name))
    assert freshness.check(node, deep=False).text == "up to date" and not wanted


def test_what_is_not_read_yet_is_unknown(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    wanted: list[str] = []
    monkeypatch.setattr(freshness._comparison, "want", lambda name, files: wanted.append(name))
    (bench.folder / "shot" / "plate.0002.exr").touch()
    found = freshness.check(node, deep=False)
    assert found.text == "unknown: whether the sources of frame 2 changed. Their files are being read."
    assert wanted == ["Cleanplate_Matte1"]
    # A render waits for it.
    assert shown_result.ShownResult(node).at(2, host.views(), with_hashes=False).text == "up to date"


def test_a_result_whose_content_was_not_recorded(bench: ContractBench, window: State) -> None:
    """As one of an older version, or of a run that was stopped."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    folder = str(Path(bench.shown(node)).parent)
    for record in manifest.read_all(folder):
        assert record.content and record.sizes
        manifest.write(folder, replace(record, content=""))
    time.sleep(_TICK_S)
    unlocked(shot / "plate.0001.exr")
    says = "unknown: whether the sources of frame 1 changed. Press 'Process range' to compare."
    assert freshness.check(node, deep=False).text == says
    (shot / "plate.0001.exr").touch()
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"
    assert press(window, bench, node) == "up to date, 1 done"


def test_scripts_that_share_a_node_and_name_plates_by_tcl(bench: ContractBench, window: State) -> None:
    """Each has a folder of its own, which a script that is moved with its plates finds again."""
    for number, script in enumerate(("one.nk", "two.nk")):
        bench.shot((1, 2), f"{script}.plates", subject=(2.0, 0.1 + number, 0.05))
    files = ("plate.%04d.exr", "clean.exr")
    reads = [host.create("Read", file=f"[value root.name].plates/{name}", last=2, raw=True) for name in files]
    node = bench.node_on(*reads)
    bench.save("one.nk")
    assert press(window, bench, node) == "up to date, 2 done"
    of_one = bench.shown(node)
    bench.save("two.nk")
    until(window, bench.says(node, "stale"))
    assert press(window, bench, node) == "up to date, 2 done"
    assert bench.shown(node) != of_one
    bench.save("one.nk")
    until(window, lambda: bench.shown(node) == of_one)
    until(window, bench.says(node, "up to date"))


def test_the_frame_alone_is_made_again(bench: ContractBench, window: State) -> None:
    """Process frame asks for one frame; a quiet plan, as of the frames around, asks for no hashes."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    put_again(shot / "plate.0001.exr", bench.plate(6, bench.clean()))
    found = sources.sources_of(node)
    key = sources.SourceKeys(found, node_options.options_of(node), ()).keys((1,), ("main",))[1, "main"]
    folder = str(Path(bench.shown(node)).parent)
    assert not key.hashes and not manifest.has_result(folder, 1, "main", key)
    assert manifest.has_result(folder, 1, "main", replace(key, witness=""))


@pytest.mark.parametrize("temporal", [0.0, 0.5])
def test_what_all_frames_share_is_compared_once(
    temporal: float, lonely: ContractBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a retime each of a thousand frames is made of a thousand files."""
    frames = range(1, 31)
    for name in (*(f"plate.{frame:04d}.exr" for frame in frames), "clean.exr"):
        (lonely.folder / name).write_text(name)
    retime = host.create("Retime")
    host.connect(retime, 0, lonely.read(lonely.folder / "plate.%04d.exr", 1, 30))
    clean = lonely.read(lonely.folder / "clean.exr", 1, 1)
    node = lonely.node_on(retime, clean, range_mode="custom", first=1, last=30, temporal=temporal)

    def keys_now() -> dict[tuple[int, str], fingerprint.FrameKey]:
        return sources.SourceKeys(sources.sources_of(node), node_options.options_of(node), ()).keys(
            frames, ("main",)
        )

    made = {
        at: replace(key, sizes=key.seen.sizes, content=key.seen.read_contents()) for at, key in keys_now().items()
    }
    for frame in frames:
        (lonely.folder / f"plate.{frame:04d}.exr").touch()
    asked: list[seen_files.SeenFile] = []
    look_up = seen_files._digest_of

    def count(file: seen_files.SeenFile) -> str | None:
        asked.append(file)
        return look_up(file)

    monkeypatch.setattr(seen_files, "_digest_of", count)
    now = keys_now()
    assert all(key.can_be_compared(made[at]) for at, key in now.items())
    for key in now.values():
        key.seen.read_contents()
    assert all(key.is_known_to_equal(made[at]) for at, key in now.items())
    # 31 files, once for each question: of the first, the last and all frames between, which with smoothing in time
    # have others beside them; each of these asks for its first file until that is read.
    assert len(asked) <= 31 * 3 * 3 + 3 * len(frames), len(asked)


@pytest.mark.parametrize("kind", ["Retime", "temporal"])
def test_other_frames_that_count(kind: str, bench: ContractBench, window: State) -> None:
    """Behind a node that may take any frame every file counts, and with smoothing the frames beside."""
    shot = bench.shot((1, 2, 3, 4))
    plate, clean = bench.read(shot / "plate.%04d.exr", 1, 4), bench.read(shot / "clean.exr", 1, 1)
    if kind == "Retime":
        retime = host.create("Retime")
        host.connect(retime, 0, plate)
        node = bench.node_on(retime, clean, range_mode="custom", first=1, last=2)
    else:
        node = bench.node_on(plate, clean, range_mode="custom", first=1, last=2, temporal=0.5)
    assert press(window, bench, node) == "up to date, 2 done"
    put_again(shot / "plate.0004.exr", bench.plate(7, bench.clean()))
    seen = looked_at(window, bench, node)
    assert seen.startswith("stale: the sources of frames 1-2 ") == (kind == "Retime"), seen
    put_again(shot / "plate.0003.exr", bench.plate(7, bench.clean()))
    seen = looked_at(window, bench, node)
    frames = "frames 1-2" if kind == "Retime" else "frame 2"
    assert seen.startswith(f"stale: the sources of {frames} "), seen


def test_a_copy_elsewhere_and_another_machine_have_the_same_key(bench: ContractBench, window: State) -> None:
    """The witness is no part of the key: files that are copied with their times have the results of the others."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    time.sleep(_TICK_S)
    copy = Path(shutil.copytree(shot, bench.folder / "copy" / shot.name))
    for role in (0, 1):
        read = host.input_of(node, role)
        assert read is not None
        name = str(host.value(read, "file")).rpartition("/")[2]
        read["file"].setValue(f"{copy.as_posix()}/{name}")
    record = manifest.read(str(Path(bench.shown(node)).parent), 1, "main")
    found = sources.sources_of(node)
    key = sources.SourceKeys(found, node_options.options_of(node), ()).keys((1,), ("main",))[1, "main"]
    assert record is not None and record.witness and key.witness != record.witness
    assert key.is_known_to_equal(record.key) and key.compared_files(record.key) == SAME
    nuke.scriptClear()


def test_what_another_nuke_has_made_again_stays(tmp_path: Path) -> None:
    """Also while the files of its record before are being read."""
    (tmp_path / "records").mkdir()
    before = manifest.Record(frame=1, view="main", hashes="a", files="b")
    manifest.write(str(tmp_path), before)
    manifest.amend(str(tmp_path), before, replace(before, content="c"))
    assert manifest.read(str(tmp_path), 1, "main") == replace(before, content="c")
    manifest.amend(str(tmp_path), before, replace(before, content="d"))
    assert manifest.read(str(tmp_path), 1, "main") == replace(before, content="c")


def test_records_of_other_versions(bench: ContractBench, window: State) -> None:
    """One of an older version says nothing of contents; one of a newer version, which says more, is not read."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    folder = Path(bench.shown(node)).parent
    file = folder / "records" / "main.0001.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps({name: one for name, one in facts.items() if name not in ("sizes", "content")}))
    assert freshness.check(node, deep=False).text == "up to date, 1 done"
    (bench.folder / "shot" / "plate.0001.exr").touch()
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"
    file.write_text(json.dumps({**facts, "of_a_newer_version": 1}))
    assert manifest.read(str(folder), 1, "main") is None
    assert press(window, bench, node) == "up to date, 1 done"


def test_cancel_while_inputs_are_noted_loses_no_result(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar is there until all contents are; its Cancel ends that."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    noted: list[bool] = []

    def note(jobs: view_jobs.ViewJobs) -> bool:
        if jobs.finished:
            noted.append(True)
            for task in window.tasks:
                task.cancelled = True
            assert len(noted) < 100, "nobody can end it"
        return jobs.finished

    monkeypatch.setattr(view_jobs.ViewJobs, "note_content", note)
    assert press(window, bench, node) == "up to date, 2 done"
    assert len(noted) == 1


def test_cancel_while_inputs_are_compared_changes_nothing(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    folder = str(Path(bench.shown(node)).parent)
    before = manifest.read_all(folder)
    asked: list[seen_files.SeenTogether] = []
    for frame in (1, 2):
        (shot / f"plate.{frame:04d}.exr").touch()

    def read(seen: seen_files.SeenTogether) -> str:
        asked.append(seen)
        window.tasks[-1].cancelled = True
        return ""

    monkeypatch.setattr(seen_files.SeenTogether, "read_contents", read)
    with rendered() as plates:
        assert press(window, bench, node) == "Cancelled before anything was rendered."
    assert len(asked) == 1 and not plates and manifest.read_all(folder) == before


def test_a_system_that_tells_times_less_exactly_sees_the_same_files(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A farm of Linux renders what was made in Windows. Behind a retime the whole sequence counts, which may be too
    much to be read."""
    shot, began = bench.shot((1, 2)), 1_700_000_000_123_456_789
    for file in shot.iterdir():
        os.utime(file, ns=(began, began))
    retime = host.create("Retime", speed=1.0)
    host.connect(retime, 0, bench.read(shot / "plate.%04d.exr", 1, 2))
    clean = bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(retime, clean, range_mode="custom", first=1, last=2)
    assert press(window, bench, node) == "up to date, 2 done"
    monkeypatch.setattr("platform.node", lambda: "farm")
    monkeypatch.setattr(seen_files, "MOST_BYTES", 0)
    for later_ns, said in ((-89, "up to date, 2 done"), (2_000_000, "stale: the sources of frames 1-2 changed")):
        os.utime(shot / "plate.0002.exr", ns=(began, began + later_ns))
        assert freshness.check(node, deep=False).text == said
        assert freshness.check(node, deep=False).text == said
