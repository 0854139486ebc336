"""The stand-in is as strict as its word: what would go wrong in a Nuke goes wrong in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest
from nuke._picture import Picture, read_exr, write_exr
from nuke._state import Deadlock, State

from tests.plugin_nuke.pressing import until


def on_a_thread(call: Callable[[], object]) -> BaseException | None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


def picture(value: float) -> Picture:
    pixels = np.full((6, 8, 4), value, np.float32)
    return Picture(pixels, (0, 0, 8, 6), (0, 0, 8, 6), metadata={"camera:lens": "50"})


@pytest.fixture
def chain(window: State, tmp_path: Path) -> tuple[nuke.Node, nuke.Node]:
    """A Read of three frames, whose value is the frame's number, and a Write after it."""
    for frame in (1, 2, 3):
        write_exr(tmp_path / f"in.{frame:04d}.exr", picture(frame), "rgba", False, "zip", True)
    read, write = nuke.createNode("Read"), nuke.createNode("Write")
    for name, value in {"file": f"{tmp_path}/in.%04d.exr", "last": 3, "raw": True}.items():
        read[name].setValue(value)
    for name, value in {"file": f"{tmp_path}/out/%V.%04d.exr", "raw": True, "create_directories": True}.items():
        write[name].setValue(value)
    write.setInput(0, read)
    return read, write


def test_misspelled_names_are_attribute_errors(window: State) -> None:
    for name in ("excute", "executeMultipel", "activeGroup", "nodesPaste"):
        with pytest.raises(AttributeError, match=name):
            getattr(nuke, name)
    node = nuke.createNode("Grade")
    with pytest.raises(AttributeError):
        node.setImput(0, None)  # type: ignore[attr-defined]
    with pytest.raises(NameError):
        node["whitee"]


def test_nodes_are_refused_off_the_main_thread(chain: tuple[nuke.Node, nuke.Node]) -> None:
    read, write = chain
    calls: list[Callable[[], object]] = [
        read.name,
        lambda: read["file"].value(),
        lambda: nuke.toNode("Read1"),
        lambda: nuke.executeMultiple((write,), ((1, 1, 1),), ["main"]),
        lambda: nuke.message("no"),
    ]
    for call in calls:
        assert "main thread" in str(on_a_thread(call))


def test_queued_calls_run_in_a_window_only(window: State) -> None:
    seen: list[int] = []
    assert on_a_thread(lambda: nuke.executeInMainThread(seen.append, (1,))) is None
    assert not seen
    window.process_events()
    assert seen == [1]
    window.gui = False
    nuke.executeInMainThread(seen.append, (2,))
    window.process_events()
    assert seen == [1]
    with pytest.raises(Deadlock):
        nuke.executeInMainThreadWithResult(seen.append, (3,))


def test_no_render_inside_a_callback_or_a_render(chain: tuple[nuke.Node, nuke.Node], window: State) -> None:
    _, write = chain

    def render() -> None:
        nuke.execute(write, 1, 1)

    nuke.addKnobChanged(render, nodeClass="Read")
    chain[0]["label"].setValue("changed")
    assert not window.callback_errors, "no event without an open panel"
    chain[0].showControlPanel()
    assert "I'm already executing something else" in window.callback_errors[-1]
    nuke.addBeforeRender(render)
    with pytest.raises(RuntimeError, match="already executing"):
        nuke.execute(write, 1, 1)


def test_renders_are_real_files(chain: tuple[nuke.Node, nuke.Node], window: State, tmp_path: Path) -> None:
    _, write = chain
    for view in ("left", "right"):
        nuke.addView(view)
    write["views"].setValue("left right")
    write["channels"].setValue("rgba")
    write["datatype"].setValue("32 bit float")
    write["metadata"].setValue("all metadata")
    nuke.executeMultiple((write,), ((1, 1, 1), (3, 3, 1)), ["right"])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["right.0001.exr", "right.0003.exr"]
    image = oiio.ImageBuf(str(tmp_path / "out" / "right.0003.exr"))
    assert image.spec().channelnames == ("R", "G", "B", "A") and image.getpixel(2, 2)[0] == 3.0
    assert image.spec().getattribute("camera:lens") == "50"


