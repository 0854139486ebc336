"""The service's decisions about clients' messages: requests, limits, stored pictures, cancels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    FetchResult,
    Inline,
    Matte,
    MatteReply,
    Neighbour,
    Progress,
    ResultPart,
    Store,
    Stored,
    digest_of,
)

from matte_server.worker.messages import (
    StageStarted,
    decode_job,
    encode_job,
)
from tests.small_disk import files_of_at_most, python_beside_a_small_disk

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, code_of, matte


def test_a_frame_from_request_to_reply(bench: ServiceBench) -> None:
    assert bench.send(ANNA, matte("a")) == [Accepted(id="a"), Progress(id="a", stage="start", done=0, total=1)]
    job = bench.pool.jobs[0]
    assert Path(job.pictures["plate"].path).read_bytes() == b"plate"
    assert list(bench.service.worker_event(StageStarted(number=job.number, stage="align", done=1, total=7))) == [
        (ANNA, Progress(id="a", stage="align", done=1, total=7))
    ]
    [(to, reply)] = bench.finish()
    assert to == ANNA and isinstance(reply, MatteReply)
    assert (reply.id, bytes(reply.data), reply.diagnostics) == ("a", b"exr", {"n": 1})
    assert bench.files() == 0 and bench.spool.used == 0


def test_sent_again_it_is_the_same_request(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert bench.send(ANNA, matte("a")) == [Accepted(id="a")]
    bench.finish()
    [again] = bench.send(ANNA, matte("a"))
    assert isinstance(again, MatteReply) and bytes(again.data) == b"exr"
    assert len(bench.pool.jobs) == 1


def with_neighbours(name: str, before: bytes = b"before", alignment: Mapping[str, object] | None = None) -> Matte:
    """The frame before inline, the one after by its digest."""
    around = Neighbour(plate=Inline(data=before, name="b.exr"), alignment=alignment or {})
    return replace(matte(name), before=around, after=Neighbour(plate=Digest(digest_of(b"after"))))


def test_neighbours_lie_in_the_spool_while_their_frame_is_at_work(bench: ServiceBench) -> None:
    [unknown] = bench.send(ANNA, with_neighbours("a"))
    assert isinstance(unknown, Failure) and unknown.code == "after_plate_unknown"
    assert bench.files() == 0 and bench.spool.used == 0
    bench.send(ANNA, Store(id="s", digest=digest_of(b"after"), data=b"after", name="a.exr"))
    assert bench.send(ANNA, with_neighbours("a"))[0] == Accepted(id="a")
    job = bench.pool.jobs[0]
    assert {role: Path(picture.path).read_bytes() for role, picture in job.pictures.items()} == {
        "plate": b"plate", "clean_plate": b"clean", "before_plate": b"before", "after_plate": b"after"
    }  # fmt: skip
    assert decode_job(encode_job(job)) == job
    bench.finish()
    # The stored picture stays, as a clean plate does.
    assert bench.files() == 1


@pytest.mark.parametrize(
    "other",
    [
        with_neighbours("a", before=b"another"),
        with_neighbours("a", alignment={"kind": "none"}),
        replace(with_neighbours("a"), after=None),
    ],
)
def test_other_neighbours_are_other_content(bench: ServiceBench, other: Matte) -> None:
    bench.send(ANNA, Store(id="s", digest=digest_of(b"after"), data=b"after", name="a.exr"))
    bench.send(ANNA, with_neighbours("a"))
    assert bench.send(ANNA, with_neighbours("a")) == [Accepted(id="a")]
    [answer] = bench.send(ANNA, other)
    assert isinstance(answer, Failure) and answer.code == "id_reused"


def test_the_last_reply_is_kept_however_large_it_is(bench: ServiceBench) -> None:
    """50 bytes are kept of others. Before, a link that was cut in a large reply had the frame computed again."""
    for name in ("a", "b"):
        bench.send(ANNA, matte(name))
        bench.finish(bytes(60))
        assert isinstance(bench.send(ANNA, matte(name))[0], MatteReply)
    assert isinstance(bench.send(ANNA, matte("a"))[0], Accepted)


def test_a_client_fetches_its_own_answer_in_parts_and_keeps_it_by_that(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    question = FetchResult(id="q", target="a", length=40)
    assert bench.send(ANNA, question) == [ResultPart("q")]
    bench.finish(bytes(range(60)))
    got = b""
    for _ in range(3):
        [part] = bench.send(ANNA, replace(question, offset=len(got)))
        assert isinstance(part, ResultPart) and part.size == 60 and part.offset == len(got)
        assert part.diagnostics == ({} if got else {"n": 1})
        got += bytes(part.data)
        # 60 s after the last part it is forgotten.
        bench.now += 50.0
        list(bench.service.tick())
    assert got == bytes(range(60))
    assert bench.send(BEN, question) == [ResultPart("q")]
    bench.now += 20.0
    list(bench.service.tick())
    assert bench.send(ANNA, question) == [ResultPart("q")]


def test_an_old_answer_is_forgotten_and_computed_again(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.finish()
    bench.now = 61.0
    list(bench.service.tick())
    assert bench.send(ANNA, matte("a"))[0] == Accepted(id="a")
    assert len(bench.pool.jobs) == 2


def test_answers_are_remembered_within_a_budget(bench: ServiceBench) -> None:
    for name in ("a", "b"):
        bench.send(ANNA, matte(name))
        bench.finish(b"x" * 40)
    assert isinstance(bench.send(ANNA, matte("b"))[0], MatteReply)
    assert bench.send(ANNA, matte("a"))[0] == Accepted(id="a")


@pytest.mark.parametrize(
    "other",
    [
        matte("a", plate=b"other"),
        matte("a", clean=b"other"),
        Matte(id="a", frame=2, plate=Inline(data=b"plate"), clean_plate=Inline(data=b"clean")),
    ],
)
def test_an_id_is_not_used_for_something_else(bench: ServiceBench, other: Matte) -> None:
    bench.send(ANNA, matte("a"))
    for _ in range(2):
        [answer] = bench.send(ANNA, other)
        assert isinstance(answer, Failure) and answer.code == "id_reused"
        bench.finish()


def test_ids_belong_to_their_client(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert bench.send(BEN, matte("a", plate=b"other")) == [Accepted(id="a", position=0)]
    assert bench.send(BEN, Cancel(id="c", target="a"))[0].id == "a"
    assert [to for to, _ in bench.finish()] == [ANNA]


def test_an_id_of_another_client_cannot_be_cancelled(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    for name in "ab":
        assert list(bench.service.receive(BEN, Cancel(id="c", target=name))) == []
    assert bench.pool.cancelled == []
    assert [(to, type(message)) for to, message in bench.finish()] == [(ANNA, MatteReply), (ANNA, Progress)]


def test_limits_answer_busy(bench: ServiceBench) -> None:
    for name in "abc":
        assert bench.send(ANNA, matte(name))[0] == Accepted(id=name, position=max(0, "abc".index(name) - 1))
    assert code_of(bench.send(ANNA, matte("d"))) == "busy"
    bench.send(BEN, matte("a"))
    assert code_of(bench.send(b"carl", matte("a"))) == "busy"
    bench.send(BEN, matte("b"))
    assert code_of(bench.send(BEN, matte("c"))) == "busy"
    bench.finish()
    assert bench.send(BEN, matte("c"))[0] == Accepted(id="c", position=3)


def test_a_picture_beyond_the_room_is_refused_and_leaves_nothing(bench: ServiceBench) -> None:
    assert code_of(bench.send(ANNA, matte("a", plate=b"x" * 1001))) == "spool_too_small"
    assert bench.files() == 0


def test_a_picture_that_the_disk_cuts_leaves_nothing(bench: ServiceBench) -> None:
    """A quota, a limit of files or one of their size is not seen before a picture is written. What had been written
    took its room until the server ended, as did the pictures that came before it."""
    stored = Store(id="s", digest=digest_of(b"clean"), data=b"clean")
    bench.send(ANNA, stored)
    cut = replace(matte("b", plate=b"p" * 80), clean_plate=Digest(stored.digest), core=Inline(data=b"c" * 120))
    cut_store = Store(id="t", digest=digest_of(b"s" * 120), data=b"s" * 120)
    with files_of_at_most(100):
        assert code_of(bench.send(ANNA, cut)) == code_of(bench.send(ANNA, cut_store)) == "disk_full"
    assert (bench.files(), bench.spool.used) == (1, 5), "the stored clean plate alone"
    # Nothing holds it any longer: another picture of the whole store takes its place.
    whole = Store(id="w", digest=digest_of(b"w" * LIMITS.store), data=b"w" * LIMITS.store)
    assert isinstance(bench.send(ANNA, whole)[0], Stored)


def test_a_stored_clean_plate_is_used_and_makes_room(bench: ServiceBench) -> None:
    clean = b"c" * 300
    digest = digest_of(clean)
    assert bench.send(ANNA, Store(id="s", digest=digest, data=clean)) == [Stored(id="s", digest=digest)]
    assert bench.send(ANNA, Matte(id="a", frame=1, plate=Inline(data=b"p"), clean_plate=Digest(digest)))[
        0
    ] == Accepted(id="a")
    other = b"d" * 300
    # The first is in use, so there is no room; after the frame it gives way.
    assert code_of(bench.send(BEN, Store(id="s", digest=digest_of(other), data=other))) == "busy"
    bench.finish()
    assert bench.send(BEN, Store(id="s", digest=digest_of(other), data=other)) == [
        Stored(id="s", digest=digest_of(other))
    ]
    assert (
        code_of(bench.send(ANNA, Matte(id="b", frame=1, plate=Inline(data=b"p"), clean_plate=Digest(digest))))
        == "clean_plate_unknown"
    )
    assert bench.files() == 1 and bench.spool.used == 300


def test_a_store_without_data_only_asks(bench: ServiceBench) -> None:
    clean = b"c" * 300
    question = Store(id="q", digest=digest_of(clean), data=b"")
    assert code_of(bench.send(ANNA, question)) == "clean_plate_unknown"
    bench.send(ANNA, Store(id="s", digest=digest_of(clean), data=clean))
    assert bench.send(BEN, question) == [Stored(id="q", digest=digest_of(clean))]
    # The question is neither an error nor a refusal, and only the bytes that were sent count as received.
    state = bench.service.state()
    assert (state["errors"], state["frames"]["refused"], state["bytes"]["in"]) == ([], 0, 300)


def test_an_unknown_guide_releases_what_was_taken(bench: ServiceBench) -> None:
    request = Matte(id="a", frame=1, plate=Inline(data=b"p"), clean_plate=Inline(data=b"c"), core=Digest("0" * 64))
    assert code_of(bench.send(ANNA, request)) == "core_unknown"
    assert bench.files() == 0 and bench.spool.used == 0


def test_cancelling_a_running_frame_answers_at_once_and_waits_for_the_worker(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert code_of(bench.send(ANNA, Cancel(id="c", target="a"))) == "cancelled"
    assert bench.pool.cancelled == [1]
    assert bench.send(ANNA, matte("b")) == [Accepted(id="b", position=0)]
    assert [type(message) for _, message in bench.finish()] == [Progress]
    assert bench.pool.jobs[-1].request.id == "b"


def test_cancelling_what_is_unknown_says_nothing(bench: ServiceBench) -> None:
    assert bench.send(ANNA, Cancel(id="c", target="nothing")) == []


def test_a_lost_client_frees_its_place(bench: ServiceBench) -> None:
    for name in "abc":
        bench.send(ANNA, matte(name))
    bench.send(BEN, matte("b"))
    list(bench.service.client_lost(ANNA))
    # The one that was computed, and the one that was read ahead of its turn.
    assert bench.pool.cancelled == [1, 2]
    assert [(to, message.id) for to, message in bench.finish()] == [(BEN, "b")]
    assert bench.service.state()["clients"] == 1


def test_a_client_that_fetches_nothing_waits_while_others_go_on(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    bench.send(BEN, matte("b"))
    bench.unsent[ANNA] = 100
    bench.finish()
    assert bench.pool.jobs[-1].request.id == "b" and bench.service.state()["queue"]["interactive"] == 1
    assert [to for to, _ in bench.finish()] == [BEN]
    assert len(bench.pool.jobs) == 2
    bench.unsent[ANNA] = 0
    assert [(to, message.id) for to, message in bench.service.tick()] == [(ANNA, "b")]


def test_a_reply_is_refused_as_a_request(bench: ServiceBench, caplog: pytest.LogCaptureFixture) -> None:
    assert code_of(bench.send(ANNA, Accepted(id="a"))) == "protocol"
    state = bench.service.state()
    assert state["frames"]["refused"] == 1
    assert [error["code"] for error in state["errors"]] == ["protocol"]
    # A client's mistake is one line of the log; only a defect of ours has its traceback there.
    assert [record.exc_info for record in caplog.records] == [None]


def test_a_defect_of_ours_is_logged_with_its_traceback(
    bench: ServiceBench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(bench.service, "_handle", broken)
    assert code_of(bench.send(ANNA, matte("a"))) == "internal"
    assert bench.service.state()["frames"]["refused"] == 1
    [record] = caplog.records
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


def test_the_server_knows_how_long_it_has_been_idle(bench: ServiceBench) -> None:
    bench.now = 10.0
    assert bench.service.idle_s == 10.0
    bench.send(ANNA, matte("a"))
    bench.now = 50.0
    assert bench.service.idle_s == 0.0
    bench.finish()
    bench.now = 60.0
    assert bench.service.idle_s == 10.0


def test_batch_frames_leave_places_for_artists(tmp_path: Path) -> None:
    """A farm that asks for more whenever a place is free cannot keep an artist out."""
    limits = replace(LIMITS, frames_per_client=100, frames=16, clients=8, spool=8000, store=100)
    bench = ServiceBench(tmp_path, limits)
    blades = [b"blade%d" % number for number in range(7)]
    accepted = 0
    for number in range(40):
        [answer] = [a for a in bench.send(blades[number % 7], replace(matte(f"b{number}"), priority="batch"))
                    if isinstance(a, Accepted | Failure)]  # fmt: skip
        accepted += isinstance(answer, Accepted)
    # An eighth of 16 places is two.
    assert accepted == 14
    assert code_of(bench.send(b"blade7", replace(matte("late"), priority="batch"))) == "busy"
    assert isinstance(bench.send(ANNA, matte("artist"))[0], Accepted)
    bench.spool.close()


def test_batch_frames_leave_clients_and_room_for_artists(tmp_path: Path) -> None:
    limits = replace(LIMITS, frames_per_client=100, frames=100, clients=8, spool=8000, store=100)
    bench = ServiceBench(tmp_path, limits)
    for number in range(7):
        assert isinstance(bench.send(b"blade%d" % number, replace(matte("b"), priority="batch"))[0], Accepted)
    assert code_of(bench.send(b"blade7", replace(matte("b"), priority="batch"))) == "busy"
    # Sent before there is an eighth client: it is the room that it lacks.
    large = replace(matte("large", plate=bytes(3600)), priority="batch")
    assert code_of(bench.send(b"blade1", large)) == "busy"
    assert isinstance(bench.send(ANNA, matte("a"))[0], Accepted)
    assert isinstance(bench.send(ANNA, replace(large, priority="interactive"))[0], Accepted)
    bench.spool.close()


def test_stored_pictures_that_nobody_uses_give_way_to_a_frame(tmp_path: Path) -> None:
    """The store may hold as much as the spool: before, every frame was answered "busy" from then on, for ever."""
    bench = ServiceBench(tmp_path, replace(LIMITS, frames_per_client=10, frames=10, spool=1000, store=1000))
    pictures = [bytes([number]) * 300 for number in range(3)]
    for picture in pictures:
        bench.send(ANNA, Store(id="s", digest=digest_of(picture), data=picture))
    # 200 bytes and 300 for the result: the two give way that the frame does not name.
    request = Matte(
        id="a", frame=1, plate=Inline(data=bytes(200)), clean_plate=Digest(digest_of(pictures[0])), priority="batch"
    )
    assert isinstance(bench.send(BEN, request)[0], Accepted)
    assert bench.service.state()["store"]["pictures"] == 1
    bench.spool.close()


_SMALL_DISK = """
import sys
from pathlib import Path
from matte_link.messages import Inline, Matte
from matte_server.server.admission import Admission
from matte_server.server.frame_table import FrameTable
from matte_server.server.limits import ServiceLimits
from matte_server.server.spool import Spool
limits = ServiceLimits()
admission = Admission(Spool(limits.spool, Path(sys.argv[1])), limits)
frame = Matte(id="a", frame=1, plate=Inline(data=bytes(100_000)), clean_plate=Inline(data=b""), priority="batch")
admission.admit(b"anna", frame, FrameTable())
print("admitted")
"""


def test_a_batch_frame_is_admitted_on_a_disk_smaller_than_what_the_budget_reserves(tmp_path: Path) -> None:
    """An eighth of the default budget is half a gigabyte: on a smaller disk every batch frame was "busy" for
    ever."""
    assert python_beside_a_small_disk(_SMALL_DISK, tmp_path / "disk", "1m") == "admitted\n"


def test_a_frame_that_never_fits_fails_in_words_and_room_is_kept_for_results(tmp_path: Path) -> None:
    bench = ServiceBench(tmp_path, replace(LIMITS, frames_per_client=10, frames=10, spool=1000, store=100))
    # 600 bytes, and as many for the result.
    assert code_of(bench.send(ANNA, matte("huge", plate=bytes(600)))) == "spool_too_small"
    assert isinstance(bench.send(ANNA, matte("a", plate=bytes(300)))[0], Accepted)
    # 305 bytes lie there and 300 are to come: 350 fit, but not with a result of their own.
    assert code_of(bench.send(ANNA, matte("b", plate=bytes(350)))) == "busy"
    assert code_of(bench.send(ANNA, matte("huge", plate=bytes(600)))) == "busy", "while another one waits"
    assert isinstance(bench.send(ANNA, matte("c", plate=bytes(150)))[0], Accepted)
    bench.spool.close()


def test_the_clean_plate_that_a_frame_names_leaves_it_no_room(tmp_path: Path) -> None:
    """It cannot give way to its own frame, which was "busy" for ever."""
    bench = ServiceBench(tmp_path, replace(LIMITS, spool=1000, store=600))
    clean = bytes(500)
    bench.send(ANNA, Store(id="s", digest=digest_of(clean), data=clean))
    request = Matte(id="a", frame=1, plate=Inline(data=bytes(200)), clean_plate=Digest(digest_of(clean)))
    answer = bench.send(ANNA, request)[0]
    assert isinstance(answer, Failure) and answer.code == "spool_too_small"
    assert isinstance(bench.send(ANNA, matte("b", plate=bytes(200)))[0], Accepted)
    bench.spool.close()


def test_what_was_taken_back_may_come_again_in_another_form(bench: ServiceBench) -> None:
    """A client whose connection broke too often sends its pictures by digest, under the same id."""
    bench.send(ANNA, matte("a"))
    bench.finish()
    other = replace(matte("a"), plate=Digest(digest_of(b"plate")))
    bench.send(ANNA, Store(id="s", digest=digest_of(b"plate"), data=b"plate"))
    assert code_of(bench.send(ANNA, other)) == "id_reused"
    assert bench.send(ANNA, Cancel(id="c", target="a")) == []
    assert isinstance(bench.send(ANNA, other)[0], Accepted)


def test_a_reply_that_was_taken_back_takes_no_room_from_later_ones(bench: ServiceBench) -> None:
    """50 bytes of replies are kept."""
    for name, size in (("a", 40), ("b", 20), ("c", 20)):
        bench.send(ANNA, matte(name))
        bench.finish(bytes(size))
        if name == "a":
            bench.send(ANNA, Cancel(id="x", target="a"))
    assert [type(bench.send(ANNA, matte(name))[0]) for name in "bc"] == [MatteReply, MatteReply]


def test_a_batch_frame_that_is_alone_may_use_all_of_the_room(bench: ServiceBench) -> None:
    """An eighth is kept free for artists only while there is somebody whose frames might take the rest."""
    large = replace(matte("a", b"p" * 300, b"c" * 300), priority="batch")  # and 300 for its result, of 1000
    assert Accepted(id="a") in bench.send(ANNA, large)
