"""Files of public kinds, made by rule, and what is right to read from each: for the table of files and roles.

Nothing here reads with the code under test. The right values follow from the formulas of each standard; stills are
written by Pillow, the OpenEXR module, or byte by byte.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from PIL import Image as PillowImage
from PIL import ImageCms

from matte_server.core.image import Float32
from tests.matte_server.colour_formulas import to_xyz
from tests.matte_server.pictures import Array

HEIGHT, WIDTH = 12, 20
NOT_PRECOMPUTED = 0x0100
"""LittleCMS's flag for exact transforms: those that it samples first are off by up to ten codes."""


@dataclass(frozen=True, eq=False)
class FileCase:
    """A file and what is right to read from it. ``light``: R, G, B as linear Rec.709. ``stored``: the values that a
    guide has, height x width. ``tolerance``: the largest difference, from the file's steps. ``refusal``: the code
    with which it is refused. ``warning``: what a warning or a refusal says. ``part`` and ``channels``: where an EXR
    has its picture. ``only_by_rule``: why no reader of others can be asked."""

    name: str
    write: Callable[[Path], None]
    light: Array | None = None
    stored: Array | None = None
    tolerance: float = 0.0
    refusal: str = ""
    warning: str = ""
    part: str = ""
    channels: tuple[str, str, str] = ("R", "G", "B")
    only_by_rule: str = ""
    windows: tuple[tuple[int, int, int, int], tuple[int, int, int, int]] | None = None
    attributes: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def scene() -> Array:
    """Linear Rec.709 in 0.05 to 0.95, all colours inside every gamut above, no symmetry: rows, columns and channels
    all differ."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    red = 0.2 + 0.5 * x / WIDTH
    green = 0.25 + 0.4 * y / HEIGHT
    blue = 0.3 + 0.2 * ((x + 2 * y) % 7) / 7
    picture = np.stack([red, green, blue], -1)
    picture[1, 2] = (0.9, 0.8, 0.7)
    return picture


# -- stills


def whole(values: Array, bits: int = 8) -> Any:
    """Values of 0 to 1 as whole numbers."""
    return np.rint(np.clip(values, 0, 1) * ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def png(
    path: Path,
    code: Array,
    bits: int = 16,
    chunks: Sequence[tuple[bytes, bytes]] = (),
    kind: int = 2,
    after: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """A PNG byte by byte, with ``chunks`` before its pixels and others ``after`` them; ``kind``: 0 grey, 2 RGB, 4
    grey and alpha, 6 RGBA."""
    values = whole(code, bits)
    rows = values.astype(">u2" if bits == 16 else np.uint8).reshape(values.shape[0], -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, kind, 0, 0, 0)
    middle, last = (b"".join(chunk(name, body) for name, body in group) for group in (chunks, after))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + middle
        + chunk(b"IDAT", zlib.compress(data))
        + last
        + chunk(b"IEND", b"")
    )


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"p\0\0" + zlib.compress(profile)


def chromaticity_chunk(primaries: Sequence[float]) -> tuple[bytes, bytes]:
    numbers = [round(number * 100000) for number in (*primaries[6:], *primaries[:6])]
    return b"cHRM", struct.pack(">8I", *numbers)


def pillow(path: Path, code: Array, mode: str = "RGB", **options: Any) -> None:
    PillowImage.fromarray(whole(code)).convert(mode).save(path, **options)


def several(path: Path, code: Any) -> None:
    """The picture, and behind it the same one upside down."""
    first, second = (PillowImage.fromarray(whole(values)) for values in (code, code[::-1]))
    options: Any = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=[second], **options)


def stored_as(picture: Any, orientation: int) -> Any:
    """The picture as it is stored so that a viewer that obeys ``orientation`` shows it upright."""
    turned = picture.swapaxes(0, 1) if orientation in (5, 7) else picture
    turned = np.rot90(turned, {6: 1, 8: -1}.get(orientation, 0))
    turned = turned[::-1] if orientation in (3, 4, 7) else turned
    return np.ascontiguousarray(turned[:, ::-1] if orientation in (2, 3, 7) else turned)


def grey_png(path: Path, code: Array, profile: bytes) -> None:
    PillowImage.fromarray(whole(code)).save(path, icc_profile=profile)


def oriented_file(path: Path, code: Array, orientation: int) -> None:
    """A picture stored so that a viewer that obeys ``orientation`` shows ``code``."""
    exif = PillowImage.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {}
    if path.suffix == ".webp":
        options = {"lossless": True}
    PillowImage.fromarray(stored_as(whole(code), orientation)).save(path, exif=exif, **options)


def adobe_rgb_jpeg(path: Path, code: Array, exif_tags: Mapping[int, Any]) -> None:
    """A camera's JPEG in Adobe RGB without a profile; ``exif_tags`` say so."""
    exif = PillowImage.Exif()
    exif.get_ifd(0x8769).update(exif_tags)
    PillowImage.fromarray(whole(code)).save(path, exif=exif, quality=100, subsampling=0)


