"""Every kind of file in every role: what reaches the matte is what the file says, or it is refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link.messages import Inline, Matte
from matte_link.options import MatteOptions

from matte_server.core.image import SCENE_LINEAR, Image
from matte_server.errors import MatteError
from matte_server.frame.inputs import FrameInputs
from matte_server.io import exr
from matte_server.io.media import is_video
from matte_server.shots.inputs import NamedPicture, ShotInputs
from matte_server.shots.requests import _RequestFrame
from matte_server.shots.shot import ShotFrame
from matte_server.worker.messages import FrameJob, SpooledPicture
from matte_server.worker.named_files import NamedFiles
from matte_server.worker.reader import FrameReader
from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files as files
from tests.matte_server.file_table import kinds
from tests.matte_server.independent_readers import read_independently
from tests.matte_server.picture_files import FileCase
from tests.matte_server.pictures import Array

KINDS = kinds()
TABLE = [case for cases in KINDS.values() for case in cases]
OPTIONS = MatteOptions()


def as_the_server_reads(path: Path, pictures: ShotInputs, folder: Path, role: str = "") -> FrameInputs:
    """A frame whose plate, clean plate and, with a ``role``, guide are the file, on its way from the command line
    to the worker."""
    roles = ("plate", "clean_plate", *([role] if role else []))
    neutral = folder / "neutral.exr"
    if role:
        # A file that has no colour may be a guide.
        files.exr(neutral, files.planes(np.full((4, 4, 3), 0.5)))
    named: dict[str, Any] = {name: path if name == role or not role else neutral for name in roles}
    frame = ShotFrame(
        frame=1,
        output=folder / "o.exr",
        video_frames={name: 1 for name, file in named.items() if is_video(file)},
        **named,
    )
    request = Matte(
        id="r",
        frame=1,
        plate=Inline(data=b"", name="p"),
        clean_plate=Inline(data=b"", name="c"),
        core=Inline(data=b"", name="g") if role else None,
        options=pictures.request_options(frame, frame.output),
    )
    held = {}
    for name in roles:
        sent = pictures.picture(frame, name)
        assert sent is not None
        spooled = folder / f"{name}{Path(sent.inline.name).suffix}"
        spooled.write_bytes(sent.inline.data)
        held[name] = SpooledPicture(path=str(spooled), name=sent.inline.name)
    return FrameReader(NamedFiles(())).read(FrameJob(number=1, request=request, pictures=held, result="r.exr"))


def assert_light(image: Image, case: FileCase) -> None:
    assert case.light is not None
    assert image.rgb.shape == case.light.shape
    assert float(np.abs(image.rgb - case.light).max()) <= case.tolerance


def assert_guide(guide: Image | None, stored: Array, tolerance: float) -> None:
    assert guide is not None
    assert float(np.abs(guide.pixels[..., 0] - stored).max()) <= tolerance


@pytest.fixture
def pictures() -> ShotInputs:
    return ShotInputs(OPTIONS)


def test_the_table_is_large_enough() -> None:
    assert len({case.name for case in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize("case", TABLE, ids=[case.name for case in TABLE])
def test_a_file_is_what_it_says_in_every_role(case: FileCase, tmp_path: Path, pictures: ShotInputs) -> None:
    path = tmp_path / case.name
    case.write(path)
    with pictures:
        if case.refusal:
            for read in (
                lambda: as_the_server_reads(path, pictures, tmp_path),
                lambda: pictures.background(path, 1),
            ):
                with pytest.raises(MatteError) as refused:
                    read()
                assert refused.value.code == case.refusal and case.warning in str(refused.value)
                assert str(refused.value).count(".") >= 1 and "Traceback" not in str(refused.value)
        else:
            inputs = as_the_server_reads(path, pictures, tmp_path)
            for image in (inputs.pair.plate, inputs.pair.clean_plate, pictures.background(path, 1)):
                assert_light(image, case)
                assert_windows_and_attributes(image, case)
            for image in (inputs.pair.plate, pictures.background(path, 1)):
                warnings = " ".join(image.file_warnings())
                assert (case.warning in warnings) if case.warning else not warnings
        if case.stored is not None:
            # What a guide has is what the file stores; 10 bits reach the server as half floats.
            guide = as_the_server_reads(path, pictures, tmp_path, "core").guides.core
            steps = {".mkv": 0.005, ".mp4": 0.012, ".jpg": 0.015, ".hdr": 0.004}.get(path.suffix, 0.003)
            assert_guide(
                guide, case.stored, max(steps, 0.02 if "gif" in case.name or "palette" in case.name else 0)
            )


@pytest.mark.parametrize("kind", KINDS)
def test_readers_of_others_find_the_same(kind: str, tmp_path: Path) -> None:
    """What the table says is right is what Pillow, tifffile, FFmpeg, MediaInfo, LittleCMS and OpenEXR find."""
    wrong = []
    for case in KINDS[kind]:
        if case.light is None or case.only_by_rule:
            continue
        path = tmp_path / case.name
        case.write(path)
        found = read_independently(path, case)
        assert found.light.shape == case.light.shape, case.name
        difference = float(np.abs(found.light - case.light).max())
        if difference > case.tolerance + found.precision:
            wrong.append(f"{case.name} by {found.readers}: {difference:.4f}")
    assert not wrong


def assert_windows_and_attributes(image: Image, case: FileCase) -> None:
    if case.windows:
        found = [(w.x, w.y, w.width, w.height) for w in (image.data_window, image.display_window)]
        assert found == list(case.windows)
    for name, (kind, data) in case.attributes.items():
        assert image.metadata[name] == exr.RawAttribute(type=kind, data=data)


def test_a_stated_colourspace_replaces_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "p3.png"
    files.png(
        path, np.full((4, 4, 3), 0.5), chunks=[files.icc_chunk(files.icc_profile(formulas.PRIMARIES["P3"], b"x"))]
    )
    stated = replace(OPTIONS, colourspace="acescg", clean_colourspace="linear")
    with ShotInputs(stated) as pictures:
        inputs = as_the_server_reads(path, pictures, tmp_path)
    assert inputs.pair.plate.file_warnings() == ()
    # Grey stays grey, for both whites are neutral; ACES's matrices are rounded.
    assert np.allclose(inputs.pair.plate.rgb, 0.5, atol=1e-3)
    assert np.allclose(inputs.pair.clean_plate.rgb, 0.5, atol=1e-4)


def test_a_wrong_suffix_does_not_decide_the_colourspace_of_the_result(tmp_path: Path, pictures: ShotInputs) -> None:
    """The result of an EXR is in the EXR's colourspace, that of any other picture scene-linear."""
    files.png(tmp_path / "png.exr", np.full((4, 4, 3), 0.5))
    acescg = {"colorInteropID": ("string", b"lin_ap1_scene")}
    files.exr(tmp_path / "exr.png", files.planes(np.full((4, 4, 3), 0.5)), attributes=acescg)
    for name, space in (("png.exr", SCENE_LINEAR), ("exr.png", "ACEScg")):
        assert as_the_server_reads(tmp_path / name, pictures, tmp_path).result_colourspace == space


