"""A new node, as it comes from the menu: no render shows an old matte for a new picture, in a window, on a farm
with the plugin and on one without. What is not old is rendered."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import nuke
import pytest
from cleanplate_node import bake, freshness, graph, host, manifest, node_runs, plain_exr
from cleanplate_node.bench import ContractBench, Server
from matte_link import seen_files
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import broken, looked_at, press, until
from tests.plugin_nuke.test_makers import change_maker, drop_makers

NEW = 9
"""Where the subject stands in the new picture."""
WITHOUT_PLUGIN = "Not_stale: The matte is of an earlier picture or setting. .* switch off 'Refuse stale renders'"


def refused(bench: ContractBench, node: nuke.Node, frames: tuple[int, ...] = (1, 2)) -> dict[int, str]:
    """What stops the render of which frames."""
    found = {}
    for frame in frames:
        try:
            bench.output(node, frame)
        except RuntimeError as error:
            found[frame] = str(error)
    return found


def overwrite(bench: ContractBench, shot: Path, frame: int, place: int = NEW) -> None:
    plain_exr.write(shot / f"plate.{frame:04d}.exr", bench.plate(place, bench.clean()))


def opened(script: Path) -> nuke.Node:
    host.open_script(script.as_posix())
    node = host.find("Cleanplate_Matte1")
    assert node is not None
    return node


def without_the_plugin(window: bool = False) -> State:
    """A Nuke that has never heard of the plugin."""
    state = nuke.reset()
    state.gui = window
    return state


def test_a_window_refuses_what_is_old_and_renders_the_rest(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    grade = host.create("Grade")
    src, clean = bench.read(shot / "plate.%04d.exr", 1, 2), bench.read(shot / "clean.exr", 1, 1)
    host.connect(grade, 0, src)
    node = bench.node_on(grade, clean)
    press(window, bench, node)
    assert refused(bench, node) == {}
    end = "Have it processed first, or switch off 'Refuse stale renders'."
    every = dict.fromkeys((1, 2), f"Cleanplate_Matte1: stale: a setting or an input changed. {end}")
    changes: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: host.set_value(node, "erode", 2.0), lambda: host.set_value(node, "erode", 0.0)),
        (lambda: host.set_value(grade, "white", 2.0), lambda: host.set_value(grade, "white", 1.0)),
        (lambda: host.connect(node, 1, grade), lambda: host.connect(node, 1, clean)),
    ]
    for change, back in changes:
        change()
        assert refused(bench, node) == every
        back()
        assert refused(bench, node) == {}
    overwrite(bench, shot, 2)
    assert refused(bench, node, (1, 2, 3)) == {
        2: f"Cleanplate_Matte1: stale: the sources of frame 2 changed. {end}",
        3: f"Cleanplate_Matte1: frame 3 is not processed. {end}",
    }
    host.set_value(node, "guard", False)
    assert refused(bench, node) == {}, "the artist wants to see it"


def test_farms_with_and_without_the_plugin(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    scripts = {"good": bench.save("good.nk")}
    host.set_value(node, "erode", 2.0)
    until(window, bench.says(node, "stale: a setting"))
    scripts["setting"] = bench.save("setting.nk")
    host.set_value(node, "guard", False)
    scripts["unguarded"] = bench.save("unguarded.nk")
    host.set_value(node, "guard", True)
    host.set_value(node, "erode", 0.0)
    until(window, bench.says(node, "up to date"))
    overwrite(bench, shot, 2)
    host.create("Dot")
    until(window, lambda: freshness.check(node, deep=False).is_old)
    scripts["file"] = bench.save("file.nk")
    assert press(window, bench, node) == "up to date, 1 done"
    until(window, lambda: not host.value(node, "shows_old"), 20)
    scripts["made again"] = bench.save("made.nk")
    overwrite(bench, shot, 2, place=5)
    with_plugin = {"good": [2], "setting": [1, 2], "unguarded": [], "file": [2], "made again": [2]}
    without = {"good": [], "setting": [1, 2], "unguarded": [], "file": [1, 2], "made again": []}
    for name, script in scripts.items():
        start_nuke(window=False)
        assert list(refused(bench, opened(script))) == with_plugin[name], name
        for has_window in (False, True):
            without_the_plugin(has_window)
            again = opened(script)
            found = refused(bench, again)
            assert list(found) == without[name], name
            assert not host.value(again, "watched")
            for words in found.values():
                assert words.endswith("is installed, or switch off 'Refuse stale renders'."), words


def test_a_file_that_a_farm_overwrites_is_seen_there(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task looks at the files of its own frames, and opening the script at none."""
    frames = tuple(range(1, 6))
    shot = bench.shot(frames)
    node = bench.node(shot, 1, 5)
    press(window, bench, node)
    script = bench.save()
    start_nuke(window=False)
    looked: list[str] = []
    plain = seen_files.look_at

    def noted(path: str) -> seen_files.SeenFile | str:
        looked.append(Path(path).name)
        return plain(path)

    monkeypatch.setattr("cleanplate_node.source_files.look_at", noted)
    again = opened(script)
    assert looked == []
    assert refused(bench, again, (2,)) == {}
    assert sorted(looked) == ["clean.exr", "plate.0002.exr"]
    overwrite(bench, shot, 2)
    assert list(refused(bench, again, (2, 3))) == [2]


