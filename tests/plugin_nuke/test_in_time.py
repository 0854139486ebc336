"""Temporal smoothing in the node: which plates are sent with a frame, how long they lie there, and what makes a
result stale. What a real Nuke can be brought to do of it is in ``cleanplate_node.contract_in_time``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cleanplate_node import (
    fingerprint,
    freshness,
    host,
    manifest,
    neighbours,
    panel,
    plain_exr,
    plates,
    preflight,
    range_plan,
    range_run,
    run,
    view_jobs,
)
from cleanplate_node.bench import ContractBench, Server
from cleanplate_node.contract_in_time import grainy_shot
from cleanplate_node.fingerprint import FrameKey
from matte_link.endpoint import Endpoint
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone
from matte_link.options import MatteOptions
from matte_link.seen_files import SeenTogether
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour
from nuke._state import State


@pytest.fixture
def bench(terminal: State, server: Server, tmp_path: Path) -> ContractBench:
    if not server.running:
        server.start()
    return ContractBench(tmp_path, server)


def plan_of(frames: tuple[int, ...], **changes: Any) -> range_plan.RangePlan:
    keys = {(frame, "main"): FrameKey("h", "f") for frame in frames}
    options = MatteOptions(temporal=0.5 if changes.get("footage") else 0.0)
    basic = range_plan.RangePlan("id", "/c", frames, ("main",), options, Endpoint(), keys, token="t")
    return dataclasses.replace(basic, **changes)


def plate(role: str, frame: int) -> LocalFile:
    return LocalFile(f"/c/.plates-t/{role}.main.{frame:04d}.exr")


@pytest.mark.parametrize(
    ("frame", "footage", "sides"),
    [
        (5, None, (None, None)),
        (5, (1, 9), (4, 6)),
        (1, (1, 9), (None, 2)),
        (9, (1, 9), (8, None)),
        (5, (5, 5), (None, None)),
        (0, (-1, 1), (-1, 1)),
        (1, (0, 1), (0, None)),
        # Held beyond its end, a source still has the frame it holds.
        (10, (1, 9), (9, None)),
        (20, (1, 9), (None, None)),
    ],
)
def test_which_frames_stand_beside(frame: int, footage: neighbours.Footage, sides: neighbours.Sides) -> None:
    assert neighbours.beside(frame, footage) == sides


def test_a_task_names_the_plates_of_the_frames_beside_it() -> None:
    plan = plan_of((4, 5, 7), footage=(4, 8), roles=("src", "clean", "core", "holdout"))
    assert plan.only_beside("main") == (6, 8)
    assert plan.plates() == 20
    first, second, third = view_jobs.tasks(plan, "main")

    def beside(frame: int) -> TaskNeighbour:
        return TaskNeighbour(
            plate=plate("src", frame),
            clean_plate=plate("clean", frame),
            core=plate("core", frame),
            holdout=plate("holdout", frame),
        )

    assert (first.before, first.after) == (None, beside(5))
    assert (second.before, second.after) == (beside(4), beside(6))
    assert (third.before, third.after) == (beside(6), beside(8))
    assert second.plate == plate("src", 5) and second.core == plate("core", 5)


def test_a_still_clean_plate_is_not_named_again() -> None:
    plan = plan_of((4, 5), footage=(1, 9), still_clean=True)
    assert plan.plates() == 5
    tasks = view_jobs.tasks(plan, "main")
    assert [task.before for task in tasks] == [TaskNeighbour(plate("src", 3)), TaskNeighbour(plate("src", 4))]
    assert all(task.clean_plate == plate("clean", 4) for task in tasks)


def test_frame_0_is_a_frame_like_any_other() -> None:
    plan = plan_of((1,), footage=(0, 9), still_clean=True, unrendered={(0, "main"): "gone."})
    (task,) = view_jobs.tasks(plan, "main")
    assert task.before is None and task.after == TaskNeighbour(plate("src", 2))
    (words,) = plan.warnings_for(1, "main")
    assert words == "Temporal smoothing went without frame 0, which Nuke could not render: gone."


def test_without_it_tasks_are_as_they_were() -> None:
    plan = plan_of((4, 5))
    assert plan.only_beside("main") == () and plan.plates() == 4
    assert [(task.before, task.after) for task in view_jobs.tasks(plan, "main")] == [(None, None)] * 2


def test_plates_are_in_use_until_the_last_that_needs_them() -> None:
    plan = plan_of((1, 2, 3), footage=(0, 3))
    uses = neighbours.PlateUses(plan.task_frames(frame, "main") for frame in plan.frames)
    # Two are under way at a time, and may end the other way round.
    assert uses.ended(plan.task_frames(2, "main")) == []
    assert sorted(uses.ended(plan.task_frames(1, "main"))) == [0, 1]
    assert sorted(uses.ended(plan.task_frames(3, "main"))) == [2, 3]


def test_plates_lie_there_no_longer_than_they_are_needed(bench: ContractBench) -> None:
    node = bench.node(grainy_shot(bench, range(1, 7)), 1, 6, temporal=1.0)
    plan = plates.render_plates(node, preflight.preflight(node, range(1, 6), True, "batch"))
    jobs = view_jobs.ViewJobs(plan, range_run.PATIENCE_S)
    left, sizes = set(plan.frames), []
    while not jobs.finished:
        left -= {ended.event.frame for ended in jobs.poll(0.1) if isinstance(ended.event, FrameDone)}
        jobs.delete_used_plates()
        there = {int(path.name[-8:-4]) for path in Path(plan.plates_folder()).glob("src.*.exr")}
        assert there == {one for frame in left for one in plan.task_frames(frame, "main")}
        sizes.append(len(there))
    assert jobs.progress.succeeded and sizes[-1] == 0
    assert len(set(sizes)) > 2, "they went all at once"
    bench.expect_tidy(node)


def test_the_node_makes_what_the_library_makes_of_the_same_files(bench: ContractBench, tmp_path: Path) -> None:
    """To the bit: what Nuke renders from a Read that is raw are the file's own pixels."""
    shot = grainy_shot(bench)
    node = bench.node(shot, 1, 5, temporal=0.7)
    assert run.process(node, range(1, 6))
    values = {name: host.value(node, name) for name in panel.option_names()}
    files = {frame: LocalFile(str(shot / f"plate.{frame:04d}.exr")) for frame in range(1, 6)}
    around = {frame: TaskNeighbour(file) for frame, file in files.items()}
    clean = LocalFile(str(shot / "clean.exr"))
    for temporal, same in ((0.7, True), (0.0, False)):
        tasks = [
            FrameTask(
                frame=frame, plate=files[frame], clean_plate=clean, output=str(tmp_path / f"direct.{frame}.exr"),
                hints={"colourspace": "linear"}, before=around.get(frame - 1), after=around.get(frame + 1),
            )
            for frame in files
        ]  # fmt: skip
        options = panel.options_from({**values, "temporal": temporal})
        direct = MatteJob(tasks, options, Endpoint(bench.server.address))
        direct.start()
        # On a loaded machine five small frames take seconds.
        assert direct.join(60.0)
        assert sum(isinstance(event, FrameDone) for event in direct.poll()) == 5
        for frame in files:
            theirs = plain_exr.read(tmp_path / f"direct.{frame}.exr")
            assert (list(bench.result(node, frame).rows) == list(theirs.rows)) == same


