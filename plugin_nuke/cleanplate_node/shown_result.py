"""The result that a node shows, compared with what the node would make now. It looks, and changes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from matte_link.errors import LinkError
from matte_link.seen_files import Seen, SeenTogether
from matte_link.sequence import counted, format_frames

from . import host, makers, manifest, preflight, range_plan
from .disk_ahead import DiskAhead
from .fingerprint import FrameKey
from .makers import MakerComparison
from .node_options import options_of
from .node_state import NOT_PROCESSED, STALE_SETTINGS, UP_TO_DATE, node_id, setting, shown_file, summaries
from .source_files import look_at_file
from .sources import NodeSources, SourceKeys, sources_of


@dataclass(frozen=True)
class ResultState:
    """What a check found. ``usable`` says whether a guarded render may use the result; ``text`` is for the artist.
    ``is_old`` says that it is known to be of an earlier picture or setting, ``is_unknown`` that it may be.

    A result of which something is unknown is usable, and its text says what. It is never called up to date.
    """

    usable: bool
    text: str
    is_old: bool = False
    is_unknown: bool = False


class ShownResult:
    """The result that a node shows. The graph upstream is walked once, when this is made; any number of frames can
    be compared after that. Raises ``LinkError``.

    Files that were put there again are read to be compared, here or by ``read_later``. ``in_render`` the makers of
    results are compared with each other only, in a window as on a farm, where no server was asked: results of an
    older server are of the same pictures, and may be rendered where all are. What the disk was asked ``ahead`` is
    not asked again.
    """

    def __init__(
        self,
        node: host.Node,
        sources: Optional[NodeSources] = None,
        read_later: Optional[Callable[[Sequence[SeenTogether]], None]] = None,
        in_render: bool = False,
        ahead: Optional[DiskAhead] = None,
    ) -> None:
        self._node = node
        self._ahead = ahead
        self.files: set[str] = set()
        """Those that all frames were compared by."""
        self._read_later = read_later
        self._in_render = in_render
        self._folder = range_plan.shown_folder(shown_file(node))
        self._options = options_of(node)
        self._sources = sources or sources_of(node)

    @functools.cached_property
    def _settings_key(self) -> str:
        return self._sources.settings_key(self._options)

    @functools.cached_property
    def _all_records(self) -> Sequence[manifest.Record]:
        ahead = self._ahead_of_folder
        return ahead.records if ahead else manifest.read_all(self._folder)

    @functools.cached_property
    def _records(self) -> list[manifest.Record]:
        return preflight.records_in_range(self._node, self._all_records, (host.current_frame(),))

    @property
    def _ahead_of_folder(self) -> Optional[DiskAhead]:
        ahead = self._ahead
        return ahead if ahead and ahead.answered and ahead.results.folder == self._folder else None

    @property
    def count(self) -> int:
        """How many results and failed frames are in the node's range."""
        return len(self._records) if self._folder else 0

    def files_wanted(self) -> set[str]:
        """The files that a look at all frames asks for, without asking."""
        if self.settings().usable:
            self._keys(host.views(), look=lambda path: None)
        return self.files

    def _keys(
        self, views: Sequence[str], look: Callable[[str], Seen] = look_at_file
    ) -> dict[tuple[int, str], FrameKey]:
        """What all frames that have results would be made from now."""
        ahead = self._ahead.files if self._ahead else {}

        def noted(path: str) -> Seen:
            self.files.add(path)
            return ahead[path] if path in ahead else look(path)

        frames = sorted({one.frame for one in self._records if not one.code})
        return SourceKeys(self._sources, self._options, (), noted).keys(frames, views)

    def settings(self) -> ResultState:
        """Whether settings and graph are those of the result."""
        if not self._folder:
            return ResultState(usable=False, text=summaries.get(node_id(self._node), NOT_PROCESSED))
        if range_plan.key_of(self._folder) != self._settings_key:
            return _old(STALE_SETTINGS)
        return ResultState(usable=True, text=summaries.get(node_id(self._node), UP_TO_DATE))

    def frames(self, views: Sequence[str]) -> ResultState:
        """Whether the frames of the node's range that have results in some views are still made from their sources,
        by files, options and driven knobs. Nuke's hashes are not asked for."""
        made = [one for one in self._records if not one.code]
        keys = self._keys(views)
        found = [(one, keys[one.frame, one.view]) for one in made if (one.frame, one.view) in keys]
        being_read = self._read([(one.key, key) for one, key in found])
        keyed = [one.frame for one, key in found if one.options != key.options]
        if keyed:
            return _old(f"stale: an animated setting changed at {format_frames(keyed)}")
        changed = [one.frame for one, key in found if key.differs(one.key)]
        if changed:
            return _old(f"stale: the sources of {_frames(changed)} changed")
        there = self._results_there()
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

    def _results_there(self) -> Collection[str]:
        ahead = self._ahead_of_folder
        if ahead is None:
            return manifest.results_there(self._folder)
        return {f"{self._folder}/{name}" for name in ahead.results.stamps}

    def _read(self, pairs: Sequence[tuple[FrameKey, FrameKey]]) -> bool:
        """Of keys that results were made from, each with that of now: has those files read that tell whether it is
        the same. Returns whether they are being read in the background."""
        files = list(dict.fromkeys(key.seen for made, key in pairs if key.can_be_compared(made)))
        if self._read_later is None:
            for one in files:
                one.read_contents()
            return False
        if files:
            self._read_later(files)
        return bool(files)

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
            return _old(f"stale: the sources of frame {record.frame} changed")
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
        now = None if self._in_render else makers.maker_now(self._options.shared, address)
        return makers.compare(self._records, now)

    def whole(self, views: Sequence[str] = ()) -> ResultState:
        """The state of all frames, in all views or in some; compares everything except Nuke's hashes."""
        found = self.settings()
        frames = self.frames(views or host.views()) if found.usable else found
        if frames.text == UP_TO_DATE and found.text.startswith(UP_TO_DATE):
            frames = self._so_far(views or host.views(), found)
        return self._with_makers(found if frames.text == UP_TO_DATE else frames)

    def _so_far(self, views: Sequence[str], found: ResultState) -> ResultState:
        """How many frames of the range have their results, where some have none yet; else what was ``found``."""
        if not self._all_records:
            return ResultState(usable=False, text=NOT_PROCESSED)  # somebody deleted them
        made = {(one.frame, one.view) for one in self._records if not one.code}
        try:
            wanted = preflight.frames_of(self._node)
        except LinkError:
            return found  # without a range none is missing
        done = sum(all((frame, view) in made for view in views) for frame in wanted)
        if done == len(wanted):
            return found
        return ResultState(usable=True, text=f"{UP_TO_DATE}, {done} of {counted(len(wanted), 'frame')}")

    def frame(self, frame: int, with_hashes: bool, views: Sequence[str] = ()) -> ResultState:
        """Everything of one frame, in all views or in some. Nuke's hashes are known for the current one only."""
        found = self.settings()
        return self._with_makers(self.at(frame, views or host.views(), with_hashes) if found.usable else found)

    def _with_makers(self, found: ResultState) -> ResultState:
        if not found.usable or not self.makers.text:
            return found
        is_stale = self.makers.stale
        return ResultState(usable=not is_stale, text=self.makers.text, is_unknown=not is_stale)


def _old(text: str) -> ResultState:
    return ResultState(usable=False, text=text, is_old=True)


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
    return ResultState(usable=True, text=text, is_unknown=True)
