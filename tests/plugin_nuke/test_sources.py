"""An old matte for a new picture: every edit upstream of the node is noticed, nothing else is, and what is taken
back is up to date again without processing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nuke
import pytest
from cleanplate_node import fingerprint, freshness, host, shown_result
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import looked_at, press, until
from tests.plugin_nuke.whole_comp import Comp

Act = Callable[[Comp], object]


@dataclass(frozen=True)
class Situation:
    """``says`` is a part of what the node must say. ``on_disk`` says that Nuke itself sees nothing of it, so only a
    look at the files does."""

    name: str
    act: Act
    says: str = "stale: a setting or an input changed"
    on_disk: bool = False


FIRST = "stale: the sources of frame 1 changed"
ALL = "stale: the sources of frames 1-4 changed"
EDITS = [
    Situation("a knob", lambda c: c.set(c.plain, "white", 2.0)),
    Situation("a knob that an expression names", lambda c: c.set(c.control, "white", 2.0)),
    Situation(
        "a key of a knob that an expression names",
        lambda c: c.key(c.keyed, "white", 2, 5.0),
        "stale: the sources of frame 2 changed",
    ),
    Situation("a project setting that a Python expression reads", lambda c: c.root("fps", 25)),
    Situation("an expression that disables", lambda c: c.set(c.control, "black", 1.0)),
    Situation("another expression", lambda c: c.expression("plain", "frame")),
    Situation("a key", lambda c: c.key(c.animated, "white", 3, 2.0)),
    Situation("a node switched off", lambda c: c.set(c.plain, "disable", True)),
    Situation("a node in a Group", lambda c: c.set("Group.shallow", "white", 2.0)),
    Situation("a node in a Group in a Group", lambda c: c.set("Group.inner.deep", "white", 2.0)),
    Situation("a node in a LiveGroup", lambda c: c.set("LiveGroup.inner.deep", "white", 2.0)),
    Situation("a node in a Precomp", lambda c: c.set("Precomp.shallow", "white", 2.0)),
    Situation("a node in a gizmo", lambda c: c.set("House_Grade.shallow", "white", 2.0)),
    Situation("a hidden knob of a gizmo", lambda c: c.set("House_Grade", "secret", 2.0)),
    Situation("a gizmo of another version", lambda c: c.gizmo_of_another_version()),
    Situation("a point of a Roto", lambda c: c.set("Roto", "curves", "{point 1 3}")),
    Situation("a track", lambda c: c.set("Tracker4", "tracks", "{1 2 4}")),
    Situation("a curve of a ColorLookup", lambda c: c.set("ColorLookup", "lut", "master {0 1 2}")),
    Situation("a Switch", lambda c: c.set(c.switch, "which", 1)),
    Situation("a Dissolve", lambda c: c.key("Dissolve", "which", 2, 1.0)),
    Situation("a TimeOffset", lambda c: c.set("TimeOffset", "time_offset", 3)),
    Situation("a FrameHold", lambda c: c.set("FrameHold", "first_frame", 2)),
    Situation("a Retime", lambda c: c.set("Retime", "speed", 2.0)),
    Situation(
        "another file of a Write that reads",
        lambda c: c.set("reading", "file", f"{c.bench.folder.as_posix()}/shot/clean.exr"),
    ),
    Situation("an input connected to something else", lambda c: c.connect(c.node, 1, c.control)),
    Situation("an input left open", lambda c: c.connect(c.mixed, 2, None)),
    Situation("colour management", lambda c: c.root("colorManagement", "OCIO")),
    Situation("the table that a Read is converted with", lambda c: c.root("int8Lut", "linear")),
    Situation("the project's format", lambda c: c.root("format", "96 72 0 0 96 72 1 small")),
    Situation("a view", lambda c: c.add_view(), "frames 1-4 not processed in view right"),
    Situation("a plate", lambda c: c.change_file("plate/p.0001.exr"), FIRST, on_disk=True),
    Situation("a plate behind a TimeOffset", lambda c: c.change_file("later/p.0001.exr"),
              "stale: the sources of frame 3 changed", on_disk=True),
    Situation("a plate that is held", lambda c: c.change_file("later/p.0000.exr"),
              "stale: the sources of frames 1-2 changed", on_disk=True),
    Situation("a plate behind a FrameHold", lambda c: c.change_file("held/p.0006.exr"), ALL, on_disk=True),
    Situation("a plate behind a Retime", lambda c: c.change_file("faster/p.0005.exr"), ALL, on_disk=True),
    Situation("a plate in a Dissolve", lambda c: c.change_file("second/p.0001.exr"), FIRST, on_disk=True),
    Situation("a table of colours", lambda c: c.change_file("look.cube"), ALL, on_disk=True),
    Situation("the script of a Precomp", lambda c: c.change_file("inner.nk"), ALL, on_disk=True),
    Situation("the file of a Write that reads", lambda c: c.change_file("written.exr"), ALL, on_disk=True),
    Situation("a path in the environment",
              lambda c: c.environment("CLEANPLATE_TEST_PLATES", f"{c.bench.folder.as_posix()}/second")),
    Situation("a result that is gone", lambda c: c.take_away_result(), "frame 2 not processed", on_disk=True),
]  # fmt: skip


def insert_dot(comp: Comp) -> None:
    source = comp.node.input(0)
    assert source is not None
    comp.connect(comp.node, 0, comp.add("Dot", source))


def rename(comp: Comp) -> None:
    """Nuke writes the new name into the expressions that had the old one."""
    for old, new in (("Control", "Master"), ("Master", "Control")):
        comp.control["name"].setValue(new if old == "Control" else "Control")
        for name in ("linked",):
            comp.expression(name, f"{comp.control.name()}.white")
        comp.off["disable"].setExpression(f"!{comp.control.name()}.black")
        if new == "Master":
            break

    def back() -> None:
        comp.control["name"].setValue("Control")
        comp.off["disable"].setExpression("!Control.black")

    comp.taken_back.insert(0, back)


def reload_everything(comp: Comp) -> None:
    for read in nuke.allNodes("Read", nuke.root()):
        host.press(read, "reload")


NO_EDITS = [
    Situation(
        "a Viewer and its input process", lambda c: c.set(c.add("Viewer", c.switch), "input_process", "LOOK")
    ),
    Situation("a node moved", lambda c: c.set(c.plain, "xpos", 400)),
    Situation("a label", lambda c: c.set(c.plain, "label", "the grade")),
    Situation("a node renamed", lambda c: c.set(c.plain, "name", "Grade_of_the_lead")),
    Situation("a node renamed that an expression names", rename),
    Situation("a Dot", insert_dot),
    Situation("how a Write in line writes", lambda c: c.set("inline", "datatype", "32 bit float")),
    Situation("the file of a Write in line", lambda c: c.set("inline", "file", "/elsewhere/%04d.exr")),
    Situation("a NoOp", lambda c: c.set("NoOp", "disable", True)),
    Situation("a plate that a Switch does not take", lambda c: c.change_file("other/p.0001.exr")),
    Situation("a plate that a Dissolve does not take", lambda c: c.change_file("unseen/p.0001.exr")),
    Situation("the tools of a Roto", lambda c: c.set("Roto", "toolbox", "createBezier")),
    Situation("a reload", reload_everything),
    Situation("a longer Read", lambda c: c.set("Read_plate", "last", 9)),
    Situation("localized files", lambda c: c.set("Read_plate", "localizationPolicy", "on")),
    Situation("a postage stamp", lambda c: c.set("Read_plate", "postage_stamp", False)),
    Situation("a Precomp read again", lambda c: c.set("Precomp", "version", 3)),
    Situation("a node that feeds nothing", lambda c: c.set(c.add("Grade", c.switch, name="free"), "white", 3.0)),
    Situation("the project's range", lambda c: c.root("last_frame", 240)),
    Situation("the timeline", lambda c: host.go_to(3)),
    Situation("a frame that no result is made of", lambda c: c.change_file("plate/p.0007.exr"), on_disk=True),
    Situation("a plate that nothing reads", lambda c: c.change_file("held/p.0002.exr"), on_disk=True),
]


@pytest.fixture
def comp(bench: ContractBench, window: State) -> Comp:
    made = Comp(bench)
    assert press(window, bench, made.node) == "up to date, 4 done"
    freshness.check(made.node)
    return made


def said(comp: Comp, window: State) -> str:
    return looked_at(window, comp.bench, comp.node)


def test_every_edit_is_noticed_and_undo_brings_the_result_back(comp: Comp, window: State) -> None:
    """The label's look, a press with nothing to do, and the guard agree."""
    shown = comp.bench.shown(comp.node)
    freshness.look_again(comp.node)
    for one in EDITS:
        host.go_to(1)
        one.act(comp)
        assert one.on_disk or freshness.look_again(comp.node), f"{one.name}: nobody looks"
        assert one.says in said(comp, window), f"{one.name}: {said(comp, window)!r}"
        comp.take_back()
        freshness.look_again(comp.node)
        until(window, lambda: said(comp, window).startswith("up to date"), 20)
        assert comp.bench.shown(comp.node) == shown, one.name
    assert press(window, comp.bench, comp.node) == "up to date", "nothing is made again"


