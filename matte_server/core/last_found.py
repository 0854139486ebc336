"""Keeps what was found last, for callers who ask for the same again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class LastFound(Generic[Found]):
    """What was found last, and the key that it was found for. Safe to share between threads; threads that ask at
    the same time may each compute it."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], Found] | None = None

    def of(self, key: tuple[object, ...], compute: Callable[[], Found]) -> Found:
        """What was found for ``key``, computed unless it is the last one. Raises what ``compute`` does."""
        last = self._last
        if last is None or last[0] != key:
            last = self._last = key, compute()
        return last[1]
