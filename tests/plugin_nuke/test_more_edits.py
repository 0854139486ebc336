"""Edits upstream that change the picture of a frame, or do not: whether the keys of its result tell. No server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nuke
import pytest
from cleanplate_node import host, node_options, sources
from cleanplate_node.bench import ContractBench

from tests.plugin_nuke.whole_comp import overwrite

FRAME = 2
_BEYOND = 5
"""A frame behind the last one of the plate's Read."""


class EditedComp:
    """A plate of frames 1 to 3, read by frame, graded, switched, retimed; all nodes by their names."""

    def __init__(self, bench: ContractBench) -> None:
        self.shot = bench.shot((1, 2, 3))
        self.other = bench.shot((1, 2, 3), "other", subject=(0.1, 2.0, 0.1))
        self.plate = bench.read(self.shot / "plate.%04d.exr", 1, 3)
        self.second = bench.read(self.other / "plate.%04d.exr", 1, 3)
        self.grade = host.create("Grade")
        self.switch = host.create("Switch")
        self.offset = host.create("TimeOffset")
        host.connect(self.grade, 0, self.plate)
        host.connect(self.switch, 0, self.grade)
        host.connect(self.switch, 1, self.second)
        host.connect(self.offset, 0, self.switch)
        self.clean = bench.read(self.shot / "clean.exr", 1, 1)
        self.node = bench.node_on(self.offset, self.clean)

    @property
    def made(self) -> nuke.Node:
        """The node that a test has put in."""
        found = host.find("Made")
        assert found is not None
        return found

    def keys(self, frame: int) -> tuple[object, ...]:
        """What is compared of a result of the frame without Nuke's hashes."""
        found = sources.sources_of(self.node)
        options = node_options.options_of(self.node)
        key = sources.SourceKeys(found, options, ()).keys((frame,), ("main",))[frame, "main"]
        return found.settings_key(options), key.files, key.driven, key.options, key.needs_hashes


def check_edit(
    before: Callable[[EditedComp], object], edit: Callable[[EditedComp], object], is_seen: bool, comp: EditedComp
) -> None:
    """Whether an edit behind another one, which is made ``before``, is seen in what is compared."""
    before(comp)
    known = comp.keys(FRAME)
    assert comp.keys(FRAME) == known
    edit(comp)
    assert (comp.keys(FRAME) != known) == is_seen


def _same_time_other_size(comp: EditedComp) -> None:
    path = comp.shot / "plate.0002.exr"
    known = path.stat()
    path.write_bytes(path.read_bytes() + b" ")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def _older(comp: EditedComp) -> None:
    """An archive's picture is put back: its time is before that of the result."""
    os.utime(comp.shot / "plate.0002.exr", (1, 1))


def _between(kind: str, **knobs: object) -> Callable[[EditedComp], object]:
    def insert(comp: EditedComp) -> None:
        made = host.create(kind, **knobs)
        host.connect(made, 0, comp.offset)
        host.connect(comp.node, 0, made)

    return insert


def _set(name: str, knob: str, value: object) -> Callable[[EditedComp], object]:
    return lambda comp: host.set_value(getattr(comp, name), knob, value)


def _rename_parent_folder(comp: EditedComp) -> None:
    """The file's name in the Read stays, and is gone."""
    comp.shot.rename(comp.shot.with_name("renamed"))


def _masked(comp: EditedComp) -> None:
    comp.grade.setInput(1, comp.second)


def _inputs_swapped(comp: EditedComp) -> None:
    comp.switch.setInput(0, comp.second)
    comp.switch.setInput(1, comp.grade)


def _other_shot(comp: EditedComp) -> None:
    host.set_value(comp.plate, "file", f"{comp.other.as_posix()}/plate.%04d.exr")


