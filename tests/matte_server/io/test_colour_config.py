"""What names an OCIO config: its content and that of its LUTs, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.io.colour_config import config_digest

CONFIG = """ocio_profile_version: 2
{search}
colorspaces:
  - !<ColorSpace>
    name: graded
    to_scene_reference: !<FileTransform> {{src: {lut}, interpolation: linear}}
  - !<ColorSpace>
    name: another
    to_scene_reference: !<GroupTransform>
      children:
        - !<FileTransform>
          src: "second look.spi1d"
"""


def write(folder: Path, search: str = "search_path: luts:more", lut: str = "grade.cube") -> Path:
    for place in ("luts", "more"):
        (folder / place).mkdir(parents=True)
    (folder / "luts" / "grade.cube").write_text("cube")
    (folder / "more" / "second look.spi1d").write_text("spi")
    (folder / "luts" / "unused.cube").write_text("unused")
    path = folder / "config.ocio"
    path.write_text(CONFIG.format(search=search, lut=lut))
    return path


@pytest.mark.parametrize(
    "search", ["search_path: luts:more", "search_path:\n  - luts\n  - more", 'search_path: "luts:more"']
)
@pytest.mark.parametrize("lut", ["grade.cube", "'grade.cube'", "./grade.cube"])
def test_a_changed_lut_is_another_config_and_an_unused_file_is_not(tmp_path: Path, search: str, lut: str) -> None:
    config = write(tmp_path / "a", search, lut)
    first = config_digest(str(config))
    assert first == config_digest(str(write(tmp_path / "b", search, lut))) and len(first) == 32
    (tmp_path / "a/luts/unused.cube").write_text("changed")
    assert config_digest(str(config)) == first
    found = {first}
    for changed in ("a/luts/grade.cube", "a/more/second look.spi1d", "a/config.ocio"):
        with (tmp_path / changed).open("a") as file:
            file.write("# more")
        found.add(config_digest(str(config)))
    assert len(found) == 4


def test_the_config_of_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path / "a")
    monkeypatch.delenv("OCIO", raising=False)
    assert config_digest("") == ""
    monkeypatch.setenv("OCIO", str(config))
    assert config_digest("") == config_digest(str(config)) != ""
    # Configs that OCIO brings along are named; one that is not there is named by its path.
    assert config_digest("ocio://default") == "ocio://default"
    assert config_digest(str(tmp_path / "none.ocio")) == str(tmp_path / "none.ocio")
