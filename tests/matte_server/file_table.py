"""The table of files: what each public kind holds, and what is right to read from it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from PIL import Image as PillowImage
from PIL.TiffImagePlugin import TiffImageFile

from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files as files
from tests.matte_server.colour_formulas import PRIMARIES, REC_709
from tests.matte_server.picture_files import HEIGHT, WIDTH, FileCase
from tests.matte_server.pictures import Array
from tests.matte_server.video_files import VideoTags, lossless_mp4, set_display_matrix, video

LIGHT = files.scene()
CODE = formulas.srgb_encoded(LIGHT)
# Half a step of 8 and 16 bits, through the steepest part of each curve that the scene has (slope below 2.5,
# Cineon's below 10), and what float32 leaves.
STEP_8, STEP_16, FLOAT, HALF = 0.006, 4e-5, 2e-5, 5e-4
STEP_10_LOG = 0.006
Z = np.zeros((HEIGHT, WIDTH), np.float32)


def of(write: Callable[..., object], *values: Any, **named: Any) -> Callable[[Path], None]:
    """A function that writes a file at a path with these values."""

    def written(path: Path) -> None:
        write(path, *values, **named)

    return written


def kinds() -> dict[str, list[FileCase]]:
    """The table, by kind of file."""
    makers = (
        oriented,
        pngs,
        icc_files,
        other_stills,
        tiffs,
        dpx_files,
        exr_colours,
        exr_layouts,
        exr_windows,
        videos,
    )
    return {maker.__name__: list(maker()) for maker in makers}


def oriented() -> Iterator[FileCase]:
    for suffix in (".jpg", ".tif", ".png", ".webp"):
        for orientation in range(1, 9):
            yield FileCase(
                name=f"orientation-{orientation}{suffix}",
                write=of(files.oriented_file, CODE, orientation),
                light=LIGHT,
                stored=CODE[..., 0],
                # JPEG at quality 100 rounds cosines and Y'CbCr too: three steps.
                tolerance=0.03 if suffix == ".jpg" else STEP_8,
            )


def oriented_behind_pixels(path: Path) -> None:
    """As exiftool writes it."""
    exif = PillowImage.Exif()
    exif[274] = 6
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    files.png(path, files.stored_as(CODE, 6), after=[(b"eXIf", data)])


def pngs() -> Iterator[FileCase]:
    yield FileCase(
        name="orientation-behind-pixels.png",
        write=oriented_behind_pixels,
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=STEP_16,
        only_by_rule="FFmpeg does not turn it",
    )

    def png(
        name: str, code: Array, light: Array, *chunks: tuple[bytes, bytes], tolerance: float = STEP_16, **more: Any
    ) -> FileCase:
        write = of(files.png, code=code, chunks=chunks)
        return FileCase(
            name=f"{name}.png", write=write, light=light, stored=code[..., 0], tolerance=tolerance, **more
        )

    def gama(exponent: float) -> tuple[bytes, bytes]:
        return b"gAMA", struct.pack(">I", round(100000 * exponent))

    def cicp(*codes: int) -> tuple[bytes, bytes]:
        return b"cICP", bytes(codes)

    srgb = (b"sRGB", b"\0")
    yield png("16-bit", CODE, LIGHT)
    yield png("gamma-1", LIGHT, LIGHT, gama(1.0))
    for gamma in (1.8, 2.2, 2.6):
        yield png(f"gamma-{gamma}", LIGHT ** (1 / gamma), LIGHT, gama(1 / gamma), tolerance=3e-4)  # gAMA: 5 digits
    yield png("srgb-beats-gamma", CODE, LIGHT, gama(1.0), srgb)
    adobe = formulas.in_gamut(LIGHT, PRIMARIES["Adobe RGB"])
    chrm = files.chromaticity_chunk(PRIMARIES["Adobe RGB"])
    yield png("gamma-and-primaries", adobe ** (1 / 2.2), LIGHT, gama(1 / 2.2), chrm, tolerance=3e-4)
    yield png("primaries-alone", formulas.srgb_encoded(adobe), LIGHT, chrm, tolerance=1e-4)
    yield png("linear-and-primaries", adobe, LIGHT, gama(1.0), chrm, tolerance=1e-4)
    p3, wide = formulas.in_gamut(LIGHT, PRIMARIES["P3"]), formulas.in_gamut(LIGHT, PRIMARIES["Rec.2020"])
    yield png("cicp-srgb", CODE, LIGHT, cicp(1, 13, 0, 1))
    yield png("cicp-p3", formulas.srgb_encoded(p3), LIGHT, cicp(12, 13, 0, 1))
    yield png("cicp-pq", formulas.pq_encoded(wide), LIGHT, cicp(9, 16, 0, 1), tolerance=2e-4)
    yield png("cicp-hlg", formulas.hlg_encoded(wide), LIGHT, cicp(9, 18, 0, 1), tolerance=2e-4)
    yield png("cicp-pq-709", formulas.pq_encoded(LIGHT), LIGHT, cicp(1, 16, 0, 1), tolerance=2e-4)
    yield png("cicp-2020", wide ** (1 / 2.4), LIGHT, cicp(9, 14, 0, 1))
    yield png("cicp-709", LIGHT ** (1 / 2.4), LIGHT, cicp(1, 1, 0, 1))
    yield png("cicp-linear-2020", wide, LIGHT, cicp(9, 8, 0, 1))
    yield png("cicp-beats-icc", CODE, LIGHT, cicp(1, 13, 0, 1), files.icc_chunk(p3_profile()))
    yield png("cicp-unspecified", LIGHT ** (1 / 1.8), LIGHT, cicp(2, 2, 0, 1), gama(1 / 1.8), tolerance=3e-4)
    yield png("gamma-impossible", CODE, LIGHT, gama(1e-5), warning="gAMA", only_by_rule="Pillow believes it")
    yield png("gamma-0", CODE, LIGHT, gama(0), warning="gAMA", only_by_rule="FFmpeg divides by it")
    flat = (b"cHRM", struct.pack(">8I", *(30000,) * 8))
    yield png("primaries-impossible", CODE, LIGHT, flat, warning="cHRM", only_by_rule="FFmpeg believes them")
    for name, chunk in {"gAMA": gama(0.5), "cHRM": flat, "cICP": cicp(9, 16, 0, 1)}.items():
        part = (chunk[0], chunk[1][:2])
        yield png(f"{name}-cut", CODE, LIGHT, part, warning=name, only_by_rule="libpng leaves it out")
    for changed in ("gAMA", "tRNS", "iCCP", "pHYs"):
        yield FileCase(
            name=f"damaged-{changed}.png",
            write=of(damaged_chunk, changed.encode()),
            refusal="unreadable",
            warning=f"its chunk {changed} is damaged",
        )
    yield png("cicp-log", CODE, LIGHT, cicp(1, 9, 0, 1), warning="cICP")
    yield png("cicp-narrow", CODE, LIGHT, cicp(1, 13, 0, 0), warning="cICP")
    yield png("icc-p3", formulas.srgb_encoded(p3), LIGHT, files.icc_chunk(p3_profile()), tolerance=2e-4)
    yield png("icc-damaged", CODE, LIGHT, files.icc_chunk(b"no profile"), warning="ICC")
    grey = CODE[..., 1:2]
    for bits in (8, 16):
        yield FileCase(
            name=f"grey-{bits}.png",
            write=of(files.png, grey, bits, kind=0),
            light=np.repeat(LIGHT[..., 1:2], 3, -1),
            stored=grey[..., 0],
            tolerance=STEP_8 if bits == 8 else STEP_16,
        )
    alpha = np.linspace(0.1, 1, WIDTH)[None, :, None].repeat(HEIGHT, 0)
    for name, picture, kind in (("rgba", np.dstack([CODE, alpha]), 6), ("grey-alpha", np.dstack([grey, alpha]), 4)):
        yield FileCase(
            name=f"{name}.png",
            write=of(files.png, picture, kind=kind),
            light=LIGHT if kind == 6 else np.repeat(LIGHT[..., 1:2], 3, -1),
            stored=alpha[..., 0],
            tolerance=STEP_16,
        )


def damaged_chunk(path: Path, kind: bytes) -> None:
    """A bit of its content is another than its checksum says."""
    files.png(path, CODE, chunks=[(kind, b"some content")])
    data = bytearray(path.read_bytes())
    data[data.index(kind) + 6] ^= 1
    path.write_bytes(data)


def p3_profile() -> bytes:
    return files.icc_profile(PRIMARIES["P3"], files.SRGB_CURVE)


def icc_files() -> Iterator[FileCase]:
    """Each profile in a JPEG, a TIFF and a PNG of Pillow's, in 8 bits."""
    curves = {
        "srgb": (files.SRGB_CURVE, formulas.srgb_encoded),
        "gamma": (files.gamma_curve(2.2), lambda light: light ** (1 / (round(2.2 * 256) / 256))),
        "parametric-gamma": (files.parametric(1.8), lambda light: light ** (1 / 1.8)),
        "table": (files.table_curve(np.linspace(0, 1, 4096) ** 2.0), lambda light: light**0.5),
        "identity": (b"curv\0\0\0\0" + bytes(4), lambda light: light),
    }
    chosen = [("P3", "srgb"), ("P3", "table"), ("Adobe RGB", "gamma"), ("ProPhoto", "parametric-gamma")]
    chosen += [("Rec.2020", "identity"), ("AWG4", "table")]
    for gamut, curve in chosen:
        numbers = PRIMARIES[gamut]
        data, encode = curves[curve]
        code = encode(np.clip(formulas.in_gamut(LIGHT, numbers), 0, 1))
        for suffix in (".png", ".jpg", ".tif"):
            options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
            yield FileCase(
                name=f"icc-{gamut}-{curve}{suffix}",
                write=of(files.pillow, code=code, icc_profile=files.icc_profile(numbers, data), **options),
                light=LIGHT,
                stored=code[..., 0],
                # A linear curve has no finer steps in the dark; JPEG as above; wide gamuts spread a step over
                # others.
                tolerance=0.04 if suffix == ".jpg" else 0.015,
            )
    grey = CODE[..., 1]
    for name, data, light in (
        ("srgb", files.SRGB_CURVE, formulas.srgb_decoded(grey)),
        ("gamma", files.gamma_curve(1.5), grey**1.5),
    ):
        yield FileCase(
            name=f"icc-grey-{name}.png",
            write=of(files.grey_png, grey, files.icc_profile(REC_709, data, b"GRAY")),
            light=np.repeat(light[..., None], 3, -1),
            stored=grey,
            tolerance=STEP_8,
        )
    wide = formulas.in_gamut(LIGHT, PRIMARIES["Rec.2020"])
    for name, code, codes in (
        ("pq", formulas.pq_encoded(wide), (9, 16, 0, 1)),
        ("hlg", formulas.hlg_encoded(wide), (9, 18, 0, 1)),
        ("named-srgb", formulas.srgb_encoded(wide), (9, 13, 0, 1)),
    ):
        named = [(b"cicp", b"cicp\0\0\0\0" + bytes(codes))]
        profile = files.icc_profile(PRIMARIES["Rec.2020"], files.SRGB_CURVE, more=named)
        yield FileCase(
            name=f"icc-{name}.png",
            write=of(files.png, code, chunks=[files.icc_chunk(profile)]),
            light=LIGHT,
            stored=code[..., 0],
            tolerance=4e-4,  # as of cICP, and fixed-point numbers of the profile
            only_by_rule="" if name == "named-srgb" else "LittleCMS applies the curves beside it",
        )
    for space, word in ((b"CMYK", "CMYK"), (b"GRAY", "grey")):
        yield FileCase(
            name=f"icc-of-{word.lower()}.png",
            write=of(files.pillow, code=CODE, icc_profile=files.icc_profile(REC_709, files.SRGB_CURVE, space)),
            light=LIGHT,
            stored=CODE[..., 0],
            tolerance=STEP_8,
            warning=f"it is for {word} pictures",
        )


