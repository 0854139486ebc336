"""Pictures that depend on more than the files and numbers at their own frame: the ranges of clips, an open shutter,
the timeline, a project's curves, another program. No matte of an old one passes for one of the new. No server."""

from __future__ import annotations

from collections.abc import Callable

import nuke
import pytest
from cleanplate_node import host, shown_result
from cleanplate_node.bench import ContractBench
from cleanplate_node.shutter import Opened, opened
from nuke._state import State

from tests.plugin_nuke.pressing import overwrite, press
from tests.plugin_nuke.test_more_edits import FRAME, EditedComp, check_edit

Edit = Callable[[EditedComp], object]


@pytest.fixture
def comp(lonely: ContractBench) -> EditedComp:
    return EditedComp(lonely)


def _set(name: str, knob: str, value: object) -> Edit:
    return lambda comp: host.set_value(getattr(comp, name), knob, value)


def _root(knob: str, value: str) -> Edit:
    return lambda comp: nuke.root()[knob].setValue(value)


def _behind(kind: str, *sources: str, **knobs: object) -> Edit:
    """The node is fed by a new one, and that by the plate, by others, or by new ones of their class."""

    def insert(comp: EditedComp) -> None:
        made = host.create(kind, name="Made", **knobs)
        for index, source in enumerate(sources or ("offset",)):
            host.connect(made, index, getattr(comp, source, None) or host.create(source))
        host.connect(comp.node, 0, made)

    return insert


def _one_file(name: str) -> Edit:
    """It is the plate at all frames, and a Read has them all."""

    def read(comp: EditedComp) -> None:
        (comp.shot / name).write_bytes(b"a picture")
        for knob, value in {"file": (comp.shot / name).as_posix(), "origfirst": 1, "origlast": 3}.items():
            host.set_value(comp.plate, knob, value)

    return read


_a_video, _a_still = _one_file("plate.mov"), _one_file("still.exr")


def _then(*edits: Edit) -> Edit:
    def all_of_them(comp: EditedComp) -> None:
        for edit in edits:
            edit(comp)

    return all_of_them


_LOCKED = {"input.first_lock": True, "input.last_lock": True}
_LONGER, _LATER = _set("plate", "last", 9), _set("plate", "first", 2)


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        (_then(_a_video, _behind("AppendClip", "grade", "second")), _LONGER, True),
        (_then(_a_video, _behind("AppendClip", "grade", "second")), _LATER, True),
        (_then(_a_video, _behind("Retime", "grade", speed=2.0)), _LATER, True),
        (_then(_a_video, _behind("TimeOffset", "grade", reverse_input=True)), _LONGER, True),
        # Nothing takes its frames by the range.
        (_then(_a_video, _behind("TimeOffset", "grade", time_offset=1)), _LONGER, False),
        # What is held behind the end of a video is another frame.
        (_then(_a_video, _behind("TimeWarp", "grade")), _LONGER, True),
        (_then(_a_video, _behind("TimeWarp", "grade")), _set("plate", "after", "black"), True),
        (_then(_a_still, _behind("TimeWarp", "grade")), _LONGER, False),
        (_then(_a_still, _behind("TimeWarp", "grade")), _set("plate", "after", "black"), True),
        (_then(_a_still, _set("plate", "after", "black"), _behind("TimeWarp", "grade")), _LONGER, True),
        (_then(_set("plate", "frame", "frame+1"), _behind("TimeWarp", "grade")), _LATER, True),
        (_behind("TimeWarp", "grade"), _LONGER, False),
        (_behind("Retime", "grade"), _LONGER, True),
        (_behind("Retime", "grade", **_LOCKED), _LONGER, False),
        # The range of a generator is the project's.
        (_behind("AppendClip", "grade", "second"), _root("last_frame", "240"), False),
        (_behind("AppendClip", "Constant", "second"), _root("last_frame", "240"), True),
    ],
)
def test_the_range_of_a_clip(before: Edit, edit: Edit, is_seen: bool, comp: EditedComp) -> None:
    check_edit(before, edit, is_seen, comp)


_CUT = _behind("FrameRange", first_frame=1, last_frame=3)


def _follows_the_project(comp: EditedComp) -> None:
    _CUT(comp)
    host.set_expression(comp.made, "last_frame", "root.last_frame")


