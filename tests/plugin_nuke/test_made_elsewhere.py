"""Results that another Nuke, a farm or another node makes again while this node shows them: Nuke keeps the picture
that it has read of a file, and no old matte may pass for the new one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import nuke
import pytest
from cleanplate_node import (
    callbacks,
    freshness,
    graph,
    host,
    made_elsewhere,
    manifest,
    plain_exr,
    quiet_folders,
    result_read,
)
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.another_nuke import AnotherNuke
from tests.plugin_nuke.pressing import expect_matte_there, looked_at, press, until
from tests.plugin_nuke.test_taken_along import copied

NEW = 9
"""Where the subject stands in the new picture."""
BEHIND = "its results were made again by another Nuke or a farm, and this Nuke may still show those of before"


def shows_subject(bench: ContractBench, node: nuke.Node, frame: int, subject: int) -> bool:
    """Whether the node's output has the subject's front at another frame's place."""
    x, y, radius = bench.truth[subject]
    return bench.output(node, frame).at(round(x + radius - 3), round(y), "A") > 0.98


def made_by_another_nuke(script: Path) -> str:
    other = AnotherNuke()
    try:
        other.ask("open", script.as_posix())
        return str(other.ask("press", "process_range"))
    finally:
        other.end()


def reloads(node: nuke.Node) -> int:
    return int(host.value(host.inner(node, graph.READ), "version"))


def overwritten(bench: ContractBench, frame: int) -> None:
    plain_exr.write(bench.folder / "shot" / f"plate.{frame:04d}.exr", bench.plate(NEW, bench.clean()))


def test_what_another_nuke_made_again_is_read_again(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2, guard=True)
    press(window, bench, node)
    script = bench.save()
    bench.expect_matte(bench.output(node, 2), 2)
    overwritten(bench, 2)
    assert made_by_another_nuke(script) == "up to date, 1 done"
    expect_matte_there(bench, node, 2, NEW)
    with pytest.raises(RuntimeError, match=BEHIND):
        bench.output(node, 2)
    host.open_panel(node)
    until(window, lambda: not made_elsewhere.are_others(str(host.value(node, "node_id")), folder_of(bench, node)))
    assert shows_subject(bench, node, 2, NEW)
    assert looked_at(window, bench, node).startswith("up to date")


def folder_of(bench: ContractBench, node: nuke.Node) -> str:
    return Path(bench.shown(node)).parent.as_posix()


def test_a_copy_follows_its_original(bench: ContractBench, window: State) -> None:
    """Both show the same files, and each has read them by itself."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    twin = copied(bench, node)
    until(window, bench.says(twin, "up to date"))
    bench.expect_matte(bench.output(twin, 2), 2)
    overwritten(bench, 2)
    assert press(window, bench, node) == "up to date, 1 done"
    freshness.look_again(twin)
    assert shows_subject(bench, twin, 2, NEW) and bench.shown(twin) == bench.shown(node)


def test_new_frames_of_a_farm_throw_nothing_away(bench: ContractBench, window: State) -> None:
    """A Reload has Nuke forget all that it shows of them; one that is made again later is told all the same."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.go_to(1)
    press(window, bench, node, "process_frame")
    before, script = reloads(node), bench.save()
    assert made_by_another_nuke(script) == "up to date, 1 done"
    freshness.look_again(node)
    assert len(bench.results(node)) == 2 and reloads(node) == before
    bench.expect_matte(bench.output(node, 2), 2)
    overwritten(bench, 2)
    made_by_another_nuke(script)
    freshness.look_again(node)
    assert reloads(node) == before + 1 and shows_subject(bench, node, 2, NEW)
    freshness.look_again(node)
    assert reloads(node) == before + 1


def test_one_that_was_deleted_elsewhere_is_an_error(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2, guard=False)
    press(window, bench, node)
    bench.output(node, 2)
    bench.results(node)[1].unlink()
    freshness.look_again(node)
    with pytest.raises(RuntimeError, match="No such file"):
        bench.output(node, 2)


