"""The contract's cases of temporal smoothing, where a frame's alpha depends on the frames before and after it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import freshness, graph, host, node_state, plain_exr
from .bench import SIZE, Case, ContractBench, Wait, cancelling_at, expect, listed_in, rendered
from .plain_exr import PlainImage, Row

CASES: list[Case] = []
_case = listed_in(CASES)
_FIRST, _LAST = 1, 5
_RADIUS, _EDGE = 18.0, 8.0


def _from_middle(x: int, y: int) -> float:
    return math.hypot(x - SIZE[0] / 2, y - SIZE[1] / 2)


def grainy(bench: ContractBench, frame: int, grain: float = 0.02) -> PlainImage:
    """The wall behind a disc with a soft edge, which stands still, with each frame's own grain: its alpha flickers
    there."""
    wall, noise = bench.clean(), random.Random(frame)

    def pixel(x: int, y: int) -> tuple[float, ...]:
        alpha = min(max((_RADIUS - _from_middle(x, y)) / _EDGE + 0.5, 0.0), 1.0)
        colours = zip((2.0, 0.1, 0.05), wall.rows[y][x])
        return tuple(alpha * front + (1 - alpha) * back + noise.gauss(0, grain) for front, back in colours)

    rows: list[Row] = [[pixel(x, y) for x in range(SIZE[0])] for y in range(SIZE[1])]
    return PlainImage(wall.channels, rows, wall.data, wall.display)


def grainy_shot(bench: ContractBench, frames: Sequence[int] = range(_FIRST, _LAST + 1)) -> Path:
    """Such plates and their clean plate on disk; returns the folder."""
    folder = bench.folder / "grainy"
    for frame in frames:
        plain_exr.write(folder / f"plate.{frame:04d}.exr", grainy(bench, frame))
    plain_exr.write(folder / "clean.exr", bench.clean())
    return folder


def alphas(picture: PlainImage) -> list[float]:
    """The alpha of the soft edge."""
    places = ((x, y) for y in range(SIZE[1]) for x in range(SIZE[0]))
    return [picture.at(x, y, "A") for x, y in places if abs(_from_middle(x, y) - _RADIUS) < _EDGE / 2]


def _flicker(results: Sequence[Sequence[float]]) -> float:
    steps = [abs(b - a) for one, other in zip(results, results[1:]) for a, b in zip(one, other)]
    return sum(steps) / len(steps)


@_case
def alpha_follows_the_frames_beside_it(bench: ContractBench) -> Iterator[Wait]:
    """With temporal smoothing alpha flickers less; every plate is rendered once, and a frame that is made alone is
    the same to the bit."""
    node = bench.node(grainy_shot(bench), _FIRST, _LAST)
    frames = range(_FIRST, _LAST + 1)
    host.press(node, "process_range")
    yield bench.idle(node)
    alone = [alphas(bench.result(node, frame)) for frame in frames]
    host.set_value(node, "temporal", 1.0)
    yield bench.says(node, "stale")
    with rendered() as plates:
        host.press(node, "process_range")
        yield bench.idle(node)
    expect(bench.status(node) == "up to date, 5 done", f"the status is {bench.status(node)!r}")
    bench.expect_tidy(node)
    wanted = [("Write_clean", 1), *(("Write_src", frame) for frame in frames)]
    expect(sorted(plates) == wanted, f"the host rendered {plates}")
    together = [alphas(bench.result(node, frame)) for frame in frames]
    # Means of two or three independent errors of which most are shared: well below three quarters of each one's.
    before, after = _flicker(alone), _flicker(together)
    expect(0 < after < 0.75 * before, f"alpha flickers by {after:.4f}, without smoothing by {before:.4f}")
    middle = [list(row) for row in bench.result(node, 3).rows]
    host.go_to(3)
    with rendered() as plates:
        host.press(node, "process_frame")
        yield bench.idle(node)
    wanted = [("Write_clean", 3), *(("Write_src", frame) for frame in (2, 3, 4))]
    expect(sorted(plates) == wanted, f"for one frame the host rendered {plates}")
    expect([list(row) for row in bench.result(node, 3).rows] == middle, "alone the frame is another one")
    expect(host.current_frame() == 3, "the timeline was moved")
    bench.expect_tidy(node)


@_case
def the_footage_ends_and_the_range_does_not(bench: ContractBench) -> Iterator[Wait]:
    """A range's own ends have neighbours beyond it; a frame at the end of the source has one, a single one none."""
    node = bench.node(grainy_shot(bench), _FIRST, _LAST, range_mode="custom", temporal=1.0)
    host.set_value(node, "first", 2)
    host.set_value(node, "last", 3)
    with rendered() as plates:
        host.press(node, "process_range")
        yield bench.idle(node)
    sources = sorted(frame for name, frame in plates if name == "Write_src")
    expect(sources == [1, 2, 3, 4], f"the host rendered the plates {sources}")
    expect([path.name[-8:-4] for path in bench.results(node)] == ["0002", "0003"], "other frames were made")
    bench.expect_tidy(node)
    host.go_to(_LAST)
    with rendered() as plates:
        host.press(node, "process_frame")
        yield bench.idle(node)
    sources = sorted(frame for name, frame in plates if name == "Write_src")
    expect(sources == [4, 5], f"at the end the host rendered the plates {sources}")
    expect(bench.status(node) == "up to date, 1 done", f"the status is {bench.status(node)!r}")
    single = bench.node(grainy_shot(bench), 2, 2, temporal=1.0)
    host.go_to(2)
    host.press(single, "process_frame")
    yield bench.idle(single)
    status = bench.status(single)
    expect("no frame before or after" in status, f"a single frame's status is {status!r}")
    bench.expect_tidy(single)


