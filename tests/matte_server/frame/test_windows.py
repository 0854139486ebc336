"""Every relation of data window, display window and pixel aspect, as plate and as clean plate of each other.

The relations are those of OpenEXR's DisplayWindow test images t01 to t16. They are made here in small, so that a
fresh clone tests all 256 pairs; where the images themselves are at hand, they are tested too. What is written is
judged by the OpenEXR module, which knows nothing of our code.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Guides, Image, PlatePair
from matte_server.core.window import Window
from matte_server.frame.pipeline import MattePipeline
from matte_server.io import exr
from matte_server.models.difference import SPEC
from matte_server.models.protocols import CancelCheck, FrameTensors, ModelSettings, Prediction
from matte_server.pixels.coarse_grid import CoarseGrid
from matte_server.worker.solver import matte_image
from tests.matte_server.pictures import image, room

LEFT_TO_RIGHT = Window(0, 0, 40, 30)
RELATIONS = {
    "t01": (LEFT_TO_RIGHT, Window(0, 0, 40, 30), 1.0),
    "t02": (LEFT_TO_RIGHT, Window(1, 1, 40, 30), 1.0),
    "t03": (LEFT_TO_RIGHT, Window(3, 2, 37, 28), 1.0),
    "t04": (LEFT_TO_RIGHT, Window(0, 0, 37, 28), 1.0),
    "t05": (LEFT_TO_RIGHT, Window(3, 2, 34, 26), 1.0),
    "t06": (LEFT_TO_RIGHT, Window(-1, -1, 42, 32), 1.0),
    "t07": (LEFT_TO_RIGHT, Window(-4, -4, 48, 37), 1.0),
    "t08": (Window(3, 4, 40, 30), Window(0, 0, 50, 40), 1.0),
    "t09": (LEFT_TO_RIGHT, Window(40, 0, 20, 30), 1.0),
    "t10": (LEFT_TO_RIGHT, Window(-10, 0, 10, 30), 1.0),
    "t11": (LEFT_TO_RIGHT, Window(0, 30, 40, 20), 1.0),
    "t12": (LEFT_TO_RIGHT, Window(0, -10, 40, 10), 1.0),
    "t13": (LEFT_TO_RIGHT, Window(39, 29, 10, 10), 1.0),
    "t14": (LEFT_TO_RIGHT, Window(-10, -10, 10, 10), 1.0),
    "t15": (LEFT_TO_RIGHT, Window(-4, -4, 48, 37), 1.5),
    "t16": (LEFT_TO_RIGHT, Window(-4, -4, 48, 37), 0.6666667),
}
LAYERS = MatteOptions(align="none", match_exposure=False, layer_clean=True, bit_depth="float")


class SolidModel:
    """Finds subject everywhere, so that the foreground is the plate: what is under test is where pixels lie."""

    spec = SPEC

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        everywhere = torch.ones_like(frame.coverage)
        return Prediction(
            alpha=everywhere, foreground=CoarseGrid.of(frame.plate), confidence=CoarseGrid.of(everywhere)
        )


@pytest.fixture(scope="module")
def pipeline() -> MattePipeline:
    return MattePipeline(torch.device("cpu"), lambda name, weights, device: SolidModel())


def made(name: str, seed: int = 1) -> Image:
    data, display, aspect = RELATIONS[name]
    pixels = room(data.height, data.width, seed=seed)
    return Image(
        pixels=pixels,
        channels=("R", "G", "B"),
        data_window=data,
        display_window=display,
        pixel_aspect=aspect,
        metadata={"shot": exr.Attribute(type="string", value=name)},
    )


def solved(pipeline: MattePipeline, plate: Image, clean: Image, path: Path) -> None:
    """The pair's result as a file."""
    result = pipeline.solve(
        PlatePair(plate=plate, clean_plate=clean),
        Guides(),
        LAYERS,
        check=lambda: None,
        progress=lambda stage, done, total: None,
    )
    image, layers = matte_image(result, plate.colourspace, LAYERS)
    exr.write_image(path, image, exr.ExrFormat("float", "none"), layers)


