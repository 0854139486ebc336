"""Graph Scope Variables that change during a run or in a render, on a farm, and in the name of a results folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nuke
import pytest
from cleanplate_node import bake, freshness, host, node_state, plain_exr
from cleanplate_node.bench import ContractBench, Server
from cleanplate_node.range_plan import Refused
from nuke._state import State

from tests.plugin_nuke.multishot import group_in, let, passing_through, plate_of, shots, variables
from tests.plugin_nuke.pressing import press, until

STALE = "stale: a setting or an input changed"


def test_a_variable_that_changes_during_a_run(bench_16: ContractBench, window: State) -> None:
    bench = bench_16
    let(nuke.root(), "__default__.shot", "sh010")
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.press(node, "process_range")
    let(nuke.root(), "__default__.shot", "sh020")
    until(window, bench.idle(node))
    assert bench.status(node) == STALE
    let(nuke.root(), "__default__.shot", "sh010")
    freshness.look_again(node)
    assert bench.status(node).startswith("up to date")


def in_a_hook(node: nuke.Node) -> None:
    """A studio's Write sets the variable of its own shot before it renders."""
    nuke.addBeforeRender(lambda: let(nuke.root(), "__default__.shot", "sh020"))


def by_hand(node: nuke.Node) -> None:
    let(nuke.root(), "__default__.shot", "sh020")


@pytest.mark.parametrize("change", [by_hand, in_a_hook])
def test_a_render_with_another_variable_is_refused(
    change: Callable[[nuke.Node], None], bench_16: ContractBench, window: State
) -> None:
    bench, folder = bench_16, shots(bench_16)
    let(nuke.root(), "__default__.shot", "sh010")
    plate = plate_of(folder, "%shot/plate.%04d.exr")
    node = bench.node_on(plate, plate_of(folder, "clean.exr"), guard=True)
    press(window, bench, node)
    bench.output(node, 1)
    change(node)
    with pytest.raises(RuntimeError, match="stale: a setting or an input changed"):
        bench.output(node, 1)
    let(nuke.root(), "__default__.shot", "sh010")


def test_a_render_through_a_group_that_overrides_is_refused(bench_16: ContractBench, window: State) -> None:
    """The group hands its own value on to what feeds the node: the plate would be another one than the matte's."""
    bench, folder = bench_16, shots(bench_16)
    let(nuke.root(), "__default__.shot", "sh010")
    node = bench.node_on(plate_of(folder, "%shot/plate.%04d.exr"), plate_of(folder, "clean.exr"), guard=True)
    press(window, bench, node)
    delivery = passing_through(group_in(nuke.root(), "Delivery"), node)
    let(delivery, "__default__.artist", "me")
    with pytest.raises(RuntimeError, match=STALE):
        bench.output(delivery, 1)
    variables(delivery).removeGsv("__default__.artist")
    bench.expect_matte(bench.output(delivery, 1), 1)
    let(delivery, "__default__.shot", "sh010")
    bench.expect_matte(bench.output(delivery, 1), 1)
    let(delivery, "__default__.shot", "sh020")
    with pytest.raises(RuntimeError, match=STALE):
        bench.output(delivery, 1)


def test_a_render_inside_a_group_that_overrides_is_refused(bench_16: ContractBench, window: State) -> None:
    """A Write that stands in the group hands the group's value on, though no node upstream has any."""
    bench, folder = bench_16, shots(bench_16)
    let(nuke.root(), "__default__.shot", "sh010")
    node = bench.node_on(plate_of(folder, "%shot/plate.%04d.exr"), plate_of(folder, "clean.exr"), guard=True)
    press(window, bench, node)
    delivery = group_in(nuke.root(), "Delivery")
    with delivery:
        entry = host.create("Input")
        host.connect(delivery, 0, node)
        bench.expect_matte(bench.output(entry, 1), 1)
        let(delivery, "__default__.shot", "sh020")
        with pytest.raises(RuntimeError, match=STALE):
            bench.output(entry, 1)


def test_a_bake_takes_the_scripts_variables(
    server: Server, terminal: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.major = 16
    nuke.scriptClear()
    bench = ContractBench(tmp_path, server)
    folder = shots(bench)
    outer = group_in(nuke.root(), "s50")
    let(outer, "__default__.shot", "sh020")
    let(nuke.root(), "__default__.shot", "sh010")
    with outer:
        bench.node_on(plate_of(folder, "%{shot}/plate.%04d.exr"), plate_of(folder, "clean.exr"))
    script = bench.save()
    words = ["--frames", "1", "--server", server.address, "--node", "s50.Cleanplate_Matte1"]
    assert bake.main([str(script), *words]) == 0, capsys.readouterr().err
    (result,) = (folder.parent / "matte_cache").rglob("matte.main.0001.exr")
    bench.expect_matte(plain_exr.read(result), 5)


# -- folders


def test_a_results_folder_by_variable(bench_16: ContractBench, window: State) -> None:
    bench = bench_16
    let(nuke.root(), "__default__.shot", "sh010")
    node = bench.node(bench.shot((1,)), 1, 1, cache_dir=f"{bench.folder.as_posix()}/%{{shot}}/cache")
    press(window, bench, node)
    assert "/sh010/cache/" in bench.shown(node) and bench.results(node)
    shown = bench.shown(node)
    let(nuke.root(), "__default__.shot", "sh020")
    assert bench.shown(node) == shown, "the Read's own name has no variable in it"


@pytest.mark.parametrize("folder", ["50%off", "%{shot}"])
def test_a_folder_in_which_nuke_would_replace_a_variable(folder: str, bench_16: ContractBench) -> None:
    bench = bench_16
    let(nuke.root(), "__default__.other", "x")
    node = bench.node(bench.shot((1,)), 1, 1, cache_dir=f"{bench.folder.as_posix()}/50%off/cache")
    assert node_state.results_folder(node).endswith("/50%off/cache")
    node["cache_dir"].setValue(f"{bench.folder.as_posix()}/{folder}/cache")
    variables(nuke.root()).setValue({"__default__": {"off": "%off"}})
    with pytest.raises(Refused, match="Nuke replaces in file names"):
        node_state.results_folder(node)
    shutil.rmtree(bench.folder / "50%off", ignore_errors=True)