def other_stills() -> Iterator[FileCase]:
    for suffix, options in ((".bmp", {}), (".tga", {}), (".gif", {}), (".webp", {"lossless": True}), (".jp2", {})):
        yield FileCase(
            name=f"plain{suffix}",
            write=of(files.pillow, code=CODE, **options),
            light=LIGHT,
            stored=CODE[..., 0],
            tolerance=STEP_8 if suffix != ".gif" else 0.02,  # its palette has 256 colours for 240 pixels
        )
    yield FileCase(
        name="plain.jpg",
        write=of(files.pillow, code=CODE, quality=100, subsampling=0),
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=0.03,
    )
    yield FileCase(
        name="progressive.jpg",
        write=of(files.pillow, code=CODE, quality=100, subsampling=0, progressive=True),
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=0.03,
    )
    for suffix in (".gif", ".webp", ".png", ".tif"):
        yield FileCase(
            name=f"several{suffix}",
            write=of(files.several, CODE),
            light=LIGHT,
            stored=CODE[..., 0],
            tolerance=STEP_8 if suffix != ".gif" else 0.02,
            warning="several pictures",
        )
    yield FileCase(
        name="grey-alpha.tga",
        write=lambda path: PillowImage.fromarray(files.whole(CODE[..., :2]), "LA").save(path),
        light=np.repeat(LIGHT[..., :1], 3, -1),
        stored=CODE[..., 1],
        tolerance=STEP_8,
    )
    yield FileCase(
        name="icon.ico",
        write=of(files.pillow, code=CODE, sizes=[(10, 6), (WIDTH, HEIGHT)]),
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=STEP_8,
    )
    for origin in (0, 16, 32, 48):
        yield FileCase(
            name=f"origin-{origin}.tga",
            write=of(files.tga, CODE, origin),
            light=LIGHT,
            stored=CODE[..., 0],
            tolerance=STEP_8,
        )
    adobe = formulas.in_gamut(LIGHT, PRIMARIES["Adobe RGB"]) ** (256 / 563)
    for name, tags in {
        "dcf-option": {0xA001: 0xFFFF, 0xA005: {1: "R03"}},
        "exif-adobe": {0xA001: 2},
    }.items():
        yield FileCase(
            name=f"{name}.jpg",
            write=of(files.adobe_rgb_jpeg, adobe, tags),
            light=LIGHT,
            stored=adobe[..., 0],
            tolerance=0.04,
        )
    p3 = formulas.in_gamut(LIGHT, PRIMARIES["P3"])
    primaries = "PRIMARIES=" + " ".join(map(str, PRIMARIES["P3"])) + "\n"
    for name, picture, header, warning in (
        ("plain", LIGHT, "", ""),
        ("upwards", LIGHT, "", ""),
        ("primaries", p3, primaries, ""),
        ("exposure", LIGHT, "EXPOSURE=2.0\n", "EXPOSURE=2.0"),
        ("ones", LIGHT, "EXPOSURE=1.0000e+00\nCOLORCORR=1 1 1\nGAMMA=1\n", ""),
        ("gamma", LIGHT, "GAMMA=2.2\n", "GAMMA=2.2"),
        ("impossible", LIGHT, "PRIMARIES=0 0 0 0 0 0 0 0\n", "PRIMARIES"),
    ):
        yield FileCase(
            name=f"{name}.hdr",
            write=of(files.hdr, picture, header, upwards=name == "upwards"),
            light=LIGHT,
            stored=picture[..., 0],
            tolerance=STEP_8,  # 8 bits below each pixel's largest channel
            warning=warning,
            only_by_rule="OpenCV reads them from the top only" if name == "upwards" else "",
        )
    for name, data in {
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "phone.avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(64),
        "burst.heic": b"\0\0\0\x1cftypmsf1\0\0\0\0msf1hevciso8" + bytes(64),
        "android.heic": b"\0\0\0\x18ftypmif1\0\0\0\0heicmif1" + bytes(64),
        "movie.png": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(64),
        "map.pam": b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabc",
        "paint.pcx": b"\x0a\x05\x01\x08" + bytes(124),
        "page.pdf": b"%PDF-1.7\n" + bytes(64),
        "camera.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64),
        "empty.png": b"",
        "empty.exr": b"",
        "zeros.tif": bytes(4096),
        "text.png": b"hello",
        "text.exr": b"hello, this is no picture at all",
        "text.dpx": b"hello, this is no picture at all",
        "cut.jxl": b"\xff\x0a\x7a\x10",
        "cut.bmp": b"BM\x36\x24\0\0",
    }.items():
        yield FileCase(
            name=name, write=of(Path.write_bytes, data), refusal="unreadable", warning=REFUSED.get(name, "")
        )
    yield FileCase(name="truncated.png", write=truncated_png, refusal="unreadable")
    for name, place, byte, refusal, sentence in (
        ("cmyk", b"colr", 12, "no_colour", "is stored as CMYK"),
        ("cielab", b"colr", 14, "no_colour", "is stored as CIELab"),
        ("photo-ycc", b"colr", 13, "no_colour", "is stored as the colourspace number 13"),
        ("signed", b"\xff\x4f\xff\x51", 0x87, "unreadable", "a JPEG 2000 of signed numbers"),
    ):
        yield FileCase(name=f"{name}.jp2", write=of(odd_jpeg_2000, place, byte), refusal=refusal, warning=sentence)
    yield FileCase(
        name="signed.j2k",
        write=of(odd_jpeg_2000, b"\xff\x4f\xff\x51", 0x87),
        refusal="unreadable",
        warning="a JPEG 2000 of signed numbers",
    )
    alpha = np.full((HEIGHT, WIDTH), 0.5)
    for name, masks in {"rgb": (0xFF, 0xFF00, 0xFF0000), "10-bit": (0x3FF00000, 0xFFC00, 0x3FF)}.items():
        yield FileCase(
            name=f"{name}-masks.bmp",
            write=of(files.bmp, CODE, alpha, 0, masks),
            refusal="unreadable",
            warning="in another order than usual",
        )
    yield FileCase(
        name="masks.bmp",
        write=of(files.bmp, CODE, alpha, 0xFF000000),
        light=LIGHT,
        stored=files.whole(alpha) / 255,
        tolerance=STEP_8,
    )
    for suffix in (".jpg", ".jp2", ".webp"):
        yield FileCase(
            name=f"unwritten-end{suffix}",
            write=half_written,
            refusal="unreadable",
            warning="it ends before its picture does" if suffix == ".jpg" else "its end was never written",
        )
    yield FileCase(
        name="padded.jpg",
        write=padded_jpeg,
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=0.03,
    )


