"""Converts the Y'CbCr and R'G'B' planes of PyAV's frames to pictures and back.

Computes in float with the stream's own matrix and range (ITU-T H.273) and its codec's chroma siting, where FFmpeg's
scaler would use 8-bit tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..core.image import Float32
from ..errors import MatteError

Plane = npt.NDArray[np.uint16]

# Matrix coefficients -> Kr, Kb.
MATRICES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_YCGCO, _UNSPECIFIED = 8, 2
_PLANAR_BITS = (10, 12, 16)
"""Bits per sample above 8 for which FFmpeg has a planar format to each packed one."""
_UNTAGGED, _FULL_RANGE = 0, 2
_SAMPLINGS = {(1, 1): "444p", (2, 1): "422p", (2, 2): "420p", (1, 2): "440p"}
"""How many times wider and higher luma is than chroma -> FFmpeg's word."""
_FLOATS = re.compile(r"(gbrp|gbrap|rgb|rgba|gray|ya)f(16|32)le")
"""FFmpeg's formats of floating-point numbers; their range is not limited, and their values may be beyond 1."""
_CENTRED = ("mjpeg", "mpeg1video")
"""Codecs whose chroma lies amid its luma samples (JFIF 1.02; ISO 11172-2). H.264, H.265, MPEG-2, ProRes and DNxHR
have it on the left ones, unless tagged otherwise."""
_STEPS = {"": (1, 1), **{word: steps for steps, word in _SAMPLINGS.items()}}


@dataclass(frozen=True)
class Layout:
    """How a planar pixel format stores a picture: bits per sample, and how many times wider (``wide``) and higher
    (``high``) luma is than chroma."""

    bits: int
    wide: int
    high: int
    rgb: bool
    alpha: bool
    grey: bool


def layout_of(name: str) -> Layout | None:
    """The layout of one of FFmpeg's pixel formats, given by name; None if it is not planar or not supported
    here."""
    match = re.fullmatch(r"(yuvj?|yuva|gbrp|gbrap|gray)(420p|422p|444p|440p|411p|410p)?(\d+)?(le|p)?", name)
    if not match or name.endswith("be"):
        return None
    kind, sampling = match.group(1), match.group(2) or ""
    if kind.startswith("yuv") != bool(sampling):
        return None
    wide, high = _STEPS.get(sampling, (0, 0))
    if not wide:
        return None
    rgb, alpha = kind.startswith("gb"), kind in ("yuva", "gbrap")
    bits = int(match.group(3) or 8)
    return Layout(bits=bits, wide=wide, high=high, rgb=rgb, alpha=alpha, grey=kind == "gray")


def rgb_of(frame: Any, codec: str = "") -> Float32:
    """R', G', B' (and alpha) of a frame: height x width x 3 or 4, float32, nominally 0 to 1, unclamped. ``codec``
    decides the siting of subsampled chroma, for PyAV does not tell what the frame's own tag says."""
    if floats := _FLOATS.fullmatch(frame.format.name):
        return _from_floats(frame, floats[1], int(floats[2]))
    layout = layout_of(frame.format.name)
    if layout is None:
        planar = _planar_format(frame.format)
        # With several threads FFmpeg 8's scaler now and then takes a row of a small picture from elsewhere.
        frame = frame.reformat(format=planar, threads=1)
        layout = layout_of(planar)
        assert layout is not None
    planes = [_plane(frame, index, layout.bits) for index in range(len(frame.planes))]
    if layout.rgb:
        top = float((1 << layout.bits) - 1)
        order = (2, 0, 1, 3)[: len(planes)]
        return np.stack([planes[index].astype(np.float32) / top for index in order], -1)
    full, is_centred = _is_full_range(frame, layout), codec in _CENTRED
    luma = _from_code(planes[0], layout.bits, full, False)
    if layout.grey:
        return np.repeat(luma[..., None], 3, -1)
    chroma = [
        upsampled(_from_code(plane, layout.bits, full, True), layout, (luma.shape[0], luma.shape[1]), is_centred)
        for plane in planes[1:3]
    ]
    if int(frame.colorspace) == _YCGCO:
        colour = _from_ycgco(luma, chroma[0], chroma[1])
    else:
        colour = decoded(luma, chroma[0], chroma[1], _matrix(frame))
    if layout.alpha:
        alpha = planes[3].astype(np.float32) / float((1 << layout.bits) - 1)
        colour = np.concatenate([colour, alpha[..., None]], -1)
    return colour


