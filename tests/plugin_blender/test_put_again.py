"""Results whose files have other times by now, taken back where the bytes are equal. Without Blender."""

from __future__ import annotations

import importlib
import json
import os
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.exr_header import FLOAT, plain_header

from matte_server.io import exr
from plugin_blender import exr_header, file_states, put_again, touched
from plugin_blender.exr_header import DIAGNOSTICS, STAMP
from plugin_blender.kept_results import take_equal
from plugin_blender.plan import OUTDATED, SolvePlan
from plugin_blender.put_again import Background, results_of, settle, take_back
from plugin_blender.result_files import SentPictures, joined_stamp, known_facts
from plugin_blender.sending import sent_for
from plugin_blender.sources import FileSource, GraphSource, Numbering

# The package's own copies.
seen_files = importlib.import_module("plugin_blender.matte_link.seen_files")
options = importlib.import_module("plugin_blender.matte_link.options")
_TICK_S = 0.03  # the clock of a disk counts in steps of the kernel, of 10 ms at most
_SOON_S = 60.0  # no time of the product's: a machine under load may need it
FRAMES = (1, 2, 3, 4)


@pytest.fixture
def plan(tmp_path: Path) -> SolvePlan:
    """Four plates over a still, each with its result; that they are no pictures is for the server to see."""
    for name in ("clean.exr", *(f"plate.{frame:04d}.exr" for frame in FRAMES)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_000, 1_000))
    numbering = Numbering(start=1, duration=4, offset=0)
    found = SolvePlan(
        node_id="node",
        folder=str(tmp_path / "results"),
        frames=FRAMES,
        plate=FileSource(file=str(tmp_path / "plate.0001.exr"), colourspace="linear", numbering=numbering),
        clean_plate=FileSource(file=str(tmp_path / "clean.exr"), colourspace="linear"),
    )
    for frame in FRAMES:
        solve(found, frame)
    return found


def solve(plan: SolvePlan, frame: int, sent: SentPictures | None = None, version: str = "1") -> None:
    """A result as the server writes it: each has its frame's number as its one pixel."""
    says = {
        STAMP: joined_stamp(plan.stamp(frame), sent or sent_for(plan, frame)()),
        DIAGNOSTICS: json.dumps({"maker": {"version": version, "model": "difference", "weights": ""}}),
    }
    window = (0, 0, 1, 1)
    header = plain_header("ABGR", FLOAT, window, window, texts=says.items())
    pixels = struct.pack("<4f", *[float(frame)] * 4)
    plan.result(frame).parent.mkdir(parents=True, exist_ok=True)
    plan.result(frame).write_bytes(
        header + struct.pack("<q", len(header) + 8) + struct.pack("<ii", 0, len(pixels)) + pixels
    )
    file_states.forget()


def pixel_of(plan: SolvePlan, frame: int) -> float:
    return float(exr.read_image(plan.result(frame)).pixels[0, 0, 0])


def aged(*files: Path) -> None:
    for file in files:
        facts = file.stat()
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 5_000_000_000))
    file_states.forget()


def fresh(plan: SolvePlan) -> tuple[int, ...]:
    for frame in plan.frames:
        settle(plan, frame)
    return plan.counts().fresh


def hidden(plan: SolvePlan) -> SolvePlan:
    """As a window hides results of other files, before anybody has read them."""
    for frame in plan.survey().outdated:
        plan.set_aside(frame)
    return plan


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize(
    ("names", "temporal"),
    [
        (["plate.0002.exr"], 0.0),
        (["clean.exr"], 0.0),
        (["clean.exr", "plate.0001.exr", "plate.0002.exr", "plate.0003.exr", "plate.0004.exr"], 0.0),
        (["plate.0002.exr"], 0.5),
        (["clean.exr"], 0.5),
    ],
)
def test_equal_bytes_keep_their_result_and_others_do_not(
    plan: SolvePlan, tmp_path: Path, names: list[str], temporal: float, is_hidden: bool
) -> None:
    if temporal:
        plan = replace(plan, options=options.MatteOptions(temporal=temporal))
        for frame in FRAMES:
            solve(plan, frame)
    aged(*(tmp_path / name for name in names))
    if is_hidden:
        hidden(plan)
    counts = plan.counts()
    assert counts.stale and not {*counts.fresh} & {*counts.stale} and not counts.unknown
    assert plan.survey().touched == counts.stale
    assert fresh(plan) == FRAMES and not plan.survey().touched
    assert [pixel_of(plan, frame) for frame in FRAMES] == list(FRAMES)

    (tmp_path / names[0]).write_text(names[0].upper())
    aged(tmp_path / names[0])
    assert fresh(plan) == tuple(frame for frame in FRAMES if frame not in counts.stale)


