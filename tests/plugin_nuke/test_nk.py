"""The generated .nk text: read word by word, wired, and compared with the table and with a golden file."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import nuke
import pytest
from cleanplate_node import callbacks, graph, host, nk_text, panel
from cleanplate_node.entry import BUTTONS
from matte_link.options import MatteOptions, option_specs
from nuke import _tcl
from nuke._state import State

GOLDEN = Path(__file__).parent / "golden" / "cleanplate_matte.nk"


@dataclass
class Entry:
    """One node of a script as written."""

    kind: str
    knobs: dict[str, str] = field(default_factory=dict)
    user: dict[str, list[str]] = field(default_factory=dict)
    pushed: list[str] = field(default_factory=list)


def entries(text: str) -> Iterator[Entry]:
    """The nodes of a script, each with what was pushed before it; ``end_group`` too."""
    pushed: list[str] = []
    for words in _tcl.commands(text):
        if words[0] == "push":
            pushed.append(words[1])
        elif words[0] == "end_group":
            yield Entry("end_group")
        elif len(words) == 2 and words[1].startswith("{") and words[0] != "add_layer":
            entry = Entry(words[0], pushed=pushed)
            pushed = []
            for line in _tcl.commands(_tcl.value(words[1])):
                if line[0] == "addUserKnob":
                    definition = _tcl.raw_words(_tcl.value(line[1]))
                    entry.user[_tcl.value(definition[1])] = definition
                else:
                    assert len(line) == 2, line
                    assert line[0] not in entry.knobs, f"{line[0]} is set twice"
                    entry.knobs[line[0]] = line[1]
            yield entry


@pytest.fixture(scope="module")
def nodes() -> list[Entry]:
    return list(entries(nk_text.node_text()))


@pytest.fixture(scope="module")
def group(nodes: list[Entry]) -> Entry:
    return next(entry for entry in nodes if entry.kind == "Group")


def test_one_group_closed_with_one_output(nodes: list[Entry]) -> None:
    kinds = [entry.kind for entry in nodes]
    assert kinds[0] == "Group" and kinds[-1] == "end_group"
    assert kinds.count("Group") == kinds.count("end_group") == kinds.count("Output") == 1


def test_inputs_are_numbered_as_the_facts_say(nodes: list[Entry], group: Entry) -> None:
    numbers = {entry.knobs["name"]: int(entry.knobs.get("number", "0")) for entry in nodes if entry.kind == "Input"}
    assert numbers == {"src": 0, "clean": 1, "holdout": 2, "core": 3, "key": 4, "key_mask": 5}
    assert group.knobs["inputs"] == "6" and len(group.pushed) == 6
    assert group.pushed[-1] == "$cut_paste_input", "input 0 is pushed last"


def test_every_inner_node_gets_what_it_pops(nodes: list[Entry]) -> None:
    wiring = {node.name: node for node in graph.nodes_of_group()}
    for entry in nodes[1:-1]:
        count = int(entry.knobs.get("inputs", "1"))
        assert count == len(entry.pushed), entry.knobs["name"]
        wanted = wiring[entry.knobs["name"]].inputs
        assert [word.removeprefix("$N_") for word in reversed(entry.pushed)] == list(wanted)


def test_knob_types_labels_and_help_equal_the_table(group: Entry) -> None:
    table = {knob.name: knob for knob in panel.knobs()}
    assert list(group.user) == list(table), "order or names differ"
    for name, words in group.user.items():
        knob = table[name]
        assert int(words[0]) == nk_text.KNOB_IDS[knob.kind]
        facts = dict(pairwise(words[2:]))
        assert _tcl.value(facts.get("l", "")) == knob.label
        assert _tcl.value(facts.get("t", "")) == knob.help
        assert ("+INVISIBLE" in words) == knob.hidden
        if knob.choices:
            assert tuple(map(_tcl.value, _tcl.raw_words(_tcl.value(facts["M"])))) == knob.choices


def test_every_knob_has_help(group: Entry) -> None:
    for knob in panel.knobs():
        assert knob.help or knob.kind == "tab", f"{knob.name} has no help"


def test_groups_of_knobs_open_and_close(group: Entry) -> None:
    depth = 0
    for words in group.user.values():
        if words[0] == str(nk_text.KNOB_IDS["tab"]) and "n" in words:
            opens = int(words[words.index("n") + 1])
            depth += min(opens, 1)
            label = dict(pairwise(words[2:])).get("l", "")
            assert opens == -1 or (opens == panel.OPEN) == (label in ("Result", "Matte", "Edge")), label
            assert depth in (0, 1)
    assert depth == 0


def test_defaults_are_the_options_defaults(window: State) -> None:
    node = callbacks.create()
    assert node is not None
    assert panel.options_from({name: node[name].value() for name in panel.option_names()}) == MatteOptions(
        bit_depth="float", compression="rle", layer_clean=True, layer_confidence=True, layer_difference=True
    )
    for option in option_specs():
        assert (option.name in node.knobs()) == ("nuke" not in option.hidden_in), option.name
    assert host.text_as_typed(node, "cache_dir") == "[file dirname [value root.name]]/matte_cache"
    assert node["server"].value() == "tcp://127.0.0.1:5560"
    assert node["range_mode"].value() == "input" and node["output"].value() == "premultiplied"


def test_no_knob_of_ours_hides_one_of_nukes_own() -> None:
    # The knobs that every Group has, as Nuke's documentation of the node's Node tab lists them.
    taken = {
        *("name", "help", "onCreate", "onDestroy", "knobChanged", "updateUI", "autolabel", "panel", "tile_color"),
        *("gl_color", "label", "icon", "indicators", "note_font", "note_font_size", "note_font_color", "selected"),
        *("xpos", "ypos", "hide_input", "cached", "disable", "dope_sheet", "bookmark", "postage_stamp"),
        *("postage_stamp_frame", "useLifetime", "lifetimeStart", "lifetimeEnd", "lock_connections", "mapsize"),
    }
    names = [knob.name for knob in panel.knobs()]
    assert len(names) == len(set(names)) and not taken & set(names)


def test_reads_and_writes_are_safe(nodes: list[Entry]) -> None:
    writes = [entry for entry in nodes if entry.kind == "Write"]
    assert {entry.knobs["name"] for entry in writes} == set(graph.WRITES.values())
    for entry in writes:
        for name, value in {
            "disable": "true",
            "raw": "true",
            "file_type": "exr",
            "create_directories": "true",
            "use_limit": "false",
            "datatype": '"32 bit float"',
            "compression": "none",
            "metadata": '"all metadata"',
        }.items():
            assert entry.knobs[name] == value, (entry.knobs["name"], name)
    (read,) = [entry for entry in nodes if entry.kind == "Read"]
    for name, value in {
        "raw": "true",
        "localizationPolicy": "off",
        "before": "black",
        "after": "black",
        "on_error": "error",
        "auto_alpha": "false",
    }.items():
        assert read.knobs[name] == value, name
    assert not Path(_tcl.value(read.knobs["file"])).exists()


def test_expressions_and_links_resolve(window: State) -> None:
    node = callbacks.create()
    assert isinstance(node, nuke.Group)
    found = 0
    for inner in node.nodes():
        for knob in inner.knobs().values():
            if knob.hasExpression():
                knob.value()
                found += 1
    assert found == 9, "core twice, holdout, the output's choice, four layers, and whether it shows an old matte"
    link, read = node["missing"], node.node("Read_result")
    assert isinstance(link, nuke.Link_Knob) and read is not None and link.getLinkedKnob() is read["on_error"]
    node["output"].setValue("alpha")
    switch = node.node("Choose_output")
    assert switch is not None and switch["which"].value() == panel.OUTPUTS.index("alpha")


def test_buttons_compile_and_name_real_entries(group: Entry) -> None:
    buttons = [knob for knob in panel.knobs() if knob.kind == "button"]
    assert {knob.name for knob in buttons} >= {
        "process_frame", "process_range", "cancel", "retry", "check_server", "clear_cache",
    }  # fmt: skip
    for knob in buttons:
        words = group.user[knob.name]
        script = _tcl.value(words[words.index("T") + 1])
        tree = ast.parse(script)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        names = {node.attr for node in calls if isinstance(node.value, ast.Name) and node.value.id == "entry"}
        assert names == {"press"}
        assert f"entry.press(nuke.thisNode(), '{knob.name}')" in script
        assert knob.name in BUTTONS and callable(getattr(callbacks, knob.name))
        on_nuke = {node.attr for node in calls if isinstance(node.value, ast.Name) and node.value.id == "nuke"}
        assert on_nuke == {"message", "thisNode"}


def test_a_button_without_the_plugin_says_so(window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    node = callbacks.create()
    assert node is not None
    import sys

    monkeypatch.setitem(sys.modules, "cleanplate_node", None)
    button = node["process_frame"]
    assert isinstance(button, nuke.PyScript_Knob)
    button.execute()
    assert window.messages == ["The Cleanplate plugin is not installed here. Finished frames still render."]


@pytest.mark.parametrize(
    "text",
    ["", "plain", "two words", 'quote " here', "{brace", "[cmd]", "$var", "back\\slash", "a\nb", "tcp://h:1"],
)
def test_quoting_survives_the_tokenizer(text: str) -> None:
    (words,) = _tcl.commands(f"name {nk_text.quoted(text)}")
    assert _tcl.value(words[1]) == text


def frozen_part(text: str) -> str:
    """The text without what follows from the table of options, which has its own tests."""
    options = set(panel.option_names())
    groups = {f"{word}_{label.lower().replace(' ', '_')}" for word in ("group", "end") for label in _labels()}
    kept = []
    for line in text.splitlines():
        match = re.match(r" addUserKnob \{\d+ (\w+)", line) or re.match(r" (\w+) ", line)
        if not (match and match.group(1) in options | groups):
            kept.append(line)
    return "\n".join(kept) + "\n"


def _labels() -> set[str]:
    return {option.group for option in option_specs()}


def test_the_golden_file() -> None:
    """Where a change is meant, write the new text with ``python tests/plugin_nuke/write_golden.py``."""
    assert frozen_part(nk_text.node_text()) == GOLDEN.read_text(encoding="utf-8")


def test_saved_and_read_again_it_is_the_same_node(window: State, tmp_path: Path) -> None:
    node = callbacks.create()
    assert isinstance(node, nuke.Group)
    node["erode"].setValue(1.5)
    node["model"].setValue("difference")
    node["selected"].setValue(False)
    before = _facts(node)
    nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
    nuke.scriptClear()
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    again = nuke.toNode("Cleanplate_Matte1")
    assert isinstance(again, nuke.Group)
    assert _facts(again) == before
    assert not again["node_id"].visible(), "INVISIBLE stands in the file"
    assert again["status"].getFlag(nuke.DO_NOT_WRITE), "set anew, since a file cannot carry it"


def _facts(group: nuke.Group) -> str:
    def inputs(node: nuke.Node) -> list[str | None]:
        found = [node.input(index) for index in range(node.inputs())]
        return [one.name() if one is not None else None for one in found]

    facts = {"": group.writeKnobs(9)}
    facts |= {node.name(): f"{node.Class()} {node.writeKnobs(9)} {inputs(node)}" for node in group.nodes()}
    return json.dumps(facts, sort_keys=True)
