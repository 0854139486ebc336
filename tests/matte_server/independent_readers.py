"""What the files of the table hold by readers that Cleanplate does not use for the same fact.

Pillow reads pictures of 8 bits, tifffile other TIFFs, FFmpeg's decoders PNGs, DPX and plain EXRs, the OpenEXR
module other EXRs and every EXR's header. LittleCMS applies ICC profiles, MediaInfo reads the headers of DPX and
videos, and FFmpeg's scaler makes R'G'B' of Y'CbCr. The curves are the formulas of their standards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import tifffile
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps
from pymediainfo import MediaInfo

from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files as files
from tests.matte_server.colour_formulas import PRIMARIES, REC_709
from tests.matte_server.picture_files import FileCase
from tests.matte_server.pictures import Array

Curve = Callable[[Array], Array]
ROUNDED_TWICE = 0.0095
"""Half a step of 8 bits before LittleCMS and half a step after it, through the steepest part of sRGB's curve."""
SCALER_STEP = 0.0045
"""Of R'G'B' from FFmpeg's scaler, whose tables have 8 bits: its difference from H.273's equations, measured."""
_CURVES: dict[str, Curve] = {
    "lin": lambda code: code,
    "srgb": formulas.srgb_decoded,
    "pq": formulas.pq_decoded,
    "hlg": formulas.hlg_decoded,
}
_GAMUTS = {
    "rec709": REC_709,
    "ap0": PRIMARIES["AP0"],
    "ap1": PRIMARIES["AP1"],
    "p3d65": PRIMARIES["P3"],
    "rec2020": PRIMARIES["Rec.2020"],
    "adobergb": PRIMARIES["Adobe RGB"],
    "ciexyzd65": (),
}
# MediaInfo's words for H.273's codes.
_TRANSFERS = {
    "Linear": "lin",
    "sRGB/sYCC": "srgb",
    "PQ": "pq",
    "HLG": "hlg",
    "BT.470 System M": "g22",
    "BT.470 System B/G": "g28",
}
_WIDE = {"BT.2020": "rec2020", "Display P3": "p3d65"}
_MATRICES = {"BT.709": "itu709", "BT.601": "itu601", "BT.2020 non-constant": "bt2020"}
# FFmpeg's codes of H.273 in a PNG.
_PNG_CURVES = {8: "lin", 13: "srgb", 16: "pq", 18: "hlg"}
_PNG_GAMUTS = {1: "rec709", 9: "rec2020", 12: "p3d65"}


@dataclass(frozen=True, eq=False)
class IndependentReading:
    """A picture as linear Rec.709, height x width x 3, who read it, and how exactly."""

    readers: str
    light: Array
    precision: float = 0.0


def read_independently(path: Path, case: FileCase) -> IndependentReading:
    """The picture of a case by readers of others. ``case`` names the part and the channels that are meant, where a
    file has several."""
    suffix = path.suffix
    if suffix == ".exr":
        return _exr(path, case)
    if suffix in (".mkv", ".mp4"):
        return _video(path)
    if suffix == ".dpx":
        return _dpx(path)
    if suffix == ".hdr":
        return _hdr(path)
    if suffix == ".png" and PillowImage.open(path).mode != "L" and _ffmpeg(path).dtype == np.uint16:
        return _png(path)
    if suffix == ".tif" and tifffile.TiffFile(path).pages[-1].dtype != np.uint8:
        return _tiff(path)
    return _pillow(path)


def _light(code: Array, curve: str, gamut: str | tuple[float, ...] = "rec709") -> Array:
    """R', G', B' with the curve and gamut of a name as the Color Interop Forum forms them."""
    decoded = _CURVES.get(curve) or (lambda values: np.maximum(values, 0) ** (int(curve[1:]) / 10))
    primaries = _GAMUTS[gamut] if isinstance(gamut, str) else gamut
    # in_gamut multiplies rows of colours, so that of the unit matrix is the transposed matrix.
    matrix = np.linalg.inv(formulas.in_gamut(np.eye(3), primaries)) if primaries else formulas.from_xyz(REC_709).T
    return np.asarray(decoded(code[..., :3].astype(np.float64)) @ matrix)


# -- stills


