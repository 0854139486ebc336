"""Whether the result that a node shows is the one that it would make now."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from matte_link.comparison import BackgroundComparison
from matte_link.errors import LinkError
from matte_link.sequence import counted, format_frames

from . import (
    arrivals,
    host,
    later,
    learning,
    made_elsewhere,
    makers,
    manifest,
    preflight,
    range_plan,
    result_read,
    status_basis,
)
from .fingerprint import FrameKey
from .makers import MakerComparison
from .node_options import options_of
from .node_runs import must_wait, running
from .node_state import (
    NOT_PROCESSED,
    STALE_SETTINGS,
    UNCLEAR,
    UP_TO_DATE,
    is_ours,
    node_id,
    ours,
    setting,
    settle_id,
    shown_file,
    state,
    summaries,
    tell,
    words_of,
)
from .sources import NodeSources, SourceKeys, sources_of

_WAIT_S = 0.5
"""As long is waited where Nuke renders, or a button is carried out."""
_KEYS = " keys"
"""What follows the name of a node where the files of its key frames are read; no node's name has a space."""


@dataclass(frozen=True)
class ResultState:
    """What a check found. ``usable`` says whether a guarded render may use the result; ``text`` is for the artist.

    A result of which something is unknown is usable, and its text says what. It is never called up to date.
    """

    usable: bool
    text: str


class ShownResult:
    """The result that a node shows. The graph upstream is walked once, when this is made; any number of frames can
    be compared after that. Raises ``LinkError``.

    Files that were put there again are read to be compared: here if ``waits``, as a render and a terminal do, else
    in the background, after which the node is checked again.
    """

    def __init__(self, node: host.Node, sources: Optional[NodeSources] = None, waits: bool = False) -> None:
        self._node = node
        self._waits = waits or not host.has_window()
        self._folder = range_plan.shown_folder(shown_file(node))
        self._options = options_of(node)
        self._sources = sources or sources_of(node)

    @functools.cached_property
    def _settings_key(self) -> str:
        return self._sources.settings_key(self._options)

    @functools.cached_property
    def _records(self) -> list[manifest.Record]:
        return preflight.records_in_range(self._node, manifest.read_all(self._folder), (host.current_frame(),))

    def settings(self) -> ResultState:
        """Whether settings and graph are those of the result."""
        if not self._folder:
            return ResultState(usable=False, text=summaries.get(node_id(self._node), NOT_PROCESSED))
        if range_plan.key_of(self._folder) != self._settings_key:
            return ResultState(usable=False, text=STALE_SETTINGS)
        return ResultState(usable=True, text=summaries.get(node_id(self._node), UP_TO_DATE))

    def frames(self, views: Sequence[str]) -> ResultState:
        """Whether the frames of the node's range that have results in some views are still made from their sources,
        by files, options and driven knobs. Nuke's hashes are not asked for."""
        made = [one for one in self._records if not one.code]
        keys = SourceKeys(self._sources, self._options, ()).keys(sorted({one.frame for one in made}), views)
        found = [(one, keys[one.frame, one.view]) for one in made if (one.frame, one.view) in keys]
        being_read = self._read([(one.key, key) for one, key in found])
        keyed = [one.frame for one, key in found if one.options != key.options]
        if keyed:
            return ResultState(usable=False, text=f"stale: an animated setting changed at {format_frames(keyed)}")
        changed = [one.frame for one, key in found if key.differs(one.key)]
        if changed:
            return ResultState(usable=False, text=f"stale: the sources of {_frames(changed)} changed")
        there = manifest.results_there(self._folder)
        gone = [at for at in keys if manifest.result_file(self._folder, *at) not in there]
        if gone:
            named = ", ".join(sorted({view for _, view in gone})) if len(host.views()) > 1 else ""
            text = f"{_frames([frame for frame, _ in gone])} not processed"
            return ResultState(usable=False, text=f"{text} in view {named}" if named else text)
        failed = [one for one in self._records if one.code and one.view in views]
        if failed:
            return ResultState(usable=False, text=_failed(failed))
        unknown = [one.frame for one, key in found if not key.is_known_to_equal(one.key)]
        return _unknown(unknown, being_read)

    def _read(self, pairs: Sequence[tuple[FrameKey, FrameKey]]) -> bool:
        """Of keys that results were made from, each with that of now: has those files read that tell whether it is
        the same. Returns whether they are being read in the background."""
        files = list(dict.fromkeys(key.seen for made, key in pairs if key.can_be_compared(made)))
        if self._waits:
            for one in files:
                one.read_contents()
        elif files:
            _comparison.want(host.full_name(self._node), files)
        return bool(files) and not self._waits

    def at(self, frame: int, views: Sequence[str], with_hashes: bool) -> ResultState:
        """One frame in some views, without who made it. Nuke's hashes are known for the current frame only."""
        hashed = (frame,) if with_hashes else ()
        keys = SourceKeys(self._sources, self._options, hashed).keys((frame,), views)
        found = [self._compared(frame, manifest.read(self._folder, *at), key) for at, key in keys.items()]
        return next((one for one in found if one.text != UP_TO_DATE), found[0])

    def _compared(self, frame: int, record: Optional[manifest.Record], key: FrameKey) -> ResultState:
        """A frame in one view; ``record`` is of its result, and ``key`` what it would be made from now."""
        if record is None or (not record.code and not self._has_result(record)):
            return ResultState(usable=False, text=f"frame {frame} is not processed")
        if record.code:
            return ResultState(usable=False, text=_failed([record]))
        compare_hashes = not host.uses_proxy()
        being_read = not key.differs(record.key, compare_hashes) and self._read([(record.key, key)])
        if key.differs(record.key, compare_hashes):
            return ResultState(usable=False, text=f"stale: the sources of frame {record.frame} changed")
        if record.warnings:
            return ResultState(usable=True, text=f"frame {record.frame}: {' '.join(record.warnings)}")
        is_known = key.is_known_to_equal(record.key, compare_hashes)
        return _unknown([] if is_known else [record.frame], being_read)

    def _has_result(self, record: manifest.Record) -> bool:
        return Path(manifest.result_file(self._folder, record.frame, record.view)).is_file()

    @functools.cached_property
    def makers(self) -> MakerComparison:
        """How the makers of the results compare with the server's; looked at once."""
        try:
            address = range_plan.endpoint_of(str(setting(self._node, "server"))).address
        except range_plan.Refused:
            address = ""  # no server has this address, so the results are compared with each other
        return makers.compare(self._records, makers.maker_now(self._options.shared, address))

    def whole(self, views: Sequence[str] = ()) -> ResultState:
        """The state of all frames, in all views or in some; compares everything except Nuke's hashes."""
        found = self.settings()
        frames = self.frames(views or host.views()) if found.usable else found
        if found.text == frames.text == UP_TO_DATE:
            frames = ResultState(usable=True, text=self._so_far(views or host.views()))
        return self._with_makers(found if frames.text == UP_TO_DATE else frames)

    def _so_far(self, views: Sequence[str]) -> str:
        """How many frames of the range have their results, where some have none yet."""
        made = {(one.frame, one.view) for one in self._records if not one.code}
        try:
            wanted = preflight.frames_of(self._node)
        except LinkError:
            return UP_TO_DATE  # without a range none is missing
        done = sum(all((frame, view) in made for view in views) for frame in wanted)
        return UP_TO_DATE if done == len(wanted) else f"{UP_TO_DATE}, {done} of {counted(len(wanted), 'frame')}"

    def frame(self, frame: int, with_hashes: bool, views: Sequence[str] = ()) -> ResultState:
        """Everything of one frame, in all views or in some. Nuke's hashes are known for the current one only."""
        found = self.settings()
        return self._with_makers(self.at(frame, views or host.views(), with_hashes) if found.usable else found)

    def _with_makers(self, found: ResultState) -> ResultState:
        if not found.usable or not self.makers.text:
            return found
        return ResultState(usable=not self.makers.stale, text=self.makers.text)


