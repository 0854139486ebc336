"""How comps look over new pictures: the table of the fringe test on a folder of renders.

    python -m tests.benchmarks.bench_fringe runs/heldout [--count 8] [--grain 0.01] [--lamps 0 20]
        [--alpha true network difference]

Each render (premultiplied scene-linear R, G, B, A) stands before a room with grain, with or without lamps of that
light right behind its rim. Mean absolute error of the comp against the true comp, in the true semi-transparent
band, over black, white, green and a picture; then the lowest value of alpha times foreground. "ours" is the
pipeline's foreground, "plate" the plate's colour, "network" the model's raw guess; all three have the same alpha.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from matte_server.io import exr
from matte_server.models.registry import load_model
from tests.matte_server.frame.fringe import comp_errors, default_network, mattes, take

KINDS = ("person", "animal", "plant")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="comp errors over new backgrounds")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--grain", type=float, default=0.01)
    parser.add_argument("--lamps", type=float, nargs="+", default=[0.0, 20.0])
    parser.add_argument("--alpha", nargs="+", default=["true", "network"])
    given = parser.parse_args(arguments)
    renders = [path for path in sorted(given.folder.glob("*.exr")) if any(kind in path.name for kind in KINDS)]
    models = {"true": default_network(), "network": default_network()}
    models["difference"] = load_model("difference", "", torch.device("cpu"))
    for lamps in given.lamps:
        for kind in given.alpha:
            rows: dict[str, list[list[float]]] = {}
            for seed, path in enumerate(renders[: given.count]):
                shot = take(exr.read_image(path).pixels, seed, given.grain, lamps)
                alpha, foregrounds = mattes(shot, models[kind], shot.alpha if kind == "true" else None)
                for name, found in foregrounds.items():
                    errors = comp_errors(shot, alpha, found)
                    rows.setdefault(name, []).append([*errors.values(), float((alpha * found).min())])
            print(f"lamps {lamps:g}, alpha {kind}, {len(rows['ours'])} renders: {', '.join(errors)}, lowest")
            for name, values in rows.items():
                means = np.mean(values, 0)[:-1]
                lowest = min(row[-1] for row in values)
                print(f"  {name:8}", *(f"{mean:9.5f}" for mean in means), f"{lowest:9.2f}", flush=True)


if __name__ == "__main__":
    main()
