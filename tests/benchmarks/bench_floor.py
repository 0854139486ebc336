"""What an artist's frame costs beyond the stages of the pipeline: from a host's request to the result on its disk.

    python -m tests.benchmarks.bench_floor [--size hd] [--frames 12] [--model difference]
                                            [--plates none]

Frames one after the other, each by a job of its own, on a server that is warm and knows the clean plate: what
*Process frame* does in a host, which renders its plates without compression. Medians of the wall's time between the
moments that host and server tell each other of; the processor's milliseconds of each process; and for how long the
threads of server and worker were ready and waited for a processor (Linux), which is what a busy machine adds: each
of some ten hand-overs from thread to thread waits for its turn. ``floor`` is what the same bytes take at least on
this machine, measured in the same run: read from the disk's cache, through a socket of the system, into the spool,
and back onto the disk.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import matte_link.job
import matte_link.offered_pictures
from matte_link.client import MatteClient
from matte_link.files import write_atomically
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, FrameProgress
from matte_link.local_files import LocalFiles
from matte_link.options import MatteOptions
from matte_link.tasks import FrameTask, LocalFile

from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.server.spool import default_parent

from .bench_shot import SIZES, load, shot_on_disk

_CHUNK = 4 << 20
Figures = dict[str, float]


class Moments:
    """When things happened in this process, and how long functions took: milliseconds."""

    def __init__(self) -> None:
        self.at: Figures = {}
        self.spent: Figures = defaultdict(float)

    def mark(self, name: str) -> None:
        """Notes the first time that it is called with this name."""
        self.at.setdefault(name, 1000 * time.perf_counter())

    @contextmanager
    def around(self, owner: Any, attribute: str, name: str) -> Iterator[None]:
        """Times every call of a function, and marks when its first one begins and ends."""
        before: Callable[..., Any] = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.mark(f"{name} begins")
            began = time.perf_counter()
            try:
                return before(*args, **kwargs)
            finally:
                self.spent[name] += 1000 * (time.perf_counter() - began)
                self.mark(f"{name} ends")

        setattr(owner, attribute, timed)
        try:
            yield
        finally:
            setattr(owner, attribute, before)


def one_frame(job: MatteJob) -> tuple[Moments, FrameDone]:
    """Runs a job of one frame; its moments."""
    moments = Moments()
    with ExitStack() as stack:
        stack.enter_context(moments.around(MatteClient, "ping", "ping"))
        stack.enter_context(moments.around(LocalFiles, "read", "read pictures"))
        stack.enter_context(moments.around(matte_link.offered_pictures, "digest_of", "name by content"))
        stack.enter_context(moments.around(MatteClient, "submit", "submit"))
        stack.enter_context(moments.around(matte_link.job, "write_atomically", "write to disk"))
        moments.mark("pressed")
        job.start()
        while job.is_running:
            for event in job.poll(0.1):
                if isinstance(event, FrameProgress):
                    moments.mark(f"stage {event.stage}")
                elif isinstance(event, FrameFailed):
                    raise SystemExit(event.message)
                elif isinstance(event, FrameDone):
                    moments.mark("done")
                    done = event
        moments.mark("job ended")
    return moments, done


def schedule(pid: int) -> tuple[float, float]:
    """Milliseconds that the threads of a process have used of a processor, and that they were ready and waited for
    one (Linux)."""
    used = waited = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has just ended
            ran, ready, _ = map(int, file.read_text().split())
            used, waited = used + ran, waited + ready
    return used / 1e6, waited / 1e6


def parts(moments: Moments, done: FrameDone) -> Figures:
    """Milliseconds of the wall between the moments of one frame."""
    at, spent = moments.at, moments.spent
    seconds = {name: 1000 * value for name, value in done.diagnostics["seconds"].items()}
    total, stages = at["done"] - at["pressed"], sum(seconds.values())
    return {
        "request to result on disk": total,
        "stages (the server's own figures)": stages,
        "beyond the stages": total - stages,
        "  connect and ping": at["ping ends"] - at["pressed"],
        "  ping answered to request sent": at["submit ends"] - at["ping ends"],
        "    of it reading pictures": spent["read pictures"],
        "    of it naming by content, in all": spent["name by content"],
        "  sent to worker begins": at["stage read"] - at["submit ends"],
        "  between the worker's stages": at["stage write"] - at["stage read"] - stages + seconds["write"],
        "  write ended to answer": at["write to disk begins"] - at["stage write"] - seconds["write"],
        "  answer onto disk": spent["write to disk"],
        "  on disk to told": at["done"] - at["write to disk ends"],
        "told to job ended": at["job ended"] - at["done"],
    }


def floor(plate: bytes, result: bytes, folder: Path) -> Figures:
    """The least that the frame's bytes cost, milliseconds."""
    source = folder / "floor_plate"
    source.write_bytes(plate)
    spool = default_parent() / f"cleanplate-floor-{os.getpid()}"
    try:
        return {
            "floor: read the plate": _took(source.read_bytes),
            "floor: the plate through a socket": _took(lambda: _through_socket(plate)),
            "floor: the plate into the spool": _took(lambda: spool.write_bytes(plate)),
            "floor: the result through a socket": _took(lambda: _through_socket(result)),
            "floor: the result onto the disk": _took(lambda: write_atomically(str(folder / "floor_out"), result)),
        }
    finally:
        spool.unlink(missing_ok=True)


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _through_socket(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=ours.sendall, args=(data,))
        sender.start()
        left, buffer = len(data), bytearray(_CHUNK)
        while left:
            left -= theirs.recv_into(buffer)
        sender.join()


