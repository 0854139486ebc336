"""Which server version, model and weights made the results of a node, and whether the same would make them now.

The last answer of each server is kept by its address while Nuke runs, so that a check of a node never waits for the
network. No nuke here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from matte_link import result_key
from matte_link.messages import Pong
from matte_link.options import MatteOptions
from matte_link.result_key import OTHER, UNKNOWN, Maker, compare_makers
from matte_link.sequence import format_frames

from .manifest import Record

_pongs: dict[str, Pong] = {}
"""The last answer of each server, by its address."""


@dataclass(frozen=True)
class MakerComparison:
    """How the makers of some results compare with the one that would compute them now, or with each other.

    ``text`` is for the artist, and empty where all have the same maker. ``stale`` says that some have another one;
    with ``stale`` false, a ``text`` says what is unknown.
    """

    stale: bool = False
    text: str = ""


def remember(address: str, pong: Pong) -> None:
    """Keeps the answer of the server at ``address``, in place of an earlier one."""
    _pongs[address] = pong


def maker_now(options: MatteOptions, address: str) -> Optional[Maker]:
    """The maker of a result that the server at ``address`` would compute now with these options; None if that
    server has not answered since Nuke was started, or was starting itself."""
    return result_key.maker_now(options, _pongs.get(address))


def compare(records: Sequence[Record], now: Optional[Maker]) -> MakerComparison:
    """Compares the makers of all results among ``records`` with ``now`` or, if that is None, with each other."""
    results = [record for record in records if not record.code]
    found = compare_makers([record.maker for record in results], now)
    others = [record for record, state in zip(results, found) if state == OTHER]
    if others:
        same = next((one.maker for one in reversed(results) if one.maker is not None), None)
        rest = f"the server now is {words(now)}" if now else f"the others by {words(same)}"
        made = " and ".join(sorted({words(record.maker) for record in others}))
        return MakerComparison(
            stale=True, text=f"stale: {_frames_were(others)} made by {made}, {rest}. Press 'Process range'."
        )
    unknown = [record for record, state in zip(results, found) if state == UNKNOWN]
    return MakerComparison(text=_unknown_text(unknown))


def words(maker: Optional[Maker]) -> str:
    """A maker as an artist reads it."""
    if maker is None:
        return "a version that did not record its model"
    weights = f", weights {maker.weights[:8]}" if maker.weights else ""
    return f"version {maker.version} with model {maker.model}{weights}"


def _unknown_text(unknown: Sequence[Record]) -> str:
    if not unknown:
        return ""
    if all(record.maker is None for record in unknown):
        return (
            f"unknown: it was not recorded which version and model {_frames_were(unknown)} made by. "
            "Press 'Check server' to compare."
        )
    return f"unknown: the weights that {_frames_were(unknown)} made with cannot be compared here."


def _frames_were(records: Iterable[Record]) -> str:
    frames = {record.frame for record in records}
    return f"frame{'s' if len(frames) > 1 else ''} {format_frames(frames)} {'were' if len(frames) > 1 else 'was'}"
