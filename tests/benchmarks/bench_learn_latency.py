"""An artist's frame while the same worker learns a shot, against the same frame without that.

    python -m tests.benchmarks.bench_learn_latency [--size 960x540] [--frames 20]

Frames without and with a learning job are taken in turn, so that what else the machine does counts for both. Prints
the medians and the worst of both, and how long a training step takes: the difference must be no more than one.
Loopback only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from matte_link.client import MatteClient
from matte_link.messages import (
    Accepted,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    Matte,
    Progress,
    new_id,
)
from matte_link.options import MatteOptions

from matte_server.server.local_server import LocalServer

from .shots import encoded

STEPS = 5000
_ROUNDS = 4
_FIRST_STEPS = 6


@dataclass
class StepTimes:
    """When each step was reported."""

    times: list[tuple[int, float]] = field(default_factory=list)

    def __call__(self, event: Accepted | Progress) -> None:
        if isinstance(event, LearnProgress):
            self.times.append((event.done, time.monotonic()))

    @property
    def seconds(self) -> list[float]:
        """The time from one report to the next, for each step between them."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return [(at - before) / (step - last) for (last, before), (step, at) in pairs if step > last]


def pictures(width: int, height: int) -> tuple[bytes, bytes, bytes]:
    """A plate with a striped disc, its clean plate, and the true matte."""
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([0.3 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.sin(x / 7 + y / 4), 0.2 + 0.15 * np.cos(y / 5)], -1)
    wall += np.random.default_rng(3).normal(0, 0.003, wall.shape)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2) & (np.sin(x / 4) > -0.5)
    plate = np.where(disc[..., None], (2.0, 0.1, 0.05), wall)
    return encoded(plate), encoded(wall), encoded(np.repeat(disc[..., None].astype(float), 3, -1))


@contextmanager
def learning(server: LocalServer, job: Learn) -> Iterator[StepTimes]:
    """A job that learns while the block runs; the first steps are there when it begins."""
    heard = StepTimes()
    with MatteClient(server.endpoint, patience_s=300.0) as learner:
        learner.submit(job, heard)
        while len(heard.times) < _FIRST_STEPS:
            learner.receive(0.05)
        yield heard
        learner.cancel(job.id)
        while learner.outstanding:
            learner.receive(0.5)


def artist_frames(client: MatteClient, plate: bytes, clean: bytes, count: int) -> list[float]:
    """Seconds of ``count`` interactive frames, one after the other with pauses as of somebody who looks at them."""
    found = []
    for number in range(count):
        time.sleep(0.3)
        request = Matte(
            id=new_id(),
            frame=number,
            plate=Inline(plate),
            clean_plate=Inline(clean),
            options=MatteOptions(model="cleanplate"),
        )
        began = time.monotonic()
        client.matte(request)
        found.append(time.monotonic() - began)
    return found


def _report(name: str, seconds: list[float]) -> None:
    print(f"{name}: median {1e3 * statistics.median(seconds):.0f} ms, worst {1e3 * max(seconds):.0f} ms")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="960x540")
    parser.add_argument("--frames", type=int, default=20)
    arguments = parser.parse_args()
    plate, clean, key = pictures(*map(int, arguments.size.split("x")))
    frame = LearnFrame(frame=1, plate=Inline(plate), clean_plate=Inline(clean), key=Inline(key))
    alone: list[float] = []
    beside: list[float] = []
    steps: list[float] = []
    with LocalServer(["--private"]) as server, MatteClient(server.endpoint, patience_s=300.0) as artist:
        artist_frames(artist, plate, clean, 2)
        for round_ in range(_ROUNDS):
            alone += artist_frames(artist, plate, clean, arguments.frames // _ROUNDS)
            # Another seed each time: the same job would go on from the last one's checkpoint.
            job = Learn(id=new_id(), frames=(frame,), steps=STEPS, seed=round_)
            with learning(server, job) as heard:
                steps += heard.seconds
                beside += artist_frames(artist, plate, clean, arguments.frames // _ROUNDS)
    _report("without learning", alone)
    _report("while learning  ", beside)
    _report("a training step ", steps)


if __name__ == "__main__":
    main()
