"""The test bench of the contract's cases: a shot on disk, a real server and checks of the node. No nuke here."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Optional, cast

from matte_link.ready_line import STOP_WITH_STDIN, ServerReady, parse_ready_line

from . import freshness, graph, host, nk_text, node_runs, plain_exr
from .plain_exr import PlainImage

Wait = Callable[[], bool]
Case = Callable[["ContractBench"], Iterator[Wait]]
SIZE = (96, 72)
TRIES = 5
"""Of what happens in the middle of a run, since a busy machine may come to it only at the run's end."""
Colour = tuple[float, float, float]
SUBJECT: Colour = (2.0, 0.1, 0.05)
LAYER_OPTIONS = ("layer_clean", "layer_confidence", "layer_difference", "layer_shadow")


def listed_in(cases: list[Case]) -> Callable[[Case], Case]:
    """A decorator that puts a case into a list."""

    def note(case: Case) -> Case:
        cases.append(case)
        return case

    return note


class ContractFailed(AssertionError):
    """A case's expectation that does not hold."""


def expect(condition: object, text: str) -> None:
    """Raises ``ContractFailed`` with the text where the condition does not hold."""
    if not condition:
        raise ContractFailed(text)


@contextlib.contextmanager
def before_each_frame(act: Callable[[], None]) -> Iterator[None]:
    """Calls ``act`` before each frame that Nuke renders inside the ``with`` block."""
    host.before_each_frame(act)
    try:
        yield
    finally:
        host.no_longer_before_each_frame(act)


@contextlib.contextmanager
def rendered() -> Iterator[list[tuple[str, int]]]:
    """The plates that Nuke renders inside the ``with`` block, as (name of the Write, frame)."""
    found: list[tuple[str, int]] = []

    def note() -> None:
        found.append((str(host.value(host.this_node(), "name")), host.current_frame()))

    with before_each_frame(note):
        yield found


def cancelling_at(frame: int) -> contextlib.AbstractContextManager[None]:
    """Cancels Nuke's rendering at this frame, as an artist would."""

    def stop() -> None:
        if host.current_frame() == frame:
            host.cancel_render()

    return before_each_frame(stop)