REFUSED = {
    "phone.heic": "is a HEIC file",
    "burst.heic": "is a HEIC file",
    "android.heic": "is a HEIC file",
    "phone.avif": "is an AVIF file",
    "camera.cr3": "is a camera raw file",
    "movie.png": "is a video",
    "cut.jxl": "the file is damaged or of an unknown format. It may be truncated",
    "cut.bmp": "may be truncated",
    "empty.png": "is empty",
    "empty.exr": "is empty",
    "zeros.tif": "begins with zeros",
    **dict.fromkeys(
        ("text.png", "text.exr", "text.dpx", "map.pam", "paint.pcx", "page.pdf"),
        "cannot be read: it is in no format that Cleanplate reads",
    ),
}


def odd_jpeg_2000(path: Path, place: bytes, byte: int) -> None:
    """With another number of its colourspace, or of how its first component is stored."""
    files.pillow(path, CODE)
    data = bytearray(path.read_bytes())
    data[data.index(place) + (10 if place == b"colr" else 42)] = byte
    path.write_bytes(data)


def half_written(path: Path) -> None:
    """As a copy under way on a disk that makes room first."""
    files.pillow(path, CODE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2 + 64))


def padded_jpeg(path: Path) -> None:
    files.pillow(path, CODE, quality=100, subsampling=0)
    path.write_bytes(path.read_bytes() + bytes(512))


