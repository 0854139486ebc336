"""Artists' files through the real command and server: a camera's metadata, both eyes of a stereo shot, trimaps.

``pytest -rP -k metadata`` on this file prints a camera's attributes before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from matte_server.cli import main as cli
from matte_server.core.image import Float32, Image
from matte_server.core.window import Window
from matte_server.io import exr, exr_header
from matte_server.io.colour import from_scene_linear
from matte_server.server.local_server import LocalServer
from tests.matte_server import picture_files
from tests.matte_server.io.test_exr import CAMERA, raw_exr
from tests.matte_server.pictures import image, room, soft_disc

HEIGHT, WIDTH = 96, 128
WINDOW = Window(0, 0, WIDTH, HEIGHT)
STILL = ("--model", "difference", "--align", "none", "--no-match-exposure")
RED = np.array([2.0, 0.1, 0.05], np.float32)
Command = Callable[..., int]


@pytest.fixture
def cleanplate(server: LocalServer) -> Command:
    """``cleanplate matte`` against the folder's server; returns the exit code."""
    return lambda *arguments: cli.main(["matte", *map(str, arguments), *STILL, "--server", server.endpoint.address])


def disc(x: float) -> Float32:
    """Where the subject stands: a disc at x."""
    return soft_disc(HEIGHT, WIDTH, (x, HEIGHT / 2), 24, 3.0)


def plate_of(wall: Float32, alpha: Float32) -> Float32:
    return np.asarray(alpha[..., None] * RED + (1 - alpha[..., None]) * wall, np.float32)


def save(path: Path, pixels: Float32, metadata: dict[str, object] | None = None) -> Path:
    exr.write_image(
        path,
        Image(
            pixels=pixels,
            channels=("R", "G", "B"),
            data_window=WINDOW,
            display_window=WINDOW,
            metadata=metadata or {},
        ),
    )
    return path


# -- what a camera wrote

# Attributes of how a file is stored; a result is stored in its own way.
STORAGE = ("channels", "compression", "lineOrder", "type", "version", "chunkCount")
OURS = {"cleanplate:diagnostics", "cleanplate:stamp", "cleanplate:unpremultiplied"}


def test_metadata_before_and_after(cleanplate: Command, tmp_path: Path) -> None:
    """The table: every attribute of a camera's EXR, byte by byte, before and after ``cleanplate matte``."""
    source, output, data = tmp_path / "camera.exr", tmp_path / "matte.exr", Window(-3, 2, WIDTH, HEIGHT)
    wall = room(HEIGHT, WIDTH)
    plate = plate_of(wall, disc(64))
    raw_exr(source, data, {name: (plate[..., "RGB".index(name)], 1) for name in "BGR"}, CAMERA)
    exr.write_image(
        tmp_path / "clean.exr",
        Image(pixels=wall, channels=("R", "G", "B"), data_window=data, display_window=Window(0, 0, 100, 100)),
    )
    assert cleanplate(source, "--clean", tmp_path / "clean.exr", "-o", output) == 0
    before, after = (exr_header.parts(path.read_bytes())[0] for path in (source, output))
    print(f"{'attribute':52} {'type':15} before = after")
    for name in sorted({*before, *after}):
        kind = (before.get(name) or after[name]).type
        same = "written anew" if name in (*STORAGE, *OURS) else before.get(name) == after.get(name)
        print(f"{name:52} {kind:15} {same}")
    for name, attribute in before.items():
        if name not in STORAGE:
            assert after[name] == attribute, name
    assert set(after) - set(before) - set(STORAGE) == OURS
    _, channels = picture_files.exr_planes(output)
    assert sorted(channels) == ["A", "B", "G", "R"] and channels["A"].shape == (HEIGHT, WIDTH)


AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
REC709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)


