"""Every frame on the server, found by its job's number or by its client's request."""

from __future__ import annotations

from collections.abc import Mapping

from .dispatcher import QueuedFrame
from .fair_queue import Client


class FrameTable:
    """The frames on the server. Frames are *wanted* until they are abandoned: then only their worker is waited
    for. Requests are admitted by how many are wanted, and there may be thousands: no figure takes a look at each
    of them."""

    def __init__(self) -> None:
        self._by_number: dict[int, QueuedFrame] = {}
        self._wanted: dict[Client, dict[str, QueuedFrame]] = {}
        """By client and request; of clients that want one at least."""

    @property
    def by_number(self) -> Mapping[int, QueuedFrame]:
        """All of them, by their job's number."""
        return self._by_number

    @property
    def wanted(self) -> int:
        """How many frames are wanted."""
        return sum(map(len, self._wanted.values()))

    @property
    def clients(self) -> int:
        """How many clients want one."""
        return len(self._wanted)

    def wanted_by(self, client: Client) -> int:
        """How many frames a client wants."""
        return len(self._wanted.get(client, ()))

    def find(self, client: Client, request_id: str) -> QueuedFrame | None:
        """The wanted frame of a client's request."""
        return self._wanted.get(client, {}).get(request_id)

    def of(self, client: Client) -> list[QueuedFrame]:
        """The wanted frames of a client."""
        return list(self._wanted.get(client, {}).values())

    def add(self, frame: QueuedFrame) -> None:
        """Takes in a frame, which is wanted."""
        self._by_number[frame.job.number] = frame
        self._wanted.setdefault(frame.client, {})[frame.id] = frame

    def abandon(self, frame: QueuedFrame) -> None:
        """The frame is no longer wanted, if it was. Another one may have the same id afterwards."""
        if self.find(frame.client, frame.id) is not frame:
            return
        del self._wanted[frame.client][frame.id]
        if not self._wanted[frame.client]:
            del self._wanted[frame.client]

    def remove(self, frame: QueuedFrame) -> None:
        """Forgets the frame."""
        self.abandon(frame)
        self._by_number.pop(frame.job.number, None)