def truncated_png(path: Path) -> None:
    files.png(path, CODE)
    path.write_bytes(path.read_bytes()[:300])


def tiffs() -> Iterator[FileCase]:
    whole_16, light_32 = files.whole(CODE, 16), LIGHT.astype(np.float32)

    def tiff(name: str, values: Any, light: Array, tolerance: float, tags: Any = None, **more: Any) -> FileCase:
        stored = more.pop("stored", values[..., 0] / 65535 if values.dtype == np.uint16 else values[..., 0])
        write = of(
            files.tiff,
            values=values,
            tags=tags or {},
            pages=more.pop("pages", ()),
            kind_of_pages=more.pop("kind_of_pages", 1),
        )
        return FileCase(name=f"{name}.tif", write=write, light=light, stored=stored, tolerance=tolerance, **more)

    yield tiff("16-bit", whole_16, LIGHT, STEP_16)
    yield tiff("float", light_32 * 3, LIGHT * 3, FLOAT)
    yield tiff("half", (LIGHT * 3).astype(np.float16), LIGHT * 3, 3 * HALF)
    grey = np.repeat(LIGHT[..., 1:2], 3, -1)
    for bits, tolerance in ((8, STEP_8), (16, STEP_16)):
        # White is zero.
        values = ((1 << bits) - 1 - files.whole(CODE[..., 1:2], bits)).astype(f"u{bits // 8}")
        more = {"stored": CODE[..., 1]}
        yield tiff(f"white-is-zero-{bits}", values, grey, tolerance, {262: (3, 0)}, **more)
    small = np.ascontiguousarray(whole_16[::2, ::2])
    yield tiff("reduced-page-first", whole_16, LIGHT, STEP_16, pages=(small,))
    mask = np.where(LIGHT[..., 1:2] > 0.2, 255, 0).astype(np.uint8)
    yield tiff("mask-page-first", whole_16, LIGHT, STEP_16, pages=(mask,), kind_of_pages=4)
    profile = files.icc_profile(PRIMARIES["P3"], files.SRGB_CURVE)
    p3 = formulas.in_gamut(LIGHT, PRIMARIES["P3"])
    yield tiff("icc-16-bit", files.whole(formulas.srgb_encoded(p3), 16), LIGHT, 2e-4, {34675: (7, profile)})
    linear = files.icc_profile(PRIMARIES["P3"], b"curv\0\0\0\0" + bytes(4))
    yield tiff("icc-float", (p3 * 2).astype(np.float32), LIGHT * 2, 2e-4, {34675: (7, linear)})
    colours = {318: (5, files.rationals(PRIMARIES["P3"][6:])), 319: (5, files.rationals(PRIMARIES["P3"][:6]))}
    yield tiff("primaries", files.whole(formulas.srgb_encoded(p3), 16), LIGHT, STEP_16, colours)
    yield tiff("primaries-float", p3.astype(np.float32), LIGHT, FLOAT, colours)
    for name, tags, warning in (
        ("primaries-alone", {319: colours[319]}, "The tag PrimaryChromaticities was ignored"),
        ("white-alone", {318: colours[318]}, "The tag WhitePoint was ignored"),
        ("white-of-zero", {**colours, 318: (5, bytes(16))}, "PrimaryChromaticities names impossible primaries"),
    ):
        rule = "tifffile has no rule for it"
        yield tiff(name, whole_16, LIGHT, STEP_16, tags, warning=warning, only_by_rule=rule)
    yield tiff("reduced-page-only", whole_16, LIGHT, STEP_16, {254: (4, 1)})
    three_bytes = {258: (3, [24] * 3), 262: (3, 2), 277: (3, 3), 339: (3, [3] * 3)}
    odd: Any
    for name, odd, refusal in (
        ("float-24", three_bytes, "is a TIFF of 24 bit floats"),
        ("bits-differ", {258: (3, [8, 8, 16])}, "in a usual form"),
        ("compression-unknown", {259: (3, 34712)}, "in a usual form"),
    ):
        values = np.zeros((HEIGHT, WIDTH, 9 if name == "float-24" else 3), np.uint8)
        yield FileCase(name=f"{name}.tif", write=of(files.tiff, values, odd), refusal="unreadable", warning=refusal)
    curve = np.zeros(3 * 65536, np.uint16).tobytes()
    yield tiff("own-curve", whole_16, LIGHT, STEP_16, {301: (3, curve)}, warning="TransferFunction")
    alpha = np.linspace(0.2, 1, WIDTH)[None, :, None].repeat(HEIGHT, 0)
    for name, colour, kind in (("unassociated", CODE, 2), ("associated", CODE * alpha, 1)):
        values = files.whole(np.dstack([colour, alpha]), 16)
        yield tiff(name, values, LIGHT, 5 * STEP_16, {338: (3, kind)}, stored=alpha[..., 0])
    for name, colour, kind in (("unassociated", LIGHT * 3, 2), ("associated", LIGHT * 3 * alpha, 1)):
        values = np.dstack([colour, alpha]).astype(np.float32)
        yield tiff(f"{name}-float", values, LIGHT * 3, FLOAT, {338: (3, kind)}, stored=alpha[..., 0])
    yield FileCase(
        name="lab.tif",
        write=lambda path: PillowImage.fromarray(files.whole(CODE)).convert("LAB").save(path),
        refusal="no_colour",
    )
    yield FileCase(
        name="palette.tif",
        write=lambda path: PillowImage.fromarray(files.whole(CODE)).quantize(256).save(path),
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=0.02,
    )
    yield FileCase(
        name="palette-of-8-bits.tif",
        write=palette_of_8_bits,
        light=LIGHT,
        stored=CODE[..., 0],
        tolerance=0.02,
        only_by_rule="Pillow, tifffile and FFmpeg take its numbers for those of 16 bits, which are black",
    )


