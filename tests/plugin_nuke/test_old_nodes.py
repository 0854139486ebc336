"""Nodes that older and newer versions saved, opened by today's plugin. The golden files are never written again:
each is what a released state of the plugin saved."""

from __future__ import annotations

import re
from pathlib import Path

import nuke
import pytest
from cleanplate_node import (
    callbacks,
    freshness,
    graph,
    host,
    migration,
    node_options,
    panel,
    run,
)
from cleanplate_node.bench import ContractBench, Server
from matte_link.options import shown_in
from nuke._state import State

GOLDEN = sorted((Path(__file__).parent / "golden").glob("schema_*.nk"))
LEARNING = ("add_key", "remove_key", "learn", "key_frames")
"""What came to panel 3 after its first day."""
ADDED = ("temporal", "guard", "send_guides", "auto_update", "range_mode", "compression", *LEARNING)
"""Knobs that a still older version might have lacked: options, switches, buttons, one that a choice hangs on."""


@pytest.fixture
def bench(terminal: State, server: Server, tmp_path: Path) -> ContractBench:
    if not server.running:
        server.start()
    return ContractBench(tmp_path, server)


def opened(bench: ContractBench, text: str) -> nuke.Node:
    """A script with the old node in it, opened; the node has its plates."""
    path = bench.folder / "old.nk"
    path.write_text(
        text.replace("set cut_paste_input [stack 0]\n", "").replace("push $cut_paste_input\n", "push 0\n")
    )
    host.open_script(path.as_posix())
    node, shot = host.find("Cleanplate_Matte1"), bench.shot((1, 2))
    assert node is not None
    host.connect(node, 0, bench.read(shot / "plate.%04d.exr", 1, 2))
    host.connect(node, 1, bench.read(shot / "clean.exr", 1, 1))
    for name, value in {"model": "difference", "server": bench.server.address, "align": "none"}.items():
        host.set_value(node, name, value)
    return node


def without(text: str, *names: str) -> str:
    if not names:
        return text
    wanted = "|".join(names)
    return re.sub(rf"^ (addUserKnob \{{\d+ )?({wanted}) .*\n", "", text, flags=re.MULTILINE)


def test_there_is_a_golden_file_of_every_older_panel() -> None:
    assert [path.stem for path in GOLDEN] == [f"schema_{number}" for number in range(1, panel.SCHEMA)]


@pytest.mark.parametrize(
    ("path", "lacking"),
    [
        *((path, lacking) for path in GOLDEN for lacking in ((), ADDED)),
        *((GOLDEN[0], (name,)) for name in ADDED if name not in LEARNING),
    ],
    ids=lambda one: one.stem if isinstance(one, Path) else "+".join(one),
)
def test_an_old_node_works_and_is_brought_up_to_date(
    path: Path, lacking: tuple[str, ...], bench: ContractBench
) -> None:
    text = without(path.read_text(), *lacking)
    node = opened(bench, text)
    assert not set(lacking) & set(node.knobs()), "the text still has them"
    host.set_value(node, "erode", 1.0)
    assert not freshness.check(node).usable
    assert node_options.options_of(node).shared.erode == 1.0
    host.press(node, "process_frame")
    assert bench.status(node).startswith("up to date, 1 done"), bench.status(node)
    assert {spec.name for spec in panel.knobs() if spec.kind != "tab"} <= set(node.knobs())
    assert all(host.has_inner(node, spec.name) for spec in graph.nodes_of_group())
    assert host.value(node, "schema") == panel.SCHEMA and host.value(node, "erode") == 1.0
    assert migration.migrate(node) == ()
    again = bench.save("new.nk")
    host.open_script(again.as_posix())
    reopened = host.find("Cleanplate_Matte1")
    assert reopened is not None and freshness.check(reopened).usable
    assert "entry.press" in host.value(reopened, "process_frame")
    with pytest.raises(RuntimeError, match=r"matte\.main\.0007"):
        bench.output(reopened, 7)


def test_values_of_a_newer_node_bring_no_inner_nodes(bench: ContractBench) -> None:
    """Pasted onto an old node they say today's schema, and the node is brought up to date all the same."""
    node = opened(bench, GOLDEN[0].read_text())
    host.set_value(node, "schema", panel.SCHEMA)
    host.press(node, "process_frame")
    assert bench.status(node).startswith("up to date, 1 done"), bench.status(node)
    assert all(host.has_inner(node, spec.name) for spec in graph.nodes_of_group())


@pytest.mark.parametrize("name", [spec.name for spec in shown_in(panel.HOST)])
def test_a_missing_option_is_its_default(name: str, terminal: State, tmp_path: Path) -> None:
    (tmp_path / "old.nk").write_text(without(GOLDEN[0].read_text(), name))
    node = nuke.nodePaste(str(tmp_path / "old.nk"))
    assert node is not None and name not in node.knobs()
    defaults = {option: panel.value_without(option) for option in panel.option_names()}
    if name != "bit_depth":
        defaults["bit_depth"] = "half"  # what panel 1 began with, and the node has
    assert node_options.options_of(node).shared == panel.options_from(defaults)


@pytest.mark.parametrize("button", ["process_frame", "process_range", "cancel", "retry", "check_server"])
def test_every_button_of_an_old_node_ends_in_a_result_or_a_sentence(
    button: str, bench: ContractBench, terminal: State
) -> None:
    node = opened(bench, without(GOLDEN[0].read_text(), *ADDED))
    host.press(node, button)
    assert not terminal.callback_errors and "does not exist" not in " ".join(terminal.printed)
    callbacks.on_load()


def test_a_node_of_a_newer_panel_is_not_touched(bench: ContractBench) -> None:
    node = opened(bench, GOLDEN[0].read_text().replace(" schema 1\n", f" schema {panel.SCHEMA + 1}\n"))
    before = set(node.knobs())
    host.press(node, "process_frame")
    assert bench.status(node).startswith("This node was saved by a newer Cleanplate")
    assert set(node.knobs()) == before
    assert not host.has_inner(node, graph.RANGE)


def test_a_button_of_a_newer_version_is_answered(terminal: State) -> None:
    from cleanplate_node import entry

    node = callbacks.create()
    assert node is not None and entry.press(node, "learn_the_shot") is None
    assert "has no button 'learn_the_shot'" in terminal.printed[-1]
    assert run.is_ours(node)
