"""What the published networks cost.

    python -m tests.benchmarks.bench_models [--repeat 5] [--threads 2] [--device cpu] [--only TEXT]
        [--precision float32 bfloat16]

Four tables. First our refiner of V2 against the plain formulation of the same network, in turn in this process
and with the largest difference of their outputs. Then seconds per frame of V2 and V1 as they run here, in the
precisions asked for. Then the peak memory of each of these on the processor, in a process of its own. Then one
whole 4K frame through the pipeline with V2, and the process's peak memory.

Weights are filled by rule: a checkpoint would cost the same. The picture is a disc with a ragged edge before a
wall, with grain, so that the refined patches lie as they do around a subject; 'noise' is the worst case, where they
are scattered. On a busy machine set OMP_WAIT_POLICY=PASSIVE: threads that spin while they wait for each other cost
eight times the arithmetic there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.nn.functional as nnf
from matte_link.options import MatteOptions
from torch import Tensor

from matte_server.core.image import Guides, Image, PlatePair
from matte_server.core.window import Window
from matte_server.frame.pipeline import MattePipeline
from matte_server.models.networks.bgm1 import SIDE, Bgm1
from matte_server.models.networks.bgm2 import Bgm2, Refiner
from matte_server.models.srgb import decode_srgb
from matte_server.models.v2 import coarse_scale, refinement_for
from tests.matte_server.models.filled import filled

SIZES = {"1920x1080": (1080, 1920), "3840x2160": (2160, 3840)}
_DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, eq=False)
class Pair:
    """Plate and clean plate, 1 x 3 x H x W, display-encoded 0..1."""

    plate: Tensor
    clean: Tensor


def scene(size: tuple[int, int]) -> Pair:
    """A disc with a ragged edge before a wall, with grain in both pictures."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / height, indexing="ij")
    red, green, blue = 0.2 * (x * 9).sin() + 0.1 * (y * 31).sin(), 0.2 * (y * 7 + x * 3).cos(), 0.1 * (x * 23).sin()
    clean = torch.stack([0.4 + red, 0.5 + green, 0.3 + blue])
    subject = [0.7 + 0.2 * (x * 40).sin(), 0.4 + 0.2 * (y * 50).sin(), 0.3 + 0.2 * y]
    down, right = y - 0.55, x - 0.9
    edge = 0.33 + 0.03 * (40 * torch.atan2(down, right)).sin()
    alpha = ((edge - (right**2 + down**2).sqrt()) * 150).clamp(0, 1)
    random = torch.Generator().manual_seed(1)
    plate = alpha * torch.stack(subject) + (1 - alpha) * clean
    grained = ((each + 0.01 * torch.randn(each.shape, generator=random)).clamp(0, 1) for each in (plate, clean))
    return Pair(*(each[None] for each in grained))


def noise(size: tuple[int, int]) -> Pair:
    """White noise: the refined patches lie anywhere."""
    random = torch.Generator().manual_seed(1)
    return Pair(*(torch.rand((1, 3, *size), generator=random) for _ in range(2)))