def _pillow(path: Path) -> IndependentReading:
    """Pillow, upright by its EXIF; its ICC profile by LittleCMS."""
    opened = PillowImage.open(path)
    profile = opened.info.get("icc_profile")
    picture = ImageOps.exif_transpose(opened)
    mode = "L" if picture.mode == "L" else "RGB"
    pixels = np.asarray(picture.convert("RGB"), np.float64) / 255
    if profile and (through := _littlecms(picture.convert(mode), profile)) is not None:
        light = formulas.srgb_decoded(through)
        return IndependentReading(readers="Pillow, LittleCMS", light=light, precision=ROUNDED_TWICE)
    exif = opened.getexif()
    if exif.get_ifd(0x8769).get(0xA001) == 2 or exif.get_ifd(0xA005).get(1) == "R03":
        light = _light(pixels ** (563 / 256), "lin", "adobergb")
        return IndependentReading(readers="Pillow", light=light)
    return IndependentReading(readers="Pillow", light=formulas.srgb_decoded(pixels))


def _littlecms(picture: Any, profile: bytes) -> Array | None:
    """sRGB code values, 0 to 1; None where LittleCMS refuses the profile for this picture."""
    try:
        return files.littlecms_srgb(picture, profile)
    except (ImageCms.PyCMSError, OSError):
        return None


def _png(path: Path) -> IndependentReading:
    """16 bits by FFmpeg, which also reads cICP and sRGB; the other chunks by Pillow."""
    code = _ffmpeg(path) / 65535
    info = PillowImage.open(path).info
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        primaries, transfer, full = int(frame.color_primaries), int(frame.color_trc), int(frame.color_range) == 2
    if primaries != 2 and full and (transfer in _PNG_CURVES or transfer in (1, 14)):
        curve = _PNG_CURVES.get(transfer, "g24")
        light = _light(code, curve, _PNG_GAMUTS[primaries])
        return IndependentReading(readers="FFmpeg", light=light)
    if profile := info.get("icc_profile"):
        picture = PillowImage.fromarray(files.whole(code[..., :3]))
        if (through := _littlecms(picture, profile)) is not None:
            light = formulas.srgb_decoded(through)
            return IndependentReading(readers="FFmpeg, LittleCMS", light=light, precision=ROUNDED_TWICE)
    if "srgb" not in info:
        white_first = info.get("chromaticity", (*REC_709[6:], *REC_709[:6]))
        light = code[..., :3] ** (1 / info["gamma"]) if "gamma" in info else formulas.srgb_decoded(code[..., :3])
        primaries_given = (*white_first[2:], *white_first[:2])
        return IndependentReading(readers="FFmpeg, Pillow", light=_light(light, "lin", primaries_given))
    return IndependentReading(readers="FFmpeg, Pillow", light=formulas.srgb_decoded(code[..., :3]))


def _tiff(path: Path) -> IndependentReading:
    """tifffile: the first page that is no reduced copy or mask, if there is one."""
    with tifffile.TiffFile(path) as file:
        full = (page for page in file.pages if not int(getattr(page, "subfiletype", 0)) & 5)
        page: Any = next(full, file.pages[0])
        values, extra = page.asarray(), page.extrasamples
        profile, given = (page.tags[number].value if number in page.tags else None for number in (34675, 319))
        white = page.tags[318].value if given else ()
    primaries = tuple(up / down for up, down in np.reshape([*given, *white], (-1, 2))) if given else REC_709
    is_associated = bool(extra) and int(extra[0]) == 1
    if values.dtype.kind == "f":
        values = values[..., :3] / values[..., 3:] if is_associated else values
        # The one profile of the table that a float has: linear P3.
        return IndependentReading(
            readers="tifffile", light=_light(values, "lin", "p3d65" if profile else primaries)
        )
    code = values.reshape(*values.shape[:2], -1) / 65535
    if int(page.photometric) == 0:
        code = 1 - code
    code = np.repeat(code, 3, -1) if code.shape[2] == 1 else code
    if is_associated:
        code[..., :3] /= code[..., 3:]
    if profile:
        through = files.littlecms_srgb(PillowImage.fromarray(files.whole(code)), profile)
        light = formulas.srgb_decoded(through)
        return IndependentReading(readers="tifffile, LittleCMS", light=light, precision=ROUNDED_TWICE)
    return IndependentReading(readers="tifffile", light=_light(code, "srgb", primaries))


def _hdr(path: Path) -> IndependentReading:
    """OpenCV; the primaries by this function."""
    pixels = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    header = dict(line.split("=") for line in path.read_bytes().split(b"\n\n")[0].decode().splitlines()[1:])
    numbers = tuple(float(number) for number in header.get("PRIMARIES", "0").split())
    primaries = numbers if any(numbers) else REC_709
    return IndependentReading(readers="OpenCV", light=_light(np.asarray(pixels)[..., ::-1], "lin", primaries))


