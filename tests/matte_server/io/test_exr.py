"""EXR in and out, checked by the OpenEXR module, which shares nothing with OpenImageIO's Python."""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from matte_link.options import option_specs

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr, exr_header
from matte_server.io.image_check import is_whole
from tests.matte_server import picture_files
from tests.matte_server.pictures import room

DATA, DISPLAY = Window(-7, 12, 50, 34), Window(0, 0, 64, 48)
LOSSLESS = ["none", "rle", "zips", "zip", "piz", "htj2k256", "htj2k32"]
# Rounded to 24 of 32 bits; 4 x 4 blocks of 14 of 16 bits; cosines quantised at level 45: what each may be off,
# as part of the picture's range.
LOSSY = {"pxr24": 2**-15, "b44": 0.02, "b44a": 0.02, "dwaa": 0.02, "dwab": 0.02}
HALF = 2**-11  # half has 11 bits of mantissa: rounding is off by half of its last place


def picture(channels: tuple[str, ...] = ("R", "G", "B", "A"), seed: int = 1) -> Image:
    pixels = room(DATA.height, DATA.width, seed)
    pixels[3, 4] = 50.0
    pixels[5, 6] = -0.25
    alpha = np.linspace(0, 1, DATA.width, dtype=np.float32)[None, :, None].repeat(DATA.height, 0)
    stack = np.concatenate([pixels, alpha], -1)[..., : len(channels)]
    return Image(np.ascontiguousarray(stack), channels, DATA, DISPLAY, pixel_aspect=2.0)


def written_by_openexr(path: Path, channels: dict[str, Any], **header: Any) -> None:
    """A scanline EXR of the module's own."""
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}, channels).write(
        str(path)
    )


def windows(data: Window, display: Window) -> dict[str, Any]:
    def box(window: Window) -> tuple[Any, Any]:
        return np.array([window.x, window.y], np.int32), np.array([window.right - 1, window.bottom - 1], np.int32)

    return {"dataWindow": box(data), "displayWindow": box(display)}


@pytest.mark.parametrize("bit_depth", ["half", "float"])
@pytest.mark.parametrize("compression", [*LOSSLESS, *LOSSY])
def test_every_compression_keeps_pixels_and_windows(tmp_path: Path, compression: str, bit_depth: str) -> None:
    image, path = picture(), tmp_path / "a.exr"
    exr.write_image(path, image, exr.ExrFormat(bit_depth=bit_depth, compression=compression))
    header, channels = picture_files.exr_planes(path)
    assert compression.split("htj2k")[-1].upper().replace("NONE", "NO") in str(header["compression"])
    assert [tuple(v) for v in header["dataWindow"]] == [(-7, 12), (42, 45)]
    assert [tuple(v) for v in header["displayWindow"]] == [(0, 0), (63, 47)]
    assert header["pixelAspectRatio"] == 2.0
    assert sorted(channels) == ["A", "B", "G", "R"]
    assert OpenEXR.File(str(path), separate_channels=True).channels()["R"].pixels.dtype == (
        np.float16 if bit_depth == "half" else np.float32
    )
    back = exr.read_image(path)
    assert (back.data_window, back.display_window, back.pixel_aspect) == (DATA, DISPLAY, 2.0)
    assert back.channels == ("R", "G", "B", "A")
    for index, name in enumerate("RGBA"):
        # Both readers see the same, and that is what was written.
        assert np.array_equal(back.pixels[..., index], channels[name])
        lossy = 0.0 if name == "A" and compression.startswith("dwa") else LOSSY.get(compression, 0.0)
        rounding = HALF if bit_depth == "half" else 0.0
        allowed = rounding * np.abs(image.pixels[..., index]) + lossy * np.ptp(image.pixels[..., index]) + 1e-7
        assert (np.abs(channels[name] - image.pixels[..., index]) <= allowed).all()


