"""The menu's command, and how a node is found by its name."""

from __future__ import annotations

import nuke
from cleanplate_node import callbacks, host
from nuke._state import State


def test_the_menu_opens_the_panel_and_connects(window: State) -> None:
    grade = nuke.createNode("Grade")
    grade["selected"].setValue(True)
    node = callbacks.create()
    assert node is not None and node._panel and node.input(0) is grade
    group = nuke.createNode("Group")
    assert isinstance(group, nuke.Group)
    with group:
        inside = callbacks.create()
    assert inside is not None and inside.parent() is group
    assert host.value(inside, "node_id") != host.value(node, "node_id")


def test_the_menu_makes_the_node_in_the_group_that_was_clicked(window: State) -> None:
    window.major = 16
    group = nuke.createNode("Group")
    assert isinstance(group, nuke.Group)
    with group:
        entry = nuke.createNode("Input")
        entry["selected"].setValue(True)
    window.hit_group = group
    node = callbacks.create()
    assert node is not None and node.parent() is group and node.input(0) is entry


def test_a_node_is_found_whatever_group_nuke_is_in(window: State) -> None:
    node, group = callbacks.create(), nuke.createNode("Group")
    assert node is not None and isinstance(group, nuke.Group)
    with group:
        assert host.find(node.fullName()) is node
