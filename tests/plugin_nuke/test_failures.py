"""What goes wrong around the node, and the one sentence that artists then read. Only the stand-in can be made to
fail in these ways; what a real Nuke can be brought to do is in the contract."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import nuke
import pytest
import zmq
from cleanplate_node import (
    callbacks,
    graph,
    host,
    manifest,
    plain_exr,
    preflight,
    range_plan,
    range_run,
)
from cleanplate_node.bench import ContractBench
from matte_link import port_owner
from matte_link.endpoint import ADDRESS_VARIABLE
from nuke import _host
from nuke._state import State

from tests.plugin_nuke.pressing import overwrite, press, until


@pytest.fixture
def another_version() -> Iterator[str]:
    """A server that speaks wire version 2 to whoever asks."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind("tcp://127.0.0.1:*")
        stop = threading.Event()

        def answer() -> None:
            while not stop.is_set():
                if socket.poll(20):
                    socket.send_multipart([socket.recv_multipart()[0], b"CPM2", b"{}"])

        thread = threading.Thread(target=answer)
        thread.start()
        yield socket.getsockopt_string(zmq.LAST_ENDPOINT)
        stop.set()
        thread.join()


def test_another_version_of_the_server(bench: ContractBench, window: State, another_version: str) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, server=another_version)
    status = press(window, bench, node)
    assert status.startswith("The other side speaks wire version 2, this one speaks 1. Install the same version")
    assert window.messages == [f"Cleanplate_Matte1: {status}"], "said once"
    assert not window.rendered
    assert press(window, bench, node, "check_server") == status


@pytest.mark.parametrize("named_by", ["the script", "the environment"])
def test_a_server_of_another_user_of_the_machine(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    """A node's address travels with its script, so it does not say whom its reader trusts with the pictures."""
    node = bench.node(bench.shot((1,)), 1, 1)
    monkeypatch.setattr(port_owner, "is_another_users", lambda address: True)
    if named_by == "the environment":
        monkeypatch.setenv(ADDRESS_VARIABLE, bench.server.address)
        assert press(window, bench, node).startswith("up to date")
        return
    for button in ("process_range", "process_frame", "check_server", "learn"):
        assert press(window, bench, node, button).startswith(
            f"The matting server at {bench.server.address} is another user's, who could see the pictures. Start"
        )
    assert not window.rendered


def test_a_clean_plate_that_is_not_what_was_expected(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node takes its clean plate for the one of the press before; then the file under it is another one."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    seen: list[str] = []
    # The stand-in writes the time into every file, so that no clean plate is named alike twice.
    monkeypatch.setattr(range_run._clean_plate_history, "add", lambda *found: seen.append(found[-1]))
    monkeypatch.setattr(range_run._clean_plate_history, "expected", lambda *_: seen[-1] if seen else "")
    for _ in range(2):
        press(window, bench, node, "process_frame")
        bench.expect_matte(bench.result(node, 1), 1)
    plain_exr.write(shot / "clean.exr", bench.clean(seed=2))
    read = host.input_of(node, 1)
    assert read is not None
    host.press(read, "reload")
    assert press(window, bench, node, "process_frame").startswith("up to date, 1 done")
    assert len(set(seen)) > 1
    # Before another wall, the old one is a subject too, here at the left edge where both have bricks.
    assert bench.result(node, 1).at(8, 36, "A") > 0.5
    bench.expect_tidy(node)


def test_check_server_names_version_and_models(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node, "check_server")
    assert len(window.messages) == 1
    assert bench.server.address in window.messages[0] and "difference" in window.messages[0]


@pytest.mark.parametrize("edition", ["nc", "indie"])
def test_limited_editions_are_refused(edition: str, bench: ContractBench, window: State) -> None:
    _host.env[edition] = True
    node = bench.node(bench.shot((1,)), 1, 1)
    assert press(window, bench, node).startswith("Cleanplate does not work in Nuke ")
    assert not window.rendered


def test_an_address_that_is_none(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, server="localhost")
    assert "'localhost' is not an address; it should look like tcp://127.0.0.1:5560." in press(window, bench, node)


def test_a_server_that_hangs(bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    node = bench.node(bench.shot(range(1, 25)), 1, 24)
    monkeypatch.setattr(range_run, "PATIENCE_S", 6.0)
    host.press(node, "process_range")
    until(window, lambda: "matte.%V" in bench.shown(node))
    pid = bench.server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        until(window, bench.idle(node))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "did not answer within 6 s" in bench.status(node) or "No matting server answers" in bench.status(node)
    assert 1 <= len(bench.results(node)) < 24
    bench.expect_tidy(node)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here to make a small disk with")
    if done.returncode:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")
    yield folder
    nuke.scriptClear()  # while a script is open, so is the file that tells other Nukes of it
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_too_small_for_the_plates(bench: ContractBench, window: State, small_disk: Path) -> None:
    node = bench.node(bench.shot(range(1, 11)), 1, 10, cache_dir=f"{small_disk}/cache")
    status = press(window, bench, node)
    # 96 x 72 pixels of 12 bytes, 10 plates and one clean plate.
    assert "has 1 MB free, and 11 plates need 1 MB. Free some space" in status
    assert not window.rendered


def test_a_disk_that_fills_up_meanwhile(bench: ContractBench, window: State, small_disk: Path) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, cache_dir=f"{small_disk}/cache")
    host.press(node, "process_frame")
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(1024)):
                pass
        except OSError:
            pass
        until(window, bench.idle(node))
    assert "No space left on device" in bench.status(node)
    assert bench.status(node).startswith("0 of 1 frame done. Frame 1: ")
    assert not list(small_disk.rglob("matte.*.exr")), "no half a result"
    bench.expect_tidy(node)


def test_the_progress_bar_cancels_too(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 25)), 1, 24)
    host.press(node, "process_range")
    # Where rendering the plates takes long, it has a bar before this one.
    until(window, lambda: bool(bench.results(node)) and "of 24 done" in " ".join(window.tasks[-1].texts))
    bar = window.tasks[-1]
    bar.cancelled = True
    until(window, bench.idle(node))
    assert "cancelled" in bench.status(node) and 1 <= len(bench.results(node)) < 24
    assert bar.percents == sorted(bar.percents)
    assert not window.messages, "who cancels needs no message"


