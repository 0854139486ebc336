"""What the table of :mod:`matte_link.options` says of each control of a matte, and how a value is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union, cast

Value = Union[str, bool, int, float]

AFFECTS = ("alignment", "model", "foreground", "edges", "output")
"""The stages of a frame, in the order in which they run. An option affects one of them and all that come later."""
NOTHING = ""
"""What an option affects that changes no pixel."""
_OPEN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
_TYPE_NAMES = {str: "text", bool: "yes or no", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class OptionSpec:
    """One control as a panel, ``--help`` and the wire need it. Raises ``ValueError`` for an unknown ``affects``.

    ``affects`` is the first stage of :data:`AFFECTS` that the option changes, or :data:`NOTHING`. It has no
    default, because the keys of results are made from it (:mod:`matte_link.result_key`).
    ``choices`` are the values that a panel offers. With ``is_open`` any other name is valid too, such as that of a
    model that somebody installed on the server.
    ``minimum`` and ``maximum`` are both given or both None, and included.
    ``hidden_in`` says why the panel of a host ("nuke", "blender") does not show the option.
    """

    name: str
    type: type
    default: Value
    label: str
    help: str
    group: str
    affects: str
    choices: tuple[str, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    unit: str = ""
    is_open: bool = False
    hidden_in: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.affects not in (*AFFECTS, NOTHING):
            raise ValueError(f"{self.name} affects one of {', '.join(AFFECTS)} or nothing, not {self.affects!r}.")

    def check(self, value: Any) -> Value:
        """``value`` in this option's type. Raises ``ValueError`` with one sentence if it is not valid."""
        value = self._converted(value)
        if self.is_open and not _OPEN_NAME.match(cast(str, value)):
            raise ValueError(
                f"{self.name} must be a name of small letters, digits, '-' and '_', not {value!r:.60}."
            )
        if self.choices and not self.is_open and value not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}, not {value!r:.60}.")
        if self.minimum is not None and not (self.minimum <= cast(float, value) <= cast(float, self.maximum)):
            raise ValueError(f"{self.name} must lie in {self.minimum:g} to {self.maximum:g}, not {value!r:.60}.")
        return cast(Value, value)

    def _converted(self, value: Any) -> Value:
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise ValueError(f"{self.name} is a number of more than 300 digits.") from None
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            raise ValueError(f"{self.name} must be {_TYPE_NAMES[self.type]}, not {value!r:.60}.")
        return cast(Value, value)
