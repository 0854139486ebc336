"""What the add-on knows while Blender runs and no file keeps: plans, states and errors of nodes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .plan import Counts, Plan


@dataclass
class NodeState:
    """One node, as its panel shows it."""

    plan: Plan | None = None
    counts: Counts = field(default_factory=Counts)
    error: str = ""
    activity: str = ""
    """What a solve does at the moment; empty where none runs."""
    done: int = 0
    total: int = 0


states: dict[str, NodeState] = {}
running: Any = None
"""The solve under way (:class:`solve.Solve`), or None: one at a time."""
rendering_input = False
"""Whether the render that runs is our own, of what feeds a node."""
rendering = False
"""Whether the artist's own render runs: what it plays must not be exchanged under it."""
changed_at = 0.0


def state(node_id: str) -> NodeState:
    """The node's state."""
    return states.setdefault(node_id, NodeState())


def mark_changed() -> None:
    """Something was edited: plans are to be made again."""
    global changed_at
    changed_at = time.monotonic()


def reset() -> None:
    """Another file was opened."""
    states.clear()
    mark_changed()