def on_the_plane(path: Path, prefix: str = "") -> tuple[dict[str, Any], Window, Float32]:
    """Header, data window and R, G, B of a file, by the OpenEXR module."""
    file = OpenEXR.File(str(path), separate_channels=True)
    header, channels = file.header(), file.channels()
    (left, top), (right, bottom) = header["dataWindow"]
    window = Window(int(left), int(top), int(right - left) + 1, int(bottom - top) + 1)
    return header, window, np.stack([np.asarray(channels[prefix + c].pixels, np.float32) for c in "RGB"], -1)


def check(source: Path, clean: Path, result: Path) -> None:
    """The result bears the plate's windows; each clean pixel lies where it lay on the EXR plane; the rest is
    marked as not covered."""
    before, window, plate_pixels = on_the_plane(source)
    after, result_window, foreground = on_the_plane(result)
    for name in ("dataWindow", "displayWindow"):
        assert np.array_equal(np.array(after[name]), np.array(before[name]))
    assert after["pixelAspectRatio"] == before["pixelAspectRatio"] and result_window == window
    assert np.array_equal(foreground, plate_pixels)
    _, clean_window, clean_pixels = on_the_plane(clean)
    _, _, layer = on_the_plane(result, "clean.")
    covered = np.asarray(OpenEXR.File(str(result), separate_channels=True).channels()["clean.A"].pixels)
    both = window.intersect(clean_window)

    def inside(whole: Window) -> tuple[slice, slice]:
        x, y = both.x - whole.x, both.y - whole.y
        return slice(y, y + both.height), slice(x, x + both.width)

    expected = np.zeros((window.height, window.width), np.float32)
    expected[inside(window)] = 1.0
    assert np.array_equal(covered, expected)
    # Layers are half floats, 11 significant bits.
    assert np.array_equal(layer[inside(window)], clean_pixels[inside(clean_window)].astype(np.float16))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    for number, name in enumerate(RELATIONS):
        exr.write_image(folder / f"{name}.exr", made(name, number), exr.ExrFormat("float"))
    return folder


@pytest.mark.parametrize("plate", RELATIONS)
def test_each_with_each(plate: str, small: Path, pipeline: MattePipeline, tmp_path: Path) -> None:
    for clean in RELATIONS:
        source, behind, result = small / f"{plate}.exr", small / f"{clean}.exr", tmp_path / "result.exr"
        solved(pipeline, exr.read_image(source), exr.read_image(behind), result)
        check(source, behind, result)
    assert OpenEXR.File(str(result)).header()["shot"] == plate


@pytest.mark.parametrize("name", RELATIONS)
def test_the_published_images(name: str, steering_data: Path, pipeline: MattePipeline, tmp_path: Path) -> None:
    """Each as plate, before itself, its neighbour and the one whose data window lies elsewhere (t08); before all
    sixteen, which takes minutes, with CLEANPLATE_ALL_WINDOWS=1."""
    paths = {found.stem: found for found in sorted((steering_data / "exr_windows").glob("t*.exr"))}
    assert list(paths) == list(RELATIONS)
    names = list(RELATIONS)
    others = {name, names[names.index(name) - 1], "t08"}
    path, copy, result = paths[name], tmp_path / "copy.exr", tmp_path / "result.exr"
    picture = exr.read_image(path)
    exr.write_image(copy, picture)
    assert np.array_equal(on_the_plane(copy)[2], on_the_plane(path)[2])
    for other in names if os.environ.get("CLEANPLATE_ALL_WINDOWS") else sorted(others):
        solved(pipeline, picture, exr.read_image(paths[other]), result)
        check(path, paths[other], result)


@pytest.mark.parametrize("name", ["t03", "t08", "t09", "t15"])
def test_the_difference_matte_of_odd_windows_is_the_one_of_plain_windows(name: str, tmp_path: Path) -> None:
    """A disc before the same wall: alpha is the same pixels wherever the windows lie."""
    real = MattePipeline(torch.device("cpu"))
    wall = room(90, 120, seed=3)
    y, x = np.mgrid[0:90, 0:120]
    disc = ((x - 60) ** 2 + (y - 45) ** 2 < 25**2)[..., None]
    scene = np.where(disc, np.float32(2.0), wall).astype(np.float32)
    data, display, aspect = RELATIONS[name]

    def alpha(window: Window, shown: Window, pixel_aspect: float) -> Float32:
        plate = Image(
            pixels=scene,
            channels=("R", "G", "B"),
            data_window=window,
            display_window=shown,
            pixel_aspect=pixel_aspect,
        )
        pair = PlatePair(plate=plate, clean_plate=replace(plate, pixels=wall))
        options = MatteOptions(model="difference", align="none")
        result = real.solve(pair, Guides(), options, check=lambda: None, progress=lambda *stage: None)
        assert result.alpha.data_window == window and result.alpha.pixel_aspect == pixel_aspect
        return result.alpha.pixels

    plain = Window(0, 0, 120, 90)
    odd = alpha(Window(data.x, data.y, 120, 90), display, aspect)
    assert np.array_equal(odd, alpha(plain, plain, 1.0))
    assert odd[45, 60, 0] == 1.0 and odd[2, 2, 0] == 0.0


