"""Model outputs of the last few frames: a frame, the one before and the one after need the same ones."""

from __future__ import annotations

from collections import OrderedDict

from .model_output import ModelOutput

MAX_ENTRIES = 4
"""The frame before, the frame itself, the frame after, and one that was requested again."""
DEFAULT_CACHE_BYTES = 1 << 30


class ModelOutputCache:
    """The most recently used model outputs: at most :data:`MAX_ENTRIES`, and at most ``budget`` bytes."""

    def __init__(self, budget: int = DEFAULT_CACHE_BYTES) -> None:
        self._budget = budget
        self._entries: OrderedDict[str, ModelOutput] = OrderedDict()

    def get(self, key: str) -> ModelOutput | None:
        """The output stored under ``key``, or None."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: str, output: ModelOutput) -> None:
        """Stores an output as the most recent one and evicts the oldest ones that no longer fit."""
        self._entries.pop(key, None)
        self._entries[key] = output
        while len(self._entries) > MAX_ENTRIES or sum(each.size for each in self._entries.values()) > self._budget:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Frees the memory."""
        self._entries.clear()