class PlainRefiner(Refiner):
    """V2's refiner as its paper describes it, patch by patch: everything upsampled to half the frame's size, a
    window gathered around each patch, the results written over the upsampled coarse outputs."""

    def forward(self, src: Tensor, bgr: Tensor, coarse: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        size = src.shape[-2:]
        half = (size[0] // 2, size[1] // 2)
        pictures = torch.cat([src, bgr], 1)
        at = torch.nonzero(chosen, as_tuple=True)
        first = torch.cat([nnf.interpolate(each, half, mode="bilinear") for each in (coarse, pictures)], 1)
        seen = self._windows(first, at, 2, 3)
        seen = nnf.relu(self.bn1(self.conv1(seen)))
        seen = nnf.relu(self.bn2(self.conv2(seen)))
        seen = nnf.interpolate(seen, (8, 8), mode="nearest")
        seen = nnf.relu(self.bn3(self.conv3(torch.cat([seen, self._windows(pictures, at, 4, 2)], 1))))
        refined = self.conv4(seen)
        out = nnf.interpolate(coarse[:, 32:], size, mode="bilinear")
        patches = out.view(1, 4, size[0] // 4, 4, size[1] // 4, 4)
        patches[0].permute(1, 3, 0, 2, 4)[at] = refined
        return out[:, :1].clamp_(0, 1), out[:, 1:].add_(src).clamp_(0, 1)

    @staticmethod
    def _windows(picture: Tensor, at: tuple[Tensor, ...], step: int, reach: int) -> Tensor:
        size = step + 2 * reach
        padded = nnf.pad(picture, (reach, reach, reach, reach))
        windows = padded.permute(0, 2, 3, 1).unfold(1, size, step).unfold(2, size, step)
        return windows[0, at[0], at[1]]


def network(backbone: str, *, plain: bool = False) -> Bgm2:
    """V2 with rule-filled weights: as the plain formulation runs (channels-last, nothing folded), or as ours."""
    net = Bgm2(backbone).eval()
    if plain:
        net.refiner = PlainRefiner().eval()
    net.load_state_dict(filled(net.state_dict(), f"v2_{backbone}"))
    if not plain:
        return net.folded()
    return net.to(memory_format=torch.channels_last)


def v1_network() -> Bgm1:
    """V1 with rule-filled weights, as it runs."""
    net = Bgm1().eval()
    net.load_state_dict(filled(net.state_dict(), "v1"))
    return net.folded()


def in_turn(runs: Sequence[Callable[[], object]], repeat: int) -> list[list[float]]:
    """Seconds of each run, taken in turn after one that is not counted."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(repeat + 1):
        for run, taken in zip(runs, seconds, strict=True):
            began = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                taken.append(time.perf_counter() - began)
    return seconds


def compare(size: str, pair: Pair, backbone: str, repeat: int, device: torch.device) -> None:
    """Our refiner against the plain one."""
    plate, clean = pair.plate.to(device), pair.clean.to(device)
    scale, refinement = coarse_scale(*SIZES[size]), refinement_for(*SIZES[size])
    ours, plain = network(backbone).to(device), network(backbone, plain=True).to(device)

    def run(net: Bgm2) -> Any:
        return net(plate, clean, scale, refinement)

    first, second = run(ours), run(plain)
    # The two may choose different patches where expected errors are equal to the last bits.
    same = nnf.interpolate((first.ref_sm == second.ref_sm).float(), plate.shape[-2:], mode="nearest") > 0
    apart = max(float(((one - other).abs() * same).max()) for one, other in zip(first[:2], second[:2], strict=True))
    slow, fast = in_turn([lambda: run(plain), lambda: run(ours)], repeat)
    slower, faster = statistics.median(slow), statistics.median(fast)
    print(
        f"{backbone:12s} {size} plain {slower:6.3f} s  ours {faster:6.3f} s  {slower / faster:4.1f} x "
        f"(best against best {min(slow) / min(fast):4.1f} x)  outputs within {apart:.1e}, "
        f"patches equal {float(same.float().mean()):.5f}"
    )


def measure(
    name: str, run: Callable[[], object], precisions: Sequence[str], repeat: int, device: torch.device
) -> None:
    """Seconds per frame in each precision."""
    for precision in precisions:
        dtype = _DTYPES[precision]
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            (seconds,) = in_turn([run], repeat)
        print(f"{name:44s} {precision:9s} {statistics.median(seconds):6.3f} s")


def main() -> None:
    """Runs the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="'compare', 'frames', 'memory' or 'whole'")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=tuple(_DTYPES),
        default=["float32"],
        help="half precisions are very slow on processors without instructions for them",
    )
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"{device}, {torch.get_num_threads()} threads, load average {psutil.getloadavg()[0]:.1f} before the run")
    with torch.inference_mode():
        if arguments.only in ("", "compare"):
            for size in SIZES:
                compare(size, scene(SIZES[size]), "mobilenetv2", arguments.repeat, device)
                print(end="noise: ")
                compare(size, noise(SIZES[size]), "mobilenetv2", arguments.repeat, device)
        if arguments.only in ("", "frames"):
            frames(arguments.repeat, device, arguments.precision)
    if arguments.only in ("", "memory"):
        memory()
    if arguments.only in ("", "whole"):
        whole_frame(device)
    print(f"load average {psutil.getloadavg()[0]:.1f} after the run")