CHANGES: dict[str, tuple[Callable[[EditedComp], object], int]] = {
    "a picture of the same time": (_same_time_other_size, FRAME),
    "an older picture": (_older, FRAME),
    "a picture that is gone": (lambda comp: (comp.shot / "plate.0002.exr").unlink(), FRAME),
    "a folder that is gone": (_rename_parent_folder, FRAME),
    "the last picture, which is held": (lambda comp: overwrite(comp.shot / "plate.0003.exr"), _BEYOND),
    "what is shown behind the range": (_set("plate", "after", "black"), _BEYOND),
    "the end of the range": (_set("plate", "last", 2), _BEYOND),
    "a file of another shot": (_other_shot, FRAME),
    "a node that is switched off": (_set("grade", "disable", True), FRAME),
    "a number": (_set("grade", "white", 1.5), FRAME),
    "a mask": (_masked, FRAME),
    "another branch": (_set("switch", "which", 1), FRAME),
    "a retime by frames": (_set("offset", "time_offset", 1), FRAME),
    "a hold": (_between("FrameHold", first_frame=1), FRAME),
    "an effect": (_between("Grade", white=1.5), FRAME),
    "the inputs change places": (_inputs_swapped, FRAME),
    "the plate is taken off": (lambda comp: comp.offset.setInput(0, None), FRAME),
    "a conversion": (_set("plate", "raw", False), FRAME),
    "an expression": (lambda comp: host.set_expression(comp.grade, "white", "1+frame/100"), FRAME),
    "the clean plate": (lambda comp: overwrite(comp.shot / "clean.exr"), FRAME),
}
KEEPS: dict[str, tuple[Callable[[EditedComp], object], int]] = {
    "a picture of another frame": (lambda comp: overwrite(comp.shot / "plate.0001.exr"), FRAME),
    "a picture behind the other branch": (lambda comp: overwrite(comp.other / "plate.0002.exr"), FRAME),
    "another frame of the plate is gone": (lambda comp: (comp.shot / "plate.0003.exr").unlink(), FRAME),
    "a name": (lambda comp: comp.grade.setName("Renamed"), FRAME),
    "a place in the graph": (_set("grade", "xpos", 9), FRAME),
    "a range that has grown": (_set("plate", "last", 9), FRAME),
    "what is shown behind the range": (_set("plate", "after", "black"), FRAME),
    "a node beside": (lambda comp: host.connect(host.create("Grade"), 0, comp.offset), FRAME),
    "the timeline": (lambda comp: nuke.frame(3), FRAME),
}


@pytest.fixture
def comp(lonely: ContractBench) -> EditedComp:
    return EditedComp(lonely)


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_the_picture_is_seen(name: str, comp: EditedComp) -> None:
    edit, frame = CHANGES[name]
    before = comp.keys(frame)
    edit(comp)
    assert comp.keys(frame) != before


@pytest.mark.parametrize("name", KEEPS)
def test_what_does_not_makes_nothing_stale(name: str, comp: EditedComp) -> None:
    edit, frame = KEEPS[name]
    before = comp.keys(frame)
    edit(comp)
    assert comp.keys(frame) == before


def _then(*edits: Callable[[EditedComp], object]) -> Callable[[EditedComp], None]:
    def both(comp: EditedComp) -> None:
        for edit in edits:
            edit(comp)

    return both


def _written(name: str) -> Callable[[EditedComp], None]:
    return lambda comp: overwrite(comp.shot / name)


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        (_between("FrameHold", first_frame=1), _written("plate.0001.exr"), True),
        (_between("FrameHold", first_frame=1), _written("plate.0002.exr"), False),
        (_set("offset", "time_offset", 1), _written("plate.0001.exr"), True),
        (_set("offset", "time_offset", 1), _written("plate.0002.exr"), False),
        (_between("Retime", speed=2.0), _written("plate.0003.exr"), True),
        (_set("switch", "which", 1), _written("plate.0002.exr"), False),
        (_set("switch", "which", 0.5), _written("plate.0002.exr"), True),
        (_set("grade", "disable", True), _written("plate.0002.exr"), True),
        (_set("grade", "disable", True), _set("plate", "file", ""), True),
        (lambda comp: host.set_expression(comp.switch, "which", "frame>2"), _written("plate.0002.exr"), True),
        (lambda comp: host.set_expression(comp.switch, "which", "frame<3"), _written("plate.0002.exr"), False),
        (_set("node", "temporal", 0.5), _written("plate.0003.exr"), True),
        (_set("node", "temporal", 0.5), _set("plate", "last", 2), True),
        (_set("plate", "on_error", "black"), lambda comp: (comp.shot / "plate.0002.exr").unlink(), True),
        (
            _then(_set("plate", "on_error", "black"), lambda comp: (comp.shot / "plate.0002.exr").unlink()),
            lambda comp: shutil.copy(comp.shot / "plate.0001.exr", comp.shot / "plate.0002.exr"),
            True,
        ),
    ],
)
def test_an_edit_behind_another_one(
    before: Callable[[EditedComp], object], edit: Callable[[EditedComp], object], is_seen: bool, comp: EditedComp
) -> None:
    check_edit(before, edit, is_seen, comp)


