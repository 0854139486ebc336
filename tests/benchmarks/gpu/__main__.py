"""All of the GPU benchmark, the most important first, until the time is used up; the table is complete at any time.

    python -m tests.benchmarks.gpu OUT [--device cuda] [--seconds 540] [--tiny]

OUT gets ``table.json`` (every row) and ``table.md``. The first part compares every combination of options with the
CPU: if one is out of tolerance, the exit status is 1, but the rest is measured all the same. ``--tiny`` takes small
pictures and few of everything, to try the script on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from matte_server.server.local_server import LocalServer

from . import parity, scene
from .files import Setting, measure
from .learning import learning_cost
from .stages import by_stage, device_share

Row = dict[str, str | float]
SIZES = {"HD": (1080, 1920), "4K": (2160, 3840)}
TINY = {"HD": (108, 192), "4K": (216, 384)}
SETTINGS = {
    "disk": Setting(),
    "disk, 4 clients": Setting(clients=4),
    "wire": Setting(wire=True),
    "interactive, wire": Setting(wire=True, interactive=True),
    "disk, temporal": Setting(temporal=True),
    "disk, zips": Setting(compression="zips"),
    "disk, dwab": Setting(compression="dwab"),
    "disk, htj2k256": Setting(compression="htj2k256"),
}


class Table:
    """Rows of the benchmark, written to OUT after each."""

    def __init__(self, out: Path, seconds: float) -> None:
        self._out, self._rows = out, list[Row]()
        self._end = time.monotonic() + seconds
        out.mkdir(parents=True, exist_ok=True)

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def add(self, part: str, **facts: str | float) -> None:
        self._rows.append({"part": part, **facts})
        print(json.dumps(self._rows[-1]), flush=True)
        _replace(self._out / "table.json", json.dumps(self._rows, indent=1))
        lines = [
            f"- {row['part']}: " + ", ".join(f"{k} {v}" for k, v in row.items() if k != "part")
            for row in self._rows
        ]
        _replace(self._out / "table.md", "\n".join(lines) + "\n")

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part whose failure is a row and does not end the others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  a lease is short: what can still be measured is
            self.add(name, failed=repr(error))


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def compare(table: Table, device: torch.device, every: int) -> bool:
    """The first part; whether all combinations hold."""
    comparison = parity.Comparison(device)
    began, count, outside = time.monotonic(), 0, 0
    worst: dict[str, parity.Deviation] = {}
    for case in parity.cases(every):
        if table.left < 60:
            break
        found = comparison.deviation(case)
        count += 1
        precision = case.options.precision
        if precision not in worst or found.alpha > worst[precision].alpha:
            worst[precision] = found
        if not found.holds:
            outside += 1
            table.add(
                "out of tolerance", **_figures(found), options=str(case.options.to_dict()), guides=case.guided
            )
    for precision, found in worst.items():
        table.add(f"parity, worst {precision}", **_figures(found), options=str(found.case.options.to_dict()))
    table.add("parity", combinations=count, outside=outside, seconds=round(time.monotonic() - began, 1))
    return outside == 0 and count > 0


def _figures(found: parity.Deviation) -> Row:
    return {
        "alpha_mean": f"{found.alpha[0]:.1e}",
        "alpha_99.9": f"{found.alpha[1]:.1e}",
        "colour_mean": f"{found.colour[0]:.1e}",
        "colour_99.9": f"{found.colour[1]:.1e}",
        "allowed": str(found.allowed),
    }


def shots(table: Table, device: torch.device, sizes: dict[str, tuple[int, int]], frames: int, root: Path) -> None:
    """EXR to EXR in every setting, both sizes in turn, so that a short lease has some of both."""
    for label, (height, width) in sizes.items():
        scene.write_shot(root / label, height, width, frames)
    began = time.perf_counter()
    with LocalServer(["--root", str(root), "--device", str(device)]) as server:
        table.add("server ready", seconds=round(time.perf_counter() - began, 2))
        for label in sizes:
            with table.part(f"{label} first"):
                found = measure(server, root / label, 1, Setting(interactive=True))
                table.add(f"{label} first frame", ms=round(1000 * found.seconds))
        for name, setting in SETTINGS.items():
            for label in sizes:
                if table.left < 40:
                    return
                with table.part(f"{label} {name}"):
                    found = measure(server, root / label, frames, setting)
                    table.add(
                        f"{label} {name}",
                        frames=found.frames,
                        per_second=round(found.frames / found.seconds, 2),
                        latency_ms=round(found.latency_ms, 1),
                        **found.beside,
                    )


def profile(table: Table, device: torch.device, sizes: dict[str, tuple[int, int]], frames: int, root: Path) -> None:
    for label, (height, width) in sizes.items():
        if not (root / label).exists():
            scene.write_shot(root / label, height, width, frames)
        with table.part(f"{label} stages, ms"):
            table.add(f"{label} stages, ms", **by_stage(device, root / label, frames))
        with table.part(f"{label} device"):
            table.add(f"{label} device", **device_share(device, root / label, frames))


def learning(table: Table, device: torch.device, size: tuple[int, int], steps: int) -> None:
    with table.part("learning"):
        table.add("learning, two key frames", **learning_cost(device, *size, steps))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", type=torch.device)
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    sizes, frames = (TINY, 3) if options.tiny else (SIZES, 24)
    table = Table(options.out, options.seconds)
    name = torch.cuda.get_device_name() if options.device.type == "cuda" else str(options.device)
    table.add("machine", device=name, torch=torch.__version__, cores=os.cpu_count() or 0, load=os.getloadavg()[0])
    torch.backends.cudnn.allow_tf32 = False
    held = compare(table, options.device, every=97 if options.tiny else 1)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        profile(table, options.device, sizes, frames, Path(folder))
        learning(table, options.device, sizes["HD"], 2 if options.tiny else 200)
        shots(table, options.device, sizes, frames, Path(folder))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
