"""Learning a shot: key frames are added to a node and taken away, and the server learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from matte_link.learn_job import LearnJob, LearnTask
from matte_link.options import MatteOptions
from matte_link.seen_files import SeenTogether
from matte_link.sequence import counted, evenly_spaced, format_frames
from matte_link.tasks import LocalFile

from . import around, graph, host, key_frames, range_plan
from .fingerprint import FrameKey
from .key_frames import KeyFrameRecord
from .learn_run import LearnRun
from .migration import migrate
from .node_options import NodeOptions, options_of
from .node_runs import running
from .node_state import node_id, results_folder, settle_id, tell
from .overwritten import reload_overwritten
from .plates import render_one, render_plates
from .preflight import check_host, frames_of, preflight
from .range_plan import RangePlan, Refused
from .sources import NodeSources, SourceKeys, feed_of, sources_of
from .taken_along import keys_of, take_keys

STEPS = 0
"""As many as are usual."""
FRAMES_WITHOUT_KEYS = 8
"""As many frames, spread over the range, are learned from where no matte was mended."""
_PICTURES = ("src", "clean")
"""The inputs that are learned from, beside the mended mattes."""


@dataclass(frozen=True)
class _Folders:
    """Where a node keeps its key frames and what it learned."""

    keys: str
    weights: str


def _folders(node: host.Node) -> _Folders:
    cache = results_folder(node)
    return _Folders(
        keys=key_frames.folder_of(cache, node_id(node)), weights=key_frames.weights_folder(cache, node_id(node))
    )


def _check(node: host.Node) -> None:
    around.stop(node)
    settle_id(node)
    if running(node):
        raise Refused("running", "This node is processing already.", "Wait, or press Cancel.")
    check_host(node)
    take_keys(node)
    migrate(node)


def _keys_at(
    sources: NodeSources, options: NodeOptions, frames: Sequence[int], views: Sequence[str]
) -> tuple[str, dict[tuple[int, str], FrameKey]]:
    """The key of what is upstream, and that of each frame, whatever the options are: a mended matte is of its own
    plate and clean plate alone, with temporal smoothing too, and where guides are sent."""
    if sources.roles != _PICTURES:
        sources = sources_of(sources.node, sources.scope, _PICTURES)
    plain = replace(options, shared=MatteOptions(), animated=())
    return sources.settings_key(plain), SourceKeys(sources, plain, ()).keys(frames, views)


# -- key frames


def add_key(node: host.Node) -> None:
    """Keeps the alpha of the key input at the current frame, and that of key_mask where something is connected to
    it. Where nothing is connected to key yet, a Read of the node's own matte and a RotoPaint are made and
    connected, for the artist to mend it. Raises ``LinkError``."""
    _check(node)
    frame = host.current_frame()
    if feed_of(node, "key") is None:
        _make_mending_nodes(node)
        tell(node, f"mend the matte of frame {frame} in the RotoPaint, then press 'Add key frame' again")
        return
    folder = _folders(node).keys
    has_mask = _render_key(node, folder, frame)
    with host.unnoticed(), host.full_resolution():
        sources, options = sources_of(node), options_of(node)
        graph_key, keys = _keys_at(sources, options, (frame,), host.views())
    try:
        for view in host.views():
            key_frames.add(folder, KeyFrameRecord.of(frame, view, graph_key, keys[frame, view]))
    except OSError as error:
        raise Refused("cannot_write", f"{error.filename} cannot be written: {error.strerror}.") from None
    list_keys(node, sources, options)
    part = " where key_mask is 1" if has_mask else ""
    tell(node, f"frame {frame} is a key frame{part}; press 'Learn' when all are added")


def _render_key(node: host.Node, folder: str, frame: int) -> bool:
    """Renders the matte of a key frame, and its mask where there is one; returns whether there is. Raises
    ``LinkError``."""
    views = host.views()
    with host.unnoticed():
        reload_overwritten(sources_of(node, roles=("key", "key_mask")), (frame,))
    render_one(host.inner(node, graph.WRITES["key"]), "key", key_frames.matte_pattern(folder), frame, views)
    if feed_of(node, "key_mask") is None:
        key_frames.remove_masks(folder, frame, views)
        return False
    write = host.inner(node, graph.WRITES["key_mask"])
    render_one(write, "key_mask", key_frames.mask_pattern(folder), frame, views)
    return True


def _make_mending_nodes(node: host.Node) -> None:
    """The node itself cannot feed its own input, so a Read shows its results to the RotoPaint."""
    read = host.inner(node, graph.READ)
    file = str(host.value(read, "file"))
    if not range_plan.shown_folder(file):
        raise Refused(
            "no_result",
            "Nothing is connected to key, and the node has no matte to begin with.",
            "Press 'Process frame' first, or connect a matte to the key input.",
        )
    holder = host.parent(node)
    assert holder is not None
    first, last = host.frame_range(node)
    x, y = (int(host.value(node, name)) for name in ("xpos", "ypos"))
    with host.inside(holder):
        matte = host.create("Read", file=file, raw=True, first=first, last=last, xpos=x + 200, ypos=y - 150)
        paint = host.create("RotoPaint", xpos=x + 200, ypos=y)
    host.connect(paint, 0, matte)
    host.connect(node, graph.INPUTS.index("key"), paint)
    if host.has_window():
        host.open_panel(paint)


def remove_key(node: host.Node) -> None:
    """Deletes the mended matte of the current frame. Raises ``LinkError``."""
    _check(node)
    frame, folder = host.current_frame(), _folders(node).keys
    try:
        removed = key_frames.remove(folder, frame, host.views())
    except OSError as error:
        raise Refused("cannot_delete", f"{error.filename} cannot be deleted: {error.strerror}.") from None
    if not removed:
        raise Refused("no_key", f"Frame {frame} is no key frame.", "Go to one of those in the list.")
    list_keys(node, sources_of(node), options_of(node))
    tell(node, f"frame {frame} is no key frame any longer")


def list_keys(node: host.Node, sources: NodeSources, options: NodeOptions) -> list[SeenTogether]:
    """Shows the key frames on the panel, and which of them have another plate now. Returns the files that have to
    be read before that is known of all. Raises ``LinkError``."""
    if not host.has_knob(node, "key_frames") or not host.script_path():
        return []
    view = host.views()[0]
    records = key_frames.read_all(keys_of(node), view)
    found = _compared(records, sources, options) if records else []
    stale = [record.frame for record, graph_key, key in found if record.is_stale(graph_key, key)]
    with host.unnoticed():
        host.set_value(node, "key_frames", key_frames.listed([record.frame for record in records], stale))
    return [key.seen for record, graph_key, key in found if record.can_be_compared(graph_key, key)]


def _compared(
    records: Sequence[KeyFrameRecord], sources: NodeSources, options: NodeOptions
) -> list[tuple[KeyFrameRecord, str, FrameKey]]:
    """Each key frame with what it would be made from now."""
    view = records[0].view
    now, keys = _keys_at(sources, options, [record.frame for record in records], (view,))
    return [(record, now, keys[record.frame, view]) for record in records]


# -- learning


def learn(node: host.Node) -> Optional[LearnRun]:
    """Has the server learn the shot, from the key frames or, without any, from frames spread over the range.
    Returns the run. Raises ``LinkError``."""
    _check(node)
    folders, view = _folders(node), host.views()[0]
    records = key_frames.read_all(folders.keys, view)
    _refuse_changed(node, records)
    keys = [record.frame for record in records]
    frames = keys or evenly_spaced(frames_of(node), FRAMES_WITHOUT_KEYS)
    plan = preflight(node, frames, force=True, priority="batch")
    plan = replace(plan, views=(view,), roles=_PICTURES, footage=None, options=_begin_with(plan.options))
    plan = replace(plan, keys={at: key for at, key in plan.keys.items() if at[1] == view})
    tell(node, f"rendering the plates of {counted(len(plan.frames), 'frame')}")
    plan = render_plates(node, plan)
    run = LearnRun(node, plan, _job(plan, view, folders, has_keys=bool(keys)))
    run.start()
    return run


def _refuse_changed(node: host.Node, records: Sequence[KeyFrameRecord]) -> None:
    """Raises ``Refused`` where a mended matte is of another plate than that of now. Files that were put there again
    are read."""
    if not records:
        return
    with host.unnoticed(), host.full_resolution():
        found = _compared(records, sources_of(node, roles=_PICTURES), options_of(node))
    for record, graph_key, key in found:
        if record.can_be_compared(graph_key, key):
            key.seen.read_contents()
    changed = [record.frame for record, graph_key, key in found if record.is_stale(graph_key, key)]
    if changed:
        raise Refused(
            "key_changed",
            f"The plate or clean plate of key frame {format_frames(changed)} has changed since.",
            "Go there and press 'Add key frame' again, or 'Remove key frame'.",
        )


def _begin_with(options: MatteOptions) -> MatteOptions:
    """What was learned before is not learned upon: it begins with the same weights each time, in a copy of the node
    and in a script that was saved elsewhere, too."""
    return replace(options, weights="") if key_frames.is_learned(options.weights) else options


def _job(plan: RangePlan, view: str, folders: _Folders, has_keys: bool) -> LearnJob:
    tasks = [
        LearnTask(
            frame=frame,
            plate=LocalFile(plan.plate_file("src", frame, view)),
            clean_plate=LocalFile(plan.plate_file("clean", frame, view)),
            key=LocalFile(key_frames.matte_file(folders.keys, frame, view)) if has_keys else None,
            mask=_mask(folders.keys, frame, view) if has_keys else None,
            hints=plan.hints,
        )
        for frame in plan.frames
    ]
    output = key_frames.next_weights(folders.weights)
    return LearnJob(tasks, plan.options, output, steps=STEPS, shot=plan.node_id, endpoint=plan.endpoint)


def _mask(folder: str, frame: int, view: str) -> Optional[LocalFile]:
    file = key_frames.mask_file(folder, frame, view)
    return LocalFile(file) if Path(file).is_file() else None