def _driven(comp: EditedComp) -> None:
    """The Grade follows another one, which no pipe leads to."""
    control = host.create("Grade", name="Control")
    host.set_key(control, "white", 0, 1.0)
    host.set_expression(comp.grade, "white", "Control.white")


def _keyed_at(frame: int) -> Callable[[EditedComp], None]:
    """Another value at one frame."""

    def edit(comp: EditedComp) -> None:
        control = host.find("Control")
        assert control is not None
        host.set_key(control, "white", frame, 3.0)
        host.set_key(control, "white", frame + 1, 1.0)

    return edit


def _split(value: float) -> Callable[[EditedComp], None]:
    """Another value in the right view."""

    def edit(comp: EditedComp) -> None:
        nuke.addView("right")
        comp.grade["white"]._split["right"] = value

    return edit


def _which_of_right(which: float) -> Callable[[EditedComp], None]:
    def edit(comp: EditedComp) -> None:
        nuke.addView("right")
        comp.switch["which"]._split["right"] = which

    return edit


def _written_other(comp: EditedComp) -> None:
    overwrite(comp.other / "plate.0002.exr")


_FORMAT: Callable[[EditedComp], object] = lambda comp: nuke.root()["format"].setValue("9 9 0 0 9 9 1 other")  # noqa: E731


def _rendered_plate(raw: bool) -> Callable[[EditedComp], None]:
    def read(comp: EditedComp) -> None:
        name = f"{comp.shot.as_posix()}/plate.%04d.exr"
        host.connect(comp.grade, 0, host.create("Write", file=name, reading=True, raw=raw))

    return read


def _hole(comp: EditedComp) -> None:
    (comp.shot / "plate.0003.exr").unlink()


