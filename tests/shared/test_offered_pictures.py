"""Which pictures are kept, for how long, and what is asked and sent for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matte_link import offered_pictures
from matte_link.link_speed import LARGEST_WHOLE
from matte_link.messages import (
    Blob,
    Digest,
    Failure,
    Inline,
    Message,
    Neighbour,
    Store,
    Stored,
    StorePart,
    digest_of,
)
from matte_link.offered_pictures import OfferedPictures, digests_named

from .scripted_server import request


def offered(*pictures: bytes) -> tuple[OfferedPictures, list[Message]]:
    """Pictures that are held in this order, and what they send."""
    sent: list[Message] = []
    made = OfferedPictures(sent.append, lambda: LARGEST_WHOLE)
    for data in pictures:
        assert made.hold(Inline(data)) == Digest(digest_of(data))
    return made, sent


def kept(pictures: OfferedPictures, *candidates: bytes) -> list[bytes]:
    return [data for data in candidates if digest_of(data) in pictures]


SIX = (b"1", b"2", b"3", b"4", b"5", b"6")


def test_the_latest_four_pictures_are_kept() -> None:
    pictures, _ = offered(*SIX)
    assert kept(pictures, *SIX) == list(SIX), "holding drops nothing: a request is about to name them"
    pictures.forget_unused(())
    assert kept(pictures, *SIX) == [b"3", b"4", b"5", b"6"]
    pictures.forget_unused(())
    assert len(pictures) == 4


def test_a_picture_in_use_is_kept_beside_the_latest_four() -> None:
    pictures, _ = offered(*SIX)
    pictures.forget_unused({digest_of(b"1")})
    assert kept(pictures, *SIX) == [b"1", b"3", b"4", b"5", b"6"]
    pictures.forget_unused(())
    assert kept(pictures, *SIX) == [b"3", b"4", b"5", b"6"]


def test_holding_a_picture_again_makes_it_the_latest_and_keeps_what_is_known_of_it() -> None:
    pictures, _ = offered(*SIX)
    pictures.mark_stored(digest_of(b"1"))
    pictures.hold(Inline(bytes(bytearray(b"1"))))
    assert len(pictures) == 6 and pictures.is_stored(digest_of(b"1"))
    pictures.forget_unused(())
    assert kept(pictures, *SIX) == [b"1", b"4", b"5", b"6"]


def test_an_array_that_changes_under_the_same_object_is_hashed_again() -> None:
    pictures, _ = offered()
    data = bytearray(b"before")
    view = memoryview(data)
    assert pictures.hold(Inline(view)).digest == digest_of(b"before")
    data[:] = b"after!"
    assert pictures.hold(Inline(view)).digest == digest_of(b"after!")


def test_the_same_bytes_object_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing takes 30 ms for a picture in HD, and a job holds its clean plate for every frame."""
    hashed: list[Blob] = []

    def counted(data: Blob) -> str:
        hashed.append(data)
        return digest_of(data)

    monkeypatch.setattr(offered_pictures, "digest_of", counted)
    pictures, _ = offered()
    first, equal = b"clean plate", bytes(bytearray(b"clean plate"))
    assert first is not equal
    for data in (first, first, equal, equal):
        assert pictures.hold(Inline(data)).digest == digest_of(first)
    assert [data is first for data in hashed] == [True, False]


def test_a_missing_picture_is_asked_for_once_and_again_over_a_new_connection() -> None:
    pictures, sent = offered(b"1")
    digest = digest_of(b"1")
    assert pictures.ask_for_missing([digest]) and pictures.ask_for_missing([digest])
    [question] = sent
    assert question == Store(question.id, digest=digest, data=b"")
    pictures.forget_server()
    assert pictures.ask_for_missing([digest])
    assert len(sent) == 2
    # The answer to the first question came over the old connection.
    assert pictures.deliver(Stored(question.id, digest=digest)) == "" and not pictures.is_stored(digest)
    assert pictures.deliver(Stored(sent[1].id, digest=digest)) == digest
    assert not pictures.ask_for_missing([digest]) and len(sent) == 2


