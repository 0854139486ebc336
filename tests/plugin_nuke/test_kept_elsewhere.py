"""Pictures and nodes that are not where they seem to be: local copies, rendered Precomps, gizmos, LiveGroups."""

from __future__ import annotations

import os

import nuke
import pytest
from cleanplate_node import host, nk_text, node_options, plain_exr, preflight, sources
from cleanplate_node.bench import ContractBench
from cleanplate_node.range_plan import Refused
from nuke._state import State

from tests.plugin_nuke.pressing import expect_matte_there, looked_at, press
from tests.plugin_nuke.shown_renders import precomp_of, render_shown
from tests.plugin_nuke.whole_comp import overwrite


def plan(node: nuke.Node) -> None:
    preflight.preflight(node, (1,), False, "batch", server="tcp://127.0.0.1:9", quietly=True)


@pytest.mark.parametrize("policy", ["on", "onDemand"])
def test_a_local_copy_that_is_old_is_never_rendered(policy: str, lonely: ContractBench) -> None:
    """Nuke would render the copy, and the time of the file would say that the result is up to date."""
    shot = lonely.shot((1,))
    node = lonely.node(shot, 1, 1)
    read = host.find_read(shot / "plate.%04d.exr")
    read["localizationPolicy"].setValue(policy)
    read._copies = lonely.shot((1,), "localized")
    plan(node)
    copy = read._copies / "plate.0001.exr"
    os.utime(copy, (0, 0))
    with pytest.raises(Refused, match="Read1 would be read from a local copy that is older than the file"):
        plan(node)
    copy.touch()
    plan(node)


@pytest.mark.parametrize("kind", ["Precomp", "LiveGroup"])
def test_what_was_rendered_of_a_precomp_counts_where_it_is_shown(kind: str, lonely: ContractBench) -> None:
    shot = lonely.shot((1, 2))
    for frame in (1, 2):
        (shot / f"other.{frame:04d}.exr").write_bytes((shot / f"plate.{frame:04d}.exr").read_bytes())
    precomp = precomp_of(kind, shot, shot, "other")
    node = lonely.node_on(precomp, None)

    def key(frame: int = 1) -> tuple[str, bool]:
        made = sources.SourceKeys(sources.sources_of(node), node_options.options_of(node), ())
        found = made.keys((frame,), ("main",))[frame, "main"]
        return found.files, found.needs_hashes

    def changes(name: str) -> list[int]:
        """The frames that change with the first one of a sequence."""
        before = {frame: key(frame) for frame in (1, 2)}
        overwrite(shot / f"{name}.0001.exr")
        return [frame for frame, one in before.items() if key(frame) != one]

    def inside() -> set[str]:
        """The nodes inside that count."""
        return {one.name() for one in sources.sources_of(node).upstream.nodes} - {precomp.name()}

    everything = {"Output1", "Read1", "Write_other", "Write_plate"}
    assert inside() == everything
    assert not changes("plate"), "its nodes are shown"
    precomp["reading"].setValue(True)
    assert changes("plate") == [1] and not changes("other") and not key()[1]
    assert inside() == everything, "no document says which Write it takes"
    precomp["output"].setValue("Write_other")
    assert not changes("other")
    precomp["useOutput"].setValue(True)
    assert changes("other") == [1] and not changes("plate")
    assert inside() == {"Write_other"}
    precomp["output"].setValue("Nowhere")
    assert changes("plate") == [1] and inside() == everything, "there is no such node"
    for name in ("plate", "other"):
        nuke.delete(host.inner(precomp, f"Write_{name}"))
    assert key()[1], "no node says which file that is"


@pytest.mark.parametrize("kind", ["Write", "Precomp", "LiveGroup"])
def test_a_render_that_was_rendered_again_is_read_again(kind: str, bench: ContractBench, window: State) -> None:
    """As by a farm: Nuke keeps showing what it has read of it."""
    shot = bench.shot((1,))
    shown = render_shown(kind, bench, shot)
    node = bench.node_on(shown, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 1), 1)
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    assert looked_at(window, bench, node) == "stale: the sources of frame 1 changed"
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, 9)