_OFFSET, _HELD = _set("offset", "time_offset", -10), _between("FrameHold", first_frame=12)
_RETIMED, _PAINTED = _between("Retime", speed=2.0), _between("RotoPaint")
_LINEAR: Callable[[EditedComp], object] = lambda comp: nuke.root()["floatLut"].setValue("linear")  # noqa: E731


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        # What an expression says counts at the frame that is seen: 12 is, and 2 is what it is seen at.
        (_driven, _keyed_at(FRAME), True),
        (_driven, _keyed_at(12), False),
        (_then(_driven, _OFFSET), _keyed_at(12), True),
        (_then(_driven, _OFFSET), _keyed_at(FRAME), False),
        (_then(_driven, _HELD), _keyed_at(12), True),
        (_then(_driven, _HELD), _keyed_at(FRAME), False),
        (_then(_driven, _OFFSET, _HELD), _keyed_at(22), True),
        (_then(_driven, _RETIMED), _keyed_at(12), True),
        (_then(_driven, _PAINTED), _set("plate", "last", 9), False),
        (_then(_driven, _RETIMED), lambda comp: nuke.root()["last_frame"].setValue(120), False),
        (_then(_driven, _PAINTED), _keyed_at(50), True),
        (_then(_driven, _PAINTED, _keyed_at(50)), _keyed_at(60), True),
        # A view of its own.
        (_then(_driven, _split(1.0)), _split(2.0), True),
        (_then(_driven, _split(1.0)), _split(1.0), False),
        # What a Read shows beyond its files, where any frame of it may be seen.
        (_RETIMED, _set("plate", "before", "black"), True),
        (_RETIMED, _set("plate", "after", "loop"), True),
        (_RETIMED, _set("plate", "on_error", "black"), False),
        (_then(_hole, _RETIMED), _set("plate", "on_error", "black"), True),
        # A Switch that takes another input in another view.
        (_which_of_right(0.0), _which_of_right(1.0), True),
        (_which_of_right(0.0), _written("plate.0002.exr"), True),
        (_which_of_right(1.0), _written_other, True),
        (_set("switch", "which", 0), _written_other, False),
        # One that names an input which it does not have may take any.
        (lambda comp: host.set_expression(comp.switch, "which", "frame*4"), _written("plate.0002.exr"), True),
        (lambda comp: host.set_expression(comp.switch, "which", "frame*4"), _written_other, True),
        (lambda comp: host.set_expression(comp.switch, "which", "0-frame"), _written_other, True),
        # What nothing feeds is as large as the project.
        (lambda comp: host.connect(comp.grade, 0, host.create("Text2")), _FORMAT, True),
        (lambda comp: host.connect(comp.grade, 0, None), _FORMAT, True),
        (lambda comp: None, _FORMAT, False),
        (_then(_between("Text2"), lambda comp: None), _FORMAT, False),
        # A Write that reads converts its file as a Read does.
        (_rendered_plate(raw=False), _LINEAR, True),
        (_rendered_plate(raw=True), _LINEAR, False),
    ],
)
def test_an_edit_at_another_frame_or_place(
    before: Callable[[EditedComp], object], edit: Callable[[EditedComp], object], is_seen: bool, comp: EditedComp
) -> None:
    check_edit(before, edit, is_seen, comp)


def test_a_constant_expression_has_the_key_that_it_had_before_any_frame_counted(comp: EditedComp) -> None:
    """Results behind a RotoPaint stay good where what drives a knob upstream does not move."""
    _driven(comp)
    plain = comp.keys(FRAME)[2]
    _PAINTED(comp)
    assert comp.keys(FRAME)[2] == plain != ""


def _colours(config: str, management: str = "Nuke") -> Callable[[EditedComp], None]:
    """The project's colour management and OCIO configuration."""

    def choose(comp: EditedComp) -> None:
        for name, value in {"colorManagement": management, "OCIO_config": config}.items():
            host.set_root(name, value)
        host.set_root("customOCIOConfigPath", f"{comp.shot.as_posix()}/config.ocio")
        (comp.shot / "config.ocio").touch()

    return choose


def _edited_config(comp: EditedComp) -> None:
    (comp.shot / "config.ocio").write_text("# another look")


_CONVERTED, _OCIO = _set("plate", "raw", False), _between("OCIOColorSpace")
_BY_OCIO, _CG = _colours("aces_1.1", "OCIO"), "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1"


@pytest.mark.parametrize(
    ("before", "edit", "is_seen"),
    [
        (_OCIO, _colours("aces_1.2"), True),
        (_then(_OCIO, _colours("aces_1.1")), _colours("aces_1.2"), True),
        (_then(_OCIO, _colours("custom")), _edited_config, True),
        (_then(_OCIO, _colours("aces_1.2")), _edited_config, False),
        (_then(_OCIO, _colours("nuke-default")), _colours("nuke-default"), False),
        (_then(_CONVERTED, _BY_OCIO), _colours("aces_1.2", "OCIO"), True),
        (_then(_CONVERTED, _colours("aces_1.1")), _colours("aces_1.2"), False),
        (_BY_OCIO, _colours("aces_1.2", "OCIO"), False),
        (_then(_OCIO, _BY_OCIO), _colours("aces_1.2", "OCIO"), True),
        # The node's own configuration is what the server is told, not what Nuke converts by.
        (
            _then(_OCIO, _set("node", "ocio_config", "/house/config.ocio"), _colours(_CG, "OCIO")),
            _colours(_CG.replace("cg", "studio"), "OCIO"),
            True,
        ),
    ],
)
def test_the_configuration_that_nodes_convert_by(
    before: Callable[[EditedComp], object], edit: Callable[[EditedComp], object], is_seen: bool, comp: EditedComp
) -> None:
    check_edit(before, edit, is_seen, comp)


