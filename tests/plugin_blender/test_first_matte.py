"""From the installed add-on to the first matte, in real Blender."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Blender, every_version
from .package_index import PackageIndex, needed_wheel, server_wheel

pytestmark = pytest.mark.timeout(900)


@every_version
def test_set_up_server_add_and_where_they_act(blender: Blender, shot: Path, tmp_path: Path) -> None:
    home, beside = tmp_path / "home", tmp_path / "wheels"
    home.mkdir()
    wheel = server_wheel(beside)
    needed = needed_wheel(tmp_path / "index")
    with PackageIndex(needed.parent).serving() as index:
        facts = blender.case(
            "first_matte",
            shot,
            wheel,
            needed,
            BLENDER_USER_RESOURCES=str(home),
            HOME=str(home),
            PIP_INDEX_URL=f"{index.url}/simple/",
            PIP_FIND_LINKS=f"{index.url}/simple/",
        ).facts
    assert facts["command"].strip() == "serving"
    # Blender works offline in these tests.
    assert index.asked == []
