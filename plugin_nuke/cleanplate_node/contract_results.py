"""The contract's cases of results: what the buttons and the farm's command make, and what the node puts out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import (
    around,
    bake,
    callbacks,
    freshness,
    host,
    manifest,
    node_runs,
    plain_exr,
)
from .bench import SIZE, SUBJECT, TRIES, Case, ContractBench, Wait, expect, listed_in, rendered
from .plain_exr import PlainImage

CASES: list[Case] = []
_case = listed_in(CASES)
WINDOW_ONLY: list[Case] = []
_in_window = listed_in(WINDOW_ONLY)
TERMINAL_ONLY: list[Case] = []
_in_terminal = listed_in(TERMINAL_ONLY)


# -- with and without a window


@_case
def one_frame(bench: ContractBench) -> Iterator[Wait]:
    """The button makes the current frame's matte, and the node shows it premultiplied."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.go_to(2)
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.status(node) == "up to date, 1 done", f"the status is {bench.status(node)!r}")
    bench.expect_matte(bench.result(node, 2), 2)
    bench.expect_tidy(node)
    expect(freshness.check(node).usable, f"the node calls its new result {bench.status(node)!r}")
    output, result = bench.output(node, 2), bench.result(node, 2)
    x, y, _ = (round(value) for value in bench.truth[2])
    wanted = result.at(x, y, "R") * result.at(x, y, "A")
    # Half float's step at 2 is 0.002.
    expect(abs(output.at(x, y, "R") - wanted) < 0.004, "the output is not the foreground times alpha")


