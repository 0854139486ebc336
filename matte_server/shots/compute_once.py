"""Values that several threads ask for, each computed once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ComputeOnce(Generic[Key, Value]):
    """Computes each value once, in the thread that asks first; others that ask for it wait. An error is kept like a
    value, and raised to everybody who asks."""

    def __init__(self) -> None:
        self._futures: dict[Key, Future[Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, compute: Callable[[], Value]) -> Value:
        """The value of ``key``. Raises what ``compute`` did, or does."""
        with self._lock:
            is_first = key not in self._futures
            future = self._futures.setdefault(key, Future())
        if is_first:
            try:
                future.set_result(compute())
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def finished(self) -> dict[Key, Value]:
        """The values that have been computed so far."""
        with self._lock:
            futures = dict(self._futures)
        done = {key: future for key, future in futures.items() if future.done() and future.exception() is None}
        return {key: future.result() for key, future in done.items()}
