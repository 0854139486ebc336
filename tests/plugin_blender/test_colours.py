"""Colour configurations and working spaces, in real Blender; and any error in a background render."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import Blender, every_version, newest_version, read

pytestmark = pytest.mark.timeout(900)
# Part of the OpenColorIO library: the configuration that ACES publishes for computer graphics.
ACES = "ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3"


def check(blender: Blender, shot: Path, *arguments: str, **environment: str) -> None:
    """Sent as a file or rendered through another space, and shown by the comp: the colours of the file."""
    facts = blender.case("colours", shot, *arguments, code=0, **environment).facts
    assert facts["kinds"][1] == "FileSource"
    plate, direct, rendered = (
        read(Path(path)) for path in (shot / "plate.0001.exr", facts["direct"], facts["rendered"])
    )
    solid = direct[..., 3] == 1.0
    assert solid.sum() > 100
    # float32 matrices there and back, of colours up to 65000 beside 0.05: some 1e-6 of the brightest channel.
    scale = 1e-5 * np.abs(plate[..., :3]).max(-1, keepdims=True) + 2e-4
    assert (abs(direct[..., :3] - plate[..., :3]) <= scale)[solid].all()
    assert (abs(rendered[..., :3] - direct[..., :3]) <= scale)[solid & (rendered[..., 3] == 1.0)].all()
    assert (abs(read(Path(facts["out"]))[..., :3] - rendered[..., :3]) <= scale)[solid].all()


def test_a_studios_aces_configuration(blender: Blender, shot: Path) -> None:
    check(blender, shot, OCIO=ACES)


@pytest.mark.parametrize("space", ["ACEScg", "Linear Rec.2020"])
@every_version
def test_other_working_spaces(blender: Blender, shot: Path, space: str) -> None:
    if blender.version.name == "bpy45":
        pytest.skip("the working space of 4.5 is that of its configuration")
    check(blender, shot, space)


@newest_version
def test_a_working_space_that_no_server_knows_is_said(blender: Blender, shot: Path) -> None:
    (own,) = blender.version.folder.glob("lib/*/site-packages/bpy/*/datafiles/colormanagement/config.ocio")
    (shot / "luts").symlink_to(own.parent / "luts")
    words = own.read_text(encoding="utf-8")
    assert "scene_linear: Linear Rec.709" in words
    other = words.replace("scene_linear: Linear Rec.709", "scene_linear: Linear DCI-P3 D65")
    (shot / "config.ocio").write_text(other, encoding="utf-8")
    facts = blender.case("colours", shot, "unknown", OCIO=str(shot / "config.ocio")).facts
    assert facts["said"].startswith("The working space of this OCIO configuration is not Rec.709")


def test_any_error_ends_a_background_render_before_a_frame_is_written(blender: Blender, shot: Path) -> None:
    for where in ("make,broken_planning", "broken_serving"):
        outcome = blender.case("files", where, shot, code=7)
        assert "TypeError: something nobody expected" in outcome.output, where
        assert list(shot.glob("broken/*")) == [], where
