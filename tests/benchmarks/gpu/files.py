"""EXR to EXR through a server: frames a second, time to an answer, memory, how busy the device is."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.messages import Failure, Inline, Matte, MatteReply, Neighbour, OnDisk, Source
from matte_link.options import MatteOptions

from matte_server.server.local_server import LocalServer

_AHEAD = 4
"""Frames that a client keeps under way."""


@dataclass(frozen=True)
class Setting:
    """One way to run the shot. ``wire``: pictures travel as bytes and the client writes the result; else the server
    opens and writes files. ``temporal``: every frame with its neighbours. ``interactive``: one frame at a time."""

    clients: int = 1
    wire: bool = False
    temporal: bool = False
    interactive: bool = False
    compression: str = "zip"

    @property
    def options(self) -> MatteOptions:
        return MatteOptions(
            model="cleanplate",
            align="none",
            match_exposure=False,
            temporal=1.0 if self.temporal else 0.0,
            compression=self.compression,
        )


@dataclass(frozen=True)
class Timing:
    """Of one run: frames and seconds of all clients, median milliseconds from request to result of a frame, and
    what was measured beside (memory, use of the device)."""

    frames: int
    seconds: float
    latency_ms: float
    beside: dict[str, float]


def measure(server: LocalServer, folder: Path, frames: int, setting: Setting) -> Timing:
    """The shot in ``folder`` by ``setting.clients`` clients at once, each all of its frames."""
    latencies: list[float] = []
    failures: list[str] = []
    gate = threading.Barrier(setting.clients + 1)

    def client(number: int) -> None:
        gate.wait()
        try:
            latencies.extend(_run(server.endpoint, folder, frames, setting, number))
        except Exception as error:  # noqa: BLE001  a thread's error is reported by the one that started it
            failures.append(repr(error))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(setting.clients)]
    for thread in threads:
        thread.start()
    with watched(server) as beside:
        gate.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
    if failures:
        raise RuntimeError(failures[0])
    return Timing(
        frames=frames * setting.clients,
        seconds=seconds,
        latency_ms=1000 * statistics.median(latencies),
        beside=beside,
    )


def _run(endpoint: Endpoint, folder: Path, frames: int, setting: Setting, client_number: int) -> list[float]:
    """One client's frames; seconds from request to result of each."""
    sent: dict[str, float] = {}
    latencies: list[float] = []
    waiting = list(range(1, frames + 1))
    ahead = 1 if setting.interactive else _AHEAD
    with MatteClient(endpoint, patience_s=300.0) as client:
        while waiting or sent:
            while waiting and len(sent) < ahead:
                request = _request(folder, waiting.pop(0), frames, setting, client_number)
                sent[request.id] = time.perf_counter()
                client.submit(request)
            answer = client.receive(1.0)
            if answer is None:
                continue
            if isinstance(answer, Failure):
                raise RuntimeError(f"{answer.code}: {answer.message}")
            assert isinstance(answer, MatteReply)
            if setting.wire:
                (folder / f"out.{client_number}.{answer.frame:04}.exr").write_bytes(answer.data)
            latencies.append(time.perf_counter() - sent.pop(answer.id))
    return latencies


def _request(folder: Path, frame: int, frames: int, setting: Setting, client: int) -> Matte:
    def source(name: str) -> Source:
        path = folder / name
        return Inline(data=path.read_bytes(), name=name) if setting.wire else OnDisk(path=str(path))

    def neighbour(number: int) -> Neighbour | None:
        if not setting.temporal or not 1 <= number <= frames:
            return None
        return Neighbour(plate=source(f"plate.{number:04}.exr"))

    return Matte(
        id=f"c{client}.{frame}",
        frame=frame,
        plate=source(f"plate.{frame:04}.exr"),
        clean_plate=source("clean.exr"),
        options=setting.options,
        priority="interactive" if setting.interactive else "batch",
        shot=f"shot{client}",
        output="" if setting.wire else str(folder / f"out.{client}.{frame:04}.exr"),
        before=neighbour(frame - 1),
        after=neighbour(frame + 1),
    )


@contextmanager
def watched(server: LocalServer) -> Iterator[dict[str, float]]:
    """Filled while the block runs: peak memory of server and workers, that of the device, its mean use in per
    cent."""
    found: dict[str, float] = {}
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(server.pid, found, done))
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    """Bytes in memory; 0 once the process has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _watch(pid: int, found: dict[str, float], done: threading.Event) -> None:
    used: list[float] = []
    members = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    while not done.wait(0.05):
        resident = sum(map(_resident, members)) / 2**20
        found["memory_mib"] = max(found.get("memory_mib", 0.0), round(resident))
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            found["device_mib"] = max(found.get("device_mib", 0.0), round((total - free) / 2**20))
            used.append(torch.cuda.utilization())
    if used:
        found["device_use"] = round(statistics.mean(used), 1)
