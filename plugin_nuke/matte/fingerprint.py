"""When two results are the same: keys of settings, of the nodes upstream and of one frame's sources. No nuke here.

A *settings key* names the folder of a result: it tells options and graphs apart. Within a folder each frame has a
*frame key*: the host's own hashes at that frame, and the time and size of the files it was read from, because
hashes do not notice a file that was overwritten in place. Where frames follow their neighbours in time, a frame's
key takes in the sources of both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Protocol

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
    facts: Sequence[UpstreamFacts], starts: Sequence[int], options: Mapping[str, object], more: Mapping[str, object]
) -> str:
    """Names a result's folder: 16 hex digits of the options, whatever else goes to the server, and the graph."""
    nodes = [(one.kind, knob_pairs(one.knobs, one.kind), one.inputs) for one in facts]
    return _digest([nodes, list(starts), dict(options), dict(more)])


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
    return FrameKey(_digest(numbers) if known else "", _digest([_stamp(file, frame, view) for file in files]))


def with_neighbours(own: FrameKey, around: Sequence[Optional[FrameKey]]) -> FrameKey:
    """The key of a frame that follows its neighbours in time; None where there is no such frame."""
    known = all(one is None or one.hashes for one in around)
    hashes, files = ([getattr(one, name, None) for one in around] for name in ("hashes", "files"))
    return FrameKey(own.hashes, _digest([own.files, *files]), _digest(hashes) if known else "")


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


def _digest(facts: object) -> str:
    return hashlib.sha1(json.dumps(facts, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:16]
