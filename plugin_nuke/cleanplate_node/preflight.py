"""What is checked before any picture is rendered: the node's settings, its inputs, the server and the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Optional

from matte_link.client import MatteClient
from matte_link.errors import CancelledError
from matte_link.messages import Pong
from matte_link.options import MatteOptions

from . import fingerprint, graph, host, makers, manifest, neighbours, panel, range_plan
from .colour import ConfigUnreadable, HostColour, SentColour, sent_colour
from .neighbours import Footage
from .node_state import node_id, setting
from .range_plan import RangePlan, Refused

PING_S = 2.0
_QUIET_FRAMES = 10
"""As many frames are looked at without a progress bar."""


def options_of(node: host.Node) -> MatteOptions:
    """The options on the node's panel. Raises ``Refused``."""
    try:
        options = panel.options_from({name: setting(node, name) for name in panel.option_names()})
    except ValueError as error:
        raise Refused("bad_option", f"{error}", "Correct the setting.") from None
    return options if options.ocio_config else replace(options, ocio_config=colour_of().config)


def roles_of(node: host.Node) -> tuple[str, ...]:
    """The inputs whose pictures go to the server."""
    guides = [role for role in ("core", "holdout") if host.input_of(node, graph.INPUTS.index(role)) is not None]
    return ("src", "clean", *(guides if setting(node, "send_guides") else ()))


def feeds_of(node: host.Node, roles: Sequence[str]) -> list[Optional[host.Node]]:
    return [host.input_of(node, graph.INPUTS.index(role)) for role in roles]


def footage_of(node: host.Node, options: MatteOptions) -> Footage:
    """First and last frame of the plate's source; None without temporal smoothing, which alone needs them."""
    feed = feeds_of(node, ("src",))[0]
    return host.frame_range(feed) if options.temporal and feed is not None else None


def colour_of() -> SentColour:
    """The colourspace of the plates and the configuration that has it. Raises ``Refused``."""
    try:
        return sent_colour(
            HostColour(
                management=host.root_text("colorManagement"),
                space=host.root_text("workingSpaceLUT"),
                config=host.root_text("OCIO_config"),
                custom_path=host.root_evaluated("customOCIOConfigPath"),
                environment=os.environ.get("OCIO", ""),
            )
        )
    except ConfigUnreadable as error:
        raise Refused("bad_ocio_config", str(error), "Correct the project's colour settings.") from None


def check_constant(node: host.Node, frames: Iterable[int]) -> None:
    """Raises ``Refused`` where an option changes between ``frames``, or from them to the current frame: all frames
    of a press are made with the same options."""
    looked_at = (host.current_frame(), *frames)
    for name in (*panel.option_names(), "send_guides"):
        if host.has_knob(node, name) and host.varies(node, name, looked_at):
            raise Refused(
                "animated",
                f"{panel.label_of(name)} changes over these frames, and all frames of a press get one value.",
                "Remove its keys or expression, or go to each stretch that has one value and process that.",
            )


def settings_key_of(node: host.Node, options: MatteOptions) -> str:
    roles = roles_of(node)
    facts, starts = host.upstream(feeds_of(node, roles))
    more = {"roles": list(roles), "space": colour_of().space}
    return fingerprint.settings_key(facts, starts, options, more)


