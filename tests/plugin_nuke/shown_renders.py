"""Nodes that show what was rendered of them."""

from __future__ import annotations

from pathlib import Path

import nuke
from cleanplate_node import host
from cleanplate_node.bench import ContractBench


def precomp_of(kind: str, shot: Path, plates: Path, *names: str) -> nuke.Node:
    """A Precomp or LiveGroup that shows its Output, which is fed by the first of some Writes of ``plates``; the
    other ones are of files of those names."""
    holder = host.create(kind)
    with host.inside(holder):
        read = host.create("Read", file=f"{shot.as_posix()}/clean.exr", raw=True)
        for name in ("plate", *names):
            write = host.create("Write", file=f"{plates.as_posix()}/{name}.%04d.exr", name=f"Write_{name}")
            host.connect(write, 0, read)
        host.connect(host.create("Output"), 0, host.inner(holder, "Write_plate"))
    return holder


def render_shown(kind: str, bench: ContractBench, shot: Path) -> nuke.Node:
    """What shows the plates of a shot as a render that is read in place of its nodes."""
    if kind == "Write":
        clean = bench.read(shot / "clean.exr", 1, 1)
        shown = host.create("Write", file=f"{shot.as_posix()}/plate.%04d.exr", reading=True)
        host.connect(shown, 0, clean)
        return shown
    shown = precomp_of(kind, shot, shot)
    host.set_value(shown, "reading", True)
    return shown
