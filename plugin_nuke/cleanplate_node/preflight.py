"""What is checked before any picture is rendered: the node's settings, its inputs, the server and the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE
from matte_link.errors import CancelledError
from matte_link.messages import Pong
from matte_link.options import MatteOptions
from matte_link.port_owner import why_not_trusted

from . import generations, graph, host, makers, manifest, panel, range_plan
from .fingerprint import FrameKey
from .node_options import NodeOptions, check_constant, options_of
from .node_state import node_id, results_folder, setting
from .overwritten import reload_overwritten
from .range_plan import RangePlan, Refused
from .sources import NodeSources, SourceKeys, feed_of, sources_of
from .taken_along import take_keys, take_results

PING_S = 2.0


def frames_of(node: host.Node) -> tuple[int, ...]:
    """The frames that 'Process range' processes. Raises ``Refused``."""
    mode = str(setting(node, "range_mode"))
    if mode == "project":
        first, last = host.project_range()
    elif mode == "custom":
        first, last = int(setting(node, "first")), int(setting(node, "last"))
    else:
        feed = feed_of(node, "src")
        if feed is None:
            raise Refused("no_plate", "Nothing is connected to src.", "Connect the plate to the src input.")
        first, last = host.frame_range(feed)
    if last < first:
        where = {"project": "the project's frame range", "custom": "'First' and 'Last'"}
        hint = f"Correct {where.get(mode, 'the range of what feeds src')}."
        raise Refused("bad_range", f"The frame range {first} to {last} is empty.", hint)
    return tuple(range(first, last + 1))


def preflight(
    node: host.Node,
    frames: Sequence[int],
    force: bool,
    priority: str,
    server: str = "",
    quietly: bool = False,
) -> RangePlan:
    """Returns the plan after all checks that are possible before a picture is rendered. Raises ``LinkError``.

    ``quietly`` neither asks the server nor moves the timeline, so Nuke's hashes of the frames are unknown.
    """
    check_host(node)
    check_constant(node, frames)
    options, endpoint = options_of(node), range_plan.endpoint_of(server or str(setting(node, "server")))
    cache = results_folder(node)
    if not quietly:
        _ask_server(endpoint, is_named=bool(server))
    with host.unnoticed(), host.full_resolution():
        sources = sources_of(node)
        _check_copies(sources)
        read = options.with_neighbours(frames, sources.footage(options))
        if reload_overwritten(sources, read):
            sources = sources_of(node)
        folder = range_plan.result_folder(cache, node_id(node), sources.settings_key(options))
        plan = _without_frames(node_id(node), folder, sources, options, endpoint)
        if host.has_window():  # the tasks of a farm would all do so at once
            take_keys(node)
            take_results(node, plan.folder)
        own = {frame: options.at(frame) for frame in frames} if options.animated else {}
        plan = replace(plan, own_options=own, priority=priority)
        keys = SourceKeys(sources, options, () if quietly else read)
        plan = _with_frames(plan, frames, options, force, keys, quietly)
        # A long range takes a while to be looked at. What was overwritten meanwhile is in the keys: once more.
        reload_overwritten(sources, read)
        pixels = _pixels(sources.feeds[0] or node)
    range_plan.check_room(plan.folder, pixels, plan.plates())
    return plan


def _without_frames(
    node: str, folder: str, sources: NodeSources, options: NodeOptions, endpoint: range_plan.Endpoint
) -> RangePlan:
    """A plan for the node of this id, before it is known which frames are to be made."""
    return RangePlan(
        node_id=node,
        folder=generations.newest(folder),
        frames=(),
        views=host.views(),
        options=options.shared,
        endpoint=endpoint,
        keys={},
        roles=sources.roles,
        hints=_hints(sources.space),
        footage=sources.footage(options),
        shown=host.current_frame() if host.has_window() else None,
    )


def _pixels(node: host.Node) -> int:
    """The size of a plate; 0 where Nuke does not say, because there is no picture at the current frame."""
    try:
        width, height = host.size(node)
    except RuntimeError:
        return 0
    return width * height


def _with_frames(
    plan: RangePlan, frames: Sequence[int], options: NodeOptions, force: bool, keys: SourceKeys, quietly: bool
) -> RangePlan:
    """The plan with those of the frames that are to be made."""
    now = makers.maker_now(plan.options, plan.endpoint.address)
    found = keys.keys(frames, plan.views)
    if not force and not quietly:
        _compare_files(plan.folder, found)
    wanted = {at: key for at, key in found.items() if force or not manifest.has_result(plan.folder, *at, key, now)}
    chosen = tuple(sorted({frame for frame, _ in wanted}))
    still = keys.clean_is_still(options.with_neighbours(chosen, plan.footage))
    plan = replace(plan, frames=chosen, keys=wanted, still_clean=still)
    written_over = any(Path(manifest.result_file(plan.folder, *at)).exists() for at in wanted)
    if written_over and host.holds_files_open():
        return replace(plan, folder=generations.following(plan.folder), replaced=plan.folder)
    return plan


def _compare_files(folder: str, keys: Mapping[tuple[int, str], FrameKey]) -> None:
    """Reads the files of results that were put there again, which is less work than to render them. Those whose
    files are the same are recorded to be of these, so that nobody reads them again. Raises ``CancelledError``."""
    records = {at: manifest.read(folder, *at) for at in keys}
    touched = [
        record for at, record in records.items() if record is not None and keys[at].can_be_compared(record.key)
    ]
    bar = host.ProgressBar("Cleanplate: comparing the inputs") if touched else None
    for done, record in enumerate(touched):
        keys[record.frame, record.view].seen.read_contents()
        if bar is not None:
            bar.show(100 * done // len(touched), f"frame {record.frame}")
            if bar.cancelled():
                raise CancelledError("Cancelled before anything was rendered.")
    for record in records.values():
        if record is not None and not record.code:
            manifest.renew(folder, record, keys[record.frame, record.view])


def records_in_range(
    node: host.Node, records: Sequence[manifest.Record], frames: Iterable[int] = ()
) -> list[manifest.Record]:
    """Those of a folder's records that are in the node's frame range or among ``frames``."""
    try:
        wanted = {*frames_of(node), *frames}
    except Refused:
        return [*records]  # without a range all results count
    return [record for record in records if record.frame in wanted]


def compare_makers_of(
    node: host.Node,
    records: Sequence[manifest.Record],
    options: MatteOptions,
    address: str,
    frames: Iterable[int] = (),
) -> makers.MakerComparison:
    """Compares the makers of a folder's results, in the node's range and of ``frames``, with the maker that the
    server at ``address`` named last; where it was never asked, the results are only compared with each other."""
    return makers.compare(records_in_range(node, records, frames), makers.maker_now(options, address))


def check_host(node: host.Node) -> None:
    """Raises ``LinkError`` where the node cannot work at all: in this Nuke, or without a script, inputs or its own
    nodes."""
    schema = int(setting(node, "schema"))
    if schema > panel.SCHEMA:
        raise Refused(
            "newer_node",
            f"This node was saved by a newer Cleanplate (panel {schema}; this one knows {panel.SCHEMA}).",
            "Install the newer version here too. Finished frames still render.",
        )
    host.inner(node, graph.READ)
    edition = host.limited_licence()
    if edition:
        raise Refused(
            "edition",
            f"Cleanplate does not work in {edition}.",
            "Use Nuke, NukeX or Nuke Studio.",
        )
    holder = host.holder_that_forgets(node)
    if holder is not None:
        raise Refused(
            "not_kept",
            f"{host.full_name(holder)} is a {host.kind(holder)}, whose contents are not saved with this script, "
            "so the result would be lost.",
            "Copy a gizmo to a Group, make a LiveGroup editable, or process the node in its own script.",
        )
    if not host.script_path():
        raise Refused(
            "not_saved", "The script has no name yet.", "Save it: the results are kept in a folder beside it."
        )
    for role, what in (("src", "plate"), ("clean", "clean plate")):
        if feed_of(node, role) is None:
            raise Refused(
                f"no_{what.replace(' ', '_')}",
                f"Nothing is connected to {role}.",
                f"Connect the {what} to the {role} input.",
            )


def _check_copies(sources: NodeSources) -> None:
    """Raises ``Refused`` where Nuke would render another picture than that of the files, whose times count."""
    names = host.reads_of_old_copies(sources.feeds)
    if names:
        raise Refused(
            "old_copy",
            f"{', '.join(names)} would be read from a local copy that is older than the file.",
            "Update it under Cache > Localization, or set the Read's localization policy to off.",
        )


def _hints(space: str) -> dict[str, str]:
    return {
        "colourspace": space,
        "colour_management": host.root_text("colorManagement"),
        "working_space": host.root_text("workingSpaceLUT"),
        "host": f"Nuke {host.version()}",
    }


def _ask_server(endpoint: range_plan.Endpoint, is_named: bool = False) -> Pong:
    """Raises ``LinkError`` where the server does not answer, and where another user of this machine runs it. Nobody
    named that one but the script, which may be somebody else's, unless it ``is_named`` on a command line."""
    problem = "" if is_named else why_not_trusted(endpoint)
    if problem:
        raise Refused(
            "another_users",
            problem,
            "Start your own ('cleanplate serve --bind tcp://127.0.0.1:5561') and fill in that address as 'Server'; "
            f"or, if you trust this one, set {ADDRESS_VARIABLE} to its address before Nuke starts.",
        )
    with MatteClient(endpoint, PING_S) as client:
        answer = client.ping(PING_S)
    makers.remember(endpoint.address, answer)
    return answer


def server_words(node: host.Node) -> str:
    """Asks the node's server for its version and models; one sentence. Raises ``LinkError``."""
    endpoint = range_plan.endpoint_of(str(setting(node, "server")))
    return _ask_server(endpoint).sentence(endpoint.address)