def frames(repeat: int, device: torch.device, precisions: Sequence[str]) -> None:
    """V2 and V1 as they run."""
    for backbone in ("mobilenetv2", "resnet50"):
        for layout in ("channels-last", "contiguous"):
            net = network(backbone).to(device)
            if layout == "contiguous":
                net.to(memory_format=torch.contiguous_format)
            for size, shape in SIZES.items():
                pair = scene(shape)
                plate, clean = pair.plate.to(device), pair.clean.to(device)
                run = partial(net, plate, clean, coarse_scale(*shape), refinement_for(*shape))
                measure(
                    f"V2 {backbone} {size} {layout}",
                    run,
                    precisions if layout == "channels-last" else precisions[:1],
                    repeat,
                    device,
                )
    v1 = v1_network().to(device)
    inputs = [
        torch.rand((1, channels, SIDE, SIDE), device=device).contiguous(memory_format=torch.channels_last)
        for channels in (3, 3, 1)
    ]
    measure(f"V1 {SIDE}x{SIDE} (any frame)", lambda: v1(*inputs), precisions, repeat, device)


def memory() -> None:
    """Peak memory of each network, each in a process of its own."""
    jobs: list[tuple[str, str]] = [(backbone, size) for backbone in ("mobilenetv2", "resnet50") for size in SIZES]
    for name, size in [*jobs, ("v1", "")]:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            before, peak = pool.submit(one_peak, name, size).result()
        label = f"V2 {name} {size}" if size else f"V1 {SIDE}x{SIDE}"
        print(f"{label:44s} float32   peak {peak:5.2f} GiB, {before:5.2f} GiB before its first frame")


def one_peak(name: str, size: str) -> tuple[float, float]:
    """GiB resident at most before and after one frame of one network."""
    with torch.inference_mode():
        if size:
            net, pair, shape = network(name), scene(SIZES[size]), SIZES[size]
            run = partial(net, pair.plate, pair.clean, coarse_scale(*shape), refinement_for(*shape))
        else:
            run = partial(v1_network(), *(torch.rand((1, channels, SIDE, SIDE)) for channels in (3, 3, 1)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        run()
    return before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def whole_frame(device: torch.device) -> None:
    """A 4K frame through the pipeline with V2; run alone, the peak is that of a worker."""
    pair = scene(SIZES["3840x2160"])
    window = Window(0, 0, 3840, 2160)
    plate, clean = (
        Image(decode_srgb(each)[0].permute(1, 2, 0).numpy(), ("R", "G", "B"), window, window)
        for each in (pair.plate, pair.clean)
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "v2.pth"
        torch.save(filled(Bgm2().state_dict(), "v2_mobilenetv2"), weights)
        began: dict[str, float] = {}

        def progress(stage: str, done: int, total: int) -> None:
            began[stage] = time.perf_counter()

        MattePipeline(device).solve(
            PlatePair(plate, clean),
            Guides(),
            MatteOptions(model="v2", weights=str(weights)),
            check=lambda: None,
            progress=progress,
        )
    ends = [*list(began.values())[1:], time.perf_counter()]
    spent = [f"{stage} {end - start:.1f} s" for (stage, start), end in zip(began.items(), ends, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"one 3840x2160 frame through the pipeline with V2: peak {peak:.2f} GiB; {', '.join(spent)}")


if __name__ == "__main__":
    main()