def palette_of_8_bits(path: Path) -> None:
    """As programs write it that do not know that TIFF's palettes have 16 bits. Pillow writes 256 times 8 bits."""
    PillowImage.fromarray(files.whole(CODE)).quantize(256).save(path)
    with PillowImage.open(path) as image:
        assert isinstance(image, TiffImageFile)
        wide = image.tag_v2[320]
    data = path.read_bytes()
    stored = struct.pack(f"<{len(wide)}H", *wide)
    assert stored in data
    path.write_bytes(data.replace(stored, struct.pack(f"<{len(wide)}H", *(number >> 8 for number in wide))))


def dpx_files() -> Iterator[FileCase]:
    log, display = formulas.cineon_encoded(LIGHT), LIGHT ** (1 / 2.4)
    for transfer, name in ((0, "user"), (1, "printing-density"), (3, "logarithmic"), (255, "undefined")):
        yield FileCase(
            name=f"{name}.dpx",
            write=of(files.dpx, log, transfer),
            light=LIGHT,
            stored=log[..., 0],
            tolerance=STEP_10_LOG,
        )
    for transfer, name in (
        (4, "unspecified-video"),
        (5, "smpte-274m"),
        (6, "bt-709"),
        (7, "bt-601-625"),
        (8, "bt-601-525"),
        (9, "ntsc"),
        (10, "pal"),
    ):
        yield FileCase(
            name=f"{name}.dpx",
            write=of(files.dpx, display, transfer),
            light=LIGHT,
            stored=display[..., 0],
            tolerance=0.0015,
        )
    for bits, big in ((16, True), (16, False), (10, False)):
        yield FileCase(
            name=f"linear-{bits}-{'big' if big else 'little'}.dpx",
            write=of(files.dpx, LIGHT, 2, bits, big),
            light=LIGHT,
            stored=LIGHT[..., 0],
            tolerance=STEP_16 if bits == 16 else 0.0006,
        )
    yield FileCase(
        name="depth.dpx",
        write=lambda path: files.dpx(path, log, 11),
        light=LIGHT,
        tolerance=STEP_10_LOG,
        warning="Z depth",
    )
    for orientation in (4, 7):
        yield FileCase(
            name=f"columns-{orientation}.dpx",
            write=of(files.dpx, log.swapaxes(0, 1), orientation=orientation),
            refusal="unreadable",
        )
    yield FileCase(
        name="two-elements.dpx",
        write=of(two_elements, log),
        light=LIGHT,
        stored=log[..., 0],
        tolerance=STEP_10_LOG,
        warning="several pictures",
        only_by_rule="FFmpeg reads elements as planes",
    )
    yield FileCase(
        name="mirrored.dpx",
        write=lambda path: files.dpx(path, log[:, ::-1], orientation=1),
        light=LIGHT,
        stored=log[..., 0],
        tolerance=STEP_10_LOG,
    )


