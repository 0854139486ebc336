"""What a result was made from, in real Blender: no edit upstream goes unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Blender, every_version

pytestmark = pytest.mark.timeout(900)


@every_version
def test_a_file_that_is_opened_again_finds_the_same_results(blender: Blender, shot: Path) -> None:
    """Machines without the add-on look where they were when it was saved."""
    facts = blender.case("reopened", shot).facts
    assert facts["kinds"] > 90 and facts["objects"] >= 9
    assert {name: facts[name] for name in ("compositor", "scene", "again")} == {
        "compositor": [],
        "scene": [],
        "again": [],
    }


@every_version
def test_no_setting_of_any_node_changes_the_picture_unnoticed(blender: Blender, shot: Path) -> None:
    facts = blender.case("every_node", shot).facts
    rows: list[list[Any]] = facts["rows"]
    assert facts["kinds"] > 90 and len(rows) > 550
    unnoticed = [row for row in rows if row[2] == "UNNOTICED"]
    # The numbers of a still have no say, and which line of a list is marked.
    assert len(unnoticed) < 12
    assert [row for row in unnoticed if row[3]] == []


def test_every_edit_upstream_is_noticed_or_called_unknown(blender: Blender, shot: Path) -> None:
    found = blender.case("edits", shot).facts["found"]
    quiet = {name for name in found if name.startswith("(none)")}
    assert len(found) - len(quiet) >= 160
    assert {name: state for name, state in found.items() if name not in quiet and state == "UNNOTICED"} == {}
    assert {name: found[name] for name in quiet if found[name] != "UNNOTICED"} == {}
    # What has settings to compare is compared.
    unknown = {name for name in found if found[name] == "unknown"}
    assert unknown == {name for name in found if name.startswith("(unknown)")}


def test_what_happens_to_files_frames_and_names(blender: Blender, shot: Path) -> None:
    found: dict[str, list[bool]] = blender.case("events", shot).facts["found"]
    assert len(found) == 32
    # Whether it is noticed, and whether it is forgotten once it is taken back.
    assert found == {name: [not name.startswith("("), True] for name in found}