def hdr(path: Path, light: Array, header: str = "", upwards: bool = False) -> None:
    """A Radiance picture without run lengths, byte by byte."""
    exponent = np.ceil(np.log2(light.max(-1)))[..., None]
    pixels = np.dstack([np.floor(light / 2.0**exponent * 256), exponent + 128])
    rows = pixels[::-1] if upwards else pixels
    size = f"{'+' if upwards else '-'}Y {light.shape[0]} +X {light.shape[1]}\n"
    text = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n{header}\n{size}"
    path.write_bytes(text.encode() + np.clip(rows, 0, 255).astype(np.uint8).tobytes())


def tga(path: Path, code: Array, descriptor: int) -> None:
    """An uncompressed TGA; ``descriptor``: 32 from the top, 16 from the right."""
    rows = whole(code)[..., ::-1]
    rows = rows if descriptor & 32 else rows[::-1]
    rows = rows[:, ::-1] if descriptor & 16 else rows
    height, width, _ = rows.shape
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 24, descriptor)
    path.write_bytes(head + rows.tobytes())


BMP_MASKS = (0xFF0000, 0xFF00, 0xFF)


def bmp(path: Path, code: Array, alpha: Array, mask: int | None, masks: Sequence[int] = BMP_MASKS) -> None:
    """A BMP of 32 bits a pixel, as Windows writes it, or with ``masks`` of colour and ``mask``, that of alpha."""
    height, width, _ = code.shape
    rows = np.dstack([whole(code)[..., ::-1], whole(alpha)])[::-1].tobytes()
    stated = b"" if mask is None else struct.pack("<4I", *masks, mask)
    size = 40 if mask is None else 108
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, 32, 0 if mask is None else 3, len(rows), 0, 0, 0, 0)
    body = (head + stated).ljust(size, b"\0")
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + size + len(rows), 0, 0, 14 + size) + body + rows)


def tga_32(path: Path, code: Array, alpha: Array, alpha_bits: int) -> None:
    """A Targa of 32 bits a pixel, from the top."""
    height, width, _ = code.shape
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 32, 0x20 | alpha_bits)
    path.write_bytes(head + np.dstack([whole(code)[..., ::-1], whole(alpha)]).tobytes())


def tiff(
    path: Path,
    values: Any,
    tags: Mapping[int, tuple[int, Any]] = {},
    pages: Sequence[Any] = (),
    kind_of_pages: int = 1,
) -> None:
    """An uncompressed TIFF byte by byte; ``tags``: number -> field type and value, beside the needed ones.
    ``pages``: pictures stored before it, of NewSubfileType ``kind_of_pages`` (1 reduced copies, 4 masks)."""
    body, offsets = bytearray(b"II*\0\0\0\0\0"), []
    every = [*((page, {254: (4, kind_of_pages)}) for page in pages), (values, tags)]
    for page, extra in every:
        strip = len(body)
        body += np.ascontiguousarray(page).tobytes()
        body += b"\0" * (len(body) % 2)
        offsets.append(_directory(body, page, strip, extra))
    struct.pack_into("<I", body, 4, offsets[0])
    for here, following in pairwise(offsets):
        (count,) = struct.unpack_from("<H", body, here)
        struct.pack_into("<I", body, here + 2 + 12 * count, following)
    path.write_bytes(bytes(body))


