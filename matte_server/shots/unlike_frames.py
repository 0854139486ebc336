"""Frames of a shot whose pictures are of another kind than the others': a proxy, or another render, strayed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from matte_link.diagnostics import PICTURES
from matte_link.sequence import format_frames

from .reports import FrameReport

Kind = tuple[str, ...]
"""What pictures of a shot have in common, in words: size, pixel aspect, colourspace, colour or grey."""


def unlike_frames(frames: Sequence[FrameReport]) -> tuple[str, ...]:
    """A sentence on the plates, and one on the clean plates, where some of a shot's frames differ from most of the
    others; none where all are alike. Each frame was made as its own pictures are. Portraits are not compared."""
    numbered = [frame for frame in frames if not frame.name]
    return tuple(sentence for role in ("plate", "clean_plate") if (sentence := _sentence(numbered, role)))


def kind_of(facts: Mapping[str, object]) -> Kind:
    """The kind of a picture with these facts (:attr:`core.image.Image.kind`); empty where they are not known."""
    window, aspect, channels = (facts.get(name) for name in ("display_window", "pixel_aspect", "channels"))
    if not isinstance(window, Sequence) or len(window) != 4 or not isinstance(aspect, int | float):
        return ()
    names = list(dict.fromkeys(map(str, channels))) if isinstance(channels, Sequence) else []
    x, y, width, height = window
    return (
        f"{width} x {height}" + (f" at {x}, {y}" if x or y else ""),
        f"pixel aspect {aspect:g}",
        str(facts.get("colourspace", "")),
        f"grey ({names[0]})" if len(names) == 1 else "colour",
    )


def unlike(kinds: Mapping[int, Kind], what: str) -> str:
    """A sentence that names the frames whose ``what`` is of another kind than most; empty where all are alike or
    nothing is known of them."""
    counts = Counter(kind for kind in kinds.values() if kind)
    if len(counts) < 2:
        return ""
    (usual, many), (odd, few) = counts.most_common(2)
    numbers = [number for number, kind in kinds.items() if kind == odd]
    parts = [f"{its} instead of {other}" for its, other in zip(odd, usual, strict=True) if its != other]
    rest = [number for number, kind in kinds.items() if kind and kind not in (usual, odd)]
    others = f" {_that_differ(what, rest)} in another way." if rest else ""
    check = f"look whether {'it belongs' if few == 1 else 'they belong'} to the shot"
    usually = "most" if many > few else "others"
    return f"{_that_differ(what, numbers)} from {usually}: {', '.join(parts)}; {check}.{others}"


def _that_differ(what: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"The {what} of frame {numbers[0]} differs"
    return f"The {what}s of frames {format_frames(numbers)} differ"


def _sentence(frames: Iterable[FrameReport], role: str) -> str:
    # The one file of all frames may be read otherwise for a plate with other tags: that is said of the plate.
    files: dict[str, Kind] = {}
    kinds: dict[int, Kind] = {}
    for frame in frames:
        pictures = frame.diagnostics.get(PICTURES)
        facts = pictures.get(role) if isinstance(pictures, Mapping) else None
        if isinstance(facts, Mapping):
            kinds[frame.frame] = files.setdefault(frame.files.get(role, ""), kind_of(facts))
    return unlike(kinds, role.replace("_", " "))
