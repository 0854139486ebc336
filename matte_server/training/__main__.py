"""``python -m matte_server.training``: raw material, training, curves, packaging and the held-out benchmark."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import cv2
import torch

from ..errors import MatteError
from ..evaluation.evaluate import LABELS, shown
from ..models.networks.cleanplate import LAYOUTS
from ..models.protocols import MattingModel
from ..models.registry import load_model
from .bank import fill, pack
from .benchmark import kind_table, measure, ratios, sheet
from .benchmark_pictures import pictures
from .composite import Faults
from .curves import draw
from .lease import LeaseMaterial, prepare
from .ledger import append
from .lit import pack_pairs
from .package import package
from .train import TrainSetup, train


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m matte_server.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_fill(commands)
    _add_train(commands)
    _add_curves(commands)
    _add_package(commands)
    _add_pack(commands)
    _add_prepare(commands)
    _add_ledger(commands)
    _add_benchmark(commands)
    options = parser.parse_args(arguments)
    try:
        result: int = options.run(options)
    except (MatteError, FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return result


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_fill(commands: _Commands) -> None:
    parser = commands.add_parser("fill", help="make the procedural subjects and sets")
    parser.add_argument("bank", type=Path, help="folder to write to; what exists is kept")
    parser.add_argument("--hdri", type=Path, required=True, help="folder of equirectangular .hdr files")
    parser.add_argument("--subjects", type=int, default=500)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--kinds", type=int, default=0, help="subjects with gaps, fibres or glass")
    parser.add_argument("--share", default="0/1", help="K/N: make every N-th picture from K, to split the work")
    parser.set_defaults(run=_fill)


def _fill(options: argparse.Namespace) -> int:
    first, step = (int(part) for part in options.share.split("/"))
    fill(options.bank, options.hdri, options.subjects, options.sets, first, step, kinds=options.kinds)
    return 0


def _sides(text: str) -> tuple[int, int]:
    height, width = (int(side) for side in text.split("x"))
    return height, width


def _add_train(commands: _Commands) -> None:
    defaults = TrainSetup(bank=Path(), renders=None, out=Path())
    parser = commands.add_parser("train", help="train; goes on from the checkpoint in OUT where there is one")
    parser.add_argument("out", type=Path, help="folder for checkpoint, averaged weights, log")
    parser.add_argument("--bank", type=Path, required=True, help="folder made by fill")
    parser.add_argument("--renders", type=Path, help="folder of rendered subjects, may still be growing")
    parser.add_argument("--pairs", type=Path, help="folder of pairs made by tabletop --train, may still be growing")
    parser.add_argument(
        "--init", type=Path, help="weights, or a folder of parts, to start from without a checkpoint"
    )
    parser.add_argument("--layout", choices=LAYOUTS, default="light", help="the size of the network")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--minutes", type=float, default=defaults.minutes, help="of all calls together")
    parser.add_argument("--call-minutes", type=float, default=defaults.call_minutes, help="of this call")
    parser.add_argument("--checkpoint-minutes", type=float, default=defaults.checkpoint_minutes)
    parser.add_argument("--frozen-statistics", action="store_true", help="keep batch statistics: for fine-tuning")
    parser.add_argument("--hold", action="store_true", help="count errors above those of --init twice")
    parser.add_argument("--only", default="", help="train only parameters whose names begin with this")
    parser.add_argument(
        "--validation", type=int, default=0, help="held-out composites that choose the best weights"
    )
    parser.add_argument("--home", type=Path, help="folder that gets the best weights in parts, log and facts")
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--slots", type=int, default=defaults.slots, help="composites kept ready in memory")
    parser.add_argument("--rate", type=float, default=defaults.learning_rate, help="learning rate at the start")
    parser.add_argument("--size", type=_sides, default="288x384", metavar="HxW", help="multiples of 32")
    parser.add_argument("--decay", type=float, default=defaults.decay_steps, help="steps after which it is halved")
    parser.add_argument("--makers", type=int, default=defaults.makers, help="processes that compose")
    parser.add_argument("--gpu-makers", type=int, default=0, help="how many of them do so on the GPU")
    parser.add_argument("--threads", type=int, default=defaults.threads)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--without", choices=("people", "misalignment", "linear-light"), help="an ablation")
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    faults = {
        "people": Faults(people=0.0),
        "misalignment": Faults(misalignment=0.0),
        "linear-light": Faults(linear_light=False),
    }.get(options.without, Faults())
    setup = TrainSetup(
        size=options.size, gpu_makers=options.gpu_makers,
        bank=options.bank, renders=options.renders, pairs=options.pairs, out=options.out,
        init=options.init, batch=options.batch,
        slots=options.slots,
        learning_rate=options.rate, decay_steps=options.decay, steps=options.steps, minutes=options.minutes,
        makers=options.makers, threads=options.threads, seed=options.seed, faults=faults,
        layout=LAYOUTS[options.layout], call_minutes=options.call_minutes, validation=options.validation,
        checkpoint_minutes=options.checkpoint_minutes, frozen_statistics=options.frozen_statistics,
        only=options.only, hold=options.hold, home=options.home,
    )  # fmt: skip
    train(setup, lambda line: print(line, flush=True))
    return 0


def _add_curves(commands: _Commands) -> None:
    parser = commands.add_parser("curves", help="the loss curves of runs as a picture")
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of training runs")
    parser.set_defaults(run=_curves)


def _curves(options: argparse.Namespace) -> int:
    draw(options.runs, options.picture)
    return 0


def _add_package(commands: _Commands) -> None:
    parser = commands.add_parser("package", help="averaged weights to the file that ships")
    parser.add_argument("source", type=Path, help="average.safetensors of a run")
    parser.add_argument("target", type=Path)
    parser.add_argument("--start", type=Path, help="the weights that the run began with, to stay nearer to them")
    parser.add_argument(
        "--share", type=float, default=1.0, help="how far from --start to the averaged weights, 0..1"
    )
    parser.set_defaults(run=_package)


def _package(options: argparse.Namespace) -> int:
    print(json.dumps({"bytes": package(options.source, options.target, options.start, options.share)}))
    return 0


def _add_pack(commands: _Commands) -> None:
    parser = commands.add_parser("pack", help="renders as small files, to train on another machine")
    parser.add_argument("renders", type=Path, help="folder made by scenes, or by tabletop --train")
    parser.add_argument("target", type=Path, help="folder to write to; what exists is kept")
    parser.set_defaults(run=_pack)


def _pack(options: argparse.Namespace) -> int:
    counts = {
        "renders": pack(options.renders, options.target),
        "pairs": pack_pairs(options.renders, options.target),
    }
    print(json.dumps(counts))
    return 0


def _add_prepare(commands: _Commands) -> None:
    parser = commands.add_parser("prepare", help="the material of a GPU lease in one folder (see on_gpu.sh)")
    parser.add_argument("target", type=Path, help="new folder to write to")
    parser.add_argument("--hdri", type=Path, nargs="+", required=True, help="folders of equirectangular .hdr files")
    parser.add_argument("--renders", type=Path, help="folder made by pack, of scenes")
    parser.add_argument("--pairs", type=Path, help="folder made by pack, of pairs")
    parser.add_argument("--weights", type=Path, help="folder of parts to start from; else the packaged weights")
    parser.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace) -> int:
    material = LeaseMaterial(
        panoramas=options.hdri, renders=options.renders, pairs=options.pairs, weights=options.weights
    )
    print(json.dumps(prepare(material, options.target)))
    return 0


def _add_ledger(commands: _Commands) -> None:
    parser = commands.add_parser("ledger", help="append a run to the ledger in the repository")
    parser.add_argument("record", type=Path, help="the run's run.json")
    parser.add_argument("--note", required=True, help="what it was for and what became of it")
    parser.set_defaults(run=_ledger)


def _ledger(options: argparse.Namespace) -> int:
    print(append(options.record, options.note))
    return 0


def _add_benchmark(commands: _Commands) -> None:
    parser = commands.add_parser("benchmark", help="our weights against the difference matte on held-out pictures")
    parser.add_argument("renders", type=Path, help="folder of held-out renders")
    parser.add_argument("--hdri", type=Path, required=True, help="folder of equirectangular .hdr files")
    parser.add_argument("--weights", default="", help="weights (safetensors); the packaged ones where not given")
    parser.add_argument("--size", type=_sides, default="432x576", metavar="HxW", help="of the pictures")
    parser.add_argument("--quick", action="store_true", help="one still of each kind, two frames of each shot")
    parser.add_argument("--every", type=int, default=1, help="measure only every N-th picture, for a quick look")
    parser.add_argument("--json", type=Path, help="file to write every figure to")
    parser.add_argument("--worst", type=Path, metavar="PICTURE", help="the four worst stills, to look at")
    parser.set_defaults(run=_benchmark)


def _benchmark(options: argparse.Namespace) -> int:
    device = torch.device("cpu")
    models: dict[str, MattingModel] = {
        "cleanplate": load_model("cleanplate", options.weights, device),
        "difference": load_model("difference", "", device),
    }
    everything = pictures(options.renders, options.hdri, options.size, options.quick)
    material = itertools.islice(everything, 0, None, options.every)
    report = measure(models, material, lambda name: print(name, file=sys.stderr, flush=True))
    means = {name: summary.mean for name, summary in report.items()}
    print(f"{'':<16}{''.join(f'{name:>14}' for name in models)}{'ratio':>10}")
    for name, ratio in ratios(means, "cleanplate", "difference").items():
        row = "".join(f"{shown(name, means[model][name]):>14}" for model in models)
        print(f"{LABELS[name]:<16}{row}{ratio:>10.3f}")
    print(f"{'empty':<16}{''.join(f'{summary.empty:>14.6f}' for summary in report.values())}")
    print(f"{'cpu seconds':<16}{''.join(f'{summary.cpu_seconds:>14.1f}' for summary in report.values())}")
    print("\n".join(kind_table(report)))
    if options.json:
        facts = {name: asdict(summary) for name, summary in report.items()}
        options.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if options.worst:
        found = report["cleanplate"].pictures
        stills = sorted((name for name in found if name.startswith("still")), key=lambda name: -found[name]["mad"])
        again = pictures(options.renders, options.hdri, options.size)
        picture = sheet(models["cleanplate"], again, stills[:4])
        if not cv2.imwrite(str(options.worst), picture):
            raise FileNotFoundError(f"{options.worst} could not be written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
