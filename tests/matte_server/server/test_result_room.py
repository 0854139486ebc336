"""Room for results on a small spool: a frame starts once there is some, and replies that are kept give way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matte_link.exr_header import HALF, plain_header
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Progress,
    Store,
    StorePart,
    digest_of,
)
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server import admission, spool
from matte_server.server.result_room import largest_result
from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import FrameFinished, SolveFailed

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, code_of, matte


def plate_of(width: int, height: int) -> bytes:
    """An EXR's header, which is all that the server reads of it."""
    window = (-3, 5, width, height)
    return plain_header(["B", "G", "R"], HALF, window, window)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceBench]:
    """Two workers on a spool of 600 KiB, and replies of any size are kept, in mapped files."""
    monkeypatch.setattr(spool, "_WORTH_MAPPING", 1)
    limits = replace(LIMITS, frames_per_client=10, frames=20, spool=600 << 10, store=100 << 10, replies=1 << 30)
    made = ServiceBench(tmp_path, limits)
    made.pool.states.append(WorkerState(device="cpu", ready=True))
    yield made
    made.spool.close()


SMALL = plate_of(20, 20)
LARGE = plate_of(200, 120)
"""Its result may have 8 bytes a pixel and 64 KiB, 251 KiB in all: two fit into 600 KiB, and three do not."""


def finish(bench: ServiceBench, worker: int, size: int) -> list[object]:
    """The frame of a worker ends with a result of ``size`` bytes."""
    number = bench.pool.states[worker].job
    job = next(job for job in bench.pool.jobs if job.number == number)
    (bench.spool.folder / job.result).write_bytes(bytes(size))
    bench.pool.states[worker].job = 0
    end = FrameFinished(number=number, output="", diagnostics={})
    return [message for _, message in bench.service.worker_event(end)]


@pytest.mark.parametrize("has_layers", [False, True])
@pytest.mark.parametrize("bit_depth", ["half", "float"])
def test_no_result_is_larger_than_its_plates_header_says(bit_depth: str, has_layers: bool) -> None:
    """Noise, which no compression makes smaller."""
    window = Window(-7, 3, 61, 47)
    noise = np.random.default_rng(1).random((47, 61, 4), np.float32)

    def picture(channels: str) -> Image:
        return Image(noise[..., : len(channels)], tuple(channels), window, window)

    options = MatteOptions(bit_depth=bit_depth, layer_clean=has_layers, layer_shadow=has_layers)
    request = replace(matte("a"), options=options)
    form = exr.ExrFormat(bit_depth=bit_depth, compression="none")
    named = {name: picture("RGBA") for name in ("clean", "shadow") if has_layers}
    plate = exr.encode_exr(picture("RGB"), {}, form)
    most = largest_result(request, plate[:4096])
    assert most - (1 << 16) <= len(exr.encode_exr(picture("RGBA"), named, form)) <= most


@pytest.mark.parametrize("first", [b"", b"no EXR", LARGE[:60], plate_of(-5, 10)[:100]])
def test_a_picture_that_does_not_say_its_size_is_no_error(first: bytes) -> None:
    assert largest_result(matte("a"), first) in (0, 1 << 16)


def test_a_frame_waits_until_there_is_room_for_its_result(bench: ServiceBench) -> None:
    bench.pool.states[1].job = 99
    bench.pool.states.append(WorkerState(device="cpu", ready=True, job=98))
    for name in "abc":
        assert isinstance(bench.send(ANNA, matte(name, plate=LARGE))[0], Accepted)
    # Both other workers are free now, but two results have all the room. One of 20 KiB leaves some again.
    bench.pool.states[1].job = bench.pool.states[2].job = 0
    list(bench.service.tick())
    assert [job.request.id for job in bench.pool.jobs] == ["a", "b"]
    finish(bench, 0, 20 << 10)
    assert [job.request.id for job in bench.pool.jobs] == ["a", "b", "c"]


def test_pictures_that_wait_leave_room_for_one_result(bench: ServiceBench) -> None:
    """However many are accepted, the first of them can be computed."""
    bench.pool.states = [WorkerState(device="cpu", ready=True)]
    blades = iter(range(100))
    padded = LARGE + bytes(40 << 10)
    while isinstance(
        bench.send(ANNA if next(blades) % 2 else BEN, matte(f"a{next(blades)}", plate=padded))[0], Accepted
    ):
        pass
    waiting = bench.service.state()["queue"]["interactive"]
    assert waiting >= 1
    for _ in range(waiting + 1):
        assert isinstance(finish(bench, 0, 250 << 10)[0], MatteReply)
    assert bench.service.state()["running"] == 0


