"""Who made the results of a node: real records of a real server, some changed to those of another maker."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import (
    bake,
    callbacks,
    freshness,
    host,
    makers,
    manifest,
    preflight,
    range_plan,
    run,
    shown_result,
)
from cleanplate_node.bench import ContractBench, Server
from cleanplate_node.job_progress import JobProgress
from cleanplate_node.manifest import Record
from matte_link.job_events import FrameDone
from matte_link.messages import Pong
from matte_link.options import MatteOptions
from matte_link.result_key import Maker
from nuke._state import State

VERSION = version("cleanplate")
HERE = Maker(version=VERSION, model="difference")
"""The maker of everything that the tests' server computes."""
PRESENT = f"version {VERSION} with model difference"


@pytest.fixture
def bench(terminal: State, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContractBench:
    monkeypatch.setattr(makers, "_pongs", {})
    if not server.running:
        server.start()
    return ContractBench(tmp_path, server)


def two_frames(bench: ContractBench) -> nuke.Node:
    """A node with the results of frames 1 and 2."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    run.process(node, (1, 2))
    assert bench.status(node) == "up to date, 2 done"
    return node


def forget_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Nuke that was started anew and has asked no server."""
    monkeypatch.setattr(makers, "_pongs", {})


def test_a_server_that_is_still_starting_makes_no_result_stale(bench: ContractBench) -> None:
    """It answers before its first matting process does, and knows neither its models nor their weights then."""
    two_frames(bench)
    ((address, pong),) = makers._pongs.items()
    makers.remember(address, dataclasses.replace(pong, models=(), weights={}))
    assert makers.maker_now(MatteOptions(model="auto"), address) is None
    makers.remember(address, pong)
    assert makers.maker_now(MatteOptions(model="difference"), address) == HERE


def change_maker(bench: ContractBench, node: nuke.Node, frame: int, **changes: Any) -> None:
    folder = range_plan.shown_folder(bench.shown(node))
    record = manifest.read(folder, frame, "main")
    assert record is not None and record.maker is not None
    manifest.write(folder, dataclasses.replace(record, maker=dataclasses.replace(record.maker, **changes)))


def drop_makers(bench: ContractBench, node: nuke.Node) -> None:
    """Makes the records those of a version that did not write who made a frame."""
    for path in (Path(bench.shown(node)).parent / "records").glob("*.json"):
        facts = json.loads(path.read_text())
        assert facts.pop("maker") == HERE.to_dict()
        path.write_text(json.dumps(facts))


def to_make(node: nuke.Node) -> tuple[int, ...]:
    return preflight.preflight(node, (1, 2), False, "batch").frames


def test_two_models_in_one_range(bench: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    node = two_frames(bench)
    change_maker(bench, node, 1, model="v1")
    forget_the_server(monkeypatch)
    host.go_to(2)
    found = freshness.check(node)
    assert not found.usable
    assert found.text == (
        f"stale: frame 1 was made by version {VERSION} with model v1, the others by {PRESENT}. "
        "Press 'Process range'."
    )
    run.process(node, (2,), force=True)
    assert bench.status(node) == (
        f"1 done. Stale: frame 1 was made by version {VERSION} with model v1, the server now is {PRESENT}. "
        "Press 'Process range'."
    )
    assert to_make(node) == (1,)
    run.process(node, (1, 2))
    assert bench.status(node) == "up to date, 1 done"


@pytest.mark.parametrize("changes", [{"version": "0.1"}, {"model": "v2"}, {"weights": "0123456789abcdef"}])
def test_a_server_that_is_another_maker(bench: ContractBench, changes: dict[str, str]) -> None:
    node = two_frames(bench)
    for frame in (1, 2):
        change_maker(bench, node, frame, **changes)
    made = makers.words(dataclasses.replace(HERE, **changes))
    assert freshness.check(node).text == (
        f"stale: frames 1-2 were made by {made}, the server now is {PRESENT}. Press 'Process range'."
    )
    assert to_make(node) == (1, 2)
    run.process(node, (1, 2))
    assert freshness.check(node) == shown_result.ResultState(usable=True, text="up to date")


def test_no_server_asked_and_no_maker_recorded(bench: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    node = two_frames(bench)
    drop_makers(bench, node)
    forget_the_server(monkeypatch)
    for deep in (True, False):
        found = freshness.check(node, deep)
        assert found.usable, "unknown is not stale"
        assert found.text == (
            "unknown: it was not recorded which version and model frames 1-2 were made by. "
            "Press 'Check server' to compare."
        )
    callbacks.check_server(node)
    assert bench.status(node) == (
        f"stale: frames 1-2 were made by a version that did not record its model, the server now is {PRESENT}. "
        "Press 'Process range'."
    )
    assert to_make(node) == (1, 2)


def test_no_server_asked_and_the_same_maker(bench: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    node = two_frames(bench)
    forget_the_server(monkeypatch)
    assert freshness.check(node) == shown_result.ResultState(usable=True, text="up to date")


def test_the_guard_stops_a_render_of_two_makers(bench: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    node = two_frames(bench)
    host.set_value(node, "guard", True)
    bench.output(node, 1)
    change_maker(bench, node, 1, version="0.1")
    with pytest.raises(RuntimeError, match=r"frame 1 was made by version 0.1 .* switch off 'Refuse stale renders'"):
        bench.output(node, 2)


def test_weights_that_cannot_be_compared(bench: ContractBench, capsys: pytest.CaptureFixture[str]) -> None:
    node = two_frames(bench)
    for frame in (1, 2):
        change_maker(bench, node, frame, weights=None)
    assert to_make(node) == (), "a frame that may be right is not made again"
    path, name = bench.save().as_posix(), host.full_name(node)
    assert bake.main([path, "--node", name, "--frames", "1-2"]) == 0
    (words,) = [line for line in capsys.readouterr().out.splitlines() if "nothing to do" in line]
    assert words.endswith(
        "nothing to do, unknown: the weights that frames 1-2 were made with cannot be compared here."
    )


def test_results_outside_the_range_do_not_count(bench: ContractBench) -> None:
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, range_mode="custom")
    host.set_value(node, "last", 2)
    run.process(node, (1, 2, 3))
    change_maker(bench, node, 3, version="0.1")
    assert freshness.check(node).usable
    host.go_to(3)
    assert "frame 3 was made by version 0.1" in freshness.check(node).text


def test_a_weights_file_is_read_again_once_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers, "_pongs", {})
    file = tmp_path / "own.pth"
    file.write_bytes(b"one")
    options = MatteOptions(weights=str(file))
    assert makers.maker_now(options, "tcp://here") is None, "nobody was asked"
    makers.remember("tcp://here", Pong(id="1", version="1.0", wire=1, models=("v2", "v1"), weights={"v2": "abc"}))
    own = makers.maker_now(options, "tcp://here")
    assert own is not None and own.model == "v2" and own.weights
    file.write_bytes(b"another")
    assert makers.maker_now(options, "tcp://here") != own
    assert makers.maker_now(MatteOptions(), "tcp://here") == Maker(version="1.0", model="v2", weights="abc")
    makers.remember("tcp://here", Pong(id="2", version="1.1", wire=1, models=("v2",), weights={"v2": "abc"}))
    assert makers.maker_now(MatteOptions(), "tcp://here") == Maker(version="1.1", model="v2", weights="abc")
    assert makers.maker_now(MatteOptions(), "tcp://there") is None


def test_failed_frames_have_no_maker() -> None:
    failed = Record(frame=1, view="main", hashes="h", files="f", code="not_finite", message="The plate has NaN.")
    made = Record(frame=2, view="main", hashes="h", files="f", maker=HERE)
    assert makers.compare((failed, made), HERE) == makers.MakerComparison()


def test_the_end_of_a_range_says_who_made_it() -> None:
    progress = JobProgress(1)
    progress.add(FrameDone(frame=1, output="a", diagnostics={"warnings": ["It fits badly (3.20 px)."]}))
    progress.makers = "stale: frame 2 was made by another."
    assert progress.summary == (
        "1 done. Check: Frame 1: It fits badly (3.20 px). Stale: frame 2 was made by another."
    )
