"""The contract's cases of failures: runs that are cancelled, servers that die, and the messages for the artist."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator

from . import (
    graph,
    host,
    nk_text,
    node_runs,
    plain_exr,
    range_run,
)
from .bench import TRIES, Case, ContractBench, Wait, cancelling_at, expect, listed_in
from .plain_exr import PlainImage

CASES: list[Case] = []
_case = listed_in(CASES)
WINDOW_ONLY: list[Case] = []
_in_window = listed_in(WINDOW_ONLY)
# Longer than the two seconds after which the client asks a silent server whether it is still there.
_PATIENCE_S = 6.0


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    before, range_run.PATIENCE_S = range_run.PATIENCE_S, seconds
    try:
        yield
    finally:
        range_run.PATIENCE_S = before


# -- stopping


@_case
def cancel_while_rendering(bench: ContractBench) -> Iterator[Wait]:
    """Cancel at the third plate: nothing was sent, nothing is left, nothing is shown."""
    node = bench.node(bench.shot(range(1, 6)), 1, 5)
    with cancelling_at(3):
        host.press(node, "process_range")
        yield bench.idle(node)
    expect("ancelled" in bench.status(node), f"the status is {bench.status(node)!r}")
    expect(bench.shown(node) == graph.NOT_PROCESSED, "something is shown")
    expect(not list(bench.folder.rglob("matte.*.exr")), "results appeared")
    bench.expect_tidy(node)


def _interrupted(bench: ContractBench, act: Callable[[host.Node], None]) -> Generator[Wait, None, host.Node]:
    """The node of a range of seven frames, in the middle of which something happened. Begins anew where a busy
    machine came to it only when all frames were done."""
    shot, tries = bench.shot(range(1, 8)), TRIES
    while True:
        tries -= 1
        if not bench.server.running:
            bench.server.start()
        node = bench.node(shot, 1, 7)
        host.press(node, "process_range")
        yield bench.shows(node)
        act(node)
        yield bench.idle(node)
        if len(bench.results(node)) < 7 or not tries:
            return node


@_in_window
def cancel_while_the_server_works(bench: ContractBench) -> Iterator[Wait]:
    """Cancel after the first result: it stays, and the rest is not made."""
    node = yield from _interrupted(bench, lambda node: host.press(node, "cancel"))
    count = len(bench.results(node))
    expect(1 <= count < 7, f"{count} of 7 results are there")
    expect("cancelled" in bench.status(node), f"the status is {bench.status(node)!r}")
    bench.expect_tidy(node)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(len(bench.results(node)) == 7, "the rest was not made afterwards")


@_in_window
def the_node_is_deleted_meanwhile(bench: ContractBench) -> Iterator[Wait]:
    """A node can be deleted while it is processing."""
    node = bench.node(bench.shot(range(1, 5)), 1, 4)
    host.press(node, "process_range")
    yield bench.shows(node)
    host.remove(node)
    yield lambda: not node_runs.all_running()


@_case
def no_server(bench: ContractBench) -> Iterator[Wait]:
    """Without a server the button says so before anything is rendered."""
    node = bench.node(bench.shot((1,)), 1, 1, server="tcp://127.0.0.1:9")
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect("No matting server answers at tcp://127.0.0.1:9" in bench.status(node), bench.status(node))
    expect(not list(bench.folder.rglob("*.%V*")) and not list(bench.folder.rglob(".plates*")), "plates were made")
    bench.expect_tidy(node)


@_in_window
def the_server_dies(bench: ContractBench) -> Iterator[Wait]:
    """Killed in the middle of a range: what was finished stays, the sentence arrives, and a new server goes on."""
    with _patience(_PATIENCE_S):
        node = yield from _interrupted(bench, lambda node: bench.server.kill())
    count = len(bench.results(node))
    expect(1 <= count < 7, f"{count} of 7 results are there")
    # Nobody answers, or somebody else who has its port by now.
    expect("matting server" in bench.status(node), f"the status is {bench.status(node)!r}")
    bench.expect_tidy(node)
    times = {path.name: path.stat().st_mtime_ns for path in bench.results(node)}
    # Under another address, since somebody else may have its port by now.
    bench.server.start()
    host.set_value(node, "server", bench.server.address)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(len(bench.results(node)) == 7, f"afterwards {len(bench.results(node))} of 7 are there")
    again = {path.name: path.stat().st_mtime_ns for path in bench.results(node)}
    expect(all(again[name] == moment for name, moment in times.items()), "finished frames were made again")


# -- messages for the artist


@_case
def nothing_connected(bench: ContractBench) -> Iterator[Wait]:
    """A node without its plates says which one is missing."""
    shot = bench.shot((1,))
    node = bench.node_on(bench.read(shot / "plate.%04d.exr", 1, 1), None)
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.status(node).startswith("Nothing is connected to clean."), bench.status(node))
    host.connect(node, 0, None)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(bench.status(node).startswith("Nothing is connected to src."), bench.status(node))


@_case
def an_unsaved_script(bench: ContractBench) -> Iterator[Wait]:
    """Results are kept beside the script, so an unsaved script is refused."""
    shot = bench.shot((1,))
    src, clean = bench.read(shot / "plate.%04d.exr", 1, 1), bench.read(shot / "clean.exr", 1, 1)
    node = host.paste(nk_text.node_text())
    assert node is not None
    host.connect(node, 0, src)
    host.connect(node, 1, clean)
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.status(node).startswith("The script has no name yet."), bench.status(node))


@_case
def a_missing_plate(bench: ContractBench) -> Iterator[Wait]:
    """A frame that is not on disk stops the range with its name, before anything is sent."""
    shot = bench.shot((1, 2, 4))
    node = bench.node(shot, 1, 4)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect("plate.0003.exr" in bench.status(node), f"the status is {bench.status(node)!r}")
    expect(not list(bench.folder.rglob("matte.*.exr")), "results appeared")
    bench.expect_tidy(node)


@_case
def a_bad_frame_and_retry(bench: ContractBench) -> Iterator[Wait]:
    """One frame that the server refuses fails with the server's sentence; Retry makes it once it is repaired."""
    shot = bench.shot(range(1, 4))
    good = (shot / "plate.0002.exr").read_bytes()
    plate = plain_exr.read(shot / "plate.0002.exr")
    rows = [list(row) for row in plate.rows]
    rows[5][5] = (math.nan, 0.0, 0.0)
    plain_exr.write(shot / "plate.0002.exr", PlainImage(plate.channels, rows, plate.data, plate.display))
    node = bench.node(shot, 1, 3)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect("Frame 2: The plate has 1 NaN or infinite value" in bench.status(node), bench.status(node))
    expect(len(bench.results(node)) == 2, "the other frames are missing")
    (shot / "plate.0002.exr").write_bytes(good)
    host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
    host.press(node, "retry")
    yield bench.idle(node)
    expect(bench.status(node) == "up to date, 1 done", f"the status is {bench.status(node)!r}")
    expect(len(bench.results(node)) == 3, "the frame is still missing")


