"""Time from button to result for one HD frame in the Nuke node, broken down, and the plugin's own share.

    python tests/benchmarks/bench_nuke.py [--width 1920 --height 1080 --runs 7]

The host is the tests' stand-in: its rendering and file writing are no figures of Nuke's, so they are measured apart
and left out of the plugin's share, as are the wire, the server and the writing of the result. What is left is ours:
looking at the graph, keys, the ping, knobs, reading the plates' bytes, records, threads, and waiting. What the
layers cost that a new node has switched on is measured against a node without them. On a machine that is busy with
other things the processor's time says more than the wall's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
for folder in ("plugin_nuke", "tests/plugin_nuke/fake_nuke", "shared", "."):
    sys.path.insert(0, str(REPOSITORY / folder))

import matte_link.job  # noqa: E402 - found by the lines above
import matte_link.offered_pictures  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
from cleanplate_node import callbacks, host, node_runs, preflight, range_run, run  # noqa: E402
from cleanplate_node.bench import Server  # noqa: E402
from matte_link.client import MatteClient  # noqa: E402
from matte_link.local_files import LocalFiles  # noqa: E402
from matte_link.messages import MatteReply  # noqa: E402
from nuke._picture import Picture, write_exr  # noqa: E402
from nuke._state import State  # noqa: E402

from tests.plugin_nuke.conftest import start_nuke  # noqa: E402


class Clock:
    """Seconds spent in named parts of one run, by the wall's clock and by the processor's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def around(self, owner: Any, attribute: str, name: str) -> Iterator[None]:
        """Times every call of a function."""
        before: Callable[..., Any] = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            started, worked = time.perf_counter(), time.process_time()
            try:
                return before(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
                self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - worked

        setattr(owner, attribute, timed)
        try:
            yield
        finally:
            setattr(owner, attribute, before)


def make_shot(folder: Path, width: int, height: int) -> None:
    """An HD plate and its clean plate: noise before noise, as hard to pack as a camera's."""
    noise = np.random.default_rng(1)
    window = (0, 0, width, height)
    clean = noise.uniform(0.1, 0.7, (height, width, 4)).astype(np.float32)
    plate = clean.copy()
    plate[height // 4 : height // 2, width // 4 : width // 2, :3] = (2.0, 0.1, 0.05)
    for name, pixels in (("plate", plate), ("clean", clean)):
        write_exr(folder / f"{name}.0001.exr", Picture(pixels, window, window), "rgb", True, "zip", False)


LAYERS = ("layer_clean", "layer_confidence", "layer_difference")
"""The layers that a new node has switched on."""
FEWER = {"without layers": (), "without the clean plate": LAYERS[1:]}
"""Nodes with fewer, to compare with."""


def make_node(folder: Path, address: str, model: str, layers: Sequence[str]) -> host.Node:
    """A node before the shot with some of the layers."""
    host.select_nothing()
    node = callbacks.create()
    assert node is not None
    for index, name in enumerate(("plate", "clean")):
        read = host.create("Read", file=f"{folder}/{name}.%04d.exr", raw=True)
        host.connect(node, index, read)
    settings: dict[str, object] = {"server": address, "model": model, "align": "none", "around": 0}
    for name, value in {**settings, **{layer: layer in layers for layer in LAYERS}}.items():
        host.set_value(node, name, value)
    host.save_script_as(f"{folder}/comp.nk")
    return node


def processor_seconds(pid: int) -> float:
    """What a process and its children have used of the processor."""
    found = 0.0
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        times = one.cpu_times()
        found += times.user + times.system
    return found


def one_run(state: State, node: host.Node, server_pid: int) -> dict[str, float]:
    """Presses the button and waits for the result; milliseconds of each part."""
    clock = Clock()
    submitted: list[float] = []
    answered: list[float] = []
    shown: list[float] = []
    cpu: dict[str, float] = {}

    class WatchedRun(MatteClient):
        def submit(self, *args: Any, **kwargs: Any) -> None:
            super().submit(*args, **kwargs)
            submitted.append(time.perf_counter())
            cpu["sent"] = time.process_time()

        def _deliver(self, message: Any) -> None:
            if isinstance(message, MatteReply):
                answered.append(time.perf_counter())
                cpu["answered"] = time.process_time()
            super()._deliver(message)

    with ExitStack() as stack:
        naming = clock.around(matte_link.offered_pictures, "digest_of", "name the clean plate by its content")
        stack.enter_context(naming)
        stack.enter_context(clock.around(host, "render", "host renders and writes plates"))
        stack.enter_context(clock.around(preflight, "_ask_server", "ping"))
        stack.enter_context(clock.around(run, "preflight", "look at graph, keys, ping"))
        stack.enter_context(clock.around(LocalFiles, "read", "read plates' bytes"))
        stack.enter_context(clock.around(matte_link.job, "write_atomically", "write result"))
        stack.enter_context(clock.around(range_run, "show_results", "show"))
        stack.callback(setattr, matte_link.job, "MatteClient", MatteClient)
        setattr(matte_link.job, "MatteClient", WatchedRun)  # noqa: B010 - replaced for the length of one run
        cpu["pressed"] = time.process_time()
        servers = processor_seconds(server_pid)
        started = time.perf_counter()
        host.press(node, "process_frame")
        back = time.perf_counter()
        while node_runs.running(node) is not None:
            state.process_events()
            if "show" in clock.seconds and not shown:
                shown.append(time.perf_counter())
                cpu["shown"] = time.process_time()
            time.sleep(0.002)
    if not answered:
        raise SystemExit(f"the frame failed: {host.value(node, 'status')}")
    total = shown[0] - started
    parts = clock.seconds
    server = answered[0] - submitted[0]
    others = parts["host renders and writes plates"] + server + parts["write result"]
    ours = cpu["sent"] - cpu["pressed"] - clock.cpu["host renders and writes plates"]
    ours += cpu["shown"] - cpu["answered"] - clock.cpu["write result"]
    return {
        "button to result": 1e3 * total,
        "  host renders and writes plates (stand-in)": 1e3 * parts["host renders and writes plates"],
        "  sent to answered (wire and server)": 1e3 * server,
        "  write result": 1e3 * parts["write result"],
        "  plugin's own share": 1e3 * (total - others),
        "    look at graph, keys, ping": 1e3 * parts["look at graph, keys, ping"],
        "      of it ping": 1e3 * parts["ping"],
        "    button's return to frame sent": 1e3 * (submitted[0] - back),
        "      of it read plates' bytes": 1e3 * parts["read plates' bytes"],
        "    answer to shown, less writing": 1e3 * (shown[0] - answered[0] - parts["write result"]),
        "    the same share in processor time": 1e3 * ours,
        "button gives the window back after": 1e3 * (back - started),
        "server's processor time": 1e3 * (processor_seconds(server_pid) - servers),
        "naming the clean plate while the server works": 1e3 * parts["name the clean plate by its content"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--model", default="difference", help="the fastest one by default")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    server = Server([sys.executable, "-m", "matte_server"])
    server.start()
    runs = []
    try:
        with tempfile.TemporaryDirectory(prefix="cleanplate-bench-") as text:
            state = start_nuke(window=True)
            make_shot(Path(text), arguments.width, arguments.height)
            nodes = {
                name: make_node(Path(text), server.address, arguments.model, layers)
                for name, layers in {"": LAYERS, **FEWER}.items()
            }
            for node in nodes.values():
                one_run(state, node, server.pid)  # the server loads its model
            for _ in range(arguments.runs):
                # In turn, so that whatever else the machine does falls on all of them.
                found = {name: one_run(state, node, server.pid) for name, node in nodes.items()}
                fewer = {
                    f"{name}: {part}": found[name][part]
                    for name in FEWER
                    for part in ("button to result", "server's processor time")
                }
                runs.append({**found[""], **fewer})
    finally:
        server.stop()
    medians = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    if arguments.json:
        print(json.dumps(medians, indent=2))
        return 0
    print(f"{arguments.width} x {arguments.height}, median of {arguments.runs} runs, milliseconds (least to most)")
    for name, value in medians.items():
        values = [one[name] for one in runs]
        print(f"{name:<52}{value:9.1f}   ({min(values):.1f} to {max(values):.1f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