def test_a_result_is_put_aside_where_it_was_linked_from_one_that_was(plan: SolvePlan, tmp_path: Path) -> None:
    """As a copy takes it along: of two links to one file, a rename leaves both."""
    plan.outdated(2).parent.mkdir()
    plan.outdated(2).hardlink_to(plan.result(2))
    aged(tmp_path / "plate.0002.exr")
    hidden(plan)
    assert not plan.result(2).exists() and known_facts(plan.outdated(2)).stamp
    assert fresh(plan) == FRAMES and pixel_of(plan, 2) == 2.0


def test_no_file_is_read_that_has_another_size(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plate.0003.exr").write_text("larger than before")
    file_states.forget()
    monkeypatch.setattr(seen_files, "file_digest", lambda path: pytest.fail(f"{path} was read"))
    monkeypatch.setattr(seen_files, "_known", {})
    assert plan.survey().touched == () and plan.counts().stale == (3,)
    assert fresh(plan) == (1, 2, 4), "nor one that is as it was"
    assert plan.counts().stale == (3,)


def test_a_file_with_its_old_size_and_time_is_unknown_until_it_is_read(plan: SolvePlan, tmp_path: Path) -> None:
    for name, text in (("plate.0002.exr", "plate.0002.exr"), ("plate.0003.exr", "PLATE.0003.EXR")):
        time.sleep(_TICK_S)
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1_000, 1_000))
    file_states.forget()
    assert plan.counts().unknown == plan.survey().touched == (2, 3)
    assert fresh(plan) == (1, 2, 4) and plan.counts().stale == (3,)
    assert not plan.survey().touched