class SourceKeys:
    """The keys of the pictures that feed a node, frame by frame.

    Asks Nuke for the hashes of ``frames``, which moves the timeline to each of them and, at the end, back. Raises
    ``CancelledError`` if the artist stops that.
    """

    def __init__(self, node: host.Node, roles: Sequence[str], frames: Sequence[int]) -> None:
        feeds = {role: feed for role, feed in zip(roles, feeds_of(node, roles)) if feed is not None}
        facts, _ = host.upstream(feeds.values())
        self._files = sorted({one.file for one in facts if one.file})
        self._kept = fingerprint.bookkeeping(facts)
        self._hashes: dict[int, dict[str, tuple[int, ...]]] = {}
        bar = host.ProgressBar("Cleanplate: looking at the inputs") if len(frames) > _QUIET_FRAMES else None
        for done, frame in enumerate(host.at_frames(frames)):
            self._hashes[frame] = {role: host.hashes(feed) for role, feed in feeds.items()}
            if bar is not None:
                bar.show(100 * done // len(frames), f"frame {frame}")
                if bar.cancelled():
                    raise CancelledError("Cancelled before anything was rendered.")

    def keys(
        self, frames: Sequence[int], views: Sequence[str], footage: Footage
    ) -> dict[tuple[int, str], fingerprint.FrameKey]:
        """The key of each frame in each view. A neighbour whose hashes are not known counts with its files only."""
        return {
            (frame, view): self._key(frame, view, footage) for frame, view in range_plan.all_pairs(frames, views)
        }

    def _key(self, frame: int, view: str, footage: Footage) -> fingerprint.FrameKey:
        own = self._alone(frame, view)
        if footage is None:
            return own
        around = neighbours.beside(frame, footage)
        return fingerprint.with_neighbours(own, [None if one is None else self._alone(one, view) for one in around])

    def _alone(self, frame: int, view: str) -> fingerprint.FrameKey:
        hashes = self._hashes.get(frame, {"src": ()})
        return fingerprint.frame_key(hashes.values(), self._files, frame, view, self._kept)

    def clean_is_still(self, frames: Sequence[int]) -> bool:
        """Whether Nuke's hashes say that the clean plate is the same on all these frames."""
        seen = {self._hashes[frame].get("clean", ()) for frame in frames}
        return len(frames) > 1 and len(seen) == 1 and () not in seen


def frames_of(node: host.Node) -> tuple[int, ...]:
    """The frames that 'Process range' processes. Raises ``Refused``."""
    mode = str(setting(node, "range_mode"))
    if mode == "project":
        first, last = host.project_range()
    elif mode == "custom":
        first, last = int(setting(node, "first")), int(setting(node, "last"))
    else:
        feed = host.input_of(node, graph.INPUTS.index("src"))
        if feed is None:
            raise Refused("no_plate", "Nothing is connected to src.", "Connect the plate to the src input.")
        first, last = host.frame_range(feed)
    if last < first:
        raise Refused("bad_range", f"The frame range {first} to {last} is empty.", "Correct 'First' and 'Last'.")
    return tuple(range(first, last + 1))


def preflight(
    node: host.Node, frames: Sequence[int], force: bool, priority: str, server: str = "", ping: bool = True
) -> RangePlan:
    """Returns the plan after all checks that are possible before a picture is rendered. Raises ``LinkError``."""
    _check_host(node)
    check_constant(node, frames)
    options, endpoint = options_of(node), range_plan.endpoint_of(server or str(setting(node, "server")))
    cache = range_plan.absolute(host.evaluated(node, "cache_dir"), host.script_path())
    if ping:
        _ask_server(endpoint)
    now = makers.maker_now(options, endpoint.address)
    roles, views = roles_of(node), host.views()
    folder = range_plan.result_folder(cache, node_id(node), settings_key_of(node, options))
    with host.full_resolution():
        footage = footage_of(node, options)
        sources = SourceKeys(node, roles, (*frames, *neighbours.only_beside(frames, footage)))
        width, height = host.size(feeds_of(node, ("src",))[0] or node)
    keys = {
        at: key
        for at, key in sources.keys(frames, views, footage).items()
        if force or not manifest.has_result(folder, *at, key, now)
    }
    wanted = tuple(sorted({frame for frame, _ in keys}))
    still = sources.clean_is_still((*wanted, *neighbours.only_beside(wanted, footage)))
    plan = RangePlan(
        node_id=node_id(node),
        folder=folder,
        frames=wanted,
        views=views,
        options=options,
        endpoint=endpoint,
        keys=keys,
        roles=roles,
        still_clean=still,
        hints=_hints(node),
        priority=priority,
        footage=footage,
        shown=host.current_frame() if host.has_window() else None,
    )
    range_plan.check_room(folder, width * height, plan.plates())
    return plan


def compare_makers_of(
    node: host.Node, folder: str, options: MatteOptions, address: str, frames: Iterable[int] = ()
) -> makers.MakerComparison:
    """Compares the makers of the results in the node's frame range, and of ``frames``, with what the server at
    ``address`` would compute now, as far as it was asked."""
    records = manifest.read_all(folder)
    try:
        wanted = {*frames_of(node), *frames}
        records = [record for record in records if record.frame in wanted]
    except Refused:
        pass  # without a range all results count
    return makers.compare(records, makers.maker_now(options, address))


def _check_host(node: host.Node) -> None:
    schema = int(setting(node, "schema"))
    if schema > panel.SCHEMA:
        raise Refused(
            "newer_node",
            f"This node was saved by a newer Cleanplate (panel {schema}; this one knows {panel.SCHEMA}).",
            "Install the newer version here too. Finished frames still render.",
        )
    edition = host.limited_licence()
    if edition:
        raise Refused(
            "edition",
            f"Cleanplate does not work in Nuke {edition}, whose Python may use ten nodes only.",
            "Use Nuke, NukeX or Nuke Studio.",
        )
    if not host.script_path():
        raise Refused(
            "not_saved", "The script has no name yet.", "Save it: the results are kept in a folder beside it."
        )
    for role, what in (("src", "plate"), ("clean", "clean plate")):
        if host.input_of(node, graph.INPUTS.index(role)) is None:
            raise Refused(
                f"no_{what.replace(' ', '_')}",
                f"Nothing is connected to {role}.",
                f"Connect the {what} to the {role} input.",
            )


def _hints(node: host.Node) -> dict[str, str]:
    return {
        "colourspace": colour_of().space,
        "colour_management": host.root_text("colorManagement"),
        "working_space": host.root_text("workingSpaceLUT"),
        "host": f"Nuke {host.version()}",
    }


def _ask_server(endpoint: range_plan.Endpoint) -> Pong:
    with MatteClient(endpoint, PING_S) as client:
        answer = client.ping(PING_S)
    makers.remember(endpoint.address, answer)
    return answer


def server_words(node: host.Node) -> str:
    """Asks the node's server for its version and models; one sentence. Raises ``LinkError``."""
    endpoint = range_plan.endpoint_of(str(setting(node, "server")))
    answer = _ask_server(endpoint)
    return f"Cleanplate {answer.version} at {endpoint.address}, models: {', '.join(answer.models) or 'none'}."
