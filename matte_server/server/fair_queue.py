"""Which frame is next: interactive before batch, and within each the clients take turns.

Pure bookkeeping. A client that asks for 500 frames gets one turn in the round, like the client that asks for
one. So that a busy set of artists does not stop the farm for ever, one batch frame goes after every
``BATCH_SHARE`` interactive ones while both wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Generic, TypeVar

Item = TypeVar("Item")
Client = bytes
"""A client as the transport names it; nothing is read out of it."""
BATCH_SHARE = 8


class _Round(Generic[Item]):
    """The clients of one priority in the order of their turns, each with its own line."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Client, deque[Item]] = OrderedDict()
        self.size = 0

    def push(self, client: Client, item: Item) -> None:
        self._lines.setdefault(client, deque()).append(item)
        self.size += 1

    def pop(self, may_go: Callable[[Client], bool]) -> Item | None:
        client = next((client for client in self._lines if may_go(client)), None)
        if client is None:
            return None
        line = self._lines.pop(client)
        item = line.popleft()
        if line:
            self._lines[client] = line
        self.size -= 1
        return item

    def remove(self, client: Client, item: Item) -> bool:
        line = self._lines.get(client, deque())
        if item not in line:
            return False
        line.remove(item)
        self.size -= 1
        if not line:
            del self._lines[client]
        return True

    def replace(self, client: Client, item: Item, other: Item) -> bool:
        line = self._lines.get(client, deque())
        if item not in line:
            return False
        line[line.index(item)] = other
        return True

    def upcoming(self, may_go: Callable[[Client], bool]) -> Iterator[Item]:
        lines = [line for client, line in self._lines.items() if may_go(client)]
        for turn in zip_longest(*lines):
            yield from (item for item in turn if item is not None)

    def ahead_of_last(self, client: Client) -> int:
        """How many items go before the last one of ``client``."""
        turns = len(self._lines[client])
        ahead = turns - 1
        rounds = turns
        for other, line in self._lines.items():
            if other == client:
                # Whoever comes later in the round has had one turn less by then.
                rounds -= 1
            else:
                ahead += min(len(line), rounds)
        return ahead

    def __iter__(self) -> Iterator[Item]:
        for line in self._lines.values():
            yield from line


class FairQueue(Generic[Item]):
    """Items of many clients in two priorities."""

    def __init__(self) -> None:
        self._interactive: _Round[Item] = _Round()
        self._batch: _Round[Item] = _Round()
        self._since_batch = 0

    def __len__(self) -> int:
        return self._interactive.size + self._batch.size

    def __iter__(self) -> Iterator[Item]:
        yield from self._interactive
        yield from self._batch

    @property
    def interactive(self) -> int:
        """Interactive items waiting."""
        return self._interactive.size

    @property
    def batch(self) -> int:
        """Batch items waiting."""
        return self._batch.size

    def push(self, client: Client, item: Item, interactive: bool) -> int:
        """Queues an item; how many go before it as things stand."""
        (self._interactive if interactive else self._batch).push(client, item)
        if interactive:
            return self._interactive.ahead_of_last(client)
        return self._interactive.size + self._batch.ahead_of_last(client)

    def pop(self, may_go: Callable[[Client], bool] = lambda client: True) -> Item | None:
        """The next item among the clients that ``may_go``, or None."""
        rounds = [self._interactive, self._batch]
        if self._since_batch >= BATCH_SHARE:
            rounds.reverse()
        for round_ in rounds:
            item = round_.pop(may_go)
            if item is not None:
                self._since_batch = self._since_batch + 1 if round_ is self._interactive else 0
                return item
        return None

    def upcoming(self, may_go: Callable[[Client], bool] = lambda client: True) -> Iterator[Item]:
        """The items in the order in which they will go, as things stand; nothing is taken."""
        yield from self._interactive.upcoming(may_go)
        yield from self._batch.upcoming(may_go)

    def exchange(self, client: Client, item: Item, waiting: Item) -> bool:
        """Puts an item just popped into the place of another batch item of the same client; whether that was there
        to go instead."""
        return self._batch.replace(client, waiting, item)

    def remove(self, client: Client, item: Item) -> bool:
        """Takes an item out of its line; whether it was there."""
        return self._interactive.remove(client, item) or self._batch.remove(client, item)
