"""What a result depends on: its key, and its maker."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matte_link.file_digest import file_digest
from matte_link.messages import Pong
from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs
from matte_link.result_key import OTHER, SAME, UNKNOWN, FrameSources, Maker, compare_makers, result_key

OWN = FrameSources({"plate": "p1", "clean_plate": "c1"}, {"kind": "translation"})
AROUND = {"before": FrameSources({"plate": "p0", "clean_plate": "c1"})}
MAKER = Maker(version="1.0", model="cleanplate", weights="abc")


def other_value(spec: OptionSpec) -> Any:
    """A value of an option that is not its default."""
    if spec.type is bool:
        return not spec.default
    if spec.choices:
        return next(choice for choice in spec.choices if choice != spec.default)
    special = {"region": "1 2 3 4", "white_point": 0.5}
    return special.get(spec.name, {str: "x", int: 3, float: 0.25}[spec.type])


@pytest.mark.parametrize("spec", option_specs(), ids=lambda spec: spec.name)
def test_no_option_can_be_forgotten(spec: OptionSpec) -> None:
    """Each option changes the keys of the stage that it affects and of all later ones, but of no earlier one."""
    changed = MatteOptions(**{spec.name: other_value(spec)})
    stages = ("alignment", "model", "foreground", "edges", "output")
    own = stages.index(spec.affects)
    for number, stage in enumerate(stages):
        is_same = result_key(OWN, changed, stage=stage) == result_key(OWN, MatteOptions(), stage=stage)
        assert is_same == (number < own), stage


def test_weights_count_by_their_content_and_not_by_their_place(tmp_path: Path) -> None:
    here, there = tmp_path / "a.learned", tmp_path / "moved" / "b.learned"
    there.parent.mkdir()
    for path in (here, there):
        path.write_bytes(b"weights")

    def key(weights: object) -> str:
        return result_key(OWN, MatteOptions(weights=str(weights)))

    assert key(here) == key(there) != key("on-the-server.pth")
    learnt = key(here)
    here.write_bytes(b"learnt anew")
    assert key(here) != learnt == key(there)


def test_a_key_names_everything_that_a_result_depends_on() -> None:
    smoothed = MatteOptions(temporal=0.5)
    moved = replace(OWN, alignment={"kind": "none"})
    keys = [
        result_key(OWN, MatteOptions(), maker=MAKER),
        result_key(FrameSources({"plate": "p2", "clean_plate": "c1"}, OWN.alignment), MatteOptions(), maker=MAKER),
        result_key(moved, MatteOptions(), maker=MAKER),
        result_key(OWN, MatteOptions(erode=1.0), maker=MAKER),
        result_key(OWN, MatteOptions(), maker=replace(MAKER, version="1.1")),
        result_key(OWN, MatteOptions(), maker=replace(MAKER, model="v2")),
        result_key(OWN, MatteOptions(), maker=replace(MAKER, weights="abd")),
        result_key(OWN, smoothed, {}, MAKER),
        result_key(OWN, smoothed, AROUND, MAKER),
        result_key(OWN, smoothed, {"after": AROUND["before"]}, MAKER),
    ]
    assert len(set(keys)) == len(keys)
    assert result_key(OWN, MatteOptions(), AROUND, MAKER) == keys[0], "neighbours do not count without smoothing"


def test_keys_do_not_change_between_versions() -> None:
    """Hosts keep keys beside their results: a key made otherwise would call every result of theirs stale."""
    key = result_key(OWN, MatteOptions(erode=1.5), maker=MAKER)
    # Made by this function when it was written; the digest is BLAKE2b of the facts as sorted JSON without spaces.
    assert key == "d9e57be7ac860efda4d9ccac0ff88788"
    turned = FrameSources({"clean_plate": "c1", "plate": "p1"}, OWN.alignment)
    assert result_key(turned, MatteOptions(erode=1.5), maker=MAKER) == key


def test_the_maker_is_what_the_server_would_run_now(tmp_path: Path) -> None:
    server = Pong(
        id="1",
        version="2.0",
        wire=1,
        models=("cleanplate", "v2"),
        instance="here",
        weights={"cleanplate": "aa", "v2": "bb"},
    )
    assert Maker.of(MatteOptions(), server) == Maker(version="2.0", model="cleanplate", weights="aa")
    assert Maker.of(MatteOptions(model="v2"), server) == Maker(version="2.0", model="v2", weights="bb")
    assert Maker.of(MatteOptions(model="difference"), server) == Maker(
        version="2.0", model="difference", weights=""
    )
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    named = Maker.of(MatteOptions(model="v2", weights=str(weights)), server)
    assert named == Maker(version="2.0", model="v2", weights=file_digest(weights))
    # As `b2sum -l 128` prints it.
    assert named.weights == "873ac3c6df553eaa62331fd4ff9b521a"
    assert Maker.of(MatteOptions(model="v2", weights="only_there.pth"), server).weights is None
    assert Maker.from_dict(named.to_dict()) == named
    assert Maker.from_dict({"version": "1"}) is None and Maker.from_dict("x") is None


def test_a_weights_file_is_read_again_only_where_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, other = tmp_path / "w.pth", tmp_path / "other.pth"
    weights.write_bytes(b"one")
    other.write_bytes(b"two")
    real, opened = Path.open, []

    def counted(path: Path, *words: Any) -> Any:
        opened.append(path)
        return real(path, *words)

    monkeypatch.setattr(Path, "open", counted)
    first = file_digest(weights)
    assert file_digest(weights) == first and opened == [weights]
    # Of the same size and time, as a file is that a version control puts in its place.
    os.utime(other, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns))
    other.replace(weights)
    assert file_digest(weights) != first and opened == [weights, weights]
    weights.unlink()
    with pytest.raises(FileNotFoundError):
        file_digest(weights)


def test_makers_that_differ_in_anything_are_not_the_same() -> None:
    old = replace(MAKER, version="0.9")
    assert compare_makers([MAKER, MAKER], MAKER) == (SAME, SAME)
    assert compare_makers([old, MAKER], MAKER) == (OTHER, SAME)
    assert compare_makers([MAKER, replace(MAKER, model="v2")], MAKER) == (SAME, OTHER)
    assert compare_makers([MAKER, replace(MAKER, weights="zzz")], MAKER) == (SAME, OTHER)
    assert compare_makers([None, MAKER], MAKER) == (OTHER, SAME)


def test_without_a_server_makers_are_compared_with_the_last_one_and_unknown_weights_are_unknown() -> None:
    old = replace(MAKER, version="0.9")
    assert compare_makers([old, MAKER]) == (OTHER, SAME)
    assert compare_makers([None, None]) == (UNKNOWN, UNKNOWN)
    assert compare_makers([replace(MAKER, weights=None)], MAKER) == (UNKNOWN,)
    assert compare_makers([MAKER], replace(MAKER, weights=None)) == (UNKNOWN,)
