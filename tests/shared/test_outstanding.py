"""What is sent for outstanding requests, and when: no socket, and a clock that the test sets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matte_link import outstanding
from matte_link.link_speed import LARGEST_WHOLE
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Learn,
    LearnFrame,
    Matte,
    MatteReply,
    Message,
    Progress,
    Store,
    Stored,
    StorePart,
    digest_of,
)
from matte_link.offered_pictures import OfferedPictures
from matte_link.outstanding import OutstandingRequests
from matte_link.wire import WireLimits, too_large

from .scripted_server import request


class Wire:
    """Outstanding requests of which every message that they send is kept; ``now`` is their clock. Pictures of more
    than ``largest_whole`` bytes are sent in parts."""

    def __init__(self, largest_whole: int = LARGEST_WHOLE) -> None:
        self.sent: list[Message] = []
        self.largest_whole = largest_whole
        self.now = 100.0
        self.pictures = OfferedPictures(self.sent.append, lambda: self.largest_whole)
        self.requests = OutstandingRequests(self.pictures, self.sent.append, clock=lambda: self.now)

    def take_sent(self) -> list[Message]:
        """What was sent since the last call."""
        sent, self.sent[:] = list(self.sent), []
        return sent

    def add(self, name: str = "r1") -> Matte:
        """A request whose clean plate is held here and named by digest."""
        made = self.pictures.name_pictures(request(name))
        self.requests.add(made)
        return made

    def add_stored(self, name: str = "r1") -> Matte:
        """A request whose clean plate the server has."""
        made = self.pictures.name_pictures(request(name))
        self.pictures.mark_stored(digest_of(b"clean"))
        self.requests.add(made)
        assert self.take_sent() == [made]
        return made


@pytest.fixture
def wire() -> Wire:
    return Wire()


def busy(name: str = "r1") -> Failure:
    return Failure(name, code="busy", message="The queue is full.")


def unknown(name: str = "r1") -> Failure:
    return Failure(name, code="clean_plate_unknown", message="The clean plate is not stored.")


def test_a_busy_request_waits_twice_as_long_each_time_up_to_four_seconds(wire: Wire) -> None:
    made = wire.add_stored()
    for delay in (0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0):
        wire.requests.deliver(busy())
        # The delays are sums of powers of two, so the clock's arithmetic is exact here.
        wire.now += delay - 1 / 1024
        wire.requests.send_due()
        assert wire.take_sent() == []
        wire.now += 1 / 1024
        wire.requests.send_due()
        assert wire.take_sent() == [made]
        wire.requests.send_due()
        assert wire.take_sent() == []
    assert wire.requests.ids == ("r1",) and wire.requests.next_answer() is None


def test_delays_grow_for_each_request_by_itself_and_are_not_reset_by_progress(wire: Wire) -> None:
    wire.add_stored("r1")
    wire.requests.deliver(busy("r1"))
    wire.now += 0.25
    wire.requests.send_due()
    wire.requests.deliver(Accepted("r1"))
    second = wire.add("r2")
    assert wire.take_sent()[-1] == second
    wire.requests.deliver(busy("r1"))
    wire.requests.deliver(busy("r2"))
    wire.now += 0.25
    wire.requests.send_due()
    assert wire.take_sent() == [second]
    wire.now += 0.25
    wire.requests.send_due()
    assert [message.id for message in wire.take_sent()] == ["r1"]


def test_a_request_that_is_cancelled_while_it_waits_is_cancelled_when_it_is_sent(wire: Wire) -> None:
    made = wire.add_stored()
    wire.requests.deliver(busy())
    wire.requests.cancel("r1")
    assert [type(message) for message in wire.take_sent()] == [Cancel]
    wire.now += 0.25
    wire.requests.send_due()
    sent, cancel = wire.take_sent()
    assert sent == made and isinstance(cancel, Cancel) and cancel.target == "r1"


@pytest.mark.parametrize("failure", [busy(), unknown()])
def test_a_cancelled_request_ends_with_whatever_failure_comes(wire: Wire, failure: Failure) -> None:
    wire.add_stored()
    wire.requests.cancel("r1")
    wire.take_sent()
    wire.requests.deliver(failure)
    assert wire.requests.next_answer() == failure
    assert wire.requests.ids == () and wire.take_sent() == []


def test_everything_outstanding_is_sent_again_over_a_new_connection_and_the_pictures_are_asked_for(
    wire: Wire,
) -> None:
    first, second = wire.add_stored("r1"), wire.add_stored("r2")
    wire.requests.cancel("r2")
    wire.take_sent()
    wire.requests.send_all()
    asked, cancel = wire.take_sent()
    assert isinstance(asked, Store) and not asked.data and isinstance(cancel, Cancel)
    wire.requests.deliver(Stored(asked.id, digest=asked.digest))
    sent = wire.take_sent()
    assert sent[:2] == [first, second] and isinstance(sent[2], Cancel) and sent[2].target == "r2"


def test_a_request_is_sent_after_the_picture_that_the_server_lacks(wire: Wire) -> None:
    made = wire.add()
    [asked] = wire.take_sent()
    assert isinstance(asked, Store) and not asked.data
    second = wire.add("r2")
    assert wire.take_sent() == [], "a picture that is asked for is not asked for twice"
    wire.requests.deliver(unknown(asked.id))
    upload, *sent = wire.take_sent()
    assert isinstance(upload, Store) and upload.data == b"clean"
    assert sent == [made, second]


def test_a_busy_request_is_not_sent_before_its_time_because_a_picture_has_arrived(wire: Wire) -> None:
    wire.add_stored()
    wire.requests.deliver(busy())
    wire.requests.send_all()
    [asked] = wire.take_sent()
    wire.requests.deliver(Stored(asked.id, digest=digest_of(b"clean")))
    assert wire.take_sent() == []


def test_a_picture_is_sent_three_times_again_for_a_request_and_no_more(wire: Wire) -> None:
    made = wire.add_stored()
    for _ in range(3):
        wire.requests.deliver(unknown())
        upload, sent = wire.take_sent()
        assert isinstance(upload, Store) and upload.data == b"clean" and sent == made
    wire.requests.deliver(unknown())
    assert wire.requests.next_answer() == unknown()
    assert wire.take_sent() == []


def test_a_picture_that_found_no_room_is_sent_later_as_often_as_it_takes(wire: Wire) -> None:
    made = wire.add()
    wire.take_sent()
    for delay in (0.25, 0.5, 1.0, 2.0, 4.0):
        wire.requests.send_all()
        [asked] = wire.take_sent()
        wire.requests.deliver(unknown(asked.id))
        [upload] = [message for message in wire.take_sent() if isinstance(message, Store)]
        wire.requests.deliver(busy(upload.id))
        wire.requests.deliver(unknown())
        assert wire.take_sent() == []
        wire.now += delay
        wire.requests.send_due()
        [asked] = wire.take_sent()
        assert isinstance(asked, Store) and not asked.data
    wire.requests.deliver(Stored(asked.id, digest=digest_of(b"clean")))
    assert wire.take_sent() == [made]


@pytest.mark.parametrize("code", ["plate_unknown", "core_unknown", "nothing_unknown", "not_finite"])
def test_a_failure_that_nothing_here_can_mend_is_the_answer(wire: Wire, code: str) -> None:
    wire.add_stored()
    failure = Failure("r1", code=code, message="It failed.")
    wire.requests.deliver(failure)
    assert wire.requests.next_answer() == failure and wire.take_sent() == []


def test_a_picture_that_the_server_can_never_store_is_the_answer(wire: Wire) -> None:
    """Sent again and again, it was refused each time."""
    wire.add()
    [question] = wire.take_sent()
    assert isinstance(question, Store)
    wire.requests.deliver(unknown(question.id))
    upload = next(message for message in wire.take_sent() if isinstance(message, Store))
    refusal = Failure(upload.id, code="spool_too_small", message="There is room for 1 MiB.")
    wire.requests.deliver(refusal)
    assert wire.requests.next_answer() == Failure("r1", code="spool_too_small", message="There is room for 1 MiB.")
    assert wire.take_sent() == [] and wire.requests.ids == ()


def test_a_lost_picture_that_is_not_held_here_is_the_answer(wire: Wire) -> None:
    elsewhere = Matte("r1", frame=1, plate=Inline(b"plate"), clean_plate=Digest("0a" * 32))
    wire.requests.add(elsewhere)
    assert wire.take_sent() == [elsewhere]
    wire.requests.deliver(unknown())
    assert wire.requests.next_answer() == unknown() and wire.take_sent() == []


def test_pictures_of_outstanding_requests_are_kept_and_older_ones_dropped(wire: Wire) -> None:
    for number in range(8):
        named = wire.pictures.name_pictures(request(f"r{number}", clean_plate=b"clean %d" % number))
        wire.requests.add(named)
        if 0 < number < 4:
            wire.requests.forget(named.id)
    kept = [number for number in range(8) if digest_of(b"clean %d" % number) in wire.pictures]
    # The first one is still outstanding, and so are the latest four.
    assert kept == [0, 4, 5, 6, 7]


def test_cancelling_an_unknown_request_reaches_the_server_and_changes_nothing(wire: Wire) -> None:
    wire.requests.cancel("stranger")
    [cancel] = wire.take_sent()
    assert isinstance(cancel, Cancel) and cancel.target == "stranger" and wire.requests.ids == ()


def test_answers_come_in_order_and_each_once(wire: Wire) -> None:
    wire.add_stored("r1")
    wire.add_stored("r2")
    for name in ("r2", "r2", "r1", "stranger"):
        wire.requests.deliver(MatteReply(name, frame=1, data=b"exr"))
    answers = [wire.requests.next_answer() for _ in range(3)]
    assert [answer.id if answer else None for answer in answers] == ["r2", "r1", None]


def test_an_answer_to_a_forgotten_request_is_dropped(wire: Wire) -> None:
    wire.add_stored()
    wire.requests.forget("r1")
    wire.requests.deliver(MatteReply("r1", frame=1, data=b"exr"))
    assert wire.requests.next_answer() is None


def test_progress_reaches_its_own_request(wire: Wire) -> None:
    seen: dict[str, list[Message]] = {"r1": [], "r2": []}
    for name, messages in seen.items():
        wire.requests.add(request(name), messages.append)
    progress = Progress("r2", stage="align", done=0, total=7)
    wire.requests.deliver(Accepted("r1"))
    wire.requests.deliver(progress)
    assert seen == {"r1": [Accepted("r1")], "r2": [progress]}
    assert wire.requests.ids == ("r1", "r2")


def test_a_frame_that_is_refused_again_and_again_is_uploaded_once(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first "busy" the server is asked for the pictures by digest, and then has them."""
    monkeypatch.setattr(outstanding, "_WORTH_NAMING", 0)
    made = wire.add_stored()
    plates = [message for message in wire.take_sent() if isinstance(message, Matte)]
    uploads = 0
    for _ in range(5):
        wire.requests.deliver(busy())
        wire.now += 10
        wire.requests.send_due()
        for message in wire.take_sent():
            if isinstance(message, Store):
                uploads += bool(message.data)
                stored = Stored(id=message.id, digest=message.digest)
                unknown = Failure(id=message.id, code="clean_plate_unknown", message="It is not here.")
                wire.requests.deliver(stored if message.data else unknown)
        for message in wire.take_sent():
            if isinstance(message, Store):
                uploads += 1
            if isinstance(message, Matte):
                plates.append(message)
    assert uploads == 1
    assert plates and not any(isinstance(message.plate, Inline) for message in plates)
    assert isinstance(made.plate, Inline)


