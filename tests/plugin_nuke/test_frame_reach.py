"""Which frames and views of a node upstream a picture depends on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cleanplate_node.frame_reach import ANY_VIEW, EVERY_FRAME, SAME_FRAME, FrameMap, frames_reached

LEFT = FrameMap(view="left")


@dataclass(frozen=True)
class InTime:
    kind: str
    knobs: str = ""
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    reads_render: bool = False


@pytest.mark.parametrize(
    ("above", "seen"),
    [
        ([("Grade", "white 2")], {SAME_FRAME}),
        ([("TimeOffset", "time_offset 3")], {FrameMap(later=-3)}),
        ([("TimeOffset", "")], {SAME_FRAME}),
        ([("TimeOffset", "time_offset {{frame}}")], {EVERY_FRAME}),
        ([("TimeOffset", "time_offset 3 reverse_input true")], {EVERY_FRAME}),
        ([("TimeOffset", "time_offset 3 disable true")], {SAME_FRAME}),
        ([("TimeOffset", "time_offset 3 disable {{frame}}")], {SAME_FRAME, FrameMap(later=-3)}),
        ([("FrameHold", "first_frame 12")], {FrameMap(fixed=12)}),
        ([("FrameHold", "firstFrame 12")], {FrameMap(fixed=12)}),
        ([("FrameHold", "first_frame 12 increment 2")], {EVERY_FRAME}),
        ([("Retime", ""), ("FrameHold", "first_frame 5")], {FrameMap(fixed=5)}),
        ([("FrameHold", "first_frame 5"), ("TimeOffset", "time_offset 2")], {FrameMap(fixed=3)}),
        ([("TimeOffset", "time_offset 2"), ("TimeOffset", "time_offset -1")], {FrameMap(later=-1)}),
        ([("TimeOffset", "time_offset 2"), ("Kronos", "")], {EVERY_FRAME}),
        ([("OFXcom.absoft.neatvideo5_v5", "")], {EVERY_FRAME}),
        ([("ContactSheet", "")], {EVERY_FRAME}),
        ([("add32p", "")], {EVERY_FRAME}),
        ([("remove32p", "phase 2")], {EVERY_FRAME}),
        ([("TimeOffset", "time_offset 3 dtime_offset 3")], {FrameMap(later=-3)}),
        ([("TimeOffset", "time_offset 3 dtime_offset 3.5")], {EVERY_FRAME}),
        ([("FrameHold", "first_frame 12 useLifetime true lifetimeEnd 9")], {SAME_FRAME, FrameMap(fixed=12)}),
        ([("OneView", "view left")], {LEFT}),
        ([("OneView", 'view "left"')], {LEFT}),
        ([("OneView", "")], {FrameMap(view=ANY_VIEW)}),
        ([("OneView", "view left"), ("OneView", "view right")], {FrameMap(view="right")}),
        ([("OneView", "view left"), ("FrameHold", "first_frame 3")], {FrameMap(fixed=3, view="left")}),
        ([("OneView", "view left"), ("Retime", "")], {FrameMap(is_any=True, view="left")}),
        ([("ShuffleViews", "")], {FrameMap(view=ANY_VIEW)}),
        ([("ShuffleViews", ""), ("OneView", "view left")], {LEFT}),
        ([("O_Solver4_0", "")], {FrameMap(view=ANY_VIEW)}),
        ([("C_Stitcher1_0", "")], {FrameMap(is_any=True, view=ANY_VIEW)}),
        ([("OFXuk.co.thefoundry.ocula.o_solver", "")], {FrameMap(is_any=True, view=ANY_VIEW)}),
    ],
    # No ``ids=str``: a set's text has another order in each process.
)
def test_nodes_that_take_other_frames(above: list[tuple[str, str]], seen: set[FrameMap]) -> None:
    """``above`` is listed from the Cleanplate node up to the Read."""
    nodes = [InTime("Read")]
    nodes += [InTime(kind, knobs, (index,)) for index, (kind, knobs) in enumerate(reversed(above))]
    assert frames_reached(nodes, (len(nodes) - 1,))[0] == seen


def test_where_every_frame_counts_no_other_one_is_looked_at() -> None:
    """But for those of another view."""
    nodes = [InTime("Read"), InTime("Retime", "", (0,)), InTime("OneView", "view left", (0,))]
    assert frames_reached([*nodes, InTime("Merge2", "", (0, 1))], (3,))[0] == {EVERY_FRAME}
    assert frames_reached([*nodes, InTime("Merge2", "", (0, 1, 2))], (3,))[0] == {EVERY_FRAME, LEFT}


def test_a_switch_takes_one_of_its_inputs() -> None:
    def reached(which: str, *above: tuple[str, str]) -> tuple[frozenset[FrameMap], ...]:
        nodes = [InTime("Read"), InTime("Read"), InTime("Switch", which, (0, 1))]
        nodes += [InTime(kind, knobs, (index + 2,)) for index, (kind, knobs) in enumerate(above)]
        return tuple(frames_reached(nodes, (len(nodes) - 1,))[:2])

    same, never = frozenset({SAME_FRAME}), frozenset[FrameMap]()
    assert reached("") == reached("which 0.0") == (same, never) and reached("which 1") == (never, same)
    assert reached("which 7") == reached("which -1") == reached("which 0.5") == (same, same)
    assert reached("which 1 disable true") == (same, never), "a node that is off passes its first input on"
    for number, each in enumerate(reached("which {{frame>3}}", ("TimeOffset", "time_offset 2"))):
        (one,) = each
        assert one.at(10) == 8 and {at: one.holds(at, "main", chosen_by_frame) for at in (5, 6)} == {
            5: number == 0,
            6: number == 1,
        }
        assert one.holds(5, "main", lambda switch, frame: None), "where it is not known, both count"
        assert one.holds(5, "main", lambda switch, frame: 0.5)
    assert reached("which {{frame>3}}", ("Retime", "")) == (frozenset({EVERY_FRAME}),) * 2


@pytest.mark.parametrize(
    ("which", "inputs", "counted"),
    [
        ("", 2, "AN"),
        ("which 0.3", 2, "AA"),
        ("which 1", 2, "NA"),
        ("which 1", 3, "AAA"),  # outside of the mask is input 0
        ("which 0", 3, "ANA"),
        ("which 1.5", 5, "AAAAA"),
        ("which {{frame/10}}", 2, "11"),
        ("which {{frame/10}}", 3, "A1A"),
        ("which 9", 2, "AA"),
    ],
)
def test_a_dissolve_takes_two_of_its_inputs_and_the_mask(which: str, inputs: int, counted: str) -> None:
    """A: at every frame. N: never. 1: where the expression is near the input's number."""
    nodes = [*(InTime("Read") for _ in range(inputs)), InTime("Dissolve", which, tuple(range(inputs)))]
    for number, (each, wanted) in enumerate(zip(frames_reached(nodes, (inputs,)), counted, strict=False)):
        held = {at: any(one.holds(at, "main", lambda _, frame: frame / 10) for one in each) for at in (0, 5, 10)}
        near = {0: number == 0, 5: True, 10: number == 1}
        assert held == {"A": dict.fromkeys(held, True), "N": dict.fromkeys(held, False), "1": near}[wanted], number