@pytest.mark.parametrize(
    ("arguments", "primaries"),
    [
        ((), AP1),
        (("--output-colourspace", "acescg"), AP1),
        (("--output-colourspace", "linear"), REC709),
        (("--output-colourspace", "logc4"), None),
        (("--colourspace", "linear"), REC709),
    ],
    ids=["as it came", "its own", "linear", "log", "stated as linear"],
)
def test_a_result_is_tagged_with_the_primaries_of_its_colour(
    cleanplate: Command, tmp_path: Path, arguments: tuple[str, ...], primaries: tuple[float, ...] | None
) -> None:
    """An ACEScg plate; the result's tag is what its colour is in, so that reading it again gives the subject."""
    wall = room(HEIGHT, WIDTH)
    tags: dict[str, object] = {
        "chromaticities": exr.Attribute(type="float[8]", value=AP1),
        "colorInteropID": exr.Attribute(type="string", value="lin_ap1_scene"),
    }
    for name, pixels in (("plate", plate_of(wall, disc(64))), ("clean", wall)):
        light = Image(pixels=pixels, channels=("R", "G", "B"), data_window=WINDOW, display_window=WINDOW)
        save(tmp_path / f"{name}.exr", from_scene_linear(light, "acescg").pixels, tags)
    output, comp = tmp_path / "matte.exr", tmp_path / "comp.exr"
    save(tmp_path / "sea.exr", room(HEIGHT, WIDTH, seed=9))
    more = ("--background", tmp_path / "sea.exr", "--comp", comp)
    assert (
        cleanplate(tmp_path / "plate.exr", "--clean", tmp_path / "clean.exr", "-o", output, *more, *arguments) == 0
    )
    header, channels = picture_files.exr_planes(output)
    assert header.get("chromaticities") == (None if primaries is None else pytest.approx(primaries, abs=1e-6))
    assert header.get("colorInteropID") == ("lin_ap1_scene" if primaries == AP1 else None)
    if primaries is not None and arguments[:1] != ("--colourspace",):
        again = exr.read_image(output)
        assert again.colourspace == ("ACEScg" if primaries == AP1 else "scene-linear Rec.709")
        red = from_scene_linear(image(RED[None, None]), again.colourspace).pixels[0, 0].tolist()
        found = [float(channels[name][HEIGHT // 2, WIDTH // 2]) for name in "RGB"]
        assert found == pytest.approx(red, rel=3e-3, abs=1e-3)
    # A comp is scene-linear Rec.709, whatever the matte is in.
    assert picture_files.exr_planes(comp)[0]["chromaticities"] == pytest.approx(REC709, abs=1e-6)


# -- layers and eyes


def both_eyes(path: Path, kind: str, left: Float32, right: Float32) -> None:
    """A stereo EXR of beauty and depth, as two parts or as channels side by side; its main R, G, B is a decoy."""

    def planes(pixels: Float32, prefix: str) -> dict[str, Any]:
        return {prefix + name: np.ascontiguousarray(pixels[..., step]) for step, name in enumerate("RGB")}

    decoy = np.full((HEIGHT, WIDTH, 3), 7.0, np.float32)
    form = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    depth = {"depth.Z": np.ones((HEIGHT, WIDTH), np.float32)}
    if kind == "parts":
        parts = []
        for view, pixels in (("left", left), ("right", right)):
            channels = {**planes(decoy, ""), **planes(pixels, "beauty."), **depth}
            parts.append(OpenEXR.Part({**form, "name": view, "view": view}, channels, view))
        OpenEXR.File(parts).write(str(path))
        return
    # The default view's layers bear no view; the other's bear it between layer and channel.
    channels = {**planes(decoy, ""), **planes(left, "beauty."), **planes(right, "beauty.right."), **depth}
    OpenEXR.File({**form, "multiView": ["left", "right"]}, channels).write(str(path))


@pytest.mark.parametrize("kind", ["parts", "channels"])
def test_both_eyes_each_with_its_clean_plate(cleanplate: Command, tmp_path: Path, kind: str) -> None:
    walls = {"left": room(HEIGHT, WIDTH, seed=1), "right": room(HEIGHT, WIDTH, seed=2)}
    discs = {"left": disc(50), "right": disc(70)}
    both_eyes(tmp_path / "plate.exr", kind, *(plate_of(walls[eye], discs[eye]) for eye in walls))
    both_eyes(tmp_path / "clean.exr", kind, *walls.values())
    eyes = ("--layer", "beauty", "--clean-layer", "beauty")
    for eye in walls:
        output = tmp_path / f"{eye}.exr"
        arguments = (tmp_path / "plate.exr", "--clean", tmp_path / "clean.exr", "-o", output, "--layer-clean")
        assert cleanplate(*arguments, *eyes, "--view", eye) == 0
        _, found = picture_files.exr_planes(output)
        # Another eye's wall or disc would be off by a tenth of the frame; the soft rim is 3 px of 150.
        assert np.abs(found["A"] - discs[eye]).mean() < 0.01
        # The clean plate is this eye's, to half's 11 bits.
        for step, name in enumerate("RGB"):
            assert np.allclose(found[f"clean.{name}"], walls[eye][..., step], rtol=2**-10, atol=1e-6)


def test_a_view_or_layer_that_is_not_there_is_one_sentence(
    cleanplate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wall = room(HEIGHT, WIDTH)
    for name in ("plate.exr", "clean.exr"):
        both_eyes(tmp_path / name, "parts", wall, wall)
    pair = (tmp_path / "plate.exr", "--clean", tmp_path / "clean.exr", "-o", tmp_path / "matte.exr")
    for arguments, sentence in (
        (("--view", "centre"), "has no view 'centre'. Its views are left, right"),
        (("--layer", "albedo"), "with colour. Choose one of its layers with --layer: beauty."),
    ):
        assert cleanplate(*pair, *arguments) != 0
        assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "matte.exr").exists()


# -- what a file states in each role


@pytest.mark.parametrize("comp", ["comp.png", "comp.mp4"])
def test_a_file_of_several_pictures_is_named_in_every_role(
    cleanplate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], comp: str
) -> None:
    wall = room(HEIGHT, WIDTH)
    clean, several = save(tmp_path / "clean.exr", wall), tmp_path / "several.tif"
    picture_files.several(several, plate_of(wall, disc(64)))
    output = tmp_path / ("matte.mov" if comp.endswith("mp4") else "matte.tif")
    roles = ("--core", several, "--background", several, "--comp", tmp_path / comp)
    assert cleanplate(several, "--clean", clean, "-o", output, *roles) == 0
    told = " ".join(capsys.readouterr().out.split())
    for role in ("plate, core", "background"):
        assert told.count(f"The file holds several pictures, and the first one was read ({role}).") == 1
    assert cleanplate(several, "--clean", clean, "-o", tmp_path / "t.exr", "--trimap", several) == 0
    assert "the first one was read (core, holdout)." in " ".join(capsys.readouterr().out.split())


def test_values_that_a_half_float_cannot_hold_are_told(
    cleanplate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wall, alpha = room(HEIGHT, WIDTH), disc(64)
    plate = plate_of(wall, alpha)
    plate[alpha == 1.0] = 70000.0
    picture_files.exr(tmp_path / "p.exr", picture_files.planes(plate.astype(np.float64)))
    words = (tmp_path / "p.exr", "--clean", save(tmp_path / "c.exr", wall), "-o", tmp_path / "m.exr")
    for depth, is_told in (("half", True), ("float", False)):
        assert cleanplate(*words, "--bit-depth", depth, "--overwrite") == 0
        told = " ".join(capsys.readouterr().out.split())
        assert ("Values beyond 65504, half's largest, were cut to it. Use --bit-depth float." in told) == is_told


# -- trimaps


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_a_trimap_is_obeyed_and_its_grey_is_solved(cleanplate: Command, tmp_path: Path, suffix: str) -> None:
    """White, black and grey at half the plate's size; where it contradicts the picture, the artist is right."""
    wall, alpha = room(HEIGHT, WIDTH), disc(64)
    plate, clean = save(tmp_path / "plate.exr", plate_of(wall, alpha)), save(tmp_path / "clean.exr", wall)
    grey = np.full((HEIGHT // 2, WIDTH // 2, 3), 0.5, np.float32)
    grey[:, :32] = 0.0  # the disc's left half is not wanted
    grey[4:10, 50:60] = 1.0  # ... and a piece of wall is
    half = Window(0, 0, WIDTH // 2, HEIGHT // 2)
    exr.write_image(
        tmp_path / f"trimap{suffix}",
        Image(pixels=grey, channels=("R", "G", "B"), data_window=half, display_window=half),
    )
    output = tmp_path / "matte.exr"
    arguments = (plate, "--clean", clean, "-o", output, "--trimap", tmp_path / f"trimap{suffix}")
    assert cleanplate(*arguments) == 0
    found = picture_files.exr_planes(output)[1]["A"]
    assert found[:, :63].max() == 0.0  # one pixel of the smaller trimap's edge is between the two
    assert found[9:19, 101:119].min() == 1.0
    unknown = np.s_[30:, 68:]
    # The disc's soft rim is a twentieth of this part.
    assert np.abs(found[unknown] - alpha[unknown]).mean() < 0.02
    # The trimap's content is part of what a result is made from.
    exr.write_image(
        tmp_path / f"trimap{suffix}",
        Image(pixels=grey[:, ::-1].copy(), channels=("R", "G", "B"), data_window=half, display_window=half),
    )
    assert cleanplate(*arguments) == 1
    assert cleanplate(*arguments, "--overwrite") == 0
    assert picture_files.exr_planes(output)[1]["A"][:, 65:].max() == 0.0


def test_a_trimap_beside_a_core_is_refused(
    cleanplate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plate = save(tmp_path / "plate.exr", room(HEIGHT, WIDTH))
    arguments = (plate, "--clean", plate, "-o", tmp_path / "m.exr", "--trimap", plate, "--core", plate)
    assert cleanplate(*arguments) == 2
    assert "A trimap says what core and holdout are" in " ".join(capsys.readouterr().err.split())