@_case
def outputs(bench: ContractBench) -> Iterator[Wait]:
    """The four outputs are what their names say."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    result = bench.result(node, 1)
    plate = plain_exr.read(bench.folder / "shot" / "plate.0001.exr")
    x, y, radius = bench.truth[1]
    for at_x, at_y in ((round(x), round(y)), (round(x + 2 * radius), round(y))):
        colour, alpha = result.at(at_x, at_y, "G"), result.at(at_x, at_y, "A")
        wanted = {
            "premultiplied": colour * alpha,
            "unpremultiplied": colour,
            "source+alpha": plate.at(at_x, at_y, "G"),
            "alpha": alpha,
        }
        for choice, value in wanted.items():
            host.set_value(node, "output", choice)
            picture = bench.output(node, 1)
            expect(set(picture.channels) == set("RGBA"), f"{choice} has channels {picture.channels}")
            expect(abs(picture.at(at_x, at_y, "G") - value) < 1e-5, f"{choice} is {picture.at(at_x, at_y, 'G')}")
            expect(abs(picture.at(at_x, at_y, "A") - alpha) < 1e-5, f"{choice} has another alpha")


@_case
def layers_come_along(bench: ContractBench) -> Iterator[Wait]:
    """Beside rgba the node puts out the clean plate, confidence and difference, under those names."""
    on = dict.fromkeys(("layer_clean", "layer_confidence", "layer_difference"), True)
    node = bench.node(bench.shot((1,)), 1, 1, **on)
    host.press(node, "process_frame")
    yield bench.idle(node)
    x, y, radius = (round(value) for value in bench.truth[1])
    picture = bench.output(node, 1, channels="all")
    names = {name.lower() for name in picture.channels}
    wanted = {"cleanplate.confidence", "cleanplate.difference"}
    expect(wanted <= names, f"the channels are {sorted(names)}")
    green = next((name for name in picture.channels if name.lower() in ("clean.green", "clean.g")), "")
    expect(bool(green), f"no clean plate among the channels {sorted(names)}")
    wall = bench.clean().at(x, y, "G")
    expect(abs(picture.at(x, y, green) - wall) < 1e-3, "the clean plate is not the wall behind the subject")
    beside = picture.at(x + 2 * radius, y, "cleanplate.difference")
    expect(picture.at(x, y, "cleanplate.difference") > 10 * beside, "the difference does not show the subject")


@_case
def keyed_options(bench: ContractBench) -> Iterator[Wait]:
    """An option with keys has its own value on each frame, wherever the timeline is."""
    shot = bench.shot((1, 2))
    node, plain = bench.node(shot, 1, 2), bench.node(shot, 1, 2, erode=4.0)
    for frame, value in ((1, 0.0), (2, 4.0)):
        host.set_key(node, "erode", frame, value)
    for one in (node, plain):
        host.press(one, "process_range")
        yield bench.idle(one)
    expect(bench.status(node) == "up to date, 2 done", f"the status is {bench.status(node)!r}")
    same = [list(bench.result(node, at).rows) == list(bench.result(plain, at).rows) for at in (1, 2)]
    expect(same == [False, True], f"equal to an erode of 4 at frames 1 and 2: {same}")


@_in_window
def the_frames_around_follow(bench: ContractBench) -> Iterator[Wait]:
    """Process frame shows its own frame first and goes on with those around it; Cancel ends that."""
    node = bench.node(bench.shot(range(1, 8)), 1, 7, around=2)
    host.go_to(4)
    host.press(node, "process_frame")
    yield bench.shows(node)
    yield lambda: len(bench.results(node)) == 5 and around.going_on(node) is None
    first = min(bench.results(node), key=lambda path: path.stat().st_mtime_ns)
    expect(first.name.endswith(".0004.exr"), f"{first.name} was made first")
    expect(host.current_frame() == 4, "the timeline was moved")
    # The end of the run says the one; the node is looked at a moment later, which says the other.
    said = bench.status(node)
    expect(said in ("up to date, 5 done", "up to date, 5 of 7 frames"), f"the status is {said!r}")
    bench.expect_tidy(node)


@_case
def a_range(bench: ContractBench) -> Iterator[Wait]:
    """The range is made, each frame from its own plate; a second press has nothing to do."""
    node = bench.node(bench.shot(range(1, 4)), 1, 3)
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(len(bench.results(node)) == 3, f"{len(bench.results(node))} results, not 3")
    for frame in range(1, 4):
        bench.expect_matte(bench.result(node, frame), frame)
    bench.expect_tidy(node)
    times = [path.stat().st_mtime_ns for path in bench.results(node)]
    host.press(node, "process_range")
    yield bench.idle(node)
    expect(times == [path.stat().st_mtime_ns for path in bench.results(node)], "finished frames were made again")
    expect(bench.status(node) == "up to date", f"the status is {bench.status(node)!r}")


@_case
def custom_range(bench: ContractBench) -> Iterator[Wait]:
    """'custom' makes the frames between the two numbers, and only those."""
    node = bench.node(bench.shot(range(1, 5)), 1, 4, range_mode="custom")
    host.set_value(node, "first", 2)
    host.set_value(node, "last", 3)
    host.press(node, "process_range")
    yield bench.idle(node)
    names = [path.name for path in bench.results(node)]
    expect(names == ["matte.main.0002.exr", "matte.main.0003.exr"], f"the results are {names}")


@_in_window
def results_arrive_one_by_one(bench: ContractBench) -> Iterator[Wait]:
    """The first result shows while the rest is under way, and the artist's timeline stays where it was."""
    shot, under_way = bench.shot(range(1, 6)), False
    host.go_to(3)
    for _ in range(TRIES):
        node = bench.node(shot, 1, 5)
        host.press(node, "process_range")
        expect(node_runs.running(node) is not None, "the button did not come back at once")
        yield bench.shows(node)
        under_way = node_runs.running(node) is not None
        expect(host.current_frame() == 3, "the timeline was moved")
        yield bench.idle(node)
        expect(len(bench.results(node)) == 5, "results are missing")
        if under_way:
            break
    expect(under_way, "the first result came only with the last")