class Server:
    """A real matting server process on a free loopback port, which a case may kill."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self.address = ""
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self, address: str = "tcp://127.0.0.1:*") -> None:
        """Starts it and waits until it says where it listens."""
        self._process = subprocess.Popen(
            [*self.command, "serve", "--device", "cpu", "--bind", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, STOP_WITH_STDIN: "1"},
        )
        assert self._process.stdout is not None
        answer = parse_ready_line(self._process.stdout.readline().decode())
        expect(isinstance(answer, ServerReady), f"the server did not start: {answer}")
        self.address = cast(ServerReady, answer).address

    def kill(self) -> None:
        """Kills it, as if its machine had lost power."""
        if self._process:
            self._process.kill()
            self._end()

    def stop(self) -> None:
        """Shuts it down."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def pid(self) -> int:
        """The server's process; 0 where none runs."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None


class ContractBench:
    """The test bench of one case: its script, shot, server and folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.truth: dict[int, tuple[float, float, float]] = {}

    # -- pictures

    def clean(self, seed: int = 1, size: tuple[int, int] = SIZE) -> PlainImage:
        """A wall of bricks of many colours, with enough texture for an alignment and no repeated pattern."""
        return _wall(seed, size)

    def plate(self, frame: int, clean: PlainImage, subject: Colour = SUBJECT) -> PlainImage:
        """The wall with a disc before it, which moves; ``truth`` remembers where it is."""
        x0, y0 = clean.data[2] * (0.4 + 0.02 * frame), clean.data[3] * 0.5
        radius = clean.data[3] * 0.25
        self.truth[frame] = (x0 + clean.data[0], y0 + clean.data[1], radius)
        rows = [
            [subject if (x - x0) ** 2 + (y - y0) ** 2 < radius**2 else pixel for x, pixel in enumerate(row)]
            for y, row in enumerate(clean.rows)
        ]
        return PlainImage(clean.channels, rows, clean.data, clean.display, clean.aspect, {"camera:lens": "50 mm"})

    def shot(
        self,
        frames: Sequence[int],
        name: str = "shot",
        clean: Optional[PlainImage] = None,
        subject: Colour = SUBJECT,
    ) -> Path:
        """A shot's plates and its clean plate on disk; returns the folder."""
        wall = clean or self.clean()
        folder = self.folder / name
        for frame in frames:
            plain_exr.write(folder / f"plate.{frame:04d}.exr", self.plate(frame, wall, subject))
        plain_exr.write(folder / "clean.exr", wall)
        return folder

    # -- the script

    def read(self, file: Path, first: int, last: int) -> host.Node:
        """A Read of raw pixels."""
        return host.create("Read", file=file.as_posix(), first=first, last=last, raw=True)

    def node(self, shot: Path, first: int, last: int, **knobs: object) -> host.Node:
        """A Cleanplate node before a shot, with small and plain settings; the script is saved."""
        src = self.read(shot / "plate.%04d.exr", first, last)
        return self.node_on(src, self.read(shot / "clean.exr", 1, 1), **knobs)

    def node_on(self, src: Optional[host.Node], clean: Optional[host.Node], **knobs: object) -> host.Node:
        """A Cleanplate node before two nodes."""
        host.select_nothing()
        node = host.paste(nk_text.node_text())
        assert node is not None
        host.connect(node, 0, src)
        host.connect(node, 1, clean)
        plain = {"model": "difference", "compression": "none", "align": "none", "around": 0}
        plain = {**plain, "server": self.server.address, **dict.fromkeys(LAYER_OPTIONS, False)}
        for name, value in {**plain, **knobs}.items():
            host.set_value(node, name, value)
        self.save()
        return node

    def save(self, name: str = "comp.nk") -> Path:
        """Saves the script in the case's folder."""
        path = self.folder / name
        host.save_script_as(path.as_posix())
        return path

    # -- looking

    def idle(self, node: host.Node) -> Wait:
        """A wait until the node's run has ended."""
        return lambda: node_runs.running(node) is None

    def shows(self, node: host.Node) -> Wait:
        """A wait until the node shows a result."""
        return lambda: "matte.%V" in self.shown(node)

    def status(self, node: host.Node) -> str:
        """The status on the panel."""
        return str(host.value(node, "status"))

    def says(self, node: host.Node, text: str) -> Wait:
        """A wait until the status says this. In a window it follows changes by itself; a terminal must look."""
        if host.has_window():
            return lambda: text in self.status(node)
        return lambda: text in freshness.check(node, deep=False).text

    def compared(self, node: host.Node) -> Wait:
        """A wait until files that were put there again were read."""
        return lambda: "being read" not in self.status(node)

    def look(self, node: host.Node) -> None:
        """The artist opens the panel, which says in a moment what is seen. A terminal has none, so the node is
        looked at there."""
        if host.has_window():
            host.open_panel(node)
        else:
            freshness.check(node)

    def shown(self, node: host.Node) -> str:
        """The file that the node's Read names."""
        return str(host.value(host.inner(node, graph.READ), "file"))

    def results(self, node: host.Node) -> list[Path]:
        """The results on disk that the node shows."""
        return sorted(Path(self.shown(node)).parent.glob("matte.*.exr"))

    def result(self, node: host.Node, frame: int, view: str = "main") -> PlainImage:
        """One result's picture."""
        return plain_exr.read(Path(self.shown(node)).parent / f"matte.{view}.{frame:04d}.exr")

    def output(self, node: host.Node, frame: int, view: str = "main", channels: str = "rgba") -> PlainImage:
        """The node's output, rendered by Nuke."""
        path = self.folder / f"output.{time.monotonic_ns()}.%04d.exr"
        write = host.create(
            "Write",
            file_type="exr",
            channels=channels,
            raw=True,
            datatype="32 bit float",
            compression="none",
            file=path.as_posix(),
            create_directories=True,
        )
        host.connect(write, 0, node)
        try:
            host.render([write], ((frame, frame, 1),), view)
        finally:
            host.remove(write)
        return plain_exr.read(Path(str(path).replace("%04d", f"{frame:04d}")))

    def expect_matte(self, picture: PlainImage, frame: int) -> None:
        """Alpha is 1 in the disc's middle and 0 away from it; half float and the difference
        model's soft threshold stay below 0.02."""
        x, y, radius = self.truth[frame]
        inside = picture.at(round(x), round(y), "A")
        outside = picture.at(round(x + 2 * radius), round(y), "A")
        expect(abs(inside - 1) < 0.02, f"alpha in the subject is {inside}, not 1")
        expect(abs(outside) < 0.02, f"alpha beside the subject is {outside}, not 0")

    def expect_tidy(self, node: host.Node) -> None:
        """No plate is left on disk, and the inner Writes are disabled and nameless."""
        every = self.folder.rglob("*")
        left = [path for path in every if path.name.startswith(".plates") or path.suffix == ".tmp"]
        expect(not left, f"left behind: {left}")
        for name in graph.WRITES.values():
            write = host.inner(node, name)
            expect(host.value(write, "disable") and not host.value(write, "file"), f"{name} was left switched on")


@lru_cache(maxsize=8)
def _wall(seed: int, size: tuple[int, int]) -> PlainImage:
    """Every case's, made once."""
    width, height = size
    noise = random.Random(seed)
    rows = [[(0.4 + noise.gauss(0, 0.003),) * 3 for _ in range(width)] for _ in range(height)]
    for _ in range(width * height // 80):
        left, top = noise.randrange(-8, width), noise.randrange(-6, height)
        colour = (noise.uniform(0.1, 0.7), noise.uniform(0.1, 0.7), noise.uniform(0.1, 0.7))
        for y in range(max(top, 0), min(top + noise.randrange(3, 9), height)):
            for x in range(max(left, 0), min(left + 9, width)):
                rows[y][x] = colour
    window = (0, 0, width, height)
    return PlainImage(("R", "G", "B"), rows, window, window)