def _appended(comp: EditedComp) -> None:
    """What the clip behind the cut one shows depends on where it was cut."""
    _CUT(comp)
    clip = host.create("AppendClip")
    host.connect(clip, 0, comp.made)
    host.connect(clip, 1, comp.second)
    host.connect(comp.node, 0, clip)


def _behind_the_cut(kind: str, **knobs: object) -> Edit:
    def insert(comp: EditedComp) -> None:
        _CUT(comp)
        last = host.create(kind, **knobs)
        host.connect(last, 0, comp.made)
        host.connect(comp.node, 0, last)

    return insert


def _smoothed(comp: EditedComp) -> None:
    _CUT(comp)
    host.set_value(comp.node, "temporal", 0.5)


@pytest.mark.parametrize(
    ("before", "first", "last", "is_seen"),
    [
        # The shot grows, or its other frames are cut off.
        (_CUT, 1, 9, False),
        (_CUT, FRAME, FRAME, False),
        # The frame is outside: no document says what it shows.
        (_CUT, FRAME + 1, 3, True),
        (_CUT, 1, FRAME - 1, True),
        # Another frame of it is seen.
        (_behind_the_cut("TimeOffset", time_offset=1), 1, 3, False),
        (_behind_the_cut("TimeOffset", time_offset=1), FRAME, 3, True),
        (_behind_the_cut("FrameHold", first_frame=1), FRAME, 3, True),
        (_behind_the_cut("FrameHold", first_frame=3), FRAME, 3, False),
        # Any frame may be seen, or the range says which one.
        (_behind_the_cut("RotoPaint"), 1, 9, True),
        (_behind_the_cut("Retime", speed=2.0), 1, 9, True),
        (_appended, 1, 9, True),
        # It has no frame beside it any more.
        (_smoothed, 1, FRAME, True),
        (_smoothed, 1, 9, False),
    ],
)
def test_the_ends_of_a_frame_range(before: Edit, first: int, last: int, is_seen: bool, comp: EditedComp) -> None:
    def cut(comp: EditedComp) -> None:
        host.set_value(comp.made, "first_frame", first)
        host.set_value(comp.made, "last_frame", last)

    check_edit(before, cut, is_seen, comp)


def test_a_frame_range_that_follows_the_project(comp: EditedComp) -> None:
    check_edit(_follows_the_project, _root("last_frame", "240"), False, comp)


def _keyed_control() -> None:
    control = host.create("Grade", name="Control")
    for frame in range(-1, 6):
        host.set_key(control, "white", frame, 1.0)


def _shape_follows(attributes: str) -> Edit:
    """A shape of a Roto that follows another node."""

    def insert(comp: EditedComp) -> None:
        _keyed_control()
        _behind("Roto", curves=f"{{layer Root {{t x44e1 {{Control.white}}}} {{a {attributes}}}}}")(comp)

    return insert


def _follows(knob: str = "translate", kind: str = "Transform", **knobs: object) -> Edit:
    """A node that follows another one, which has keys."""

    def insert(comp: EditedComp) -> None:
        _keyed_control()
        _behind(kind, **knobs)(comp)
        made = host.find("Made")
        assert made is not None
        host.set_expression(made, knob, "Control.white")

    return insert


def _blurred_behind(comp: EditedComp) -> None:
    """Transforms in a row are concatenated: the last one's shutter is that of all."""
    _follows()(comp)
    last = host.create("Transform", motionblur=1.0, shutter=1.0)
    host.connect(last, 0, host.find("Made"))
    host.connect(comp.node, 0, last)


def _blurred_behind_a_grade(comp: EditedComp) -> None:
    """A Grade's pixels are moved as they are at the frame."""
    _follows("white", "Grade")(comp)
    last = host.create("Transform", motionblur=1.0, shutter=1.0)
    host.connect(last, 0, host.find("Made"))
    host.connect(comp.node, 0, last)


def _blurred_before(comp: EditedComp) -> None:
    """What follows a blurred node is no part of its movement."""
    _behind("Transform", motionblur=1.0, shutter=1.0)(comp)
    before = host.find("Made")
    assert before is not None
    host.set_value(before, "name", "Before")
    _follows()(comp)
    made = host.find("Made")
    assert made is not None
    host.connect(made, 0, before)


