"""What a result in Nuke depends on, beside its maker: the keys of settings and of a frame's sources. No nuke here.

The *settings key* names the folder of a result. It is a :func:`matte_link.result_key.result_key` of the options
and of the nodes upstream. Within a folder each frame has a *frame key*: Nuke's own hashes at that frame, the
values of the knobs that expressions drive, and time and size of the files that it was read from, because the
hashes do not notice a file that was overwritten in place. With temporal smoothing the frame key includes the
sources of the frames before and after. The makers of results are compared apart from both, in :mod:`makers`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Protocol

from matte_link.file_witness import were_touched
from matte_link.options import MatteOptions
from matte_link.result_key import OTHER, SAME, UNKNOWN, FrameSources, digest, result_key
from matte_link.seen_files import NOTHING_SEEN, SeenTogether

from .frame_reach import NodeInTime
from .knob_text import all_pairs

# Knobs of how a node looks in the graph and what it is called; they do not change its picture.
_COSMETIC = frozenset(
    [
        *("name", "xpos", "ypos", "selected", "label", "autolabel"),
        *("note_font", "note_font_size", "note_font_color"),
        *("tile_color", "gl_color", "icon", "indicators", "hide_input", "cached", "dope_sheet", "bookmark", "help"),
        *("postage_stamp", "postage_stamp_frame", "panel", "lock_connections", "mapsize", "window", "panelDropped"),
        # Where what is inside of a Group is shown.
        *("show_group_view", "disable_group_view", "group_view_position"),
        # Graph Scope Variables count where they hold.
        "gsv",
    ]
)
# The tools beside the Viewer of a Roto or RotoPaint: what the next stroke will be like.
_TOOLS, _TOOLBAR = frozenset(["toolbox", "tools"]), "toolbar_"
# The only knobs that count of nodes that pass their input on: a Write may do so with fewer channels. One that reads
# its file is like a Read.
_PASSING: Mapping[str, tuple[str, ...]] = {
    "NoOp": (),
    **dict.fromkeys(("Write", "DeepWrite"), ("channels", "disable", "reading")),
}
_READING = ("reading", "true")
# Where files are copied to be read faster.
_LOCALIZATION = frozenset(["localizationPolicy", "updateLocalization"])
# How a node of a 3D scene is drawn and picked in the Viewer; render_mode says how it is rendered.
_PREVIEW = frozenset(["display", "selectable"])
_IN_3D = frozenset(
    [
        *("ApplyMaterial", "Axis2", "Axis3", "Axis4", "Camera2", "Camera3", "Camera4", "CameraTracker", "Card2"),
        *("CrosstalkGeo", "Cube", "Cylinder", "DeepToPoints", "DepthToPoints", "DirectLight", "DirectLight1"),
        *("DisplaceGeo", "EditGeo", "Environment", "EnvironmentLight", "Light", "Light2", "Light3", "LogGeo"),
        *("LookupGeo", "MergeGeo", "ModelBuilder", "Normals", "PointCloudGenerator", "PointLight", "PoissonMesh"),
        *("PositionToPoints2", "ProcGeo", "RadialDistort", "ReadGeo2", "Scene", "Sphere", "SpotLight1"),
        *("Spotlight", "TransformGeo", "Trilinear", "UVProject"),
    ]
)
_IN_3D_PREFIXES = ("Geo", "Particle")
# Knobs of a Read that do not change the picture of a frame that it has: Reload counts ``version`` up, and the range
# grows as a shot does. What a frame outside the range shows is in the frame's own key.
_OF_READS = frozenset(
    [
        *("version", "first", "last", "origfirst", "origlast", "origset", "before", "after", "on_error", "reload"),
        # Plates are rendered in full size, which proxy files have no part in.
        *("proxy", "proxy_format"),
        # The filter of the list of metadata.
        *("metadatafilter", "metadatafiltermode", "shownmetadata"),
    ]
)
# Knobs of a script inside the script: which state of it was last read is seen by what is in it.
_OF_SCRIPTS = frozenset(["version", "shownWarningFile", "modified", "published", "reload_script", "reload_write"])
RANGE_ONLY = ("FrameRange",)
"""Classes that pass their input on and say which frames it has. What is seen beyond those is in the frame's key."""
COUNT_RELOADS = ("Read", "DeepRead", "Vectorfield", "ReadGeo2", "GeoImport", "GeoReference")
"""Classes whose button Reload is ``knob version [expr [value version]+1]``, and changes nothing else."""
_LEFT_OUT = {
    **dict.fromkeys((*COUNT_RELOADS, "OCIOFileTransform"), _COSMETIC | {"version"}),
    **dict.fromkeys(("Read", "DeepRead", "Write"), _COSMETIC | _OF_READS),
    **dict.fromkeys(("Precomp", "LiveGroup", "LiveInput"), _COSMETIC | _OF_SCRIPTS),
    **dict.fromkeys(RANGE_ONLY, _COSMETIC | {"first_frame", "last_frame"}),
}
# The only knobs of a Cleanplate node that change its picture: what it shows is in its inner Read.
_ID, _OF_OURS = "node_id", frozenset(["output", "disable"])
# Kept out of the comparison of hashes, as each node has its own and Nuke's hashes do not depend on them.
_NOT_HASHED = _COSMETIC | frozenset(["node_id", "status", "schema"])


