"""A studio's own Nuke around the node: defaults and callbacks that were set for every Write, proxy files, views."""

from __future__ import annotations

from pathlib import Path

import nuke
import pytest
from cleanplate_node import bench as bench_module
from cleanplate_node import (
    callbacks,
    freshness,
    host,
    node_state,
    plain_exr,
)
from cleanplate_node.bench import ContractBench, Server
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import overwrite, press

# -- what a studio sets for all nodes


def other_value(knob: nuke.Knob) -> str | None:
    """Another value than the knob's own as a studio may set it, else None."""
    if isinstance(knob, nuke.Boolean_Knob):
        return "false" if knob.value() else "true"
    if isinstance(knob, nuke.Enumeration_Knob):
        rest = [one for one in knob.values() if one != knob.value()]
        return rest[-1] if rest else None
    if knob.name().endswith("Render"):
        return "raise ValueError('a hook of the studio')"
    return "7" if knob.name() == "frame" else None


def house_defaults(kind: str) -> dict[str, str]:
    found = {name: other_value(knob) for name, knob in nuke.createNode(kind).knobs().items()}
    left_alone = {"selected", "hide_input", "disable"}
    return {name: text for name, text in found.items() if text is not None and name not in left_alone}


def test_no_default_of_the_house_reaches_a_plate(window: State, server: Server, tmp_path: Path) -> None:
    """Every switch, choice and hook of a Write and of a Read has another default, and the results stay the same."""
    bench = ContractBench(tmp_path, server)
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    wanted = [list(bench.output(node, frame).rows) for frame in (1, 2)]
    kinds = {
        kind: house_defaults(kind) for kind in ("Write", "Read", "Copy", "Merge2", "Keymix", "Switch", "Premult")
    }
    assert len(kinds["Write"]) > 12 and len(kinds["Read"]) > 8
    start_nuke(window=True)
    bench = ContractBench(tmp_path / "again", server)
    src, clean = (
        bench.read(path, 1, 2) for path in (tmp_path / "shot" / "plate.%04d.exr", tmp_path / "shot" / "clean.exr")
    )
    for kind, defaults in kinds.items():
        for name, text in defaults.items():
            nuke.knobDefault(f"{kind}.{name}", text)
    bench.folder.mkdir()
    node = bench.node_on(src, clean)
    assert press(window, bench, node) == "up to date, 2 done"
    window.knob_defaults.clear()
    assert [list(bench.output(node, frame).rows) for frame in (1, 2)] == wanted
    bench.expect_tidy(node)


def test_a_studio_that_changes_each_new_write_is_undone(bench: ContractBench, window: State) -> None:
    def changed() -> None:
        for name, value in {"channels": "all", "use_limit": True, "raw": False, "autocrop": True}.items():
            nuke.thisNode()[name].setValue(value)

    shot = bench.shot((1, 2))
    plain = bench.node(shot, 1, 2)
    press(window, bench, plain)
    nuke.addOnCreate(changed, nodeClass="Write")
    node = bench.node(shot, 1, 2)
    assert host.value(host.inner(node, "Write_src"), "use_limit")
    assert press(window, bench, node) == "up to date, 2 done"
    for frame in (1, 2):
        assert list(bench.result(node, frame).rows) == list(bench.result(plain, frame).rows)


@pytest.mark.parametrize(
    "error", [ValueError("no shot"), KeyError("SHOT"), RuntimeError("not allowed"), OSError(5, "x")]
)
def test_a_hook_of_the_studio_that_fails_is_a_sentence(
    error: Exception, bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)

    def hook() -> None:
        raise error

    nuke.addBeforeRender(hook)
    status = press(window, bench, node)
    assert status.startswith("Nuke could not render the plates: ") and str(error) in status
    assert len(window.messages) == 1
    bench.expect_tidy(node)


@pytest.mark.parametrize("kind", ["Group", "*"])
def test_a_studio_whose_own_callback_fails(kind: str, window: State, tmp_path: Path) -> None:
    """Nuke stops at the first function of an event that raises, so those after it are not called."""

    def fails() -> None:
        raise TypeError("of the studio")

    window.callbacks.clear()
    nuke.addOnCreate(fails, nodeClass=kind)
    nuke.addUpdateUI(fails, nodeClass=kind)
    callbacks.register()
    bench = ContractBench(tmp_path, Server(()))
    node = bench.node(bench.shot((1,)), 1, 1)
    first = node_state.node_id(node)
    copy = host.copy(node)
    assert copy is not None and first
    freshness.look_again(copy)
    assert host.value(copy, "node_id") not in ("", first) and host.value(node, "node_id") == first


def test_inner_nodes_are_made_before_their_group(window: State) -> None:
    order: list[str] = []
    nuke.addOnCreate(lambda: order.append(nuke.thisNode().name()))
    callbacks.create()
    assert order[-1] == "Cleanplate_Matte1" and order.index("Read_result") < order.index("Output1")


# -- proxies, views


def test_proxy_files_change_nothing(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    for frame in (1, 2):
        plain_exr.write(shot / f"proxy.{frame:04d}.exr", bench.clean(seed=9, size=(48, 36)))
    node, read = bench.node(shot, 1, 2, guard=True), host.find_read(shot / "plate.%04d.exr")
    press(window, bench, node)
    host.set_value(read, "proxy", (shot / "proxy.%04d.exr").as_posix())
    assert freshness.check(node).usable, "proxies that were made later"
    host.use_proxy(True)
    assert freshness.check(node).usable, freshness.check(node).text
    bench.output(node, 1)
    assert press(window, bench, node) == "up to date", "nothing is made again"
    host.set_value(node, "erode", 1.0)
    press(window, bench, node)
    assert host.uses_proxy() and bench.result(node, 1).display[2:] == bench_module.SIZE
    host.use_proxy(False)
    assert freshness.check(node).usable


@pytest.mark.parametrize("view", ["main", "left", "hero view"])
def test_a_script_with_one_view_of_any_name(view: str, bench: ContractBench, window: State) -> None:
    window.views = [view]
    wall = bench.clean()
    for frame in (1, 2):
        plain_exr.write(bench.folder / "eye" / f"{view}.{frame:04d}.exr", bench.plate(frame, wall))
    plain_exr.write(bench.folder / "eye" / "clean.exr", wall)
    src = bench.read(bench.folder / "eye" / "%V.%04d.exr", 1, 2)
    node = bench.node_on(src, bench.read(bench.folder / "eye" / "clean.exr", 1, 1))
    assert press(window, bench, node) == "up to date, 2 done"
    bench.expect_matte(bench.result(node, 2, view), 2)
    bench.expect_matte(bench.output(node, 2, view), 2)
    overwrite(bench.folder / "eye" / f"{view}.0001.exr")
    assert freshness.check(node).text == "stale: the sources of frame 1 changed"