def _blurred_clean_plate(comp: EditedComp) -> None:
    """The other input's movement is its own."""
    _follows()(comp)
    blurred = host.create("Transform", motionblur=1.0, shutter=1.0)
    host.connect(blurred, 0, host.input_of(comp.node, 1))
    host.connect(comp.node, 1, blurred)


def _moved_at(frame: int) -> Edit:
    def edit(comp: EditedComp) -> None:
        control = host.find("Control")
        assert control is not None
        host.set_key(control, "white", frame, 3.0)

    return edit


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        (_follows(), _moved_at(FRAME), True),
        (_follows(), _moved_at(FRAME + 1), False),
        (_follows(motionblur=1.0, shutter=1.0), _moved_at(FRAME), True),
        (_follows(motionblur=1.0, shutter=1.0), _moved_at(FRAME + 1), True),
        (_follows(motionblur=1.0, shutter=1.0), _moved_at(FRAME - 1), False),
        (_follows(motionblur=1.0, shutter=1.0, shutteroffset="end"), _moved_at(FRAME - 1), True),
        (_follows(motionblur=1.0, shutter=1.0, shutteroffset="end"), _moved_at(FRAME + 1), False),
        (_follows(motionblur=1.0, shutteroffset="centred"), _moved_at(FRAME - 1), True),
        (_blurred_behind, _moved_at(FRAME + 1), True),
        (_blurred_behind, _moved_at(FRAME - 1), False),
        (_blurred_behind_a_grade, _moved_at(FRAME + 1), False),
        (_blurred_before, _moved_at(FRAME + 1), False),
        (_blurred_clean_plate, _moved_at(FRAME + 1), False),
        (_shape_follows("osbe 0 mbo 1 mb 1"), _moved_at(FRAME + 1), True),
        (_shape_follows("osbe 0 mbo 0 mb 1"), _moved_at(FRAME + 1), False),
        (_shape_follows("osbe 0"), _moved_at(FRAME), True),
        (_follows("white", "Grade"), _moved_at(FRAME + 1), False),
        # Where a retime has come to is the sum of its speed until then.
        (_follows("speed", "Retime"), _moved_at(FRAME - 1), True),
    ],
)
def test_an_open_shutter(before: Edit, edit: Edit, is_seen: bool, comp: EditedComp) -> None:
    before(comp)
    *_, driven, _, _ = comp.keys(FRAME)
    edit(comp)
    assert (comp.keys(FRAME)[2] != driven) == is_seen


_SHAPE = "curves {{{n {layer Root {cubiccurve Bezier1 512 bezier {a osbe 0 MBO str 1}}}}}}"


@pytest.mark.parametrize(
    ("kind", "knobs", "found"),
    [
        ("Transform", "", None),
        ("Transform", "motionblur 0 shutter 2", None),
        ("Transform", "motionblur 1", (0.0, 0.5)),
        ("CornerPin2D", "motionblur {{curve x1 0 x9 1}}", (0.0, 0.5)),
        ("Tracker4", "motionblur 2 shutter 1.5 shutteroffset centred", (-0.75, 0.75)),
        ("Transform", "motionblur 1 shutter 1 shutteroffset end", (-1.0, 0.0)),
        ("Transform", "motionblur 1 shutteroffset custom shuttercustomoffset -2", (-2.0, -1.5)),
        ("Transform", "motionblur 1 shutter {{parent.shutter}}", (-1.0, 1.0)),
        ("Transform", "motionblur 1 shutteroffset {{parent.way}}", (-1.0, 1.0)),
        ("MotionBlur2D", "shutter 1", (0.0, 1.0)),
        # The number of samples that the next shape begins with.
        ("Roto", "motionblur 2", None),
        ("Roto", "motionblur_mode global", (-1.0, 1.0)),
        ("Roto", _SHAPE.replace("MBO ", ""), None),
        ("Roto", _SHAPE.replace("MBO", "mbo 0 mb 1 mbs x3f000000"), None),
        ("Roto", _SHAPE.replace("MBO", "mbo 1 mb 1 mbs x3f000000"), (-1.0, 1.0)),
        ("Roto", _SHAPE.replace("MBO", "mbo x3f800000"), (-1.0, 1.0)),
        ("Roto", _SHAPE.replace("MBO", "mbo {{curve x1 0 x9 1}}"), (-1.0, 1.0)),
        ("RotoPaint", "motionblur 2", None),
        ("RotoPaint", _SHAPE.replace("MBO", "mbo 1 mb 1 mbs x3f000000"), (-1.0, 1.0)),
    ],
)
def test_when_a_shutter_is_open(kind: str, knobs: str, found: Opened | None) -> None:
    assert opened(kind, knobs) == found


