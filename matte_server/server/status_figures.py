"""What a server counts, and the figures of a ``StatusReply``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import psutil

from .admission import Admission
from .dispatcher import QueuedFrame
from .structured_log import date_s
from .worker_pool import WorkerState

_ERRORS_KEPT = 20
_RATE_WINDOW_S = 60.0


class ServerStatistics:
    """Counters since the server's start, and its last errors. ``clock``: monotonic seconds."""

    def __init__(self, version: str, instance: str, clock: Callable[[], float]) -> None:
        self.version = version
        self.instance = instance
        self.done = self.failed = self.cancelled = self.refused = self.bytes_out = 0
        self._clock = clock
        self._started = clock()
        self._finished_at: deque[float] = deque(maxlen=4096)
        self._errors: deque[dict[str, Any]] = deque(maxlen=_ERRORS_KEPT)

    def count_reply(self, size: int) -> None:
        """Counts a finished frame whose reply carries ``size`` bytes."""
        self.done += 1
        self.bytes_out += size
        self._finished_at.append(self._clock())

    def add_error(self, facts: dict[str, Any]) -> None:
        """Keeps an error as one of the last ones."""
        self._errors.append({"at": date_s(), **facts})

    def figures(
        self,
        frames: Collection[QueuedFrame],
        waiting: dict[str, int],
        admission: Admission,
        workers: Sequence[WorkerState],
    ) -> dict[str, Any]:
        """JSON values. ``frames``: those on the server; ``waiting``: how many wait, by priority."""
        uptime = self._clock() - self._started
        recent = sum(self._clock() - at <= _RATE_WINDOW_S for at in self._finished_at)
        store, spool = admission.store, admission.spool
        return {
            "version": self.version,
            "instance": self.instance,
            "uptime_s": round(uptime, 1),
            "queue": waiting,
            "running": sum(frame.state.is_running for frame in frames),
            "clients": len({frame.client for frame in frames if not frame.state.is_abandoned}),
            "frames": {
                "done": self.done,
                "failed": self.failed,
                "cancelled": self.cancelled,
                "refused": self.refused,
                "per_second": round(recent / min(max(uptime, 1.0), _RATE_WINDOW_S), 3),
            },
            "bytes": {"in": admission.bytes_in, "out": self.bytes_out},
            "store": {"pictures": len(store), "bytes": store.used, "budget": store.budget},
            "spool": {"bytes": spool.used, "budget": spool.budget},
            "workers": [_worker_figures(state) for state in workers],
            "errors": list(self._errors),
        }


def _worker_figures(state: WorkerState) -> dict[str, Any]:
    return {
        "device": state.device,
        "pid": state.pid,
        "ready": state.ready,
        "stage": state.stage,
        "busy_s": round(time.monotonic() - state.since, 1) if state.job else 0.0,
        "memory": _resident_bytes(state.pid),
        "frames": state.frames,
        "deaths": state.deaths,
    }


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except (psutil.Error, OSError):
        return 0
