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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Protocol

from matte_link.options import MatteOptions
from matte_link.result_key import FrameSources, digest, result_key

# Knobs of how a node looks in the graph and what it is called; they do not change its picture.
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
# Knobs of a Write that do not change what flows through it.
_OF_WRITES = frozenset(["version", "colorspace", "ocioColorspace", "file_type", "file", "checkHashOnRead"])
# Knobs of a Read that do not change the picture of a frame that it has: Reload counts ``version`` up, and the range
# grows as a shot does. What a frame outside the range shows is in the frame's own key.
_OF_READS = frozenset(
    [
        *("version", "first", "last", "origfirst", "origlast", "origset", "before", "after", "on_error", "reload"),
        # Plates are rendered in full size, which proxy files have no part in.
        *("proxy", "proxy_format"),
    ]
)
_LEFT_OUT = {"Write": _COSMETIC | _OF_WRITES, "Read": _COSMETIC | _OF_READS}
# The only knobs of a Cleanplate node that change its picture: what it shows is in its inner Read.
_ID, _OF_OURS = "node_id", frozenset(["output", "disable"])
# Kept out of the comparison of hashes, as each node has its own and Nuke's hashes do not depend on them.
_NOT_HASHED = _COSMETIC | frozenset(["node_id", "status", "schema"])
_NUMBER = re.compile(r"%0?(\d*)d|#+")


class UpstreamFacts(Protocol):
    """What is known of a node upstream; ``host.NodeFacts`` is one."""

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


def _all_pairs(text: str) -> list[tuple[str, str]]:
    flat = words(text)
    return sorted((flat[index], flat[index + 1]) for index in range(0, len(flat) - 1, 2))


def knob_pairs(text: str, kind: str) -> list[tuple[str, str]]:
    """A node's knobs that change its picture, as pairs of a name and the host's text of its value, sorted."""
    pairs = _all_pairs(text)
    if any(name == _ID for name, _ in pairs):
        return [(name, value) for name, value in pairs if name in _OF_OURS]
    left_out = _LEFT_OUT.get(kind, _COSMETIC)
    return [(name, value) for name, value in pairs if name not in left_out]


def bookkeeping(facts: Iterable[UpstreamFacts]) -> str:
    """The digest of those knobs upstream that change no picture and may be in Nuke's hashes all the same, such as
    the ``version`` that a Read's Reload and each render of a Write raise; empty where all have their defaults.

    Hashes can be compared only where this is equal.
    """
    found = []
    for node in facts:
        counted = {*knob_pairs(node.knobs, node.kind)}
        found += [pair for pair in _all_pairs(node.knobs) if pair not in counted and pair[0] not in _NOT_HASHED]
    return digest(found) if found else ""


def settings_key(
    facts: Sequence[UpstreamFacts], starts: Sequence[int], options: MatteOptions, more: Mapping[str, Any]
) -> str:
    """The name of a result's folder, 32 hex digits.

    ``facts`` are the nodes upstream and ``starts`` the indices of those that feed the inputs; ``more`` is whatever
    else is sent to the server.
    """
    nodes = [(node.kind, knob_pairs(node.knobs, node.kind), node.inputs) for node in facts]
    return result_key(FrameSources({"nodes": nodes, "starts": list(starts), **more}), options)


@dataclass(frozen=True)
class FrameKey:
    """What one frame is made from, as digests.

    ``hashes``: Nuke's own hashes at the frame. ``files``: times and sizes of its files and its neighbours'.
    ``around``: Nuke's hashes at the frames before and after; empty without temporal smoothing. ``options``: the
    values of the options that are animated; empty where none is.
    The two of hashes begin with what they depend on beside the picture, and a colon: hashes are compared only where
    that is the same. They are empty if Nuke gave none or was not asked, since a check of a node must not move the
    timeline.
    """

    hashes: str
    files: str
    around: str = ""
    options: str = ""

    def differs(self, other: FrameKey, compare_hashes: bool = True) -> bool:
        """Whether the sources changed between the two. An empty hash is never a change.

        Nuke's hashes are different in proxy mode, so ``compare_hashes`` must be off there.
        """
        pairs = ((self.hashes, other.hashes), (self.around, other.around)) if compare_hashes else ()
        known = (self.files, self.options) != (other.files, other.options)
        return known or any(_hashes_differ(one, another) for one, another in pairs)


def _hashes_differ(one: str, other: str) -> bool:
    is_comparable = bool(one and other) and one.rpartition(":")[0] == other.rpartition(":")[0]
    return is_comparable and one != other


def _marked(kept: str, found: str) -> str:
    return f"{kept}:{found}" if kept else found


def frame_key(
    hashes: Iterable[Sequence[int]],
    files: Sequence[str],
    frame: int,
    view: str,
    kept: str = "",
    options: str = "",
) -> FrameKey:
    """The key of one frame.

    It is made of the ``hashes`` of each node that feeds an input, of file name patterns, of what hashes depend on
    beside the picture (``kept``, with the :func:`bookkeeping` of the nodes upstream), and of the digest of the
    animated ``options``.
    """
    numbers = [list(each) for each in hashes]
    known = all(numbers)
    return FrameKey(
        hashes=_marked(kept, digest(numbers)) if known else "",
        files=digest([_stamp(file, frame, view) for file in files]),
        options=options,
    )


def with_neighbours(own: FrameKey, around: Sequence[Optional[FrameKey]]) -> FrameKey:
    """``own`` with the keys of the frames before and after, of which None stands for one that does not exist."""
    known = all(one is None or one.hashes for one in around)
    hashes, files = ([getattr(one, name, None) for one in around] for name in ("hashes", "files"))
    kept = own.hashes.rpartition(":")[0]
    return replace(own, files=digest([own.files, *files]), around=_marked(kept, digest(hashes)) if known else "")


def frame_file(pattern: str, frame: int, view: str) -> str:
    """The file of one frame and view: ``%04d`` or ``####``, ``%V`` or ``%v``."""
    named = pattern.replace("%V", view).replace("%v", view[:1])
    return _NUMBER.sub(lambda match: _number(match, frame), named)


def _number(match: re.Match[str], frame: int) -> str:
    digits = len(match.group(0)) if match.group(0).startswith("#") else int(match.group(1) or 1)
    # As printf does in Nuke: the sign takes one of the digits.
    return f"{frame:0{digits}d}"


def _stamp(pattern: str, frame: int, view: str) -> Optional[list[int]]:
    try:
        facts = Path(frame_file(pattern, frame, view)).stat()
    except (OSError, ValueError):
        return None
    return [facts.st_mtime_ns, facts.st_size]
