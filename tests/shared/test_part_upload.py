"""A large picture's parts: what is asked, sent, sent again and no longer sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from matte_link import offered_pictures, part_upload
from matte_link.messages import (
    Cancel,
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
from matte_link.offered_pictures import OfferedPictures
from matte_link.part_upload import PartUpload
from matte_link.roles import sources_of

from .scripted_server import request
from .test_outstanding import Wire

DATA = bytes(range(256)) * 4
DIGEST = digest_of(DATA)
LARGEST_WHOLE = 300


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 100 bytes."""
    monkeypatch.setattr(part_upload, "PART", 100)


class Far:
    """A server that keeps what it is sent; ``received`` is how much that is."""

    def __init__(self, received: int = 0) -> None:
        self.kept = bytearray(DATA[:received])
        self.sent: list[StorePart] = []

    def send(self, message: Message) -> None:
        assert isinstance(message, StorePart)
        self.sent.append(message)

    def answers(self) -> Iterator[Message]:
        """Answers everything that is on its way, in order."""
        while self.sent:
            part = self.sent.pop(0)
            assert (part.digest, part.size, part.name) == (DIGEST, len(DATA), "plate.exr")
            if part.offset == len(self.kept):
                self.kept += part.data
            done = len(self.kept) == len(DATA)
            if done:
                yield Stored(part.id, digest=DIGEST)
            else:
                yield PartStored(part.id, digest=DIGEST, received=len(self.kept))


@pytest.mark.parametrize("received", [0, 1, 100, 1023])
def test_a_picture_goes_on_from_what_the_server_has_and_no_byte_is_sent_twice(received: int) -> None:
    far = Far(received)
    sent: list[StorePart] = []

    def send(message: Message) -> None:
        assert isinstance(message, StorePart)
        sent.append(message)
        far.send(message)

    upload = PartUpload(DIGEST, DATA, "plate.exr", send)
    upload.begin()
    for answer in far.answers():
        assert upload.takes(answer)
    assert bytes(far.kept) == DATA and not upload.is_under_way
    assert sum(len(part.data) for part in sent) == len(DATA) - received
    assert max(len(part.data) for part in sent) <= 100


def test_four_parts_are_on_their_way_at_once_and_each_answer_sends_another() -> None:
    far = Far()
    upload = PartUpload(DIGEST, DATA, "plate.exr", far.send)
    upload.begin()
    assert upload.takes(next(far.answers()))
    assert [part.offset for part in far.sent] == [0, 100, 200, 300]
    assert upload.takes(PartStored(far.sent[0].id, digest=DIGEST, received=100))
    assert [part.offset for part in far.sent] == [0, 100, 200, 300, 400]


def test_a_server_that_lost_what_it_had_gets_it_from_there_on() -> None:
    """It was started again: the parts on their way come to nothing, and their answers are not taken."""
    far = Far(500)
    upload = PartUpload(DIGEST, DATA, "plate.exr", far.send)
    upload.begin()
    assert upload.takes(next(far.answers()))
    far.kept.clear()
    late = list(far.answers())
    assert [upload.takes(answer) for answer in late] == [True, False, False, False]
    for answer in far.answers():
        upload.takes(answer)
    assert bytes(far.kept) == DATA


def test_a_new_connection_asks_again_and_takes_no_answer_of_the_old_one() -> None:
    far = Far()
    upload = PartUpload(DIGEST, DATA, "plate.exr", far.send)
    upload.begin()
    old = next(far.answers())
    upload.begin()
    assert not upload.takes(old) and upload.is_under_way
    assert not far.sent[0].data


def large(name: str = "r1") -> Matte:
    return Matte(name, frame=1, plate=Inline(DATA, "plate.exr"), clean_plate=Digest("0a" * 32))


def parts(wire: Wire) -> list[StorePart]:
    return [message for message in wire.take_sent() if isinstance(message, StorePart)]


def test_a_request_waits_for_all_parts_and_names_the_picture() -> None:
    wire = Wire(LARGEST_WHOLE)
    wire.requests.add(large())
    [question] = parts(wire)
    assert not question.data
    wire.requests.deliver(PartStored(question.id, digest=DIGEST, received=1000))
    [last] = parts(wire)
    assert bytes(last.data) == DATA[1000:]
    wire.requests.deliver(Stored(last.id, digest=DIGEST))
    [sent] = wire.take_sent()
    assert isinstance(sent, Matte) and sent.plate == Digest(DIGEST)


def test_a_small_picture_goes_along_with_its_request_as_before() -> None:
    wire = Wire(LARGEST_WHOLE)
    wire.requests.add(request())
    assert wire.take_sent() == [request()]


