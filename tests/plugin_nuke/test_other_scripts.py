"""*Clear cache* and the scripts that show the same results: other versions, backups, and those in other folders."""

from __future__ import annotations

import threading
from pathlib import Path

import nuke
import pytest
from cleanplate_node import bake, freshness, host, other_scripts
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import press, until


def shown_by(bench: ContractBench, path: Path) -> list[Path]:
    host.open_script(path.as_posix())
    node = host.find("Cleanplate_Matte1")
    assert node is not None
    return bench.results(node)


@pytest.mark.parametrize("other", ["comp_v001.nk", "comp_v001.nk~", "comp_v001.nk.autosave"])
def test_clear_keeps_what_another_version_of_the_script_shows(
    other: str, bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    first, kept = bench.save(other), bench.results(node)
    bench.save("comp_v002.nk")
    host.set_value(node, "erode", 1.0)
    press(window, bench, node)
    own = bench.results(node)
    window.answers.append(True)
    host.press(node, "clear_cache")
    assert kept[0].exists() and not own[0].exists()
    assert other in window.messages[-1] and "1 result" in window.messages[-1]
    assert shown_by(bench, first) == kept


def test_a_script_beside_the_results_counts(tmp_path: Path) -> None:
    shots, shared = tmp_path / "shots", tmp_path / "shared"
    for folder in (shots, shared):
        folder.mkdir()
    (shared / "other.nk").write_text("Read { file /x/node/key1/matte.%V.%04d.exr }")
    (shots / "own.nk").write_text("Read { file /x/node/key2/matte.%V.%04d.exr }")
    found = other_scripts.users_of(f"{shared}/matte_cache/node", ("key1", "key2"), str(shots / "own.nk"))
    assert found == {"key1": ((shared / "other.nk").as_posix(),)}


def clear_in(bench: ContractBench, window: State, script: Path) -> str:
    """Presses *Clear cache* in a script; returns the message."""
    host.open_script(script.as_posix())
    node = host.find("Cleanplate_Matte1")
    assert node is not None
    window.answers.append(True)
    host.press(node, "clear_cache")
    return window.messages[-1]


@pytest.mark.parametrize("how", ["opened", "baked"])
def test_a_script_in_another_folder_that_was_open_counts(
    how: str, bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that was saved into a folder of published ones shows the results of where it was made."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    own, kept = bench.save(), bench.results(node)
    published = bench.folder / "publish" / "comp_v001.nk"
    published.parent.mkdir()
    if how == "opened":
        published.write_bytes(own.read_bytes())
        host.open_script(published.as_posix())
    else:
        words = ["--node", "all", "--frames", "1-1", "--save", published.as_posix()]
        with monkeypatch.context() as patched:
            patched.setattr(window, "gui", False)
            assert bake.main([own.as_posix(), *words]) == 0
    assert published.as_posix() in clear_in(bench, window, own) and kept[0].exists()
    assert shown_by(bench, published) == kept
    published.unlink()
    clear_in(bench, window, own)
    assert not kept[0].exists() and not list(kept[0].parents[1].parent.glob(f"{kept[0].parents[1].name}/*"))


def test_a_script_under_two_names_is_one(bench: ContractBench, window: State) -> None:
    """As one that is opened by a drive's letter and by a server's name."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    own, results = bench.save(), bench.results(node)
    (bench.folder.parent / "drive").symlink_to(bench.folder, target_is_directory=True)
    host.open_script((bench.folder.parent / "drive" / own.name).as_posix())
    clear_in(bench, window, own)
    assert not results[0].exists()


def test_a_script_on_a_disk_that_is_not_there_may_show_results(tmp_path: Path) -> None:
    node = tmp_path / "matte_cache" / "node"
    node.mkdir(parents=True)
    for script in ("Z:/jobs/comp.nk", f"{tmp_path}/gone.nk"):
        other_scripts.note(node.as_posix(), script)
    assert other_scripts.users_of(node.as_posix(), ["key"], f"{tmp_path}/own.nk") == {"key": ("Z:/jobs/comp.nk",)}
    assert other_scripts.users_of(node.as_posix(), ["key"], "/mnt/jobs/comp.nk"), "too little of the paths agrees"
    other_scripts.note(node.as_posix(), "Z:/jobs/sh010/comp.nk")
    (note,) = [file for file in node.iterdir() if file.read_text() == "Z:/jobs/comp.nk"]
    note.unlink()
    # The asking script itself, by its name on another system.
    assert other_scripts.users_of(node.as_posix(), ["key"], "/mnt/jobs/sh010/comp.nk") == {}


def test_where_nothing_can_be_noted_the_node_works(tmp_path: Path) -> None:
    other_scripts.note(tmp_path.as_posix(), "/a.nk")
    (note,) = tmp_path.iterdir()
    other = tmp_path / "node"
    (other / note.name).mkdir(parents=True)
    other_scripts.note(other.as_posix(), "/a.nk")
    assert other_scripts.users_of(other.as_posix(), ["key"], "/own.nk") == {}


@pytest.mark.parametrize("what", ["a copy", "a Read", "what is saved"])
def test_clear_leaves_the_note_of_a_script_that_still_shows_results(
    what: str, bench: ContractBench, window: State
) -> None:
    """It lies elsewhere, so that nothing but the note in the node's folder leads there from the first script."""
    node = bench.node(bench.shot((1,)), 1, 1, cache_dir=f"{bench.folder.as_posix()}/cache/mattes")
    press(window, bench, node)
    (bench.folder / "publish").mkdir()
    (bench.folder / "work").mkdir()
    own, kept = bench.save("work/comp.nk"), bench.results(node)
    freshness.look_again(node)  # as it does a moment later
    if what == "a copy":
        assert host.copy(node) is not None
    elif what == "a Read":
        host.create("Read", file=bench.shown(node))
    published = bench.save("publish/comp_v001.nk")
    clear_in(bench, window, published)
    if what != "what is saved":
        bench.save("publish/comp_v001.nk")
    assert kept[0].exists(), "the first script shows it too"
    assert published.as_posix() in clear_in(bench, window, own) and kept[0].exists()
    published.unlink()
    clear_in(bench, window, own)
    assert not kept[0].parents[1].exists()


def test_a_note_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """Two Nukes have one script open. One deletes all results, and the other makes them anew."""
    node = tmp_path / "node"
    script = tmp_path / "own.nk"
    script.write_text(f"Read {{ file {node.as_posix()}/key/matte.%V.%04d.exr }}")
    for _ in range(2):
        (node / "key").mkdir(parents=True)
        other_scripts.note(node.as_posix(), script.as_posix())
        (note,) = node.glob("shown_by.*")
        other_scripts.forget(node.as_posix(), script.as_posix())
        assert note.exists(), "a result is left"
        (node / "key").rmdir()
        other_scripts.forget(node.as_posix(), script.as_posix())
        assert not node.exists()


def test_a_script_that_names_no_result_is_forgotten_with_the_last_one(tmp_path: Path) -> None:
    node, names = tmp_path / "node", tmp_path / "names.nk"
    (node / "key").mkdir(parents=True)
    names.write_text(f"{node.as_posix()}/key2/matte.%V.%04d.exr")
    (tmp_path / "names_none.nk").write_text("")
    for script in (names, tmp_path / "names_none.nk"):
        other_scripts.note(node.as_posix(), script.as_posix())
    other_scripts.forget(node.as_posix(), "/own.nk")
    assert len(list(node.glob("shown_by.*"))) == 2
    (node / "key").rmdir()
    other_scripts.forget(node.as_posix(), "/own.nk")
    (note,) = node.glob("shown_by.*")
    assert note.read_text() == names.as_posix()


def rest(window: State) -> None:
    """What was left for a moment later is done, and what that leaves: nothing else looks at the node any more."""
    for _ in range(3):
        until(window, lambda: all(one.name != "cleanplate-rest" for one in threading.enumerate()))
        window.process_events()


@pytest.mark.parametrize("then", ["a moment later", "closed at once"])
def test_a_script_that_was_saved_as_another_is_noted(then: str, bench: ContractBench, window: State) -> None:
    """Save As into another folder, and nothing else: what is shown from there is not deleted from the first one."""
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    own, kept = bench.save(), bench.results(node)
    published = bench.folder / "publish" / "comp_v001.nk"
    published.parent.mkdir()
    rest(window)
    nuke.scriptSaveAs(published.as_posix())
    if then == "a moment later":
        notes = kept[0].parents[1]
        until(window, lambda: any(file.read_text() == published.as_posix() for file in notes.glob("shown_by.*")))
    else:
        nuke.scriptClear()
    assert published.as_posix() in clear_in(bench, window, own) and kept[0].exists()
    assert shown_by(bench, published) == kept