def _says(name: str, expression: str) -> Edit:
    return lambda comp: host.set_expression(
        getattr(comp, name), "which" if name == "switch" else "white", expression
    )


def _control(comp: EditedComp) -> None:
    control = host.create("Grade", name="Control")
    host.set_key(control, "white", 1, 0.0)
    host.set_key(control, "white", 3, 1.0)


@pytest.mark.parametrize(
    ("expression", "is_known"),
    [
        ("[python nuke.frame()]", False),
        ("[value Control.white]", False),
        ("[frame]", False),
        ("[expression Control.white]", False),
        ("frame", True),
        ("Control.white", True),
        ("[value Control.black]", True),
        ("[python nuke.root().fps()]", True),
        ("[python {nuke.root().knob('first_frame').value()}]", True),
    ],
)
@pytest.mark.parametrize("name", ["grade", "switch"])
def test_what_an_expression_takes_from_the_timeline(
    name: str, expression: str, is_known: bool, comp: EditedComp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCL takes the value at the current frame, whatever frame of a result is looked at. So where the timeline
    stands makes nothing stale, and nothing that was not compared is up to date."""
    monkeypatch.setattr(type(nuke.root()), "fps", lambda root: 0, raising=False)
    _control(comp)
    _says(name, expression)(comp)
    host.go_to(1)
    before = comp.keys(FRAME)
    host.go_to(3)
    assert comp.keys(FRAME) == before
    assert before[-1] == (not is_known)


def test_where_the_timeline_picks_any_input_counts(comp: EditedComp) -> None:
    _says("switch", "[frame]>9")(comp)
    before = comp.keys(FRAME)
    overwrite(comp.other / "plate.0002.exr")
    assert comp.keys(FRAME) != before


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        (_set("plate", "raw", False), _root("luts", "linear {} sRGB {{curve x0 0 x1 1}}"), True),
        (lambda comp: None, _root("luts", "linear {} sRGB {{curve x0 0 x1 1}}"), False),
    ],
)
def test_a_projects_own_curve(before: Edit, edit: Edit, is_seen: bool, comp: EditedComp) -> None:
    check_edit(before, edit, is_seen, comp)


def _scene(comp: EditedComp) -> nuke.Node:
    """Its camera and its geometry come from files, which have no format."""
    scene = host.create("ScanlineRender")
    host.connect(scene, 1, host.create("ReadGeo2", file="/scene/set.abc"))
    host.connect(scene, 2, host.create("Camera3", file="/scene/camera.abc", read_from_file=True))
    return scene


def _copy(comp: EditedComp) -> nuke.Node:
    made = host.create("Copy")
    host.connect(made, 1, comp.offset)
    return made


@pytest.mark.parametrize(("first", "is_seen"), [(None, True), ("offset", False)])
@pytest.mark.parametrize("make", [_scene, _copy])
def test_what_has_an_open_first_input_is_as_large_as_the_project(
    make: Callable[[EditedComp], nuke.Node], first: str | None, is_seen: bool, comp: EditedComp
) -> None:
    """(Reference guide, ScanlineRender: bg.)"""
    made = make(comp)
    host.connect(made, 0, getattr(comp, first) if first else None)
    host.connect(comp.node, 0, made)
    before = comp.keys(FRAME)
    nuke.root()["format"].setValue("9 9 0 0 9 9 1 other")
    assert (comp.keys(FRAME) != before) == is_seen


def test_another_programs_picture_is_never_up_to_date(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    live = host.create("UnrealReader")
    host.connect(live, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    node = bench.node_on(live, bench.read(shot / "clean.exr", 1, 1))
    press(window, bench, node)
    found = shown_result.ShownResult(node).whole()
    assert found.usable and found.is_unknown, found.text