def test_proxy_range_limit_and_disable_are_honoured(
    chain: tuple[nuke.Node, nuke.Node], tmp_path: Path, window: State
) -> None:
    _, write = chain
    nuke.root().setProxy(True)
    nuke.execute(write, 1, 1)
    assert read_exr(tmp_path / "out" / "main.0001.exr").data[2:] == (4, 3)
    write["use_limit"].setValue(True)
    write["first"].setValue(2)
    write["last"].setValue(2)
    nuke.execute(write, 1, 3)
    assert [frame for _, frame, _ in window.rendered] == [1, 2]
    write["disable"].setValue(True)
    with pytest.raises(RuntimeError, match="no active Write"):
        nuke.execute(write, 1, 1)


def test_raw_off_changes_the_values(chain: tuple[nuke.Node, nuke.Node], tmp_path: Path) -> None:
    _, write = chain
    write["raw"].setValue(False)
    nuke.execute(write, 3, 3)
    assert read_exr(tmp_path / "out" / "main.0003.exr").pixels[0, 0, 0] != 3.0


def test_a_cancelled_render_raises(chain: tuple[nuke.Node, nuke.Node], window: State, tmp_path: Path) -> None:
    _, write = chain
    window.cancel_at = 2
    with pytest.raises(RuntimeError, match=r"^Cancelled"):
        nuke.execute(write, 1, 3)
    window.cancel_at = None
    nuke.addBeforeFrameRender(nuke.cancel)
    with pytest.raises(nuke.CancelledError):
        nuke.execute(write, 1, 3)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["main.0001.exr"]


def test_a_read_keeps_what_it_read(chain: tuple[nuke.Node, nuke.Node], tmp_path: Path) -> None:
    read, write = chain
    nuke.execute(write, 1, 1)
    write_exr(tmp_path / "in.0001.exr", picture(9), "rgba", False, "zip", True)
    nuke.execute(write, 1, 1)
    assert read_exr(tmp_path / "out" / "main.0001.exr").pixels[0, 0, 0] == 1.0
    reload = read["reload"]
    assert isinstance(reload, nuke.Script_Knob)
    reload.execute()
    nuke.execute(write, 1, 1)
    assert read_exr(tmp_path / "out" / "main.0001.exr").pixels[0, 0, 0] == 9.0


def test_hashes(chain: tuple[nuke.Node, nuke.Node], window: State, tmp_path: Path) -> None:
    read, write = chain
    assert read.opHashes() == [], "nothing validated it yet"
    read.forceValidate()
    first = read.opHashes()
    write_exr(tmp_path / "in.0001.exr", picture(9), "rgba", False, "zip", True)
    read.forceValidate()
    assert read.opHashes() == first, "a file overwritten in place goes unnoticed"
    nuke.frame(2)
    assert read.opHashes() == []
    read.forceValidate()
    assert read.opHashes() != first
    dot = nuke.createNode("Dot")
    dot.setInput(0, read)
    dot.forceValidate()
    assert dot.opHashes() == []
    write.forceValidate()
    before = write.opHashes()
    nuke.execute(write, 1, 1)
    write.forceValidate()
    assert write.opHashes() != before, "a Write counts its renders"


def test_tcl_and_backslashes(window: State, tmp_path: Path) -> None:
    node = nuke.createNode("Read")
    nuke.scriptSaveAs(str(tmp_path / "comp.nk"))
    file = node["file"]
    assert isinstance(file, nuke.File_Knob)
    file.setValue("[file dirname [value root.name]]/a.%04d.exr")
    assert file.getText().startswith("[file") and file.value() == file.getValue()
    assert file.getValue() == f"{tmp_path}/a.%04d.exr" and file.evaluate() == f"{tmp_path}/a.0001.exr"
    file.setValue("C:\\new\\plate.exr")
    assert file.getValue() == "C:\newplate.exr"
    name = node["frame"]
    assert isinstance(name, nuke.String_Knob)
    name.setValue("[value first]")
    assert name.getText() == "[value first]" and name.value() == "1", "a plain text is evaluated too"
    file.setValue("[exec rm]")
    with pytest.raises(RuntimeError, match="invalid command"):
        file.getValue()


def test_undo(window: State) -> None:
    node = nuke.createNode("Grade")
    node["white"].setValue(2.0)
    with_undo_off = node["black"]
    nuke.Undo.disable()
    with_undo_off.setValue(0.5)
    nuke.Undo.enable()
    nuke.Undo.begin("two")
    node["white"].setValue(3.0)
    node["label"].setValue("x")
    nuke.Undo.end()
    nuke.undo()
    assert (node["white"].value(), node["label"].value(), node["black"].value()) == (2.0, "", 0.5)
    nuke.undo()
    assert node["white"].value() == 1.0


