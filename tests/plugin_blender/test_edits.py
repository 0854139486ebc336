"""What a result was made from, in real Blender: no edit upstream goes unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Blender

pytestmark = pytest.mark.timeout(900)


def test_every_edit_upstream_is_noticed_or_called_unknown(blender: Blender, shot: Path) -> None:
    found = blender.case("edits", shot).facts["found"]
    quiet = {name for name in found if name.startswith("(none)")}
    assert len(found) - len(quiet) >= 140
    assert {name: state for name, state in found.items() if name not in quiet and state == "UNNOTICED"} == {}
    assert {name: found[name] for name in quiet if found[name] != "UNNOTICED"} == {}
    # What has settings to compare is compared.
    assert {name for name in found if found[name] == "unknown"} == {
        "a point of a mask",
        *(name for name in found if name.startswith("(unknown)")),
    }