def test_a_farms_log_says_what_could_not_be_compared(bench: ContractBench, window: State) -> None:
    """A text upstream that runs Python may be another one by then: it is rendered, once for each frame in words."""
    shot = bench.shot((1, 2))
    slate = host.create("Text2", message="[python {nuke.root()['fps'].value()}]")
    host.connect(slate, 0, bench.read(shot / "plate.%04d.exr", 1, 2))
    node = bench.node_on(slate, bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    script = bench.save()
    assert refused(bench, node) == {} and not window.messages
    farm = start_nuke(window=False)
    again = opened(script)
    assert refused(bench, again, (1, 2, 2)) == {}
    says = "Cleanplate_Matte1 is rendered, though unknown: whether the sources of frame {} changed. Press 'Process "
    assert farm.printed == [f"{says.format(frame)}range' to compare." for frame in (1, 2)]
    drop_makers(bench, again)
    assert refused(bench, again, (1,)) == {}
    assert farm.printed[2].startswith(
        "Cleanplate_Matte1 is rendered, though unknown: it was not recorded which version"
    )


def test_a_copy_that_a_farm_saves_says_what_is_old(
    terminal: State, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three plates are new, and one of them is baked before the copy is saved."""
    bench = ContractBench(tmp_path, server)
    shot = bench.shot((1, 2, 3))
    bench.node(shot, 1, 3)
    words = [str(bench.save()), "--node", "all", "--server", server.address, "--save", f"{tmp_path}/copy.nk"]
    for overwritten, frames, old in (((), "1-3", []), ((2, 3), "2", [1, 2, 3]), ((), "3", [])):
        for frame in overwritten:
            overwrite(bench, shot, frame)
        Path(tmp_path / "copy.nk").unlink(missing_ok=True)
        start_nuke(window=False)
        assert bake.main([*words, "--frames", frames]) == 0
        without_the_plugin()
        assert list(refused(bench, opened(tmp_path / "copy.nk"), (1, 2, 3))) == old, frames


def test_results_of_an_older_server_are_of_the_same_pictures(bench: ContractBench, window: State) -> None:
    """A server that is upgraded over night stops no render, in a window that knows of it either; a mix does."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    for frame, stopped in ((1, [1, 2]), (2, [])):
        change_maker(bench, node, frame, version="0.1")
        found = freshness.check(node, deep=False)
        assert found.text.startswith("stale: frame") and not found.is_old
        assert list(refused(bench, node)) == stopped


def test_the_status_after_a_press_tells_of_other_frames(bench: ContractBench, window: State) -> None:
    """Two files were overwritten, and the matte of one of them was made again."""
    shot = bench.shot((1, 2, 3, 4))
    node = bench.node(shot, 1, 4)
    press(window, bench, node)
    for frame in (2, 4):
        overwrite(bench, shot, frame)
    host.go_to(2)
    press(window, bench, node, "process_frame")
    until(window, bench.says(node, "stale: the sources of frame 4 changed"), 20)
    for frame in (2, 3):
        overwrite(bench, shot, frame, place=5)
    host.set_value(node, "around", 1)
    press(window, bench, node, "process_frame")
    until(window, bench.says(node, "stale: the sources of frame 4 changed"), 20)
    assert press(window, bench, node) == "up to date, 1 done"
    time.sleep(0.5)
    until(window, lambda: not window.queue)
    assert bench.status(node) == "up to date, 1 done" and not host.value(node, "shows_old")


def test_an_automatic_update_does_not_follow_itself(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2, auto_update=True)
    press(window, bench, node)
    host.set_value(node, "erode", 1.0)
    until(window, bench.says(node, "up to date, 1 done"))
    count = len(window.rendered)
    until(window, lambda: not window.queue)
    time.sleep(1.0)
    until(window, lambda: not window.queue and bench.idle(node)())
    assert len(window.rendered) == count


def test_frames_that_are_being_made_are_refused_and_no_others(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    press(window, bench, node)
    overwrite(bench, shot, 2)
    host.press(node, "process_range")
    run = node_runs.running(node)
    assert run is not None
    found = refused(bench, node, (1, 2, 3))
    assert node_runs.running(node) is run and list(found) == [2]
    assert found[2].startswith("Cleanplate_Matte1: frame 2 is being made. Have it processed first")
    retime = host.create("Retime", speed=1.0)
    host.connect(retime, 0, node)
    assert refused(bench, retime, (1,))[1].startswith("Cleanplate_Matte1: its frames are being made.")
    until(window, bench.idle(node))
    assert refused(bench, node, (1, 2, 3)) == refused(bench, retime, (1,)) == {}


def test_a_shot_that_is_learnt_stops_no_render(bench: ContractBench, window: State) -> None:
    """It changes no result."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)

    class RunThatMakesNothing(node_runs.NodeRun):
        def _work(self) -> None:
            pass

    run = RunThatMakesNothing(node, str(host.value(node, "node_id")))
    run.start()
    try:
        assert node_runs.running(node) is run and refused(bench, node, (1,)) == {}
    finally:
        run._ended()


def test_the_viewer_shows_an_old_matte(bench: ContractBench, window: State) -> None:
    """Only a render is refused: what the artist looks at stays."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    host.set_value(node, "erode", 2.0)
    until(window, bench.says(node, "stale: a setting"))
    picture = node._produce(1, "main", False)
    x, y, _ = bench.truth[1]
    assert picture.pixels[round(y), round(x), 3] > 0.98


def test_the_note_is_nothing_that_must_be_saved(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    bench.save("saved.nk")
    overwrite(bench, shot, 1)
    assert looked_at(window, bench, node) == "stale: the sources of frame 1 changed"
    assert host.value(node, "shows_old") and not nuke.root().modified()


def test_the_note_of_a_node_upstream_makes_nothing_stale(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    first = bench.node(shot, 1, 1, output="source+alpha")
    press(window, bench, first)
    second = bench.node_on(first, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, second) == "up to date, 1 done"
    host.set_value(first, "shows_old", True)
    assert freshness.check(second).text == "up to date"


def test_the_note_after_a_run_that_failed(bench: ContractBench, window: State) -> None:
    """The sentence of the failure stays, and a farm without the plugin refuses what is old and nothing else."""
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    press(window, bench, node)
    overwrite(bench, shot, 3)
    plain_exr.write(shot / "plate.0002.exr", broken(bench.plate(NEW, bench.clean())))
    host.go_to(2)
    failed = press(window, bench, node, "process_frame")
    assert failed.startswith("0 of 1 frame done. Frame 2:") and not host.value(node, "shows_old")
    until(window, lambda: bool(host.value(node, "shows_old")), 20)
    time.sleep(0.3)
    until(window, lambda: not window.queue)
    assert bench.status(node) == failed
    failed = press(window, bench, node)
    assert failed.startswith("1 of 2 frames done. Frame 2:")
    until(window, lambda: not host.value(node, "shows_old"), 20)
    assert bench.status(node) == failed


def test_the_note_after_a_press_that_was_refused(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    host.set_value(node, "server", "nonsense")
    host.set_value(node, "erode", 2.0)
    said = press(window, bench, node)
    until(window, lambda: bool(host.value(node, "shows_old")), 20)
    assert bench.status(node) == said and window.messages == [f"Cleanplate_Matte1: {said}"]


def test_a_script_that_is_saved_at_once_says_what_is_old(lonely: ContractBench, window: State) -> None:
    """As a pipeline's tool saves it, which sets a knob and does not wait for the look."""
    node = lonely.node(lonely.shot((1,)), 1, 1)
    host.set_value(
        host.inner(node, graph.READ), "file", manifest.result_pattern(f"{lonely.folder.as_posix()}/id/key")
    )
    script = lonely.save("at_once.nk")
    without_the_plugin()
    assert host.value(opened(script), "shows_old")
