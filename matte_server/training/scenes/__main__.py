"""``python -m matte_server.training.scenes``: renders subjects in a Blender subprocess."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .job import Job, write_job

_REPOSITORY = Path(__file__).resolve().parents[3]
_DATA = _REPOSITORY.parent / "shared" / "data"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, check the folders, run the worker; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for needed in (options.blender_python, options.makehuman / "3dobjs" / "base.obj", options.hdri):
        if not needed.exists():
            parser.error(f"{needed} does not exist")
    if options.sequences and options.split != "heldout":
        parser.error("sequences are held out: add --split heldout")
    options.out.mkdir(parents=True, exist_ok=True)
    return _run(_job(options), options.blender_python)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m matte_server.training.scenes", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for ID.exr and ID.json")
    parser.add_argument("--count", type=int, required=True, help="how many stills; those that exist are kept")
    parser.add_argument("--first", type=int, default=0, help="number of the first still")
    parser.add_argument("--seed", type=int, default=0, help="the run; a seed always gives the same pictures")
    parser.add_argument("--split", choices=("train", "heldout"), default="train")
    parser.add_argument(
        "--groomed", type=int, default=0, help="heads with hair by Blender's nodes, after the stills"
    )
    parser.add_argument("--varied", action="store_true", help="hair styles that differ from head to head")
    parser.add_argument("--sequences", type=int, default=0, help="held-out shots to render after the stills")
    parser.add_argument("--frames", type=int, default=6, help="frames in a shot")
    parser.add_argument("--size", type=int, default=0, help="longer side in pixels; 0: as the recipes say")
    parser.add_argument("--samples", type=int, default=0, help="rays a pixel; 0: as the recipes say")
    parser.add_argument("--blender-python", type=Path, required=True, help="a Python that has the bpy wheel")
    parser.add_argument("--makehuman", type=Path, default=_DATA / "makehuman", help="MakeHuman's data folder")
    parser.add_argument("--hdri", type=Path, default=_DATA / "hdri", help="folder of equirectangular .hdr files")
    return parser


def _job(options: argparse.Namespace) -> Job:
    return Job(
        out=options.out.resolve(),
        makehuman=options.makehuman.resolve(),
        hdri=options.hdri.resolve(),
        split=options.split,
        seed=options.seed,
        first=options.first,
        count=options.count,
        sequences=options.sequences,
        groomed=options.groomed,
        frames=options.frames,
        size=options.size,
        samples=options.samples,
        varied=options.varied,
    )


def _run(job: Job, python: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        write_job(job, file)
        # numpy's threads would take the cores that training uses.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {**os.environ, **threads, "PYTHONPATH": str(_REPOSITORY)}
        command = [str(python), "-m", "matte_server.training.scenes.worker", str(file)]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