def _from_floats(frame: Any, kind: str, bits: int) -> Float32:
    """R', G', B' (and alpha) of a frame of floating-point numbers, grey or colour, in planes or packed."""
    across = {"rgb": 3, "rgba": 4, "ya": 2}.get(kind, 1)
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, f"<f{bits // 8}").reshape(plane.height, -1)
        planes.append(rows[:, : frame.width * across].reshape(frame.height, frame.width, across))
    stored = np.concatenate(planes, -1).astype(np.float32)
    order = {"gbrp": (2, 0, 1), "gbrap": (2, 0, 1, 3), "gray": (0, 0, 0), "ya": (0, 0, 0, 1)}
    return np.ascontiguousarray(stored[..., order.get(kind, range(across))])


def refuse_unfinished(frame: Any, path: Path) -> None:
    """Raises ``MatteError("unreadable", ...)`` for a frame of X'Y'Z', of which FFmpeg knows no colour, or of what a
    camera's sensor saw, of which it would make a picture without the camera's white and colours."""
    kinds = {"xyz": "X'Y'Z', as digital cinema packages do,", "bayer": "the raw data of a camera's sensor,"}
    found = next((words for kind, words in kinds.items() if frame.format.name.startswith(kind)), None)
    if found:
        raise MatteError(
            "unreadable",
            f"{path} holds {found} which Cleanplate does not read.",
            "Convert it to ProRes 4444 or to an EXR sequence first.",
        )


def unsupported_matrix(frame: Any) -> str:
    """A sentence where a frame's tag names a matrix that is not supported; else empty."""
    tag = int(frame.colorspace)
    if tag in (*MATRICES, _YCGCO, _UNSPECIFIED):
        return ""
    layout = layout_of(frame.format.name) or layout_of(_planar_format(frame.format))
    assert layout is not None
    if layout.rgb or layout.grey:
        return ""
    used = "BT.601" if _matrix(frame) == MATRICES[6] else "BT.709"
    return f"The tag matrix {tag} of the video is not supported; its pictures were read with that of {used}."


