"""The inner nodes against recorded facts of a real Nuke 17.0v3: names of knobs and values of enumerations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import frame_reach, graph
from nuke._state import State

from tests.plugin_nuke.test_frame_reach import InTime as Node

SCAN: dict[str, Any] = json.loads(Path(__file__).with_name("nuke_17_knobs.json").read_text(encoding="utf-8"))
FACTS: dict[str, dict[str, Any]] = SCAN["nodes"]
OF_OLDER_VERSIONS = {"OFlow", "OFlow2"}
"""Classes of Nuke 14 to 16, or of scripts that come from before, which 17 does not offer any more."""
# Not in the scan, which was made of nodes as they are created and leaves out what every node has.
OF_EVERY_NODE = {"disable", "postage_stamp"}
# Knobs that a Write has once its file_type is exr (Foundry's reference guide, Write, exr).
OF_EXR = {"datatype", "compression", "metadata", "autocrop", "interleave"}
UNSCANNED = {"Read": {"origset"}, "Write": OF_EXR}
SCANNED = [node for node in graph.nodes_of_group() if node.kind in FACTS]


@pytest.mark.parametrize("node", SCANNED, ids=lambda node: node.name)
def test_a_real_nuke_has_the_knobs_and_their_values(node: graph.NodeSpec) -> None:
    known = FACTS[node.kind]
    for name, value in node.knobs.items():
        if name in OF_EVERY_NODE | UNSCANNED.get(node.kind, set()):
            continue
        assert name in known, f"{node.kind} has no knob {name}"
        # An entry may have words after a tab, which the menu shows in place of the value.
        values = [entry.split("\t")[0] for entry in known[name] or ()]
        assert not values or not isinstance(value, str) or value in values, (name, value, values)


def test_the_classes_that_are_known_by_name_exist() -> None:
    classes = set(SCAN["classes"].split())
    assert frame_reach.TAKE_ANY - classes == OF_OLDER_VERSIONS
    assert {"Read", "Write", "DeepWrite", "Precomp", "LiveGroup", "LiveInput", "TimeOffset", "FrameHold"} <= classes
    assert {"AppendClip", "Retime", "MotionBlur2D", "MotionBlur3D", "UnrealReader"} <= classes
    assert {node.kind for node in graph.nodes_of_group()} <= classes
    for kind, knobs in SCAN["in_time"].items():
        names = " ".join(f"{name} 2" for name in knobs[:1])
        step = frame_reach.frames_reached([Node("Read"), Node(kind, names, (0,))], (1,))[0]
        assert step != {frame_reach.EVERY_FRAME} and step != {frame_reach.SAME_FRAME}, (kind, knobs)


@pytest.mark.parametrize("kind", SCAN["types"])
def test_the_stand_in_has_the_types_of_a_real_nuke(kind: str, window: State) -> None:
    """Of each knob: a FrameRange's ends, for example, are no whole numbers, and a hook is no plain text."""
    window.major = 17
    node = nuke.createNode(kind)
    known = {**SCAN["types_of_every_node"], **dict(one.split(":") for one in SCAN["types"][kind].split())}
    # What Nuke has of its own and the scan leaves out.
    unscanned = {*OF_EXR, "write_ACES_compliant_EXR", "views"} if kind == "Write" else set()
    for name, knob in node.knobs().items():
        assert name in unscanned or knob.Class() == known[name], (name, knob.Class())
    assert node.maxInputs() == SCAN["most_inputs"][kind]


def test_the_stand_in_has_no_value_that_nuke_lacks(window: State) -> None:
    """What it offers for an enumeration is a part of what the real one offers."""
    for kind, known in FACTS.items():
        node = nuke.createNode(kind)
        for name, knob in node.knobs().items():
            if isinstance(knob, nuke.Enumeration_Knob) and known.get(name):
                real = {entry.split("\t")[0] for entry in known[name]}
                assert set(knob.values()) <= real, (kind, name, set(knob.values()) - real)
