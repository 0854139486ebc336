"""What a shot costs beyond its inference.

    python -m tests.benchmarks.bench_shot efficiency [--size hd] [--frames 100] [--model auto] [--cpu-workers 0]
                                                     [--rounds 3]
    python -m tests.benchmarks.bench_shot flat [--size small] [--frames 10 100 1000] [--rounds 3]
    python -m tests.benchmarks.bench_shot breakdown [--size 2k 4k] [--frames 3]
    python -m tests.benchmarks.bench_shot clean
    python -m tests.benchmarks.bench_shot video

``efficiency``: wall time of a shot, EXR in and out, against what its frames' inference took (the server's stages
but reading and writing, shared by as many as work at once), and against running that inference alone in this
process, one frame after another, before and after each of ``--rounds`` runs. ``--cpu-workers 0`` is
what a long shot's own server has.
``flat``: what each further frame costs, in seconds and in the processor's, and resident memory of client, server
and worker, short against long. ``breakdown``: where a frame's time goes. ``clean``: a clean plate built from a shot
of known truth. ``video``: known frames through each codec and back. Every figure is printed with the machine's load
beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from matte_link.client import MatteClient
from matte_link.options import MatteOptions

from matte_server.core.image import Guides, Image, PlatePair
from matte_server.core.window import Window
from matte_server.frame.pipeline import MattePipeline
from matte_server.io import exr, video_writer
from matte_server.io.media import VideoReader
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.server.local_server import LocalServer
from matte_server.shots.batch import run_shot
from matte_server.shots.build_plate import build
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.plan import plan_shot
from matte_server.shots.reports import FrameReport, ShotReport
from matte_server.shots.shot import ShotSources
from tests.matte_server.video_files import DNXHR_HQX, H265_10, PRORES_422_HQ

SIZES = {"small": (270, 480), "hd": (1080, 1920), "2k": (1080, 2048), "4k": (2160, 4096)}
_NOT_INFERENCE = ("read", "write", "align", "exposure")


def load() -> str:
    return f"load {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores"


def wall(size: tuple[int, int]) -> np.ndarray:
    """A wall with many corners, scene-linear."""
    height, width = size
    coarse = np.random.default_rng(4).uniform(0.05, 0.9, (max(height // 20, 8), max(width // 20, 8), 3))
    grown = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, np.float32)


def subject(size: tuple[int, int], part: float) -> np.ndarray:
    """A soft disc on its way across, 0..1, height x width x 1."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(x - width * part, y - height / 2)
    return np.asarray(np.clip((height / 5 - distance) / 4 + 0.5, 0.0, 1.0)[..., None])


def save(path: Path, pixels: np.ndarray) -> None:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write_image(path, Image(np.ascontiguousarray(pixels, np.float32), ("R", "G", "B"), window, window))


def shot_on_disk(folder: Path, size: tuple[int, int], count: int, different: int = 10) -> None:
    """Grainy half-float plates; no more than ``different`` ones, linked again and again for the others."""
    behind = wall(size)
    save(folder / "clean.exr", behind)
    for number in range(count):
        path = folder / f"plate.{number + 1:04}.exr"
        if number >= different:
            path.hardlink_to(folder / f"plate.{number % different + 1:04}.exr")
            continue
        alpha = subject(size, 0.15 + 0.7 * number / different)
        grain = np.random.default_rng(number).normal(0, 0.003, behind.shape)
        save(path, alpha * np.array([0.8, 0.3, 0.2]) + (1 - alpha) * behind + grain)


@dataclass
class TimedRun:
    """One run of a shot: wall seconds, when each frame ended and what the processors had worked by then (seconds of
    client, server and workers), and the largest resident sizes in MB by process."""

    report: ShotReport
    wall: float
    ends: list[float]
    work: list[float]
    memory: dict[str, float]

    @property
    def worked(self) -> float:
        """Processor seconds of the whole run."""
        return self.work[-1] - self.work[0]