@_case
def a_still_clean_plate_is_rendered_once(bench: ContractBench) -> Iterator[Wait]:
    """A clean plate that is the same on all frames by Nuke's hashes is rendered for one frame only."""
    node = bench.node(bench.shot(range(1, 4)), 1, 3)
    with rendered() as plates:
        host.press(node, "process_range")
        yield bench.idle(node)
    cleans = [frame for name, frame in plates if name == "Write_clean"]
    expect(len(cleans) == 1, f"the clean plate was rendered for the frames {cleans}")
    expect(len(bench.results(node)) == 3, "results are missing")


@_case
def two_views(bench: ContractBench) -> Iterator[Wait]:
    """Each view gets its own mattes from its own plates."""
    wall = bench.clean()
    host.add_view("right")
    for view, shift in (("main", 0), ("right", 10)):
        plain_exr.write(bench.folder / "eyes" / f"plate.{view}.0001.exr", bench.plate(1 + shift, wall))
    plain_exr.write(bench.folder / "eyes" / "clean.exr", wall)
    src = bench.read(bench.folder / "eyes" / "plate.%V.%04d.exr", 1, 1)
    node = bench.node_on(src, bench.read(bench.folder / "eyes" / "clean.exr", 1, 1))
    host.press(node, "process_frame")
    yield bench.idle(node)
    bench.expect_matte(bench.result(node, 1, "main"), 1)
    bench.expect_matte(bench.result(node, 1, "right"), 11)
    bench.expect_matte(bench.output(node, 1, "right"), 11)
    bench.expect_tidy(node)


@_case
def proxy_mode(bench: ContractBench) -> Iterator[Wait]:
    """In proxy mode the matte still has the plate's full size, and proxy mode stays on."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.use_proxy(True)
    try:
        host.press(node, "process_frame")
        yield bench.idle(node)
        expect(host.uses_proxy(), "proxy mode was switched off")
        expect(freshness.check(node).usable, f"proxy mode alone makes it {bench.status(node)!r}")
    finally:
        host.use_proxy(False)
    expect(bench.result(node, 1).data[2:] == SIZE, f"the result is {bench.result(node, 1).data[2:]}")
    expect(freshness.check(node).usable, f"leaving proxy mode makes it {bench.status(node)!r}")


@_case
def windows_are_kept(bench: ContractBench) -> Iterator[Wait]:
    """Overscan, offset data windows, pixel aspect and metadata come back as they were."""
    wall = bench.clean(size=(SIZE[0] + 16, SIZE[1] + 8))
    wall = PlainImage(wall.channels, wall.rows, (-8, -4, SIZE[0] + 16, SIZE[1] + 8), (0, 0, *SIZE), 2.0)
    node = bench.node(bench.shot((1,), clean=wall), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    result = bench.result(node, 1)
    expect(result.data == wall.data, f"the data window is {result.data}, not {wall.data}")
    expect(result.display == wall.display, f"the display window is {result.display}, not {wall.display}")
    expect(result.aspect == 2.0, f"the pixel aspect is {result.aspect}, not 2")
    bench.expect_matte(result, 1)
    expect(bench.output(node, 1).data == wall.data, "the node's output lost the overscan")


@_case
def values_beyond_white_survive(bench: ContractBench) -> Iterator[Wait]:
    """A plate's values above 1 and below 0 come back as they were, under any colour management."""
    for management, subject in (("Nuke", SUBJECT), ("OCIO", (37.5, -0.1, 0.05))):
        host.set_root("colorManagement", management)
        node = bench.node(bench.shot((1,), name=management, subject=subject), 1, 1)
        host.press(node, "process_frame")
        yield bench.idle(node)
        x, y, _ = (round(value) for value in bench.truth[1])
        for channel, value in zip("RGB", subject):
            found = bench.result(node, 1).at(x, y, channel)
            # Twice half float's step.
            expect(abs(found - value) <= 0.002 * abs(value), f"with {management} {value} came back as {found}")


