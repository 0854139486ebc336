"""From Solve to result in Blender, one HD frame with a node between plate and matte, broken down.

    python tests/benchmarks/bench_blender.py [--frames 5]

Median and least over the frames after the first, which starts the compositor, per version of Blender; with the
machine's load, without which figures say nothing. The aim is an add-on's share, beyond rendering the inputs and
the server's time, of less than 50 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from matte_server.server.local_server import LocalServer
from tests.plugin_blender.conftest import Blender, make_shot
from tests.plugin_blender.environments import VERSIONS, Unavailable, ensure


def main() -> int:
    """Prints one table per version; returns the exit code."""
    parser = argparse.ArgumentParser(description="Times one HD frame in Blender.")
    parser.add_argument("--frames", type=int, default=5, help="how often (default: %(default)s)")
    frames = parser.parse_args().frames
    with LocalServer(["--device", "cpu"]) as server:
        for version in VERSIONS:
            try:
                interpreter = ensure(version)
            except Unavailable as reason:
                print(f"Blender {version.package}: {reason}")
                continue
            with tempfile.TemporaryDirectory() as folder:
                shot = make_shot(Path(folder) / "shot", (1080, 1920), range(1, 2))
                blender = Blender(version=version, interpreter=interpreter, server=server.endpoint.address)
                rows = blender.case("timing", shot, frames + 1).facts["rows"][1:]
            print(f"Blender {version.package}, 1920 x 1080, {frames} frames, load {os.getloadavg()[0]:.1f}")
            print(f"  {'milliseconds':24s} {'median':>8s} {'least':>8s}")
            for name in rows[0]:
                times = [1000 * row[name] for row in rows]
                print(f"  {name:24s} {statistics.median(times):8.0f} {min(times):8.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
