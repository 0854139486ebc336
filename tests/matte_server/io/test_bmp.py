"""BMPs, written byte by byte: of each header and layout the picture or a refusal, and never another picture."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from matte_server.core.image import Image
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.colour import SRGB
from matte_server.io.primaries import P3_D65
from tests.matte_server.picture_files import gamma_curve, icc_profile

Bytes = npt.NDArray[np.uint8]
HEIGHT, WIDTH = 4, 5
CODE = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
USUAL = (0xFF0000, 0xFF00, 0xFF)
BITFIELDS, ALPHA_BITFIELDS = 3, 6


def second_header(size: int, bits: int, compression: int = 0, masks: Sequence[int] = ()) -> bytes:
    """A header of ``size`` bytes; of 40, masks follow it."""
    if size == 12:
        return struct.pack("<IHHHH", size, WIDTH, HEIGHT, 1, bits)
    head = struct.pack("<IiiHHIIiiII", size, WIDTH, HEIGHT, 1, bits, compression, 0, 0, 0, 0, 0)
    return (head + struct.pack(f"<{len(masks)}I", *masks)).ljust(size, b"\0")


def bmp(second: bytes, rows: Bytes, palette: bytes = b"", behind: bytes = b"") -> bytes:
    """A BMP of rows of bytes from the top, which are stored from below."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::-1].tobytes()
    at = 14 + len(second) + len(palette)
    first = b"BM" + struct.pack("<IHHI", at + len(padded) + len(behind), 0, 0, at)
    return first + second + palette + padded + behind


def packed(masks: Sequence[int], kind: str) -> tuple[Bytes, npt.NDArray[np.float64]]:
    """Rows of pixels with these masks, and the R, G, B (and A) that they hold."""
    pixels, held = np.zeros((HEIGHT, WIDTH), kind), []
    for mask, code in zip(masks, np.moveaxis(CODE, -1, 0), strict=False):
        bits, shift = mask.bit_count(), (mask & -mask).bit_length() - 1
        value = code.astype(np.uint32) * (2**bits - 1) // 255
        pixels |= (value << shift).astype(kind)
        held.append(value / (2**bits - 1))
    return pixels.view(np.uint8).reshape(HEIGHT, -1), np.stack(held, axis=-1)


def read(path: Path, data: bytes) -> Image:
    path.write_bytes(data)
    return exr.read_image(path)


def refused(path: Path, data: bytes) -> str:
    with pytest.raises(MatteError) as error:
        read(path, data)
    assert error.value.code == "unreadable"
    return str(error.value)


@pytest.mark.parametrize("size", [12, 40, 52, 56, 108, 124])
def test_each_header_of_windows_and_the_first_of_os_2_is_read(tmp_path: Path, size: int) -> None:
    rows = CODE[..., 2::-1].reshape(HEIGHT, -1)
    found = read(tmp_path / "a.bmp", bmp(second_header(size, 24), rows))
    assert found.channels == ("R", "G", "B")
    assert np.allclose(found.pixels, CODE[..., :3] / 255, atol=1e-6)  # float32


def test_pixels_that_look_like_masks_are_pixels(tmp_path: Path) -> None:
    """OS/2's header ends where Windows' has the bits of a pixel and the compression."""
    rows = np.full((HEIGHT, 3 * WIDTH), 9, np.uint8)
    data = bytearray(bmp(second_header(12, 24), rows))
    struct.pack_into("<HI", data, 28, 32, BITFIELDS)
    want = np.frombuffer(bytes(data[26:]), np.uint8).reshape(HEIGHT, 16)[::-1, :15].reshape(HEIGHT, WIDTH, 3)
    assert np.allclose(read(tmp_path / "a.bmp", bytes(data)).pixels, want[..., ::-1] / 255, atol=1e-6)  # float32


@pytest.mark.parametrize("size", [16, 64])
def test_the_later_headers_of_os_2_are_refused(tmp_path: Path, size: int) -> None:
    """OpenImageIO read their palette from the wrong place."""
    palette = bytes(range(256)) * 4
    data = struct.pack("<I", size) + second_header(40, 8)[4:size].ljust(size - 4, b"\0")
    assert f"is a BMP with a header of {size} bytes" in refused(
        tmp_path / "a.bmp", bmp(data, CODE[..., 0], palette)
    )