def packed(folder: Path, compression: str) -> None:
    """Writes the shot's pictures anew, with another compression."""
    for path in folder.glob("*.exr"):
        exr.write_image(path, exr.read_image(path), exr.ExrFormat(compression=compression))


def measured(size: str, frames: int, model: str, compression: str) -> list[Figures]:
    """The figures of each frame; the first three, which warm everything up, left out."""
    found = []
    options = MatteOptions(model=model, align="none", match_exposure=False)
    with tempfile.TemporaryDirectory() as name, LocalServer() as server:
        folder, digest = Path(name), ""
        shot_on_disk(folder, SIZES[size], frames, different=frames)
        packed(folder, compression)
        with MatteClient(server.endpoint) as client:
            worker = client.status().state["workers"][0]["pid"]
        pids = {"server": server.pid, "worker": worker}
        for number in range(frames):
            plate, output = folder / f"plate.{number + 1:04}.exr", folder / f"out.{number:04}.exr"
            task = FrameTask(
                frame=number,
                plate=LocalFile(str(plate)),
                clean_plate=LocalFile(str(folder / "clean.exr")),
                output=str(output),
                clean_digest=digest,
            )
            before, worked_here = {name: schedule(pid) for name, pid in pids.items()}, time.process_time()
            moments, done = one_frame(MatteJob([task], options, server.endpoint))
            digest = done.clean_digest
            worked = {"processor: host": 1000 * (time.process_time() - worked_here)}
            for name, pid in pids.items():
                used, waited = schedule(pid)
                worked[f"processor: {name}"] = used - before[name][0]
                worked[f"waited for a processor: {name}"] = waited - before[name][1]
            least = floor(plate.read_bytes(), output.read_bytes(), folder)
            least["floor: in all"] = sum(least.values())
            found.append({**parts(moments, done), **worked, **least})
        print(f"plate {plate.stat().st_size / 1e6:.1f} MB, result {output.stat().st_size / 1e6:.1f} MB")
    return found[3:]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="hd")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--model", default="difference")
    parser.add_argument("--plates", default="none", help="the compression of the plates")
    arguments = parser.parse_args()
    before = load()
    found = measured(arguments.size, arguments.frames, arguments.model, arguments.plates)
    print(f"{arguments.size}, {arguments.model}, {len(found)} frames, {before}, then {load()}")
    print("ms: median (least to most)")
    for name in found[0]:
        values = [one[name] for one in found]
        print(f"{name:<44}{statistics.median(values):9.1f}   ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
