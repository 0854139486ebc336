"""What feeds a node: the nodes upstream of its inputs, looked at once, and the keys that are made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from matte_link.errors import CancelledError
from matte_link.options import MatteOptions
from matte_link.result_key import digest
from matte_link.seen_files import Seen, SeenFile, files_in
from matte_link.sequence import evenly_spaced

from . import fingerprint, graph, host, range_plan
from .colour import SentColour
from .frame_reach import ADD_UP, SAME_FRAME, FrameMap, frames_reached
from .graph_scope import GraphScope
from .knob_text import all_pairs
from .neighbours import Footage
from .node_options import NodeOptions
from .node_state import setting
from .project_colour import config_digest, config_of_nodes, manages_by_ocio, project_colour
from .shutter import moments
from .source_files import FileStamps, look_at_file, name_by_script

_SAMPLED = (1, 101, 1001)
"""At these frames, whatever the range is, the settings key looks at the knobs that expressions drive. So most
changes of such a knob get a folder of results of their own, which undo can go back to; the others are seen in the
keys of frames."""
_LOOKED_AT = 500
"""As many frames are looked at, at most, of a knob that any frame of may be seen."""
_CONVERSIONS = ["colorManagement", "int8Lut", "int16Lut", "logLut", "floatLut", "luts"]
"""The project's settings that a Read converts its files by; the last one has the curves, which can be edited."""
_QUIET_FRAMES = 10
"""As many frames are looked at without a progress bar."""


