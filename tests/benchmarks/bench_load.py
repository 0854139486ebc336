"""Many clients at once, and one artist while the farm is at it.

    python -m tests.benchmarks.bench_load [--clients 1,8,64,256] [--frames 256] [--tries 100]

Load: throughput against one client, fairness (when the slowest client was done over when the fastest was), errors,
and the CPU time that a frame costs the server's process and its worker: it depends less on what else the machine is
doing. Latency: how long an interactive frame waits before its worker begins, while a 500-frame batch runs,
against the time of one batch frame. Loopback only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from dataclasses import dataclass

import psutil
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.messages import Accepted, Inline, Matte, MatteReply, Progress
from matte_link.options import MatteOptions

from matte_server.server.local_server import LocalServer

from .shots import small_shot

OPTIONS = MatteOptions(model="difference")
IN_FLIGHT = 3


@dataclass
class Ended:
    """When a client was done, and how many of its frames failed."""

    at: float = 0.0
    errors: int = 0


def _customer(
    endpoint: Endpoint, frames: int, ended: Ended, go: threading.Event, ready: threading.Semaphore
) -> None:
    plates, clean = small_shot()
    with MatteClient(endpoint, patience_s=300.0) as client:
        client.ping(60.0)
        client.store(clean)
        ready.release()
        go.wait()
        sent = got = 0
        while got < frames:
            while sent < frames and len(client.outstanding) < IN_FLIGHT:
                plate = Inline(plates[sent % len(plates)])
                client.submit(
                    Matte(
                        id=f"f{sent}",
                        frame=sent,
                        plate=plate,
                        clean_plate=Inline(clean),
                        options=OPTIONS,
                        priority="batch",
                    )
                )
                sent += 1
            answer = client.receive(1.0)
            if answer is not None:
                got += 1
                ended.errors += not isinstance(answer, MatteReply)
    ended.at = time.monotonic()


def cpu_seconds(pid: int) -> tuple[float, float]:
    """The CPU time of a server's process, and of its workers together."""
    server = psutil.Process(pid)
    own, *others = (sum(each.cpu_times()[:2]) for each in (server, *server.children(recursive=True)))
    return own, sum(others)


def load(server: LocalServer, count: int, frames: int) -> float:
    """``frames`` frames shared by ``count`` clients; frames a second."""
    endpoint = server.endpoint
    each = max(1, frames // count)
    ends = [Ended() for _ in range(count)]
    go, ready = threading.Event(), threading.Semaphore(0)
    threads = [threading.Thread(target=_customer, args=(endpoint, each, end, go, ready)) for end in ends]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    spent = cpu_seconds(server.pid)
    began = time.monotonic()
    go.set()
    for thread in threads:
        thread.join()
    times = [end.at - began for end in ends]
    rate = each * count / max(times)
    own, workers = (
        1000 * (after - before) / (each * count)
        for before, after in zip(spent, cpu_seconds(server.pid), strict=True)
    )
    print(
        f"load: {count:3d} clients x {each} frames: {rate:.1f} frames/s, slowest over fastest "
        f"{max(times) / min(times):.2f}, {sum(end.errors for end in ends)} errors, "
        f"CPU of a frame: server {own:.1f} ms, worker {workers:.1f} ms"
    )
    return rate


def latency(endpoint: Endpoint, tries: int, batch: int) -> bool:
    """An artist's frame while a batch runs; whether the 99th percentile waits less than the longest frame."""
    plates, clean = small_shot()
    farm = MatteClient(endpoint, patience_s=300.0)
    stop = threading.Event()
    took: list[float] = []

    def run_farm() -> None:
        began: dict[str, float] = {}

        def listen(event: Accepted | Progress) -> None:
            if isinstance(event, Progress) and event.stage == "start":
                began[event.id] = time.monotonic()

        sent = 0
        while not stop.is_set():
            while sent < batch and len(farm.outstanding) < 16:
                request = Matte(
                    id=f"b{sent}",
                    frame=sent,
                    plate=Inline(plates[0]),
                    clean_plate=Inline(clean),
                    options=OPTIONS,
                    priority="batch",
                )
                farm.submit(request, listen)
                sent += 1
            answer = farm.receive(0.5)
            if answer is not None:
                took.append(time.monotonic() - began[answer.id])
        for request_id in farm.outstanding:
            farm.cancel(request_id)
        farm.close()

    thread = threading.Thread(target=run_farm)
    thread.start()
    waits = []
    with MatteClient(endpoint, patience_s=300.0) as artist:
        artist.store(clean)
        for number in range(tries):
            time.sleep(0.05)
            started: list[float] = []

            def listen(event: Accepted | Progress, started: list[float] = started) -> None:
                if isinstance(event, Progress) and event.stage == "start":
                    started.append(time.monotonic())

            asked = time.monotonic()
            artist.matte(
                Matte(
                    id=f"i{number}",
                    frame=number,
                    plate=Inline(plates[1]),
                    clean_plate=Inline(clean),
                    options=OPTIONS,
                ),
                listen,
            )
            waits.append(started[0] - asked)
    busy = len(took) < batch
    stop.set()
    thread.join()
    ordered = sorted(waits)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    frame = max(took)
    print(
        f"latency: interactive frame starts after median {1000 * statistics.median(waits):.0f} ms, p99 "
        f"{1000 * p99:.0f} ms of {tries}; a batch frame takes median {1000 * statistics.median(took):.0f} ms, "
        f"longest {1000 * frame:.0f} ms; batch {'still running' if busy else 'ENDED TOO EARLY'}"
    )
    return busy and p99 <= frame


def main() -> int:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="1,8,64,256")
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--batch", type=int, default=500)
    arguments = parser.parse_args()
    print(f"{psutil.cpu_count()} cores, load average {psutil.getloadavg()[0]:.1f} before the run")
    with LocalServer(["--device", "cpu"]) as server:
        counts = [int(count) for count in arguments.clients.split(",")]
        rates = [load(server, count, max(arguments.frames, count)) for count in counts]
        ratios = ", ".join(f"{count}: {rate / rates[0]:.2f}" for count, rate in zip(counts, rates, strict=True))
        print(f"throughput against {counts[0]} client{'s' * (counts[0] > 1)}: {ratios}", flush=True)
        kept = latency(server.endpoint, arguments.tries, arguments.batch)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
