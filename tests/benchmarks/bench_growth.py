"""What a frame costs against its size, and against the length of its shot; and the plot of both in the docs.

    python -m tests.benchmarks.bench_growth pixels FIGURES.json [--megapixels 0.25 0.5 1 2 4 8.3 16 33]
    python -m tests.benchmarks.bench_growth length FIGURES.json [--frames 10 100 500 2000]
    python -m tests.benchmarks.bench_growth draw FIGURES.json PLOT.png

EXR to EXR, on the processor. CPU time of client, server and worker together: it depends less than the wall clock on
what else the machine does. A frame's cost against its size has the plate solve of its shot left out; that against
the length has everything but the server's start. Figures are added to the file as they come.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from matte_link.client import MatteClient

from matte_server.server.local_server import LocalServer

from .bench_shot import load, run, shot_on_disk

Figures = dict[str, list[dict[str, float]]]
_FRAMES = 4
_SMALL = (135, 240)
_WIDTH, _HEIGHT, _MARGIN = 520, 380, 70


def _added(file: Path, kind: str, figures: dict[str, float]) -> None:
    """Adds a line's figures to the file, and prints them."""
    known: Figures = json.loads(file.read_text()) if file.exists() else {}
    known.setdefault(kind, []).append(figures)
    file.write_text(json.dumps(known, indent=1))
    print(f"{kind}: {figures}; {load()}", flush=True)


def pixels(file: Path, sizes: Sequence[float]) -> None:
    """The own network's frames of so many million pixels each, 16 by 9."""
    for size in sizes:
        height = round((size * 1e6 * 9 / 16) ** 0.5 / 2) * 2
        with tempfile.TemporaryDirectory() as name, LocalServer() as server:
            folder = Path(name)
            shot_on_disk(folder, (height, height * 16 // 9), _FRAMES)
            with MatteClient(server.endpoint, 3600) as client:
                run(folder, 1, client, server, "auto")
                found = run(folder, _FRAMES, client, server, "auto")
        cost = (found.work[-1] - found.work[1]) / (_FRAMES - 1)
        _added(file, "pixels", {"at": size, "cpu_s": round(cost, 4), "worker_mb": round(found.memory["workers"])})


def length(file: Path, counts: Sequence[int]) -> None:
    """Shots of small frames by the model that costs least, so that what grows with the length would show."""
    with (
        tempfile.TemporaryDirectory() as name,
        LocalServer() as server,
        MatteClient(server.endpoint, 3600) as client,
    ):
        folder = Path(name)
        shot_on_disk(folder, _SMALL, max(counts))
        run(folder, 10, client, server, "difference")
        for count in counts:
            found = run(folder, count, client, server, "difference")
            memory = {f"{who}_mb": round(size) for who, size in found.memory.items()}
            _added(file, "length", {"at": count, "cpu_s": round(found.worked / count, 4), **memory})


class _Panel:
    """One diagram with logarithmic axes across and up."""

    def __init__(self, title: str, unit: str, across: Sequence[float], up: Sequence[float]) -> None:
        self.canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
        self._across, self._up = np.log10(across), np.log10(up)
        cv2.rectangle(
            self.canvas, (_MARGIN, _MARGIN), (_WIDTH - _MARGIN // 2, _HEIGHT - _MARGIN), (110, 110, 110), 1
        )
        self._write(title, (_MARGIN, 25), 0.55)
        for value in across:
            x, _ = self._place(value, up[0])
            self._write(f"{value:g}", (x - 12, _HEIGHT - _MARGIN + 20))
        for value in up:
            _, y = self._place(across[0], value)
            cv2.line(self.canvas, (_MARGIN, y), (_WIDTH - _MARGIN // 2, y), (225, 225, 225), 1)
            self._write(f"{value:g}", (15, y + 5))
        self._write(unit, (_MARGIN, _HEIGHT - 15))

    def _write(
        self, text: str, place: tuple[int, int], size: float = 0.42, colour: tuple[int, ...] = (60,) * 3
    ) -> None:
        cv2.putText(self.canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)

    def _place(self, x: float, y: float) -> tuple[int, int]:
        across = (np.log10(x) - self._across[0]) / (self._across[-1] - self._across[0])
        up = (np.log10(y) - self._up[0]) / (self._up[-1] - self._up[0])
        return (
            round(_MARGIN + across * (_WIDTH - 1.5 * _MARGIN)),
            round(_HEIGHT - _MARGIN - up * (_HEIGHT - 2 * _MARGIN)),
        )

    def line(
        self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], name: str, row: int
    ) -> None:
        """A line with a dot for each figure, and its name above the diagram."""
        places = [self._place(*point) for point in points]
        cv2.polylines(self.canvas, [np.array(places, np.int32)], False, colour, 2, cv2.LINE_AA)
        for place in places:
            cv2.circle(self.canvas, place, 3, colour, -1, cv2.LINE_AA)
        self._write(name, (_MARGIN + 150 * row, 52), colour=colour)


def draw(figures: Figures, picture: Path) -> None:
    """The plot: cost and memory against pixels, and against the shot's length. Raises ``OSError``."""
    blue, red, green = (200, 90, 30), (40, 40, 210), (40, 150, 40)

    def of(kind: str, value: Callable[[dict[str, float]], float]) -> list[tuple[float, float]]:
        return [(row["at"], value(row)) for row in sorted(figures[kind], key=lambda row: row["at"])]

    left = _Panel("A frame against its pixels", "million pixels", (0.25, 1, 4, 16, 33), (0.05, 0.2, 1, 5, 20))
    left.line(of("pixels", lambda row: row["cpu_s"]), blue, "CPU seconds", 0)
    left.line(of("pixels", lambda row: row["worker_mb"] / 1000), red, "worker's memory, GB", 1)
    right = _Panel("A frame against its shot's length", "frames", (10, 100, 1000, 2000), (0.02, 0.1, 0.5, 2))
    right.line(of("length", lambda row: row["cpu_s"]), blue, "CPU seconds", 0)
    right.line(of("length", lambda row: row["workers_mb"] / 1000), red, "worker, GB", 1)
    right.line(of("length", lambda row: row["server_mb"] / 1000), green, "server, GB", 2)
    if not cv2.imwrite(str(picture), np.hstack([left.canvas, right.canvas])):
        raise OSError(f"{picture} could not be written")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("pixels", "length", "draw"))
    parser.add_argument("figures", type=Path)
    parser.add_argument("picture", type=Path, nargs="?")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.25, 0.5, 1, 2, 4, 8.3, 16, 33])
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 100, 500, 2000])
    arguments = parser.parse_args()
    if arguments.what == "pixels":
        pixels(arguments.figures, arguments.megapixels)
    elif arguments.what == "length":
        length(arguments.figures, arguments.frames)
    else:
        draw(json.loads(arguments.figures.read_text()), arguments.picture)


if __name__ == "__main__":
    main()