class UpstreamFacts(NodeInTime, Protocol):
    """What is known of a node upstream; ``host.NodeFacts`` is one. ``driven`` are the names of the knobs that
    expressions drive, of which only the values count."""

    @property
    def driven(self) -> tuple[str, ...]: ...


def counted_pairs(kind: str, knobs: str) -> list[tuple[str, str]]:
    """Of the text of a node's knobs those that change its picture, as pairs of a name and the host's text of its
    value, sorted."""
    pairs = all_pairs(knobs)
    if any(name == _ID for name, _ in pairs):
        return [(name, value) for name, value in pairs if name in _OF_OURS]
    if kind in _PASSING and _READING not in pairs:
        return [(name, value) for name, value in pairs if name in _PASSING[kind]]
    left_out = _LEFT_OUT.get(kind, _COSMETIC | _TOOLS) | _LOCALIZATION
    if kind in _IN_3D or kind.startswith(_IN_3D_PREFIXES):
        left_out |= _PREVIEW
    return [(name, value) for name, value in pairs if name not in left_out and not name.startswith(_TOOLBAR)]


def knob_pairs(node: UpstreamFacts) -> list[tuple[str, str]]:
    """A node's :func:`counted_pairs`. Those that expressions drive have no text here. Their values count instead,
    so a node that an expression names can be renamed."""
    return [(name, "" if name in node.driven else value) for name, value in counted_pairs(node.kind, node.knobs)]


def bookkeeping(facts: Iterable[UpstreamFacts]) -> str:
    """The digest of those knobs upstream that change no picture and may be in Nuke's hashes all the same, such as
    the ``version`` that a Read's Reload and each render of a Write raise; empty where all have their defaults.

    Hashes can be compared only where this is equal.
    """
    found = []
    for node in facts:
        counted = {name for name, _ in knob_pairs(node)}
        found += [pair for pair in all_pairs(node.knobs) if pair[0] not in counted | _NOT_HASHED]
    return digest(found) if found else ""


def settings_key(
    facts: Sequence[UpstreamFacts], starts: Sequence[int], options: MatteOptions, more: Mapping[str, Any]
) -> str:
    """The name of a result's folder, 32 hex digits.

    ``facts`` are the nodes upstream and ``starts`` the indices of those that feed the inputs; ``more`` is whatever
    else is sent to the server.
    """
    nodes = [(node.kind, knob_pairs(node), node.inputs) for node in facts]
    return result_key(FrameSources({"nodes": nodes, "starts": list(starts), **more}), options)


