"""What a result depends on. Command line, Nuke, Blender and farm all use this to tell whether a result is stale.

A result depends on

* the pictures of its frame, and how its clean plate is aligned,
* the options that affect it, as the table of :mod:`matte_link.options` says of each; a weights file counts by its
  content,
* the pictures of its neighbours, if it is smoothed over time,
* its maker: the server's version, the model and the weights.

:func:`result_key` makes one name of all this: equal names mean equal results. A host that looks at results while no
server runs leaves the maker out of the name and compares makers with :func:`compare_makers`. What cannot be
compared is "unknown", never "up to date".
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .file_digest import file_digest
from .messages import Pong
from .options import MatteOptions, chosen_model

MAKER = "maker"
"""The name under which a frame's diagnostics hold :meth:`Maker.to_dict`."""
SAME, OTHER, UNKNOWN = "same", "other", "unknown"
"""How a result's maker compares with the one that would compute it now."""


@dataclass(frozen=True)
class Maker:
    """What computed a result, beside its inputs and options."""

    version: str
    """The server's version."""
    model: str
    """The model's name, never "auto"."""
    weights: Optional[str] = ""
    """The digest of the model's weights, as of :func:`file_digest`; empty for a model without weights, None
    where the digest is not known."""

    def to_dict(self) -> dict[str, Optional[str]]:
        """The maker as JSON values, as in a frame's diagnostics."""
        return {"version": self.version, "model": self.model, "weights": self.weights}

    @staticmethod
    def from_dict(facts: Any) -> Optional[Maker]:
        """The inverse of :meth:`to_dict`; None for anything else, such as what results of older versions hold."""
        if not isinstance(facts, Mapping) or set(facts) != {"version", "model", "weights"}:
            return None
        weights = facts["weights"]
        return Maker(
            version=str(facts["version"]),
            model=str(facts["model"]),
            weights=None if weights is None else str(weights),
        )

    @staticmethod
    def of(options: MatteOptions, server: Pong) -> Maker:
        """The maker of a result that this server would compute with these options now.

        A weights file that is named in the options but lies on the server only cannot be read here, so its digest
        is None."""
        model = chosen_model(options.model, server.models)
        return Maker(version=server.version, model=model, weights=_weights_now(options, model, server))


def maker_now(options: MatteOptions, server: Optional[Pong]) -> Optional[Maker]:
    """The maker of a result that a server would compute with these options now, by its last answer. None where it
    was not asked, or answered before its first matting process had started: it knows neither its models nor their
    weights then."""
    return Maker.of(options, server) if server is not None and server.models else None


def _weights_now(options: MatteOptions, model: str, server: Pong) -> Optional[str]:
    if not options.weights:
        return str(server.weights.get(model, ""))
    try:
        return file_digest(Path(options.weights))
    except OSError:
        return None


@dataclass(frozen=True)
class FrameSources:
    """What one frame is computed from. JSON values only."""

    pictures: Mapping[str, Any]
    """For each role what identifies the picture: the digest of its bytes, or whatever the host knows it by."""
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """The alignment of the clean plate that was sent along; empty if the server measures it."""

    def facts(self) -> list[Any]:
        """Both as a list, for a key."""
        return [dict(self.pictures), dict(self.alignment)]


def result_key(
    own: FrameSources,
    options: MatteOptions,
    around: Optional[Mapping[str, FrameSources]] = None,
    maker: Optional[Maker] = None,
    stage: str = "output",
) -> str:
    """The name of everything that a frame's result depends on: 32 hex digits.

    ``around`` are the neighbours, "before" and "after"; they count only if the result is smoothed over time.
    Without a ``maker`` the name leaves it out, and :func:`compare_makers` compares it separately. ``stage`` names
    what the frame is after that stage of :data:`~matte_link.option_spec.AFFECTS`: options that affect later stages
    do not count.
    """
    facts: list[Any] = [own.facts(), _option_facts(options, stage), maker.to_dict() if maker else None]
    if "temporal" in options.seen_by(stage):
        facts.append({side: sources.facts() for side, sources in (around or {}).items()})
    return digest(facts)


def _option_facts(options: MatteOptions, stage: str) -> dict[str, Any]:
    """The options that count, with a weights file of this machine by its content: where it lies does not matter."""
    facts: dict[str, Any] = dict(options.seen_by(stage))
    if "weights" in facts:
        # OSError: it lies on the server, so its name is all that is known. ValueError: no path can be such a text.
        with contextlib.suppress(OSError, ValueError):
            facts["weights"] = file_digest(Path(options.weights))
    return facts


def digest(facts: Any) -> str:
    """The digest of JSON values: BLAKE2b of their canonical text, 16 bytes long, in hex."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def compare_makers(found: Sequence[Optional[Maker]], now: Optional[Maker] = None) -> tuple[str, ...]:
    """For the maker of each result :data:`SAME`, :data:`OTHER` or :data:`UNKNOWN`, compared with the maker ``now``.

    While no server answers (``now`` is None), the last result that has a maker stands in for it. A result without a
    maker is from a version that did not record it, so it is :data:`OTHER` than any maker that is known.
    """
    reference = now or next((maker for maker in reversed(found) if maker is not None), None)
    return tuple(_compared(maker, reference) for maker in found)


def _compared(found: Optional[Maker], now: Optional[Maker]) -> str:
    if found is None or now is None:
        return UNKNOWN if now is None else OTHER
    if (found.version, found.model) != (now.version, now.model):
        return OTHER
    if found.weights is None or now.weights is None:
        return UNKNOWN
    return SAME if found.weights == now.weights else OTHER