def test_a_digest_that_is_not_held_here_is_not_asked_for() -> None:
    pictures, sent = offered(b"1")
    pictures.mark_stored(digest_of(b"1"))
    assert not pictures.ask_for_missing([digest_of(b"1"), digest_of(b"elsewhere")]) and sent == []


def test_a_request_names_its_clean_plate_and_with_neighbours_all_of_its_pictures() -> None:
    pictures, _ = offered()
    alone = pictures.name_pictures(request())
    assert digests_named(alone) == [digest_of(b"clean")] and alone.plate == Inline(b"plate")
    sequence = replace(request(), after=Neighbour(Inline(b"next"), core=Inline(b"core")))
    named = pictures.name_pictures(sequence)
    assert digests_named(named) == [digest_of(data) for data in (b"plate", b"clean", b"next", b"core")]


def uploaded() -> tuple[OfferedPictures, str, str]:
    """Pictures of which one was uploaded, its digest, and the id of the message that carried it."""
    pictures, sent = offered(b"1")
    pictures.upload(digest_of(b"1"))
    [upload] = sent
    assert upload == Store(upload.id, digest=digest_of(b"1"), data=b"1")
    return pictures, digest_of(b"1"), upload.id


def test_a_picture_that_found_no_room_counts_as_missing_once_that_is_taken_note_of() -> None:
    pictures, digest, upload_id = uploaded()
    assert pictures.is_stored(digest) and not pictures.take_refusal(digest)
    assert pictures.deliver(Failure(upload_id, code="busy", message="There is no room.")) == ""
    assert pictures.is_stored(digest)
    assert pictures.take_refusal(digest) and not pictures.is_stored(digest)
    assert not pictures.take_refusal(digest)


@pytest.mark.parametrize("failure", [True, False])
def test_any_other_answer_to_an_upload_is_no_refusal(failure: bool) -> None:
    pictures, digest, upload_id = uploaded()
    other = Failure(upload_id, code="disk_full", message="The disk is full.")
    pictures.deliver(other if failure else Stored(upload_id, digest=digest))
    assert not pictures.take_refusal(digest)


def test_a_picture_that_can_never_be_stored_ends_what_names_it() -> None:
    """A damaged one is sent again; any other reason would be the same the next time."""
    pictures, digest, upload_id = uploaded()
    assert pictures.deliver(Failure(upload_id, code="wrong_digest", message="It is damaged.")) == ""
    assert pictures.failure_of(digest) is None
    refusal = Failure(upload_id, code="spool_too_small", message="There is room for 1.0 MiB.")
    assert pictures.deliver(refusal) == digest
    assert pictures.failure_of(digest) == refusal and not pictures.is_stored(digest)
    pictures.upload(digest)
    assert pictures.failure_of(digest) is None


def test_a_refusal_is_forgotten_with_the_server_that_made_it() -> None:
    pictures, digest, upload_id = uploaded()
    pictures.deliver(Failure(upload_id, code="busy", message="There is no room."))
    pictures.forget_server()
    assert not pictures.take_refusal(digest) and not pictures.is_stored(digest)


def test_a_picture_that_was_held_for_one_piece_goes_in_parts_once_the_link_is_slow() -> None:
    sent: list[Message] = []
    largest = [4 << 20]
    pictures = OfferedPictures(sent.append, lambda: largest[-1])
    digest = pictures.hold(Inline(bytes(2 << 20))).digest
    pictures.ask_for_missing([digest])
    assert isinstance(sent[-1], Store)
    largest.append(1 << 20)
    # One that the server was asked about is not asked about twice.
    pictures.ask_for_missing([digest])
    assert len(sent) == 1
    pictures.forget_server()
    pictures.ask_for_missing([digest])
    assert isinstance(sent[-1], StorePart)
