"""Stores pictures by the digest of their content, so that a shot's clean plate is sent only once."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
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
    """Holds at most ``budget`` bytes; drops the least recently used pictures that no job holds."""

    def __init__(self, spool: Spool, budget: int) -> None:
        self._spool = spool
        self.budget = budget
        self._kept: OrderedDict[str, _StoredPicture] = OrderedDict()
        self._holds: Counter[str] = Counter()
        self.used = 0
        self.promised = 0
        """Bytes that pictures will have of which parts have arrived."""
        self.forget_upload: Callable[[], bool] = lambda: False
        """Drops a picture whose client has stopped to send its parts; returns whether there was one."""

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, digest: str) -> bool:
        return digest in self._kept

    def add(self, digest: str, data: Blob, name: str) -> None:
        """Stores a picture. Raises ``MatteError``: wrong_digest, and as :meth:`make_room`."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
            return
        if digest_of(data) != digest:
            raise wrong_digest()
        self.make_room(len(data))
        self.adopt(digest, self._spool.write(data, suffix_of(name)), len(data), name)

    def adopt(self, digest: str, path: Path, size: int, name: str) -> None:
        """Stores a picture that lies in the spool already."""
        self._kept[digest] = _StoredPicture(
            picture=SpooledPicture(path=str(path), name=name, digest=digest), size=size
        )
        self.used += size

    def size_of(self, digest: str) -> int:
        """Bytes of a stored picture; 0 where the store does not have it."""
        return self._kept[digest].size if digest in self._kept else 0

    def first_bytes(self, digest: str, size: int) -> bytes:
        """The first bytes of a stored picture; none where the store does not have it."""
        if digest not in self._kept:
            return b""
        with Path(self._kept[digest].picture.path).open("rb") as file:
            return file.read(size)

    def make_room(self, size: int) -> None:
        """Drops pictures that no job holds until there is room for another one. Raises ``MatteError``: busy, or as
        :meth:`check_size`."""
        self.check_size(size)

        def has_room() -> bool:
            return self.used + self.promised + size <= self.budget and self._spool.make_room(size)

        if not self._drop_until(has_room):
            raise MatteError("busy", "The server has no room for another clean plate now.", "Try again shortly.")

    def check_size(self, size: int) -> None:
        """Raises ``MatteError`` where there is no room for a picture, whatever gives way: spool_too_small where
        there never is, disk_full where other files take it."""
        room = min(self.budget, self._spool.capacity)
        if size > room:
            raise no_room("picture", size, room, min(self.budget, self._spool.limit))

    def give_way(self, size: int, to_keep: Collection[str] = ()) -> bool:
        """Drops pictures that no job holds, except those ``to_keep`` by digest, until the spool has room for
        ``size`` bytes; returns whether it has."""
        return self._drop_until(lambda: self._spool.make_room(size), to_keep)

    def _drop_until(self, is_enough: Callable[[], bool], to_keep: Collection[str] = ()) -> bool:
        """Drops pictures that were left half sent, then whole ones, the least recently used first; returns whether
        it was enough."""
        while not is_enough():
            if not self.forget_upload():
                break
        for digest in [digest for digest in self._kept if not self._holds[digest] and digest not in to_keep]:
            if is_enough():
                return True
            self._drop(digest)
        return is_enough()

    def _drop(self, digest: str) -> None:
        kept = self._kept.pop(digest)
        self.used -= kept.size
        self._spool.remove(Path(kept.picture.path))

    def hold(self, digest: str) -> SpooledPicture | None:
        """The picture, which is kept until :meth:`release`; None where the store does not have it."""
        kept = self._kept.get(digest)
        if kept is None:
            return None
        self._kept.move_to_end(digest)
        self._holds[digest] += 1
        return kept.picture

    def release(self, digest: str) -> None:
        """Ends one :meth:`hold`."""
        self._holds[digest] -= 1
        if not self._holds[digest]:
            del self._holds[digest]


def no_room(what: str, needed: int, room: int, limit: int) -> MatteError:
    """For a frame or a picture that does not fit, whatever gives way. Sizes in bytes; ``room``: what there is now,
    ``limit``: what there is at most, on a disk without other files."""
    if needed <= limit:
        return MatteError(
            "disk_full",
            f"The {what} needs {_mib(needed)} on the server, whose disk has {_mib(room)} beside other files.",
            "Free some space there and try again, or give the server a larger /dev/shm or TMPDIR.",
        )
    return MatteError(
        "spool_too_small",
        f"The {what} needs {_mib(needed)} on the server, which has room for {_mib(limit)}.",
        "Give the server a larger /dev/shm or TMPDIR, or raise --spool-gb.",
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def wrong_digest() -> MatteError:
    """For a picture that is not what its digest names."""
    return MatteError(
        "wrong_digest",
        "The picture does not have the digest that it was sent with.",
        "Send it again; it was damaged.",
    )


def suffix_of(name: str) -> str:
    """The suffix of a client's file name where it is a short alphanumeric one, else ".exr"."""
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 6 else ".exr"