def run(
    folder: Path, count: int, client: MatteClient, server: LocalServer, model: str, sizes: bool = True
) -> TimedRun:
    """One run of the shot into a folder of its own; ``sizes``: whether memory is looked at ten times a second."""
    output = folder / f"out_{time.monotonic_ns()}"
    sources = ShotSources(str(folder / "plate.####.exr"), str(folder / "clean.exr"), str(output / "m.####.exr"))
    shot = plan_shot(sources, f"1-{count}", MatteOptions(model=model))
    members = [each for group in processes(server).values() for each in group]
    ends, work = [0.0], [worked(members)]
    began = time.perf_counter()

    def heard(event: object) -> None:
        if isinstance(event, FrameReport):
            ends.append(time.perf_counter() - began)
            work.append(worked(members))

    memory: dict[str, float] = {}
    with ExitStack() as watching:
        if sizes:
            memory = watching.enter_context(watched(server))
        report = run_shot(shot, client, heard)
    assert not report.failed, report.failed[0].message
    return TimedRun(report, time.perf_counter() - began, ends, work, memory)


def processes(server: LocalServer) -> dict[str, list[psutil.Process]]:
    """Who takes part in a run."""
    parent = psutil.Process(server.pid)
    workers = [process for process in parent.children(recursive=True) if process.memory_info().rss > 100 << 20]
    return {"client": [psutil.Process()], "server": [parent], "workers": workers}


def worked(members: Sequence[psutil.Process]) -> float:
    """Processor seconds so far."""
    return sum(sum(member.cpu_times()[:2]) for member in members)


@contextmanager
def watched(server: LocalServer) -> Iterator[dict[str, float]]:
    """The largest resident sizes while the block runs, in MB."""
    watched_ones = processes(server)
    peaks = dict.fromkeys(watched_ones, 0.0)
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            for name, members in watched_ones.items():
                peaks[name] = max(peaks[name], sum(member.memory_info().rss for member in members) / 2**20)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def stages(report: ShotReport) -> list[dict[str, float]]:
    return [dict(frame.diagnostics["seconds"]) for frame in report.frames]  # type: ignore[call-overload]


_ALONE = 15
"""Frames of inference alone before and after each run: as long as a fifth of it."""


def efficiency(size: str, count: int, model: str, cpu_workers: int, rounds: int) -> None:
    """Wall time against inference, as the server measured it and as this process does without any server."""
    against_inside, against_alone = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shot_on_disk(folder, SIZES[size], count)
        frames = min(count, _ALONE)
        # In turn: a shared machine does not run at one speed.
        alone = [inference_alone(folder, frames, model)]
        arguments = ["--cpu-workers", str(cpu_workers)]
        with LocalServer(arguments) as server, MatteClient(server.endpoint, 600) as client:
            run(folder, min(count, 20), client, server, model)  # warm, all of them
            workers = len(processes(server)["workers"])
            for _ in range(rounds):
                print(f"before: {load()}")
                found = run(folder, count, client, server, model, sizes=False)
                alone.append(inference_alone(folder, frames, model))
                measured = stages(found.report)
                inside = sum(v for one in measured for k, v in one.items() if k not in _NOT_INFERENCE) / workers
                alone_wall, alone_work = (count * statistics.mean(each) for each in zip(*alone[-2:], strict=True))
                against_inside.append(found.wall / inside)
                against_alone.append(found.wall / alone_wall)
                used = found.worked / (found.wall * (psutil.cpu_count() or 1))
                print(
                    f"{size}, {count} frames, {model}, {workers} worker(s): "
                    f"wall {found.wall:.1f} s ({found.wall / count:.2f} s a frame); "
                    f"inference inside the server {inside:.1f} s -> {against_inside[-1]:.3f}; "
                    f"alone in one process {alone_wall:.1f} s (by {frames} frames before and after) -> "
                    f"{against_alone[-1]:.3f}; processor {found.worked:.1f} s ({100 * used:.0f}% of all cores), "
                    f"alone {alone_work:.1f} s; {load()}"
                )
    print(
        f"median of {rounds}: {statistics.median(against_inside):.3f} inside the server, "
        f"{statistics.median(against_alone):.3f} alone"
    )


