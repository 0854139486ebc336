"""How many of a node's frames have which state. Does not import bpy."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counts:
    """How many of the wanted frames have which state. ``unknown``: all that can be compared is as it was,
    but the model and version, or something that the inputs depend on, cannot be compared."""

    fresh: tuple[int, ...] = ()
    stale: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True)
class Survey:
    """The state of the wanted frames. ``outdated``: frames, wanted or not, whose results lie in the folder that the
    node plays and were made from other inputs. ``touched``: frames whose files have still to be read, since one of
    them was put there again."""

    counts: Counts = field(default_factory=Counts)
    outdated: tuple[int, ...] = ()
    touched: tuple[int, ...] = ()