@dataclass(frozen=True)
class FrameKey:
    """What one frame is made from, as digests.

    ``hashes``: Nuke's own hashes at the frame. ``files``: times and sizes of its files and its neighbours'.
    ``around``: Nuke's hashes at the frames before and after; empty without temporal smoothing. ``options``: the
    values of the options that are animated; empty where none is. ``driven``: the values of the knobs upstream that
    expressions drive; empty where there is none.
    The two of hashes begin with what they depend on beside the picture, and a colon: hashes are compared only where
    that is the same. They are empty if Nuke gave none or was not asked, since a check of a node must not move the
    timeline. ``needs_hashes`` says that the rest does not tell all that the picture depends on.

    The rest is no part of the key. ``witness`` is what this machine saw of the files beside their times and sizes
    (:mod:`matte_link.file_witness`). A key of now has the files themselves in ``seen``. One that a result was made
    from has the digests of their ``sizes`` and of their ``content`` (:mod:`matte_link.seen_files`), by which the
    files are compared where their times are others; empty where that was not recorded.
    """

    hashes: str
    files: str
    around: str = ""
    options: str = ""
    driven: str = ""
    needs_hashes: bool = field(default=False, compare=False)
    witness: str = field(default="", compare=False)
    seen: SeenTogether = field(default=NOTHING_SEEN, compare=False, repr=False)
    sizes: str = field(default="", compare=False)
    content: str = field(default="", compare=False)

    def is_known_to_equal(self, made: FrameKey, compare_hashes: bool = True) -> bool:
        """Whether a result that was ``made`` from these sources is known to be: some pictures are compared by
        Nuke's hashes alone, which are not always there, and a file that was put there again may be another
        picture."""
        if self.differs(made, compare_hashes) or bool(self.driven) != bool(made.driven):
            return False
        if self.compared_files(made) != SAME:
            return False
        return not self.needs_hashes or (compare_hashes and _are_comparable(self.hashes, made.hashes))

    def were_put_again(self, made: FrameKey) -> bool:
        """Whether a file is in another state than when a result was ``made``; it may be the same picture."""
        return self.files != made.files or were_touched(made.witness, self.witness)

    def compared_files(self, made: FrameKey) -> str:
        """Whether the files are those that a result was ``made`` from: :data:`SAME`, :data:`OTHER`, or
        :data:`UNKNOWN` where this machine has seen that one was put there again, and nobody has read it since."""
        if not self.were_put_again(made):
            return SAME
        return self.seen.compare(made.sizes, made.content, have_same_times=self.files == made.files)

    def can_be_compared(self, made: FrameKey) -> bool:
        """Whether to read the files would tell if they are those that a result was ``made`` from."""
        is_open = self.compared_files(made) == UNKNOWN and bool(made.content)
        return is_open and self.seen.known_contents() is None

    def differs(self, made: FrameKey, compare_hashes: bool = True) -> bool:
        """Whether the sources are known to be others than those that a result was ``made`` from. An empty hash is
        never a change.

        Nuke's hashes are different in proxy mode, so ``compare_hashes`` must be off there.
        """
        pairs = ((self.hashes, made.hashes), (self.around, made.around)) if compare_hashes else ()
        known = self.options != made.options or self.compared_files(made) == OTHER
        # Results of older versions did not record the driven knobs.
        known = known or bool(self.driven and made.driven and self.driven != made.driven)
        return known or any(_hashes_differ(one, another) for one, another in pairs)


def _hashes_differ(one: str, other: str) -> bool:
    return _are_comparable(one, other) and one != other


def _are_comparable(one: str, other: str) -> bool:
    return bool(one and other) and one.rpartition(":")[0] == other.rpartition(":")[0]


def _marked(kept: str, found: str) -> str:
    return f"{kept}:{found}" if kept else found


def frame_key(
    hashes: Iterable[Sequence[int]],
    files: SeenTogether,
    kept: str = "",
    options: str = "",
    driven: str = "",
    needs_hashes: bool = False,
) -> FrameKey:
    """The key of one frame.

    It is made of the ``hashes`` of each node that feeds an input, of its ``files`` as they are, of what hashes
    depend on beside the picture (``kept``, with the :func:`bookkeeping` of the nodes upstream), and of the digests
    of the animated ``options`` and the ``driven`` knobs.
    """
    numbers = [list(each) for each in hashes]
    known = all(numbers)
    return FrameKey(
        hashes=_marked(kept, digest(numbers)) if known else "",
        files=files.stamps,
        options=options,
        driven=driven,
        needs_hashes=needs_hashes,
        seen=files,
    )


def with_neighbours(own: FrameKey, around: Sequence[Optional[FrameKey]]) -> FrameKey:
    """``own`` with the keys of the frames before and after, of which None stands for one that does not exist."""
    known = all(one is None or one.hashes for one in around)
    hashes, files = ([getattr(one, name, None) for one in around] for name in ("hashes", "files"))
    kept = own.hashes.rpartition(":")[0]
    driven = digest([own.driven, *(one.driven if one else "" for one in around)]) if own.driven else ""
    return replace(
        own,
        files=digest([own.files, *files]),
        around=_marked(kept, digest(hashes)) if known else "",
        driven=driven,
        needs_hashes=own.needs_hashes or any(one.needs_hashes for one in around if one),
        seen=_together(own.seen, *(one.seen if one else NOTHING_SEEN for one in around)),
    )


@functools.lru_cache(maxsize=8)
def _together(*parts: SeenTogether) -> SeenTogether:
    """Behind a retime it is the same whole sequence for each frame and those beside it."""
    return SeenTogether([one.seen for one in parts])
