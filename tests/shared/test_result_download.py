"""A result that is fetched in parts: what is asked, what is kept over a break, and when it is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matte_link import result_download
from matte_link.messages import (
    Accepted,
    Cancel,
    Failure,
    FetchResult,
    Matte,
    MatteReply,
    Message,
    ResultPart,
    Stored,
    digest_of,
)
from matte_link.result_download import ResultDownload

from .scripted_server import request
from .test_outstanding import Wire

DATA = bytes(range(256)) * 4
DIAGNOSTICS = {"n": 1}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_download, "PART", 100)


def part(question: Message, data: bytes = DATA, result: str = "first") -> ResultPart:
    """What a server with that result answers."""
    assert isinstance(question, FetchResult) and question.target == "r1"
    return ResultPart(
        id=question.id,
        result=result,
        size=len(data),
        offset=question.offset,
        data=data[question.offset : question.offset + question.length],
        diagnostics={} if question.offset else DIAGNOSTICS,
    )


def finish(download: ResultDownload, sent: list[Message], data: bytes = DATA, result: str = "first") -> None:
    while sent:
        assert download.takes(part(sent.pop(0), data, result))


@pytest.mark.parametrize("answered", [0, 1, 4, 10])
def test_after_a_break_no_byte_is_asked_for_twice(answered: int) -> None:
    sent: list[Message] = []
    download = ResultDownload(request("r1"), sent.append)
    download.begin()
    for _ in range(answered):
        assert download.takes(part(sent.pop(0)))
    # What was on its way is lost with the connection.
    sent.clear()
    download.begin()
    assert [each.offset for each in sent if isinstance(each, FetchResult)] == [100 * answered]
    finish(download, sent)
    assert download.reply == MatteReply(id="r1", frame=1, data=DATA, diagnostics=DIAGNOSTICS)
    assert not download.is_under_way


def test_no_more_than_eight_parts_are_on_their_way_and_all_are_asked_for() -> None:
    sent: list[Message] = []
    download = ResultDownload(request("r1"), sent.append)
    download.begin()
    assert len(sent) == 1
    offsets = []
    while sent:
        assert len(sent) <= 8
        question = sent.pop(0)
        assert isinstance(question, FetchResult)
        offsets.append(question.offset)
        download.takes(part(question))
    assert offsets == list(range(0, len(DATA), 100))


def test_a_frame_that_was_computed_again_is_fetched_from_its_first_byte() -> None:
    sent: list[Message] = []
    download = ResultDownload(request("r1"), sent.append)
    download.begin()
    for _ in range(3):
        download.takes(part(sent.pop(0)))
    sent.clear()
    download.begin()
    other = bytes(reversed(DATA))
    finish(download, sent, other, "second")
    assert download.reply is not None and download.reply.data == other


def test_a_link_that_breaks_every_ten_seconds_lets_a_result_through_at_50_kilobytes_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It breaks before a part of 1 MiB has come, and before one of 256 KiB has where two are on their way."""
    monkeypatch.undo()
    data = bytes(range(256)) * 12_000
    sent: list[Message] = []
    download = ResultDownload(request("r1"), sent.append)
    breaks = 0
    while download.reply is None:
        sent.clear()
        download.begin()
        budget = 10 * 50_000
        while sent and (budget := budget - len((arrived := part(sent.pop(0), data)).data)) >= 0:
            assert download.takes(arrived)
        breaks += 1
        assert breaks < 60
    assert bytes(download.reply.data) == data
    # One comes to nothing with parts of 1 MiB; of each other one at most a part of 256 KiB is lost.
    assert breaks <= 2 + len(data) / (10 * 50_000 - (256 << 10))


def accepted(wire: Wire) -> Matte:
    """A request that the server has taken on, and whose connection has broken and come back."""
    made = wire.add_stored()
    wire.requests.deliver(Accepted("r1"))
    wire.requests.send_all()
    return made


def test_a_request_that_was_accepted_has_its_result_fetched() -> None:
    wire = Wire()
    accepted(wire)
    while sent := wire.take_sent():
        for question in sent:
            wire.requests.deliver(part(question))
    assert wire.requests.next_answer() == MatteReply(id="r1", frame=1, data=DATA, diagnostics=DIAGNOSTICS)
    assert wire.requests.ids == ()


def test_without_a_result_the_request_is_sent_again() -> None:
    """The server has not finished it, or it does not know the question."""
    answers: list[ResultPart | Failure] = [
        ResultPart("?"),
        Failure("?", code="protocol", message="Its type is unknown."),
    ]
    for answer in answers:
        wire = Wire()
        made = accepted(wire)
        [question] = wire.take_sent()
        wire.requests.deliver(replace(answer, id=question.id))
        # The server may be a new one: whether it has the clean plate is asked first.
        [asked] = wire.take_sent()
        wire.requests.deliver(Stored(asked.id, digest=digest_of(b"clean")))
        assert wire.take_sent() == [made]
        wire.requests.deliver(MatteReply(id="r1", frame=1, data=b"whole"))
        answered = wire.requests.next_answer()
        assert isinstance(answered, MatteReply) and answered.data == b"whole"


def test_what_was_never_accepted_or_is_written_elsewhere_is_sent_again_at_once() -> None:
    wire = Wire()
    wire.add_stored()
    wire.requests.add(replace(request("r2"), output="/shots/matte.exr"))
    wire.requests.deliver(Accepted("r2"))
    wire.requests.send_all()
    assert not any(isinstance(each, FetchResult) for each in wire.take_sent())


def test_a_cancelled_download_ends_here() -> None:
    wire = Wire()
    accepted(wire)
    wire.take_sent()
    wire.requests.cancel("r1")
    answer = wire.requests.next_answer()
    assert isinstance(answer, Failure) and answer.code == "cancelled" and wire.requests.ids == ()
    assert not any(isinstance(each, Cancel) for each in wire.take_sent())
