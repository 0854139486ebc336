"""Whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matte_server.server.fair_queue import BATCH_SHARE, FairQueue

_pushes = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.booleans()), max_size=60)


def _filled(pushes: list[tuple[bytes, bool]]) -> FairQueue[tuple[bytes, bool, int]]:
    queue: FairQueue[tuple[bytes, bool, int]] = FairQueue()
    for number, (client, interactive) in enumerate(pushes):
        queue.push(client, (client, interactive, number), interactive)
    return queue


def _drained(queue: FairQueue[tuple[bytes, bool, int]]) -> list[tuple[bytes, bool, int]]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


@given(_pushes)
def test_nothing_is_lost_and_each_line_keeps_its_order(pushes: list[tuple[bytes, bool]]) -> None:
    items = _drained(_filled(pushes))
    assert sorted(item[2] for item in items) == list(range(len(pushes)))
    for client in b"a", b"b", b"c", b"d":
        for interactive in (True, False):
            line = [number for who, kind, number in items if (who, kind) == (client, interactive)]
            assert line == sorted(line)


@given(_pushes)
def test_clients_of_one_priority_take_turns(pushes: list[tuple[bytes, bool]]) -> None:
    items = _drained(_filled([(client, True) for client, _ in pushes]))
    turns = {client: 0 for client, *_ in items}
    for client, *_ in items:
        # Nobody is served while somebody who still waits has had fewer turns.
        waiting = [other for other in turns if turns[other] < sum(who == other for who, *_ in items)]
        assert turns[client] == min(turns[other] for other in waiting)
        turns[client] += 1


@given(_pushes)
def test_the_promised_position_is_kept_for_a_lone_priority(pushes: list[tuple[bytes, bool]]) -> None:
    queue: FairQueue[tuple[bytes, bool, int]] = FairQueue()
    position = 0
    for number, (client, _) in enumerate(pushes):
        position = queue.push(client, (client, True, number), True)
    if pushes:
        assert [item[2] for item in _drained(queue)].index(len(pushes) - 1) == position


def test_interactive_goes_first_and_batch_does_not_starve() -> None:
    queue = _filled([(b"farm", False)] * 3 + [(b"artist", True)] * 20)
    order = "".join("i" if interactive else "b" for _, interactive, _ in _drained(queue))
    share = "i" * BATCH_SHARE + "b"
    assert order == share + share + "iiii" + "b"


def test_who_may_not_go_is_passed_over_and_keeps_its_place() -> None:
    queue = _filled([(b"a", True), (b"b", True), (b"a", False)])
    assert queue.pop(lambda client: client == b"b") == (b"b", True, 1)
    assert queue.pop(lambda client: False) is None
    assert [number for *_, number in _drained(queue)] == [0, 2]


def test_removing() -> None:
    queue = _filled([(b"a", True), (b"a", True), (b"b", False)])
    assert queue.remove(b"a", (b"a", True, 0))
    assert not queue.remove(b"a", (b"a", True, 0))
    assert len(queue) == 2 and queue.interactive == 1 and queue.batch == 1


@given(_pushes)
def test_what_is_upcoming_is_what_goes(pushes: list[tuple[bytes, bool]]) -> None:
    # Only up to the batch frame that goes in between: not foreseeing that one merely costs a picture read in vain.
    queue = _filled(pushes)
    upcoming = list(queue.upcoming())
    for wanted in upcoming[:BATCH_SHARE]:
        assert queue.pop() == wanted
    assert len(upcoming) == len(pushes)


def test_nothing_is_upcoming_of_a_client_that_may_not_go() -> None:
    queue = _filled([(b"a", True), (b"b", True), (b"a", False), (b"a", False)])
    assert [number for *_, number in queue.upcoming(lambda client: client != b"a")] == [1]


@given(_pushes, st.data())
def test_an_exchange_loses_nothing_and_moves_no_other(
    pushes: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    queue, untouched = _filled([*pushes, (b"a", False)]), _drained(_filled([*pushes, (b"a", False)]))
    own = st.sampled_from([item for item in untouched if item[:2] == (b"a", False)])
    first, second = data.draw(own), data.draw(own)
    queue.exchange(b"a", first, second)
    swapped = {first: second, second: first}
    assert _drained(queue) == [swapped.get(item, item) for item in untouched]


def test_only_items_that_wait_change_places() -> None:
    """An item that was lost here would never be answered."""
    queue = _filled([(b"a", False), (b"a", False), (b"a", True), (b"b", False)])
    for gone in (b"a", False, 9), (b"a", True, 2), (b"b", False, 3):
        for pair in ((b"a", False, 0), gone), (gone, (b"a", False, 0)):
            with pytest.raises(ValueError):
                queue.exchange(b"a", *pair)
    with pytest.raises(ValueError):
        queue.exchange(b"c", (b"a", False, 0), (b"a", False, 1))
    assert [number for *_, number in _drained(queue)] == [2, 0, 3, 1] and len(queue) == 0


@given(_pushes, st.lists(st.sets(st.sampled_from([b"a", b"b", b"c", b"d"])), min_size=60, max_size=60))
def test_what_is_seen_first_is_what_is_taken(pushes: list[tuple[bytes, bool]], held: list[set[bytes]]) -> None:
    """Whoever may go, and whichever priority's turn it is."""
    queue = _filled(pushes)
    everybody = {b"a", b"b", b"c", b"d"}
    for held_back in held:
        may_go = (everybody - held_back).__contains__
        seen, size = queue.peek(may_go), len(queue)
        assert seen is None or seen[0] not in held_back
        assert queue.pop(may_go) == seen and len(queue) == size - (seen is not None)
    if len(queue):
        assert queue.peek() is not None


def test_a_batch_item_is_seen_first_when_it_is_its_turn() -> None:
    queue = _filled([(b"farm", False)] * 2 + [(b"artist", True)] * 20)
    for _ in range(BATCH_SHARE):
        assert queue.peek() == queue.pop() and queue.peek() is not None
    assert queue.peek() == (b"farm", False, 0)
