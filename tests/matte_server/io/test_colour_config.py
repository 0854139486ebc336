"""What names an OCIO config: its content and that of its LUTs, wherever it lies."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io.colour import check_config, to_scene_linear
from matte_server.io.colour_config import LARGEST_FILE, config_digest, luts_of, unusable_file
from tests.matte_server.pictures import image

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


SQUARED = "LUT_1D_SIZE 17\n" + "".join(f"{(at / 16) ** 2:.6f} " * 3 + "\n" for at in range(17))
ONE_LUT = """ocio_profile_version: 2
{search}
roles: {{default: raw, scene_linear: lin_rec709}}
file_rules: [!<Rule> {{name: Default, colorspace: raw}}]
displays: {{sRGB: [!<View> {{name: Raw, colorspace: raw}}]}}
colorspaces:
  - !<ColorSpace> {{name: raw, isdata: true}}
  - !<ColorSpace>
    name: lin_rec709
    aliases: ["Linear Rec.709 (sRGB)"]
  - !<ColorSpace>
    name: squared
    to_scene_reference: !<FileTransform> {source}
"""
IN_LUTS, PLAIN = "search_path: luts", "{src: grade.cube}"


@pytest.mark.parametrize(
    ("search", "source"),
    [
        ("search_path: >-\n  more luts:\n  luts", PLAIN),
        ("search_path: |  # folders\n  luts", PLAIN),
        ('search_path: "more luts:\n  luts"', PLAIN),
        ("'search_path': [\"more luts\",\n  'luts']", PLAIN),
        ("search_path:\n\n  # here\n  - luts # and\n\n  - more luts", PLAIN),
        ('"environment":\n  "L": luts  # a folder\nsearch_path: ${L}:more luts', PLAIN),
        (IN_LUTS, '{"src":"grade.cube","interpolation":"best"}'),
        (IN_LUTS, '{src : "\\x67rade.cube"}'),
        (IN_LUTS, "{src: !!str grade.cube}"),
        (IN_LUTS, "{src: &lut 'grade.cube'}  # src: no.cube"),
        (IN_LUTS, "\n      src: >-\n        grade.cube\n      interpolation: best"),
        (IN_LUTS, "\n      interpolation: best\n      src:\n        grade.cube"),
        ("environment: {N: grade}\n" + IN_LUTS, "\n      src: ${N}.cube\n      cccid: x"),
    ],
)
def test_luts_are_found_where_opencolorio_finds_them(tmp_path: Path, search: str, source: str) -> None:
    """However a config in YAML (1.2) spells their names and folders."""
    lut, config = tmp_path / "luts" / "grade.cube", tmp_path / "config.ocio"
    lut.parent.mkdir()
    lut.write_text(SQUARED)
    config.write_text(ONE_LUT.format(search=search, source=source))
    found = to_scene_linear(image(np.full((2, 3, 3), 0.5)), "squared", str(config))
    assert np.allclose(found.pixels, 0.25, atol=1e-6)  # float32
    assert luts_of(str(config)) == [lut]


def test_an_archive_of_a_config_and_its_luts(tmp_path: Path) -> None:
    path = tmp_path / "house.ocioz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.ocio", ONE_LUT.format(search=IN_LUTS, source=PLAIN))
        archive.writestr("luts/grade.cube", SQUARED)
    found = to_scene_linear(image(np.full((2, 3, 3), 0.5)), "squared", str(path))
    assert np.allclose(found.pixels, 0.25, atol=1e-6)  # float32
    first = config_digest(str(path))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("luts/another.cube", SQUARED)
    assert config_digest(str(path)) != first


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
