"""Windows, which refuses to replace a file that Nuke holds open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cleanplate_node import (
    freshness,
    generations,
    host,
    plain_exr,
)
from cleanplate_node.bench import ContractBench
from matte_link import files
from nuke._state import State

from tests.plugin_nuke.pressing import overwrite, press, until


@pytest.fixture
def on_windows(window: State, monkeypatch: pytest.MonkeyPatch) -> State:
    """A Nuke that holds the files open that it shows, on a system that then refuses to replace or delete them."""
    window.windows = True
    plain_replace, plain_unlink = os.replace, Path.unlink

    def replace(source: str, target: str) -> None:
        window.replace_file(str(target))
        plain_replace(source, target)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        window.replace_file(str(path))
        plain_unlink(path, missing_ok)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr("cleanplate_node.host.holds_files_open", lambda: True)
    return window


def test_a_result_that_is_shown_is_replaced_by_a_new_name(bench: ContractBench, on_windows: State) -> None:
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    press(on_windows, bench, node)
    for frame in (1, 2, 3):
        bench.output(node, frame)
    first = bench.shown(node)
    with pytest.raises(PermissionError):
        files.write_atomically(str(bench.results(node)[0]), b"held")
    on_windows.windows = False
    plain_exr.write(shot / "plate.0002.exr", bench.plate(9, bench.clean()))
    on_windows.windows = True
    host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
    assert press(on_windows, bench, node) == "up to date, 1 done"
    assert bench.shown(node) == first.replace("/matte.", "-2/matte.") and len(bench.results(node)) == 3
    bench.expect_matte(bench.output(node, 2), 9)
    bench.expect_matte(bench.output(node, 1), 1)
    assert freshness.check(node).usable
    assert press(on_windows, bench, node) == "up to date", "the others were taken along, records and all"
    host.go_to(2)
    press(on_windows, bench, node, "process_frame")
    assert bench.shown(node) == first.replace("/matte.", "-3/matte.")
    bench.expect_matte(bench.output(node, 2), 9)
    bench.expect_tidy(node)


def test_a_run_that_is_cancelled_loses_no_result(bench: ContractBench, on_windows: State) -> None:
    shot = bench.shot(range(1, 8))
    node = bench.node(shot, 1, 7)
    press(on_windows, bench, node)
    bench.output(node, 1)
    for frame in range(1, 8):
        overwrite(shot / f"plate.{frame:04d}.exr")
    host.press(node, "process_range")
    until(on_windows, lambda: "-2/matte" in bench.shown(node))
    host.press(node, "cancel")
    until(on_windows, bench.idle(node))
    assert len(bench.results(node)) == 7, "what it did not come to is what it was"


def test_other_systems_replace_in_place(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    shown = bench.shown(node)
    press(window, bench, node, "process_frame")
    assert bench.shown(node) == shown


def test_clear_says_what_windows_holds(bench: ContractBench, on_windows: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(on_windows, bench, node)
    bench.output(node, 1)
    on_windows.answers.append(True)
    host.press(node, "clear_cache")
    assert not list(bench.folder.rglob("matte.*.exr")), "the Read let go of them first"


def test_folders_of_one_key_follow_each_other(tmp_path: Path) -> None:
    first = f"{tmp_path}/key"
    assert generations.newest(first) == first
    for number in (2, 10):
        (tmp_path / f"key-{number}").mkdir()
    (tmp_path / "key-old").mkdir()
    assert generations.newest(first) == f"{first}-10"
    assert generations.following(first) == f"{first}-2" and generations.following(f"{first}-10") == f"{first}-11"