@dataclass(frozen=True)
class NodeSources:
    """The nodes upstream of a node's inputs.

    ``feeds`` has, for each of the ``roles``, the node connected to that input, and ``upstream`` is what they depend
    on. ``space`` is the colourspace of the pictures. ``scope`` are the Graph Scope Variables that
    they are looked at with. ``project`` are the project's settings that have a part in the pictures.
    """

    node: host.Node
    roles: tuple[str, ...]
    feeds: tuple[Optional[host.Node], ...]
    upstream: host.Upstream
    space: str
    scope: GraphScope
    project: tuple[tuple[str, str], ...]
    _driven: dict[int, str] = field(default_factory=dict)
    _keys: dict[tuple[MatteOptions, tuple[str, ...]], str] = field(default_factory=dict)
    _numbers: dict[tuple[int, int], Optional[float]] = field(default_factory=dict)
    _ranges: dict[int, Sequence[object]] = field(default_factory=dict)

    def settings_key(self, options: NodeOptions) -> str:
        """The name of the folder of the results with these options and sources."""
        of = options.shared, options.animated
        if of not in self._keys:
            self._keys[of] = self._settings_key(options)
        return self._keys[of]

    def _settings_key(self, options: NodeOptions) -> str:
        more: dict[str, object] = {"roles": list(self.roles), "space": self.space}
        if options.animated:
            more["animated"] = list(options.animated)
        if self.scope.variables:
            more["variables"] = self.scope.text
        made = [file for one, maps in zip(self.upstream.facts, self._reached) if maps for file in one.files]
        if any(file.is_made for file in made):
            # Scripts that lie beside each other may share the node.
            script = host.script_path()
            more["names"] = [name_by_script(file.pattern, script) for file in made if file.is_made]
        if self.project:
            more["project"] = list(self.project)
        if self.upstream.driven:
            more["driven"] = [self._expressed_at(frame) for frame in _SAMPLED]
        return fingerprint.settings_key(self.upstream.facts, self.upstream.starts, options.shared, more)

    def driven_at(self, frame: int) -> str:
        """The digest of the values that expressions give to knobs upstream at a frame, and of the FrameRanges that
        it lies outside of; empty where there are none."""
        expressed, beyond = self._expressed_at(frame), self._beyond_ranges(frame)
        return digest([expressed, beyond]) if beyond else expressed

    def _beyond_ranges(self, frame: int) -> Sequence[object]:
        """The FrameRanges upstream one of whose frames that are seen is outside of the range, with the end that it
        is beyond: no document says what is there. Both ends count where any frame may be seen."""
        found: list[object] = []
        for place, (first, last) in self._frame_ranges.items():
            seen = {one.at(frame) for one in self._reached[place]}
            if any(one.is_any for one in self._reached[place]):
                found.append([place, first, last])
            elif any(not first <= at <= last for at in seen):
                found.append([place, first if min(seen) < first else None, last if max(seen) > last else None])
        return found

    @functools.cached_property
    def _frame_ranges(self) -> dict[int, tuple[int, int]]:
        facts = enumerate(self.upstream.facts)
        places = [place for place, one in facts if one.kind in fingerprint.RANGE_ONLY and self._reached[place]]
        return {place: host.frame_range(self.upstream.nodes[place]) for place in places}

    def _expressed_at(self, frame: int) -> str:
        """Nuke is asked once for each frame."""
        if not self.upstream.driven:
            return ""
        if frame not in self._driven:
            self._driven[frame] = digest(
                [self._values(number, frame) for number in range(len(self.upstream.driven))]
            )
        return self._driven[frame]

    def _values(self, number: int, frame: int) -> Sequence[object]:
        """The values of one of the driven knobs at those frames of its node that are seen at a frame."""
        place, knob = self.upstream.driven[number]
        maps = self._reached[place] or {SAME_FRAME}  # a node that only an expression names
        frames = [one.at(frame) for one in sorted(maps, key=FrameMap.order)]
        found: list[Sequence[object]] = [
            knob.values_at(at + beside) for at in frames for beside in self._moments[place]
        ]
        counts_anywhere = any(one.is_any for one in maps) or self.upstream.facts[place].kind in ADD_UP
        if counts_anywhere and isinstance(knob, host.DrivenKnob):
            found.append(self._over_range(number, place, knob))
        return found[0] if all(one == found[0] for one in found) else found

    def _over_range(self, number: int, place: int, knob: host.DrivenKnob) -> Sequence[object]:
        """The values of a knob in the ranges of its node and of the project, any frame of which may be seen: the
        first one, and each change with its frame, so that a range that has grown changes nothing."""
        if number not in self._ranges:
            first, last = range_plan.spans(*host.frame_range(self.upstream.nodes[place]), host.project_range())
            frames = evenly_spaced(range(first, last + 1), _LOOKED_AT)
            values = [(frame, knob.values_at(frame)) for frame in frames]
            changes = [list(now) for before, now in zip(values, values[1:]) if before[1] != now[1]]
            self._ranges[number] = [values[0][1], *changes] if changes else values[0][1]
        return self._ranges[number]

    @functools.cached_property
    def _moments(self) -> Sequence[tuple[float, ...]]:
        """For each node upstream, the frame itself and what motion blur looks at beside it."""
        return moments(self.upstream.facts, self._reached)

    @functools.cached_property
    def hashed_with(self) -> str:
        """What Nuke's hashes of these sources depend on beside the picture. Another version of Nuke gives other
        hashes of the same picture, with another view a node has more of them, and they may depend on nodes that no
        picture depends on."""
        views = host.views()
        more = f" {' '.join(views)}" if len(views) > 1 else ""
        more += f" {self.upstream.unseen}" if self.upstream.unseen else ""
        return f"{fingerprint.bookkeeping(self.upstream.facts)}@{host.version()}{more}"

    @functools.cached_property
    def has_text_that_runs(self) -> bool:
        """Whether a text upstream is TCL or Python, whose value at a frame is not known here."""
        return any(one.has_text_that_runs for one, maps in zip(self.upstream.facts, self._reached) if maps)

    @functools.cached_property
    def _reached(self) -> list[frozenset[FrameMap]]:
        """For each node upstream, the frames of it that are seen."""
        return frames_reached(self.upstream.facts, self.upstream.starts)

    def stamps(self, look: Callable[[str], Seen] = look_at_file) -> FileStamps:
        """Looks at the files upstream."""
        pairs = [(file, maps) for one, maps in zip(self.upstream.facts, self._reached) for file in one.files]
        return FileStamps(
            [file for file, _ in pairs], [maps for _, maps in pairs], self._chosen, host.views(), look
        )

    def files_by_node(self, frames: Sequence[int]) -> Iterator[tuple[host.Node, set[SeenFile]]]:
        """The nodes upstream that read files, each with those that count at some of ``frames``, as they are."""
        views = host.views()
        for node, one, maps in zip(self.upstream.nodes, self.upstream.facts, self._reached):
            if one.files and maps:
                stamps = FileStamps(one.files, [maps] * len(one.files), self._chosen, views)
                seen = {stamps.of(*at) for at in range_plan.all_pairs(frames, views)}
                yield node, {file for each in seen for file in files_in(each.seen)}

    def _chosen(self, switch: int, frame: int) -> Optional[float]:
        """The input that a Switch upstream takes at a frame. Nuke is asked once for each frame."""
        if (switch, frame) not in self._numbers:
            self._numbers[switch, frame] = self.upstream.chosen(switch, frame)
        return self._numbers[switch, frame]

    def footage(self, options: NodeOptions) -> Footage:
        """First and last frame of the plate's source; None without temporal smoothing, which alone needs them."""
        plate = self.feeds[0]
        return host.frame_range(plate) if options.smooths() and plate is not None else None


def roles_of(node: host.Node) -> tuple[str, ...]:
    """The inputs whose pictures go to the server."""
    guides = [role for role in ("core", "holdout") if feed_of(node, role) is not None]
    return ("src", "clean", *(guides if setting(node, "send_guides") else ()))


def feed_of(node: host.Node, role: str) -> Optional[host.Node]:
    """The node connected to an input."""
    return host.input_of(node, graph.INPUTS.index(role))