def _frames(frames: Sequence[int]) -> str:
    return f"frame{'s' if len(set(frames)) > 1 else ''} {format_frames(frames)}"


def _failed(records: Sequence[manifest.Record]) -> str:
    return f"{_frames([one.frame for one in records])} failed: {records[0].message}"


def _unknown(frames: Sequence[int], being_read: bool) -> ResultState:
    """The state where all but the sources of some frames, if any, were compared; of ``being_read`` ones more is
    known in a moment."""
    if not frames:
        return ResultState(usable=True, text=UP_TO_DATE)
    then = "Their files are being read." if being_read else "Press 'Process range' to compare."
    text = f"unknown: whether the sources of {_frames(frames)} changed. {then}"
    return ResultState(usable=True, text=text)


def look_again(node: host.Node, is_new: bool = False, listed: Optional[made_elsewhere.Listed] = None) -> bool:
    """Checks the node if it ``is_new`` here, or if its settings, its graph or what it shows changed since its
    status was set, or its results were made again elsewhere; returns whether it was checked. So the sentence of a
    failure stays until the artist does something about it. Its results may have been ``listed`` ahead.

    Where there are results of the present settings already, such as after an undo, the node shows them.
    """
    settle_id(node)
    try:
        sources: Optional[NodeSources] = sources_of(node)
    except UNCLEAR:
        sources = None
    arrivals.settle(node, sources)
    _note_script(node)
    was_read_again = not running(node) and result_read.read_again(node, listed)
    if not (is_new or was_read_again or status_basis.changed(node, sources)):
        return False
    if sources is not None:
        with contextlib.suppress(*UNCLEAR):  # the check below says it
            result_read.follow_settings(node, sources)
    check(node, deep=False, sources=sources)
    return True


def _note_script(node: host.Node) -> None:
    if host.has_window():  # a farm writes nothing where it only renders
        with contextlib.suppress(*UNCLEAR):
            result_read.note_script(node)


def note_scripts() -> None:
    """Every node notes in which script it is, as that is called now: it may have been saved under another name a
    moment ago."""
    for node in ours():
        _note_script(node)


def check(node: host.Node, deep: bool = True, sources: Optional[NodeSources] = None) -> ResultState:
    """Compares what the node shows with what it would make now, and puts the words on the node.

    ``deep`` also compares the current frame and asks Nuke for its hashes, which is not allowed in all of its
    events.
    ``sources`` are the node's own, where they were looked at already.
    """
    if running(node):
        return ResultState(usable=False, text=state(node))
    try:
        sources = sources or sources_of(node)
        unread = learning.list_keys(node, sources, options_of(node))
        if unread and host.has_window():
            _comparison.want(f"{host.full_name(node)}{_KEYS}", unread)
        shown = ShownResult(node, sources)
        found = shown.frame(host.current_frame(), with_hashes=True) if deep else shown.whole()
    except UNCLEAR as error:
        found = ResultState(usable=False, text=words_of(error))
    tell(node, found.text)
    status_basis.note(node, sources)
    return found


def _compared(name: str) -> None:
    """On the comparison's thread: a node's files were read, or those of its key frames."""
    host.on_main(_check_again, name.partition(_KEYS)[0])


def _check_again(name: str) -> None:
    if must_wait():
        later.after(_WAIT_S, host.on_main, _check_again, name)
        return
    node = host.find(name)
    if node is not None and is_ours(node) and not running(node):
        check(node, deep=False)


_comparison = BackgroundComparison(_compared)