@pytest.mark.skipif(sys.platform == "win32", reason="the wheel exports no C functions there")
@pytest.mark.parametrize("compression", ["zip", "zips"])
def test_zip_is_written_at_the_level_that_costs_least(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.exr"
    exr.write_image(path, picture(), exr.ExrFormat(compression=compression))
    data = path.read_bytes()
    begins = [at for at in (exr_header.chunk_offsets(data) or ()) if data[at + 8] == 0x78]  # others did not shrink
    # FLEVEL of RFC 1950, 2.2: 0, the fastest, in the two highest bits.
    assert begins and all(data[at + 9] >> 6 == 0 for at in begins)


def test_every_compression_on_offer_is_tested() -> None:
    (offered,) = (spec.choices for spec in option_specs() if spec.name == "compression")
    assert {*LOSSLESS, *LOSSY} == set(offered)


def test_a_compression_that_the_library_lacks_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(OpenEXR, "HTJ2K256_COMPRESSION")
    with pytest.raises(MatteError, match=r"cannot write htj2k256\. Choose zip") as caught:
        exr.write_image(tmp_path / "a.exr", picture(), exr.ExrFormat(bit_depth="half", compression="htj2k256"))
    assert caught.value.code == "no_compression"
    assert list(tmp_path.iterdir()) == []
    exr.write_image(tmp_path / "a.exr", picture(), exr.ExrFormat(bit_depth="half", compression="zip"))


def test_bytes_and_files_are_read_alike(tmp_path: Path) -> None:
    data = exr.encode_exr(picture(), {}, exr.ExrFormat())
    path = tmp_path / "a.exr"
    path.write_bytes(data)
    from_bytes, from_file = exr.read_image(data), exr.read_image(path)
    assert np.array_equal(from_bytes.pixels, from_file.pixels)
    assert from_bytes.data_window == from_file.data_window == DATA


def test_the_same_picture_is_the_same_bytes() -> None:
    assert exr.encode_exr(picture(), {}, exr.ExrFormat()) == exr.encode_exr(picture(), {}, exr.ExrFormat())


def test_half_clips_at_its_largest_number_and_never_turns_infinite() -> None:
    image = picture()
    image.pixels[0, 0, :3] = (1e9, -1e9, 70000.0)
    back = exr.read_image(exr.encode_exr(image, {}, exr.ExrFormat(bit_depth="half")))
    assert back.pixels[0, 0, :3].tolist() == [65504.0, -65504.0, 65504.0]
    assert np.isfinite(back.pixels).all()


def test_layers_are_named_for_nuke_and_blender(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    image = picture()
    value = replace(image, pixels=image.pixels[..., 3:4].copy(), channels=("A",))
    layers = {"clean": picture(("R", "G", "B", "A"), seed=2), "confidence": value, "difference": value}
    exr.write_image(path, image, exr.ExrFormat(bit_depth="float"), layers)
    channels = OpenEXR.File(str(path), separate_channels=True).channels()
    assert {name: one.pixels.dtype for name, one in channels.items()} == {
        **dict.fromkeys("RGBA", np.float32),
        **dict.fromkeys(("clean.R", "clean.G", "clean.B", "clean.A", "confidence.V", "difference.V"), np.float16),
    }
    assert np.array_equal(exr.read_image(path).rgb, image.rgb)
    for layer, expected in (("clean", layers["clean"].rgb), ("confidence", value.pixels)):
        # A half float has 11 significant bits.
        stored = exr.read_image(path, layer=layer).rgb[..., : expected.shape[-1]]
        np.testing.assert_allclose(stored, expected, rtol=2.0**-11)
    with pytest.raises(MatteError, match=r"no layer 'depth'.*--layer: clean") as caught:
        exr.read_image(path, layer="depth")
    assert caught.value.code == "no_layer"


def test_a_layer_is_looked_for_in_the_header_alone(tmp_path: Path) -> None:
    """The pixels of this file are cut off, so nothing but its header can be read."""
    path = tmp_path / "a.exr"
    exr.write_image(path, picture(), None, {"clean": picture()})
    data = path.read_bytes()
    offsets = exr_header.chunk_offsets(data)
    assert offsets
    path.write_bytes(data[: min(offsets)])
    exr.check_layer(path, "clean", "")
    with pytest.raises(MatteError, match=r"no layer 'depth'.*--layer: clean"):
        exr.check_layer(path, "depth", "")
    exr.write_image(tmp_path / "a.png", picture())
    exr.check_layer(tmp_path / "a.png", "", "left")
    with pytest.raises(MatteError, match="only EXRs have layers"):
        exr.check_layer(tmp_path / "a.png", "clean", "")


@pytest.mark.parametrize(
    "stored", ["Gro\u0308\u00dfe e\u0301", "Gr\u00f6\u00dfe \u00e9"], ids=["decomposed", "composed"]
)
def test_a_layer_is_found_however_its_accents_are_encoded(tmp_path: Path, stored: str) -> None:
    """macOS takes letters and accents apart, a keyboard does not."""
    layers = {stored: picture(("R", "G", "B"), seed=2)}
    exr.write_image(tmp_path / "a.exr", picture(), exr.ExrFormat(bit_depth="float"), layers)
    for asked in ("Gr\u00f6\u00dfe \u00e9", "gro\u0308\u00dfe e\u0301"):
        found = exr.read_image(tmp_path / "a.exr", layer=asked).rgb
        np.testing.assert_allclose(found, layers[stored].rgb, rtol=2.0**-11)  # half floats


@pytest.mark.parametrize("alpha", ["alpha", "Alpha", "A", "a"])
def test_alpha_may_be_written_out(tmp_path: Path, alpha: str) -> None:
    """As Nuke does in a layer that an artist made, of which a roto may fill the alpha alone."""
    path = tmp_path / "a.exr"
    plane = np.full((12, 16), 0.5, np.float32)
    roto = dict(zip(("roto.red", "roto.green", "roto.blue"), rgb_of(1.0).values(), strict=True))
    written_by_openexr(path, {**roto, f"roto.{alpha}": plane})
    found = exr.read_image(path, layer="roto")
    assert found.channels == ("R", "G", "B", "A") and found.pixels[0, 0].tolist() == [1, 2, 3, 0.5]
    written_by_openexr(path, {"R": plane, "G": plane, "B": plane, f"roto.{alpha}": plane / 2})
    assert exr.read_image(path, layer="roto").pixels[0, 0].tolist() == [0.25] * 3


@pytest.mark.parametrize("mips", [False, True], ids=["tiled", "mip-mapped"])
def test_tiled_and_mip_mapped(tmp_path: Path, mips: bool) -> None:
    path = tmp_path / "t.exr"
    source = picture(("R", "G", "B"))
    if mips:
        buffer = oiio.ImageBuf(source.pixels)
        config = oiio.ImageSpec()
        config.attribute("maketx:filtername", "box")
        assert oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, buffer, str(path), config)
        reader = oiio.ImageInput.open(str(path))
        assert reader is not None and reader.seek_subimage(0, 2)  # there are smaller levels
    else:
        spec = oiio.ImageSpec(DATA.width, DATA.height, 3, "half")
        spec.tile_width = spec.tile_height = 16
        out = oiio.ImageOutput.create(str(path))
        assert out is not None and out.open(str(path), spec) and out.write_image(source.pixels)
        out.close()
    found = exr.read_image(path)
    assert found.pixels.shape == source.pixels.shape
    _, channels = picture_files.exr_planes(path) if not mips else ({}, {})
    for index, name in enumerate("RGB"):
        expected = source.pixels[..., index]
        assert np.allclose(found.pixels[..., index], expected, rtol=HALF, atol=1e-7)
        assert name not in channels or np.array_equal(found.pixels[..., index], channels[name])


def many_layers(path: Path) -> None:
    rgb = {name: np.full((6, 8), level, np.float16) for name, level in (("R", 0.5), ("G", 0.25), ("B", 2.0))}
    written_by_openexr(path, rgb | {f"other{k}.{name}": plane for k in range(3) for name, plane in rgb.items()})


def of_two_kinds(path: Path) -> None:
    half, full = np.linspace(0, 9, 48, dtype=np.float16).reshape(6, 8), np.full((6, 8), 1 / 3, np.float32)
    written_by_openexr(path, {"R": half, "G": half * 2, "B": half * 3, "A": full})


def of_several_strips(path: Path) -> None:
    """More lines than are read at a time, in a data window that begins left of and above the display window."""
    pixels = np.random.default_rng(8).random((600, 7, 3)).astype(np.float16).astype(np.float32)
    window = Window(-3, -11, 7, 600)
    image = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=Window(0, 0, 9, 500))
    exr.write_image(path, image, exr.ExrFormat(bit_depth="half", compression="piz"))


