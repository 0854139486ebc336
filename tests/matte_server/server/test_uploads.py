"""Pictures in parts on the server's side: what is kept, for whom, how long, and what is refused."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import (
    Accepted,
    Digest,
    Failure,
    Inline,
    Matte,
    Message,
    PartStored,
    Store,
    Stored,
    StorePart,
    digest_of,
)

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, code_of

DATA = bytes(range(256))
DIGEST = digest_of(DATA)


def part(offset: int, end: int, data: bytes = DATA) -> StorePart:
    return StorePart(id="p", digest=DIGEST, size=len(data), offset=offset, data=data[offset:end], name="plate.exr")


def received(answers: list[Message]) -> int:
    [answer] = answers
    assert isinstance(answer, PartStored) and answer.digest == DIGEST
    return answer.received


def test_a_picture_in_parts_is_the_same_picture(bench: ServiceBench) -> None:
    assert received(bench.send(ANNA, part(0, 0))) == 0
    assert [received(bench.send(ANNA, part(at, at + 100))) for at in (0, 100)] == [100, 200]
    assert bench.send(ANNA, part(200, 256)) == [Stored(id="p", digest=DIGEST)]
    request = Matte(id="a", frame=1, plate=Digest(DIGEST), clean_plate=Inline(data=b"clean"))
    assert isinstance(bench.send(ANNA, request)[0], Accepted)
    picture = bench.pool.jobs[0].pictures["plate"]
    assert Path(picture.path).read_bytes() == DATA and picture.name == "plate.exr"
    assert bench.service.state()["store"] == {"pictures": 1, "bytes": 256, "budget": 400}


def test_what_has_arrived_outlasts_the_connection_and_is_the_clients_own(bench: ServiceBench) -> None:
    """Another client that names the same picture must not be able to spoil what this one has sent."""
    bench.send(ANNA, part(0, 100))
    list(bench.service.client_lost(ANNA))
    assert received(bench.send(BEN, part(0, 0))) == 0
    assert received(bench.send(ANNA, part(0, 0))) == 100


@pytest.mark.parametrize("offset", [0, 50, 150])
def test_a_part_that_does_not_follow_is_answered_with_what_there_is(bench: ServiceBench, offset: int) -> None:
    bench.send(ANNA, part(0, 100))
    assert received(bench.send(ANNA, part(offset, offset + 10))) == 100


def test_a_picture_that_another_client_has_sent_meanwhile_is_complete(tmp_path: Path) -> None:
    bench = ServiceBench(tmp_path, replace(LIMITS, store=600))
    bench.send(ANNA, part(0, 100))
    bench.send(BEN, Store(id="s", digest=DIGEST, data=DATA))
    assert bench.send(ANNA, part(100, 200)) == [Stored(id="p", digest=DIGEST)]
    assert bench.files() == 1
    bench.spool.close()


def test_parts_of_another_picture_are_thrown_away(bench: ServiceBench) -> None:
    wrong = bytes(256)
    bench.send(ANNA, part(0, 100, wrong))
    assert code_of(bench.send(ANNA, part(100, 256, wrong))) == "wrong_digest"
    assert bench.files() == 0 and received(bench.send(ANNA, part(0, 0))) == 0


def test_parts_that_disagree_on_the_size_are_thrown_away(bench: ServiceBench) -> None:
    bench.send(ANNA, part(0, 100))
    assert code_of(bench.send(ANNA, replace(part(100, 200), size=300))) == "bad_request"
    assert bench.files() == 0


def whole(data: bytes) -> Store:
    return Store(id="s", digest=digest_of(data), data=data)


def test_room_is_kept_for_the_rest_and_given_back_after_ten_minutes(bench: ServiceBench) -> None:
    bench.send(ANNA, part(0, 10))
    bench.now = 599.0
    list(bench.service.tick())
    assert received(bench.send(ANNA, part(0, 0))) == 10
    bench.now = 600.0
    list(bench.service.tick())
    assert received(bench.send(ANNA, part(0, 0))) == 10
    bench.now = 611.0
    list(bench.service.tick())
    assert received(bench.send(ANNA, part(0, 0))) == 0


def test_what_a_client_stopped_sending_gives_way_after_two_minutes(bench: ServiceBench) -> None:
    """The store has 400 bytes: a second picture of 256 does not fit beside the one that is still arriving. Whoever
    left some large ones half sent stopped everybody else for ten minutes."""
    asked = whole(bytes(256))
    bench.send(ANNA, part(0, 10))
    assert code_of(bench.send(BEN, asked)) == "busy"
    bench.now = 120.0
    assert code_of(bench.send(BEN, asked)) == "busy"
    # One whose parts still come is no such picture.
    assert received(bench.send(ANNA, part(10, 20))) == 20
    bench.now = 240.0
    assert code_of(bench.send(BEN, asked)) == "busy"
    bench.now = 240.1
    assert bench.send(BEN, asked) == [Stored(id="s", digest=asked.digest)]
    assert received(bench.send(ANNA, part(20, 30))) == 0


def test_no_more_gives_way_than_is_needed_and_the_oldest_first(tmp_path: Path) -> None:
    bench = ServiceBench(tmp_path, replace(LIMITS, store=700))
    other = bytes(range(255, -1, -1))
    bench.send(ANNA, whole(b"kept"))
    bench.send(ANNA, StorePart(id="p", digest=digest_of(other), size=256, data=other[:20]))
    bench.now = 1.0
    bench.send(ANNA, part(0, 10))
    bench.now = 500.0
    assert isinstance(bench.send(BEN, whole(bytes(256)))[0], Stored)
    # What arrived whole and what was touched later stay.
    assert received(bench.send(ANNA, part(0, 0))) == 10
    assert isinstance(bench.send(ANNA, replace(whole(b"kept"), data=b""))[0], Stored)
    [again] = bench.send(ANNA, StorePart(id="p", digest=digest_of(other), size=256, data=b""))
    assert isinstance(again, PartStored) and again.received == 0
    bench.spool.close()


def test_a_frame_gets_the_room_of_what_was_left(bench: ServiceBench) -> None:
    bench.send(ANNA, part(0, 10))
    large = Matte(id="a", frame=1, plate=Inline(data=bytes(380)), clean_plate=Inline(data=b"clean"))
    assert code_of(bench.send(BEN, large)) == "busy"
    bench.now = 121.0
    assert isinstance(bench.send(BEN, large)[0], Accepted)


def test_no_frame_gets_the_room_of_what_is_still_to_come(bench: ServiceBench) -> None:
    bench.send(ANNA, part(0, 10))
    assert bench.spool.make_room(744) and not bench.spool.make_room(745)
    bench.send(ANNA, part(10, 256))
    assert bench.spool.make_room(744) and not bench.spool.make_room(745)


def test_parts_that_do_not_fit_on_a_full_disk_are_thrown_away(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.send(ANNA, part(0, 100))
    with monkeypatch.context() as broken:
        broken.setattr(bench.spool, "extend", full)
        assert code_of(bench.send(ANNA, part(100, 200)))
    assert bench.files() == 0 and received(bench.send(ANNA, part(0, 100))) == 100


@pytest.mark.parametrize(("offset", "size"), [(-1, 256), (200, 256), (257, 256), (0, -1)])
def test_a_part_lies_within_its_picture(offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="within its size"):
        StorePart(id="p", digest=DIGEST, size=size, offset=offset, data=bytes(100))


def test_a_picture_beyond_the_limit_is_refused_before_its_bytes_come(bench: ServiceBench) -> None:
    for size, code in (((1 << 30) + 1, "too_large"), (1001, "spool_too_small")):
        question = StorePart(id="p", digest=DIGEST, size=size)
        assert code_of(bench.send(ANNA, question)) == code
        assert code_of(bench.send(ANNA, replace(question, data=b"x"))) == code


@pytest.mark.parametrize("is_in_parts", [True, False])
def test_a_picture_that_never_fits_is_refused_in_words(bench: ServiceBench, is_in_parts: bool) -> None:
    """A spool on a container's small disk: the client was told "busy", and sent the picture for ever."""
    picture = bytes(1 << 12)
    bench.spool.budget = 1 << 11
    digest = digest_of(picture)
    part = StorePart(id="p", digest=digest, size=len(picture), offset=0, data=picture[:100], name="c.exr")
    whole = Store(id="s", digest=digest, data=picture, name="c.exr")
    [answer] = bench.send(ANNA, part if is_in_parts else whole)
    assert isinstance(answer, Failure) and answer.code == "spool_too_small"
    assert "needs 0.0 MiB on the server" in answer.message and not bench.spool.used