def two_elements(path: Path, code: Array) -> None:
    """A DPX whose second image element has the pixels of the first."""
    files.dpx(path, code)
    data = bytearray(path.read_bytes())
    struct.pack_into(">H", data, 770, 2)
    data[852:924] = data[780:852]
    path.write_bytes(data)


def exr_colours() -> Iterator[FileCase]:
    for name, numbers in {**PRIMARIES, "Rec.709": REC_709}.items():
        picture = formulas.in_gamut(LIGHT, numbers)
        tag = {"chromaticities": ("chromaticities", struct.pack("<8f", *numbers))}
        yield FileCase(
            name=f"chromaticities-{name}.exr",
            write=of(files.exr, channels=files.planes(picture), attributes=tag),
            light=LIGHT,
            stored=picture[..., 0],
            tolerance=2e-4,  # OpenColorIO's matrices of ACES are rounded
            attributes=tag,
        )
    contradicting = {
        "colorInteropID": ("string", b"lin_rec709_scene"),
        "chromaticities": ("chromaticities", struct.pack("<8f", *PRIMARIES["P3"])),
    }
    yield FileCase(
        name="contradicting.exr",
        write=of(files.exr, channels=files.planes(LIGHT), attributes=contradicting),
        light=LIGHT,
        stored=LIGHT[..., 0],
        tolerance=FLOAT,
        attributes=contradicting,
        warning="The tag chromaticities contradicts colorInteropID",
        only_by_rule="other readers take the chromaticities",
    )
    xyz = LIGHT @ formulas.to_xyz(REC_709).T
    white_e = {"chromaticities": ("chromaticities", struct.pack("<8f", 1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3))}
    yield FileCase(
        name="xyz.exr",
        write=of(files.exr, channels=files.planes(xyz), attributes=white_e),
        light=LIGHT,
        stored=xyz[..., 0],
        tolerance=FLOAT,
    )
    impossible = {"chromaticities": ("chromaticities", struct.pack("<8f", *(0.3, 0.3) * 4))}
    yield FileCase(
        name="impossible-primaries.exr",
        write=of(files.exr, channels=files.planes(LIGHT), attributes=impossible),
        light=LIGHT,
        stored=LIGHT[..., 0],
        tolerance=FLOAT,
        warning="chromaticities",
    )
    interop = {
        "lin_rec709_scene": LIGHT,
        "lin_ap1_scene": formulas.in_gamut(LIGHT, PRIMARIES["AP1"]),
        "lin_ap0_scene": formulas.in_gamut(LIGHT, PRIMARIES["AP0"]),
        "lin_p3d65_scene": formulas.in_gamut(LIGHT, PRIMARIES["P3"]),
        "lin_rec2020_scene": formulas.in_gamut(LIGHT, PRIMARIES["Rec.2020"]),
        "lin_adobergb_scene": formulas.in_gamut(LIGHT, PRIMARIES["Adobe RGB"]),
        "lin_ciexyzd65_scene": xyz,
        "srgb_rec709_scene": CODE,
        "srgb_p3d65_scene": formulas.srgb_encoded(formulas.in_gamut(LIGHT, PRIMARIES["P3"])),
        "g22_rec709_scene": LIGHT ** (1 / 2.2),
        "g18_rec709_scene": LIGHT ** (1 / 1.8),
        "pq_rec2020_display": formulas.pq_encoded(formulas.in_gamut(LIGHT, PRIMARIES["Rec.2020"])),
    }
    for name, picture in interop.items():
        yield FileCase(
            name=f"interop-{name}.exr",
            write=of(
                files.exr, channels=files.planes(picture), attributes={"colorInteropID": ("string", name.encode())}
            ),
            light=LIGHT,
            stored=picture[..., 0],
            tolerance=3e-4,
        )
    yield FileCase(
        name="interop-of-a-vendor.exr",
        write=of(
            files.exr, channels=files.planes(LIGHT), attributes={"colorInteropID": ("string", b"vendor:log9")}
        ),
        light=LIGHT,
        tolerance=FLOAT,
        warning="vendor:log9",
    )
    yield FileCase(
        name="of-ffmpeg.exr",
        write=of(files.exr, channels=files.planes(LIGHT), attributes={"writer": ("string", b"lavc")}),
        light=LIGHT,
        tolerance=FLOAT,
        warning="stores codes as they are",
    )

    for name, odd in {
        "oiio:ColorSpace": ("string", b"Camera Foo"),
        "chromaticities": ("string", b"P3"),
    }.items():
        yield FileCase(
            name=f"odd-{name.replace(':', '-')}.exr",
            write=of(files.exr, channels=files.planes(LIGHT), attributes={name: odd}),
            light=LIGHT,
            tolerance=FLOAT,
            warning=name,
        )


