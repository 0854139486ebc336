"""Which Graph Scope Variables a result depends on, and the files that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nuke
import pytest
from cleanplate_node import freshness, host, manifest, plain_exr, preflight, sources
from cleanplate_node.bench import ContractBench, Server
from cleanplate_node.graph_scope import NO_VARIABLES
from nuke import _gsv
from nuke._state import State

from tests.plugin_nuke.multishot import group_in, let, passing_through, plate_of, shots, variables
from tests.plugin_nuke.pressing import looked_at, overwrite, press

STALE = "stale: a setting or an input changed"


@pytest.mark.parametrize("where", ["project", "group", "outer group", "group upstream", "live group"])
def test_a_variable_that_changes_makes_it_stale(where: str, bench_16: ContractBench, window: State) -> None:
    bench, shot = bench_16, bench_16.shot((1,))
    outer = group_in(nuke.root(), "Outer")
    inner = group_in(outer, "Inner")
    with inner:
        node = bench.node(shot, 1, 1)
        source = host.input_of(node, 0)
        assert source is not None
        upstream = passing_through(group_in(inner, "Upstream"), source)
        live = passing_through(group_in(inner, "Live", "LiveGroup"), upstream)
        host.connect(node, 0, live)
    scopes = {"project": nuke.root(), "group": inner, "outer group": outer, "group upstream": upstream}
    scope = {**scopes, "live group": live}[where]
    empty = preflight.preflight(node, (1,), True, "interactive").folder
    let(scope, "__default__.shot", "sh010")
    press(window, bench, node)
    assert bench.shown(node) != manifest.result_pattern(empty)
    assert freshness.check(node).usable
    let(scope, "__default__.shot", "sh020")
    assert freshness.check(node).text == STALE
    let(scope, "__default__.shot", "sh010")
    assert freshness.check(node).usable, "and back"


@pytest.mark.parametrize("around", [False, True], ids=["upstream", "around"])
def test_a_variable_that_is_overridden_does_not_count(around: bool, bench_16: ContractBench, window: State) -> None:
    """Compositors switch the project's shot all day; a shot's own group does not follow."""
    bench = bench_16
    shot = group_in(nuke.root(), "s50")
    let(shot, "__default__.shot", "sh020")
    let(nuke.root(), "__default__.shot", "sh010")
    folder = shots(bench)
    plate, clean = plate_of(folder, "%{shot}/plate.%04d.exr"), plate_of(folder, "clean.exr")
    if around:
        with shot:
            entries = host.create("Input", number=0), host.create("Input", number=1)
            node = bench.node_on(*entries)
        host.connect(shot, 0, plate)
        host.connect(shot, 1, clean)
    else:
        node = bench.node_on(passing_through(shot, plate), clean)
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 1), 5)
    let(nuke.root(), "__default__.shot", "sh030")
    assert freshness.check(node, deep=False).usable == around, "beside the group the project's holds"
    let(nuke.root(), "__default__.shot", "sh010")
    assert freshness.check(node, deep=False).text.startswith("up to date")
    plain_exr.write(folder / "sh020" / "plate.0001.exr", bench.plate(9, bench.clean()))
    assert looked_at(window, bench, node) == "stale: the sources of frame 1 changed"


def test_a_plate_that_a_variable_names(bench_16: ContractBench, window: State) -> None:
    bench = bench_16
    folder = shots(bench)
    let(nuke.root(), "__default__.shot", "sh010")
    node = bench.node_on(plate_of(folder, "%shot/plate.%04d.exr"), plate_of(folder, "clean.exr"))
    for shot, subject in {"sh010": 1, "sh020": 5, "sh010 again": 1}.items():
        let(nuke.root(), "__default__.shot", shot[:5])
        freshness.look_again(node)
        assert freshness.check(node, deep=False).text.startswith("up to date") == ("again" in shot), shot
        assert press(window, bench, node) == ("up to date" if "again" in shot else "up to date, 1 done")
        bench.expect_matte(bench.output(node, 1), subject)
    overwrite(folder / "sh020" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text.startswith("up to date"), "not that shot's"
    overwrite(folder / "sh010" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"


PATHS: dict[str, tuple[str, dict[str, str]]] = {
    "a named set": ("%{plates.root}/plate.%04d.exr", {"plates.root": "sh010"}),
    "a value that names another": ("%{folder}/plate.%04d.exr", {"__default__.folder": "%shot"}),
    "part of a name": ("sh%{number}/plate.%04d.exr", {"__default__.number": "010"}),
    "the frame": ("sh010/plate.%{frame}.exr", {"__default__.frame": "####"}),
}


def node_that_reads(bench: ContractBench, folder: Path, text: str, values: Mapping[str, str]) -> host.Node:
    """A Cleanplate node whose plate's file is ``text``, where these variables of the script hold."""
    for path, value in {"__default__.shot": "sh010", **values}.items():
        let(nuke.root(), path, value)
    return bench.node_on(plate_of(folder, text), plate_of(folder, "clean.exr"))