@pytest.mark.parametrize("begin", [b"BA", b"CI", b"CP", b"IC", b"PT"])
def test_arrays_and_icons_of_os_2_are_refused(tmp_path: Path, begin: bytes) -> None:
    data = begin + bmp(second_header(12, 24), CODE[..., 2::-1].reshape(HEIGHT, -1))[2:]
    assert "is a BMP of several pictures or an icon" in refused(tmp_path / "a.bmp", data)
    assert "is a BMP of several pictures or an icon" in refused(tmp_path / "a.ico", data)
    text = begin + b"CKGROUND, a text in place of a picture"
    assert "it is in no format that Cleanplate reads" in refused(tmp_path / "a.png", text)


@pytest.mark.parametrize(
    "masks",
    [
        (0x7C00, 0x3E0, 0x1F),
        (0xF800, 0x7E0, 0x1F),
        (0x1F, 0x7E0, 0xF800),
        (0x1F, 0x3E0, 0x7C00),
        (0xF00, 0xF0, 0xF),
        (0xF, 0xF0, 0xF00),
        (0xF800, 0x7C0, 0x3E),
    ],
)
@pytest.mark.parametrize("size", [40, 56, 124])
def test_16_bits_are_read_by_their_masks(tmp_path: Path, masks: tuple[int, ...], size: int) -> None:
    rows, held = packed(masks, "<u2")
    found = read(tmp_path / "a.bmp", bmp(second_header(size, 16, BITFIELDS, masks), rows))
    # OpenImageIO repeats their bits up to 8 bits: less than a step of those.
    assert found.channels == ("R", "G", "B") and np.allclose(found.pixels, held, atol=1 / 255)


