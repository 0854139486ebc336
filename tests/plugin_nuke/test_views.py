"""Stereo: the files of each view, and settings that were split. No server is asked."""

from __future__ import annotations

import nuke
import pytest
from cleanplate_node import freshness, host, nk_text, node_options, panel, plain_exr, sources
from cleanplate_node.bench import ContractBench
from cleanplate_node.fingerprint import FrameKey
from cleanplate_node.range_plan import Refused
from nuke._state import State

from tests.plugin_nuke.pressing import press
from tests.plugin_nuke.whole_comp import overwrite

VIEWS = ("left", "right")


@pytest.fixture
def stereo(window: State, lonely: ContractBench) -> ContractBench:
    window.views = list(VIEWS)
    for view in VIEWS:
        lonely.shot((1,), view)
    return lonely


def eye(bench: ContractBench, name: str) -> nuke.Node:
    return bench.read(bench.folder / name / "plate.%04d.exr", 1, 1)


def keys(node: nuke.Node) -> dict[str, FrameKey]:
    """What frame 1 is made from in each view."""
    found = sources.SourceKeys(sources.sources_of(node), node_options.options_of(node), ()).keys((1,), VIEWS)
    return {view: key for (_, view), key in found.items()}


def changed_by(bench: ContractBench, node: nuke.Node, view: str) -> set[str]:
    """The views whose frame counts as changed where the plate of one is overwritten."""
    before = keys(node)
    overwrite(bench.folder / view / "plate.0001.exr")
    return {view for view, key in keys(node).items() if key.differs(before[view])}


def test_each_eye_has_its_own_file(stereo: ContractBench) -> None:
    node = stereo.node_on(eye(stereo, "%V"), eye(stereo, "left"))
    assert changed_by(stereo, node, "right") == {"right"}
    assert all(node_key.is_known_to_equal(node_key) for node_key in keys(node).values())


def test_behind_a_one_view_both_eyes_depend_on_that_view(stereo: ContractBench) -> None:
    one = host.create("OneView", view="left")
    host.connect(one, 0, eye(stereo, "%V"))
    node = stereo.node_on(one, None)
    assert changed_by(stereo, node, "right") == set()
    assert changed_by(stereo, node, "left") == set(VIEWS)


def test_where_the_view_is_not_known_both_eyes_depend_on_both(stereo: ContractBench) -> None:
    """A OneView that was left alone has no view in its text."""
    one = host.create("OneView")
    host.connect(one, 0, eye(stereo, "%V"))
    node = stereo.node_on(one, None)
    assert changed_by(stereo, node, "right") == set(VIEWS)


def test_of_joined_views_each_eye_depends_on_its_input(stereo: ContractBench) -> None:
    joined = host.create("JoinViews", viewassoc="left\nright")
    for index, view in enumerate(VIEWS):
        assert host.connect(joined, index, eye(stereo, view))
    node = stereo.node_on(joined, None)
    assert changed_by(stereo, node, "right") == {"right"}
    assert changed_by(stereo, node, "left") == {"left"}


def split_read(bench: ContractBench, right: str) -> nuke.Node:
    """A Read whose file was split off for the right view (user guide, Splitting and Joining Views)."""
    read = eye(bench, "left")
    file = read["file"]
    assert isinstance(file, nuke.File_Knob)
    file.splitView("right")
    file.setValue(right, "right")
    return read


def test_a_file_that_is_split_into_views(stereo: ContractBench) -> None:
    right = (stereo.folder / "right" / "plate.%04d.exr").as_posix()
    read = split_read(stereo, right)
    node = stereo.node_on(read, None)
    for view in VIEWS:
        shown = stereo.output(read, 1, view, "rgb")
        assert shown.rows == plain_exr.read(stereo.folder / view / "plate.0001.exr").rows
    assert changed_by(stereo, node, "right") == {"right"}
    assert changed_by(stereo, node, "left") == {"left"}
    before = sources.sources_of(node).settings_key(node_options.options_of(node))
    read["file"].setValue(right.replace("plate", "later"), "right")
    assert sources.sources_of(node).settings_key(node_options.options_of(node)) != before


def test_behind_a_one_view_the_split_file_of_that_view_counts(stereo: ContractBench) -> None:
    one = host.create("OneView", view="right")
    host.connect(one, 0, split_read(stereo, (stereo.folder / "right" / "plate.%04d.exr").as_posix()))
    node = stereo.node_on(one, None)
    assert changed_by(stereo, node, "left") == set()
    assert changed_by(stereo, node, "right") == set(VIEWS)


def test_tcl_in_a_split_file_is_not_known_here(stereo: ContractBench) -> None:
    node = stereo.node_on(split_read(stereo, "[getenv SHOT]/plate.%04d.exr"), None)
    assert all(key.needs_hashes for key in keys(node).values())


@pytest.mark.parametrize("name", ["erode", "temporal", "bit_depth", "layer_clean"])
def test_a_setting_that_is_split_into_views_is_refused(name: str, stereo: ContractBench, window: State) -> None:
    node = host.paste(nk_text.node_text())
    assert node is not None and node_options.options_of(node)
    kind = node[name].Class()
    node[name]._split = {"right": {"Double_Knob": 2.5, "Enumeration_Knob": 0.0, "Boolean_Knob": 0.0}[kind]}
    with pytest.raises(Refused, match=f"^{panel.label_of(name).split('(')[0]}.*is split into views"):
        node_options.options_of(node)
    window.views = ["left"]
    assert node_options.options_of(node), "with one view there is one value"


def test_views_that_differ_at_another_frame_than_the_current_one_are_refused(stereo: ContractBench) -> None:
    node = host.paste(nk_text.node_text())
    assert node is not None
    node["erode"]._split = {"right": {0: 0.0, 7: 2.5}}
    node_options.check_constant(node, range(1, 7))
    with pytest.raises(Refused, match="is split into views"):
        node_options.check_constant(node, range(1, 8))


def test_a_view_that_was_added_since_is_rendered_too(bench: ContractBench, window: State) -> None:
    """A Write renders the views that are chosen in it, of which a later one is none."""
    wall = bench.clean()
    for view, frame in (("main", 1), ("hero view", 11)):
        plain_exr.write(bench.folder / "eyes" / f"plate.{view}.0001.exr", bench.plate(frame, wall))
    plain_exr.write(bench.folder / "eyes" / "clean.exr", wall)
    src = bench.read(bench.folder / "eyes" / "plate.%V.%04d.exr", 1, 1)
    node = bench.node_on(src, bench.read(bench.folder / "eyes" / "clean.exr", 1, 1))
    assert press(window, bench, node) == "up to date, 1 done"
    nuke.addView("hero view")
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 1), 1)
    bench.expect_matte(bench.result(node, 1, "hero view"), 11)


def test_a_view_that_got_another_name_is_looked_at(lonely: ContractBench, window: State) -> None:
    node = lonely.node(lonely.shot((1,)), 1, 1)
    assert freshness.look_again(node) and not freshness.look_again(node)
    window.views = ["left"]
    assert freshness.look_again(node)
