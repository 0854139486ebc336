"""How large parts are after connections have broken."""

from __future__ import annotations

from matte_link.part_size import SMALLEST_PART, PartSize

KIB = 1 << 10


def test_parts_shrink_only_where_a_connection_broke_before_one_got_through() -> None:
    part = PartSize(4096 * KIB)
    part.reconnected()
    assert part.bytes == 4096 * KIB, "nothing was on its way"
    part.first_sent()
    part.reconnected()
    assert part.bytes == 1024 * KIB
    part.reconnected()
    assert part.bytes == 1024 * KIB, "nothing was sent on the last connection"
    part.first_sent()
    part.got_through()
    part.reconnected()
    assert part.bytes == 1024 * KIB, "one got through"
    part.first_sent()
    part.reconnected()
    assert part.bytes == 256 * KIB


def test_parts_have_a_smallest_size_and_never_grow() -> None:
    for first, smallest in ((4096 * KIB, SMALLEST_PART), (100 * KIB, SMALLEST_PART), (10 * KIB, 10 * KIB)):
        part = PartSize(first)
        for _ in range(8):
            part.first_sent()
            part.reconnected()
        assert part.bytes == smallest