@_case
def two_nodes_at_once(bench: ContractBench) -> Iterator[Wait]:
    """Two nodes work side by side, each in its own folder."""
    first = bench.node(bench.shot((1, 2), "a"), 1, 2)
    second = bench.node(bench.shot((1, 2), "b", bench.clean(seed=4)), 1, 2)
    host.press(first, "process_range")
    host.press(second, "process_range")
    yield lambda: bench.idle(first)() and bench.idle(second)()
    expect(len(bench.results(first)) == len(bench.results(second)) == 2, "results are missing")
    expect(Path(bench.shown(first)).parents[1] != Path(bench.shown(second)).parents[1], "both share a folder")
    bench.expect_tidy(first)
    bench.expect_tidy(second)


@_case
def a_missing_result_is_an_error(bench: ContractBench) -> Iterator[Wait]:
    """A render of a frame that has no matte fails, instead of repeating another one."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.press(node, "process_frame")
    yield bench.idle(node)
    for frame in (1, 2):
        try:
            bench.output(node, frame)
        except RuntimeError:
            expect(frame == 2, "frame 1 has a matte and did not render")
        else:
            expect(frame == 1, "frame 2 has no matte and rendered all the same")


# -- in a window


@_in_window
def auto_update(bench: ContractBench) -> Iterator[Wait]:
    """With auto update a changed setting has the frame processed again, a moment later and not inside the event."""
    node = bench.node(bench.shot((1,)), 1, 1, auto_update=True)
    host.set_value(node, "erode", 1.0)
    expect(node_runs.running(node) is None, "it started inside the event")
    yield bench.shows(node)
    yield bench.idle(node)
    expect(freshness.check(node).usable, f"the status is {bench.status(node)!r}")


@_in_window
def a_busy_node_says_so(bench: ContractBench) -> Iterator[Wait]:
    """A second press while the node is processing is refused and changes nothing."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.press(node, "process_range")
    before = node_runs.running(node)
    expect(callbacks.process_range(node) is None, "a second run was started")
    expect(node_runs.running(node) is before, "the first run was replaced")
    yield bench.idle(node)
    expect(len(manifest.read_all(str(Path(bench.shown(node)).parent))) == 2, "records are missing")


# -- without a window


@_in_terminal
def bake_a_script(bench: ContractBench) -> Iterator[Wait]:
    """The farm's command makes the frames of a saved script, leaves it as it was, and makes no frame twice."""
    node = bench.node(bench.shot(range(1, 4)), 1, 3)
    name, path = host.full_name(node), bench.save()
    before, copy = path.read_bytes(), bench.folder / "baked.nk"
    words = [path.as_posix(), "--node", name, "--frames", "1-2", "--save", copy.as_posix()]
    expect(bake.main(words) == 0, "the bake failed")
    expect(path.read_bytes() == before, "the script was changed")
    expect(bake.main([path.as_posix(), "--node", name, "--frames", "2-3"]) == 0, "the second task failed")
    host.open_script(copy.as_posix())
    baked = host.find(name)
    assert baked is not None
    expect(len(bench.results(baked)) == 3, f"{len(bench.results(baked))} of 3 results are there")
    for frame in (1, 2, 3):
        bench.expect_matte(bench.output(baked, frame), frame)
    yield lambda: True


@_in_terminal
def bake_says_why_not(bench: ContractBench) -> Iterator[Wait]:
    """A bake that cannot work ends with 1, for the farm to see."""
    node = bench.node(bench.shot((1,)), 1, 1)
    name, path = host.full_name(node), bench.save().as_posix()
    expect(bake.main([path, "--node", "Nobody", "--frames", "1"]) == 1, "an unknown node was no error")
    expect(bake.main([path, "--node", name, "--frames", "3-1"]) == 1, "a bad range was no error")
    expect(bake.main([path, "--node", name, "--frames", "1", "--server", "tcp://127.0.0.1:9"]) == 1, "no server")
    expect(bake.main([path, "--node", name, "--save", path]) == 1, "the script itself may not be saved over")
    expect(bake.main([path + "x", "--node", name]) == 1, "a missing script was no error")
    yield lambda: True
