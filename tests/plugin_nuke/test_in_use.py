"""What happens around the node on an artist's day: Groups, reloads, longer plates, changes
while frames come in, and the words of Nuke's command line."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import nuke
import pytest
from cleanplate_node import (
    bake,
    callbacks,
    freshness,
    graph,
    host,
    manifest,
    node_state,
    plain_exr,
    preflight,
    selftest,
    shown_result,
    view_jobs,
)
from cleanplate_node.bench import ContractBench, Server
from matte_link.errors import LinkError
from nuke import _host
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import looked_at, press, until

# -- the command line


@pytest.mark.parametrize(
    "flags",
    ["-t", "-ti", "--nukex -i -t", "-V 2 -m 4 -c 8G -t", "--gpu 0 --cont -F 1-10 -F 20x2 -t", "-t -q --safe"],
)
@pytest.mark.parametrize(
    "words",
    [
        ["--node", "Matte1", "--frames", "1-3"],
        ["--node", "Matte1", "--frames", "1,5,9-20x2"],
        ["--node", "Matte1", "--frames", "1001"],
        ["--frames", "1-3", "--node", "Matte1"],
        ["--node", "Matte1", "--frames", "-5--1x2"],
        ["--node", "Matte1", "--save", "1001"],
        [],
    ],
)
def test_no_word_of_the_command_line_is_lost(
    words: list[str], flags: str, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nuke keeps a last number or range for itself; the stand-in hands over arguments as the guide says. Nuke's own
    flags come before the script."""
    window.start(["nuke", *flags.split(), "/opt/plug in/cleanplate_node/bake.py", "comp.nk", *words])
    monkeypatch.setattr("sys.argv", window.script_argv)
    assert host.script_arguments("bake.py") == ["comp.nk", *words]
    lost = bool(words) and words[-1][0] in "-0123456789"
    assert (window.script_argv[1:] == ["comp.nk", *words]) == (not lost)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("-t C:\\farm\\bake.py comp.nk", ["comp.nk"]),
        ("-t /farm/night_bake.py --shot 1", ["--handed", "on"]),
        ("-t /jobs/bake.py/run.py --shot 1", ["--handed", "on"]),
        ("-t bake.py /jobs/bake.py --node bake.py", ["/jobs/bake.py", "--node", "bake.py"]),
        ("--var shot:bake -t bake.py comp.nk", ["comp.nk"]),
    ],
)
def test_the_words_are_those_behind_the_script_itself(
    line: str, seen: list[str], window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A house's own script, which runs this one, hands over its own words."""
    window.start(["nuke", *line.split()])
    monkeypatch.setattr("sys.argv", ["its own", "--handed", "on"])
    assert host.script_arguments("bake.py") == seen


def test_a_frame_range_last_is_read(window: State) -> None:
    window.start(["nuke", "-t", "bake.py", "nowhere.nk", "--node", "A", "--frames", "1-3"])
    assert bake.main(host.script_arguments("bake.py")) == 1, "2 would be a wrong argument"


# -- status, label and guard


def test_the_label_follows_with_a_closed_panel(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    grade = host.create("Grade")
    host.connect(grade, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    node = bench.node_on(grade, bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    host.set_value(grade, "white", 2.0)
    until(window, lambda: "stale" in _host.autolabel(node))
    host.set_value(grade, "white", 1.0)
    until(window, lambda: "up to date" in _host.autolabel(node))


def test_a_sentence_stays_until_something_changes(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, black_point=0.8, white_point=0.5)
    press(window, bench, node)
    host.set_value(node, "label", "hero")
    moment = time.monotonic() + 1.0
    until(window, lambda: time.monotonic() > moment)
    assert "black_point must lie below white_point" in bench.status(node)
    host.set_value(node, "white_point", 1.0)
    until(window, lambda: bench.status(node) == "not processed")


def test_a_script_that_is_opened_says_how_many_frames_have_results(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2, 3)), 1, 3)
    host.go_to(2)
    press(window, bench, node, "process_frame")
    node_state.summaries.clear()  # as in a Nuke that is started later
    host.open_script(bench.save().as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None
    until(window, bench.says(again, "up to date, 1 of 3 frames"), 20)
    bench.output(again, 2)
    host.set_value(again, "range_mode", "custom")
    for last, said in ((4, "up to date, 1 of 4 frames"), (0, "up to date")):
        host.set_value(again, "last", last)
        assert freshness.check(again, deep=False).text == said
    host.set_value(again, "range_mode", "input")
    assert press(window, bench, again) == "up to date, 2 done"


def test_a_range_that_has_grown_says_how_many_frames_have_results(bench: ContractBench, window: State) -> None:
    """What a press said of its own frames is not true of a range that is longer since."""
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, range_mode="custom")
    host.set_value(node, "last", 2)
    assert press(window, bench, node) == "up to date, 2 done"
    host.set_value(node, "last", 3)
    assert looked_at(window, bench, node) == "up to date, 2 of 3 frames"
    host.set_value(node, "first", 5)
    assert press(window, bench, node) == "The frame range 5 to 3 is empty. Correct 'First' and 'Last'."
    host.set_value(node, "range_mode", "project")
    nuke.root()["first_frame"].setValue(7)
    nuke.root()["last_frame"].setValue(6)
    assert press(window, bench, node).endswith("Correct the project's frame range.")


def test_results_that_somebody_deleted_are_not_up_to_date(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2, guard=True)
    press(window, bench, node)
    shutil.rmtree(bench.folder / "matte_cache")
    assert looked_at(window, bench, node) == "not processed"
    with pytest.raises(RuntimeError, match="frame 1 is not processed"):
        bench.output(node, 1)
    assert press(window, bench, node) == "up to date, 2 done"
    bench.output(node, 1)


def test_a_setting_that_is_refused_is_said_without_a_press(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    host.set_value(node, "black_point", 0.8)
    host.set_value(node, "white_point", 0.5)
    until(window, lambda: "black_point must lie below white_point" in bench.status(node))
    host.set_value(node, "white_point", 1.0)
    host.set_value(node, "black_point", 0.0)
    until(window, lambda: bench.status(node).startswith("up to date"))


def test_a_thread_of_a_nuke_that_has_ended_reaches_no_later_one(window: State) -> None:
    ended, calls = threading.Event(), list[str]()

    def late() -> None:
        ended.wait()
        nuke.executeInMainThread(calls.append, ("late",))

    thread = threading.Thread(target=late)
    thread.start()
    _host.reset()
    ended.set()
    thread.join()
    nuke.executeInMainThread(calls.append, ("own",))
    window.process_events()
    assert calls == ["own"]


def test_what_a_test_put_off_is_nothing_to_the_next(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes of the next Nuke have the same names, so a look that is still due would be taken at them."""
    monkeypatch.setattr(callbacks._resting, "_seconds", 2.0)
    node = bench.node(bench.shot((1,)), 1, 1)
    node["gamma"].setValue(0.5)
    window.process_events()
    assert callbacks._resting._due
    start_nuke(window=True)
    assert not callbacks._resting._due


def test_a_dragged_slider_costs_nothing(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 nodes upstream: their knobs are written once, when the slider has come to rest, not at every tick."""
    monkeypatch.setattr(callbacks._resting, "_seconds", 600.0)  # longer than any machine takes
    last = bench.read(bench.shot((1,)) / "plate.%04d.exr", 1, 1)
    for _ in range(300):
        grade = host.create("Grade")
        host.connect(grade, 0, last)
        last = grade
    node = bench.node_on(last, bench.read(bench.folder / "shot" / "clean.exr", 1, 1))
    count, plain = [0], nuke.Node.writeKnobs

    def counted(self: nuke.Node, flags: int = 0) -> str:
        count[0] += 1
        return plain(self, flags)

    monkeypatch.setattr(nuke.Node, "writeKnobs", counted)
    node.showControlPanel()
    window.process_events()
    count[0] = 0
    for tick in range(20):
        node["gamma"].setValue(1.0 + tick / 10)
        window.process_events()
    assert count[0] == 0
    monkeypatch.setattr(callbacks._resting, "_seconds", 0.1)
    node["gamma"].setValue(0.5)
    until(window, lambda: count[0] > 0)
    # Two walks of 302 nodes: one finds that something changed, one checks and notes it.
    assert 0 < count[0] <= 3 * 303


def test_a_change_during_a_run_is_seen_at_its_end(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 5)), 1, 4)
    host.press(node, "process_range")
    until(window, lambda: "matte.%V" in bench.shown(node))
    host.set_value(node, "erode", 3.0)
    until(window, bench.idle(node))
    assert bench.status(node) == "stale: a setting or an input changed"


def test_a_view_that_is_added_during_a_run_is_said_at_its_end(bench: ContractBench, window: State) -> None:
    """Nothing looks after that until something changes."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.press(node, "process_range")
    nuke.addView("right")
    until(window, bench.idle(node))
    # Of the run's end, or of the look that follows it, which names the frames.
    assert bench.status(node) in ("not processed in view right", "frames 1-2 not processed in view right")
    assert freshness.check(node, deep=False).text == "frames 1-2 not processed in view right"
    assert press(window, bench, node) == "up to date, 2 done", "those of the other view are not made again"


# -- what does not make a result stale


def test_reload_and_a_longer_read_remake_nothing(bench: ContractBench, window: State) -> None:
    shot = bench.shot(range(1, 4))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    shown, read = bench.shown(node), host.find_read(shot / "plate.%04d.exr")
    times = [path.stat().st_mtime_ns for path in bench.results(node)]
    host.press(read, "reload")
    assert freshness.check(node) == shown_result.ResultState(usable=True, text="up to date")
    for name, value in {"last": 3, "before": "black", "after": "loop", "on_error": "black"}.items():
        host.set_value(read, name, value)
        assert freshness.check(node).usable, name
    assert press(window, bench, node) == "up to date, 1 done"
    assert bench.shown(node) == shown
    assert [path.stat().st_mtime_ns for path in bench.results(node)][:2] == times


def test_bookkeeping_of_a_node_upstream_changes_nothing(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    first = bench.node(shot, 1, 1)
    press(window, bench, first)
    second = bench.node_on(first, bench.read(shot / "clean.exr", 1, 1))
    host.set_value(first, "output", "source+alpha")
    press(window, bench, second)
    for name, value in {
        "guard": True, "server": "tcp://127.0.0.1:6000", "range_mode": "custom", "auto_update": True, "last": 7,
    }.items():  # fmt: skip
        host.set_value(first, name, value)
        assert freshness.check(second).usable, name
    host.set_value(first, "output", "alpha")
    assert "stale" in freshness.check(second).text


def test_another_version_of_nuke_remakes_nothing(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hashes are others; knobs, connections and files decide."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    monkeypatch.setattr(nuke, "NUKE_VERSION_STRING", "17.0v3")
    host.open_script(bench.save().as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None and freshness.check(again).usable
    assert press(window, bench, again) == "up to date"
    plain_exr.write(shot / "plate.0001.exr", bench.plate(5, bench.clean()))
    assert looked_at(window, bench, again) == "stale: the sources of frame 1 changed"


def test_a_frame_outside_the_result_is_an_error(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2, guard=False)
    press(window, bench, node)
    for frame in (0, 3):
        with pytest.raises(RuntimeError, match=f"matte.main.{frame:04d}"):
            bench.output(node, frame)
    assert host.frame_range(node) == (1, 2), "what follows the node is offered the result's range"


# -- contexts


def test_a_copy_in_another_group_gets_an_id_of_its_own(bench: ContractBench, window: State, tmp_path: Path) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    host.select_nothing()
    node["selected"].setValue(True)
    nuke.nodeCopy(str(tmp_path / "copy.nk"))
    group = nuke.createNode("Group")
    assert isinstance(group, nuke.Group)
    with group:
        twin = nuke.nodePaste(str(tmp_path / "copy.nk"))
    assert twin is not None and host.value(twin, "node_id") != host.value(node, "node_id")
    window.answers.append(False)
    host.press(node, "clear_cache")
    assert host.full_name(twin) in window.messages[-1]
    assert graph.READ in bench.shown(twin) or bench.shown(twin) == bench.shown(node)
    assert len(manifest.read_all(str(Path(bench.shown(node)).parent))) == 1


# -- reloads, the timeline, labels


def test_reloads_are_few(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 7)), 1, 6)
    host.go_to(3)
    read = host.inner(node, graph.READ)
    before = host.value(read, "version")
    press(window, bench, node)
    # Once for the frame that is looked at, once at the end.
    assert 1 <= host.value(read, "version") - before <= 2
    for frame in range(1, 7):
        bench.expect_matte(bench.output(node, frame), frame)


def test_the_timeline_moves_once_a_frame(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot(range(1, 21)), 1, 20)
    moves, plain = [], nuke.Root.setFrame

    def counted(root: nuke.Root, n: int) -> None:
        moves.append(n)
        plain(root, n)

    monkeypatch.setattr(nuke.Root, "setFrame", counted)
    preflight.preflight(node, tuple(range(1, 21)), False, "interactive")
    assert moves == [*range(2, 21), 1]
    assert len(window.tasks) == 1, "with a progress bar"
    monkeypatch.setattr(nuke.ProgressTask, "isCancelled", lambda _: True)
    with pytest.raises(LinkError, match="Cancelled before anything was rendered"):
        preflight.preflight(node, tuple(range(1, 21)), False, "interactive")
    assert moves[-1] == 1 == host.current_frame()


def test_the_artists_own_label_stays(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    node["label"].setValue("hero girl")
    assert _host.autolabel(node) == "Cleanplate_Matte1\nhero girl\n(not processed)"


def test_the_configuration_of_the_house_goes_along(bench: ContractBench, window: State, tmp_path: Path) -> None:
    config = tmp_path / "config.ocio"
    config.write_text("roles:\n  scene_linear: ACES - ACEScg\ncolorspaces:\n")
    node = bench.node(bench.shot((1,)), 1, 1)
    root = nuke.root()
    for name, value in {
        "colorManagement": "OCIO",
        "OCIO_config": "custom",
        "customOCIOConfigPath": "[file dirname [value root.name]]/config.ocio",
        "workingSpaceLUT": "scene_linear",
    }.items():
        root[name].setValue(value)
    plan = preflight.preflight(node, (1,), True, "interactive")
    assert plan.hints["colourspace"] == "ACES - ACEScg" and plan.options.ocio_config == config.as_posix()
    config.unlink()
    assert press(window, bench, node).startswith(f"The OCIO configuration {config.as_posix()} cannot be read")


def test_the_frame_that_is_looked_at_comes_first(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 6)), 1, 5)
    host.go_to(4)
    plan = preflight.preflight(node, tuple(range(1, 6)), False, "interactive")
    assert [task.frame for task in view_jobs.tasks(plan, "main")] == [4, 3, 5, 2, 1]
    press(window, bench, node)
    times = {path.name: path.stat().st_mtime_ns for path in bench.results(node)}
    assert min(times, key=lambda name: times[name]) == "matte.main.0004.exr"
    host.set_value(node, "temporal", 1.0)
    plan = preflight.preflight(node, tuple(range(1, 6)), False, "interactive")
    assert [task.frame for task in view_jobs.tasks(plan, "main")] == [1, 2, 3, 4, 5]


def test_a_script_in_a_folder_with_spaces(window: State, server: Server, tmp_path: Path) -> None:
    bench = ContractBench(tmp_path / "my shot (2)", server)
    node = bench.node(bench.shot((1,)), 1, 1)
    assert press(window, bench, node) == "up to date, 1 done"
    assert bench.results(node)[0].is_relative_to(tmp_path / "my shot (2)" / "matte_cache")


def test_the_self_test_prints_a_table(window: State) -> None:
    results = [
        selftest.Result(name="one_frame", promise="p", seconds=1.25),
        selftest.Result(name="the_guard", promise="p", seconds=2.0, trouble="Traceback\nRuntimeError: stale\n"),
    ]
    lines = selftest.table(results, [("a question", "an answer")]).splitlines()
    assert lines[0].startswith("Cleanplate in Nuke 15.1v1")
    assert lines[1:3] == ["window: 1 of 2 hold", "FAILED: the_guard"]
    assert lines[3:5] == ["holds     1.2 s  one_frame: p", "FAILED    2.0 s  the_guard: p"]
    assert [line.strip() for line in lines[5:]] == ["RuntimeError: stale", "seen    a question: an answer"]
    assert "FAILED" not in selftest.table(results[:1], [])
