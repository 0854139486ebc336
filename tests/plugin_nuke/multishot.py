"""Scripts of several shots, with the Graph Scope Variables of Nuke 16 and later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nuke
from cleanplate_node import host, plain_exr
from cleanplate_node.bench import ContractBench
from nuke import _gsv, _nodes


def group_in(holder: nuke.Group, name: str, kind: str = "VariableGroup") -> nuke.Group:
    made = _nodes.make(kind, holder)
    made["name"].setValue(name)
    assert isinstance(made, nuke.Group)
    return made


def variables(node: nuke.Node) -> _gsv.Gsv_Knob:
    knob = node["gsv"]
    assert isinstance(knob, _gsv.Gsv_Knob)
    return knob


def let(node: nuke.Node, path: str, value: str) -> None:
    variables(node).setGsvValue(path, value)


def passing_through(group: nuke.Group, source: nuke.Node, inside: Sequence[str] = ()) -> nuke.Group:
    """A group that hands its input on, through nodes of these classes."""
    with group:
        last = host.create("Input")
        for kind in inside:
            made = host.create(kind)
            host.connect(made, 0, last)
            last = made
        host.connect(host.create("Output"), 0, last)
    host.connect(group, 0, source)
    return group


def shots(bench: ContractBench, names: Sequence[str] = ("sh010", "sh020")) -> Path:
    """A folder with the plates of some shots, in which the subject stands at different places."""
    wall = bench.clean()
    for number, name in enumerate(names):
        plain_exr.write(bench.folder / "shots" / name / "plate.0001.exr", bench.plate(4 * number + 1, wall))
    plain_exr.write(bench.folder / "shots" / "clean.exr", wall)
    return bench.folder / "shots"


def plate_of(folder: Path, text: str) -> nuke.Node:
    return host.create("Read", file=f"{folder.as_posix()}/{text}", first=1, last=1, raw=True)
