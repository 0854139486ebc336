"""Pictures that clients send in parts.

What has arrived is kept for its client until the rest has, so that a broken connection costs a part and not the
picture."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from matte_link.messages import PartStored, Stored, StorePart
from matte_link.part_size import mebibytes
from matte_link.wire import DEFAULT_LIMITS

from ..errors import MatteError
from .fair_queue import Client
from .spool import Spool
from .store import PictureStore, suffix_of, wrong_digest

_KEPT_S = 600.0
"""How long the parts of a picture are kept after the last of them."""
_AGAINST_OTHERS_S = 120.0
"""How long they are kept where others need the room: a link of 50 KB/s takes 84 s for a part of 4 MiB."""
_MOST_PER_OWNER = 16


@dataclass(eq=False)
class _Upload:
    """What there is of one picture: a file in the spool, and the digest of its bytes so far. ``touched_at``: when
    its last part came, by the clock."""

    path: Path
    size: int
    touched_at: float
    received: int = 0
    digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=32))


class PartialUploads:
    """The pictures that have arrived in part, by client and digest; whole ones move to ``store``. ``owner_of`` says
    whose a client's name is: one owner may use many names, and has one limit."""

    def __init__(
        self,
        spool: Spool,
        store: PictureStore,
        clock: Callable[[], float] = time.monotonic,
        owner_of: Callable[[Client], Client] = lambda client: client,
    ) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._owner_of = owner_of
        self._uploads: dict[tuple[Client, str], _Upload] = {}

    def __len__(self) -> int:
        return len(self._uploads)

    def take(self, client: Client, part: StorePart) -> PartStored | Stored:
        """Keeps a part that follows what there is; any other part is only answered with how much there is. A
        picture that can never be kept is refused when it is asked about, before any of its bytes come. Raises
        ``MatteError`` with the codes busy, spool_too_small, disk_full, too_large, bad_request, wrong_digest, and
        ``OSError``: with the last three nothing is kept."""
        if part.digest in self._store:
            self._drop(client, part.digest)
            return Stored(id=part.id, digest=part.digest)
        upload = self._uploads.get((client, part.digest))
        if upload is None:
            self._check_size(part)
        if part.data and part.offset == (upload.received if upload else 0):
            upload = upload or self._begin(client, part)
            self._append(client, part, upload)
            if upload.received == part.size:
                return self._finish(client, part, upload)
        return PartStored(id=part.id, digest=part.digest, received=upload.received if upload else 0)

    def _check_size(self, part: StorePart) -> None:
        size, most = part.size, DEFAULT_LIMITS.blob
        if size > most:
            raise MatteError(
                "too_large", f"The picture has {mebibytes(size)} MiB; no more than {most >> 20} MiB can be sent."
            )
        self._store.check_size(part.size)

    def _begin(self, client: Client, part: StorePart) -> _Upload:
        owner = self._owner_of(client)
        if sum(self._owner_of(other) == owner for other, _ in self._uploads) >= _MOST_PER_OWNER:
            raise MatteError("busy", "The client is sending too many pictures at once.", "Send it again shortly.")
        self._store.make_room(part.size)
        path = self._spool.write(b"", suffix_of(part.name))
        upload = _Upload(path=path, size=part.size, touched_at=self._clock())
        self._uploads[client, part.digest] = upload
        self._store.promised += upload.size
        return upload

    def _append(self, client: Client, part: StorePart, upload: _Upload) -> None:
        if part.size != upload.size:
            self._drop(client, part.digest)
            raise MatteError("bad_request", "The parts of the picture do not agree on its size.")
        try:
            self._spool.extend(upload.path, part.data)
        except OSError:
            self._drop(client, part.digest)
            raise
        upload.digest.update(part.data)
        upload.received += len(part.data)
        upload.touched_at = self._clock()
        self._spool.reserve(upload.path.name, upload.size - upload.received)

    def _finish(self, client: Client, part: StorePart, upload: _Upload) -> Stored:
        if upload.digest.hexdigest() != part.digest:
            self._drop(client, part.digest)
            raise wrong_digest()
        self._forget(client, part.digest)
        self._store.adopt(part.digest, upload.path, upload.size, part.name)
        return Stored(id=part.id, digest=part.digest)

    def expire(self) -> None:
        """Drops what has been waiting for its rest for too long."""
        for (client, digest), upload in list(self._uploads.items()):
            if self._clock() - upload.touched_at > _KEPT_S:
                self._drop(client, digest)

    def give_way(self) -> bool:
        """Drops the picture whose last part came longest ago, where its client seems to have left it: others must
        not wait for it as long as it is kept. Returns whether there was one."""
        oldest = min(self._uploads, key=lambda key: self._uploads[key].touched_at, default=None)
        if oldest is None or self._clock() - self._uploads[oldest].touched_at <= _AGAINST_OTHERS_S:
            return False
        self._drop(*oldest)
        return True

    def _drop(self, client: Client, digest: str) -> None:
        if (client, digest) in self._uploads:
            self._spool.remove(self._forget(client, digest).path)

    def _forget(self, client: Client, digest: str) -> _Upload:
        upload = self._uploads.pop((client, digest))
        self._spool.release(upload.path.name)
        self._store.promised -= upload.size
        return upload
