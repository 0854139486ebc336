"""How many blades one shared server carries, and what a server for each session costs.

    python -m tests.benchmarks.bench_farm [--blades 1,50,200,500] [--frames 4] [--kb 1024] [--link 2000000]

The shared server is the real loop, service and spool in a process of its own, with workers that need no time: this
measures what the server itself can carry, whatever the GPU. A blade is a client with its own connection that sends
one frame after another; with --link it is behind a link of so many bytes a second. CPU time tells more than frames
a second on a machine that does other things too. Then one resident server is started as a farm session does: its
start, CPU time and memory. Loopback only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import psutil
import zmq
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.messages import Inline, Matte, MatteReply, new_id
from matte_link.options import MatteOptions

from matte_server.server.limits import ServiceLimits
from matte_server.server.local_server import LocalServer
from matte_server.server.service import Service
from matte_server.server.spool import Spool
from matte_server.server.transport import EventQueue, Transport, UnsentBytes, open_router
from matte_server.server.worker_pool import WorkerEvent, WorkerExited, WorkerPool, WorkerState
from matte_server.worker.messages import FrameFinished, FrameJob, WorkerMessage

from ..matte_server.server.slow_link import SlowLink

OPTIONS = MatteOptions(model="difference")
_WORKERS = 4
_PROCESSES = 4


class InstantPool:
    """Workers that answer every frame at once, with its plate."""

    def __init__(self, spool: Path, events: EventQueue) -> None:
        self.states = [WorkerState(device="cpu", ready=True) for _ in range(_WORKERS)]
        self.models, self.weights = ("difference",), {"difference": ""}
        self._spool = spool
        self._events = events

    def idle(self) -> int | None:
        return next((index for index, state in enumerate(self.states) if not state.job), None)

    def submit(self, worker: int, job: FrameJob) -> None:
        self.states[worker].job = job.number
        os.link(job.pictures["plate"].path, self._spool / job.result)
        self._events.put(WorkerEvent(worker=worker, event=FrameFinished(number=job.number, diagnostics={})))

    def read_ahead(self, worker: int, job: FrameJob) -> None:
        """Nothing is decoded."""

    def cancel(self, number: int) -> None:
        """It is done already."""

    def observe(self, event: WorkerEvent) -> WorkerMessage | WorkerExited:
        self.states[event.worker].job = 0
        return event.event


def serve() -> None:
    """The shared server; prints its address, and runs until its parent closes its standard input."""
    spool, events, unsent = Spool(ServiceLimits().spool), EventQueue(), UnsentBytes()
    pool = cast(WorkerPool, InstantPool(spool.folder, events))
    router = open_router(zmq.Context.instance())
    router.bind("tcp://127.0.0.1:*")
    print(router.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    ended = threading.Event()

    def watch_parent() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=watch_parent, daemon=True).start()
    transport = Transport(
        router, Service(pool, spool, unsent=unsent), pool, events, unsent, lambda event: None, is_over=ended.is_set
    )
    transport.run()
    spool.close()


def blade(address: str, frames: int, size: int, link: float) -> list[float]:
    """Seconds that each of a blade's frames took."""
    with contextlib.ExitStack() as stack:
        if link:
            address = stack.enter_context(SlowLink(address, link)).address
        client = stack.enter_context(MatteClient(Endpoint(address), patience_s=600.0))
        took = []
        for number in range(frames):
            plate, clean = Inline(data=os.urandom(size)), Inline(data=b"clean")
            request = Matte(
                id=new_id(), frame=number, plate=plate, clean_plate=clean, options=OPTIONS, priority="batch"
            )
            began = time.monotonic()
            reply = client.matte(request, timeout_s=600.0)
            assert isinstance(reply, MatteReply) and reply.data == plate.data
            took.append(time.monotonic() - began)
    return took


def blades(address: str, count: int, frames: int, size: int, link: float) -> None:
    """So many blades at once in this process; prints the seconds of their frames."""
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(blade, address, frames, size, link) for _ in range(count)]:
            try:
                print(*each.result())
            except LinkError as error:
                print(f"error {error}")


def shared(count: int, frames: int, size: int, link: float) -> None:
    """Loads one shared server with ``count`` blades and prints what they met and what it cost."""
    command = [sys.executable, "-m", __spec__.name]
    with subprocess.Popen(
        [*command, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        address = server.stdout.readline().strip()
        process = psutil.Process(server.pid)
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        parts = [count // _PROCESSES + (index < count % _PROCESSES) for index in range(_PROCESSES)]
        words = ["--frames", str(frames), "--kb", str(size // 1024), "--link", str(link), "--act", address]
        clients = [
            subprocess.Popen([*command, *words, "--blades", str(part)], stdout=subprocess.PIPE, text=True)
            for part in parts
            if part
        ]
        lines = [line for client in clients for line in client.communicate()[0].splitlines()]
        seconds, spent = time.monotonic() - began, sum(process.cpu_times()[:2]) - before
        memory = process.memory_info().rss >> 20
        server.stdin.close()
    failed = [line for line in lines if line.startswith("error")]
    took = sorted(float(word) for line in lines if line not in failed for word in line.split())
    if not took:
        print(f"shared: {count} blades: nothing came back; {failed[:1]}")
        return
    cpu_ms = 1000 * spent / len(took)
    print(
        f"shared: {count:4d} blades x {frames} frames of {size >> 10} KiB: {len(took)} came back, "
        f"{len(failed)} blades failed; a frame took median {statistics.median(took):.2f} s, p99 "
        f"{took[int(0.99 * (len(took) - 1))]:.2f} s; server: {cpu_ms:.1f} ms CPU a frame, so at most "
        f"{1000 / cpu_ms:.0f} frames/s a core; {memory} MB; {len(took) / seconds:.1f} frames/s here",
        flush=True,
    )


def resident() -> None:
    """What a server of one's own costs a blade."""
    began = time.monotonic()
    with LocalServer(["--private"]) as server:
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        spent = sum(sum(each.cpu_times()[:2]) for each in processes)
        memory = sum(each.memory_info().rss for each in processes) >> 20
        seconds = time.monotonic() - began
    print(f"resident: ready after {seconds:.1f} s, {spent:.1f} s of CPU time, {memory} MB without a model")


def main() -> int:
    """Runs both; exits with 1 where a blade failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blades", default="1,50,200,500", help="numbers of blades to try")
    parser.add_argument("--frames", type=int, default=4, help="frames of each blade")
    parser.add_argument("--kb", type=int, default=1024, help="KiB of a frame's plate, and of its result")
    parser.add_argument("--link", type=float, default=0.0, help="bytes a second of each blade's link; 0: no limit")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--act", default="", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
    elif arguments.act:
        blades(arguments.act, int(arguments.blades), arguments.frames, arguments.kb << 10, arguments.link)
    else:
        print(f"{psutil.cpu_count()} cores, load average {psutil.getloadavg()[0]:.1f} before the run", flush=True)
        for count in map(int, arguments.blades.split(",")):
            shared(count, arguments.frames, arguments.kb << 10, arguments.link)
        resident()
    return 0


if __name__ == "__main__":
    sys.exit(main())
