"""Every frame on the server, found by its job's number or by its client's request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .dispatcher import QueuedFrame
from .fair_queue import Client


class FrameTable:
    """The frames on the server. Frames are *wanted* until they are abandoned: then only their worker is waited
    for. The wanted ones are counted as they come and go: requests are admitted by these figures, and there may be
    thousands of frames."""

    def __init__(self) -> None:
        self._by_number: dict[int, QueuedFrame] = {}
        self._wanted: dict[tuple[Client, str], QueuedFrame] = {}
        self._per_client: Counter[Client] = Counter()

    @property
    def by_number(self) -> Mapping[int, QueuedFrame]:
        """All of them, by their job's number."""
        return self._by_number

    @property
    def wanted(self) -> int:
        """How many frames are wanted."""
        return len(self._wanted)

    @property
    def clients(self) -> int:
        """How many clients want one."""
        return len(self._per_client)

    def wanted_by(self, client: Client) -> int:
        """How many frames a client wants."""
        return self._per_client[client]

    def find(self, client: Client, request_id: str) -> QueuedFrame | None:
        """The wanted frame of a client's request."""
        return self._wanted.get((client, request_id))

    def of(self, client: Client) -> list[QueuedFrame]:
        """The wanted frames of a client."""
        return [frame for frame in self._wanted.values() if frame.client == client]

    def add(self, frame: QueuedFrame) -> None:
        """Takes in a frame, which is wanted."""
        self._by_number[frame.job.number] = frame
        self._wanted[frame.client, frame.id] = frame
        self._per_client[frame.client] += 1

    def abandon(self, frame: QueuedFrame) -> None:
        """The frame is no longer wanted, if it was. Another one may have the same id afterwards."""
        if self._wanted.get((frame.client, frame.id)) is not frame:
            return
        del self._wanted[frame.client, frame.id]
        self._per_client[frame.client] -= 1
        if not self._per_client[frame.client]:
            del self._per_client[frame.client]

    def remove(self, frame: QueuedFrame) -> None:
        """Forgets the frame."""
        self.abandon(frame)
        self._by_number.pop(frame.job.number, None)
