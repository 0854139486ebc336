"""What a result depends on, said once: command line, Nuke, Blender and farm name and compare results by this.

A result depends on its frame's pictures and alignment, on the options that change it (each option says in its table
what it affects), on those of its neighbours where it follows them in time, and on its maker: the server's version,
the model and the weights. What cannot be compared is "unknown", never "up to date".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .messages import Pong
from .options import MatteOptions

MAKER = "maker"
"""The diagnostics' word for :meth:`Maker.to_dict`."""
SAME, OTHER, UNKNOWN = "same", "other", "unknown"


@dataclass(frozen=True)
class Maker:
    """Who makes a result: the server's version, the model's name, and its weights by content (empty: it has none;
    None: not known here)."""

    version: str
    model: str
    weights: Optional[str] = ""

    def to_dict(self) -> dict[str, Optional[str]]:
        """JSON values, as they stand in a frame's diagnostics."""
        return {"version": self.version, "model": self.model, "weights": self.weights}

    @staticmethod
    def from_dict(facts: Any) -> Optional[Maker]:
        """The inverse of :meth:`to_dict`; None where ``facts`` are no maker's, as in results of older versions."""
        if not isinstance(facts, Mapping) or set(facts) != {"version", "model", "weights"}:
            return None
        weights = facts["weights"]
        return Maker(str(facts["version"]), str(facts["model"]), None if weights is None else str(weights))

    @staticmethod
    def of(options: MatteOptions, server: Pong) -> Maker:
        """Who would make a result with these options now: model 'auto' is the server's first. Weights that only the
        server sees are None: nobody here can compare them."""
        model = server.models[0] if options.model == "auto" and server.models else options.model
        if not options.weights:
            return Maker(server.version, model, str(server.weights.get(model, "")))
        try:
            return Maker(server.version, model, weights_digest(Path(options.weights)))
        except OSError:
            return Maker(server.version, model, None)


def weights_digest(path: Path) -> str:
    """A weights file's name by content: BLAKE2b, 16 bytes, in hex. Raises ``OSError``."""
    with path.open("rb") as file:
        found = hashlib.blake2b(digest_size=16)
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


@dataclass(frozen=True)
class FrameSources:
    """What one frame is made from: each picture by its role, as its content's name or as the host knows it, and how
    the clean plate was said to lie (empty: the server measures it). JSON values."""

    pictures: Mapping[str, Any]
    alignment: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> list[Any]:
        return [dict(self.pictures), dict(self.alignment)]


def result_key(
    own: FrameSources,
    options: MatteOptions,
    around: Optional[Mapping[str, FrameSources]] = None,
    maker: Optional[Maker] = None,
    stage: str = "output",
) -> str:
    """Names what a frame's result up to ``stage`` is made from: 32 hex digits.

    ``around``: the frames "before" and "after", where the result follows them in time. ``maker`` None: who made it
    is compared apart (:func:`compare_makers`), as by hosts that look while no server runs.
    """
    facts: list[Any] = [own.facts(), options.seen_by(stage), maker.to_dict() if maker else None]
    if "temporal" in options.seen_by(stage):
        facts.append({side: sources.facts() for side, sources in (around or {}).items()})
    return digest(facts)


def digest(facts: Any) -> str:
    """A short name of JSON values: BLAKE2b, 16 bytes, in hex."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def compare_makers(found: Sequence[Optional[Maker]], now: Optional[Maker] = None) -> tuple[str, ...]:
    """For each result :data:`SAME`, :data:`OTHER` or :data:`UNKNOWN`: whether it was made by whom it would be made
    ``now``; where no server has answered yet, by whom the last of them that says so was made.

    A result that does not say who made it comes from a version that did not write that down.
    """
    counts = now or next((maker for maker in reversed(found) if maker is not None), None)
    return tuple(_compared(maker, counts) for maker in found)


def _compared(found: Optional[Maker], now: Optional[Maker]) -> str:
    if found is None or now is None:
        return UNKNOWN if now is None else OTHER
    if (found.version, found.model) != (now.version, now.model):
        return OTHER
    if found.weights is None or now.weights is None:
        return UNKNOWN
    return SAME if found.weights == now.weights else OTHER