def test_many_pictures_that_are_named_need_not_fit_into_one_message(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the frames of a shot that is learnt: each of them travels by itself."""
    small = WireLimits(header=10, blob=100, total=250)
    monkeypatch.setattr("matte_link.wire.DEFAULT_LIMITS", small)
    frames = tuple(
        LearnFrame(frame=number, plate=Inline(b"%d" % number * 90), clean_plate=Inline(b"clean"))
        for number in range(1, 5)
    )
    wire.requests.add(wire.pictures.name_pictures(Learn(id="l", frames=frames)))
    assert wire.requests.next_answer() is None and wire.requests.ids == ("l",)
    larger = replace(frames[0], plate=Inline(b"x" * 101, "large.exr"))
    wire.requests.add(wire.pictures.name_pictures(Learn(id="m", frames=(larger,))))
    answer = wire.requests.next_answer()
    assert isinstance(answer, Failure) and (answer.id, answer.code) == ("m", "too_large")
    assert answer.message.startswith("large.exr")


def test_the_largest_of_several_pictures_is_named_whichever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matte_link.wire.DEFAULT_LIMITS", WireLimits(header=10, blob=100, total=250))
    small, large = Inline(b"x" * 50, "small.exr"), Inline(b"x" * 101, "large.exr")
    for pictures in ((small, large), (large, small)):
        refused = too_large(pictures)
        assert refused is not None and refused.message.startswith("large.exr has")
    one_more = replace(large, data=bytes((1 << 20) + 1))
    monkeypatch.setattr("matte_link.wire.DEFAULT_LIMITS", WireLimits(header=10, blob=1 << 20, total=4 << 20))
    refused = too_large([one_more])
    assert refused is not None and refused.message == "large.exr has 2 MiB; no more than 1 MiB can be sent."
    monkeypatch.setattr("matte_link.wire.DEFAULT_LIMITS", WireLimits(header=10, blob=100, total=250))
    hundred = Inline(b"x" * 100)
    assert too_large([hundred, hundred]) is None
    assert too_large([hundred, hundred, small]) is not None, "50 too many together, with the header"


def test_a_request_that_breaks_twice_on_its_way_is_taken_back_and_sent_in_parts(wire: Wire) -> None:
    """The server may have it all the same: then its own id would come again with other content."""
    large = replace(request("r1"), plate=Inline(data=bytes(1 << 20)))
    wire.requests.add(large)
    wire.requests.send_all()
    assert wire.take_sent() == [large, large]
    wire.requests.send_all()
    cancel, *asked = wire.take_sent()
    assert isinstance(cancel, Cancel) and cancel.target == "r1"
    assert [type(each) for each in asked] == [StorePart, Store], "the clean plate is small"
    # The server had it: what it says of the cancelled form is no answer. A user who cancels gets one.
    wire.requests.deliver(Failure(id="r1", code="cancelled", message="The matte was cancelled."))
    assert wire.requests.next_answer() is None and wire.requests.ids == ("r1",)
    for each in asked:
        assert isinstance(each, (Store, StorePart))
        wire.requests.deliver(Stored(each.id, digest=each.digest))
    [named] = wire.take_sent()
    assert isinstance(named, Matte) and isinstance(named.plate, Digest)
    wire.requests.cancel("r1")
    wire.requests.deliver(Failure(id="r1", code="cancelled", message="The matte was cancelled."))
    assert isinstance(wire.requests.next_answer(), Failure)


def test_where_the_link_turned_out_to_be_slow_a_large_picture_goes_in_parts_after_one_break(wire: Wire) -> None:
    large = replace(request("r1"), plate=Inline(data=bytes(1 << 20)))
    wire.requests.add(large)
    assert wire.take_sent() == [large]
    wire.largest_whole = 1 << 19
    wire.requests.send_all()
    cancel, part = wire.take_sent()
    assert isinstance(cancel, Cancel) and cancel.target == "r1" and isinstance(part, StorePart)
    wire.requests.deliver(Stored(part.id, digest=part.digest))
    [named] = wire.take_sent()
    assert isinstance(named, Matte) and isinstance(named.plate, Digest), "a small picture goes along as before"
    assert isinstance(named.clean_plate, Inline)
    # What the server says of the form that was taken back is no answer.
    wire.requests.deliver(Failure(id="r1", code="cancelled", message="The matte was cancelled."))
    assert wire.requests.ids == ("r1",)
    # One that the server has not seen need not be taken back.
    wire.requests.add(replace(large, id="r2"))
    assert all(not isinstance(each, Cancel) for each in wire.take_sent())


def test_a_request_that_the_server_reported_on_stays_as_it_is_however_often_the_connection_breaks(
    wire: Wire,
) -> None:
    large = replace(request("r1"), plate=Inline(data=bytes(1 << 20)), output="/shots/matte.exr")
    wire.requests.add(large)
    for _ in range(4):
        wire.requests.deliver(Accepted("r1"))
        wire.requests.send_all()
    assert wire.take_sent() == [large] * 5
