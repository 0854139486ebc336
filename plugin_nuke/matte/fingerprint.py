"""What a result in Nuke depends on, beside its maker: the keys of settings and of a frame's sources. No nuke here.

The *settings key* names the folder of a result. It is a :func:`matte_link.result_key.result_key` of the options and
of the nodes upstream. Within a folder each frame has a *frame key*: Nuke's own hashes at that frame, and time and
size of the files that it was read from, because the hashes do not notice a file that was overwritten in place. With
temporal smoothing the frame key includes the sources of the frames before and after. The makers of results are
compared apart from both, in :mod:`makers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol

from matte_link.options import MatteOptions
from matte_link.result_key import FrameSources, digest, result_key

# How a node looks or is called does not change its picture.
_COSMETIC = frozenset(
    (
        "name",
        "xpos",
        "ypos",
        "selected",
        "label",
        "autolabel",
        "note_font",
        "note_font_size",
        "note_font_color",
        "tile_color",
        "gl_color",
        "icon",
        "indicators",
        "hide_input",
        "cached",
        "dope_sheet",
        "bookmark",
        "postage_stamp",
        "postage_stamp_frame",
        "help",
        "panel",
        "lock_connections",
        "mapsize",
        "window",
    )
)
# A Write counts its renders and spells its colourspace anew; what flows through it is neither.
_OF_WRITES = frozenset(["version", "colorspace", "ocioColorspace", "file_type", "file", "checkHashOnRead"])
# What our own node says or is called.
_OF_OURS = frozenset(("status", "node_id"))
_NUMBER = re.compile(r"%0?(\d*)d|#+")


class UpstreamFacts(Protocol):
    """What the host tells of a node; see ``host.NodeFacts``."""

    @property
    def kind(self) -> str: ...
    @property
    def knobs(self) -> str: ...
    @property
    def inputs(self) -> tuple[int, ...]: ...
    @property
    def file(self) -> str: ...


def words(text: str) -> list[str]:
    """The words of a TCL list: bare, in quotes, or in braces, which nest."""
    found: list[str] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = _word_end(text, position)
        found.append(text[position:end])
        position = end
    return found


def _word_end(text: str, start: int) -> int:
    depth, quoted, position = 0, False, start
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            position += 2
            continue
        if letter == '"' and depth == 0:
            quoted = not quoted
        elif not quoted and letter == "{":
            depth += 1
        elif not quoted and letter == "}":
            depth -= 1
        elif letter.isspace() and depth == 0 and not quoted:
            break
        position += 1
    return min(position, len(text))


def knob_pairs(text: str, kind: str) -> list[tuple[str, str]]:
    """A node's knobs that change its picture, as pairs of a name and the host's text of its value, sorted."""
    flat = words(text)
    left_out = _COSMETIC | (_OF_WRITES if kind == "Write" else frozenset()) | _OF_OURS
    pairs = [(flat[index], flat[index + 1]) for index in range(0, len(flat) - 1, 2)]
    return sorted((name, value) for name, value in pairs if name not in left_out)


def settings_key(
    facts: Sequence[UpstreamFacts], starts: Sequence[int], options: MatteOptions, more: Mapping[str, Any]
) -> str:
    """The name of a result's folder, 32 hex digits.

    ``facts`` are the nodes upstream and ``starts`` the indices of those that feed the inputs; ``more`` is what else
    the server is told.
    """
    nodes = [(node.kind, knob_pairs(node.knobs, node.kind), node.inputs) for node in facts]
    return result_key(FrameSources({"nodes": nodes, "starts": list(starts), **more}), options)


@dataclass(frozen=True)
class FrameKey:
    """One frame's sources. An empty ``hashes`` means that the host did not say.

    ``around`` are the host's hashes at the frames before and after, empty where the result does not depend on them
    or the host was not asked: a look at a node must not move the timeline. ``files`` takes in theirs too.
    """

    hashes: str
    files: str
    around: str = ""

    def differs(self, other: FrameKey, compare_hashes: bool = True) -> bool:
        """Whether the sources changed between the two. In proxy mode the host's hashes are others."""
        pairs = ((self.hashes, other.hashes), (self.around, other.around)) if compare_hashes else ()
        return any(one and another and one != another for one, another in pairs) or self.files != other.files


def frame_key(hashes: Iterable[Sequence[int]], files: Sequence[str], frame: int, view: str) -> FrameKey:
    """The key of one frame: ``hashes`` of each node that feeds us, ``files`` as patterns."""
    numbers = [list(each) for each in hashes]
    known = all(numbers)
    return FrameKey(digest(numbers) if known else "", digest([_stamp(file, frame, view) for file in files]))


def with_neighbours(own: FrameKey, around: Sequence[Optional[FrameKey]]) -> FrameKey:
    """The key of a frame that follows its neighbours in time; None where there is no such frame."""
    known = all(one is None or one.hashes for one in around)
    hashes, files = ([getattr(one, name, None) for one in around] for name in ("hashes", "files"))
    return FrameKey(own.hashes, digest([own.files, *files]), digest(hashes) if known else "")


def frame_file(pattern: str, frame: int, view: str) -> str:
    """The file of one frame and view: ``%04d`` or ``####``, ``%V`` or ``%v``."""
    named = pattern.replace("%V", view).replace("%v", view[:1])
    return _NUMBER.sub(lambda match: _number(match, frame), named)


def _number(match: re.Match[str], frame: int) -> str:
    digits = len(match.group(0)) if match.group(0).startswith("#") else int(match.group(1) or 1)
    # As the host's printf does: the sign takes one of the digits.
    return f"{frame:0{digits}d}"


def _stamp(pattern: str, frame: int, view: str) -> Optional[list[int]]:
    try:
        facts = Path(frame_file(pattern, frame, view)).stat()
    except (OSError, ValueError):
        return None
    return [facts.st_mtime_ns, facts.st_size]