def of_whole_numbers(path: Path) -> None:
    written_by_openexr(path, {name: np.full((6, 8), 3, np.uint32) for name in "RGB"})


def tiled(path: Path, several_sizes: bool = False) -> None:
    """In tiles that do not divide the picture, which begins left of and above its display window."""
    spec = oiio.ImageSpec(37, 29, 4, "half")
    spec.tile_width, spec.tile_height = 16, 8
    spec.x, spec.y, spec.full_width, spec.full_height = -3, -11, 40, 20
    pixels = np.random.default_rng(8).random((29, 37, 4), np.float32)
    if several_sizes:
        buffer = oiio.ImageBuf(spec)
        assert buffer.set_pixels(oiio.ROI(-3, 34, -11, 18, 0, 1, 0, 4), pixels)
        assert oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, buffer, str(path), spec)
        return
    writer: Any = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), spec) and writer.write_image(pixels) and writer.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: exr.write_image(path, picture()),
        lambda path: exr.write_image(
            path, picture(("R", "G", "B")), exr.ExrFormat(bit_depth="float", compression="piz")
        ),
        lambda path: written_by_openexr(path, {"Y": np.full((5, 7), 0.25, np.float16)}),
        of_two_kinds,
        of_whole_numbers,
        many_layers,
        of_several_strips,
        lambda path: two_parts(path, ("rgba", "other"), (rgb_of(0.5), rgb_of(0.25))),
        tiled,
        partial(tiled, several_sizes=True),
    ],
    ids=["half", "float", "grey", "kinds", "whole numbers", "layers", "strips", "parts", "tiles", "sizes"],
)
def test_it_is_the_same_picture_as_from_openimageio(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    make(path)
    image = exr.read_image(path)
    reader: Any = oiio.ImageInput.open(str(path))
    spec = reader.spec()
    names = [name for name in "RGBA" if name in spec.channelnames] or ["Y"] * 3
    # As floats, OpenImageIO would scale whole numbers to 0 to 1.
    kind = oiio.UINT if spec.format.basetype == oiio.UINT else oiio.FLOAT
    stored = reader.read_image(0, 0, 0, spec.nchannels, kind)
    reader.close()
    assert np.array_equal(image.pixels, stored[..., [spec.channelnames.index(name) for name in names]])
    assert image.data_window == Window(spec.x, spec.y, spec.width, spec.height)
    assert all(np.shares_memory(plane, image.pixels) for plane in image.planes)


def two_parts(
    path: Path, names: tuple[str, str], channels: tuple[Any, Any], views: tuple[str, str] | None = None
) -> None:
    headers = [{"name": n, "type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION} for n in names]
    for header, view in zip(headers, views or (), strict=False):
        header["view"] = view
    parts = [OpenEXR.Part(h, c, h["name"]) for h, c in zip(headers, channels, strict=True)]
    OpenEXR.File(parts).write(str(path))


def rgb_of(value: float, prefix: str = "") -> dict[str, Any]:
    return {prefix + name: np.full((12, 16), value + step, np.float16) for step, name in enumerate("RGB")}


def test_multipart_finds_colour_and_layers_wherever_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "parts.exr"
    depth = {"Z": np.ones((12, 16), np.float32)}
    two_parts(path, ("depth", "beauty"), (depth, rgb_of(1.0)))
    assert exr.read_image(path).pixels[0, 0].tolist() == [1, 2, 3]
    two_parts(path, ("rgba", "clean"), (rgb_of(1.0), rgb_of(5.0)))
    assert exr.read_image(path).pixels[0, 0].tolist() == [1, 2, 3]
    assert exr.read_image(path, layer="clean").pixels[0, 0].tolist() == [5, 6, 7]
    two_parts(path, ("rgba", "other"), (rgb_of(1.0), rgb_of(5.0, "clean.")))
    assert exr.read_image(path, layer="clean").pixels[0, 0].tolist() == [5, 6, 7]


def test_both_eyes_of_a_multi_view_file(tmp_path: Path) -> None:
    path = tmp_path / "stereo.exr"
    two_parts(path, ("left", "right"), (rgb_of(1.0), rgb_of(5.0)), views=("left", "right"))
    assert exr.read_image(path, view="left").pixels[0, 0].tolist() == [1, 2, 3]
    assert exr.read_image(path, view="right").pixels[0, 0].tolist() == [5, 6, 7]
    # The single-part kind: the first view is unprefixed, the other bears its name.
    written_by_openexr(path, {**rgb_of(1.0), **rgb_of(5.0, "right.")}, multiView=["left", "right"])
    assert exr.read_image(path, view="left").pixels[0, 0].tolist() == [1, 2, 3]
    assert exr.read_image(path, view="right").pixels[0, 0].tolist() == [5, 6, 7]
    # A file of one view serves both eyes.
    written_by_openexr(path, rgb_of(1.0))
    assert exr.read_image(path, view="right").pixels[0, 0].tolist() == [1, 2, 3]


def test_a_view_that_is_not_there_is_refused_where_there_are_views(tmp_path: Path) -> None:
    path = tmp_path / "stereo.exr"
    two_parts(path, ("left", "right"), (rgb_of(1.0), rgb_of(5.0)), views=("left", "right"))
    written_by_openexr(tmp_path / "one.exr", {**rgb_of(1.0), **rgb_of(5.0, "right.")}, multiView=["left", "right"])
    for file in (path, tmp_path / "one.exr"):
        with pytest.raises(MatteError, match=r"no view 'centre'.*left, right") as caught:
            exr.read_image(file, view="centre")
        assert caught.value.code == "no_view"


def test_deep_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "deep.exr"
    spec = oiio.ImageSpec(4, 3, 4, "float")
    spec.deep = True
    spec.channelnames = ("R", "G", "B", "A")
    deep = oiio.DeepData()
    deep.init(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out is not None and out.open(str(path), spec) and out.write_deep_image(deep)
    out.close()
    with pytest.raises(MatteError, match=r"deep EXR.*Flatten it first") as caught:
        exr.read_image(path)
    assert caught.value.code == "deep"


CAMERA = [
    ("timeCode", "timecode", struct.pack("<II", 0x11223304, 7)),
    ("keyCode", "keycode", struct.pack("<7i", 1, 2, 3, 4, 5, 4, 64)),
    ("framesPerSecond", "rational", struct.pack("<iI", 24000, 1001)),
    ("isoSpeed", "float", struct.pack("<f", 800.0)),
    ("expTime", "float", struct.pack("<f", 1 / 48)),
    ("aperture", "float", struct.pack("<f", 2.8)),
    ("owner", "string", b"second unit"),
    ("chromaticities", "chromaticities", struct.pack("<8f", 0.7, 0.3, 0.17, 0.8, 0.13, 0.04, 0.32, 0.34)),
    ("whiteLuminance", "float", struct.pack("<f", 100.0)),
    ("capDate", "string", b"2026:03:01 10:20:30"),
    ("utcOffset", "float", struct.pack("<f", 3600.0)),
    ("comments", "string", "50 mm, T2 \u2014 n\u00ba 7".encode()),
    ("worldToCamera", "m44f", struct.pack("<16f", *range(16))),
    ("lensShift", "v2f", struct.pack("<2f", 0.25, -0.5)),
    ("studio/shot", "string", b"sh010"),
    ("viewer", "string", b"begins like 'view' and is none"),
    ("com.arri.camera.SensorFps", "int", struct.pack("<i", 24)),
    ("com.arri.camera.TheLongestNameOfAllTheirAttributes", "int", struct.pack("<i", 7)),
    ("names", "stringvector", struct.pack("<i", 2) + b"ab" + struct.pack("<i", 3) + b"cde"),
    ("crop", "box2i", struct.pack("<4i", 1, 2, 3, 4)),
    ("focus", "double", struct.pack("<d", 2.125)),
    ("camera", "m44d", struct.pack("<16d", *range(16))),
    ("studio/blob", "studioType", b"\1\2\3\0\4"),
]


@pytest.mark.parametrize("bit_depth", ["half", "float"])
def test_what_a_camera_writes_comes_back_byte_by_byte(tmp_path: Path, bit_depth: str) -> None:
    source, result = tmp_path / "camera.exr", tmp_path / "result.exr"
    plane = np.linspace(0, 1, 12 * 16).reshape(12, 16)
    raw_exr(source, Window(-3, 2, 16, 12), dict.fromkeys("BGR", (plane, 1)), CAMERA)
    exr.write_image(result, exr.read_image(source), exr.ExrFormat(bit_depth=bit_depth, compression="zip"))
    after = exr_header.parts(result.read_bytes())[0]
    for name, kind, value in CAMERA:
        assert after[name] == exr_header.RawAttribute(type=kind, data=value), name
    # The OpenEXR module reads it, and its pixels lie where they were.
    _, channels = picture_files.exr_planes(result)
    assert np.abs(channels["R"] - plane).max() < HALF
    assert np.array_equal(exr.read_image(result).pixels, exr.read_image(source).pixels)


def test_a_header_that_ends_early_has_no_attributes() -> None:
    data = exr.encode_exr(picture(), {}, exr.ExrFormat())
    for size in (0, 3, 8, 50, 200):
        assert exr_header.parts(data[:size]) == []
    assert exr_header.parts(b"\0" * 400) == []
    assert exr_header.parts(data)[0]["pixelAspectRatio"].data == struct.pack("<f", 2.0)


def test_luminance_chroma_becomes_colour(tmp_path: Path) -> None:
    """Y, RY, BY with chroma at half the size, as OpenEXR's own writer lays them out."""
    path = tmp_path / "yc.exr"
    y, x = np.mgrid[0:48, 0:64]
    # Colours that hardly change within two pixels, so that the halved chroma holds them.
    red = 0.5 + 0.3 * np.sin(x / 25.0)
    green = 0.4 + 0.2 * np.cos(y / 20.0)
    blue = 0.3 + 0.1 * np.sin((x + y) / 30.0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = {"RY": (red - luma) / luma, "BY": (blue - luma) / luma}
    for step in (1, 2):
        write_luma_chroma(path, luma, {name: plane[::step, ::step] for name, plane in chroma.items()}, step)
        found = exr.read_image(path)
        assert found.data_window == Window(4, 2, 64, 48) and found.display_window == Window(0, 0, 100, 100)
        assert found.channels == ("R", "G", "B")
        assert found.metadata["owner"] == exr.RawAttribute(type="string", data=b"second unit")
        truth = np.stack([red, green, blue], -1)
        # Half floats, and the chroma's interpolation at the frame's edge.
        assert np.abs(found.pixels - truth).max() < (2e-3 if step == 1 else 1e-2)
        assert np.abs(found.pixels - truth).mean() < 5e-4


@pytest.mark.parametrize("data", [Window(0, 0, 7, 8), Window(0, 0, 8, 7), Window(1, 0, 8, 8), Window(0, -3, 8, 8)])
def test_chroma_that_does_not_fit_its_window_is_refused_in_words(tmp_path: Path, data: Window) -> None:
    """OpenEXR reads no such file, and only says that it cannot open it."""
    whole, half = np.full((8, 8), 0.5), np.zeros((8, 8))
    raw_exr(tmp_path / "odd.exr", data, {"BY": (half, 2), "RY": (half, 2), "Y": (whole, 1)}, [])
    with pytest.raises(MatteError, match="does not begin and end with a sample of its channel BY") as caught:
        exr.read_image(tmp_path / "odd.exr")
    assert caught.value.code == "unreadable"


def write_luma_chroma(path: Path, luma: Any, chroma: dict[str, Any], step: int) -> None:
    planes = {"BY": (chroma["BY"], step), "RY": (chroma["RY"], step), "Y": (luma, 1)}
    raw_exr(path, Window(4, 2, 64, 48), planes, [("owner", "string", b"second unit")])


def raw_exr(
    path: Path, data: Window, planes: dict[str, tuple[Any, int]], more: list[tuple[str, str, bytes]]
) -> None:
    """An uncompressed scanline EXR of half floats, byte by byte as its specification has it, because no Python
    writes halved channels or other people's types. ``planes``: name -> values and sampling."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return b"%s\0%s\0" % (name.encode(), kind.encode()) + struct.pack("<i", len(value)) + value

    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", 1, 0, every, every) for name, (_, every) in planes.items()
    )
    box = struct.pack("<4i", data.x, data.y, data.right - 1, data.bottom - 1)
    standard = [
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", box),
        ("displayWindow", "box2i", struct.pack("<4i", 0, 0, 99, 99)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    long_names = 0x400 if any(len(name) > 31 for name, _, _ in more) else 0
    head = struct.pack("<ii", 20000630, 2 | long_names)
    head += b"".join(attribute(*each) for each in standard + more) + b"\0"
    rows = []
    for y in range(data.y, data.bottom):
        lines = [plane[(y - data.y) // every] for plane, every in planes.values() if y % every == 0]
        values = b"".join(np.asarray(line).astype("<f2").tobytes() for line in lines)
        rows.append(struct.pack("<ii", y, len(values)) + values)
    starts = len(head) + 8 * len(rows) + np.cumsum([0, *map(len, rows[:-1])])
    path.write_bytes(head + struct.pack(f"<{len(rows)}Q", *map(int, starts)) + b"".join(rows))


@pytest.mark.parametrize(
    ("suffix", "step", "alpha"), [(".png", 1 / 65535, True), (".tif", 1 / 65535, True), (".dpx", 1 / 1023, False)]
)
def test_other_formats_keep_unassociated_colour(tmp_path: Path, suffix: str, step: float, alpha: bool) -> None:
    source = picture()
    flat = np.clip(source.pixels, 0, 1)
    window = Window(0, 0, DATA.width, DATA.height)
    channels = source.channels if alpha else ("R", "G", "B")
    image = Image(np.ascontiguousarray(flat[..., : len(channels)]), channels, window, window)
    exr.write_image(tmp_path / f"a{suffix}", image)
    back = exr.read_image(tmp_path / f"a{suffix}")
    assert back.channels == channels and not back.premultiplied
    assert np.abs(back.pixels - image.pixels).max() <= step


def test_grey_pictures_serve_as_colour(tmp_path: Path) -> None:
    written_by_openexr(tmp_path / "y.exr", {"Y": np.full((5, 7), 0.25, np.float16)})
    found = exr.read_image(tmp_path / "y.exr")
    assert found.channels == ("R", "G", "B") and (found.pixels == 0.25).all()
    assert exr.matte_channel(found).pixels.shape == (5, 7, 1)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda data: data[: len(data) // 2], "unreadable"),
        (lambda data: data[:40], "unreadable"),
        (lambda data: b"", "unreadable"),
        (lambda data: b"not a picture at all", "unreadable"),
        (lambda data: b"\xff" * 2000, "unreadable"),
        (lambda data: data[:-1], "unreadable"),
        (lambda data: data[: len(data) // 2] + bytes(60) + data[len(data) // 2 + 60 :], "unreadable"),
    ],
    ids=["half", "header", "empty", "text", "noise", "last byte", "hole"],
)
def test_damaged_files_are_refused_in_one_sentence(make: Any, code: str) -> None:
    data = exr.encode_exr(picture(), {}, exr.ExrFormat())
    with pytest.raises(MatteError) as caught:
        exr.read_image(make(data), name="plate.0007.exr")
    assert caught.value.code == code
    assert "plate.0007.exr" in caught.value.message and "\n" not in caught.value.message


def test_an_exr_whose_renderer_was_ended_is_refused(tmp_path: Path) -> None:
    """Its table of chunks ends in zeros, and what would follow its attributes is not there."""
    path, lines = tmp_path / "a.exr", {name: np.ones((64, 8), np.float32) for name in "RGB"}
    written_by_openexr(path, lines, comments="a" * 300)
    data = bytearray(path.read_bytes())
    *_, last = exr_header.chunk_offsets(bytes(data)) or ()
    at = data.index(struct.pack("<Q", last))
    data[at : at + 8] = bytes(8)
    path.write_bytes(data[:last])
    with pytest.raises(MatteError, match="truncated or still being written") as caught:
        exr.read_image(path)
    assert caught.value.code == "unreadable" and not is_whole(path)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("tile", [0, 16])
def test_damaged_pixels_of_tiles_and_parts_are_refused_in_plain_words(
    tmp_path: Path, tile: int, count: int
) -> None:
    path, spec = tmp_path / "a.exr", oiio.ImageSpec(37, 29, 3, "half")
    spec.tile_width = spec.tile_height = tile
    spec.attribute("compression", "zip")
    pixels = np.linspace(0, 1, 37 * 29 * 3, dtype=np.float32).reshape(29, 37, 3)
    writer: Any = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), [spec] * count)
    for part in range(count):
        assert not part or writer.open(str(path), spec, "AppendSubimage")
        assert writer.write_image(pixels)
    assert writer.close()
    assert np.allclose(exr.read_image(path).pixels, pixels, atol=HALF)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x78\x5e", data.rindex(b"screenWindowWidth"))  # how zlib's data begin (RFC 1950)
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(MatteError) as refused:
        exr.read_image(path)
    assert refused.value.message == f"{path} cannot be read: Unable to run decoder."


def test_of_parts_only_the_one_that_is_asked_for_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    two_parts(path, ("rgba", "clean"), (rgb_of(1.0), rgb_of(5.0)))
    path.write_bytes(path.read_bytes()[:-1])
    assert exr.read_image(path).pixels[0, 0].tolist() == [1, 2, 3]
    with pytest.raises(MatteError) as refused:
        exr.read_image(path, layer="clean")
    assert refused.value.message == f"{path} cannot be read: not all of its pixels are there."


def test_a_size_is_refused_before_its_pixels_are_read() -> None:
    data = exr.encode_exr(picture(), {}, exr.ExrFormat())
    with pytest.raises(MatteError, match="more than this server takes") as caught:
        exr.read_image(data, limits=exr.ReadLimits(side=40))
    assert caught.value.code == "too_large"


def test_a_display_window_that_is_too_large_is_named(tmp_path: Path) -> None:
    """The message named the picture's own size, which was not."""
    path, corners = tmp_path / "a.exr", (np.array([0, 0], np.int32), np.array([40000, 10], np.int32))
    OpenEXR.File({"displayWindow": corners}, {plain: np.zeros((4, 6), np.float16) for plain in "RGB"}).write(
        str(path)
    )
    with pytest.raises(MatteError) as caught:
        exr.read_image(path, name="a.exr")
    said = "a.exr is 6 x 4 in a display window of 40001 x 11 with 3 channels, more than this server takes"
    assert caught.value.code == "too_large" and said in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="does not exist") as caught:
        exr.read_image(tmp_path / "none.exr")
    assert caught.value.code == "missing_file"
    os.mkfifo(tmp_path / "pipe.exr")
    for path in (tmp_path, tmp_path / "pipe.exr"):
        with pytest.raises(MatteError, match="is not a file"):
            exr.read_image(path)


def test_nothing_is_left_behind_where_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MatteError) as caught:
        exr.write_image(tmp_path / "file" / "a.exr", picture())
    assert caught.value.code == "cannot_write"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("depth", ["half", "float"])
def test_the_order_in_memory_changes_no_byte_of_a_file(depth: str) -> None:
    # What a device gives back lies channel by channel; a file's pixels lie side by side.
    planes = np.random.default_rng(2).normal(0, 4e4, (4, 150, 40)).astype(np.float32)
    window = Window(0, 0, 40, 150)
    by_channel = Image(planes.transpose(1, 2, 0), ("R", "G", "B", "A"), window, window)
    side_by_side = replace(by_channel, pixels=np.ascontiguousarray(by_channel.pixels))
    layers = {"confidence": replace(by_channel, pixels=by_channel.pixels[..., 3:], channels=("A",))}
    form = exr.ExrFormat(bit_depth=depth)
    written = exr.encode_exr(by_channel, layers, form)
    assert written == exr.encode_exr(side_by_side, layers, form)
    halves = np.clip(planes, -65504, 65504).astype(np.float16).transpose(1, 2, 0)
    wanted = halves if depth == "half" else side_by_side.pixels
    assert np.array_equal(exr.read_image(written).pixels, wanted)
    assert np.array_equal(exr.read_image(written, layer="confidence").pixels[..., 0], halves[..., 3])


@pytest.mark.parametrize("stored", ["ZIP", "PXR24", "NO"])
def test_a_compression_of_a_later_openexr_is_refused_and_not_taken_for_zip(tmp_path: Path, stored: str) -> None:
    path, mark = tmp_path / "a.exr", b"compression\0compression\0\1\0\0\0"
    written_by_openexr(path, rgb_of(0.5), compression=getattr(OpenEXR, f"{stored}_COMPRESSION"))
    data = bytearray(path.read_bytes())
    data[data.index(mark) + len(mark)] = 42
    path.write_bytes(data)
    with pytest.raises(MatteError, match="compression number 42 is not supported") as caught:
        exr.read_image(path)
    assert caught.value.code == "unreadable" and "Convert it" in caught.value.hint


@pytest.mark.parametrize("name", ["Beauty", "ViewLayer.Combined", "C"])
def test_the_picture_is_that_of_the_part_that_is_called_so_however_its_channels_are(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.exr"
    two_parts(path, ("albedo", name), (rgb_of(1.0), rgb_of(5.0, f"{name}.")))
    image = exr.read_image(path)
    assert image.pixels[0, 0].tolist() == [5, 6, 7] and image.read_from == (f"{name}.R", f"{name}.G", f"{name}.B")


def test_channels_that_are_called_as_another_part_are_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    two_parts(path, ("albedo", "spec"), (rgb_of(1.0, "albedo."), rgb_of(5.0, "spec.")))
    with pytest.raises(MatteError, match=r"Choose one of its layers with --layer: albedo, spec\.$"):
        exr.read_image(path)


def test_views_without_a_picture_of_their_own_are_offered_as_views(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    written_by_openexr(path, {**rgb_of(0.25, "left."), **rgb_of(0.5, "right.")}, multiView=["left", "right"])
    with pytest.raises(MatteError, match=r"Choose one of its views with --view: left, right\.$"):
        exr.read_image(path)
    assert exr.read_image(path, view="right").pixels[0, 0].tolist() == [0.5, 1.5, 2.5]


def test_identifiers_are_not_offered_as_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    written_by_openexr(path, {**rgb_of(0.25, "CryptoObject00."), **rgb_of(0.5, "spec.")})
    with pytest.raises(MatteError, match=r"Choose one of its layers with --layer: spec\.$"):
        exr.read_image(path)
