"""What learning a shot gains: error of alpha on the frames that nobody mended, before and after.

    python -m tests.benchmarks.bench_learn [--plate P --clean C --truth T] [--keys 1001,1006] [--steps N]

Without arguments, the packaged demo shot. ``--truth`` is a pattern of true alphas; those of ``--keys`` (or none)
are learnt from, as if an artist had painted them, and every other frame is measured: MAD x 1000 over the frame, and
over the band around the edge. Exits with 1 where the mean error grew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern, parse_frames

from matte_server.core.image import Guides, PlatePair
from matte_server.demo.packaged import demo_shot
from matte_server.evaluation import scores
from matte_server.frame.pipeline import MattePipeline
from matte_server.io.exr import matte_channel, read_image
from matte_server.learning.run import LearningResult
from matte_server.learning.settings import STEPS, STEPS_WITHOUT_KEYS, LearningProgress, LearningSettings
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.learn import KeyMatte, LearnOrder, learn_shot
from matte_server.shots.plan import plan_shot
from matte_server.shots.plate_solve import PlateSolve
from matte_server.shots.shot import Shot, ShotSources
from matte_server.worker.solver import choose_device

Figures = dict[int, tuple[float, float]]
"""By frame: MAD x 1000 over the frame, and in the band."""


def figures(shot: Shot, truth: FramePattern, weights: str, device: str) -> Figures:
    """The model's own alpha against the truth, frame by frame, aligned by the shot's plate solve."""
    pipeline = MattePipeline(torch.device(device))
    options = MatteOptions(model="cleanplate", weights=weights)
    found: Figures = {}
    with ShotInputs(options) as pictures:
        solve = PlateSolve(shot, pictures, "bench")
        for frame in shot.frames:
            plate, read_clean = pictures.pair(frame)
            pair = PlatePair(plate=plate, clean_plate=read_clean())
            output = pipeline.predict(
                pair, Guides(), options, check=lambda: None, progress=lambda *stage: None,
                given=solve.alignment_of_neighbour(frame),
            )  # fmt: skip
            alpha = output.features.alpha[0, 0].cpu().numpy()
            wanted = np.ascontiguousarray(matte_channel(read_image(truth.path(frame.frame))).pixels[..., 0])
            band = scores.unknown_band(wanted)
            error = np.abs(alpha - wanted)
            found[frame.frame] = (1e3 * float(error.mean()), 1e3 * float(error[band].mean()))
    return found


def table(before: Figures, after: Figures, keys: Sequence[int]) -> float:
    """Prints the frames that were not learnt from; returns the ratio of their mean errors."""
    others = [number for number in before if number not in keys]
    print(f"{'frame':>8}{'MAD before':>12}{'after':>8}{'band before':>13}{'after':>8}")
    for number in others:
        print(f"{number:>8}{before[number][0]:>12.2f}{after[number][0]:>8.2f}", end="")
        print(f"{before[number][1]:>13.1f}{after[number][1]:>8.1f}")
    means = [
        [float(np.mean([run[number][part] for number in others])) for run in (before, after)] for part in (0, 1)
    ]
    ratios = [late / early for early, late in means]
    print(f"mean frame MAD {means[0][0]:.2f} -> {means[0][1]:.2f}: {ratios[0]:.2f}x;", end=" ")
    print(f"band {means[1][0]:.1f} -> {means[1][1]:.1f}: {ratios[1]:.2f}x")
    return ratios[0]


def learned(shot: Shot, keys: dict[int, KeyMatte], steps: int, output: Path, device: str) -> LearningResult:
    """Learns the shot into ``output``, with a line at each measurement."""
    settings = LearningSettings(steps=steps)
    order = LearnOrder(shot=shot, keys=keys, output=output, settings=settings, device=device)

    def tell(progress: LearningProgress) -> None:
        if progress.step % 50 == 0 and progress.error is not None:
            print(f"step {progress.step}: left out {1e3 * progress.error:.2f}, {progress.left_s or 0:.0f} s left")

    return learn_shot(order, lambda: None, tell)


def main() -> int:
    demo = demo_shot()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plate", default=demo.plate)
    parser.add_argument("--clean", default=demo.clean_plate)
    parser.add_argument("--truth", default=demo.truth)
    parser.add_argument("--keys", default="1001,1006", help="frames, or none")
    parser.add_argument("--steps", type=int, default=0, help="0: as the command chooses")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch chooses")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device, truth = choose_device("auto"), FramePattern(arguments.truth)
    numbers = () if arguments.keys == "none" else parse_frames(arguments.keys)
    sources = ShotSources(plate=arguments.plate, clean_plate=arguments.clean, output="bench.exr")
    shot = plan_shot(sources, "", MatteOptions(model="cleanplate"), one_output=True)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "shot.learned"
        started = time.monotonic()
        keys = {number: KeyMatte(matte=truth.path(number)) for number in numbers}
        steps = arguments.steps or (STEPS if keys else STEPS_WITHOUT_KEYS)
        report = learned(shot, keys, steps, output, device)
        print(f"{report.steps} steps in {time.monotonic() - started:.0f} s on {device}", end=", ")
        print(f"left out {1e3 * (report.first_error or 0):.2f} -> {1e3 * (report.error or 0):.2f}")
        before = figures(shot, truth, "", device)
        after = figures(shot, truth, str(output), device) if report.has_gained else before
        return int(table(before, after, numbers) > 1.0)


if __name__ == "__main__":
    sys.exit(main())
