"""A 50-frame shot cut into chunks of 1, 7 and 50 frames, run by Open Job Description's own command.

    python -m tests.benchmarks.farm_chunks [--frames 50] [--chunks 1,7,50] [--temporal 1]

Prints how long each cut took and whether all gave the same pixels; exits with 1 where they did not. Needs the
``openjd`` environment (tests/matte_server/farm/environments.py). Small frames, loopback only.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from matte_server.io import exr
from tests.matte_server.farm.environments import environment

from .shots import PLATES, small_shot

CLEANPLATE = str(Path(sys.executable).with_name("cleanplate"))


def write_shot(folder: Path, frames: int) -> None:
    """Plates and their clean plate."""
    plates, clean = small_shot()
    for number in range(frames):
        (folder / f"plate.{1001 + number}.exr").write_bytes(plates[number % PLATES])
    (folder / "clean.exr").write_bytes(clean)


def run_cut(openjd: str, folder: Path, chunk: int, temporal: float) -> tuple[list[str], float]:
    """The digest of every result's pixels, and the seconds of the session."""
    output, job = folder / f"chunks-of-{chunk}", folder / f"job-{chunk}"
    command = [CLEANPLATE, "farm", "openjd", "shot", f"{folder}/plate.####.exr", "--clean", f"{folder}/clean.exr"]
    command += ["-o", f"{output}/matte.####.exr", "--model", "difference", "--chunk", str(chunk), "--device", "cpu"]
    command += ["--temporal", str(temporal)]
    subprocess.run([*command, "--cleanplate", CLEANPLATE, "--bundle", str(job)], check=True, capture_output=True)
    began = time.monotonic()
    parameters = f"file://{job}/openjd_parameters.yaml"
    subprocess.run([openjd, "run", f"{job}/template.yaml", "-p", parameters], check=True, capture_output=True)
    seconds = time.monotonic() - began
    results = sorted(output.glob("*.exr"))
    return [hashlib.sha256(exr.read_image(path).pixels.tobytes()).hexdigest() for path in results], seconds


def main() -> int:
    """Runs every cut."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--chunks", default="1,7,50")
    parser.add_argument("--temporal", type=float, default=0.0)
    arguments = parser.parse_args()
    openjd = str(environment("openjd") / "openjd")
    print(f"{psutil.cpu_count()} cores, load average {psutil.getloadavg()[0]:.1f} before the run", flush=True)
    cuts: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        write_shot(Path(name), arguments.frames)
        for chunk in map(int, arguments.chunks.split(",")):
            pixels, seconds = run_cut(openjd, Path(name), chunk, arguments.temporal)
            cuts.append(pixels)
            print(f"farm: {len(pixels)} frames in chunks of {chunk}: {seconds:.0f} s", flush=True)
    same = all(cut == cuts[0] and len(cut) == arguments.frames for cut in cuts)
    print("bit-identical pixels" if same else "THE CUTS DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