def exr_layouts() -> Iterator[FileCase]:
    wrong = np.full_like(LIGHT, 0.4)
    rgb, other = files.planes(LIGHT), files.planes(wrong)
    vectors = {"X": Z + 0.4, "Y": Z + 0.5, "Z": Z}
    singles: dict[str, dict[str, Any]] = {
        "half": files.planes(LIGHT, kind=np.float16),
        "lower-case": files.planes(LIGHT, ("r", "g", "b")),
        "words": files.planes(LIGHT, ("red", "green", "blue")),
        "rgba-layer": files.planes(LIGHT, prefix="rgba."),
        "both-cases": {**rgb, **files.planes(wrong, ("r", "g", "b"))},
        "beside-a-layer": {**rgb, **files.planes(wrong, prefix="rgba.")},
        "beside-depth": {**rgb, "Z": Z + 1e10},
        "beside-vectors": {**rgb, **{f"P.{name}": plane for name, plane in vectors.items()}},
        "beside-an-id": {**rgb, "id": np.full((HEIGHT, WIDTH), 7, np.uint32)},
        "beside-motion": {**rgb, "u": Z, "v": Z + 0.4},
        "beside-cryptomatte": {**rgb, **files.planes(wrong, ("r", "g", "b"), "CryptoObject00.")},
        "two-sample-types": {"R": rgb["R"], "G": LIGHT[..., 1].astype(np.float16), "B": rgb["B"]},
    }
    named = {
        "lower-case": ("r", "g", "b"),
        "words": ("red", "green", "blue"),
        "rgba-layer": ("rgba.R", "rgba.G", "rgba.B"),
    }
    for name, channels in singles.items():
        yield FileCase(
            name=f"{name}.exr",
            write=of(files.exr, channels=channels),
            light=LIGHT,
            stored=LIGHT[..., 0],
            tolerance=HALF,
            channels=named.get(name, ("R", "G", "B")),
        )
    for name, channels in {
        "grey-y": {"Y": rgb["G"]},
        "grey-v": {"V": rgb["G"]},
        "grey-and-depth": {"Y": rgb["G"], "Z": Z},
        "red-alone": {"R": rgb["G"]},
        "matte-alone": {"matte": rgb["G"]},
        "alpha-of-a-layer-alone": {"mask.A": rgb["G"]},
    }.items():
        yield FileCase(
            name=f"{name}.exr",
            write=of(files.exr, channels=channels),
            light=np.repeat(LIGHT[..., 1:2], 3, -1),
            stored=LIGHT[..., 1],
            tolerance=FLOAT,
            channels=(next(iter(channels)),) * 3,
        )
    counted = {name: np.rint(plane * 1000).astype(np.uint32) for name, plane in rgb.items()}
    yield FileCase(
        name="whole-numbers.exr",
        write=of(files.exr, channels=counted),
        light=np.rint(LIGHT * 1000),
        stored=np.rint(LIGHT * 1000)[..., 0],
        tolerance=0.01,
    )
    for name, channels in {
        "vectors-only": vectors,
        "motion-only": {"u": Z, "v": Z},
        "depth-only": {"Z": Z},
        "depth-by-its-name-only": {"depth": Z},
        "identifiers-only": {"ID": Z},
        "identifiers-of-a-layer-only": {"object.materialID": Z},
        **{f"{name}-only": {name: Z} for name in ("zDepth", "objectID", "object_id", "material_id")},
        "normal-only": {"N.x": Z},
        "red-and-depth": {"R": Z, "Z": Z},
        "red-and-alpha": {"R": Z, "A": Z + 0.4},
        "red-written-out-and-alpha": {"red": Z, "alpha": Z + 0.4},
        "green-blue-and-alpha": {"G": Z, "B": Z, "A": Z + 0.4},
        "blender-layer-only": files.planes(LIGHT, prefix="ViewLayer.Combined."),
        "cryptomatte-only": files.planes(LIGHT, ("r", "g", "b"), "CryptoObject00."),
    }.items():
        yield FileCase(name=f"{name}.exr", write=of(files.exr, channels=channels), refusal="no_colour")
    yield FileCase(
        name="parts-cryptomatte-only.exr",
        write=of(files.exr_parts, ("crypto00", files.planes(wrong, ("r", "g", "b"))), ("depth", {"Z": Z})),
        refusal="no_colour",
    )
    yield FileCase(
        name="subsampled-blue.exr",
        write=subsampled_blue,
        refusal="no_colour",
        warning="Subsampled channels (B) are read only as RY and BY beside Y.",
    )
    parts: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
        "depth-first": (("depth", {"Z": Z}), ("rgba", rgb)),
        "position-first": (("P", vectors), ("rgba", rgb)),
        "motion-first": (("motion", {"u": Z, "v": Z + 0.4}), ("rgba", rgb)),
        "matte-first": (("matte", {"A": Z + 0.4}), ("rgba", rgb)),
        "grey-first": (("ao", {"Y": Z + 0.4}), ("beauty", rgb)),
        "normals-first": (("N", vectors), ("C", rgb)),
        "albedo-first": (("albedo", other), ("beauty", rgb)),
        "cryptomatte-first": (("crypto00", files.planes(wrong, ("r", "g", "b", "a")[:3])), ("beauty", rgb)),
        "lower-case-first": (("diffuse", files.planes(wrong, ("r", "g", "b"))), ("rgba", rgb)),
        "beauty-first": (("beauty", rgb), ("albedo", other)),
    }
    for name, made in parts.items():
        yield FileCase(
            name=f"parts-{name}.exr",
            write=of(files.exr_parts, *made),
            light=LIGHT,
            stored=LIGHT[..., 0],
            tolerance=FLOAT,
            part=next(part for part, channels in made if channels is rgb),
        )