def test_the_guard_notices_every_edit_of_its_frame(comp: Comp, window: State) -> None:
    frames = {"key of a knob": 2, "behind a TimeOffset": 3, "gone": 2}
    for one in EDITS:
        host.go_to(next((at for part, at in frames.items() if part in one.name), 1))
        one.act(comp)
        found = shown_result.ShownResult(comp.node).frame(host.current_frame(), with_hashes=False)
        assert not found.usable, f"{one.name}: {found.text!r}"
        comp.take_back()
    assert shown_result.ShownResult(comp.node).frame(host.current_frame(), with_hashes=False).text == "up to date"


def test_what_changes_no_picture_is_quiet(comp: Comp, window: State) -> None:
    for one in NO_EDITS:
        one.act(comp)
        freshness.look_again(comp.node)
        assert said(comp, window).startswith("up to date"), f"{one.name}: {said(comp, window)!r}"
        assert freshness.check(comp.node).text.startswith("up to date"), f"{one.name}, looked at deeply"
        comp.take_back()
    assert press(window, comp.bench, comp.node) == "up to date", "nothing is made again"


def test_a_look_asks_for_an_expressions_value_once_a_frame(comp: Comp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slider upstream that is let go makes a look; each value is Nuke's to evaluate on the main thread."""
    asked: list[tuple[host.DrivenKnob, int]] = []
    values_at = host.DrivenKnob.values_at

    def counting(knob: host.DrivenKnob, frame: int) -> list[float | None]:
        asked.append((knob, frame))
        return values_at(knob, frame)

    monkeypatch.setattr(host.DrivenKnob, "values_at", counting)
    keys: list[str] = []
    settings_key = fingerprint.settings_key

    def made(*facts: Any) -> str:
        keys.append(settings_key(*facts))
        return keys[-1]

    monkeypatch.setattr(fingerprint, "settings_key", made)
    comp.key(comp.keyed, "white", 2, 5.0)
    assert freshness.look_again(comp.node)
    assert asked and len(asked) == len(set(asked))
    assert len(keys) == 1, "nor is the settings key made more than once"