def test_joined_views_take_an_input_each() -> None:
    def reached(*above: tuple[str, str], names: str = '"left\\nright"') -> list[frozenset[FrameMap]]:
        nodes = [InTime("Read"), InTime("Read"), InTime("JoinViews", f"viewassoc {names}", (0, 1))]
        nodes += [InTime(kind, knobs, (index + 2,)) for index, (kind, knobs) in enumerate(above)]
        return frames_reached(nodes, (len(nodes) - 1,))[:2]

    assert reached() == [{FrameMap(only_in="left")}, {FrameMap(only_in="right")}]
    assert reached(("Grade", "")) == reached()
    assert reached(("OneView", "view right")) == [set(), {FrameMap(view="right")}]
    assert reached(("ShuffleViews", "")) == [{FrameMap(view=ANY_VIEW)}] * 2
    assert reached(names="main") == [{SAME_FRAME}] * 2, "an association that is not understood"
    one = FrameMap(only_in="left")
    assert one.holds(1, "left", chosen_by_frame) and not one.holds(1, "right", chosen_by_frame)


def chosen_by_frame(switch: int, frame: int) -> float:
    return float(frame > 3)


def test_many_switches_in_a_row_end() -> None:
    nodes = [InTime("Read")]
    for index in range(200):
        nodes.append(InTime("Switch", f"which {{{{x{index}}}}}", (index, index)))
    assert len(frames_reached(nodes, (200,))[0]) < 200


def test_a_group_is_seen_through_its_output() -> None:
    nodes = [
        InTime("Read"),
        InTime("Input", "", (0,)),
        InTime("TimeOffset", "time_offset 4", (1,)),
        InTime("Output", "", (2,)),
        InTime("Grade", "", (1,)),
        InTime("Group", "", (0,), (3,)),
    ]
    assert [set(each) for each in frames_reached(nodes, (5, -1))] == [
        {FrameMap(later=-4)}, {FrameMap(later=-4)}, {SAME_FRAME}, {SAME_FRAME}, set(), {SAME_FRAME},
    ]  # fmt: skip
