"""Two Nukes in two processes on one script and one folder of results, and a Nuke that crashes: a real server, real
EXRs. Nothing is lost, and nothing is deleted that the other uses."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import nuke
import pytest
from cleanplate_node import host, manifest, plain_exr, sessions
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.another_nuke import AnotherNuke
from tests.plugin_nuke.pressing import press

FRAMES = (1, 2, 3)
Start = Callable[[], AnotherNuke]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[AnotherNuke] = []

    def make() -> AnotherNuke:
        started.append(AnotherNuke())
        return started[-1]

    yield make
    for one in started:
        one.end()


@pytest.fixture
def script(bench: ContractBench, window: State) -> Path:
    """A saved script of a node without results."""
    bench.node(bench.shot(FRAMES), FRAMES[0], FRAMES[-1])
    return bench.save()


def whole(bench: ContractBench, files: list[str]) -> None:
    """All frames are there, with their records, and nothing else is."""
    assert len(files) == len(FRAMES)
    for frame, file in zip(FRAMES, files, strict=True):
        bench.expect_matte(plain_exr.read(Path(file)), frame)
    folder = Path(files[0]).parent
    assert [one.frame for one in manifest.read_all(folder.as_posix())] == list(FRAMES)
    left = [one.name for one in folder.rglob("*") if one.suffix == ".tmp" or one.name.startswith(".plates")]
    assert not left


def test_both_process_at_the_same_time(bench: ContractBench, script: Path, start: Start) -> None:
    nukes = start(), start()
    for one in nukes:
        one.ask("open", script.as_posix())
    for one in nukes:
        one.tell("press", "process_range")
    assert [one.hear() for one in nukes] == ["up to date, 3 done"] * 2
    first, second = (one.ask("files") for one in nukes)
    assert first == second
    whole(bench, first)
    for one in nukes:
        assert one.ask("checked").startswith("up to date")
        assert one.ask("press", "process_range") == "up to date", "nothing is made again"


def test_each_has_a_setting_of_its_own(bench: ContractBench, script: Path, start: Start) -> None:
    one, other = start(), start()
    for nuke_ in (one, other):
        nuke_.ask("open", script.as_posix())
    other.ask("set", "erode", 1.0)
    for nuke_ in (one, other):
        nuke_.tell("press", "process_range")
    assert [one.hear(), other.hear()] == ["up to date, 3 done"] * 2
    whole(bench, one.ask("files"))
    assert one.ask("shown") != other.ask("shown") and len(other.ask("files")) == 3
    assert one.ask("press", "clear_cache") == "not processed"
    assert "another Nuke with comp.nk" in one.ask("said") and len(other.ask("files")) == 3
    assert other.ask("checked").startswith("up to date")


@pytest.mark.parametrize("when", ["after", "during"])
def test_clear_in_one_keeps_what_the_other_has(when: str, bench: ContractBench, script: Path, start: Start) -> None:
    """The same script: what it says on disk names no results yet."""
    one, other = start(), start()
    for nuke_ in (one, other):
        nuke_.ask("open", script.as_posix())
    other.ask("begin" if when == "during" else "press", "process_range")
    one.ask("press", "process_range")
    one.ask("press", "clear_cache")
    assert "0 results are deleted" in one.ask("said") and "another Nuke with comp.nk" in one.ask("said")
    assert other.ask("finish").startswith("up to date")
    whole(bench, other.ask("files"))
    other.end()
    one.ask("press", "process_range")
    files = one.ask("files")
    one.ask("press", "clear_cache")
    assert one.ask("status") == "not processed" and not any(Path(file).exists() for file in files)
    assert not [path for path in (script.parent / "matte_cache").rglob("*") if path.is_file()]


def test_clear_in_one_leaves_the_others_plates_alone(bench: ContractBench, script: Path, start: Start) -> None:
    """The other has rendered its plates and shows nothing yet."""
    one, other = start(), start()
    for nuke_ in (one, other):
        nuke_.ask("open", script.as_posix())
    other.ask("start", "process_range")
    one.ask("press", "clear_cache")
    assert other.ask("finish") == "up to date, 3 done"
    whole(bench, other.ask("files"))


@pytest.mark.parametrize("how", ["killed", "quit"])
def test_a_nuke_that_is_gone_keeps_nothing(how: str, script: Path, start: Start) -> None:
    one, other = start(), start()
    other.ask("open", script.as_posix())
    other.ask("press", "process_range")
    files = other.ask("files")
    if how == "killed":
        other.process.send_signal(signal.SIGKILL)
        other.process.wait()
    else:
        other.end()
    one.ask("open", script.as_posix())
    one.ask("press", "process_range")
    assert one.ask("files") == files
    one.ask("press", "clear_cache")
    assert not any(Path(file).exists() for file in files)


@pytest.mark.parametrize("what", ["record", "switch"])
def test_a_crash_between_a_result_and_its_use(what: str, bench: ContractBench, script: Path, start: Start) -> None:
    """The next Nuke shows what was finished, and makes the rest; the script on disk is what it was."""
    before = script.read_bytes()
    one = start()
    one.ask("open", script.as_posix())
    one.ask("die_at", what, 2)
    assert one.ask("press", "process_range") == ""
    assert one.process.wait() == -signal.SIGKILL and script.read_bytes() == before
    (folder,) = {path.parent for path in script.parent.rglob("matte.main.0001.exr")}
    made = {path: path.stat().st_mtime_ns for path in folder.glob("matte.*.exr")}
    recorded = [record.frame for record in manifest.read_all(folder.as_posix())]
    assert made and recorded
    other = start()
    assert other.ask("open", script.as_posix()) == f"up to date, {len(recorded)} of 3 frames"
    assert other.ask("press", "process_range") == f"up to date, {3 - len(recorded)} done"
    assert other.ask("files") == [str(folder / f"matte.main.{frame:04d}.exr") for frame in FRAMES]
    for frame in recorded:
        path = folder / f"matte.main.{frame:04d}.exr"
        assert path.stat().st_mtime_ns == made[path], "it is not made again"
    for frame, file in zip(FRAMES, other.ask("files"), strict=True):
        bench.expect_matte(plain_exr.read(Path(file)), frame)
    for half in (folder / ".matte.main.0002.exr.0a.tmp", folder / "records" / ".main.0002.json.0a.tmp"):
        half.write_bytes(b"of a Nuke that was killed while it wrote")
    assert other.ask("press", "clear_cache") == "not processed"
    assert not [path for path in folder.parent.rglob("*") if path.is_file()], "leftovers of the crash go, too"


def test_an_autosave_brings_back_what_was_shown(bench: ContractBench, script: Path, start: Start) -> None:
    """The script was saved before anything was processed; the autosave came after it, and then the crash."""
    one = start()
    one.ask("open", script.as_posix())
    one.ask("set", "erode", 1.0)
    one.ask("press", "process_range")
    files = one.ask("files")
    autosave = one.ask("autosave")
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    other = start()
    assert other.ask("open", script.as_posix()) == "not processed", "who does not recover has the saved one"
    other.ask("press", "process_range")
    other.ask("press", "clear_cache")
    assert "comp.nk.autosave" in other.ask("said") and all(Path(file).exists() for file in files)
    assert other.ask("recover", script.as_posix()).startswith("up to date")
    assert other.ask("files") == files and other.ask("checked").startswith("up to date")
    assert other.ask("press", "process_range") == "up to date", "nothing is made again"
    assert Path(autosave).exists()


@pytest.mark.parametrize("where", ["comp_v002.nk", "elsewhere/comp_v002.nk"])
def test_save_as_another_version(where: str, bench: ContractBench, script: Path, start: Start) -> None:
    """The first version stays what it is while another Nuke works on with the second."""
    one, other = start(), start()
    one.ask("open", script.as_posix())
    one.ask("press", "process_range")
    one.ask("save_as", script.as_posix())
    kept = one.ask("files")
    second = script.parent / where
    second.parent.mkdir(exist_ok=True)
    other.ask("open", script.as_posix())
    other.ask("save_as", second.as_posix())
    assert other.ask("files") == kept, "the copy shows the results of the first"
    other.ask("set", "erode", 1.0)
    other.ask("press", "process_range")
    own = other.ask("files")
    assert len(own) == 3 and not set(own) & set(kept)
    assert (Path(own[0]).is_relative_to(second.parent / "matte_cache")) and one.ask("files") == kept
    other.ask("press", "clear_cache")
    assert not any(Path(file).exists() for file in own)
    whole(bench, kept)
    assert one.ask("checked").startswith("up to date")
    one.end()
    again = start()
    assert again.ask("open", script.as_posix()).startswith("up to date")
    whole(bench, again.ask("files"))


def test_a_node_that_was_pasted_into_a_script_without_a_name(
    bench: ContractBench, script: Path, start: Start
) -> None:
    one, other = start(), start()
    one.ask("open", script.as_posix())
    one.ask("press", "process_range")
    files = one.ask("files")
    other.ask("paste", one.ask("copy_all", f"{script.parent.as_posix()}/copied.txt"))
    assert other.ask("files") == files
    one.ask("press", "clear_cache")
    assert "another Nuke with a script that is not saved" in one.ask("said")
    whole(bench, other.ask("files"))


def test_a_nuke_on_a_disk_without_locks_works(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object, **more: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(sessions, "_lock", no_locks)
    node = bench.node(bench.shot((1,)), 1, 1)
    assert press(window, bench, node) == "up to date, 1 done"
    assert not list(bench.folder.rglob("open_in.*"))
    window.answers.append(True)
    assert press(window, bench, node, "clear_cache") == "not processed"


def test_a_script_that_is_saved_under_a_shorter_name(tmp_path: Path) -> None:
    """What others read has nothing left of the longer one."""
    folder, known = tmp_path.as_posix(), ("settings1", "settings2")
    for script in ("/shots/comp_of_a_sequence_and_a_shot_v001.nk", "/c.nk"):
        for name in known:
            sessions.note(f"{folder}/{name}", script)
    (file,) = tmp_path.glob("open_in.*.txt")
    assert file.read_text(encoding="utf-8").split("\n") == ["/c.nk", *known]


def test_clear_goes_on_telling_what_another_node_of_the_script_shows(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    folder = Path(bench.shown(node)).parent
    host.create("Read", file=bench.shown(node))
    window.answers.append(True)
    press(window, bench, node, "clear_cache")
    (file,) = folder.parent.glob("open_in.*.txt")
    assert file.read_text(encoding="utf-8").split("\n")[1:] == [folder.name]


def test_a_script_that_is_closed_is_open_here_no_longer(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    assert list(bench.folder.rglob("open_in.*"))
    nuke.scriptClear()
    assert not list(bench.folder.rglob("open_in.*"))


@pytest.mark.parametrize("what", ["deletes", "holds"])
def test_another_nuke_looks_before_the_file_is_locked(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its *Clear cache* takes the file for one that nobody holds, or has the lock for that moment."""
    lock, looks = sessions._lock, iter([True])

    def disturbed(file: BinaryIO, alone: bool) -> None:
        if next(looks, False):
            if what == "holds":
                raise OSError(11, "Resource temporarily unavailable")
            Path(file.name).unlink()
        lock(file, alone)

    monkeypatch.setattr(sessions, "_lock", disturbed)
    sessions.note(f"{tmp_path.as_posix()}/settings1", "/c.nk")
    (file,) = tmp_path.glob("open_in.*.txt")
    assert file.read_text(encoding="utf-8").split("\n") == ["/c.nk", "settings1"]