@pytest.mark.parametrize(
    ("size", "compression", "masks"),
    [
        (56, BITFIELDS, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        (124, BITFIELDS, (0xF00, 0xF0, 0xF, 0xF000)),
        (40, ALPHA_BITFIELDS, (0xF00, 0xF0, 0xF, 0xF000)),
        (40, ALPHA_BITFIELDS, (0xF800, 0x7E0, 0x1F, 0)),
    ],
)
def test_16_bits_with_alpha_are_refused(
    tmp_path: Path, size: int, compression: int, masks: tuple[int, ...]
) -> None:
    """OpenImageIO left alpha out, and with the last compression did not look at the masks."""
    rows, _ = packed(masks[:3], "<u2")
    data = bmp(second_header(size, 16, compression, masks), rows)
    assert "is a BMP of 16 bits a pixel with alpha" in refused(tmp_path / "a.bmp", data)


@pytest.mark.parametrize("compression", [BITFIELDS, ALPHA_BITFIELDS])
@pytest.mark.parametrize("masks", [(0xFF, 0xFF00, 0xFF0000), (0xFF000000, 0xFF0000, 0xFF00)])
def test_32_bits_in_another_order_are_refused(tmp_path: Path, masks: tuple[int, ...], compression: int) -> None:
    rows, _ = packed(masks, "<u4")
    data = bmp(second_header(40, 32, compression, (*masks, 0)), rows)
    assert "with its colours in another order than usual" in refused(tmp_path / "a.bmp", data)


@pytest.mark.parametrize(
    ("size", "compression", "count", "has_alpha"),
    [
        (40, BITFIELDS, 3, False),
        (52, BITFIELDS, 3, False),
        (56, BITFIELDS, 4, True),
        (108, BITFIELDS, 4, True),
        (40, ALPHA_BITFIELDS, 4, True),
        (124, 0, 4, False),
    ],
)
def test_alpha_is_stated_by_a_mask_where_the_header_has_one(
    tmp_path: Path, size: int, compression: int, count: int, has_alpha: bool
) -> None:
    """A fourth byte of zeros is alpha only where it is stated. Behind 40 and 52 bytes no mask of it follows."""
    code = CODE.copy()
    code[..., 3] = 0
    rows = code[..., [2, 1, 0, 3]].reshape(HEIGHT, -1)
    data = bmp(second_header(size, 32, compression, (*USUAL, 0xFF000000)[:count]), rows)
    found = read(tmp_path / "a.bmp", data)
    assert found.channels == (("R", "G", "B", "A") if has_alpha else ("R", "G", "B"))
    assert np.allclose(found.pixels[..., :3], code[..., :3] / 255, atol=1e-6)  # float32


def in_version_5(colour: int, numbers: Sequence[int] = (), profile: bytes = b"") -> bytes:
    rows = CODE[..., 2::-1].reshape(HEIGHT, -1)
    second = bytearray(second_header(124, 24))
    struct.pack_into("<I", second, 56, colour)
    struct.pack_into(f"<{len(numbers)}I", second, 60, *numbers)
    struct.pack_into("<2I", second, 112, len(second) + HEIGHT * 16, len(profile))
    return bmp(bytes(second), rows, behind=profile)


def test_an_embedded_profile_is_honoured(tmp_path: Path) -> None:
    profile = icc_profile(P3_D65, gamma_curve(1.8))
    found = read(tmp_path / "a.bmp", in_version_5(0x4D424544, profile=profile))
    assert found.profile == profile and found.colour_warnings == ()
    assert np.allclose(found.pixels, CODE[..., :3] / 255, atol=1e-6)  # float32


def test_version_4_has_no_profile(tmp_path: Path) -> None:
    """Where a later header names its place, that one's pixels begin."""
    rows = CODE[..., 2::-1].reshape(HEIGHT, -1)
    second = bytearray(second_header(108, 24))
    struct.pack_into("<I", second, 56, 0x4D424544)
    found = read(tmp_path / "a.bmp", bmp(bytes(second), rows))
    assert (found.colourspace, found.profile, found.colour_warnings) == (SRGB, b"", ())


@pytest.mark.parametrize(
    ("colour", "numbers", "said"),
    [
        (0, (1 << 30,) * 9 + (1 << 16,) * 3, "states primaries and gammas"),
        (0, (0,) * 11 + (1 << 16,), "states primaries and gammas"),
        (0x4C494E4B, (), "names a profile in another file"),
        (0, (), ""),
        (0x73524742, (1 << 30,) * 9, ""),
        (0x57696E20, (), ""),
    ],
)
def test_other_colour_is_told(tmp_path: Path, colour: int, numbers: tuple[int, ...], said: str) -> None:
    found = read(tmp_path / "a.bmp", in_version_5(colour, numbers))
    told = (f"The BMP {said}, which was ignored. The picture was read as {SRGB}.",) if said else ()
    assert (found.colourspace, found.colour_warnings) == (SRGB, told)


PALETTE = b"".join(bytes([3 * code, 2 * code, code, 0]) for code in range(16)).ljust(1024, b"\0")


def lines_of_runs(bits: int, is_absolute: bool) -> tuple[list[bytes], Bytes]:
    """The lines of a BMP's run-length encoding from below, without their ends, and the codes that they hold."""
    codes = np.repeat(np.arange(HEIGHT, dtype=np.uint8)[::-1, None] + 1, WIDTH, axis=1)
    if not is_absolute:
        return [bytes([WIDTH, row[0] * 17 if bits == 4 else row[0]]) for row in codes], codes[::-1]
    # The last byte and the filling behind it would be an end of the line.
    codes[:, 1::2], codes[:, -1] = 9, 0
    halves = [row if bits == 8 else bytes([row[0] << 4 | 9] * 2 + [0]) for row in codes]
    return [bytes([0, WIDTH, *half]).ljust(8 if bits == 8 else 6, b"\0") for half in halves], codes[::-1]


@pytest.mark.parametrize("end", [b"\0\1", b"\0\0\0\1"], ids=["once", "as-ImageMagick"])
@pytest.mark.parametrize("is_absolute", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_run_lengths_end_with_the_last_line_or_behind_it(
    tmp_path: Path, bits: int, is_absolute: bool, end: bytes
) -> None:
    lines, codes = lines_of_runs(bits, is_absolute)
    second = second_header(40, bits, {8: 1, 4: 2}[bits])
    path, data = tmp_path / "a.bmp", bmp(second, CODE[:0, :, 0], PALETTE[: 4 << bits]) + b"\0\0".join(lines) + end
    found = read(path, data)
    assert np.allclose(found.pixels, codes[..., None] * [1, 2, 3] / 255, atol=1e-6)  # float32
    assert "truncated" in refused(path, data[: -len(end) - 1])


def test_run_lengths_that_move_on(tmp_path: Path) -> None:
    """What is skipped has the first colour: the lowest line, two pixels, and a line below the highest one."""
    runs = bytes([0, 2, 2, 1, 3, 7, 0, 0, 0, 2, 0, 1, WIDTH, 9, 0, 0, 0, 1])
    codes = np.zeros((HEIGHT, WIDTH))
    codes[2, 2:], codes[0] = 7, 9
    found = read(tmp_path / "a.bmp", bmp(second_header(40, 8, 1), CODE[:0, :, 0], PALETTE) + runs)
    assert np.allclose(found.pixels, codes[..., None] * [1, 2, 3] / 255, atol=1e-6)  # float32
