"""What learning a shot gains: errors of alpha on the frames that nobody mended, before and after.

    python -m tests.benchmarks.bench_learn [FOLDER] [--keys ends|none|1001,1006] [--steps N] [--save FILE]

``FOLDER`` holds a folder for each sequence, as ``learn_sequences`` makes them: ``plate.####.exr``, ``clean.exr``
and ``truth.####.exr``. Without it, the packaged demo shot. The true alphas of ``--keys`` (default: the first and
the last frame's) are learnt from, as if an artist had painted them, and every other frame is measured: MAD x 1000
over the frame and over the band around the edge, and dtSSD x 1000. ``--save``: a line of JSON for each sequence;
those in it already are not run again, so that an interrupted benchmark goes on. Exits with 1 where any sequence
became worse.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern, parse_frames

from matte_server.core.image import Float32, Guides, PlatePair
from matte_server.demo.packaged import demo_shot
from matte_server.evaluation import scores
from matte_server.frame.pipeline import MattePipeline
from matte_server.io.exr import matte_channel, read_image
from matte_server.learning.settings import LearningProgress, LearningSettings, steps_for
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.key_mattes import KeyMatte
from matte_server.shots.learn import LearnOrder, learn_shot
from matte_server.shots.plan import plan_shot
from matte_server.shots.plate_solve import PlateSolve
from matte_server.shots.shot import Shot, ShotSources
from matte_server.worker.solver import choose_device

NAMES = ("frame MAD", "band MAD", "dtSSD")


@dataclass(frozen=True)
class SequenceFigures:
    """One sequence: ``before`` and ``after`` hold the means of :data:`NAMES` over the frames that were not learnt
    from."""

    name: str
    keys: tuple[int, ...]
    steps: int
    seconds: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(late / early for early, late in zip(self.before, self.after, strict=True))


def mattes(shot: Shot, weights: str, device: str) -> dict[int, Float32]:
    """The model's own alpha of every frame, aligned by the shot's plate solve."""
    pipeline = MattePipeline(torch.device(device))
    options = MatteOptions(model="cleanplate", weights=weights)
    found: dict[int, Float32] = {}
    with ShotInputs(options) as pictures:
        solve = PlateSolve(shot, pictures, "bench")
        for frame in shot.frames:
            plate, read_clean = pictures.pair(frame)
            pair = PlatePair(plate=plate, clean_plate=read_clean())
            output = pipeline.predict(
                pair, Guides(), options, check=lambda: None, progress=lambda *stage: None,
                given=solve.alignment_of_neighbour(frame),
            )  # fmt: skip
            found[frame.frame] = output.features.alpha[0, 0].cpu().numpy()
    return found


def figures(found: dict[int, Float32], truths: dict[int, Float32]) -> tuple[float, float, float]:
    """Means of :data:`NAMES` over the frames of ``truths``."""
    frames, bands, changes = [], [], []
    before = -1
    for number, truth in truths.items():
        error, band = np.abs(found[number] - truth), scores.unknown_band(truth)
        frames.append(error.mean())
        bands.append(error[band].mean())
        if before >= 0:
            wrong = (found[number] - found[before]) - (truth - truths[before])
            changes.append(np.sqrt(np.square(wrong[band]).mean()))
        before = number
    return tuple(1e3 * float(np.mean(each)) for each in (frames, bands, changes))  # type: ignore[return-value]


def measured(name: str, folder: Path, wanted: str, steps: int, device: str) -> SequenceFigures:
    """Learns one sequence and measures it."""
    plate, clean, truth = (str(folder / each) for each in ("plate.####.exr", "clean.exr", "truth.####.exr"))
    sources = ShotSources(plate=plate, clean_plate=clean, output="bench.exr")
    shot = plan_shot(sources, "", MatteOptions(model="cleanplate"), one_output=True)
    numbers = tuple(frame.frame for frame in shot.frames)
    keys = _keys(wanted, numbers)
    pattern = FramePattern(truth)
    truths = {
        number: np.ascontiguousarray(matte_channel(read_image(pattern.path(number))).pixels[..., 0])
        for number in numbers
        if number not in keys
    }
    with tempfile.TemporaryDirectory() as scratch:
        output, started = Path(scratch) / "shot.learned", time.monotonic()
        order = LearnOrder(
            shot=shot,
            keys={number: KeyMatte(matte=pattern.path(number)) for number in keys},
            output=output,
            settings=LearningSettings(steps=steps or steps_for(bool(keys))),
            device=device,
        )
        result = learn_shot(order, lambda: None, _print_measurement)
        seconds = time.monotonic() - started
        before = figures(mattes(shot, "", device), truths)
        after = figures(mattes(shot, str(output), device), truths) if result.has_gained else before
    return SequenceFigures(
        name=name, keys=keys, steps=result.steps, seconds=round(seconds), before=before, after=after
    )


def _print_measurement(progress: LearningProgress) -> None:
    if progress.step % 50 == 0 and progress.error is not None:
        print(f"step {progress.step}: left out {1e3 * progress.error:.2f}", flush=True)


def _keys(wanted: str, numbers: Sequence[int]) -> tuple[int, ...]:
    if wanted == "none":
        return ()
    return (numbers[0], numbers[-1]) if wanted == "ends" else tuple(parse_frames(wanted))


def table(found: Sequence[SequenceFigures]) -> list[str]:
    """A line for each sequence and the means, for a page of documentation."""
    heads = [f"{name}: before, after, ratio" for name in NAMES]
    lines = ["| sequence | " + " | ".join(heads) + " | worse |", "| --- |" + " --- |" * (len(NAMES) + 1)]
    for each in found:
        cells = [
            f"{early:.1f}, {late:.1f}, {ratio:.2f}x"
            for early, late, ratio in zip(each.before, each.after, each.ratios, strict=True)
        ]
        lines.append(f"| {each.name} | " + " | ".join(cells) + f" | {'yes' if each.ratios[0] > 1 else 'no'} |")
    means = [f"{float(np.mean(ratios)):.2f}x" for ratios in zip(*(each.ratios for each in found), strict=True)]
    return [*lines, "| mean ratio | " + " | ".join(means) + " | |"]


def _saved(path: Path | None) -> dict[str, SequenceFigures]:
    if path is None or not path.is_file():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {row["name"]: SequenceFigures(**{**row, "keys": tuple(row["keys"])}) for row in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of sequences (default: the demo shot)")
    parser.add_argument("--keys", default="ends", help="ends, none, or frames")
    parser.add_argument("--steps", type=int, default=0, help="0: as the command chooses")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch chooses")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--only", nargs="+", default=[], help="names of sequences")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device, found = choose_device("auto"), _saved(arguments.save)
    folders = {"demo": Path(demo_shot().clean_plate).parent}
    if arguments.folder:
        folders = {path.name: path for path in sorted(arguments.folder.iterdir()) if path.is_dir()}
    for name in arguments.only or folders:
        if name not in found:
            found[name] = measured(name, folders[name], arguments.keys, arguments.steps, device)
            if arguments.save:
                with arguments.save.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found[name])) + "\n")
        print(f"{name}: {found[name].steps} steps in {found[name].seconds:.0f} s on {device}", flush=True)
    print("\n".join(table(list(found.values()))))
    return int(any(each.ratios[0] > 1.0 for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