def test_a_bad_frame_costs_those_beside_it_a_word(bench: ContractBench) -> None:
    shot = grainy_shot(bench)
    good = plain_exr.read(shot / "plate.0003.exr")
    rows = [list(row) for row in good.rows]
    rows[5][5] = (float("nan"), 0.0, 0.0)
    plain_exr.write(shot / "plate.0003.exr", dataclasses.replace(good, rows=rows))
    node = bench.node(shot, 1, 5, temporal=1.0)
    run.process(node, range(1, 6))
    assert "Frame 3: The plate has 1 NaN or infinite value" in bench.status(node)
    folder = range_plan.shown_folder(bench.shown(node))
    records = {record.frame: record for record in manifest.read_all(folder)}
    assert [bool(records[frame].code) for frame in range(1, 6)] == [False, False, True, False, False]
    assert [bool(records[frame].warnings) for frame in range(1, 6)] == [False, True, False, True, False]
    plain_exr.write(shot / "plate.0003.exr", good)
    host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
    # The frame that failed, and those whose neighbour is another one now.
    assert preflight.preflight(node, range(1, 6), False, "batch").frames == (2, 3, 4)
    run.process(node, range(1, 6))
    assert bench.status(node) == "up to date, 3 done"


def test_a_neighbour_that_cannot_be_rendered_is_said_per_view(bench: ContractBench) -> None:
    shot = grainy_shot(bench, (1, 2))
    for frame in (1, 2, 3):
        for view in ("main", "right"):
            if (frame, view) != (3, "right"):
                plain_exr.write(shot / f"eye.{view}.{frame:04d}.exr", plain_exr.read(shot / "plate.0001.exr"))
    host.add_view("right")
    src = bench.read(shot / "eye.%V.%04d.exr", 1, 3)
    node = bench.node_on(src, bench.read(shot / "clean.exr", 1, 1), temporal=1.0)
    plan = plates.render_plates(node, preflight.preflight(node, (2,), True, "batch"))
    assert list(plan.unrendered) == [(3, "right")]
    left, right = (view_jobs.tasks(plan, view)[0] for view in plan.views)
    assert left.after is not None and right.after is None and right.before is not None
    view_jobs.remove_plates(plan)


