"""What names an OCIO config: its content and that of its LUTs, wherever it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from matte_server.errors import MatteError
from matte_server.io.colour import check_config
from matte_server.io.colour_config import LARGEST_FILE, config_digest, unusable_file

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


def refusal(config: Path) -> str:
    with pytest.raises(MatteError) as refused:
        check_config(str(config))
    assert refused.value.code == "bad_ocio_config"
    return str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has neither")
@pytest.mark.parametrize("search", ["search_path: luts:more", "search_path:\n  - luts\n  - more"])
def test_a_lut_that_would_never_end_is_refused(tmp_path: Path, search: str) -> None:
    """OpenColorIO opens each when a colour is converted: it would wait, or read, for ever."""
    pipe, device = tmp_path / "a/luts/pipe.cube", tmp_path / "b/luts/zero.cube"
    configs = write(tmp_path / "a", search, pipe.name), write(tmp_path / "b", search, device.name)
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for config, lut in zip(configs, (pipe, device), strict=True):
        assert refusal(config) == (
            f"The OCIO config {config} cannot be used: {lut}, which it names, is neither a file nor a folder."
        )
        assert len(config_digest(str(config))) == 32
    config_pipe = tmp_path / "pipe.ocio"
    os.mkfifo(config_pipe)
    assert refusal(config_pipe) == f"There is no OCIO config at {config_pipe}."
    assert config_digest(str(config_pipe)) == str(config_pipe)


def test_a_folder_called_like_a_lut_is_passed_over(tmp_path: Path) -> None:
    """OpenColorIO passes over it too."""
    config = write(tmp_path / "a")
    (tmp_path / "a/more/grade.cube").mkdir()
    assert unusable_file(config) == ""


def test_files_of_a_size_that_no_lut_has_are_refused(tmp_path: Path) -> None:
    config = write(tmp_path / "a")
    lut = tmp_path / "a/luts/grade.cube"
    for path, named in ((lut, f"{lut}, which it names,"), (config, str(config))):
        with path.open("r+b") as file:
            # Without blocks on the disk.
            file.truncate(LARGEST_FILE + 1)
        assert refusal(config) == f"The OCIO config {config} cannot be used: {named} is larger than 256 MiB."
        with path.open("r+b") as file:
            file.truncate(100)