@_case
def a_misaligned_clean_plate(bench: ContractBench) -> Iterator[Wait]:
    """A clean plate shot from another place is aligned, and what it leaves open arrives with its figures."""
    width, height, moved = 240, 160, 60
    wall = bench.clean(size=(width + moved, height))
    window = (0, 0, width, height)
    shot = bench.shot((1,), clean=PlainImage(wall.channels, [row[:width] for row in wall.rows], window, window))
    plain_exr.write(
        shot / "clean.exr", PlainImage(wall.channels, [row[moved:] for row in wall.rows], window, window)
    )
    node = bench.node(shot, 1, 1, align="auto")
    host.press(node, "process_frame")
    yield bench.idle(node)
    status = bench.status(node)
    # 180 of 240 columns are seen by both.
    expect("Frame 1: The clean plate covers only 75% of the plate." in status, f"the status is {status!r}")


@_case
def a_bad_setting(bench: ContractBench) -> Iterator[Wait]:
    """Settings that exclude each other are refused in words."""
    node = bench.node(bench.shot((1,)), 1, 1, black_point=0.8, white_point=0.5)
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect("black_point must lie below white_point" in bench.status(node), bench.status(node))


@_case
def a_folder_that_cannot_be_made(bench: ContractBench) -> Iterator[Wait]:
    """A results folder that is a file is refused before anything is rendered."""
    (bench.folder / "taken").write_text("", encoding="utf-8")
    node = bench.node(bench.shot((1,)), 1, 1, cache_dir=(bench.folder / "taken").as_posix())
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect("cannot be made" in bench.status(node), bench.status(node))
    bench.expect_tidy(node)
