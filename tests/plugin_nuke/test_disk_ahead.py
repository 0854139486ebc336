"""What a look asks the disk for is asked on another thread, and is as new as if Nuke had waited for it."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import callbacks, disk_ahead, freshness, graph, host, manifest, plain_exr, status_basis
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import press, until

COUNT = 60
"""More than are looked at at once."""
FEW = 15
"""As often a look may ask the disk, however long the shot is: for the script's folder, notes and folders."""


def long_shot(window: State, bench: ContractBench) -> nuke.Node:
    """A shot whose plates are all one file, with a result of each."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, COUNT, range_mode="custom")
    host.set_value(node, "last", 1)
    press(window, bench, node)
    folder = Path(bench.shown(node)).parent
    record = manifest.read(folder.as_posix(), 1, "main")
    assert record is not None
    for frame in range(2, COUNT + 1):
        os.link(shot / "plate.0001.exr", shot / f"plate.{frame:04d}.exr")
        os.link(folder / "matte.main.0001.exr", folder / f"matte.main.{frame:04d}.exr")
        manifest.write(folder.as_posix(), replace(record, frame=frame))
    host.set_value(node, "last", COUNT)
    return node


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions to the disk on Nuke's main thread, from now on."""
    found: list[str] = []

    def noted(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                found.append(str(args[0]))
            return plain(*args, **more)

        return call

    for module, name in ((os, "stat"), (os, "scandir"), (io, "open")):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    return found


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each check that comes by itself has said."""
    found: list[str] = []
    plain = freshness.check

    def noted(*args: Any, **more: Any) -> Any:
        result = plain(*args, **more)
        found.append(result.text)
        return result

    monkeypatch.setattr(freshness, "check", noted)
    return found


def test_the_main_thread_waits_for_no_share(
    bench: ContractBench, window: State, asked: list[str], checks: list[str]
) -> None:
    node = long_shot(window, bench)
    until(window, lambda: bool(checks))

    def cost(act: Callable[[], object], text: str) -> float:
        """Of one look: on a busy machine the one that was to come before is among them."""
        checks.clear()
        asked.clear()
        act()
        until(window, lambda: bool(checks) and checks[-1].startswith(text))
        return len(asked) / len(checks)

    assert cost(lambda: host.set_value(node, "erode", 1.0), "stale: a setting") < FEW
    assert cost(lambda: host.set_value(node, "erode", 0.0), "up to date") < FEW
    assert press(window, bench, node, "process_frame") == "up to date, 1 done"
    assert cost(lambda: None, "up to date") < FEW, "the look after a press"
    assert cost(lambda: host.open_panel(node), "up to date") < FEW, "no record is old enough to be known to stay"
    disk_ahead.note_files(host.full_name(node), ["before.exr"], COUNT)
    for most in (COUNT + FEW, FEW):
        cost(lambda: host.set_value(node, "erode", 1.0), "stale: a setting")
        asked_for = cost(lambda: host.set_value(node, "erode", 0.0), "up to date")
        assert asked_for < most, "where another plate feeds it, the first look learns which"
    script = bench.save("later.nk")
    host.new_script()

    def opened() -> None:
        host.open_script(script.as_posix())
        found = host.find("Cleanplate_Matte1")
        assert found is not None and bench.status(found) == "its results are being looked at"

    assert cost(opened, "up to date") < 2 * FEW
    found = host.find("Cleanplate_Matte1")
    assert found is not None
    host.set_value(found, "name", "Renamed")
    assert cost(lambda: host.open_panel(found), "up to date") < 2 * FEW, "of that name nothing was known"


def test_a_look_that_the_disk_was_asked_for_too_early_has_it_asked_again(
    bench: ContractBench, window: State, asked: list[str], checks: list[str]
) -> None:
    """Two looks may be under way: what the second one knows of now is nothing that the first one has asked for."""
    node = long_shot(window, bench)
    until(window, lambda: bool(checks) and checks[-1].startswith("up to date"))
    name = host.full_name(node)
    disk_ahead.forget_all()
    early = disk_ahead.ask(name)
    disk_ahead.note_files(name, ["by_the_other_look.exr"], COUNT)
    status_basis.forget(node)
    checks.clear()
    asked.clear()
    callbacks._look(name, early)
    until(window, lambda: bool(checks))
    assert len(asked) < FEW


def test_a_file_that_is_overwritten_is_seen_all_the_same(
    bench: ContractBench, window: State, checks: list[str]
) -> None:
    node = long_shot(window, bench)
    until(window, lambda: bool(checks))
    plate = host.find_read(bench.folder / "shot" / "plate.%04d.exr")
    for frame, place, frames in ((40, 9, "frame 40"), (41, 5, "frames 40-41")):
        file = bench.folder / "shot" / f"plate.{frame:04d}.exr"
        file.unlink()
        plain_exr.write(file, bench.plate(place, bench.clean()))
        checks.clear()
        host.press(plate, "reload")
        host.set_value(node, "erode", 1.0)
        until(window, lambda: bool(checks), 20)
        checks.clear()
        host.set_value(node, "erode", 0.0)
        until(window, bench.says(node, f"stale: the sources of {frames} changed"), 20)
        assert checks[-1] == f"stale: the sources of {frames} changed"


def test_what_was_asked_before_a_run_ended_is_asked_again(bench: ContractBench, window: State) -> None:
    """Else a frame that was made again would be compared by its record of before."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    until(window, lambda: not window.queue)
    name = host.full_name(node)
    ahead = disk_ahead.ask(name)
    assert ahead is not None and disk_ahead.holds(name, ahead)
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    assert press(window, bench, node) == "up to date, 1 done"
    status_basis.forget(node)
    assert freshness.look_again(node, ahead) is None
    callbacks._look(name, ahead)
    time.sleep(0.3)
    until(window, lambda: not window.queue)
    assert bench.status(node) == "up to date, 1 done" and freshness.look_again(node, disk_ahead.ask(name)) is False


def test_a_node_without_results_is_asked_for_nothing(lonely: ContractBench, window: State) -> None:
    node = lonely.node(lonely.shot((1,)), 1, 1)
    freshness.look_again(node)
    assert disk_ahead.ask(host.full_name(node)) is None
    script = lonely.save("new.nk")
    host.new_script()
    host.open_script(script.as_posix())
    found = host.find("Cleanplate_Matte1")
    assert found is not None
    until(window, lonely.says(found, "not processed"), 20)


def test_a_disk_that_does_not_answer_ends_no_look(lonely: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the look that says so, and not a thread that ends."""
    node = lonely.node(lonely.shot((1,)), 1, 1)
    host.set_value(host.inner(node, graph.READ), "file", manifest.result_pattern(lonely.folder.as_posix()))
    freshness.look_again(node)
    assert disk_ahead.ask(host.full_name(node)) is not None

    def gone(folder: str) -> list[manifest.Record]:
        raise OSError(errno.ENOTCONN, "Not connected", folder)

    monkeypatch.setattr(manifest, "read_all", gone)
    ahead = disk_ahead.ask(host.full_name(node))
    assert ahead is not None and not ahead.answered


def test_a_comparison_that_ends_after_a_change_leaves_it_to_the_automatic_update(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, auto_update=True)
    press(window, bench, node)
    until(window, bench.says(node, "up to date"), 20)
    updated: list[str] = []
    monkeypatch.setattr(callbacks, "_update", lambda node: updated.append(host.full_name(node)))
    host.set_value(node, "erode", 1.0)
    freshness._check_again(host.full_name(node), None)
    assert bench.status(node).startswith("stale")
    until(window, lambda: bool(updated), 20)


def test_opening_a_script_makes_nothing_by_itself(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An automatic update follows changes. A script that is opened is none, though its many files are looked at."""
    node = long_shot(window, bench)
    host.set_value(node, "auto_update", True)
    script = bench.save("auto.nk")
    host.new_script()
    updated: list[str] = []
    monkeypatch.setattr(callbacks, "_update", lambda node: updated.append(host.full_name(node)))
    host.open_script(script.as_posix())
    found = host.find("Cleanplate_Matte1")
    assert found is not None
    until(window, bench.says(found, "up to date"), 20)
    assert not updated
    host.set_value(found, "erode", 1.0)
    until(window, lambda: bool(updated), 20)