def test_inputs_have_limits_and_deleted_nodes_are_gone(window: State) -> None:
    grade, other = nuke.createNode("Grade"), nuke.createNode("Grade")
    assert grade.setInput(0, other) and grade.setInput(1, other) and not grade.setInput(2, other)
    assert grade.name() == "Grade1" and other.name() == "Grade2"
    nuke.delete(other)
    assert grade.input(0) is None
    with pytest.raises(ValueError, match="not attached"):
        other.name()


def test_flags_do_not_survive_a_file(window: State, tmp_path: Path) -> None:
    node = nuke.createNode("Grade")
    node["white"].setValue(2.0)
    node["white"].setFlag(nuke.DO_NOT_WRITE)
    assert "white" not in node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)
    nuke.scriptSaveAs(str(tmp_path / "a.nk"))
    nuke.scriptClear()
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    again = nuke.toNode("Grade1")
    assert again is not None and not again["white"].getFlag(nuke.DO_NOT_WRITE)


@pytest.mark.parametrize(
    "text",
    [
        "Group {\n name A\n}\n",
        "end_group\n",
        "Grade {\n whitee 2\n}\n",
        "Grade {\n name {a\n}\n",
        "Blurr {\n}\n",
        "push $N_nothing\n",
        "Grade {\n addUserKnob {99 a}\n}\n",
        "Grade {\n addUserKnob {7 a +NO_UNDO}\n}\n",
    ],
)
def test_broken_scripts_are_refused(text: str, window: State, tmp_path: Path) -> None:
    (tmp_path / "broken.nk").write_text(text)
    with pytest.raises(RuntimeError):
        nuke.nodePaste(str(tmp_path / "broken.nk"))


def test_the_modified_flag_is_as_easily_set_as_in_nuke(window: State, tmp_path: Path) -> None:
    root = nuke.root()
    nuke.scriptSaveAs(str(tmp_path / "a.nk"))
    assert not root.modified()
    node = nuke.createNode("Grade")
    assert root.modified()
    for change in (
        lambda: node["white"].setValue(2.0),
        lambda: node.setInput(0, nuke.createNode("Grade")),
        lambda: node["white"].setExpression("2"),
        lambda: root.setProxy(True),
    ):
        nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
        change()
        assert root.modified()
    nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
    node["label"].setFlag(nuke.NO_UNDO | nuke.DO_NOT_WRITE)
    node["label"].setValue("x")
    assert root.modified(), "a knob that is not written counts too"
    nuke.scriptClear()
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    assert not nuke.root().modified()


def test_no_circles(window: State) -> None:
    first, second, third = (nuke.createNode("Grade") for _ in range(3))
    assert second.setInput(0, first) and third.setInput(0, second)
    assert not first.setInput(0, third) and not first.setInput(0, first)
    assert first.input(0) is None


def test_defaults_of_a_house_are_every_nodes_and_are_not_saved(window: State, tmp_path: Path) -> None:
    nuke.knobDefault("Write.exr.interleave", "channels")
    nuke.knobDefault("Write.use_limit", "true")
    write = nuke.createNode("Write")
    assert write["interleave"].value() == "channels" and write["use_limit"].value()
    assert "use_limit" not in write.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)
    write["use_limit"].setValue(False)
    nuke.scriptSaveAs(str(tmp_path / "a.nk"))
    window.knob_defaults.clear()
    nuke.scriptClear()
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    again = nuke.toNode("Write1")
    assert again is not None and not again["use_limit"].value()
    assert again["interleave"].value() != "channels", "a default of another machine"


@pytest.mark.parametrize(
    ("name", "keys", "at"),
    [
        ("white", {1: 0.5, 3: 2.0}, {0: 0.5, 1: 0.5, 2: 0.5, 3: 2.0, 9: 2.0}),
        ("disable", {1: False, 5: True}, {4: 0, 5: 1}),
    ],
)
def test_keys_hold_and_are_saved(
    name: str, keys: dict[int, object], at: dict[int, float], window: State, tmp_path: Path
) -> None:
    node = nuke.createNode("Grade")
    for frame, value in keys.items():
        node[name].setValueAt(value, frame)
    nuke.frame(7)
    for script in (False, True):
        if script:
            nuke.scriptSaveAs(str(tmp_path / "a.nk"))
            nuke.scriptClear()
            nuke.scriptOpen(str(tmp_path / "a.nk"))
        again = nuke.toNode("Grade1")
        assert again is not None and again[name].isAnimated()
        assert {frame: float(again[name].getValueAt(frame)) for frame in at} == at
        assert nuke.frame() == 7, "looking moves nothing"
    assert again is not None and again["white"].toScript(False, None) in ("1", "{{curve K x1 0.5 x3 2}}")
    assert again["white"].toScript() == str(float(again["white"].value())), "without a context the value now"