def test_a_render_cancelled_by_runtime_error(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 5)), 1, 4)
    window.cancel_at = 3
    assert press(window, bench, node) == "Cancelled while the plates were rendered; nothing was sent."
    assert {frame for _, frame, _ in window.rendered} == {1, 2}
    assert not window.messages
    bench.expect_tidy(node)


def test_proxy_and_writes_are_restored_after_a_cancel(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 5)), 1, 4)
    window.cancel_at, window.proxy = 2, True
    press(window, bench, node)
    assert window.proxy and window.undo_off == 0
    bench.expect_tidy(node)


def test_pressed_while_nuke_renders(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    window.busy.append("execute")
    try:
        callbacks.process_frame(node)
    finally:
        window.busy.remove("execute")
    assert bench.status(node) == "Nuke is rendering something else. Try again when it is done."
    bench.expect_tidy(node)


def test_a_node_that_somebody_took_apart(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    nuke.delete(host.inner(node, "Write_clean"))
    assert (
        press(window, bench, node)
        == "The node has lost its inner node Write_clean. Make a new node from the Keyer menu."
    )


@pytest.mark.parametrize("button", ["process_frame", "process_range", "clear_cache", "learn"])
def test_a_node_without_its_result_says_so(button: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    made = bench.results(node)
    nuke.delete(host.inner(node, graph.READ))
    window.answers.append(True)
    host.press(node, button)
    said = "The node has lost its inner node Read_result. Make a new node from the Keyer menu."
    assert bench.status(node) == said and window.messages[-1] == f"Cleanplate_Matte1: {said}"
    host.press(node, "check_server")
    assert bench.status(node) == said and made[0].is_file() and not window.callback_errors


def test_clear_asks_first_and_names_who_else_shows_it(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    copied = host.copy(node)
    assert copied is not None
    window.answers.extend([False, True])
    host.press(node, "clear_cache")
    assert len(bench.results(node)) == 1
    assert window.messages[-1] == (
        f"Delete the results of {node.fullName()} from disk? Some are kept: {copied.fullName()} shows them too."
    )
    host.press(node, "clear_cache")
    assert len(bench.results(copied)) == 1 and bench.status(node) == "not processed"
    nuke.delete(copied)
    window.answers.append(True)
    host.press(node, "clear_cache")
    assert not list(bench.folder.rglob("matte.*.exr"))


def test_nothing_failed_nothing_to_retry(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    assert "There is no frame to retry: none failed" in press(window, bench, node, "retry")


def test_the_label_shows_the_state_and_leaves_others_alone(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    assert _host.autolabel(node) == "Cleanplate_Matte1\n(not processed)"
    press(window, bench, node)
    assert _host.autolabel(node) == "Cleanplate_Matte1\n(up to date, 1 done)"
    node["gamma"].setValue(1.5)
    until(window, lambda: "stale" in bench.status(node))
    assert _host.autolabel(node) == "Cleanplate_Matte1\n(stale: a setting or an input changed)"
    other = nuke.createNode("Group")
    assert _host.autolabel(other) == "Group1"


def test_opening_the_panel_looks_at_the_sources(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    overwrite(shot / "clean.exr")
    node.showControlPanel()
    until(window, bench.says(node, "stale: the sources of frame 1 changed"))


def test_a_lost_record_means_the_frame_is_made_again(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    folder = Path(bench.shown(node)).parent
    (folder / "records" / "main.0001.json").write_text("{broken")
    bench.results(node)[1].unlink()
    assert press(window, bench, node) == "up to date, 2 done"
    assert len(manifest.read_all(str(folder))) == 2


def test_the_working_space_travels_as_a_tag(bench: ContractBench, window: State) -> None:
    nuke.root()["colorManagement"].setValue("OCIO")
    nuke.root()["workingSpaceLUT"].setValue("ACES - ACEScg")
    node = bench.node(bench.shot((1,)), 1, 1)
    plan = preflight.preflight(node, (1,), True, "interactive")
    assert plan.hints["colourspace"] == "ACES - ACEScg" and plan.hints["working_space"] == "ACES - ACEScg"
    before = plan.folder
    nuke.root()["colorManagement"].setValue("Nuke")
    plan = preflight.preflight(node, (1,), True, "interactive")
    assert plan.hints["colourspace"] == "linear"
    assert plan.folder != before, "another working space is another result"


def test_scripts_open_and_render_without_the_plugin(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    before, path = bench.output(node, 1), bench.save()
    state = nuke.reset()
    state.gui = False
    assert not state.callbacks, "no plugin here"
    nuke.scriptClear()
    nuke.scriptOpen(str(path))
    again = nuke.toNode("Cleanplate_Matte1")
    assert again is not None
    after = bench.output(again, 1)
    assert [list(row) for row in after.rows] == [list(row) for row in before.rows]


def test_a_comp_more_than_a_thousand_nodes_deep(window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    first = last = nuke.createNode("Grade")
    for index in range(1200):
        node = nuke.createNode("Dot" if index % 3 == 0 else "Grade")
        node.setInput(0, last)
        last = node
    asked: list[str] = []
    inputs = nuke.Node.inputs

    def counting(node: nuke.Node) -> int:
        asked.append(node.name())
        return inputs(node)

    monkeypatch.setattr(nuke.Node, "inputs", counting)
    found = host.upstream([last, first, None])
    facts, starts = found.facts, found.starts
    assert len(facts) == 801, "Dots are looked through"
    assert starts == (800, 0, -1)
    assert facts[800].inputs == (799,) and facts[0].inputs == ()
    assert len(asked) == 2 * len(facts), "each is asked once to walk on and once for its facts"


def test_room_is_measured_on_the_real_disk(tmp_path: Path) -> None:
    range_plan.check_room(str(tmp_path / "new" / "folder"), 100, 2)
    assert (tmp_path / "new" / "folder").is_dir()
    with pytest.raises(range_plan.Refused, match=r"3 plates need \d+ MB"):
        range_plan.check_room(str(tmp_path), 10**15, 3)


def break_the_folder(node: nuke.Node, shot: Path) -> None:
    node["cache_dir"].setValue("[getenv SHOT/cache")


def break_an_expression(node: nuke.Node, shot: Path) -> None:
    node["erode"].setExpression("Nobody.size")


def break_a_file_upstream(node: nuke.Node, shot: Path) -> None:
    host.find_read(shot / "plate.%04d.exr")["file"].setValue("[nonsense]/plate.%04d.exr")


def break_the_configuration(node: nuke.Node, shot: Path) -> None:
    for name, value in {
        "colorManagement": "OCIO",
        "OCIO_config": "custom",
        "customOCIOConfigPath": "[open x",
    }.items():
        nuke.root()[name].setValue(value)


BREAKS = (break_the_folder, break_an_expression, break_a_file_upstream, break_the_configuration)


@pytest.mark.parametrize(
    "button", ["process_frame", "process_range", "retry", "clear_cache", "check_server", "cancel"]
)
@pytest.mark.parametrize("act", BREAKS, ids=lambda act: act.__name__)
def test_what_nuke_cannot_evaluate_is_a_sentence(
    act: Callable[[nuke.Node, Path], None], button: str, bench: ContractBench, window: State
) -> None:
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    rendered = len(window.rendered)
    act(node, shot)
    window.answers.append(True)
    host.press(node, button)
    until(window, bench.idle(node))
    assert len(window.rendered) == rendered and "Traceback" not in " ".join(window.messages)
    if button in ("process_frame", "process_range"):
        assert bench.status(node).startswith(("Nuke says: ", "Nuke cannot evaluate ")) and len(window.messages) == 1
    node.showControlPanel()
    _host.autolabel(node)
    bench.expect_tidy(node)


def test_the_timeline_may_stand_where_there_is_no_plate(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2, 4)), 1, 4, range_mode="custom")
    host.set_value(node, "last", 2)
    host.go_to(3)
    assert press(window, bench, node) == "up to date, 2 done"
    host.set_value(node, "last", 4)
    assert "plate.0003.exr" in press(window, bench, node)