def test_a_configuration_that_is_sent_is_named_once(comp: EditedComp) -> None:
    """Results of before stay good: its name is among the options."""
    _colours("custom", "OCIO")(comp)
    known = comp.keys(FRAME)[0]
    _CONVERTED(comp)
    assert not any(name == "config" for name, _ in sources.sources_of(comp.node).project)
    host.set_value(comp.plate, "raw", True)
    assert comp.keys(FRAME)[0] == known


@pytest.mark.parametrize(
    ("converts", "changed", "is_seen"),
    [
        (lambda comp: host.set_value(comp.plate, "raw", False), "luts/film.cube", True),
        (_between("OCIOColorSpace"), "luts/film.cube", True),
        (_between("OCIOColorSpace"), "luts/unused.cube", False),
        (lambda comp: None, "luts/film.cube", False),
        (lambda comp: None, "config.ocio", True),
    ],
)
def test_a_lut_of_the_configuration_that_was_edited_where_it_lies(
    converts: Callable[[EditedComp], object], changed: str, is_seen: bool, comp: EditedComp, tmp_path: Path
) -> None:
    """Its text is the same then; raw pictures that no node converts do not depend on it."""
    (tmp_path / "luts").mkdir()
    for name in ("film", "unused"):
        (tmp_path / "luts" / f"{name}.cube").write_text("a look")
    config = tmp_path / "config.ocio"
    # A colourspace may be called as a folder is that lies there.
    named = "- from_reference: !<FileTransform> {src: film.cube}\n  - !<ColorSpaceTransform> {src: luts, dst: b}"
    config.write_text(f"search_path: luts\ncolorspaces:\n  {named}\n")
    for name, value in {"colorManagement": "OCIO", "OCIO_config": "custom"}.items():
        host.set_root(name, value)
    host.set_root("customOCIOConfigPath", config.as_posix())
    converts(comp)
    before = comp.keys(FRAME)
    overwrite(tmp_path / changed)
    assert (comp.keys(FRAME) != before) == is_seen


def test_nukes_own_configuration_is_not_named(comp: EditedComp) -> None:
    """Results of before stay good."""
    _OCIO(comp)
    assert not sources.sources_of(comp.node).project


def test_ocio_nodes_under_another_environment(comp: EditedComp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another session of Nuke, with $OCIO of another show."""
    _OCIO(comp)
    before = comp.keys(FRAME)
    monkeypatch.setenv("OCIO", "/show/that/is/not/there/config.ocio")
    assert comp.keys(FRAME) != before


def test_a_node_that_only_an_expression_names_has_values_at_the_frame(comp: EditedComp) -> None:
    """The Switch never takes it, so no frame of its picture is seen."""
    control = host.create("Grade", name="Control")
    host.connect(comp.switch, 1, control)
    host.set_expression(control, "white", "frame + Control.black")
    host.set_expression(comp.grade, "white", "Control.white")
    before = comp.keys(FRAME)
    assert comp.keys(FRAME) == before != comp.keys(FRAME + 1)
    host.set_value(control, "black", 0.5)
    assert comp.keys(FRAME) != before


def test_of_two_writes_in_a_precomp_none_is_known_to_be_its_render(lonely: ContractBench) -> None:
    """Where it names none, no document says which one it reads."""
    precomp = host.create("Precomp", reading=True)
    with host.inside(precomp):
        last = host.create("Input")
        for name in ("first", "second"):
            write = host.create("Write", file=f"/show/{name}.%04d.exr", name=name)
            host.connect(write, 0, last)
            last = write
        host.connect(host.create("Output"), 0, last)

    def reading() -> list[bool]:
        return [one.reads_render for one in host.upstream([precomp]).facts if one.kind == "Write"]

    assert reading() == [False, False]
    host.remove(host.inner(precomp, "first"))
    assert reading() == [True]