def _directory(body: bytearray, values: Any, strip: int, extra: Mapping[int, tuple[int, Any]]) -> int:
    height, width, channels = values.shape
    bits = values.dtype.itemsize * 8
    kind = 3 if values.dtype.kind == "f" else 1
    fields: dict[int, tuple[int, Any]] = {
        256: (4, width),
        257: (4, height),
        258: (3, [bits] * channels),
        259: (3, 1),
        262: (3, 2 if channels >= 3 else 1),
        273: (4, strip),
        277: (3, channels),
        278: (4, height),
        279: (4, values.nbytes),
        339: (3, [kind] * channels),
        **extra,
    }
    entries = b""
    for number, (field_type, value) in sorted(fields.items()):
        data = value if isinstance(value, bytes) else _packed(field_type, value)
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}[field_type]
        stored = data.ljust(4, b"\0")
        if len(data) > 4:
            stored = struct.pack("<I", len(body))
            body += data + b"\0" * (len(data) % 2)
        entries += struct.pack("<HHI", number, field_type, len(data) // size) + stored
    at = len(body)
    body += struct.pack("<H", len(fields)) + entries + struct.pack("<I", 0)
    return at


def rationals(values: Sequence[float]) -> bytes:
    """Values as a TIFF's RATIONALs."""
    return b"".join(struct.pack("<II", round(value * 1000000), 1000000) for value in values)


def _packed(field_type: int, value: Any) -> bytes:
    values = value if isinstance(value, list) else [value]
    return struct.pack(f"<{len(values)}{ {1: 'B', 3: 'H', 4: 'I', 12: 'd'}[field_type] }", *values)


def dpx(path: Path, code: Array, transfer: int = 3, bits: int = 10, big: bool = True, orientation: int = 0) -> None:
    """A DPX 1.0 file byte by byte: 10 bits filled (method A) or 16 bits; SMPTE ST 268."""
    order = ">" if big else "<"
    height, width, _ = code.shape
    head = bytearray(b"\xff" * 2048)

    def put(at: int, layout: str, *values: Any) -> None:
        struct.pack_into(order + layout, head, at, *values)

    values = np.rint(np.clip(code, 0, 1) * ((1 << bits) - 1)).astype(np.uint32)
    if bits == 10:
        body = (values[..., 0] << 22 | values[..., 1] << 12 | values[..., 2] << 2).astype(order + "u4").tobytes()
    else:
        body = values.astype(order + "u2").tobytes()
    head[0:4] = b"SDPX" if big else b"XPDS"
    head[8:16] = b"V1.0\0\0\0\0"
    put(4, "I", 2048)
    put(16, "I", 2048 + len(body))
    put(20, "III", 1, 1664, 384)
    put(32, "I", 0)
    head[36:660] = bytes(624)
    head[664:768] = bytes(104)
    put(768, "HHII", orientation, 1, width, height)
    put(780, "IIfIf", 0, 0, 0.0, (1 << bits) - 1, 2.048)
    head[800:804] = bytes([50, transfer, transfer, bits])
    put(804, "HHIII", 1 if bits == 10 else 0, 0, 2048, 0, 0)
    head[820:852] = bytes(32)
    put(1408, "IIffII", 0, 0, 0.0, 0.0, width, height)
    head[1432:1556] = bytes(124)
    put(1628, "II", 1, 1)
    head[1664:1712] = bytes(48)
    path.write_bytes(bytes(head) + body)


# -- ICC profiles


_D50 = np.array([0.9642, 1.0, 0.8249])


def _colorants(primaries: Sequence[float]) -> Array:
    """XYZ of red, green and blue in columns, adapted to D50."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = (bradford @ _D50) / (bradford @ to_xyz(primaries).sum(1))
    return np.asarray(np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ to_xyz(primaries))


def _xyz_tag(values: Array) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def icc_profile(
    primaries: Sequence[float],
    curve: bytes,
    space: bytes = b"RGB ",
    more: Sequence[tuple[bytes, bytes]] = (),
    connection: bytes = b"XYZ ",
) -> bytes:
    """A matrix profile byte by byte (ICC.1:2022, 8.3.3): colorants adapted to D50, and ``more`` tags."""
    if space == b"GRAY":
        return _profile([(b"kTRC", curve)], space, connection)
    colorants = _colorants(primaries)
    tags = [(letter + b"XYZ", _xyz_tag(colorants[:, index])) for index, letter in enumerate((b"r", b"g", b"b"))]
    return _profile([*tags, *((letter + b"TRC", curve) for letter in (b"r", b"g", b"b")), *more], space, connection)


def icc_table_profile(primaries: Sequence[float]) -> bytes:
    """A profile of linear light whose colours are a table."""
    return _profile([(b"A2B0", icc_table(primaries))], b"RGB ")


def icc_table(primaries: Sequence[float]) -> bytes:
    """Linear light as a table of 2 x 2 x 2 places (lut16Type, ICC.1:2022, 10.10)."""
    corners = np.array([[red, green, blue] for red in (0, 1) for green in (0, 1) for blue in (0, 1)])
    # XYZ of the connection space in 16 bits: 1.0 is 32768.
    table = np.rint(corners @ _colorants(primaries).T * 32768).astype(">u2")
    straight = struct.pack(">6H", *(0, 65535) * 3)
    lut = b"mft2\0\0\0\0" + bytes((3, 3, 2, 0)) + struct.pack(">9i", *(np.eye(3, dtype=int).ravel() * 65536))
    return lut + struct.pack(">2H", 2, 2) + straight + table.tobytes() + straight


def _profile(tags: Sequence[tuple[bytes, bytes]], space: bytes, connection: bytes = b"XYZ ") -> bytes:
    name = (
        b"mluc\0\0\0\0"
        + struct.pack(">II", 1, 12)
        + b"enUS"
        + struct.pack(">II", 8, 28)
        + "Test".encode("utf-16-be")
    )
    tags = [(b"desc", name), (b"cprt", name), (b"wtpt", _xyz_tag(_D50)), *tags]
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, data in tags:
        data += b"\0" * (-len(data) % 4)
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I", start + len(body)) + b"test" + struct.pack(">I", 0x04000000)
    head += b"mntr" + space + connection + struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(value * 65536) for value in _D50)) + bytes(48)
    return head + table + body


def parametric(*numbers: float) -> bytes:
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(numbers)]
    return (
        b"para\0\0\0\0"
        + struct.pack(">HH", kind, 0)
        + struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
    )


SRGB_CURVE = parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def table_curve(values: Array) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *whole(values, 16))


def littlecms_srgb(picture: PillowImage.Image, profile: bytes) -> Array:
    """sRGB code values, 0 to 1 in 8 bits, that LittleCMS makes of a picture in a profile."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    found = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags(NOT_PRECOMPUTED),
    )
    return np.asarray(found, np.float64) / 255


