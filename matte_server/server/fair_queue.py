"""Decides which frame is next: interactive ones before batch ones, and within each priority the clients take turns.

A client with 500 frames gets one turn per round, as does a client with a single frame. So that busy artists do not
stop the farm for ever, one batch frame goes after every ``BATCH_SHARE`` interactive ones while both kinds wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from typing import Generic, TypeVar

Item = TypeVar("Item")
Client = bytes
"""A client's routing id, opaque to everything but the transport."""
BATCH_SHARE = 8


class _Round(Generic[Item]):
    """The clients of one priority in the order of their turns, each with its own queue."""

    def __init__(self) -> None:
        self._queues: OrderedDict[Client, deque[Item]] = OrderedDict()
        self.size = 0

    def push(self, client: Client, item: Item) -> None:
        self._queues.setdefault(client, deque()).append(item)
        self.size += 1

    def peek(self, may_go: Callable[[Client], bool]) -> Item | None:
        return next((queue[0] for client, queue in self._queues.items() if may_go(client)), None)

    def pop(self, may_go: Callable[[Client], bool]) -> Item | None:
        client = next((client for client in self._queues if may_go(client)), None)
        if client is None:
            return None
        queue = self._queues.pop(client)
        item = queue.popleft()
        if queue:
            self._queues[client] = queue
        self.size -= 1
        return item

    def remove(self, client: Client, item: Item) -> bool:
        queue = self._queues.get(client, deque())
        if item not in queue:
            return False
        queue.remove(item)
        self.size -= 1
        if not queue:
            del self._queues[client]
        return True

    def exchange(self, client: Client, item: Item, other: Item) -> None:
        queue = self._queues.get(client, deque())
        first, second = queue.index(item), queue.index(other)
        queue[first], queue[second] = other, item

    def upcoming(self, may_go: Callable[[Client], bool]) -> Iterator[Item]:
        later = []
        for client, queue in self._queues.items():
            if may_go(client):
                yield queue[0]
                later.append(islice(queue, 1, None))
        for turn in zip_longest(*later):
            yield from (item for item in turn if item is not None)

    def ahead_of_last(self, client: Client) -> int:
        """How many items go before the last one of this client."""
        turns = len(self._queues[client])
        ahead = turns - 1
        rounds = turns
        for other, queue in self._queues.items():
            if other == client:
                # Clients that come later in the round have had one turn less by then.
                rounds -= 1
            else:
                ahead += min(len(queue), rounds)
        return ahead


class FairQueue(Generic[Item]):
    """Items of many clients in two priorities."""

    def __init__(self) -> None:
        self._interactive: _Round[Item] = _Round()
        self._batch: _Round[Item] = _Round()
        self._since_batch = 0

    def __len__(self) -> int:
        return self._interactive.size + self._batch.size

    @property
    def interactive(self) -> int:
        """Interactive items waiting."""
        return self._interactive.size

    @property
    def batch(self) -> int:
        """Batch items waiting."""
        return self._batch.size

    def push(self, client: Client, item: Item, interactive: bool) -> int:
        """Queues an item; returns how many would go before it now."""
        (self._interactive if interactive else self._batch).push(client, item)
        if interactive:
            return self._interactive.ahead_of_last(client)
        return self._interactive.size + self._batch.ahead_of_last(client)

    def _rounds(self) -> list[_Round[Item]]:
        """The priorities in the order of their turns."""
        rounds = [self._interactive, self._batch]
        return rounds[::-1] if self._since_batch >= BATCH_SHARE else rounds

    def peek(self, may_go: Callable[[Client], bool] = lambda client: True) -> Item | None:
        """The item that :meth:`pop` would take."""
        found = (round_.peek(may_go) for round_ in self._rounds())
        return next((item for item in found if item is not None), None)

    def pop(self, may_go: Callable[[Client], bool] = lambda client: True) -> Item | None:
        """Takes the next item of the clients that ``may_go``; None where there is none."""
        for round_ in self._rounds():
            item = round_.pop(may_go)
            if item is not None:
                self._since_batch = self._since_batch + 1 if round_ is self._interactive else 0
                return item
        return None

    def upcoming(self, may_go: Callable[[Client], bool] = lambda client: True) -> Iterator[Item]:
        """The items in the order in which they would go now; none is taken."""
        yield from self._interactive.upcoming(may_go)
        yield from self._batch.upcoming(may_go)

    def exchange(self, client: Client, item: Item, other: Item) -> None:
        """Has two batch items of a client change places. Raises ``ValueError`` where one of them does not wait, and
        changes nothing then."""
        self._batch.exchange(client, item, other)

    def remove(self, client: Client, item: Item) -> bool:
        """Takes an item out; returns whether it was there."""
        return self._interactive.remove(client, item) or self._batch.remove(client, item)