def test_another_script_has_read_nothing(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    script, name = bench.save(), host.full_name(node)
    host.new_script()
    assert not made_elsewhere._read
    overwritten(bench, 2)
    assert made_by_another_nuke(script) == "up to date, 1 done"
    host.open_script(script.as_posix())
    again = host.find(name)
    assert again is not None and freshness.check(again).usable
    assert shows_subject(bench, again, 2, NEW)


def test_files_are_told_by_number_size_and_time(tmp_path: Path) -> None:
    """A file of another number has replaced the one of before; one that was written over has another time, or
    another size where the disk's clock is coarse."""
    made_elsewhere.forget_all()
    file, folder = tmp_path / "matte.main.0001.exr", tmp_path.as_posix()
    file.write_bytes(b"one")
    os.utime(file, ns=(5, 5))
    assert not made_elsewhere.are_others("id", folder), "it is seen for the first time"
    assert not made_elsewhere.are_others("id", folder)

    def longer() -> None:
        time = file.stat().st_mtime_ns
        file.write_bytes(b"three")
        os.utime(file, ns=(time, time))

    def replaced() -> None:
        time = file.stat().st_mtime_ns
        (tmp_path / "new").write_bytes(b"seven")
        os.utime(tmp_path / "new", ns=(time, time))
        (tmp_path / "new").replace(file)

    edits: tuple[Callable[[], object], ...] = (file.touch, longer, replaced, file.unlink)
    for edit in edits:
        edit()
        assert made_elsewhere.are_others("id", folder) and made_elsewhere.are_others("id", folder)
        made_elsewhere.will_be_read("id", folder)
        assert not made_elsewhere.are_others("id", folder)
    assert not made_elsewhere.are_others("id", "") and not made_elsewhere.are_others("another", folder)
    made_elsewhere.forget_all()


def test_a_panel_that_is_opened_has_them_read_again(
    lonely: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment later, outside of Nuke's event, whatever its status says."""
    node = lonely.node(lonely.shot((1,)), 1, 1)
    touched: list[str] = []
    monkeypatch.setattr(callbacks._resting, "touch", touched.append)
    host.open_panel(node)
    assert touched == [host.full_name(node)] and not window.callback_errors


def test_a_new_node_reads_nothing_again(lonely: ContractBench, window: State) -> None:
    node = lonely.node(lonely.shot((1,)), 1, 1)
    before = reloads(node)
    freshness.look_again(node)
    assert reloads(node) == before


def replaced(file: Path) -> None:
    """Another file in its place, as another Nuke puts it there."""
    (file.parent / "new").write_bytes(file.read_bytes())
    (file.parent / "new").replace(file)


def test_no_edit_waits_until_a_share_has_told_of_all_results(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    host.open_panel(node)
    before, listed, on_main = reloads(node), made_elsewhere._stamps, list[bool]()

    def noted(folder: str) -> made_elsewhere.Stamps:
        on_main.append(threading.current_thread() is threading.main_thread())
        return listed(folder)

    monkeypatch.setattr(made_elsewhere, "_stamps", noted)
    until(window, lambda: bool(on_main), 20)
    host.create("Grade")
    until(window, lambda: len(on_main) > 1, 20)
    assert not any(on_main) and reloads(node) == before
    replaced(bench.results(node)[1])
    host.create("Grade")
    until(window, lambda: reloads(node) == before + 1, 20)


def test_what_was_listed_before_a_run_ended_reads_nothing_again(bench: ContractBench, window: State) -> None:
    """The share took its time, and the run's own results are no other Nuke's."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    listed, before = made_elsewhere.list_now(folder_of(bench, node)), reloads(node)
    press(window, bench, node, "process_frame")
    assert reloads(node) == before + 1 and not result_read.read_again(node, listed)
    assert reloads(node) == before + 1


def test_the_end_of_a_run_waits_for_no_share(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the Read reads then is known all the same."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.go_to(9)
    on_main, plain, read_all = list[bool](), made_elsewhere._stamps, manifest.read_all

    def noted(folder: str) -> made_elsewhere.Stamps:
        on_main.append(threading.current_thread() is threading.main_thread())
        return plain(folder)

    def read(folder: str) -> list[manifest.Record]:
        on_main.append(threading.current_thread() is threading.main_thread())
        return read_all(folder)

    monkeypatch.setattr(manifest, "read_all", read)
    monkeypatch.setattr(callbacks._resting, "touch", lambda name: None)
    monkeypatch.setattr(made_elsewhere, "_stamps", noted)
    press(window, bench, node)
    assert len(on_main) > 1 and not any(on_main) and reloads(node) == 1
    assert not made_elsewhere.are_others(str(host.value(node, "node_id")), folder_of(bench, node))
    replaced(bench.results(node)[1])
    assert made_elsewhere.are_others(str(host.value(node, "node_id")), folder_of(bench, node))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_ends_whatever_its_folder_says(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: str) -> list[manifest.Record]:
        raise RuntimeError("which nobody has thought of")

    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_range")
    monkeypatch.setattr(manifest, "read_all", fails)
    until(window, bench.idle(node), 20)
    assert bench.status(node) == "up to date, 1 done"


def test_a_quiet_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each edit of a comp with ten nodes would ask the share for ten thousand files."""
    monkeypatch.setattr(quiet_folders, "SETTLED_NS", 0)
    listed, plain, folder = list[str](), made_elsewhere._stamps, tmp_path.as_posix()

    def noted(folder: str) -> made_elsewhere.Stamps:
        listed.append(folder)
        return plain(folder)

    monkeypatch.setattr(made_elsewhere, "_stamps", noted)
    result = tmp_path / "matte.main.0001.exr"
    result.write_bytes(b"one")
    made_elsewhere.forget_all()
    made_elsewhere.note_shown("Node1", folder)

    def are_others() -> bool:
        return made_elsewhere.are_others("id", folder, made_elsewhere.list_ahead("Node1"))

    assert [are_others() for _ in range(4)] == [False] * 4 and len(listed) == 1
    replaced(result)
    (tmp_path / "matte.main.0002.exr").write_bytes(b"new")
    assert are_others()
    made_elsewhere.will_be_read("id", folder)
    assert not are_others()
    made_elsewhere.forget_all()