def test_the_clean_plate_is_read_once_for_all_frames(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(tmp_path / "clean.exr")
    read: list[str] = []
    real = seen_files.file_digest

    def counted(path: Path) -> str:
        read.append(path.name)
        found: str = real(path)
        return found

    monkeypatch.setattr(seen_files, "file_digest", counted)
    assert fresh(plan) == FRAMES and read == ["clean.exr"]


def test_a_picture_that_came_back_has_its_own_result_again(plan: SolvePlan, tmp_path: Path) -> None:
    """One result lies where results are played, of the picture between; the one of now was put aside."""
    plate = tmp_path / "plate.0002.exr"
    plate.write_text("PLATE.0002.EXR")
    aged(plate)
    hidden(plan)
    solve(plan, 2, SentPictures(content="c" * 32, witness="", sizes="d" * 32, files="e" * 32))
    plate.write_text("plate.0002.exr")
    aged(plate)
    assert fresh(plan) == FRAMES
    assert known_facts(plan.result(2)).content != "c" * 32


def test_a_result_of_a_missing_file_waits_for_it(plan: SolvePlan, tmp_path: Path) -> None:
    plate = tmp_path / "plate.0002.exr"
    plate.rename(tmp_path / "away")
    file_states.forget()
    assert plan.survey().touched == () and plan.counts().stale == (2,)
    (tmp_path / "away").rename(plate)
    aged(plate)
    assert fresh(plan) == FRAMES


def test_nodes_and_their_files_are_compared_apart(plan: SolvePlan, tmp_path: Path) -> None:
    assert isinstance(plan.plate, FileSource)
    nodes = replace(plan, plate=GraphSource(digest="exposure", pictures=(plan.plate,)))
    for frame in FRAMES:
        seen = nodes.seen(frame)
        solve(nodes, frame, SentPictures("a" * 32, "", seen.sizes, seen.read_contents()))
    aged(tmp_path / "plate.0001.exr", tmp_path / "clean.exr")
    assert nodes.counts().stale == FRAMES and fresh(nodes) == FRAMES
    other = replace(plan, plate=GraphSource(digest="another exposure", pictures=(plan.plate,)))
    aged(tmp_path / "plate.0001.exr")
    assert fresh(other) == () and fresh(nodes) == FRAMES


@pytest.mark.parametrize("has_witness", [False, True])
def test_results_without_a_record_of_files_wait_for_a_solve(
    plan: SolvePlan, tmp_path: Path, has_witness: bool
) -> None:
    """Those of older versions, and of files that are too large to be read only to compare them."""
    sent = sent_for(plan, 2)()
    solve(plan, 2, replace(sent, sizes="", files="", witness=sent.witness if has_witness else ""))
    aged(tmp_path / "plate.0002.exr")
    assert fresh(plan) == (1, 3, 4) and not plan.survey().touched
    assert take_equal(plan, 2, sent_for(plan, 2)())
    assert plan.counts().fresh == FRAMES and known_facts(plan.result(2)).files == ""


def test_a_result_says_nothing_any_more_of_what_is_not_known(plan: SolvePlan) -> None:
    """A packed image has no file: the same pictures, of which this machine has seen nothing."""
    sent = sent_for(plan, 1)()
    packed = replace(plan, plate=GraphSource(digest="packed"), clean_plate=GraphSource(digest="packed too"))
    assert take_equal(packed, 1, SentPictures(content=sent.content, witness=""))
    facts = known_facts(packed.result(1))
    assert facts.stamp == packed.stamp(1) and facts.content == sent.content
    assert packed.is_fresh(1) and {*facts.files} == {*facts.sizes} == {"0"}


def test_a_folder_that_cannot_be_written_is_tried_once(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(tmp_path / "plate.0002.exr")
    tried: list[str] = []

    def write(path: str, data: bytes) -> None:
        tried.append(path)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(put_again, "write_atomically", write)
    for _ in range(3):
        assert fresh(plan) == (1, 3, 4)
    assert tried == [str(plan.result(2))] and not plan.survey().touched
    aged(tmp_path / "plate.0002.exr")
    assert fresh(plan) == (1, 3, 4) and len(tried) == 2, "another time, another try"
    assert touched.was_given_up(str(plan.result(2)), plan.stamp(2))


def test_a_window_reads_a_few_frames_and_asks_again(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put_again, "_AT_ONCE", 3)
    news = threading.Semaphore(0)
    background = Background(news.release)
    aged(tmp_path / "clean.exr")
    hidden(plan)
    left = []
    while frames := plan.survey().touched:
        left.append(len(frames))
        background.want(plan, frames)
        assert news.acquire(timeout=_SOON_S)
    assert left == [4, 1] and plan.counts().fresh == FRAMES
    assert not (plan.results / OUTDATED / plan.result(1).name).samefile(plan.result(1))


def test_what_cannot_be_read_is_left_until_it_changes(plan: SolvePlan, tmp_path: Path) -> None:
    """A window would look at the whole shot again and again."""
    plate = tmp_path / "plate.0002.exr"
    aged(plate)
    assert plan.survey().touched == (2,)
    plate.unlink()  # as a disk that goes: this Blender has not noticed yet
    settle(plan, 2)
    assert plan.counts().stale == (2,)
    plate.write_text("plate.0002.exr")
    aged(plate)
    assert plan.survey().touched == (2,) and fresh(plan) == FRAMES


@pytest.mark.parametrize("is_hidden", [False, True])
def test_what_is_written_over_and_solved_while_others_are_read_stays(
    plan: SolvePlan, tmp_path: Path, is_hidden: bool
) -> None:
    """A thread reads sixteen frames before it takes any back: time for a render and a solve of it."""
    plate = tmp_path / "plate.0002.exr"
    aged(plate)
    if is_hidden:
        hidden(plan)
    (found,) = results_of(plan, 2)
    assert found.seen.read_contents() == found.facts.files
    plate.write_text("PLATE.0002.EXR")
    aged(plate)
    solve(plan, 2)
    made = plan.result(2).read_bytes()
    assert not take_back([found])
    assert plan.result(2).read_bytes() == made and plan.counts().fresh == FRAMES


@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_result_of_another_version_that_was_solved_meanwhile_stays(
    plan: SolvePlan, tmp_path: Path, is_hidden: bool
) -> None:
    aged(tmp_path / "plate.0002.exr")
    if is_hidden:
        hidden(plan)
    found = results_of(plan, 2)
    solve(plan, 2, version="2")
    assert take_back(found) == is_hidden, "the one in its place is no result of the old files any more"
    assert exr_header.read_result(str(plan.result(2)))[1]["maker"]["version"] == "2"
    assert known_facts(plan.result(2)).stamp == plan.stamp(2)


def test_a_result_that_a_window_puts_aside_while_its_files_are_read_is_found_there(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_states, "is_kept", True)
    aged(tmp_path / "plate.0002.exr")
    assert plan.survey().touched == (2,)
    found = results_of(plan, 2)
    hidden(plan)
    assert not take_back(found) and not touched.was_given_up(str(plan.result(2)), plan.stamp(2))
    assert plan.survey().touched == (2,) and fresh(plan) == FRAMES


def test_a_file_that_goes_while_it_is_compared_is_looked_for_again(
    plan: SolvePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_states, "is_kept", True)
    plate = tmp_path / "plate.0002.exr"
    aged(plate)
    (found,) = results_of(plan, 2)
    found.seen.read_contents()
    plate.unlink()
    assert not take_back([found])
    assert plan.missing_input(2) and plan.survey().touched == () and plan.counts().stale == (2,)
    assert known_facts(plan.result(2)) == found.facts, "it waits for its file"
