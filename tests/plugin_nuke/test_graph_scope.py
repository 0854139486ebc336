"""Graph Scope Variables of Nuke 16 and later: what is made of a text, and the stand-in's rules for them."""

from __future__ import annotations

import nuke
import pytest
from cleanplate_node import host
from cleanplate_node.bench import ContractBench
from cleanplate_node.graph_scope import NO_VARIABLES, GraphScope
from nuke import _gsv
from nuke._state import State

from tests.plugin_nuke.multishot import group_in, let, variables

# -- texts


SCOPE = NO_VARIABLES.inside(
    {
        "__default__": {"shot": "sh010", "seq": "in_%{shot}", "a": "%b", "b": "%{a}", "tcl": "[frame]", "d": "no"},
        "plates": {"version": "v3", "named": "%{seq}/%version"},
    }
)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("/x/%shot.%04d.exr", "/x/sh010.%04d.exr"),
        ("/x/%{shot}_key.exr", "/x/sh010_key.exr"),
        ("/x/%shot_key.exr", "/x/%shot_key.exr"),
        ("/x/%shot-v1.exr", "/x/sh010-v1.exr"),
        ("/x/%seq/%V.%d.exr", "/x/in_sh010/%V.%d.exr"),
        ("/x/%{plates.version}.exr", "/x/v3.exr"),
        ("/x/%plates.version.exr", "/x/%plates.version.exr"),
        ("%{plates.named}", "in_sh010/%version"),
        ("/x/%{gone}.exr", None),
        ("/x/%{ shot }.exr", None),
        ("/x/%{plates}.exr", None),
        ("/x/%{__default__.shot}.exr", None),
        ("/x/%a.exr", None),
        ("/x/%04d.%tcl", "/x/%04d.[frame]"),
        ("100%", "100%"),
        ("/x/%%shot", "/x/%sh010"),
        ("", ""),
    ],
)
def test_a_text_with_variables(text: str, expanded: str | None) -> None:
    assert SCOPE.expanded(text) == expanded


@pytest.mark.parametrize("text", ["%shot", "%{shot}", "%{gone}", "a%{plates.version}b"])
def test_a_text_that_names_one(text: str) -> None:
    assert SCOPE.is_named_in(text)


@pytest.mark.parametrize("text", ["%04d", "%d", "%V", "%v", "####", "%gone", "frame%2", "50%off", "%{", "%"])
def test_a_text_that_names_none(text: str) -> None:
    assert not SCOPE.is_named_in(text)


def test_the_nearest_wins() -> None:
    inner = SCOPE.inside({"__default__": {"shot": "sh020"}, "plates": {}})
    assert inner.expanded("%shot %{plates.version}") == "sh020 v3"
    assert SCOPE.inside({"__default__": {}}) is SCOPE
    assert GraphScope().text == ""


# -- the stand-in, by the developer guide


def test_the_stand_ins_variables(bench_16: ContractBench, window: State) -> None:
    root = variables(nuke.root())
    sequence = group_in(nuke.root(), "sq_dance")
    shot = group_in(sequence, "s50")
    root.setGsvValue("sq_dance.__default__.frame_start", "1001")
    root.setGsvValue("sq_dance.s50.__default__.name", "s00050")
    root.setGsvValue("shot", "shot30")
    assert root.value() == {"__default__": {"shot": "shot30"}}, "those of groups are held by the groups"
    assert variables(sequence).getGsvValue("s50.__default__.name") == "s00050"
    assert variables(shot).getGsvValue("__default__.name") == "s00050"
    assert variables(shot).getGsvValue("__default__.frame_start") is None, "what is inherited is not reported"
    for path in ("__default__.no-name", "__default__.two words", "__default__.7th"):
        root.setGsvValue(path, "x")
        assert root.getGsvValue(path) is None
    with pytest.raises(TypeError):
        root.setGsvValue("shot", 30)  # type: ignore[arg-type]
    root.setDataType("__default__.shot", _gsv.DataType.List)
    root.setListOptions("__default__.shot", ["shot10", "shot30"])
    root.setGsvValue("__default__.shot", "shot99")
    assert root.getListOptions("__default__.shot") == ["shot10", "shot30"], "values are not held to the list"
    assert root.getDataType("__default__.shot") is _gsv.DataType.List
    assert root.getDataType("__default__.gone") is _gsv.DataType.Invalid
    assert root.addGsvSet("plates") and root.renameGsv("__default__.shot", "name")
    assert root.value() == {"__default__": {"name": "shot99"}, "plates": {}}
    root.setValue({"looks": {"grade": "warm"}})
    assert root.value() == {"__default__": {}, "looks": {"grade": "warm"}}, "all that is not named is gone"
    read = nuke.createNode("Read")
    read["file"].setValue("/x/%{looks.grade}.%gone.exr")
    assert host.value(read, "file") == "/x/%{looks.grade}.%gone.exr"
    assert host.evaluated(read, "file") == "/x/warm.%gone.exr"


def test_a_variable_switch_of_the_stand_in(bench_16: ContractBench, window: State) -> None:
    let(nuke.root(), "__default__.quality", "final")
    switch = nuke.createNode("VariableSwitch")
    switch["variable"].setValue("__default__.quality")
    for index, pattern in enumerate(("draft", "fin*")):
        switch.setInput(index, nuke.createNode("Constant"))
        switch[f"i{index}"].setValue(pattern)
    assert switch["variable"].value() == "__default__.quality\tquality"
    assert _gsv.chosen_input(switch) == 1
    switch["i0"].setValue('draft "final"')
    assert _gsv.chosen_input(switch) == 0, "a list of patterns"
    switch["i0"].setValue("draft")
    let(nuke.root(), "__default__.quality", "none")
    assert _gsv.chosen_input(switch) == 0
    variables(nuke.root()).renameGsv("__default__.quality", "speed")
    assert switch["variable"].value().startswith("setErrorValue __default__.quality")
