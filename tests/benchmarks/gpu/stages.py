"""Where a frame's time goes in one process: read, each stage of the pipeline, write; and how long the device
works."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from pathlib import Path

import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Guides, PlatePair
from matte_server.frame.pipeline import MattePipeline
from matte_server.io.exr import read_image, write_image

OPTIONS = MatteOptions(model="cleanplate", align="none", match_exposure=False)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


class StageClock:
    """Seconds by stage; each stage ends where the next begins, after the device has finished."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._stage, self._began = "", 0.0

    def __call__(self, stage: str, *_: object) -> None:
        synchronise(self._device)
        now = time.perf_counter()
        if self._stage:
            self.seconds[self._stage].append(now - self._began)
        self._stage, self._began = stage, now

    def medians(self) -> dict[str, float]:
        """Milliseconds."""
        return {stage: round(1000 * statistics.median(found), 2) for stage, found in self.seconds.items()}


def by_stage(device: torch.device, folder: Path, frames: int) -> dict[str, float]:
    """Median milliseconds of every stage of the shot in ``folder``, one frame after another, the first frame (which
    loads the network) under ``first``."""
    pipeline, clock = MattePipeline(device), StageClock(device)
    clean = read_image(folder / "clean.exr")
    began = time.perf_counter()
    for number in range(1, frames + 1):
        if number == 2:
            clock = StageClock(device)
            first = time.perf_counter() - began
        clock("read")
        plate = read_image(folder / f"plate.{number:04}.exr")
        pair = PlatePair(plate=plate, clean_plate=clean)
        result = pipeline.solve(pair, Guides(), OPTIONS, check=lambda: None, progress=clock)
        clock("write")
        write_image(folder / "out.exr", result.foreground)
        clock("end")
    return {"first": round(1000 * first, 1), **clock.medians()}


def device_share(device: torch.device, folder: Path, frames: int) -> dict[str, float]:
    """Of the pipeline alone, pictures already decoded: wall milliseconds a frame, those in which the device
    computed or copied, and the share of time that it was idle. Empty without CUDA."""
    if device.type != "cuda":
        return {}
    from torch.profiler import ProfilerActivity, profile

    pipeline = MattePipeline(device)
    clean, plate = (read_image(folder / name) for name in ("clean.exr", "plate.0001.exr"))
    pair = PlatePair(plate=plate, clean_plate=clean)

    def solve() -> None:
        pipeline.solve(pair, Guides(), OPTIONS, check=lambda: None, progress=lambda *_: None)

    solve()
    synchronise(device)
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
        began = time.perf_counter()
        for _ in range(frames):
            solve()
        synchronise(device)
        wall = time.perf_counter() - began
    busy = sum(event.self_device_time_total for event in found.key_averages()) / 1e6
    return {
        "wall_ms": round(1000 * wall / frames, 2),
        "device_ms": round(1000 * busy / frames, 2),
        "idle": round(max(0.0, 1 - busy / wall), 3),
    }