# -- EXRs


def planes(picture: Array, names: Sequence[str] = ("R", "G", "B"), prefix: str = "", kind: Any = np.float32) -> Any:
    return {prefix + name: np.ascontiguousarray(picture[..., index], kind) for index, name in enumerate(names)}


def exr(
    path: Path, channels: Mapping[str, Any], attributes: Mapping[str, tuple[str, bytes]] = {}, **header: Any
) -> None:
    """A single-part EXR of the OpenEXR module; ``attributes`` are put into its header byte by byte."""
    described = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(described, dict(channels)).write(str(path))
    if attributes:
        inject(path, attributes)


def exr_planes(path: Path) -> tuple[dict[str, Any], dict[str, Float32]]:
    """Header and channels of an EXR as the OpenEXR module sees them."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return file.header(), {name: np.asarray(c.pixels, np.float32) for name, c in file.channels().items()}


def exr_parts(path: Path, *named: tuple[str, Mapping[str, Any]], **header: Any) -> None:
    described = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(
        [OpenEXR.Part({"name": name, **described}, dict(channels), name) for name, channels in named]
    ).write(str(path))


def exr_header(path: Path) -> dict[str, tuple[str, bytes]]:
    """Attributes of a single-part EXR by name: type and bytes."""
    data, at = path.read_bytes(), 8
    found = {}
    while data[at]:
        name_end = data.index(0, at)
        type_end = data.index(0, name_end + 1)
        (size,) = struct.unpack_from("<i", data, type_end + 1)
        start = type_end + 5
        found[data[at:name_end].decode("latin-1")] = (
            data[name_end + 1 : type_end].decode(),
            data[start : start + size],
        )
        at = start + size
    return found


def inject(path: Path, attributes: Mapping[str, tuple[str, bytes]]) -> None:
    """Adds attributes to a single-part scanline EXR in ZIP compression, and moves its offsets."""
    data = path.read_bytes()
    at = 8 + sum(len(name) + len(kind) + 6 + len(value) for name, (kind, value) in exr_header(path).items())
    _, top, _, bottom = struct.unpack("<4i", exr_header(path)["dataWindow"][1])
    count = -(-(bottom - top + 1) // 16)
    added = b"".join(
        name.encode("latin-1") + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, (kind, value) in attributes.items()
    )
    (flags,) = struct.unpack_from("<I", data, 4)
    if any(len(text) > 31 for name, (kind, _) in attributes.items() for text in (name, kind)):
        flags |= 0x400
    table = [offset + len(added) for offset in struct.unpack_from(f"<{count}Q", data, at + 1)]
    path.write_bytes(
        data[:4]
        + struct.pack("<I", flags)
        + data[8:at]
        + added
        + b"\0"
        + struct.pack(f"<{count}Q", *table)
        + data[at + 1 + 8 * count :]
    )