def test_channels_must_be_known(window: State, tmp_path: Path) -> None:
    text = "Copy {\n from0 mist.red\n to0 rgba.alpha\n}\n"
    (tmp_path / "a.nk").write_text(text)
    with pytest.raises(RuntimeError, match="there is no channel"):
        nuke.nodePaste(str(tmp_path / "a.nk"))
    (tmp_path / "a.nk").write_text("add_layer {mist mist.red}\n" + text)
    node = nuke.nodePaste(str(tmp_path / "a.nk"))
    assert node is not None and node["from0"].value() == "mist.red"


def test_windows_replaces_nothing_that_is_shown(
    chain: tuple[nuke.Node, nuke.Node], window: State, tmp_path: Path
) -> None:
    read, write = chain
    nuke.execute(write, 1, 1)
    window.replace_file(f"{tmp_path}/in.0001.exr")
    window.windows = True
    with pytest.raises(PermissionError):
        window.replace_file(f"{tmp_path}/in.0001.exr")
    reload = read["reload"]
    assert isinstance(reload, nuke.Script_Knob)
    reload.execute()
    with pytest.raises(PermissionError):
        window.replace_file(f"{tmp_path}/in.0001.exr")
    window.replace_file(f"{tmp_path}/in.0002.exr")
    read["file"].setValue("other.exr")
    window.replace_file(f"{tmp_path}/in.0001.exr")


def test_after_render_is_not_called_where_it_failed(chain: tuple[nuke.Node, nuke.Node], window: State) -> None:
    _, write = chain
    events: list[str] = []
    nuke.addBeforeRender(lambda: events.append("before"))
    nuke.addAfterRender(lambda: events.append("after"))
    nuke.execute(write, 1, 2)
    window.cancel_at = 2
    with pytest.raises(RuntimeError):
        nuke.execute(write, 1, 3)
    assert events == ["before", "after", "before"]


def test_proxy_mode_names_the_proxy_and_the_file_knob_does_not(
    chain: tuple[nuke.Node, nuke.Node], window: State
) -> None:
    read, _ = chain
    read["proxy"].setValue("/proxies/in.####.exr")
    file = read["file"]
    assert isinstance(file, nuke.File_Knob)
    full = file.getEvaluatedValue()
    nuke.root().setProxy(True)
    assert nuke.filename(read) == "/proxies/in.####.exr" and file.getEvaluatedValue() == full
    file.setValue("/plates/in.####.exr")
    assert file.getEvaluatedValue() == "/plates/in.%04d.exr"


@pytest.mark.parametrize("when", ["before it asks", "while it waits"])
def test_no_call_of_an_ended_nuke_reaches_the_next_one(when: str, window: State) -> None:
    """A thread that a test left behind ends with its Nuke: the main thread that it asks is another one's."""
    calls: list[str] = []
    asked, may_ask, ended = threading.Event(), threading.Event(), threading.Event()

    def left_behind() -> None:
        asked.set()
        may_ask.wait()
        try:
            nuke.executeInMainThreadWithResult(calls.append, ("late",))
        except SystemExit:
            ended.set()

    thread = threading.Thread(target=left_behind, daemon=True)
    thread.start()
    asked.wait()
    if when == "while it waits":
        may_ask.set()
        while not window.queue:
            time.sleep(0.001)
    nuke.reset()
    may_ask.set()
    until(window, lambda: not thread.is_alive())
    assert ended.is_set() and calls == []


def test_a_call_of_the_nuke_that_runs_is_answered(window: State) -> None:
    answers: list[object] = []
    thread = threading.Thread(
        target=lambda: answers.append(nuke.executeInMainThreadWithResult(nuke.toNode, ("none",)))
    )
    thread.start()
    while thread.is_alive():
        window.process_events()
    assert answers == [None] and not window.callback_errors