def test_a_header_that_claims_anything_keeps_nobody_out(bench: ServiceBench) -> None:
    assert bench.send(ANNA, matte("a", plate=plate_of(1 << 20, 1 << 20)))[0] == Accepted(id="a")
    # Half of the spool at most is kept for it.
    assert bench.send(BEN, matte("b", plate=LARGE))[0] == Accepted(id="b")
    assert len(bench.pool.jobs) == 2


def test_a_stored_plate_says_how_much_room_its_result_needs(bench: ServiceBench) -> None:
    bench.send(ANNA, Store(id="s", digest=digest_of(LARGE), data=LARGE))
    request = Matte(id="a", frame=1, plate=Digest(digest_of(LARGE)), clean_plate=Inline(b"clean"))
    assert bench.send(ANNA, request)[0] == Accepted(id="a")
    expected = largest_result(request, LARGE)
    free = (600 << 10) - len(LARGE) - len(b"clean") - expected
    assert bench.spool.make_room(free) and not bench.spool.make_room(free + 1)
    # A result that the server writes to a shared disk needs none.
    bench.send(ANNA, Cancel(id="c", target="a"))
    finish(bench, 0, 10)
    bench.send(ANNA, replace(request, id="b", output="/shared/b.exr"))
    assert bench.spool.make_room((600 << 10) - len(LARGE) - len(b"clean"))


def test_replies_that_are_kept_give_way_to_a_result(bench: ServiceBench) -> None:
    """They are deleted files that still take their room: six frames of a shot filled a spool of 6 MB."""
    for name in "abcdef":
        assert bench.send(ANNA, matte(name, plate=LARGE))[0] == Accepted(id=name), name
        [reply] = finish(bench, 0, 200 << 10)
        assert isinstance(reply, MatteReply)
        del reply
    assert bench.spool.on_their_way <= 400 << 10
    assert isinstance(bench.send(ANNA, matte("f", plate=LARGE))[0], MatteReply), "the latest is still kept"


def test_a_reply_that_is_being_sent_is_waited_for(bench: ServiceBench) -> None:
    """Its room is not free before the socket has let go of it."""
    bench.send(ANNA, matte("a", plate=LARGE))
    being_sent = finish(bench, 0, 500 << 10)
    bench.pool.states = bench.pool.states[:1]
    assert code_of(bench.send(ANNA, matte("b", plate=LARGE))) == "busy"
    being_sent.clear()
    assert bench.send(ANNA, matte("b", plate=LARGE))[0] == Accepted(id="b")


