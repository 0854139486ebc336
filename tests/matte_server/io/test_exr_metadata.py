"""What an EXR's header says beside its picture: every attribute returns byte for byte, and none stops the
reader."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.exr_header import RawAttribute, decoded_string_vector
from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files as files

PLANES = files.planes(np.full((4, 5, 3), 0.5))


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<i", len(value)) + value for value in values)


VALUES: dict[str, bytes] = {
    "string": b"24",
    "int": struct.pack("<i", -24),
    "float": struct.pack("<f", float("nan")),
    "double": struct.pack("<d", 1 / 3),
    "rational": struct.pack("<iI", 0, 0),
    "v2f": struct.pack("<2f", 1, 2),
    "v3f": struct.pack("<3f", 1, 2, 3),
    "v2i": struct.pack("<2i", 1, 2),
    "v3i": struct.pack("<3i", 1, 2, 3),
    "v2d": struct.pack("<2d", 1, 2),
    "m33f": struct.pack("<9f", *range(9)),
    "m44f": struct.pack("<16f", *range(16)),
    "m44d": struct.pack("<16d", *range(16)),
    "box2i": struct.pack("<4i", 0, 0, 1, 1),
    "box2f": struct.pack("<4f", 0, 0, 1, 1),
    "stringvector": texts(b"a", b"", b"bb"),
    "floatvector": struct.pack("<3f", 1, 2, 3),
    "timecode": struct.pack("<II", 0x10203004, 0x12345678),
    "keycode": struct.pack("<7i", 1, 2, 345678, 12, 3, 4, 64),
    "chromaticities": struct.pack("<8f", *formulas.PRIMARIES["P3"]),
    "com.vendor.type": bytes(range(200)),
}
NAMES = [
    "framesPerSecond", "timeCode", "keyCode", "chromaticities", "whiteLuminance", "adoptedNeutral", "owner",
    "comments", "capDate", "utcOffset", "expTime", "isoSpeed", "wrapmodes", "multiView", "view", "name",
    "worldToCamera", "xDensity", "imageCounter", "reelName", "colorInteropID", "idManifest",
    "maxSamplesPerPixel", "Exif:ISO", "ImageDescription", "DateTime", "Orientation", "oiio:ColorSpace",
    "oiio:subimages", "openexr:foo", "png:bar", "textureformat", "dwaCompressionLevel", "BitsPerSample",
    "version", "cleanplate:unpremultiplied", "~", "com.arri.camera.TheLongestNameOfAllTheirAttributes",
    "cryptomatte/abc1234/manifest", "nuke/node_hash", "emptyish",
]  # fmt: skip
# What a file of ours says of itself, and the list of views, of which a result has one.
OWN = {("cleanplate:unpremultiplied", kind) for kind in VALUES} | {("multiView", "stringvector")}
# OpenEXR itself refuses files in which these have another type.
RESERVED = {"name": "string", "view": "string", "version": "int"}


def returned(path: Path) -> dict[str, tuple[str, bytes]]:
    image = exr.read_image(path)
    exr.write_image(path.with_name("back.exr"), image)
    again = exr.read_image(path.with_name("back.exr"))
    assert np.allclose(again.pixels, image.pixels, rtol=2**-10) and again.colourspace == image.colourspace  # half
    return files.exr_header(path.with_name("back.exr"))


@pytest.mark.parametrize("kind", VALUES)
def test_every_name_in_every_type_returns_byte_for_byte(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.exr"
    for name in NAMES:
        if (name, kind) in OWN or RESERVED.get(name, kind) != kind:
            continue
        files.exr(path, PLANES, {name: (kind, VALUES[kind])})
        image = exr.read_image(path)
        exr.write_image(path.with_name("back.exr"), image)
        assert files.exr_header(path.with_name("back.exr"))[name] == (kind, VALUES[kind]), name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=60),
        st.tuples(st.sampled_from(sorted(VALUES)), st.binary(max_size=80)),
        max_size=6,
    )
)
def test_no_header_stops_the_reader_without_a_word(
    tmp_path: Path, attributes: dict[str, tuple[str, bytes]]
) -> None:
    """Values of any size under any type: what OpenEXR itself cannot read is refused as unreadable."""
    path = tmp_path / "a.exr"
    kept = {name: value for name, value in attributes.items() if name not in files_own(path)}
    files.exr(path, PLANES, kept)
    try:
        found = returned(path)
    except MatteError as refused:
        assert refused.code == "unreadable"
        return
    except (RuntimeError, ValueError):
        return  # the OpenEXR module itself, on the result, as on the source
    assert all(found[name] == value for name, value in kept.items())


def files_own(path: Path) -> set[str]:
    files.exr(path, PLANES)
    # Those of how a file is stored, which a result does not inherit, too.
    storage = ("acesImageContainerFlag", "chunkCount", "multiView", "preview", "tiles")
    return {*files.exr_header(path), "cleanplate:unpremultiplied", *storage}


def test_a_manifest_of_megabytes_and_texts_that_are_not_utf_8(tmp_path: Path) -> None:
    attributes = {
        "cryptomatte/abc1234/manifest": ("string", b'{"a":"00000001"}' * 300_000),
        "latin": ("string", b"caf\xe9"),
        "with-a-zero": ("string", b"a\0b"),
        "empty": ("string", b""),
    }
    path = tmp_path / "a.exr"
    files.exr(path, PLANES, attributes)
    found = returned(path)
    assert {name: found[name] for name in attributes} == attributes


def test_luminance_chroma_keeps_its_attributes_too(tmp_path: Path) -> None:
    attributes = dict(zip("abcdefgh", VALUES.items(), strict=False))
    path = tmp_path / "a.exr"
    chroma = {name: np.zeros((4, 5), np.float32) for name in ("RY", "BY")}
    files.exr(path, {"Y": np.full((4, 5), 0.5, np.float32), **chroma}, attributes)
    found = returned(path)
    assert {name: found[name] for name in attributes} == attributes
    assert np.allclose(exr.read_image(path).rgb, 0.5, atol=1e-6)


def test_luminance_of_tristimulus_primaries_is_green(tmp_path: Path) -> None:
    """XYZ: Y weighs X and Z with zero, and y of both primaries is zero."""
    xyz = np.random.default_rng(2).random((4, 6, 3)).astype(np.float32) + 0.1
    luma = xyz[..., 1]
    planes = {"Y": luma, "RY": xyz[..., 0] / luma - 1, "BY": xyz[..., 2] / luma - 1}
    tag = {"chromaticities": ("chromaticities", struct.pack("<8f", 1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3))}
    path = tmp_path / "a.exr"
    files.exr(path, {name: np.ascontiguousarray(plane, np.float32) for name, plane in planes.items()}, tag)
    image = exr.read_image(path)
    assert image.colourspace == "CIE-XYZ-D65"
    assert np.allclose(image.rgb, xyz, rtol=1e-5)  # float32 in three steps


@pytest.mark.parametrize("aspect", [2e-6, 0.002, 500.0, 9e5])
def test_a_pixel_aspect_that_openexr_takes_is_kept(tmp_path: Path, aspect: float) -> None:
    files.exr(tmp_path / "a.exr", PLANES, pixelAspectRatio=aspect)
    image = exr.read_image(tmp_path / "a.exr")
    assert image.pixel_aspect == float(np.float32(aspect)) and image.warnings == ()


@pytest.mark.parametrize("aspect", [0.0, -1.0, 1e-30, 9e-7, 1.1e6, 1e30, float("nan"), float("inf")])
def test_a_pixel_aspect_that_openexr_refuses_is_1(tmp_path: Path, aspect: float) -> None:
    path, mark = tmp_path / "a.exr", b"pixelAspectRatio\0float\0\4\0\0\0"
    files.exr(path, PLANES)
    data = path.read_bytes()
    path.write_bytes(data.replace(mark + struct.pack("<f", 1.0), mark + struct.pack("<f", aspect)))
    assert path.read_bytes() != data
    image = exr.read_image(path)
    assert image.pixel_aspect == 1.0
    assert image.warnings == (f"The tag pixelAspectRatio {aspect:g} is impossible and counts as 1.",)
    assert np.array_equal(image.rgb, np.dstack([PLANES[name] for name in "RGB"]))


def test_a_wrong_count_of_chunks_stops_nobody(tmp_path: Path) -> None:
    files.exr(tmp_path / "a.exr", PLANES, {"chunkCount": ("int", struct.pack("<i", 99))})
    image = exr.read_image(tmp_path / "a.exr")
    assert np.array_equal(image.rgb, np.dstack([PLANES[name] for name in "RGB"]))


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (struct.pack("<i", 2) + b"ab" + struct.pack("<i", 0), ("ab", "")),
        (struct.pack("<i", 2) + b"ab" + struct.pack("<i", -4) + b"abcd", ("ab",)),
        (struct.pack("<i", 9) + b"cut", ("cut",)),
        (b"\0\0", ()),
    ],
)
def test_a_damaged_list_of_texts_ends(data: bytes, texts: tuple[str, ...]) -> None:
    """One of them may say that it is shorter than nothing."""
    assert decoded_string_vector(RawAttribute(type="stringvector", data=data)) == texts


@pytest.mark.parametrize(
    ("numbers", "rate"), [((24, 1), Fraction(24)), ((0, 1), None), ((-24, 1), None), ((24, 0), None)]
)
def test_the_rate_that_a_picture_states(numbers: tuple[int, int], rate: Fraction | None) -> None:
    stored = RawAttribute(type="rational", data=struct.pack("<iI", *numbers))
    assert exr.frame_rate(stored) == rate


@pytest.mark.parametrize(("length", "is_flagged"), [(31, False), (32, True), (200, True)])
def test_a_file_with_long_names_says_so(tmp_path: Path, length: int, is_flagged: bool) -> None:
    """Readers that know names of 31 bytes alone refuse it then ("OpenEXR File Layout", version field)."""
    path, name = tmp_path / "a.exr", "n" * length
    files.exr(path, PLANES)
    image = exr.read_image(path)
    kept = {name: RawAttribute(type="string", data=b"a text")}
    exr.write_image(tmp_path / "b.exr", replace(image, metadata=kept))
    (flags,) = struct.unpack_from("<I", (tmp_path / "b.exr").read_bytes(), 4)
    assert bool(flags & 0x400) is is_flagged
    assert files.exr_header(tmp_path / "b.exr")[name] == ("string", b"a text")


@pytest.mark.parametrize(("count", "is_shortened"), [(20, False), (21, True)])
def test_a_refusal_lists_twenty_channels(tmp_path: Path, count: int, is_shortened: bool) -> None:
    names = [f"u{number:02}" for number in range(count)]
    files.exr(tmp_path / "a.exr", dict.fromkeys(names, PLANES["R"]))
    with pytest.raises(MatteError) as refused:
        exr.read_image(tmp_path / "a.exr")
    listed = f"Its channels are {', '.join(names[:20])}{', ...' if is_shortened else ''}."
    assert refused.value.hint == listed


def test_diagnostics_nested_without_end_are_none(tmp_path: Path) -> None:
    """A result is looked at before it is replaced, and anybody may have written it."""
    window = Window(0, 0, 2, 2)
    told = {exr.DIAGNOSTICS: exr.Attribute(type="string", value="[" * 100_000)}
    image = Image(np.ones((2, 2, 3), np.float32), ("R", "G", "B"), window, window, metadata=told)
    exr.write_image(tmp_path / "made.exr", image)
    assert exr.read_diagnostics(tmp_path / "made.exr") == {}
