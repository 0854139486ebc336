"""Which files of a shot are there already and stay: each says what it was made from.

One that was made from something else is replaced only where the shot says ``overwrite``, also where it appears
while its own is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from matte_link.result_key import MAKER, OTHER, Maker, compare_makers

from ..errors import MatteError
from ..io import exr
from ..io.media import comment_of, is_video

Made = TypeVar("Made")


def may_keep(path: Path, stamp: str, overwrite: bool, maker: Maker | None = None) -> bool:
    """Whether a picture or a video is there whole, made from what ``stamp`` names. False where it is to be made,
    also where a part of it is there, as a full disk or a crash of the machine leaves it. Raises
    ``MatteError("exists", ...)`` where it was made from something else. ``maker``: of a matte, who would make it
    now."""
    if overwrite or not path.exists() or path.stat().st_size == 0:
        return False
    found = comment_of(path) if is_video(path) else exr.read_stamp(path)
    if found != stamp:
        why = f"was made {_otherwise(path, maker)}" if found else "is no result of Cleanplate, or is damaged"
        raise MatteError("exists", f"{path} exists and {why}; use --overwrite to replace it.")
    return is_video(path) or exr.is_whole(path)


def make_unless_kept(
    path: Path, stamp: str, overwrite: bool, make: Callable[[bool], Made], maker: Maker | None = None
) -> Made | None:
    """What ``make`` returns, which writes the file; None where :func:`may_keep` finds it there. ``make`` is told
    whether it may replace a file, and raises ``FileExistsError`` where it may not and another run has just written
    one. Raises what :func:`may_keep` and ``make`` raise."""
    is_there = path.exists()
    if may_keep(path, stamp, overwrite, maker):
        return None
    try:
        return make(overwrite or is_there)
    except FileExistsError:
        return None if may_keep(path, stamp, overwrite, maker) else make(True)


def other_maker(found: Maker | None, expected: Maker) -> str:
    """By what other version, model or weights a matte was made; empty where it was made as expected, or nothing
    tells."""
    if found is None or OTHER not in compare_makers([found], expected):
        return ""
    if found.version != expected.version:
        return f"by version {found.version} of Cleanplate, not {expected.version}"
    if found.model != expected.model:
        return f"with the model {found.model}, not {expected.model}"
    return "with other weights"


def _otherwise(path: Path, maker: Maker | None) -> str:
    if maker is None:
        return "from something else"
    found = Maker.from_dict(exr.read_diagnostics(path).get(MAKER))
    # Only an EXR says who made it.
    return other_maker(found, maker) or f"from other inputs or settings{'' if found else ', or by another version'}"