def subsampled_blue(path: Path) -> None:
    """Says of B that every other pixel of every other line has a sample."""
    files.exr(path, files.planes(LIGHT))
    full, halved = (b"B\0" + struct.pack("<4i", 2, 0, step, step) for step in (1, 2))
    path.write_bytes(path.read_bytes().replace(full, halved, 1))


def exr_windows() -> Iterator[FileCase]:
    def box(x: int, y: int, width: int, height: int) -> Any:
        return np.array([x, y], np.int32), np.array([x + width - 1, y + height - 1], np.int32)

    for name, data, display in (
        ("overscan", (-5, -3, WIDTH, HEIGHT), (0, 0, 12, 8)),
        ("cropped", (7, 9, WIDTH, HEIGHT), (0, 0, 64, 48)),
        ("apart", (1000, 1000, WIDTH, HEIGHT), (0, 0, 100, 100)),
    ):
        yield FileCase(
            name=f"window-{name}.exr",
            write=of(files.exr, files.planes(LIGHT), dataWindow=box(*data), displayWindow=box(*display)),
            light=LIGHT,
            stored=LIGHT[..., 0],
            tolerance=FLOAT,
            windows=(data, display),
        )
    cube = {"envmap": ("envmap", b"\1")}
    yield FileCase(
        name="cube-map.exr",
        write=lambda path: files.exr(
            path, files.planes(LIGHT), cube, dataWindow=box(0, 0, WIDTH, HEIGHT), displayWindow=box(0, 0, 50, 40)
        ),
        light=LIGHT,
        stored=LIGHT[..., 0],
        tolerance=FLOAT,
        windows=((0, 0, WIDTH, HEIGHT), (0, 0, 50, 40)),
        attributes=cube,
    )
    for compression in ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K256"):
        yield FileCase(
            name=f"{compression}.exr",
            write=of(files.exr, files.planes(LIGHT), compression=getattr(OpenEXR, f"{compression}_COMPRESSION")),
            light=LIGHT,
            stored=LIGHT[..., 0],
            tolerance=FLOAT,
        )


def videos() -> Iterator[FileCase]:
    display = LIGHT ** (1 / 2.4)
    wide = formulas.in_gamut(LIGHT, PRIMARIES["Rec.2020"])
    p3 = formulas.in_gamut(LIGHT, PRIMARIES["P3"])
    spaces = {
        "709": (display, VideoTags()),
        "709-full": (display, VideoTags(is_full=True)),
        "601": (display, VideoTags(primaries=6, transfer=6, matrix=6)),
        "xvycc": (display, VideoTags(transfer=11)),
        "240m": (display, VideoTags(transfer=7)),
        "gamma-22": (LIGHT ** (1 / 2.2), VideoTags(transfer=4)),
        "gamma-28": (LIGHT ** (1 / 2.8), VideoTags(transfer=5)),
        "linear": (LIGHT, VideoTags(transfer=8)),
        "srgb": (CODE, VideoTags(transfer=13)),
        "2020-sdr": (wide ** (1 / 2.4), VideoTags(primaries=9, transfer=14, matrix=9)),
        "2020-pq": (formulas.pq_encoded(wide), VideoTags(primaries=9, transfer=16, matrix=9)),
        "2020-hlg": (formulas.hlg_encoded(wide), VideoTags(primaries=9, transfer=18, matrix=9)),
        "p3-srgb": (formulas.srgb_encoded(p3), VideoTags(primaries=12, transfer=13)),
    }
    for name, (code, tags) in spaces.items():
        yield FileCase(
            name=f"{name}.mkv",
            write=of(video, [code, code], tags),
            light=LIGHT,
            stored=code[..., 0],
            # Half a step of 10 bits in Y' and two in Cb, Cr, through the curve; PQ has few codes so low.
            tolerance=0.02 if "pq" in name else 0.006,
        )
    yield FileCase(
        name="log-100.mkv",
        write=lambda path: video(path, [display], VideoTags(transfer=9)),
        stored=display[..., 0],
        tolerance=0.006,
        refusal="unknown_colourspace",
    )
    matrices = {
        1: (1, 0, 0, 1),
        2: (-1, 0, 0, 1),
        3: (-1, 0, 0, -1),
        4: (1, 0, 0, -1),
        5: (0, 1, 1, 0),
        6: (0, 1, -1, 0),
        7: (0, -1, -1, 0),
        8: (0, -1, 1, 0),
    }
    for orientation, matrix in matrices.items():
        yield FileCase(
            name=f"matrix-{orientation}.mp4",
            write=of(turned_mp4, display, orientation, matrix),
            light=LIGHT,
            stored=display[..., 0],
            tolerance=0.025,  # 8 bits: half a step of Y' and two of Cb and Cr
            only_by_rule="MediaInfo does not say that a picture is mirrored" if orientation in (2, 4, 5, 7) else "",
        )
    alpha = np.linspace(0, 1, WIDTH)[None, :].repeat(HEIGHT, 0)
    yield FileCase(
        name="alpha.mkv",
        write=lambda path: video(path, [display], pixel_format="yuva444p10le", alpha=alpha),
        light=LIGHT,
        stored=alpha,
        tolerance=0.006,
    )


def turned_mp4(path: Path, code: Array, orientation: int, matrix: tuple[int, int, int, int]) -> None:
    lossless_mp4(path, [files.stored_as(code, orientation)])
    set_display_matrix(path, matrix)
