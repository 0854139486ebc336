"""Pictures kept under the name of their content: a shot's clean plate is sent once."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePath

from matte_link.messages import Blob, digest_of

from ..errors import MatteError
from ..worker.messages import SpooledPicture
from .spool import Spool


@dataclass(frozen=True)
class _StoredPicture:
    picture: SpooledPicture
    size: int


class PictureStore:
    """Least recently used pictures go first when ``budget`` bytes are full; those in use stay."""

    def __init__(self, spool: Spool, budget: int) -> None:
        self._spool = spool
        self._budget = budget
        self._kept: OrderedDict[str, _StoredPicture] = OrderedDict()
        self._holds: Counter[str] = Counter()
        self.used = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, digest: str) -> bool:
        return digest in self._kept

    def add(self, digest: str, data: Blob, name: str) -> None:
        """Keeps ``data``; raises ``MatteError`` where it is not what the digest names, or finds no room."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
            return
        if digest_of(data) != digest:
            raise MatteError(
                "wrong_digest", "The picture is not the one its digest names.", "Send it again; it was damaged."
            )
        self._make_room(len(data))
        path = self._spool.write(data, suffix_of(name))
        self._kept[digest] = _StoredPicture(SpooledPicture(str(path), name, digest), len(data))
        self.used += len(data)

    def _make_room(self, size: int) -> None:
        for digest in [digest for digest in self._kept if not self._holds[digest]]:
            if self.used + size <= self._budget and self._spool.fits(size):
                return
            self._drop(digest)
        if self.used + size > self._budget or not self._spool.fits(size):
            raise MatteError("busy", "The server has no room for another clean plate now.", "Try again shortly.")

    def _drop(self, digest: str) -> None:
        kept = self._kept.pop(digest)
        self.used -= kept.size
        self._spool.remove(Path(kept.picture.path))

    def hold(self, digest: str) -> SpooledPicture | None:
        """The picture, which stays until :meth:`release`; None where it is not here."""
        kept = self._kept.get(digest)
        if kept is None:
            return None
        self._kept.move_to_end(digest)
        self._holds[digest] += 1
        return kept.picture

    def release(self, digest: str) -> None:
        """The opposite of :meth:`hold`."""
        self._holds[digest] -= 1
        if not self._holds[digest]:
            del self._holds[digest]


def suffix_of(name: str) -> str:
    """The ending of a client's file name where it is an honest one, else that of an EXR."""
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 6 else ".exr"
