"""Measures every network on a GPU, and how far its alpha is from the CPU's.

    PYTHONPATH=shared python -m tests.benchmarks.bench_gpu [--repeat 20] [--only v2] [--json FILE]

Needs only torch, numpy and safetensors. Medians of wall-clock time with the device synchronised, after two warm-up
runs; the frames already lie on the device. For our own network the whole of ``predict`` is timed, for V1 and V2 the
network alone, with weights filled by rule (a checkpoint takes the same time). ``mean`` and ``worst`` are the
differences of alpha from float32 on the processor, at HD; V2 may refine other patches where two expected errors are
equal to the last bits, which shows in ``worst``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.networks.bgm1 import SIDE
from matte_server.models.protocols import FrameTensors, ModelSettings
from matte_server.models.v2 import coarse_scale, refinement_for

from .bench_models import SIZES, network, scene, v1_network

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Row:
    """One network at one size in one precision; milliseconds, MiB of the device beyond what it held before."""

    network: str
    size: str
    precision: str
    milliseconds: float
    per_second: float
    peak_mib: float
    mean: float | None
    worst: float | None


Run = Callable[[str], Tensor]
"""Alpha of one frame in a precision; everything it needs lies on the device."""


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The network's own arithmetic; float32 is without."""
    dtype = ModelSettings(precision=precision).autocast
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def ours(size: tuple[int, int]) -> Callable[[torch.device], Run]:
    """The packaged network on ``size``."""

    def ready(device: torch.device) -> Run:
        model = CleanplateModel.load("", device)
        pair = scene(size)
        plate, clean = (each.square().to(device) for each in (pair.plate, pair.clean))
        frame = FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1]))
        return lambda precision: model.predict(frame, ModelSettings(precision=precision), lambda: None).alpha

    return ready


def v2(backbone: str, size: tuple[int, int]) -> Callable[[torch.device], Run]:
    """V2 on ``size``."""

    def ready(device: torch.device) -> Run:
        net = network(backbone).to(device)
        pair = scene(size)
        run = partial(net, pair.plate.to(device), pair.clean.to(device), coarse_scale(*size), refinement_for(*size))

        def alpha(precision: str) -> Tensor:
            with autocast(device, precision):
                answer: Tensor = run()[0]
            return answer

        return alpha

    return ready


def v1(device: torch.device) -> Run:
    """V1 on its square."""
    net = v1_network().to(device)
    dice = torch.Generator().manual_seed(1)
    inputs = [torch.rand((1, channels, SIDE, SIDE), generator=dice).to(device) for channels in (3, 3, 1)]

    def alpha(precision: str) -> Tensor:
        with autocast(device, precision):
            answer: Tensor = net(*inputs)[0]
        return answer

    return alpha


def milliseconds(run: Callable[[], object], repeat: int) -> float:
    """Median of ``repeat``, after two that do not count."""
    taken = []
    for turn in range(repeat + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if turn > 1:
            taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def rows(name: str, size: str, make: Callable[[torch.device], Run], repeat: int, compare: bool) -> Iterator[Row]:
    """Every precision of one network at one size."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    truth = make(cpu)("float32") if compare else None
    run = make(gpu)
    for precision in PRECISIONS:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        answer = run(precision).float().cpu()
        peak = (torch.cuda.max_memory_allocated() - before) / 2**20
        spent = milliseconds(partial(run, precision), repeat)
        apart = (answer - truth).abs() if truth is not None else None
        yield Row(
            network=name,
            size=size,
            precision=precision,
            milliseconds=round(spent, 3),
            per_second=round(1000 / spent, 1),
            peak_mib=round(peak, 1),
            mean=None if apart is None else float(apart.mean()),
            worst=None if apart is None else float(apart.max()),
        )


def jobs() -> Iterator[tuple[str, str, Callable[[torch.device], Run]]]:
    """Name, size and maker of everything measured."""
    for label, size in SIZES.items():
        yield "cleanplate", label, ours(size)
        for backbone in ("mobilenetv2", "resnet50", "resnet101"):
            yield f"v2 {backbone}", label, v2(backbone, size)
    yield "v1", f"{SIDE}x{SIDE}", v1


@torch.inference_mode()
def main() -> None:
    """Prints a table; writes it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="networks whose names contain this")
    parser.add_argument("--exact", action="store_true", help="float32 convolutions without TF32")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no CUDA device here")
    torch.backends.cudnn.allow_tf32 = not options.exact
    print(torch.cuda.get_device_name(), f"torch {torch.__version__}", "exact float32" if options.exact else "TF32")
    found = []
    for name, label, make in (job for job in jobs() if options.only in job[0]):
        for row in rows(name, label, make, options.repeat, compare=label != "3840x2160"):
            apart = "" if row.mean is None else f"  alpha off {row.mean:.1e} mean, {row.worst:.1e} worst"
            print(
                f"{name:16s} {label:10s} {row.precision:9s} {row.milliseconds:8.2f} ms {row.per_second:7.1f}/s "
                f"{row.peak_mib:8.0f} MiB{apart}",
                flush=True,
            )
            found.append(asdict(row))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
