"""A comp with a node of each kind upstream of a Cleanplate node, and edits of it that are taken back."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nuke
from cleanplate_node import host
from cleanplate_node.bench import ContractBench

FRAMES = range(1, 5)
A_LITTLE = 0.001
"""Of a Dissolve's second input: it counts, and the matte is that of the plate."""


def overwrite(path: Path) -> None:
    """Another content of the same size, a millisecond later: the same second, and the same size."""
    facts, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000))


class Comp:
    """A comp with one of each kind of node, and a Cleanplate node behind it whose frames are all processed."""

    def __init__(self, bench: ContractBench) -> None:
        self.bench = bench
        self.shot = bench.shot(range(8))
        self.taken_back: list[Callable[[], object]] = []
        self._times = itertools.count(10**18, 10**6)
        chain = self._read("plate")
        chain = self._linked(chain)
        chain = self._groups(chain)
        chain = self._painted(chain)
        self.switch = self._branches(chain)
        self.node = bench.node_on(self.switch, bench.read(self.shot / "clean.exr", 1, 1), range_mode="custom")
        for name, value in {"first": FRAMES[0], "last": FRAMES[-1]}.items():
            host.set_value(self.node, name, value)

    def _read(self, name: str, **knobs: object) -> nuke.Node:
        folder = self.bench.folder / name
        folder.mkdir()
        for frame in range(8):
            shutil.copyfile(self.shot / f"plate.{frame:04d}.exr", folder / f"p.{frame:04d}.exr")
            # Of another time than those of the folders beside, which a quick disk may write in the same instant.
            os.utime(folder / f"p.{frame:04d}.exr", ns=(0, next(self._times)))
        wanted = {"file": f"{folder.as_posix()}/p.%04d.exr", "first": 0, "last": 7, "raw": True, **knobs}
        node = host.create("Read", **wanted)
        node["name"].setValue(f"Read_{name}")
        return node

    def add(self, kind: str, *inputs: nuke.Node, name: str = "", **knobs: object) -> nuke.Node:
        node = host.create(kind, **knobs)
        for index, one in enumerate(inputs):
            host.connect(node, index, one)
        node["name"].setValue(name or kind)
        return node

    def _linked(self, chain: nuke.Node) -> nuke.Node:
        self.control, self.keyed = self.add("Grade", name="Control"), self.add("Grade", name="Keyed")
        for frame, value in {1: 1.0, 3: 1.0}.items():
            host.set_key(self.keyed, "white", frame, value)
        expressions = {
            "linked": "Control.white", "keyed": "Keyed.white", "linked_twice": "linked.white",
            "python": "[python {nuke.root()['fps'].value()}] / 24", "plain": "1",
        }  # fmt: skip
        for name, text in expressions.items():
            chain = self.add("Grade", chain, name=name)
            chain["white"].setExpression(text)
        self.off = self.add("Grade", chain, name="off", white=3.0)
        self.off["disable"].setExpression("!Control.black")
        noted = self.add("NoOp", self.off)
        noted.readKnobs("addUserKnob {43 notes}")
        noted["notes"].setValue("[value root.name]")
        passed = self.add("Write", noted, name="inline", file="/nowhere/%04d.exr")
        passed["autocrop"].setExpression("root.last_frame > 200")
        self.plain = self.add("Grade", passed, name="grade")
        self.animated = self.add("Grade", self.plain, name="animated")
        host.set_key(self.animated, "white", 1, 1.0)
        return self.animated

    def _groups(self, chain: nuke.Node) -> nuke.Node:
        for kind in ("Group", "LiveGroup", "House_Grade", "Precomp"):
            chain = self.group(kind, chain)
        script = self.bench.folder / "inner.nk"
        script.write_text("version 15.1 v1\n")
        chain["file"].setValue(script.as_posix())
        gizmo = nuke.toNode("House_Grade")
        assert gizmo is not None
        gizmo.readKnobs("addUserKnob {7 secret +INVISIBLE}")
        return chain

    def group(self, kind: str, source: nuke.Node) -> nuke.Node:
        """A Group with a Grade in it, and in a second one inside."""
        outer = self.add(kind, name=kind)
        assert isinstance(outer, nuke.Group)
        with outer:
            entry = self.add("Input", name="in")
            inner = self.add("Group", name="inner")
            assert isinstance(inner, nuke.Group)
            with inner:
                self.add("Output", self.add("Grade", self.add("Input", name="in"), name="deep"), name="out")
            host.connect(inner, 0, entry)
            self.add("Output", self.add("Grade", inner, name="shallow"), name="out")
        host.connect(outer, 0, source)
        return outer

    def _painted(self, chain: nuke.Node) -> nuke.Node:
        self.lut = self.bench.folder / "look.cube"
        self.lut.write_text("a look")
        chain = self.add("Roto", chain, curves="{point 1 2}")
        chain = self.add("Tracker4", chain, tracks="{1 2 3}")
        chain = self.add("ColorLookup", chain, lut="master {0 1}")
        return self.add("Vectorfield", chain, vfield_file=self.lut.as_posix())

    def _branches(self, chain: nuke.Node) -> nuke.Node:
        os.environ["CLEANPLATE_TEST_PLATES"] = (self.bench.folder / "plate").as_posix()
        os.environ.pop("CLEANPLATE_TEST_OTHER", None)
        written = self.bench.folder / "written.exr"
        written.write_bytes((self.shot / "clean.exr").read_bytes())
        later = self.add("TimeOffset", self._read("later"), time_offset=2)
        held = self.add("FrameHold", self._read("held"), first_frame=6)
        faster = self.add("Retime", self._read("faster"), speed=1.5)
        dissolve = self.add("Dissolve", chain, self._read("second"), self._read("mask"))
        host.set_key(dissolve, "which", 1, A_LITTLE)
        self.mixed = self.add("Dissolve", dissolve, later, held, name="mixed", which=A_LITTLE)
        encoded = self._read("encoded", raw=False)
        chain = self.add("Dissolve", self.mixed, faster, encoded, name="mixed2", which=A_LITTLE)
        moved = self._read("moved", file="[getenv CLEANPLATE_TEST_PLATES]/p.%04d.exr")
        chain = self.add("Dissolve", chain, self._read("unseen"), moved, name="mixed3")
        reading = self.add("Write", chain, name="reading", file=written.as_posix(), reading=True)
        chain = self.add("Dissolve", chain, reading, self.add("Constant"), name="mixed4", which=A_LITTLE)
        return self.add("Switch", chain, self._read("other"))

    # -- what a situation does

    def set(self, node: nuke.Node | str, name: str, value: object) -> None:
        """An artist's change; undo takes it back."""
        found = nuke.toNode(node) if isinstance(node, str) else node
        assert found is not None
        found[name].setValue(value)
        self.taken_back.append(host.undo)

    def change_file(self, path: Path | str) -> None:
        found = self.bench.folder / path
        facts, data = found.stat(), found.read_bytes()
        overwrite(found)

        def back() -> None:
            found.write_bytes(data)
            os.utime(found, ns=(facts.st_atime_ns, facts.st_mtime_ns))

        self.taken_back.append(back)

    def connect(self, node: nuke.Node, index: int, other: nuke.Node | None) -> None:
        before = node.input(index)
        host.connect(node, index, other)
        self.taken_back.append(lambda: host.connect(node, index, before))

    def root(self, name: str, value: object) -> None:
        self.set(nuke.root(), name, value)

    def key(self, node: nuke.Node | str, name: str, frame: int, value: float) -> None:
        found = nuke.toNode(node) if isinstance(node, str) else node
        assert found is not None
        before = dict(found[name]._keys)
        host.set_key(found, name, frame, value)
        self.taken_back.append(lambda: found[name].__dict__.update(_keys=before))

    def environment(self, name: str, value: str) -> None:
        before = os.environ[name]
        os.environ[name] = value
        self.taken_back.append(lambda: os.environ.update({name: before}))

    def gizmo_of_another_version(self) -> None:
        old = nuke.toNode("House_Grade")
        (after,) = (one for one in nuke.allNodes("Precomp", nuke.root()))
        assert old is not None
        source = old.input(0)
        assert source is not None
        self.connect(after, 0, self.group("House_Grade2", source))

    def add_view(self) -> None:
        nuke.addView("right")
        state_views = nuke.views()
        self.taken_back.append(lambda: _views_back(state_views[:-1]))

    def take_away_result(self) -> None:
        path = self.bench.results(self.node)[1]
        data = path.read_bytes()
        path.unlink()
        self.taken_back.append(lambda: path.write_bytes(data))

    def expression(self, name: str, text: str) -> None:
        knob = nuke.toNode(name)
        assert knob is not None
        before = knob["white"]._expression
        knob["white"].setExpression(text)
        self.taken_back.append(lambda: knob["white"].setExpression(before))

    def take_back(self) -> None:
        while self.taken_back:
            self.taken_back.pop()()


def _views_back(names: list[str]) -> None:
    from nuke._state import state

    state.views = names
    state.edited()
