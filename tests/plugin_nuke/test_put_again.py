"""Files that are put there again with their old sizes and times, as by ``cp -p``, ``rsync -t`` or in one second: no
matte of the file before passes for one of the new."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nuke
import pytest
from cleanplate_node import freshness, host, manifest, node_options, plain_exr, sources
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import press

Put = Callable[[Path, Path], object]
# The clock of a disk counts in steps of the kernel, of 10 ms at most.
_TICK_S = 0.03


def over_it(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def in_its_place(source: Path, target: Path) -> None:
    source.replace(target)


def put_again(target: Path, picture: plain_exr.PlainImage, put: Put = shutil.copyfile) -> None:
    """Another picture of the size and time of the one that is there."""
    before, source = target.stat(), target.with_suffix(".new")
    plain_exr.write(source, picture)
    time.sleep(_TICK_S)
    put(source, target)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = target.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns), "the test's own premise"


@pytest.mark.parametrize("put", [over_it, in_its_place, shutil.copy2])
def test_another_picture_is_noticed_and_made(put: Put, bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    assert press(window, bench, node) == "up to date, 3 done"
    # The subject of frame 2 stands where that of frame 5 would.
    put_again(shot / "plate.0002.exr", bench.plate(5, bench.clean()), put)
    found = freshness.check(node, deep=False)
    assert found.text == "unknown: whether the sources of frame 2 changed. Press 'Process range' to compare."
    # The stand-in's hashes, as Nuke's, do not see it either.
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 2), 5)
    assert freshness.check(node, deep=False).text.startswith("up to date")


def test_the_frame_alone_is_made_again(bench: ContractBench, window: State) -> None:
    """Process frame asks for one frame; a quiet plan, as of the frames around, asks for no hashes."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2)
    press(window, bench, node)
    put_again(shot / "plate.0001.exr", bench.plate(6, bench.clean()))
    found = sources.sources_of(node)
    key = sources.SourceKeys(found, node_options.options_of(node), ()).keys((1,), ("main",))[1, "main"]
    folder = str(Path(bench.shown(node)).parent)
    assert not key.hashes and not manifest.has_result(folder, 1, "main", key)
    assert manifest.has_result(folder, 1, "main", replace(key, witness=""))


@pytest.mark.parametrize("kind", ["Retime", "temporal"])
def test_other_frames_that_count(kind: str, bench: ContractBench, window: State) -> None:
    """Behind a node that may take any frame every file counts, and with smoothing the frames beside."""
    shot = bench.shot((1, 2, 3, 4))
    plate, clean = bench.read(shot / "plate.%04d.exr", 1, 4), bench.read(shot / "clean.exr", 1, 1)
    if kind == "Retime":
        retime = host.create("Retime")
        host.connect(retime, 0, plate)
        node = bench.node_on(retime, clean, range_mode="custom", first=1, last=2)
    else:
        node = bench.node_on(plate, clean, range_mode="custom", first=1, last=2, temporal=0.5)
    assert press(window, bench, node) == "up to date, 2 done"
    put_again(shot / "plate.0004.exr", bench.plate(7, bench.clean()))
    seen = freshness.check(node, deep=False).text
    assert seen.startswith("unknown: whether the sources of frames 1-2 ") == (kind == "Retime"), seen
    put_again(shot / "plate.0003.exr", bench.plate(7, bench.clean()))
    seen = freshness.check(node, deep=False).text
    frames = "frames 1-2" if kind == "Retime" else "frame 2"
    assert seen.startswith(f"unknown: whether the sources of {frames} "), seen


def test_a_copy_elsewhere_and_another_machine_have_the_same_key(bench: ContractBench, window: State) -> None:
    """The witness is no part of the key: files that are copied with their times have the results of the others."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    time.sleep(_TICK_S)
    copy = Path(shutil.copytree(shot, bench.folder / "copy" / shot.name))
    for role in (0, 1):
        read = host.input_of(node, role)
        assert read is not None
        name = str(host.value(read, "file")).rpartition("/")[2]
        read["file"].setValue(f"{copy.as_posix()}/{name}")
    record = manifest.read(str(Path(bench.shown(node)).parent), 1, "main")
    found = sources.sources_of(node)
    key = sources.SourceKeys(found, node_options.options_of(node), ()).keys((1,), ("main",))[1, "main"]
    assert record is not None and record.witness and key.witness != record.witness
    assert key.is_known_to_equal(record.key) and not key.was_touched_since(record.key)
    nuke.scriptClear()