def test_a_warning_that_two_files_share_is_one_sentence_that_names_both() -> None:
    cut, odd = "Its end is missing.", "Its rate is odd."
    pictures = {
        "plate": NamedPicture.of(b"a", "a.mov", (cut,)),
        "clean_plate": NamedPicture.of(b"b", "b.mov", (cut, odd)),
    }
    frame = _RequestFrame(pictures=pictures, alignment={}, colour={})
    assert frame.warnings == ("Its end is missing (plate, clean plate).", "Its rate is odd (clean plate).")


def test_so_it_is_where_the_server_reads_both(tmp_path: Path, pictures: ShotInputs) -> None:
    path, odd, gif = tmp_path / "a.png", (b"cICP", bytes((1, 9, 0, 1))), tmp_path / "a.gif"
    files.png(path, np.full((8, 8, 3), 0.5), chunks=[odd])
    assert as_the_server_reads(path, pictures, tmp_path).file_warnings == (
        "The tag cICP 1/9/0/1 is not supported (plate, clean plate).",
    )
    assert as_the_server_reads(path, pictures, tmp_path, "core").file_warnings == ()  # a guide has no colour
    files.several(gif, np.linspace(0.2, 0.8, 192).reshape(8, 8, 3))
    assert as_the_server_reads(gif, pictures, tmp_path, "core").file_warnings == (
        "The file holds several pictures, and the first one was read (core).",
    )