def test_a_part_that_finds_no_room_is_sent_later_from_where_it_was() -> None:
    wire = Wire(LARGEST_WHOLE)
    wire.requests.add(large())
    [question] = parts(wire)
    wire.requests.deliver(Failure(question.id, code="busy", message="There is no room."))
    assert wire.take_sent() == []
    wire.now += 0.25
    wire.requests.send_due()
    [again] = parts(wire)
    wire.requests.deliver(PartStored(again.id, digest=DIGEST, received=900))
    assert [part.offset for part in parts(wire)] == [900, 1000]


def test_a_part_that_is_refused_ends_every_request_that_names_the_picture() -> None:
    wire = Wire(LARGEST_WHOLE)
    for name in ("r1", "r2"):
        wire.requests.add(large(name))
    [question] = parts(wire)
    refusal = Failure(question.id, code="disk_full", message="The server's disk is full.")
    wire.requests.deliver(refusal)
    assert [wire.requests.next_answer() for _ in range(3)] == [
        Failure("r1", code="disk_full", message="The server's disk is full."),
        Failure("r2", code="disk_full", message="The server's disk is full."),
        None,
    ]


def test_a_cancelled_request_ends_here_and_its_parts_stop_unless_another_needs_them() -> None:
    wire = Wire(LARGEST_WHOLE)
    for name in ("r1", "r2"):
        wire.requests.add(large(name))
    [question] = parts(wire)
    wire.requests.cancel("r1")
    answer = wire.requests.next_answer()
    assert isinstance(answer, Failure) and (answer.id, answer.code) == ("r1", "cancelled")
    wire.requests.deliver(PartStored(question.id, digest=DIGEST, received=0))
    on_their_way = parts(wire)
    assert len(on_their_way) == 4
    wire.requests.cancel("r2")
    wire.requests.deliver(PartStored(on_their_way[0].id, digest=DIGEST, received=100))
    assert wire.take_sent() == [] and wire.requests.ids == ()


def test_a_request_that_was_sent_is_cancelled_on_the_server() -> None:
    wire = Wire(LARGEST_WHOLE)
    wire.requests.add(large())
    [question] = parts(wire)
    wire.requests.deliver(Stored(question.id, digest=DIGEST))
    wire.take_sent()
    wire.requests.cancel("r1")
    [cancel] = wire.take_sent()
    assert isinstance(cancel, Cancel) and cancel.target == "r1" and wire.requests.ids == ("r1",)


def test_an_upload_that_is_under_way_in_parts_goes_on_when_parts_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offered_pictures, "SMALLEST_PART", 100)
    sent: list[Message] = []
    pictures = OfferedPictures(sent.append, lambda: LARGEST_WHOLE)
    pictures.hold(Inline(data=DATA))
    pictures.ask_for_missing([DIGEST])
    pictures.send_in_parts([DIGEST])
    pictures.ask_for_missing([DIGEST])
    assert len(sent) == 1, "the server is not asked a second time"


@pytest.mark.parametrize("speed", [50_000, 250_000])
def test_a_link_that_breaks_every_ten_seconds_lets_everything_through_at_any_speed(
    speed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plate of 3 MB goes along with its request, which never arrives whole; nor does a part of 4 MiB."""
    monkeypatch.undo()
    plate = bytes(range(256)) * 12_000
    wire, kept = Wire(LARGEST_WHOLE), bytearray()
    wire.requests.add(replace(request("r1"), plate=Inline(data=plate)))
    breaks = 0
    while not (arrived := _before_the_break(wire, plate, kept, 10 * speed)):
        breaks += 1
        assert breaks < 60
        wire.requests.send_all()
    assert bytes(kept) == plate and isinstance(arrived.plate, Digest)
    # At most half of each connection's bytes is lost, and the first three: whole, whole, and in too large parts.
    assert breaks <= 4 + 2 * len(plate) / (10 * speed)


def _before_the_break(wire: Wire, plate: bytes, kept: bytearray, budget: int) -> Matte | None:
    """Passes on what is sent, in order, until ``budget`` bytes have passed; returns the request if it arrived."""
    while message := next(iter(wire.sent), None):
        del wire.sent[0]
        budget -= _size_of(message)
        if budget < 0:
            wire.sent.clear()
            return None
        if isinstance(message, Matte):
            return message
        if isinstance(message, Store):
            wire.requests.deliver(Stored(message.id, digest=message.digest))
        elif isinstance(message, StorePart):
            assert message.size == len(plate) and message.digest == digest_of(plate)
            if message.offset == len(kept):
                kept += message.data
            is_whole = len(kept) == len(plate)
            answer = (
                Stored(id=message.id, digest=message.digest)
                if is_whole
                else PartStored(id=message.id, digest=message.digest, received=len(kept))
            )
            wire.requests.deliver(answer)
    return None


def _size_of(message: Message) -> int:
    pictures = sources_of(message).values() if isinstance(message, Matte) else [message]
    return sum(len(getattr(picture, "data", b"")) for picture in pictures)