def _dpx(path: Path) -> IndependentReading:
    """FFmpeg's decoder, turned by the header's orientation; the transfer characteristic by MediaInfo."""
    facts = MediaInfo.parse(str(path)).tracks[1].to_data()
    transfer = facts.get("transfer_characteristics", "")
    data = path.read_bytes()
    big = data[:4] == b"SDPX"
    stored, mirrored = _ffmpeg(path), int.from_bytes(data[768:770], "big" if big else "little") == 1
    code = stored[:, ::-1] if mirrored else stored
    code = code / (65535 if data[803] == 16 else 1023)
    is_log = transfer in ("", "Printing density", "Logarithmic", "Z (depth) - linear") and data[801] != 4
    if is_log:
        return IndependentReading(readers="FFmpeg, MediaInfo", light=formulas.cineon_decoded(code))
    curve = "lin" if transfer == "Linear" else "g24"
    return IndependentReading(readers="FFmpeg, MediaInfo", light=_light(code, curve))


def _ffmpeg(path: Path) -> Array:
    """The whole numbers or floats of FFmpeg's decoder, height x width x channels in the order R, G, B, A."""
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        name = frame.format.name
        if name.startswith("gbrp"):
            kind = {"f32": np.float32, "f16": np.float16}.get(name[4:7], np.uint16)
            planes = [
                np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes
            ]
            return np.stack([planes[index] for index in (2, 0, 1)], -1).astype(
                np.float64 if kind != np.uint16 else kind
            )
        wanted = {"gray16be": "gray16le", "ya16be": "rgba64le"}.get(name, name)
        found = frame.to_ndarray(format=wanted.replace("be", "le"))
    found = found if found.ndim == 3 else np.repeat(found[..., None], 3, -1)
    return np.asarray(found)


# -- EXRs


def _exr(path: Path, case: FileCase) -> IndependentReading:
    """Pixels by FFmpeg's decoder where it knows the file, else by the OpenEXR module, which reads every header."""
    file = OpenEXR.File(str(path), separate_channels=True)
    part = next(part for part in file.parts if part.header.get("name", "") == case.part or not case.part)
    header, names = part.header, case.channels
    pixels = _exr_by_ffmpeg(path) if len(file.parts) == 1 and case.channels == ("R", "G", "B") else None
    reader = "FFmpeg"
    if pixels is None or pixels.shape != (*np.shape(part.channels[names[0]].pixels), 3):
        reader = "OpenEXR"
        pixels = np.stack([part.channels[name].pixels for name in names], -1)
    words = str(header.get("colorInteropID", "")).split("_")
    readers = "OpenEXR" if reader == "OpenEXR" else "FFmpeg, OpenEXR"
    if len(words) == 3:
        return IndependentReading(readers=readers, light=_light(pixels, words[0], words[1]))
    stated = header.get("chromaticities", REC_709)
    given = REC_709 if isinstance(stated, str) else tuple(float(number) for number in stated)
    is_xyz = given[:6] == (1, 0, 0, 1, 0, 0)
    if len(set(given[::2])) == 1:
        given = REC_709  # no primaries at all
    return IndependentReading(readers=readers, light=_light(pixels, "lin", "ciexyzd65" if is_xyz else given))


def _exr_by_ffmpeg(path: Path) -> Array | None:
    try:
        found = _ffmpeg(path)
    except av.FFmpegError:
        return None
    return found if found.dtype == np.float64 else None


# -- videos


def _video(path: Path) -> IndependentReading:
    """The first picture by FFmpeg's scaler; its colour and rotation by MediaInfo."""
    facts = next(track for track in MediaInfo.parse(str(path)).tracks if track.track_type == "Video").to_data()
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        frame = frame.reformat(
            format="gbrp16le",
            src_colorspace=_MATRICES[facts["matrix_coefficients"]],
            dst_colorspace=_MATRICES[facts["matrix_coefficients"]],
            src_color_range="JPEG" if facts["color_range"] == "Full" else "MPEG",
            dst_color_range="JPEG",
            threads=1,
        )
        planes = [
            np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes
        ]
    code = np.stack([planes[index] for index in (2, 0, 1)], -1) / 65535
    turns = round(float(facts.get("rotation") or 0) / 90)
    code = np.rot90(code, -turns)
    curve = _TRANSFERS.get(facts["transfer_characteristics"], "g24")
    gamut = _WIDE.get(facts["color_primaries"], "rec709")
    light = _light(code, curve, gamut)
    precision = float(np.abs(_light(code + SCALER_STEP, curve, gamut) - light).max())
    return IndependentReading(readers="FFmpeg's scaler, MediaInfo", light=light, precision=precision)