@pytest.mark.parametrize("name", PATHS)
def test_other_texts_that_name_a_plate(name: str, bench_16: ContractBench, window: State) -> None:
    bench = bench_16
    folder = shots(bench)
    node = node_that_reads(bench, folder, *PATHS[name])
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 1), 1)
    assert freshness.check(node, deep=False).text.startswith("up to date")
    overwrite(folder / "sh010" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"


UNCLEAR: dict[str, tuple[str, dict[str, str]]] = {
    "TCL beside it": ("[getenv SHOTS]/%{shot}/plate.%04d.exr", {}),
    "TCL in the value": ("%{shot}/%{rest}", {"__default__.rest": "plate.[format %04d 1].exr"}),
    "no such variable": ("%{gone}/plate.%04d.exr", {}),
    "a circle": ("%{one}/plate.%04d.exr", {"__default__.one": "%{two}", "__default__.two": "%{one}"}),
    "the default set by its name": ("%{__default__.shot}/plate.%04d.exr", {}),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_no_document_tells_is_never_up_to_date(name: str, bench_16: ContractBench) -> None:
    bench = bench_16
    node = node_that_reads(bench, shots(bench), *UNCLEAR[name])
    assert sources.sources_of(node).has_text_that_runs


def test_a_file_of_another_node_counts(bench_16: ContractBench, window: State) -> None:
    bench, folder = bench_16, shots(bench_16)
    for look in ("warm", "cold"):
        (folder / f"{look}.cube").write_text(look)
    let(nuke.root(), "__default__.look", "warm")
    grade = host.create("Vectorfield", vfield_file=f"{folder.as_posix()}/%look.cube")
    host.connect(grade, 0, plate_of(folder, "sh010/plate.%04d.exr"))
    node = bench.node_on(grade, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    overwrite(folder / "cold.cube")
    assert freshness.check(node, deep=False).text.startswith("up to date")
    overwrite(folder / "warm.cube")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"


def test_the_project_directory_may_be_one(bench_16: ContractBench, window: State) -> None:
    """Each shot has its own, and the group of a shot is looked at with that."""
    bench, folder = bench_16, shots(bench_16)
    let(nuke.root(), "__default__.root", f"{folder.as_posix()}/sh010")
    host.set_root("project_directory", "%{root}")
    group = passing_through(
        group_in(nuke.root(), "s20"), host.create("Read", file="plate.%04d.exr", first=1, last=1, raw=True)
    )
    let(group, "__default__.root", f"{folder.as_posix()}/sh020")
    node = bench.node_on(group, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 5)
    overwrite(folder / "sh010" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text.startswith("up to date")
    overwrite(folder / "sh020" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"


@pytest.mark.parametrize(
    ("disable", "is_known"), [(None, True), (False, True), (True, False), ("frame > 5", False)]
)
def test_a_variable_that_only_the_group_behind_the_plate_has(
    disable: bool | str | None, is_known: bool, bench_16: ContractBench
) -> None:
    """What feeds a group is looked at with the group's own, and where the group is off with those around it."""
    bench, folder = bench_16, shots(bench_16)
    plate = plate_of(folder, "%{shot}/plate.%04d.exr")
    group = passing_through(group_in(nuke.root(), "s50"), plate)
    let(group, "__default__.shot", "sh020")
    if isinstance(disable, str):
        host.set_expression(group, "disable", disable)
    elif disable is not None:
        group["disable"].setValue(disable)
    node = bench.node_on(group, plate_of(folder, "clean.exr"))
    assert sources.sources_of(node).has_text_that_runs != is_known


def test_one_plate_for_two_groups_counts_in_both(bench_16: ContractBench, window: State) -> None:
    """The node that both are fed by is looked at with two values at once."""
    bench, folder = bench_16, shots(bench_16)
    plate, clean = plate_of(folder, "%{shot}/plate.%04d.exr"), plate_of(folder, "clean.exr")
    ends = []
    for name in ("sh010", "sh020"):
        group = passing_through(group_in(nuke.root(), name), plate)
        let(group, "__default__.shot", name)
        ends.append(group)
    switch = host.create("Switch", which=1)
    for index, end in enumerate(ends):
        host.connect(switch, index, end)
    node = bench.node_on(switch, clean)
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 5)
    overwrite(folder / "sh020" / "plate.0001.exr")
    assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed"
    let(ends[1], "__default__.shot", "sh010")
    assert freshness.check(node, deep=False).text == STALE
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 1)


@pytest.mark.parametrize("text", ["%gain", "%{gain}", "%{looks.gain}*2"])
def test_an_expression_that_names_one(text: str, bench_16: ContractBench, window: State) -> None:
    """Nuke's Python evaluates it where the node stands, the picture is made where it is looked at."""
    bench, folder = bench_16, shots(bench_16)
    name = text.strip("%{}*2").rpartition(".")
    grade = host.create("Grade")
    host.connect(grade, 0, plate_of(folder, "sh010/plate.%04d.exr"))
    host.set_expression(grade, "white", text)
    group = passing_through(group_in(nuke.root(), "Look"), grade)
    for path in (f"{name[0] or '__default__'}.{name[2]}", "__default__.other"):
        let(nuke.root(), path, "1.0")
        let(group, path, "1.0")
    node = bench.node_on(group, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    assert freshness.check(node, deep=False).usable
    let(group, f"{name[0] or '__default__'}.{name[2]}", "0.9")
    assert freshness.check(node, deep=False).text == STALE
    let(group, f"{name[0] or '__default__'}.{name[2]}", "1.0")
    host.set_expression(grade, "white", "%other")
    assert freshness.check(node, deep=False).text == STALE, "another variable, which has the same value here"


def test_a_variable_that_switches_a_write_on_the_way(bench_16: ContractBench, window: State) -> None:
    """The group's own holds: whether the Write leaves channels out is not what Nuke's Python says of it."""
    bench, folder = bench_16, shots(bench_16)
    inner = passing_through(group_in(nuke.root(), "Inner"), plate_of(folder, "sh010/plate.%04d.exr"))
    write = host.create("Write", channels="rgb", file=f"{folder.as_posix()}/precomp.%04d.exr")
    host.connect(write, 0, inner)
    host.set_expression(write, "disable", "%{off}")
    group = passing_through(group_in(nuke.root(), "Outer"), write)
    for scope, off in ((nuke.root(), "0"), (inner, "0"), (group, "0")):
        let(scope, "__default__.off", off)
    node = bench.node_on(group, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    assert freshness.check(node, deep=False).text.startswith("up to date")
    let(group, "__default__.off", "1")
    assert freshness.check(node, deep=False).text == STALE
    let(group, "__default__.off", "0")
    assert freshness.check(node, deep=False).text.startswith("up to date"), "and back"


def test_a_switch_by_variable_takes_any_file(bench_16: ContractBench, window: State) -> None:
    """What it takes in another group's scope is not what Nuke's Python says of it."""
    bench, folder = bench_16, shots(bench_16)
    switch = host.create("Switch")
    for index, shot in enumerate(("sh010", "sh020")):
        host.connect(switch, index, plate_of(folder, f"{shot}/plate.%04d.exr"))
    host.set_expression(switch, "which", "%take")
    let(nuke.root(), "__default__.take", "0")
    group = passing_through(group_in(nuke.root(), "Take"), switch)
    let(group, "__default__.take", "1")
    node = bench.node_on(group, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 5)
    for shot in ("sh010", "sh020"):
        assert not freshness.check(node, deep=False).text.startswith("stale")
        overwrite(folder / shot / "plate.0001.exr")
        assert freshness.check(node, deep=False).text == "stale: the sources of frame 1 changed", shot
        press(window, bench, node)


def test_a_variable_switch(bench_16: ContractBench, window: State) -> None:
    bench, folder = bench_16, shots(bench_16)
    let(nuke.root(), "__default__.shot", "sh010")
    switch = host.create("VariableSwitch")
    switch["variable"].setValue("__default__.shot")
    for index, shot in enumerate(("sh010", "sh020")):
        host.connect(switch, index, plate_of(folder, f"{shot}/plate.%04d.exr"))
        switch[f"i{index}"].setValue(shot)
    node = bench.node_on(switch, plate_of(folder, "clean.exr"))
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 1)
    let(nuke.root(), "__default__.shot", "sh020")
    assert freshness.check(node, deep=False).text == STALE
    press(window, bench, node)
    bench.expect_matte(bench.result(node, 1), 5)
    switch["i0"].setValue("sh0*")
    assert freshness.check(node, deep=False).text == STALE, "a pattern"


def test_a_link_into_another_group(window: State, server: Server, tmp_path: Path) -> None:
    """No pipe leads there, so nothing around it is on the way."""
    window.major = 17
    nuke.scriptClear()
    bench = ContractBench(tmp_path, server)
    folder = shots(bench)
    outer = group_in(nuke.root(), "Outer")
    other = group_in(outer, "Other")
    with other:
        plate = plate_of(folder, "sh010/plate.%04d.exr")
    link = host.create("NoOp")
    link._links.append(plate)
    node = bench.node_on(link, plate_of(folder, "clean.exr"))
    found = set()
    for group, value in ((None, ""), (other, "a"), (other, "b"), (outer, "c"), (nuke.root(), "d")):
        if group is not None:
            let(group, "__default__.look" if group is not outer else "__default__.tone", value)
        found.add(key_of(node))
    assert len(found) == 5


def key_of(node: nuke.Node) -> str:
    return preflight.preflight(node, (1,), True, "batch", server="tcp://127.0.0.1:9", quietly=True).folder


def test_nothing_else_about_a_variable_counts(bench_16: ContractBench, window: State) -> None:
    bench = bench_16
    outer = group_in(nuke.root(), "Outer")
    with outer:
        node = bench.node(bench.shot((1,)), 1, 1)
        source = host.input_of(node, 0)
        assert source is not None
        inner = passing_through(group_in(outer, "Inner"), source)
        host.connect(node, 0, inner)
    for group in (outer, inner):
        let(group, "__default__.shot", "sh010")
    press(window, bench, node)
    for group in (outer, inner):
        variables(group).setDataType("__default__.shot", _gsv.DataType.List)
        variables(group).setListOptions("__default__.shot", ["sh010", "sh020"])
        variables(group).setFavorite("__default__.shot", True)
        variables(group).addGsvSet("empty")
        group["name"].setValue(f"{group.name()}_renamed")
        assert freshness.check(node, deep=False).text.startswith("up to date"), group.name()


def test_a_nuke_without_variables_and_one_with_none_set_agree(bench_16: ContractBench, window: State) -> None:
    node = bench_16.node(bench_16.shot((1,)), 1, 1)
    assert host.scope_around(node) == NO_VARIABLES
    before = preflight.preflight(node, (1,), True, "interactive").folder
    del nuke.root()._knobs["gsv"]
    assert preflight.preflight(node, (1,), True, "interactive").folder == before


def test_a_knob_of_that_name_that_is_none(bench_16: ContractBench, window: State) -> None:
    """A gizmo's own."""
    group = group_in(nuke.root(), "Own", "Group")
    group.readKnobs('addUserKnob {1 gsv}\ngsv "a text"')
    with group:
        node = bench_16.node(bench_16.shot((1,)), 1, 1)
    assert host.scope_around(node) == NO_VARIABLES