def test_replies_stay_where_giving_way_would_not_help(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a", plate=LARGE))
    finish(bench, 0, 10 << 10)
    assert not bench.spool.make_room(700 << 10)
    assert isinstance(bench.send(ANNA, matte("a", plate=LARGE))[0], MatteReply)


def test_a_frame_whose_result_found_no_room_is_computed_again_alone(bench: ServiceBench) -> None:
    """Plates that are no EXRs do not say how large it may be, and other programs use the disk too."""
    bench.send(ANNA, matte("large", plate=LARGE))
    bench.send(BEN, matte("small"))
    number = bench.pool.states[0].job
    full = SolveFailed(number=number, code="disk_full", message="The server's disk is full.")
    bench.pool.states[0].job = 0
    assert [message for _, message in bench.service.worker_event(full)] == [
        Progress(id="large", stage="disk", done=0, total=1)
    ]
    assert len(bench.pool.jobs) == 2, "the other one has to end first"
    assert bench.spool.make_room(300 << 10) and not bench.spool.make_room(400 << 10), "its room is kept once"
    finish(bench, 1, 10)
    assert [job.number for job in bench.pool.jobs][2:] == [number]
    bench.pool.states[0].job = 0
    assert code_of([message for _, message in bench.service.worker_event(full)]) == "disk_full"
    assert bench.files() == 0 and bench.spool.make_room((600 << 10) - bench.spool.on_their_way)


def test_other_programs_fill_the_disk_and_a_frame_says_so(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for room that the reply that is kept would not make."""
    bench.send(ANNA, matte("before"))
    finish(bench, 0, 10 << 10)
    bench.pool.states[0].job = bench.pool.states[1].job = 99
    bench.send(ANNA, matte("a", plate=LARGE))
    lacking = 1 << 10
    monkeypatch.setattr(bench.spool, "_lacking", lambda size: lacking)
    monkeypatch.setattr(bench.spool, "forget_reply", lambda: False)
    bench.pool.states[0].job = bench.pool.states[1].job = 0
    list(bench.service.tick())
    assert len(bench.pool.jobs) == 1, "while a reply on its way will make the room"
    lacking = 1 << 20
    list(bench.service.tick())
    assert len(bench.pool.jobs) == 2


def batch_frames(bench: ServiceBench, shot: dict[str, bytes]) -> None:
    for name, plate in shot.items():
        [accepted] = bench.send(ANNA, replace(matte(name, plate=plate), priority="batch"))[:1]
        assert isinstance(accepted, Accepted), accepted


def little_room_for_two(bench: ServiceBench, c: bytes, d: bytes) -> Path:
    """While a is computed, b has just ended, and c and d, of these plates, are read ahead: 251 KiB are kept for a,
    and what is returned, to be removed, has 600 of the 1,024 KiB. A small frame fits beside them, a large one does
    not."""
    bench.spool.budget = 1 << 20
    batch_frames(bench, {"a": LARGE, "b": SMALL, "c": c, "d": d})
    assert started(bench) == ["a", "b"] and [job.request.id for _, job in bench.pool.ahead] == ["c", "d"]
    blocker = bench.spool.write(bytes(600 << 10))
    finish(bench, 1, 10)
    return blocker


def started(bench: ServiceBench) -> list[str]:
    return [job.request.id for job in bench.pool.jobs]


def test_a_frame_that_was_read_ahead_starts_where_there_is_room_for_its_own_result(bench: ServiceBench) -> None:
    """The room was looked at for the frame whose turn it was, and a larger one started in its place."""
    blocker = little_room_for_two(bench, c=SMALL, d=LARGE)
    assert started(bench) == ["a", "b", "c"]
    bench.spool.remove(blocker)
    finish(bench, 1, 10)
    assert started(bench) == ["a", "b", "c", "d"]


def test_a_smaller_frame_that_was_read_ahead_starts_where_the_first_one_finds_no_room(
    bench: ServiceBench,
) -> None:
    blocker = little_room_for_two(bench, c=LARGE, d=SMALL)
    assert started(bench) == ["a", "b", "d"]
    finish(bench, 1, 10)
    assert started(bench) == ["a", "b", "d"], "there is no room for c"
    bench.spool.remove(blocker)
    list(bench.service.tick())
    assert started(bench) == ["a", "b", "d", "c"]


def test_a_header_is_read_once_a_frame(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def counted(request: Matte, first: bytes) -> int:
        read.append(first)
        return largest_result(request, first)

    monkeypatch.setattr(admission, "largest_result", counted)
    bench.send(ANNA, matte("a", plate=LARGE))
    assert read == [LARGE]


def test_room_is_free_again_after_each_end_of_a_frame(bench: ServiceBench) -> None:
    """Done, failed, cancelled while it waits, cancelled at work, lost with its worker twice."""
    bench.pool.states = bench.pool.states[:1]
    everything = 600 << 10
    for end in ("done", "failed", "waiting", "at work", "lost"):
        bench.send(ANNA, replace(matte("a", plate=LARGE), options=MatteOptions(despeckle=len(end))))
        number = bench.pool.jobs[-1].number
        if end == "done":
            finish(bench, 0, 100)
        elif end == "failed":
            bench.pool.states[0].job = 0
            list(bench.service.worker_event(SolveFailed(number=number, code="unreadable", message="It is none.")))
        elif end == "waiting":
            bench.send(BEN, matte("b", plate=LARGE))
            bench.send(BEN, Cancel(id="c", target="b"))
            finish(bench, 0, 100)
        elif end == "at work":
            bench.send(ANNA, Cancel(id="c", target="a"))
            finish(bench, 0, 100)
        else:
            for _ in range(2):
                bench.pool.states[0].job = 0
                lost = WorkerExited(number=0, code="worker_died", reason="", writing=(number,))
                list(bench.service.worker_event(lost))
        assert bench.pool.states[0].job == 0 and bench.service.state()["running"] == 0, end
        assert bench.spool.make_room(everything) and not bench.spool.make_room(everything + 1), end


def test_a_full_disk_is_not_called_too_small(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other files take the disk now: trying again helps. A disk of 200 KiB never has the room."""
    for used, free, code in ((500 << 10, 100 << 10, "disk_full"), (100 << 10, 100 << 10, "spool_too_small")):
        usage = SimpleNamespace(used=used, free=free, total=used + free)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, usage=usage: usage)
        plate = LARGE + bytes(150 << 10)
        [answer] = bench.send(ANNA, matte("a", plate=plate))
        assert isinstance(answer, Failure) and answer.code == code
        assert ("beside other files" in answer.message) == (code == "disk_full")
        digest = digest_of(bytes(101 << 10))
        bench.service._admission.store.budget = 1 << 30
        assert code_of(bench.send(ANNA, StorePart(id="p", digest=digest, size=250 << 10))) == code
        assert not bench.files()
    monkeypatch.undo()
    assert bench.send(ANNA, matte("a", plate=LARGE))[0] == Accepted(id="a")
