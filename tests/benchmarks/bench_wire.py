"""What the server and the wire cost.

    python -m tests.benchmarks.bench_wire [--frames 12] [--skip-4k]

Prints three figures: the server's overhead for one HD half-float frame (the round trip less what the worker
itself spent on reading, matting and writing), the wire's throughput against a memcpy of the same bytes, and
the worker's peak memory for one 4K frame. Loopback only.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass

import numpy as np
import psutil
from matte_link.client import MatteClient
from matte_link.messages import Inline, Matte
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

HD, UHD = (1080, 1920), (2160, 4096)
_BLOB = 64 << 20


@dataclass(frozen=True)
class WireShot:
    """EXR bytes of a plate and its clean plate."""

    plate: bytes
    clean: bytes


def noisy_shot(size: tuple[int, int]) -> WireShot:
    """Grainy pictures, so that they compress as badly as camera pictures do: a disc before a wall."""
    height, width = size
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wall = np.stack([0.3 + 0.1 * np.sin(x / 37), 0.4 + 0.1 * np.sin(y / 23), 0.2 + 0.1 * np.cos((x + y) / 51)], -1)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2)[..., None]
    plate = np.where(disc, np.float32(1.5), wall)
    return WireShot(*(_encoded(picture + random.normal(0, 0.004, wall.shape)) for picture in (plate, wall)))


def _encoded(pixels: np.ndarray) -> bytes:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return exr.encode_exr(Image(pixels.astype(np.float32), ("R", "G", "B"), window, window), {}, exr.ExrFormat())


def overhead(client: MatteClient, shot: WireShot, frames: int) -> None:
    """Round trip less the worker's own stages, for frames one after the other."""
    costs, trips = [], []
    for number in range(frames + 1):
        request = Matte(
            id=f"o{number}",
            frame=number,
            plate=Inline(shot.plate, "p.exr"),
            clean_plate=Inline(shot.clean, "c.exr"),
            options=MatteOptions(model="difference"),
        )
        began = time.perf_counter()
        reply = client.matte(request)
        trip = time.perf_counter() - began
        if number:  # the first one carries the clean plate
            trips.append(trip)
            costs.append(trip - sum(reply.diagnostics["seconds"].values()))
    print(
        f"server overhead, HD half: median {1000 * statistics.median(costs):.1f} ms, "
        f"worst {1000 * max(costs):.1f} ms of {len(costs)}; round trip {statistics.median(trips):.2f} s; "
        f"plate {len(shot.plate) / 1e6:.1f} MB, reply {len(reply.data) / 1e6:.1f} MB"
    )


def wire(client: MatteClient) -> None:
    """Stores random blobs, which the server receives, hashes and writes, against copying them."""
    blobs = [np.random.default_rng(seed).bytes(_BLOB) for seed in range(4)]
    began = time.perf_counter()
    for blob in blobs:
        client.store(blob)
    sent = time.perf_counter() - began
    target = bytearray(_BLOB)
    began = time.perf_counter()
    for blob in blobs:
        target[:] = blob
    copied = time.perf_counter() - began
    size = _BLOB * len(blobs) / 1e9
    print(f"wire incl. both digests and the spool: {size / sent:.2f} GB/s; memcpy {size / copied:.2f} GB/s")


def peak_memory(client: MatteClient) -> None:
    """The worker's largest resident size during one 4K frame, over its size before."""
    shot = noisy_shot(UHD)
    worker = psutil.Process(client.status().state["workers"][0]["pid"])
    before, peak = worker.memory_info().rss, 0

    def look() -> bool:  # asked ten times a second
        nonlocal peak
        peak = max(peak, worker.memory_info().rss)
        return False

    began = time.perf_counter()
    client.matte(
        Matte(
            id="4k",
            frame=1,
            plate=Inline(shot.plate, "p.exr"),
            clean_plate=Inline(shot.clean, "c.exr"),
            options=MatteOptions(model="difference"),
        ),
        cancelled=look,
    )
    print(
        f"4K frame ({UHD[1]} x {UHD[0]}): worker peak {peak / 2**30:.2f} GB ({before / 2**30:.2f} GB before), "
        f"{time.perf_counter() - began:.1f} s; client peak "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )


def main() -> None:
    """Runs the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--skip-4k", action="store_true")
    arguments = parser.parse_args()
    load = psutil.getloadavg()[0]
    print(f"{psutil.cpu_count()} cores, load average {load:.1f} before the run")
    with LocalServer() as server, MatteClient(server.endpoint, patience_s=300) as client:
        overhead(client, noisy_shot(HD), arguments.frames)
        wire(client)
        if not arguments.skip_4k:
            peak_memory(client)


if __name__ == "__main__":
    main()
