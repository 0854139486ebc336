"""A number on the command line, with the range that it must lie in; the help of its flag states the range."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

_LARGEST = 1e15
"""More than any amount on this earth. What is multiplied by less than as much again stays a number."""


@dataclass(frozen=True)
class NumberRange:
    """The type of a flag for ``add_argument``: a number from ``least`` to ``most``, None: no limit."""

    kind: type[int] | type[float]
    least: float | None = None
    most: float | None = None

    @property
    def in_words(self) -> str:
        """The range as the help states it, such as "0 to 1" or "1 or more"."""
        if self.least is not None and self.most is not None:
            return f"{self.least:.15g} to {self.most:.15g}"
        if self.least is not None:
            return f"{self.least:.15g} or more"
        return f"any {'whole ' if self.kind is int else ''}number"

    def __call__(self, text: str) -> int | float:
        """The number; raises ``ArgumentTypeError`` with what it must be."""
        try:
            value = self.kind(text)
        except ValueError:
            value = None
        if value is not None and abs(value) > _LARGEST:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is too large a number")
        low = float("-inf") if self.least is None else self.least
        high = float("inf") if self.most is None else self.most
        # NaN is in no range.
        if value is None or not low <= value <= high:
            noun = "a whole number" if self.kind is int else "a number"
            limits = "" if self.least is None else f", {self.in_words}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {noun}{limits}")
        return value


ANY_WHOLE = NumberRange(kind=int)
COUNT = NumberRange(kind=int, least=1)
COUNT_OR_NONE = NumberRange(kind=int, least=0)
AMOUNT = NumberRange(kind=float, least=0)
