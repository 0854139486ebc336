"""From the installed add-on to the first matte, in real Blender."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from .conftest import Blender

pytestmark = pytest.mark.timeout(900)


def make_wheel(folder: Path) -> Path:
    """A wheel called cleanplate, whose command prints a word: no download of gigabytes in a test."""
    wheel = folder / "cleanplate-0.0.1-py3-none-any.whl"
    files = {
        "named_server.py": "def main():\n    print('serving')\n",
        "cleanplate-0.0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: cleanplate\nVersion: 0.0.1\n",
        "cleanplate-0.0.1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "cleanplate-0.0.1.dist-info/entry_points.txt": "[console_scripts]\ncleanplate = named_server:main\n",
    }
    files["cleanplate-0.0.1.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def test_set_up_server_add_and_where_they_act(blender: Blender, shot: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    facts = blender.case("first_matte", shot, make_wheel(tmp_path), BLENDER_USER_RESOURCES=str(home)).facts
    assert facts["command"].strip() == "serving"
