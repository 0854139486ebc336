"""The mattes that an artist mended for a node to learn from, as files in ``NODE/keys``. No nuke here.

They are the artist's work: nothing but *Remove key frame* deletes one, and Clear cache does not.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

from matte_link.files import write_atomically
from matte_link.result_key import OTHER
from matte_link.sequence import format_frames

from .fingerprint import FrameKey
from .source_files import frame_file

_MATTE = "key.%V.%04d.exr"
_MASK = "mask.%V.%04d.exr"
_LEARNED = "learned"


@dataclass(frozen=True)
class KeyFrameRecord:
    """One mended matte. ``graph`` is the key of the nodes upstream when it was added, and ``files`` the digest of
    times and sizes of the plate's files. ``witness``, ``sizes`` and ``content`` are as in :class:`FrameKey`; empty
    where they were not recorded."""

    frame: int
    view: str
    graph: str
    files: str
    witness: str = ""
    sizes: str = ""
    content: str = ""

    @classmethod
    def of(cls, frame: int, view: str, graph: str, key: FrameKey) -> KeyFrameRecord:
        """A matte of the plate of now, whose files are read: those of a copy of the project have other times, and a
        file may be replaced by one of its size and time."""
        content = key.seen.read_contents()
        sizes = key.seen.sizes if content else ""
        return cls(
            frame=frame,
            view=view,
            graph=graph,
            files=key.files,
            witness=key.witness,
            sizes=sizes,
            content=content,
        )

    def is_stale(self, graph: str, key: FrameKey) -> bool:
        """Whether the plate has changed since; so it is said until files that were put there again are read."""
        return self.graph != graph or key.compared_files(self._key) == OTHER or self.can_be_compared(graph, key)

    def can_be_compared(self, graph: str, key: FrameKey) -> bool:
        """Whether to read the files would tell if the plate has changed since."""
        return self.graph == graph and key.can_be_compared(self._key)

    @property
    def _key(self) -> FrameKey:
        return FrameKey(hashes="", files=self.files, witness=self.witness, sizes=self.sizes, content=self.content)


def folder_of(cache: str, node_id: str) -> str:
    """Where a node's key frames lie."""
    return f"{cache.rstrip('/')}/{node_id}/keys"


def weights_folder(cache: str, node_id: str) -> str:
    """Where a node keeps what was learned from them."""
    return f"{cache.rstrip('/')}/{node_id}/{_LEARNED}"


def matte_pattern(folder: str) -> str:
    """The file name pattern of the mattes."""
    return f"{folder}/{_MATTE}"


def matte_file(folder: str, frame: int, view: str) -> str:
    """The file of one matte."""
    return frame_file(matte_pattern(folder), frame, view)


def mask_pattern(folder: str) -> str:
    """The file name pattern of the masks, which say where a matte is right. A matte without one is right
    everywhere."""
    return f"{folder}/{_MASK}"


def mask_file(folder: str, frame: int, view: str) -> str:
    """The file of the mask of one matte, whether it has one or not."""
    return frame_file(mask_pattern(folder), frame, view)


def remove_masks(folder: str, frame: int, views: Sequence[str]) -> None:
    """Deletes the masks of one frame. Raises ``OSError``."""
    for view in views:
        with contextlib.suppress(FileNotFoundError):
            Path(mask_file(folder, frame, view)).unlink()


def _record_file(folder: str, frame: int, view: str) -> Path:
    return Path(folder) / f"{view}.{frame:04d}.json"


def add(folder: str, record: KeyFrameRecord) -> None:
    """Records a matte that lies in the folder already. Raises ``OSError``."""
    text = json.dumps(asdict(record), indent=1)
    write_atomically(str(_record_file(folder, record.frame, record.view)), text.encode())


def remove(folder: str, frame: int, views: Sequence[str]) -> bool:
    """Deletes the mattes of one frame and their masks; returns whether there was one. Raises ``OSError``."""
    found = False
    remove_masks(folder, frame, views)
    for view in views:
        for path in (_record_file(folder, frame, view), Path(matte_file(folder, frame, view))):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                found = True
    return found


def read_all(folder: str, view: str) -> list[KeyFrameRecord]:
    """The key frames of a view, by frame. One whose matte is gone does not count."""
    found = [_parsed(path) for path in Path(folder).glob(f"{view}.*.json")]
    there = [
        one for one in found if one and one.view == view and Path(matte_file(folder, one.frame, view)).is_file()
    ]
    return sorted(there, key=lambda one: one.frame)


def _parsed(path: Path) -> Optional[KeyFrameRecord]:
    try:
        return KeyFrameRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def copy(old: str, new: str) -> None:
    """Copies a folder of key frames to where there is none: all of them, or none. Raises ``OSError``."""
    part = Path(new).with_name(f".keys-{uuid.uuid4().hex[:8]}.tmp")
    try:
        shutil.copytree(old, part)
        part.rename(new)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_learned(weights: str) -> bool:
    """Whether a file of weights is one that a node has learned, in whatever folder."""
    path = Path(weights)
    return path.parent.name == _LEARNED and path.suffix == ".learned" and path.stem.isdigit()


def next_weights(folder: str) -> str:
    """A file name for the next weights that are learned. Each has its own, so that results of others stay good."""
    numbers = [int(path.stem) for path in Path(folder).glob("*.learned") if path.stem.isdigit()]
    return f"{folder}/{max(numbers, default=0) + 1:03d}.learned"


def listed(frames: Sequence[int], stale: Sequence[int]) -> str:
    """The list of key frames for the panel."""
    if not frames:
        return "none"
    text = format_frames(frames)
    return f"{text} (the plate of {format_frames(stale)} has changed since)" if stale else text
