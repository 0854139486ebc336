"""Kills a shot's run at random moments and resumes it: the output must equal an undisturbed run's, byte for byte.

    python -m tests.benchmarks.bench_resume [--times 20] [--frames 60]

The client is killed with SIGKILL while one server goes on; then the same command runs to its end. Prints one line
a time: when it was killed, how many frames were there, and whether all files are equal. Exit code 1 where any is
not.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matte_server.server.local_server import LocalServer

from .shots import small_shot


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".exr"}


def main() -> int:
    """Runs it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as name, LocalServer(["--device", "cpu"]) as server:
        folder = Path(name)
        plates, clean = small_shot()
        (folder / "clean.exr").write_bytes(clean)
        for number in range(arguments.frames):
            (folder / f"plate.{number + 1:04}.exr").write_bytes(plates[number % len(plates)])

        def command(out: str) -> list[str]:
            pattern = str(folder / "plate.####.exr")
            words = ["matte", pattern, "--clean", str(folder / "clean.exr"), "-o", str(folder / out / "m.####.exr")]
            # The comps are files that the client writes itself, in two steps after the matte.
            comp = ["--background", str(folder / "clean.exr"), "--comp", str(folder / out / "c.####.exr")]
            common = [*comp, "--model", "difference", "--server", server.endpoint.address]
            return [sys.executable, "-m", "matte_server", *words, *common]

        began = time.monotonic()
        subprocess.run(command("whole"), check=True, capture_output=True)
        length = time.monotonic() - began
        whole = files(folder / "whole")
        for turn in range(arguments.times):
            out = f"turn{turn}"
            process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Importing takes the first part, in which there is nothing to break.
            moment = chance.uniform(0.35, 1.0) * length
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            there = files(folder / out) if (folder / out).is_dir() else {}
            torn = sum(content != whole[name] for name, content in there.items() if not name.startswith("."))
            subprocess.run(command(out), check=True, capture_output=True)
            equal = files(folder / out) == whole
            wrong += not equal or bool(torn)
            print(
                f"{turn + 1:2}: killed after {moment:.1f} s with {len(there)} files, {torn} torn; resumed: "
                f"{'equal' if equal else 'DIFFERENT'}",
                flush=True,
            )
    print(f"{arguments.times - wrong} of {arguments.times} equal byte for byte")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