def inference_alone(folder: Path, frames: int, model: str) -> tuple[float, float]:
    """Median seconds, wall and processor, of one frame's inference in this process, pictures already decoded and
    aligned."""
    pipeline = MattePipeline(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    clean = exr.read_image(folder / "clean.exr")
    times = []
    for number in range(frames + 1):
        plate = exr.read_image(folder / f"plate.{number % frames + 1:04}.exr")
        began, worked = time.perf_counter(), time.process_time()
        pipeline.solve(
            PlatePair(plate, clean),
            Guides(),
            MatteOptions(model=model, align="none", match_exposure=False),
            check=lambda: None,
            progress=lambda *_: None,
        )
        times.append((time.perf_counter() - began, time.process_time() - worked))
    wall, work = zip(*times[1:], strict=True)
    return statistics.median(wall), statistics.median(work)


_FRAMES_A_ROUND, _RUNS_A_ROUND = 300, 5
"""Of a length: as many runs as make so many frames, and no more than that."""


def flat(size: str, counts: Sequence[int], model: str, rounds: int) -> None:
    """What each further frame costs from one length of shot to the next, and memory, in one server. Differences of
    whole runs: what a run's begin and end cost is in both. Lengths take turns, up and down, so that a machine that
    changes meanwhile changes them all."""
    with (
        tempfile.TemporaryDirectory() as name,
        LocalServer() as server,
        MatteClient(server.endpoint, 600) as client,
    ):
        folder = Path(name)
        shot_on_disk(folder, SIZES[size], max(counts))
        run(folder, min(10, max(counts)), client, server, model)
        lengths = sorted(counts)
        runs: dict[int, list[TimedRun]] = {count: [] for count in lengths}
        for number in range(rounds):
            for count in lengths[:: 1 if number % 2 == 0 else -1]:
                for _ in range(max(1, min(_RUNS_A_ROUND, _FRAMES_A_ROUND // count))):
                    runs[count].append(run(folder, count, client, server, model))
        before = 0
        for count, found in runs.items():
            wall, work = _middle_cost(found)
            inside = statistics.median(sum(each.values()) for one in found for each in stages(one.report))
            memory = ", ".join(f"{who} {peak:.0f} MB" for who, peak in found[-1].memory.items())
            further = ""
            if before:
                shorter_wall, shorter_work = _middle_cost(runs[before])
                further = (
                    f"; each further frame after {before}: {(wall - shorter_wall) / (count - before):.4f} s, "
                    f"processor {(work - shorter_work) / (count - before):.4f} s"
                )
            print(
                f"{size}, {count} frames, {len(found)} runs: {wall:.2f} s, processor {work:.2f} s{further}; "
                f"server's work {inside:.3f} s a frame; peaks: {memory}; {load()}"
            )
            before = count


def _middle_cost(runs: Sequence[TimedRun]) -> tuple[float, float]:
    """Median wall and processor seconds of whole runs."""
    return statistics.median(one.wall for one in runs), statistics.median(one.worked for one in runs)


def breakdown(sizes: Sequence[str], count: int, model: str) -> None:
    """Medians of a frame's stages, of estimating on the client, and of what is left: the wire and waiting."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shot_on_disk(folder, SIZES[size], count)
            with LocalServer() as server, MatteClient(server.endpoint, 600) as client:
                run(folder, 1, client, server, model)
                found = run(folder, count, client, server, model)
            parts = stages(found.report)
            medians = {stage: statistics.median(each.get(stage, 0.0) for each in parts) for stage in parts[0]}
            shown = ", ".join(f"{stage} {1000 * seconds:.0f}" for stage, seconds in medians.items())
            work = sum(sum(each.values()) for each in parts)
            sample = (folder / "plate.0001.exr").stat().st_size / 1e6
            print(
                f"{size} ({count} frames, {model}), ms: {shown}; wall beyond the server's work "
                f"{1000 * (found.wall - work) / count:.0f} a frame, the plate solve included; "
                f"align {1000 * estimate(folder):.0f} for a sampled frame; plate {sample:.1f} MB; {load()}"
            )


def estimate(folder: Path) -> float:
    from matte_server.core.align import align
    from matte_server.core.placement import with_exposure

    plate, clean = (exr.read_image(folder / name) for name in ("plate.0001.exr", "clean.exr"))

    def once() -> float:
        began = time.perf_counter()
        with_exposure(align(plate, clean, "auto"), plate, clean)
        return time.perf_counter() - began

    once()  # a server has its libraries' memory and threads already
    return statistics.median(once() for _ in range(5))


def clean_plate() -> None:
    """A moving camera's shot with grain and a subject that walks through: the built plate against the true one."""
    size, count = (540, 960), 24
    behind = wall(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(count):
            alpha = subject(size, 0.1 + 0.8 * number / count)
            angle, step = 0.0008 * (number - count // 2), number - count // 2
            cos, sin = np.cos(angle), np.sin(angle)
            camera = np.array([[cos, -sin, 1.7 * step], [sin, cos, -0.9 * step], [0, 0, 1]])
            seen = cv2.warpPerspective(
                behind, camera, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT
            )
            grain = np.random.default_rng(number).normal(0, 0.004, behind.shape)
            gain = 1.0 + 0.05 * np.sin(number)
            save(
                folder / f"plate.{number + 1:04}.exr",
                gain * (alpha * np.array([0.8, 0.3, 0.2]) + (1 - alpha) * seen) + grain,
            )
        pattern = str(folder / "plate.####.exr")
        planned = plan_shot(
            ShotSources(pattern, pattern, str(folder / "c.exr")), "", MatteOptions(), one_output=True
        )
        began = time.perf_counter()
        with ShotInputs(MatteOptions()) as pictures:
            reference = planned.frames[count // 2]
            built = build(planned.frames, reference, "auto", pictures, lambda *_: None)
        seconds = time.perf_counter() - began
        gain = 1.0 + 0.05 * np.sin(count // 2)
        error = np.abs(built.image.pixels - gain * behind).mean(-1)
        known = built.coverage.pixels[..., 0] > 0
        once = np.abs(exr.read_image(reference.plate).rgb - gain * behind).mean(-1)
        print(
            f"built clean plate, {size[1]} x {size[0]}, {count} frames, moving camera, grain 0.004, exposure +-5%: "
            f"evidence in {100 * known.mean():.1f}%; error there mean {error[known].mean():.4f}, "
            f"99% {np.percentile(error[known], 99):.4f}, largest {error[known].max():.4f} "
            f"(one plate's own grain: mean {np.median(once):.4f}); {seconds:.1f} s; {load()}"
        )


def video() -> None:
    """Known frames through each codec and back."""
    window = Window(0, 0, 960, 540)
    y, x = np.mgrid[0:540, 0:960].astype(np.float32)
    cases = [
        ("ProRes 4444", "a.mov", video_writer.PRORES_4444),
        ("ProRes 422 HQ", "b.mov", PRORES_422_HQ),
        ("DNxHR HQX", "c.mov", DNXHR_HQX),
        ("H.264 8 bit", "d.mp4", video_writer.H264),
        ("H.265 10 bit", "e.mp4", H265_10),
    ]
    print("codec          frames  timecode     mean error  99.9%    alpha  write fps  read fps")
    for label, name, form in cases:
        frames = []
        for number in range(48):
            colour = [0.5 + 0.4 * np.sin((x + 5 * number) / 60), 0.5 + 0.3 * np.cos(y / 40), x / 960, y / 540]
            frames.append(Image(np.stack(colour, -1), ("R", "G", "B", "A"), window, window))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            began = time.perf_counter()
            settings = MovieSettings(960, 540, Fraction(24000, 1001), "09:59:59:12")
            with VideoWriter(path, settings, form) as writer:
                for frame in frames:
                    writer.write(frame)
            written = time.perf_counter() - began
            began = time.perf_counter()
            with VideoReader(path) as reader:
                facts = reader.facts
                found = [reader.read(number + 1) for number in range(facts.frames)]
            read = time.perf_counter() - began
        errors = np.stack([np.abs(a.rgb - b.rgb) for a, b in zip(found, frames, strict=True)])
        alpha = "-"
        if "A" in found[0].channels:
            both = zip(found, frames, strict=True)
            alpha = f"{max(np.abs(a.pixels[..., 3] - b.pixels[..., 3]).max() for a, b in both):.4f}"
        print(
            f"{label:<14} {facts.frames:>6}  {facts.timecode_of(1):<12} {errors.mean():.5f}     "
            f"{np.percentile(errors, 99.9):.4f}  {alpha:>6}  {48 / written:>8.0f}  {48 / read:>8.0f}"
        )
    print(load())


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("efficiency", "flat", "breakdown", "clean", "video"))
    parser.add_argument("--size", nargs="+", choices=SIZES, default=None)
    parser.add_argument("--frames", nargs="+", type=int, default=None)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--cpu-workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model, rounds = arguments.model, arguments.rounds
    if arguments.what == "efficiency":
        size, count = (arguments.size or ["hd"])[0], (arguments.frames or [100])[0]
        efficiency(size, count, model, arguments.cpu_workers, rounds)
    elif arguments.what == "flat":
        flat((arguments.size or ["small"])[0], arguments.frames or [10, 100, 1000], model, rounds)
    elif arguments.what == "breakdown":
        breakdown(arguments.size or ["2k", "4k"], (arguments.frames or [3])[0], model)
    elif arguments.what == "clean":
        clean_plate()
    else:
        video()


if __name__ == "__main__":
    main()