@_case
def a_neighbour_that_changes_makes_it_stale(bench: ContractBench) -> Iterator[Wait]:
    """A result that follows its neighbours is stale where the next frame's plate was overwritten, and made again;
    without smoothing it is not. Looking does not move the timeline, which the host forbids in its events."""
    shot = grainy_shot(bench)
    node = bench.node(shot, _FIRST, _LAST, guard=True)
    for temporal, fresh in ((0.0, True), (0.5, False)):
        host.set_value(node, "temporal", temporal)
        host.go_to(2)
        host.press(node, "process_range")
        yield bench.idle(node)
        freshness.check(node)
        expect(bench.status(node) == node_state.UP_TO_DATE, f"at {temporal} the panel says {bench.status(node)!r}")
        bench.output(node, 2)
        plain_exr.write(shot / "plate.0003.exr", grainy(bench, round(30 + 2 * temporal)))
        host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
        freshness.check(node)
        yield bench.compared(node)
        found = freshness.check(node)
        expect(found.usable == fresh, f"at {temporal} the node is {found.text!r}")
        expect(fresh == (bench.status(node) == node_state.UP_TO_DATE), f"the panel says {bench.status(node)!r}")
        host.go_to(1)
        expect(freshness.check(node).usable, "frame 1 has nothing to do with frame 3")
    times = {path.name: path.stat().st_mtime_ns for path in bench.results(node)}
    host.press(node, "process_range")
    yield bench.idle(node)
    again = [path.name[-8:-4] for path in bench.results(node) if times[path.name] != path.stat().st_mtime_ns]
    expect(again == ["0002", "0003", "0004"], f"the frames {again} were made again")
    bench.expect_tidy(node)


@_case
def a_neighbour_that_is_not_there(bench: ContractBench) -> Iterator[Wait]:
    """If a neighbour cannot be rendered, the frame is made without it and has a warning; it is stale once the
    neighbour exists. A missing frame inside the range itself still stops the range."""
    shot = grainy_shot(bench, (1, 2, 4, 5))
    node = bench.node(shot, _FIRST, _LAST, temporal=1.0)
    host.go_to(2)
    host.press(node, "process_frame")
    yield bench.idle(node)
    status = bench.status(node)
    words = "1 done. Check: Frame 2: Temporal smoothing went without frame 3, which Nuke could not render: "
    expect(status.startswith(words) and "plate.0003.exr" in status, f"the status is {status!r}")
    found = freshness.check(node)
    expect(found.usable and "went without frame 3" in found.text, f"later it says {found.text!r}")
    bench.expect_tidy(node)
    without = alphas(bench.result(node, 2))
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(bench.status(node).startswith("Nuke could not render the plates: "), bench.status(node))
    plain_exr.write(shot / "plate.0003.exr", grainy(bench, 3))
    expect(
        "sources of frame 2 changed" in freshness.check(node).text, f"with the frame it is {bench.status(node)!r}"
    )
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.status(node) == "up to date, 1 done", f"the status is {bench.status(node)!r}")
    expect(alphas(bench.result(node, 2)) != without, "the frame that is there now does not count")


@_case
def guides_and_clean_plates_that_change(bench: ContractBench) -> Iterator[Wait]:
    """A clean plate and a core that change with the frame are rendered for the frames beside too."""
    shot = grainy_shot(bench)
    core = PlainImage(("A",), [[(float(x < 8),) for x in range(SIZE[0])]] * SIZE[1], (0, 0, *SIZE), (0, 0, *SIZE))
    for frame in range(_FIRST, _LAST + 1):
        plain_exr.write(shot / f"wall.{frame:04d}.exr", bench.clean())
        plain_exr.write(shot / f"core.{frame:04d}.exr", core)
    sequences = {name: bench.read(shot / f"{name}.%04d.exr", _FIRST, _LAST) for name in ("plate", "wall", "core")}
    node = bench.node_on(sequences["plate"], sequences["wall"], temporal=1.0, send_guides=True)
    host.connect(node, graph.INPUTS.index("core"), sequences["core"])
    host.go_to(4)
    with rendered() as plates:
        host.press(node, "process_frame")
        yield bench.idle(node)
    expect(bench.status(node) == "up to date, 1 done", f"the status is {bench.status(node)!r}")
    wanted = [(f"Write_{role}", frame) for role in ("clean", "core", "src") for frame in (3, 4, 5)]
    expect(sorted(plates) == wanted, f"the host rendered {plates}")
    expect(bench.result(node, 4).at(4, 4, "A") == 1.0, "the server did not use the core")
    bench.expect_tidy(node)


@_case
def cancel_at_a_neighbour(bench: ContractBench) -> Iterator[Wait]:
    """Cancel while the frame after is rendered: nothing was sent and nothing is left, though the frame itself was
    rendered already."""
    node = bench.node(grainy_shot(bench), _FIRST, _LAST, temporal=1.0)
    host.go_to(2)
    with cancelling_at(3):
        host.press(node, "process_frame")
        yield bench.idle(node)
    expect("ancelled" in bench.status(node), f"the status is {bench.status(node)!r}")
    expect(not list(bench.folder.rglob("matte.*.exr")), "results appeared")
    bench.expect_tidy(node)
