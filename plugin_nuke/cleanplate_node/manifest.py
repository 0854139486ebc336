"""The records in a folder of results: one small JSON file for each frame and view.

So two tasks of a farm never write the same file.

A record is written after its EXR. Where only one of the two exists, the frame counts as missing. No nuke here.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

from matte_link.files import write_atomically
from matte_link.result_key import MAKER, OTHER, SAME, Maker, compare_makers

from .fingerprint import FrameKey
from .quiet_folders import QuietFolders
from .source_files import frame_file

RESULT = "matte.%V.%04d.exr"
_RECORDS = "records"


@dataclass(frozen=True)
class Record:
    """What a frame was made from and how it ended.

    ``hashes``, ``files``, ``around``, ``options``, ``driven``, ``witness``, ``sizes`` and ``content`` are those of
    its :class:`~cleanplate_node.fingerprint.FrameKey`. ``code`` and ``message`` say why it failed, and are empty if
    it has a result. ``warnings`` are what the server doubts about the result. ``maker`` is None in records of
    versions, and of servers, that did not say it.
    """

    frame: int
    view: str
    hashes: str
    files: str
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    around: str = ""
    options: str = ""
    driven: str = ""
    maker: Optional[Maker] = None
    witness: str = ""
    sizes: str = ""
    content: str = ""

    @property
    def key(self) -> FrameKey:
        """The frame's sources."""
        return FrameKey(
            hashes=self.hashes,
            files=self.files,
            around=self.around,
            options=self.options,
            driven=self.driven,
            witness=self.witness,
            sizes=self.sizes,
            content=self.content,
        )


def result_pattern(folder: str) -> str:
    """The file name pattern of a folder's results, as set in the Read."""
    return f"{folder}/{RESULT}"


def result_file(folder: str, frame: int, view: str) -> str:
    """The file of one result."""
    return frame_file(result_pattern(folder), frame, view)


def _record_file(folder: str, frame: int, view: str) -> Path:
    return Path(folder) / _RECORDS / f"{view}.{frame:04d}.json"


def write(folder: str, record: Record) -> None:
    """Writes a record. Raises ``OSError``."""
    text = json.dumps(asdict(record), indent=1)
    write_atomically(str(_record_file(folder, record.frame, record.view)), text.encode())


def read(folder: str, frame: int, view: str) -> Optional[Record]:
    """A frame's record; None if there is none or it cannot be read."""
    return _parsed(_record_file(folder, frame, view))


def _parsed(path: Path) -> Optional[Record]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        maker = Maker.from_dict(facts.get(MAKER))
        return Record(**{**facts, "warnings": tuple(facts.get("warnings", ())), MAKER: maker})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _all(records: str) -> list[Record]:
    found = [record for record in map(_parsed, Path(records).glob("*.json")) if record]
    return sorted(found, key=lambda record: (record.frame, record.view))


_quiet = QuietFolders(_all)


def read_all(folder: str) -> list[Record]:
    """All records of a folder, by frame and view."""
    return [*_quiet.of(f"{folder}/{_RECORDS}")]


def results_there(folder: str) -> set[str]:
    """The files of the results in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return {f"{folder}/{entry.name}" for entry in entries if entry.is_file()}
    return set()


def has_result(folder: str, frame: int, view: str, key: FrameKey, now: Optional[Maker] = None) -> bool:
    """Whether a frame has a result that was made from the same sources. Where Nuke was asked for its hashes, a
    result that cannot be compared does not count.

    If ``now`` is given, the maker that would compute it now, results that are known to have another maker do not
    count.
    """
    record = read(folder, frame, view)
    if record is None or record.code or not Path(result_file(folder, frame, view)).is_file():
        return False
    if now is not None and compare_makers((record.maker,), now) == (OTHER,):
        return False
    if key.hashes:
        return key.is_known_to_equal(record.key)
    return not key.differs(record.key) and key.compared_files(record.key) == SAME


def write_failure(folder: str, record: Record) -> None:
    """Writes the record of a frame that failed. What lies there is of an earlier picture, and goes: a render that
    nothing guards would take it for the matte of the present one. Raises ``OSError``."""
    Path(result_file(folder, record.frame, record.view)).unlink(missing_ok=True)
    write(folder, record)


def renew(folder: str, record: Record, key: FrameKey) -> None:
    """Where the files of a result were put there again and are the same, its record becomes that of these: they
    are not read once more."""
    if key.were_put_again(record.key) and key.compared_files(record.key) == SAME:
        amend(folder, record, replace(record, files=key.files, witness=key.witness))


def amend(folder: str, record: Record, amended: Record) -> None:
    """Writes what was learnt of a result's files since its ``record`` was written, unless another Nuke has made the
    frame again meanwhile. Where it cannot be written, they are read once more."""
    with contextlib.suppress(OSError):
        if read(folder, record.frame, record.view) == record:
            write(folder, amended)


def failed_frames(folder: str) -> tuple[int, ...]:
    """Frames whose last try failed in any view."""
    return tuple(sorted({record.frame for record in read_all(folder) if record.code}))


def folders_of(node_folder: str) -> tuple[str, ...]:
    """The names of the folders in which a node has results, one for each settings key."""
    return tuple(sorted(path.name for path in Path(node_folder).glob("*") if path.is_dir()))


def clear(node_folder: str, kept: Collection[str] = ()) -> int:
    """Deletes a node's results and records, and nothing else in its folder. Returns the number of deleted results.

    The folders ``kept`` are left alone. Folders that are empty afterwards are deleted too. If a file cannot be
    deleted, the others are, and ``OSError`` is raised at the end.
    """
    count = 0
    failure: Optional[OSError] = None
    for path in _ours(Path(node_folder)):
        if path.relative_to(node_folder).parts[0] in kept:
            continue
        try:
            path.unlink()
            count += path.name.startswith("matte.")
        except OSError as error:
            failure = error
    for folder in sorted(_folders(Path(node_folder)), key=lambda one: len(one.parts), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
    if failure:
        raise failure
    return count


def _ours(folder: Path) -> Iterable[Path]:
    yield from folder.glob("*/matte.*.exr")
    yield from folder.glob(f"*/{_RECORDS}/*.json")
    # Plates are deleted once they were sent; these, and half of a file, are left over from a Nuke that was killed.
    yield from folder.glob("*/.plates-*/*.exr*")
    yield from folder.glob("*/.matte.*.tmp")
    yield from folder.glob(f"*/{_RECORDS}/.*.tmp")


def _folders(folder: Path) -> Iterable[Path]:
    yield folder
    yield from (path for path in folder.glob("*") if path.is_dir())
    yield from (path for path in folder.glob(f"*/{_RECORDS}") if path.is_dir())
    yield from (path for path in folder.glob("*/.plates-*") if path.is_dir())
