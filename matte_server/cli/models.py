"""``cleanplate models``: which matting models there are, what each needs, and getting their weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matte_link.plain_text import printable
from matte_link.sequence import counted, format_frames
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from ..errors import MatteError
from ..models.network_table import FETCHABLE, SEGMENTATION, V1
from . import console

if TYPE_CHECKING:
    from ..models.learned import LearnedFacts

EPILOG = """\
examples:
  cleanplate models                          what is there, and what is missing
  cleanplate models use netG_epoch_12.pth    V1 runs with these from now on
  cleanplate models fetch v2_resnet50        says from where, and the licence
  cleanplate models show take7.learned       what it is for, and what it learned

Weights are looked for where --weights says, then among those chosen with 'use', then in the folder that
CLEANPLATE_MODELS names, then in your own models folder.

exit codes: 0 done, 2 the input cannot work
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``models``."""
    parser.description = "Without a word after it: lists the models."
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(metavar="ACTION")
    listed = actions.add_parser("list", help="list the models, as without a word")
    listed.set_defaults(run=run_list)
    use = actions.add_parser("use", help="choose weights: they are checked, and remembered")
    use.add_argument("file", type=Path, metavar="FILE", help="a checkpoint, TorchScript or safetensors file")
    use.set_defaults(run=run_use)
    show = actions.add_parser("show", help="say what a weights file is for, and which shot it learned")
    show.add_argument("file", type=Path, metavar="FILE", help="a weights file")
    show.set_defaults(run=run_show)
    fetch = actions.add_parser("fetch", help="download weights")
    fetch.add_argument("name", metavar="NAME", help=", ".join(FETCHABLE))
    fetch.add_argument("--from", dest="address", default="", metavar="URL", help="a mirror of your own")
    fetch.set_defaults(run=run_fetch)


def run_list(arguments: argparse.Namespace) -> int:
    """Prints the models and the weights that were found."""
    # Imported here: only this command, not its help, pays for torch.
    from ..models.registry import model_specs
    from ..models.weights import folders, found_weights, remembered

    found, chosen = found_weights(), remembered()
    by_model: dict[str, list[Path]] = {}
    for each in found:
        by_model.setdefault(each.architecture.model, []).append(each.path)
    for model, path in chosen.items():
        others = [place for place in by_model.get(model, []) if place != path]
        by_model[model] = [path, *others]
    listed = [_entry(spec, by_model.get(spec.name, [])) for spec in model_specs()]
    helpers = [str(path) for path in by_model.get(SEGMENTATION, [])]
    if arguments.json:
        facts = {"models": listed, SEGMENTATION: helpers, "folders": [str(folder) for folder in folders()]}
        print(json.dumps(facts, indent=2))
        return console.OK
    for entry in listed:
        print(_described(entry))
    print(f"person segmentation for {V1} (DeepLabV3): " + (helpers[0] if helpers else "not here"))
    print("weights are looked for in: " + ", ".join(str(folder) for folder in folders()))
    return console.OK


def _entry(spec: Any, weights: list[Path]) -> dict[str, Any]:
    return {
        "name": spec.name,
        "label": spec.label,
        "summary": spec.summary,
        "licence": spec.licence,
        "commercial_use": spec.commercial_use,
        "ready": spec.weights != "user" or bool(weights and weights[0].is_file()),
        "needs": {"none": "nothing", "packaged": "nothing: its weights are packaged"}.get(spec.weights, "weights"),
        "weights": [str(path) for path in weights],
        "where": spec.weights_hint,
    }


def _described(entry: dict[str, Any]) -> str:
    lines = [
        f"{entry['name']:12s}{'ready' if entry['ready'] else 'needs weights'}: {entry['label']}",
        f"            {entry['summary']}",
        f"            licence: {entry['licence']}",
    ]
    lines += [f"            weights: {path}" for path in entry["weights"]]
    if not entry["ready"]:
        lines.append(f"            get them: {entry['where']}")
    return "\n".join(lines)


def run_use(arguments: argparse.Namespace) -> int:
    """Checks and remembers weights."""
    from ..models.weights import remember

    architecture = remember(arguments.file.expanduser())
    if architecture.model == SEGMENTATION:
        console.say(f"{arguments.file} ({architecture.label}) finds the people for {V1} from now on.")
    else:
        console.say(f"{arguments.file} ({architecture.label}) runs with --model {architecture.model} from now on.")
    return console.OK


def run_show(arguments: argparse.Namespace) -> int:
    """Prints what a weights file is."""
    from ..models.learned import learned_facts
    from ..models.weights_reader import read_weights, recognise_file

    path = arguments.file.expanduser()
    facts, architecture = learned_facts(path), recognise_file(path) if path.is_file() else None
    if architecture is None:
        # Says what is wrong with it.
        names = ", ".join(list(read_weights(path))[:3])
        raise MatteError("bad_weights", f"{path} fits no network that Cleanplate runs; it holds {names}.")
    print(f"{path}: weights of {architecture.label}, for --model {architecture.model}")
    if facts is not None:
        # What the file says may act on a terminal.
        print("\n".join(printable(line) for line in _learned(facts)))
    return console.OK


def _learned(facts: LearnedFacts) -> list[str]:
    mended = f"mended mattes of {format_frames(facts.true_frames)}" if facts.true_frames else "no mended matte"
    return [
        f"learned from: frames {format_frames(facts.frames)}, {mended}, "
        f"{counted(facts.steps, 'step')}, seed {facts.seed}",
        f"error of alpha on what was left out, x 1000: {1e3 * facts.first_error:.2f} before, "
        f"{1e3 * facts.error:.2f} after",
        f"base weights: {facts.base}",
        f"inputs: {facts.inputs}",
        f"made by: Cleanplate {facts.version} on {facts.device}",
        f"licence: {facts.licence}",
    ]


def run_fetch(arguments: argparse.Namespace) -> int:
    """Downloads weights; raises ``MatteError``."""
    from ..models.fetch import fetch, source_of

    source = source_of(arguments.name, arguments.address)
    console.say(f"{source.name} from {source.download.address}, licence {source.download.licence}")
    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console.err) as bar:
        task = bar.add_task(source.file, total=None)
        path = fetch(source, lambda done, whole: bar.update(task, completed=done, total=whole or None))
    console.say(f"The weights are in {path}.")
    return console.OK
