"""Admits requests within the server's limits, and turns them into jobs whose pictures lie in the spool."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from matte_link.messages import (
    Digest,
    Failure,
    Inline,
    Matte,
    PartStored,
    Source,
    Store,
    Stored,
    StorePart,
    digest_of,
)
from matte_link.roles import sources_of, with_sources
from matte_link.sequence import counted

from ..errors import MatteError
from ..worker.messages import FrameJob, SpooledPicture, role_in_words
from .fair_queue import Client
from .frame_table import FrameTable
from .limits import ServiceLimits
from .reply_cache import blobs_of
from .result_room import HEADER_BYTES, ResultRoom, largest_result
from .spool import Spool
from .store import PictureStore, no_room, suffix_of
from .uploads import PartialUploads

RESERVED_PART = 8
"""One part in this many of frames, clients and spool is kept free of batch frames."""
_EMPTY = digest_of(b"")
_LATER = "Send it again shortly."


def _open_to(is_batch: bool, limit: int) -> int:
    """How much of a limit is open to a frame: all of it, or to a batch frame what is not reserved."""
    return max(1, limit - limit // RESERVED_PART) if is_batch else limit


class Admission:
    """Owns the spooled and the stored pictures of one server. ``clock``: monotonic seconds. ``owner_of``: see
    :class:`PartialUploads`."""

    def __init__(
        self,
        spool: Spool,
        limits: ServiceLimits,
        clock: Callable[[], float] = time.monotonic,
        owner_of: Callable[[Client], Client] = lambda client: client,
    ) -> None:
        self.spool = spool
        self.store = PictureStore(spool, limits.store)
        self.uploads = PartialUploads(spool, self.store, clock, owner_of)
        self.store.forget_upload = self.uploads.give_way
        self.results = ResultRoom(spool, self.store.give_way)
        self.bytes_in = 0
        self._limits = limits
        self._last_number = 0

    def next_number(self) -> int:
        """A number for a new job of the workers, unlike any other."""
        self._last_number += 1
        return self._last_number

    def admit(self, client: Client, request: Matte, frames: FrameTable) -> FrameJob:
        """A job for the request, its pictures spooled or held in the store until :meth:`release`, and room kept for
        its result. ``frames``: those on the server. Batch frames leave an eighth of everything to the frames that
        artists wait for. Raises ``MatteError``, with nothing left behind: busy where a limit is reached,
        spool_too_small where it will never fit, disk_full where other files take its room, and where the store does
        not hold a picture; and ``OSError``, with nothing left behind either."""
        self._check_limits(client, request, frames)
        result_size = self._result_size(request)
        self._check_room(request, result_size, has_others=bool(frames.wanted))
        return self._job(request, result_size)

    def _check_limits(self, client: Client, request: Matte, frames: FrameTable) -> None:
        is_batch = request.priority == "batch"
        own, wanted = frames.wanted_by(client), frames.wanted
        if own >= self._limits.frames_per_client or wanted >= _open_to(is_batch, self._limits.frames):
            raise MatteError("busy", f"The server has {counted(wanted, 'frame')} waiting.", _LATER)
        if not own and frames.clients >= _open_to(is_batch, self._limits.clients):
            raise MatteError("busy", f"The server has {counted(frames.clients, 'client')}.", _LATER)

    def _check_room(self, request: Matte, result_size: int, has_others: bool) -> None:
        pictures, capacity = sum(map(len, blobs_of(request))), self.spool.capacity
        # A part of the room that there is, which a small disk makes less than the budget. While nothing else waits,
        # nothing is reserved.
        reserved = capacity - _open_to(request.priority == "batch" and has_others, capacity)
        named = {source.digest for source in sources_of(request).values() if isinstance(source, Digest)}
        if self.store.give_way(pictures + self.results.beyond_waiting(result_size) + reserved, to_keep=named):
            return
        # A frame that does not fit fails instead of waiting for ever. The stored pictures that it names must stay.
        kept = sum(self.store.size_of(digest) for digest in named)
        needed = pictures + self._least_result(request)
        if not has_others and needed > capacity - kept:
            raise no_room("frame", needed, capacity - kept, self.spool.limit - kept)
        raise MatteError("busy", "The server has no room for another picture now.", _LATER)

    def _result_size(self, request: Matte) -> int:
        """Bytes of the spool to keep for a result: what the plate's header says that it may have, but not more than
        half of the spool, as a header can say anything."""
        if request.output:
            return 0
        most = min(largest_result(request, self._first_bytes(request.plate)), self.spool.capacity // 2)
        return max(most, self._least_result(request))

    def _least_result(self, request: Matte) -> int:
        """Bytes that a result is expected to have at least: as many as the largest of the frame's pictures."""
        if request.output:
            return 0
        return max((self._size(source) for source in sources_of(request).values()), default=0)

    def _first_bytes(self, source: Source) -> bytes:
        if isinstance(source, Inline):
            return bytes(memoryview(source.data)[:HEADER_BYTES])
        return self.store.first_bytes(source.digest, HEADER_BYTES) if isinstance(source, Digest) else b""

    def _size(self, source: Source) -> int:
        if isinstance(source, Inline):
            return len(source.data)
        return self.store.size_of(source.digest) if isinstance(source, Digest) else 0

    def _job(self, request: Matte, result_size: int) -> FrameJob:
        number = self.next_number()
        pictures: dict[str, SpooledPicture] = {}
        try:
            for role, source in sources_of(request).items():
                picture = self._picture(role, source)
                if picture:
                    pictures[role] = picture
        except (MatteError, OSError):
            self.release(pictures)
            raise
        result = f"result-{number}.exr"
        self.results.add(result, result_size)
        # The blobs are in the spool now; the request must not keep the socket's memory alive.
        emptied = {role: Inline(data=b"", name=picture.name) for role, picture in pictures.items()}
        return FrameJob(
            number=number,
            request=with_sources(request, emptied),
            pictures=pictures,
            result=result,
        )

    def _picture(self, role: str, source: Source) -> SpooledPicture | None:
        """None for a path on a shared disk."""
        if isinstance(source, Digest):
            picture = self.store.hold(source.digest)
            if picture is None:
                what = role_in_words(role)
                raise MatteError(f"{role}_unknown", f"The server does not hold the {what}.", "Store it first.")
            return picture
        if isinstance(source, Inline):
            self.bytes_in += len(source.data)
            path = self.spool.write(source.data, suffix_of(source.name))
            return SpooledPicture(path=str(path), name=source.name)
        return None

    def release(self, pictures: Mapping[str, SpooledPicture]) -> None:
        """Deletes a job's spooled pictures and lets go of its stored ones."""
        for picture in pictures.values():
            if picture.digest:
                self.store.release(picture.digest)
            else:
                self.spool.remove(Path(picture.path))

    def keep_part(self, client: Client, part: StorePart) -> PartStored | Stored:
        """Stores a part of a picture. Raises as :meth:`PartialUploads.take`."""
        self.bytes_in += len(part.data)
        return self.uploads.take(client, part)

    def keep(self, message: Store) -> Stored | Failure:
        """Stores a picture. A message without data only asks whether the store holds it."""
        if not message.data and message.digest != _EMPTY and message.digest not in self.store:
            # An ordinary answer to a question, so neither logged nor counted as a failure.
            return Failure(
                id=message.id,
                code="clean_plate_unknown",
                message="The server does not hold this picture.",
                hint="Store it first.",
            )
        self.store.add(message.digest, message.data, message.name)
        self.bytes_in += len(message.data)
        return Stored(id=message.id, digest=message.digest)