def _planar_format(form: Any) -> str:
    """The name of a planar format for a packed one, with the same alpha, sampling and bits, so that FFmpeg's scaler
    only moves the samples; with 16 bits where there is none."""
    bits, alpha = max(component.bits for component in form.components), any(c.is_alpha for c in form.components)
    kind = "yuva" if alpha else "yuv"
    if form.is_rgb or form.has_palette or len(form.components) < 3:
        kind, sampling = "gbrap" if alpha else "gbrp", ""
    else:
        sampling = _SAMPLINGS.get((64 // form.chroma_width(64), 64 // form.chroma_height(64)), "444p")
    if bits <= 8:
        return f"{kind}{sampling}"
    return f"{kind}{sampling}{bits if bits in _PLANAR_BITS else 16}le"


def _is_full_range(frame: Any, layout: Layout) -> bool:
    """Whether black is 0 and not 16 of 255: full range. Grey pictures without a tag have it, as FFmpeg writes
    them."""
    tag = int(frame.color_range)
    return tag == _FULL_RANGE or frame.format.name.startswith("yuvj") or (layout.grey and tag == _UNTAGGED)


def _plane(frame: Any, index: int, bits: int) -> Plane:
    plane = frame.planes[index]
    kind = np.uint16 if bits > 8 else np.uint8
    stride = plane.line_size // np.dtype(kind).itemsize
    data = np.frombuffer(plane, kind, count=stride * plane.height).reshape(plane.height, stride)
    cut: Plane = data[:, : plane.width].astype(np.uint16)
    return cut


def _matrix(frame: Any) -> tuple[float, float]:
    """Kr and Kb as the stream's tag states; without a tag BT.601 below 720 lines and BT.709 above, as players
    do."""
    tag = int(frame.colorspace)
    if tag in MATRICES:
        return MATRICES[tag]
    return MATRICES[6] if frame.height < 720 else MATRICES[1]


def _scales(bits: int, full: bool, chroma: bool) -> tuple[float, float]:
    """Offset and range of a plane's codes, by the equations of H.273 for limited and full range."""
    if full:
        return (float(1 << (bits - 1)) if chroma else 0.0), float((1 << bits) - 1)
    unit = float(1 << (bits - 8))
    return (128.0 * unit, 224.0 * unit) if chroma else (16.0 * unit, 219.0 * unit)


def _from_code(plane: Plane, bits: int, full: bool, chroma: bool) -> Float32:
    offset, size = _scales(bits, full, chroma)
    return np.asarray((plane.astype(np.float32) - offset) / size, np.float32)


def to_code(values: Float32, bits: int, full: bool, chroma: bool) -> Plane:
    """Luma of 0 to 1 or chroma of -0.5 to 0.5 as codes of a plane, rounded, and clamped to the allowed codes."""
    offset, size = _scales(bits, full, chroma)
    lowest, highest = (0, (1 << bits) - 1) if full else (1 << (bits - 8), (1 << bits) - 1 - (1 << (bits - 8)))
    code: Plane = np.clip(np.rint(values * size + offset), lowest, highest).astype(np.uint16)
    return code


def upsampled(chroma: Float32, layout: Layout, size: tuple[int, int], is_centred: bool) -> Float32:
    """Chroma interpolated to luma's size. Chroma samples lie midway between two lines; across they lie on every
    other luma sample, or midway between two where ``is_centred``."""
    height, width = size
    wide, high = layout.wide, layout.high
    if (wide, high) == (1, 1):
        return chroma
    left, top = (0.5 / wide - 0.5 if is_centred else 0.0), 0.5 / high - 0.5
    steps = np.array([[1 / wide, 0.0, left], [0.0, 1 / high, top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(chroma, steps, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def downsampled(chroma: Float32, layout: Layout) -> Float32:
    """Chroma subsampled as H.264, ProRes and DNxHR have it: a [1 2 1] filter across, the mean of two lines
    down."""
    if layout.wide == 2:
        padded = np.pad(chroma, ((0, 0), (1, 1)), mode="edge")
        smooth = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
        chroma = smooth[:, ::2]
    if layout.high == 2:
        if chroma.shape[0] % 2:
            chroma = np.concatenate([chroma, chroma[-1:]], 0)
        chroma = 0.5 * (chroma[::2] + chroma[1::2])
    return np.ascontiguousarray(chroma, np.float32)


def decoded(luma: Float32, cb: Float32, cr: Float32, matrix: tuple[float, float]) -> Float32:
    """R', G', B', h x w x 3, of Y', 0 to 1, and Cb and Cr, -0.5 to 0.5, each h x w; ``matrix``: Kr and Kb."""
    kr, kb = matrix
    red = luma + 2.0 * (1.0 - kr) * cr
    blue = luma + 2.0 * (1.0 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1.0 - kr - kb)
    return np.stack([red, green, blue], -1).astype(np.float32)


def _from_ycgco(luma: Float32, cg: Float32, co: Float32) -> Float32:
    """R', G', B' by the equations of H.273 for MatrixCoefficients 8."""
    rest = luma - cg
    return np.stack([rest + co, luma + cg, rest - co], -1).astype(np.float32)


def encoded(colour: Float32, matrix: tuple[float, float]) -> tuple[Float32, Float32, Float32]:
    """Y', Cb and Cr, each h x w, of R', G', B', h x w x 3; ``matrix``: Kr and Kb."""
    kr, kb = matrix
    red, green, blue = (colour[..., channel] for channel in range(3))
    luma = kr * red + (1.0 - kr - kb) * green + kb * blue
    return luma, (blue - luma) / (2.0 * (1.0 - kb)), (red - luma) / (2.0 * (1.0 - kr))


def fill_plane(plane: Any, values: Plane, bits: int) -> None:
    """Copies codes into a frame's plane, whose rows may be padded."""
    kind = np.uint16 if bits > 8 else np.uint8
    stride = plane.line_size // np.dtype(kind).itemsize
    padded = np.zeros((plane.height, stride), kind)
    padded[:, : values.shape[1]] = values
    plane.update(padded.tobytes()[: plane.buffer_size])
