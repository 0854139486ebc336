"""Measures what our own network costs, against V2 MobileNetV2 in the same process, in turn, at the same precision.

    python -m tests.benchmarks.bench_cleanplate [--repeat 5] [--threads 1] [--size 1920x1080 --size 3840x2160]
        [--layouts]

Medians and their ratios. V2 runs twice: as it does in this package, and in the plain formulation of its paper. Both
are channels-last with weights filled by rule (a checkpoint would cost the same) and have V2's own settings for that
size. The picture is a disc with a ragged edge before a wall, with grain: the refined places lie as they do around a
subject. For ours the whole of ``predict`` counts, for V2 the network alone.
``--peak`` measures the memory of one frame of ours instead; ``--layouts`` compares the detailed layout, grown from
the packaged weights, with the packaged one.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from matte_server.models import cleanplate
from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.networks.cleanplate import DETAILED
from matte_server.models.protocols import FrameTensors, ModelSettings
from matte_server.models.v2 import coarse_scale, refinement_for
from matte_server.training.grow import grown_from

from .bench_models import in_turn, network

PACKAGED = Path(cleanplate.__file__).parent / cleanplate.SPEC.packaged_file


def scene(width: int, height: int) -> tuple[Tensor, Tensor]:
    """Plate and clean plate."""
    dice = torch.Generator().manual_seed(1)
    wall = torch.rand((1, 3, height, width), generator=dice) * 0.2 + 0.1
    y = torch.linspace(-1, 1, height)[:, None]
    x = torch.linspace(-width / height, width / height, width)[None]
    ragged = 0.7 + 0.05 * torch.sin(60 * torch.atan2(y, x))
    alpha = ((ragged - torch.hypot(x, y)) * height / 8).clamp(0, 1)
    plate = wall * (1 - alpha) + torch.tensor([0.5, 0.2, 0.1]).view(1, 3, 1, 1) * alpha
    return plate + 0.003 * torch.randn(wall.shape, generator=dice), wall


@torch.inference_mode()
def compare(width: int, height: int, repeat: int, ours: CleanplateModel) -> None:
    plate, clean = scene(width, height)
    frame = FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1]))
    pair = [x.contiguous(memory_format=torch.channels_last) for x in (plate, clean)]

    def v2(plain: bool) -> Callable[[], object]:
        net = network("mobilenetv2", plain=plain)
        return lambda: net(pair[0], pair[1], coarse_scale(height, width), refinement_for(height, width))

    runs = [lambda: ours.predict(frame, ModelSettings(), lambda: None), v2(plain=False), v2(plain=True)]
    own, here, plain = (statistics.median(taken) for taken in in_turn(runs, repeat))
    print(
        f"{width}x{height:<6} cleanplate {own:6.3f} s   V2 MobileNetV2 {here:6.3f} s, ratio {own / here:5.3f}   "
        f"as its paper puts it {plain:6.3f} s, ratio {own / plain:5.3f}"
    )


@torch.inference_mode()
def compare_layouts(width: int, height: int, repeat: int, ours: CleanplateModel, detailed: CleanplateModel) -> None:
    """Both layouts of our network in turn."""
    plate, clean = scene(width, height)
    frame = FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1]))
    runs = [partial(model.predict, frame, ModelSettings(), lambda: None) for model in (ours, detailed)]
    packaged, larger = (statistics.median(taken) for taken in in_turn(runs, repeat))
    print(
        f"{width}x{height:<6} packaged {packaged:6.3f} s   detailed {larger:6.3f} s, ratio {larger / packaged:5.2f}"
    )


@torch.inference_mode()
def peak(width: int, height: int, model: CleanplateModel) -> None:
    """Resident memory of one frame beyond its inputs."""
    plate, clean = scene(width, height)
    frame = FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.predict(frame, ModelSettings(), lambda: None)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{width}x{height}: peak {after / 2**20:.2f} GiB, {before / 2**20:.2f} GiB before the first frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", action="append", default=[], metavar="WxH")
    parser.add_argument("--peak", action="store_true")
    parser.add_argument("--layouts", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"load {os.getloadavg()[0]:.1f}, {options.threads} thread(s), float32")
    ours = CleanplateModel.load("", torch.device("cpu"))
    for size in options.size or ["1920x1080", "3840x2160"]:
        width, height = (int(side) for side in size.split("x"))
        if options.peak:
            peak(width, height, ours)
        elif options.layouts:
            detailed = CleanplateModel(grown_from(PACKAGED, DETAILED), torch.device("cpu"))
            compare_layouts(width, height, options.repeat, ours, detailed)
        else:
            compare(width, height, options.repeat, ours)


if __name__ == "__main__":
    main()