# -- staleness


def test_the_key_of_a_frame_takes_in_those_beside_it() -> None:
    own, before, after = (FrameKey(letter, letter * 2) for letter in "abc")
    key = fingerprint.with_neighbours(own, (before, after))
    assert key.hashes == own.hashes, "the frame's own are compared by themselves"
    assert not key.differs(fingerprint.with_neighbours(own, (before, after)))
    others: Mapping[str, tuple[FrameKey | None, FrameKey | None]] = {
        "another picture": (before, FrameKey("d", "cc")),
        "another file": (before, FrameKey("c", "dd")),
        "the other way round": (after, before),
        "none after": (before, None),
    }
    for what, sides in others.items():
        assert key.differs(fingerprint.with_neighbours(own, sides)), what
    unasked = fingerprint.with_neighbours(own, (FrameKey("", "bb"), FrameKey("", "cc")))
    assert not key.differs(unasked), "a host that was not asked is not a change"
    proxies = fingerprint.with_neighbours(own, (FrameKey("x", "bb"), FrameKey("y", "cc")))
    assert key.differs(proxies) and not key.differs(proxies, compare_hashes=False)
    assert key.differs(own), "one made without neighbours is another one"


def test_switched_off_results_keep_their_folder_and_key(bench: ContractBench) -> None:
    """A node and its results from before the option existed: a new option at its default changes no key."""
    options = {temporal: MatteOptions(erode=2.0, temporal=temporal) for temporal in (0.0, 0.1)}
    keys = {at: fingerprint.settings_key((), (), one, {"schema": 1}) for at, one in options.items()}
    assert keys[0.0] == "205ca7af7dfd9684e36d1466e210f1a0" and keys[0.1] != keys[0.0]
    key = fingerprint.frame_key([[1, 2], [3]], SeenTogether([None]))
    assert key == FrameKey("5f00e10443cb9ededcba224a458565af", "776cef04829d5d743f6a1bad2a143069")
    node = bench.node(grainy_shot(bench, (1, 2)), 1, 2)
    run.process(node, (1, 2))
    for path in (Path(bench.shown(node)).parent / "records").glob("*.json"):
        record = json.loads(path.read_text())
        assert record.pop("around") == ""
        path.write_text(json.dumps(record))
    assert freshness.check(node).usable
    assert not preflight.preflight(node, (1, 2), False, "batch").keys


def test_a_node_upstream_that_shifts_time_is_noticed_by_the_host_hashes(bench: ContractBench) -> None:
    """Files tell nothing of what the host puts at a frame's place; its hashes at the frames beside do."""
    node = bench.node(grainy_shot(bench), 1, 5, temporal=1.0)
    run.process(node, (2,))
    folder = range_plan.shown_folder(bench.shown(node))
    record = manifest.read(folder, 2, "main")
    assert record is not None and record.around
    manifest.write(folder, dataclasses.replace(record, around=f"{record.around.rpartition(':')[0]}:another"))
    assert preflight.preflight(node, (2,), False, "batch").frames == (2,)