def test_a_proxy_clean_plate_fills_the_same_picture(pipeline: MattePipeline, tmp_path: Path) -> None:
    wall = room(60, 80, seed=5)
    half = wall.reshape(30, 2, 40, 2, 3).mean((1, 3))
    full, proxy = Window(0, 0, 80, 60), Window(0, 0, 40, 30)
    plate, clean = (
        Image(pixels=wall, channels=("R", "G", "B"), data_window=full, display_window=full),
        Image(pixels=half, channels=("R", "G", "B"), data_window=proxy, display_window=proxy),
    )
    solved(pipeline, plate, clean, tmp_path / "result.exr")
    _, _, layer = on_the_plane(tmp_path / "result.exr", "clean.")
    # The proxy grown again, averaged over its own pixels, is the proxy: nothing has moved.
    again = layer.reshape(30, 2, 40, 2, 3).mean((1, 3))
    inner = np.s_[2:-2, 2:-2]
    shifted = np.abs(again[inner] - half[2:-2, 1:-3]).mean()
    assert np.abs(again[inner] - half[inner]).mean() < 0.2 * shifted


def test_an_anamorphic_plate_and_a_desqueezed_clean_plate(pipeline: MattePipeline, tmp_path: Path) -> None:
    wide = room(60, 160, seed=6)
    squeezed = wide.reshape(60, 80, 2, 3).mean(2)
    plate = Image(
        pixels=squeezed,
        channels=("R", "G", "B"),
        data_window=Window(0, 0, 80, 60),
        display_window=Window(0, 0, 80, 60),
        pixel_aspect=2.0,
    )
    clean = Image(
        pixels=wide,
        channels=("R", "G", "B"),
        data_window=Window(0, 0, 160, 60),
        display_window=Window(0, 0, 160, 60),
        pixel_aspect=1.0,
    )
    solved(pipeline, plate, clean, tmp_path / "result.exr")
    _, _, layer = on_the_plane(tmp_path / "result.exr", "clean.")
    shifted = np.abs(layer[:, 1:] - squeezed[:, :-1]).mean()
    assert np.abs(layer - squeezed).mean() < 0.3 * shifted


def test_uncovered_parts_are_named_to_the_artist(pipeline: MattePipeline) -> None:
    plate, clean = made("t01"), made("t01")
    narrow = replace(clean, pixels=np.ascontiguousarray(clean.pixels[:, :20]), data_window=Window(0, 0, 20, 30))
    result = pipeline.solve(
        PlatePair(plate=plate, clean_plate=narrow),
        Guides(),
        LAYERS,
        check=lambda: None,
        progress=lambda *stage: None,
    )
    assert result.alignment.coverage == pytest.approx(0.5)
    warnings = result.diagnostics["warnings"]
    assert isinstance(warnings, list) and "covers only 50%" in warnings[0]


@pytest.mark.parametrize("size", [(1, 3000), (2, 4096), (1, 1), (1, 1920), (1080, 1), (5, 5000)])
@pytest.mark.parametrize("align", ["auto", "homography"])
def test_pictures_of_any_shape_are_solved(size: tuple[int, int], align: str) -> None:
    """A line of 3000 pixels leaves less than one at the size that features are looked for in."""
    picture = image(np.random.default_rng(0).random((*size, 3)).astype(np.float32))
    options = MatteOptions(model="difference", align=align)
    pair = PlatePair(plate=picture, clean_plate=picture)
    result = MattePipeline(torch.device("cpu")).solve(
        pair, Guides(), options, check=lambda: None, progress=lambda stage, done, total: None
    )
    assert result.alpha.pixels.shape == (*size, 1)
    assert float(result.alpha.pixels.max()) < 0.01