def sources_of(
    node: host.Node, scope: Optional[GraphScope] = None, roles: Optional[tuple[str, ...]] = None
) -> NodeSources:
    """Walks the graph upstream of the node's inputs, those of ``roles_of`` or of other ``roles``, which are looked
    at in a ``scope``; by default in that around the node. Raises ``Refused`` where the project's colour is
    unknown."""
    roles = roles_of(node) if roles is None else roles
    feeds = tuple(feed_of(node, role) for role in roles)
    scope = host.scope_around(node) if scope is None else scope
    upstream = host.upstream(feeds, scope)
    colour = project_colour()
    return NodeSources(
        node=node,
        roles=roles,
        feeds=feeds,
        upstream=upstream,
        space=colour.space,
        scope=scope,
        project=_project(node, upstream.facts, colour),
    )


def _project(node: host.Node, facts: Sequence[host.NodeFacts], colour: SentColour) -> tuple[tuple[str, str], ...]:
    """The project's format, where a node takes it, what files are converted by, where one is, the text of the
    project's colour configuration, with its LUTs and its name where a node takes it. Those at their defaults are
    left out."""
    names = ["format"] if any(one.takes_project_format for one in facts) else []
    readers = (one for one in facts if one.kind == "Read" or one.reads_render)
    converts = any(("raw", "true") not in all_pairs(one.knobs) for one in readers)
    if converts:
        names += _CONVERSIONS
    takes_config = any(one.kind.startswith("OCIO") for one in facts) or (converts and manages_by_ocio())
    config = config_of_nodes() if takes_config else ""
    # The one that is sent is among the options, unless the node names another one.
    is_known = config == colour.config and not setting(node, "ocio_config")
    text = config_digest(colour.config or config, with_luts=takes_config)
    pairs = [("OCIO_config", text), ("config", "" if is_known else config)]
    return (*host.changed_root_texts(names), *(pair for pair in pairs if pair[1]))


class SourceKeys:
    """The keys of the pictures that feed a node, frame by frame. ``look`` looks at a file.

    Asks Nuke for the hashes of ``frames``, which moves the timeline to each of them and, at the end, back. Raises
    ``CancelledError`` if the artist stops that.
    """

    def __init__(
        self,
        sources: NodeSources,
        options: NodeOptions,
        frames: Sequence[int],
        look: Callable[[str], Seen] = look_at_file,
    ) -> None:
        self._options = options
        self._footage = sources.footage(options)
        self._sources = sources
        self._stamps = sources.stamps(look)
        self._kept = sources.hashed_with
        feeds = {role: feed for role, feed in zip(sources.roles, sources.feeds) if feed is not None}
        self._hashes = _hashes(feeds, frames)

    def keys(self, frames: Sequence[int], views: Sequence[str]) -> dict[tuple[int, str], fingerprint.FrameKey]:
        """The key of each frame in each view. A neighbour whose hashes are not known counts with its files only."""
        return {(frame, view): self._key(frame, view) for frame, view in range_plan.all_pairs(frames, views)}

    def _key(self, frame: int, view: str) -> fingerprint.FrameKey:
        key = self._without_witness(frame, view)
        return replace(key, witness=key.seen.witness)

    def _without_witness(self, frame: int, view: str) -> fingerprint.FrameKey:
        own = self._alone(frame, view, self._options.digest(frame))
        if self._footage is None or not self._options.at(frame).temporal:
            return own
        around = self._options.sides(frame, self._footage)
        keys = [None if one is None else self._alone(one, view) for one in around]
        return fingerprint.with_neighbours(own, keys)

    def _alone(self, frame: int, view: str, options: str = "") -> fingerprint.FrameKey:
        return fingerprint.frame_key(
            self._hashes.get(frame, {"src": ()}).values(),
            self._stamps.of(frame, view),
            kept=self._kept,
            options=options,
            driven=self._sources.driven_at(frame),
            needs_hashes=self._sources.has_text_that_runs or not self._stamps.are_known(frame, view),
        )

    def clean_is_still(self, frames: Sequence[int]) -> bool:
        """Whether Nuke's hashes say that the clean plate is the same on all these frames."""
        seen = {self._hashes.get(frame, {}).get("clean", ()) for frame in frames}
        return len(frames) > 1 and len(seen) == 1 and () not in seen


def _hashes(feeds: dict[str, host.Node], frames: Sequence[int]) -> dict[int, dict[str, tuple[int, ...]]]:
    """Nuke's hashes of each node that feeds an input, by frame and role."""
    found = {}
    bar = host.ProgressBar("Cleanplate: looking at the inputs") if len(frames) > _QUIET_FRAMES else None
    for done, frame in enumerate(host.at_frames(frames)):
        found[frame] = {role: host.hashes(feed) for role, feed in feeds.items()}
        if bar is not None:
            bar.show(100 * done // len(frames), f"frame {frame}")
            if bar.cancelled():
                raise CancelledError("Cancelled before anything was rendered.")
    return found
