"""When the pool starts a worker again that has died, with real processes."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from matte_server.server import worker_pool, worker_process
from matte_server.server.worker_pool import PoolPlan, WorkerEvent, WorkerPool
from matte_server.worker.loop import WorkerChannel
from matte_server.worker.messages import FrameComputed, FrameFinished, FrameJob, LearningEnded, WorkerReady
from matte_server.worker.settings import WorkerSettings

from .service_bench import matte

_LEARNT = LearningEnded(
    number=2, steps=1, first_error=1.0, error=0.5, has_gained=True, is_complete=True, model="v2"
)
_REPORTS = {
    "frame": (FrameComputed(number=1), FrameFinished(number=1)),
    "learnt": (_LEARNT,),
    "computing": (),
    "writing": (FrameComputed(number=1),),
}


def _mortal(settings: WorkerSettings, pipe: Connection) -> None:
    """A worker that reports what the script in the spool has next, and dies then."""
    script = Path(settings.spool, "script")
    deed, _, rest = script.read_text(encoding="ascii").partition(" ")
    script.write_text(rest, encoding="ascii")
    if deed != "start":
        channel = WorkerChannel(pipe)
        channel.send(WorkerReady(device="cpu", devices=1))
        pipe.recv_bytes()
        for message in _REPORTS[deed]:
            channel.send(message)
    os._exit(9)


class _Waits(threading.Event):
    """Says that the pool stops once ``deaths`` workers have died; until then no wait takes any time."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self._deaths = deaths

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return len(self.seconds) > self._deaths


@pytest.mark.parametrize(
    ("script", "waits"),
    [
        ("frame frame frame", [0, 0, 0, 0]),
        ("learnt learnt", [0, 0, 0]),
        ("start start start start", [0, 0.25, 0.5, 1, 1.5]),
        ("computing computing computing", [0, 0.25, 0.5, 1]),
        # A frame whose result ends its worker is computed, and yet no worker gets beyond it.
        ("writing writing", [0, 0.25, 0.5]),
        ("computing start frame computing frame", [0, 0.25, 0.5, 0, 0.25, 0]),
    ],
)
def test_only_a_worker_that_finished_nothing_is_waited_for(
    script: str, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script").write_text(script, encoding="ascii")
    monkeypatch.setattr(worker_pool, "_LONGEST_BACKOFF_S", 1.5)
    monkeypatch.setattr(worker_process, "run_worker", _mortal)
    monkeypatch.setattr(worker_pool._Supervisor, "start", lambda self: None)
    pool = WorkerPool(PoolPlan(spool=tmp_path), lambda event: give(event))
    pool.start()
    supervisor = pool._supervisors[0]

    def give(event: WorkerEvent) -> None:
        if isinstance(event.event, WorkerReady):
            job = FrameJob(number=1, request=matte("f1"), pictures={}, result="result-1.exr")
            supervisor.send(job.command, job.number)

    supervisor._stopping = asked = _Waits(len(waits) - 1)
    supervisor.run()
    assert asked.seconds == waits


def test_a_worker_is_started_again_where_the_system_had_no_thread_to_spare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that keeps a worker running ended instead: a server without workers went on, and said nothing."""
    (tmp_path / "script").write_text("start", encoding="ascii")
    monkeypatch.setattr(worker_process, "run_worker", _mortal)
    reasons = []
    pool = WorkerPool(PoolPlan(spool=tmp_path), lambda event: reasons.append(getattr(event.event, "reason", "")))
    monkeypatch.setattr(worker_pool._Supervisor, "start", lambda self: None)
    pool.start()
    supervisor = pool._supervisors[0]
    supervisor._stopping = _ThreadsAgain(deaths=2)
    threading.stack_size(_MORE_THAN_ANY_MACHINE_HAS)
    try:
        supervisor.run()
    finally:
        threading.stack_size(0)
    assert reasons == ["It cannot be started: can't start new thread.", "It ended with exit code 9."]
    # One whose own thread never began has nothing to wait for.
    pool.close()


_MORE_THAN_ANY_MACHINE_HAS = 1 << 46


class _ThreadsAgain(_Waits):
    """After the first death there is memory for threads again."""

    def wait(self, timeout: float | None = None) -> bool:
        if self.seconds:
            threading.stack_size(0)
        return super().wait(timeout)