@pytest.mark.parametrize("kind", ["Write", "Precomp"])
def test_nodes_that_no_picture_depends_on_do_not_count(kind: str, bench: ContractBench, window: State) -> None:
    """Those behind a render that is read, behind the A of a Merge that is off, and behind an input that a Switch
    does not take; Nuke's hashes change with them. They count from the moment at which they are shown."""
    shot = bench.shot((1,))
    shown = render_shown(kind, bench, shot)
    write = shown if kind == "Write" else host.inner(shown, "Write_plate")
    unseen, control = [], host.create("Grade", name="Control")
    for feeds in (write, None, None):
        around = write.parent() if feeds else nuke.root()
        assert around is not None
        with host.inside(around):
            unseen.append(host.create("Grade"))
        if feeds:
            host.connect(unseen[-1], 0, write.input(0))
            host.connect(write, 0, unseen[-1])
        else:
            host.connect(unseen[-1], 0, control)
    merge, switch, after = host.create("Merge2", disable=True), host.create("Switch"), host.create("Grade")
    for node, inputs in ((merge, (shown, unseen[1])), (switch, (merge, unseen[2])), (after, (switch,))):
        for index, one in enumerate(inputs):
            host.connect(node, index, one)
    after["white"].setExpression("Control.white")
    clean = bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(after, clean, range_mode="custom", first=1, last=1, guard=True)
    assert press(window, bench, node) == "up to date, 1 done"
    for one in unseen:
        host.set_value(one, "white", 3.0)
        assert looked_at(window, bench, node).startswith("up to date"), one.name()
    assert press(window, bench, node) == "up to date", "nothing is made again"
    bench.expect_matte(bench.result(node, 1), 1)
    host.set_value(control, "white", 3.0)
    assert looked_at(window, bench, node).startswith("stale"), "an expression leads there"
    host.set_value(control, "white", 1.0)
    host.set_value(control, "black", 0.5)
    assert looked_at(window, bench, node).startswith("stale"), "a node that is named counts as a whole"
    host.set_value(control, "black", 0.0)
    for knob, now, before in (
        (shown["reading"], False, True),
        (merge["disable"], False, True),
        (switch["which"], 1, 0),
    ):
        knob.setValue(now)
        assert looked_at(window, bench, node).startswith("stale"), knob.name()
        knob.setValue(before)
        assert looked_at(window, bench, node).startswith("up to date"), knob.name()
    final = host.create("Switch", which=1)
    host.connect(final, 0, node)
    host.connect(final, 1, clean)
    host.set_value(node, "erode", 2.0)
    bench.output(final, 1)
    host.set_value(final, "which", 0)
    with pytest.raises(RuntimeError, match="stale"):
        bench.output(final, 1)


@pytest.mark.parametrize(
    ("kind", "knobs", "is_kept"),
    [
        ("Group", {}, True),
        ("VariableGroup", {}, True),
        ("LiveGroup", {"published": False}, True),
        ("LiveGroup", {}, False),
        ("Precomp", {}, False),
        ("House_Grade", {}, False),
    ],
)
@pytest.mark.parametrize("depth", [1, 2])
def test_no_result_is_made_where_the_script_does_not_keep_it(
    kind: str, knobs: dict[str, object], is_kept: bool, depth: int, lonely: ContractBench
) -> None:
    holder = host.create(kind, **knobs)
    shot = lonely.shot((1,))
    with host.inside(holder):
        around = host.create("Group") if depth == 2 else holder
    with host.inside(around):
        node = lonely.node(shot, 1, 1)
    if is_kept:
        plan(node)
    else:
        with pytest.raises(Refused, match=f"{kind}1 is a {kind}, whose contents are not saved"):
            plan(node)


def test_a_node_that_was_made_a_gizmo_says_what_to_do(lonely: ContractBench, window: State) -> None:
    """Its buttons are still there."""
    node = host.paste(nk_text.node_text())
    assert node is not None
    node.__class__, node._kind = nuke.Gizmo, "Cleanplate_Matte.gizmo"
    host.press(node, "process_frame")
    assert "whose contents are not saved with this script" in window.messages[-1]
    assert "Copy a gizmo to a Group" in window.messages[-1]
