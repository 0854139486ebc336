"""How large a picture goes in one piece, by where the server is and by how long large messages took."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matte_link.endpoint import Endpoint
from matte_link.link_speed import LARGEST_WHOLE, LARGEST_WHOLE_HERE, SLOW, LinkSpeed
from matte_link.messages import Blob, Inline, Matte, Message, Store, StorePart, digest_of

from .scripted_server import request

MIB = 1 << 20


class Clocked:
    """A link to this machine, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.speed = LinkSpeed(Endpoint(), clock=lambda: self.now)

    def wait(self, seconds: float) -> None:
        """The client waits and sees nothing come."""
        self.now += seconds
        self.speed.looked()

    @property
    def is_slow(self) -> bool:
        return self.speed.largest_whole < LARGEST_WHOLE_HERE


@pytest.fixture
def link() -> Clocked:
    return Clocked()


def plate(name: str, size: int) -> Matte:
    return replace(request(name), plate=Inline(data=bytes(size)))


def store(name: str, data: Blob) -> Store:
    return Store(name, digest=digest_of(b"any"), data=data)


@pytest.mark.parametrize("here", ["127.0.0.1", "localhost", "[::1]", "127.0.0.2"])
def test_a_plate_for_a_server_on_this_machine_is_sent_in_one_piece_and_not_hashed(here: str) -> None:
    """One in 4K of half floats, as Nuke renders it, but not a file of any size."""
    size = 2160 * 4096 * 3 * 2
    assert size < LinkSpeed(Endpoint(f"tcp://{here}:5560")).largest_whole < 2 * size


@pytest.mark.parametrize("far", ["10.0.0.7", "farm", "[fe80::1]", "128.0.0.1"])
def test_a_plate_for_another_machine_is_sent_in_parts(far: str) -> None:
    assert LinkSpeed(Endpoint(f"tcp://{far}:5560")).largest_whole < 1080 * 1920 * 3 * 2


@pytest.mark.parametrize("message", [plate("a", 32 * MIB), store("a", bytes(32 * MIB))])
@pytest.mark.parametrize(("seconds", "is_slow"), [(32 * MIB / SLOW - 0.01, False), (32 * MIB / SLOW + 0.01, True)])
def test_a_link_is_slow_where_a_large_message_took_long(
    link: Clocked, message: Message, seconds: float, is_slow: bool
) -> None:
    link.speed.sent(message)
    link.wait(seconds)
    link.speed.heard_of("b")
    assert not link.is_slow
    link.speed.heard_of("a")
    assert link.is_slow == is_slow
    # It stays so, and never sends more in one piece than to another machine.
    assert link.speed.largest_whole == (LARGEST_WHOLE if is_slow else LARGEST_WHOLE_HERE)


@pytest.mark.parametrize(
    "message",
    [
        plate("a", 7 * MIB),
        store("a", bytes(8 * MIB)),
        store("a", b""),
        StorePart("a", digest=digest_of(b"any"), size=32 * MIB, offset=0, data=bytes(4 * MIB)),
    ],
)
def test_what_is_not_large_says_nothing_however_long_the_server_is_busy(link: Clocked, message: Message) -> None:
    link.speed.sent(message)
    link.wait(3600.0)
    link.speed.heard_of("a")
    link.speed.broke()
    assert not link.is_slow


def test_several_messages_on_their_way_share_the_link(link: Clocked) -> None:
    """Four of 16 MiB take 7 s together: more than 8 MiB a second, although the last took 7 s by itself."""
    for name in "abcd":
        link.speed.sent(plate(name, 16 * MIB))
    for name in "abcd":
        link.wait(1.75)
        link.speed.heard_of(name)
    assert not link.is_slow
    # What has arrived is on its way no longer, and does not make a later one look faster.
    link.speed.sent(plate("e", 16 * MIB))
    link.wait(2.1)
    link.speed.heard_of("e")
    assert link.is_slow


@pytest.mark.parametrize(("seconds", "is_slow"), [(1.9, False), (2.1, True)])
def test_a_break_says_that_what_was_on_its_way_took_longer(link: Clocked, seconds: float, is_slow: bool) -> None:
    link.speed.sent(plate("a", 16 * MIB))
    link.wait(seconds)
    link.speed.broke()
    assert link.is_slow == is_slow
    # It is lost: how long it takes to come again is counted from when it is sent again.
    link.wait(3600.0)
    link.speed.heard_of("a")
    link.speed.broke()
    assert link.is_slow == is_slow


@pytest.mark.parametrize("looks_s", [0.0, 1.9])
def test_a_time_in_which_the_client_did_not_look_says_nothing_of_the_link(link: Clocked, looks_s: float) -> None:
    """A host that shows a dialog, a command that was stopped by Ctrl-Z: the answer was there long ago."""
    for has_arrived in (True, False):
        link.speed.sent(plate("a", 16 * MIB))
        link.wait(looks_s)
        link.now += 3600.0
        if has_arrived:
            link.speed.heard_of("a")
        else:
            link.speed.broke()
        assert not link.is_slow
        link.wait(0.0)
    link.speed.sent(plate("a", 16 * MIB))
    link.wait(2.1)
    link.now += 3600.0
    link.speed.heard_of("a")
    assert link.is_slow
