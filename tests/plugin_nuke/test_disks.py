"""Folders that a disk does not take, or that are gone: a sentence each time, and no event that raises."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from cleanplate_node import (
    around,
    bake,
    callbacks,
    freshness,
    graph,
    guarded,
    host,
    manifest,
    node_runs,
    preflight,
    run,
    status_basis,
)
from cleanplate_node.bench import ContractBench, Server
from nuke._state import State

from tests.plugin_nuke.pressing import press, until

LONG = "x" * 300
"""No file system takes a name of this length, for any user."""


@pytest.mark.parametrize("button", ["process_frame", "process_range", "retry", "clear_cache", "add_key"])
def test_a_folder_that_no_disk_takes_is_a_sentence(button: str, bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1, cache_dir=f"{bench.folder.as_posix()}/{LONG}")
    host.connect(node, graph.INPUTS.index("key"), bench.read(shot / "plate.%04d.exr", 1, 1))
    window.answers.append(True)
    press(window, bench, node, button)
    assert "File name too long" in bench.status(node) or button in ("clear_cache", "retry")
    assert not any("Traceback" in one for one in window.messages)
    bench.expect_tidy(node)


def test_results_on_a_disk_that_went_away(lonely: ContractBench, window: State) -> None:
    """A look, the label, a guarded render and the end of a run are told apart from a result that is up to date."""
    node = lonely.node(lonely.shot((1,)), 1, 1, guard=True)
    gone = f"{lonely.folder.as_posix()}/{LONG}/id/key"
    host.set_value(host.inner(node, graph.READ), "file", manifest.result_pattern(gone))
    status_basis.forget(node)
    freshness.look_again(node)
    callbacks.on_load()
    node.showControlPanel()
    until(window, lambda: "looked at" not in lonely.status(node))
    assert lonely.status(node).startswith("stale") or "File name too long" in lonely.status(node)
    write = host.create("Write")
    host.connect(write, 0, node)
    ((_, found),) = guarded.guarded_states(write)
    assert not found.usable


def test_a_disk_that_goes_away_after_a_press(
    lonely: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what is done then, so it ends in a status."""

    def gone(*_: object, **more: object) -> None:
        raise OSError(errno.ENOTCONN, "Not connected", "/share")

    node = lonely.node(lonely.shot((1, 2)), 1, 2)
    for module in (preflight, run):
        monkeypatch.setattr(module, "preflight", gone)
    callbacks._update(node)
    assert lonely.status(node) == "/share: Not connected."
    outcome = node_runs.RunOutcome(done=1, total=1, code="", text="")
    around.FramesAround(node, (2,), "key", outcome).go_on()
    assert lonely.status(node) == "up to date, 1 done; around it 0 of 1. Frame 2: /share: Not connected."
    monkeypatch.setattr(status_basis, "sources_of", gone)
    status_basis.note(node)
    assert not status_basis.changed(node, None)


def test_a_bake_into_such_a_folder_ends_with_1(
    terminal: State, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = ContractBench(tmp_path, server)
    bench.node(bench.shot((1,)), 1, 1, cache_dir=f"{tmp_path.as_posix()}/{LONG}")
    words = [str(bench.save()), "--frames", "1", "--node", "all", "--server", server.address]
    assert bake.main(words) == 1
    assert "File name too long" in capsys.readouterr().err