def test_a_client_has_sixteen_pictures_on_their_way_at_most(tmp_path: Path) -> None:
    bench = ServiceBench(tmp_path, replace(LIMITS, spool=100_000, store=100_000))
    for number in range(16):
        first = StorePart(id="p", digest=digest_of(b"%d" % number), size=1000, data=b"x")
        assert isinstance(bench.send(ANNA, first)[0], PartStored)
    one_more = StorePart(id="p", digest=DIGEST, size=1000, data=b"x")
    assert code_of(bench.send(ANNA, one_more)) == "busy"
    assert isinstance(bench.send(BEN, one_more)[0], PartStored)
    # Another name of the same key is no other client.
    bench.owners = {ANNA: b"key", b"anna's other": b"key"}
    assert code_of(bench.send(b"anna's other", one_more)) == "busy"
    bench.spool.close()


def test_room_for_a_result_counts_the_pictures_that_are_named(tmp_path: Path) -> None:
    """A large plate is always named: before, no room was kept for what comes of it."""
    bench = ServiceBench(tmp_path, replace(LIMITS, spool=1000, store=400))
    bench.send(ANNA, Store(id="s", digest=DIGEST, data=DATA))
    request = Matte(id="a", frame=1, plate=Digest(DIGEST), clean_plate=Inline(data=b"clean"))
    assert isinstance(bench.send(ANNA, request)[0], Accepted)
    # 261 bytes are there and 256 are to come.
    assert bench.spool.make_room(483) and not bench.spool.make_room(484)
    bench.spool.close()
