"""The curves and primaries of public standards, by their formulas, for right values of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.matte_server.pictures import Array

REC_709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
PRIMARIES = {
    "AP0": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "AP1": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    "P3": (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329),
    "Rec.2020": (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329),
    "AWG3": (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329),
    "AWG4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, 0.3127, 0.329),
    "Adobe RGB": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.329),
    "ProPhoto": (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585),
}
HLG_LUMA = np.array([0.2627, 0.678, 0.0593])
HLG_NUMBERS = (0.17883277, 0.28466892, 0.55991073)
"""a, b and c of ITU-R BT.2100, table 5."""


def srgb_encoded(light: Array) -> Array:
    light = np.clip(light, 0.0, 1.0)
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def srgb_decoded(code: Array) -> Array:
    return np.asarray(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4))


def cineon_encoded(light: Array) -> Array:
    offset = 10 ** ((95 - 685) * 0.002 / 0.6)
    return (685 + np.log10(light * (1 - offset) + offset) * 0.6 / 0.002) / 1023


def cineon_decoded(code: Array) -> Array:
    offset = 10 ** ((95 - 685) * 0.002 / 0.6)
    return np.asarray((10 ** ((code * 1023 - 685) * 0.002 / 0.6) - offset) / (1 - offset))


def pq_encoded(light: Array) -> Array:
    """SMPTE ST 2084; 1.0 is 100 cd/m2."""
    power = (np.maximum(light, 0.0) / 100.0) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def pq_decoded(code: Array) -> Array:
    root = np.clip(code, 0.0, 1.0) ** (32 / 2523)
    power = np.maximum(root - 3424 / 4096, 0.0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(100.0 * power ** (16384 / 2610))


def hlg_encoded(light: Array) -> Array:
    """BT.2100 on a display of 1000 cd/m2, system gamma 1.2, linear Rec.2020; 1.0 is 100 cd/m2."""
    shown = light / 10.0
    scene = shown * ((shown @ HLG_LUMA) ** (1 / 1.2 - 1))[..., None]
    a, b, c = HLG_NUMBERS
    return np.asarray(
        np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    )


def hlg_decoded(code: Array) -> Array:
    a, b, c = HLG_NUMBERS
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return np.asarray(10.0 * scene * ((scene @ HLG_LUMA) ** 0.2)[..., None])


def to_xyz(primaries: Sequence[float]) -> Array:
    """SMPTE RP 177: linear RGB with these primaries to XYZ."""
    xy = np.array(primaries).reshape(4, 2)
    columns = np.array([[x, y, 1 - x - y] for x, y in xy[:3]]).T
    x, y = xy[3]
    return np.asarray(columns * np.linalg.solve(columns, [x / y, 1.0, (1 - x - y) / y]))


def from_xyz(primaries: Sequence[float]) -> Array:
    return np.asarray(np.linalg.inv(to_xyz(primaries)))


def in_gamut(light: Array, primaries: Sequence[float]) -> Array:
    """Linear Rec.709 as linear RGB with other primaries; a white other than D65 is adapted (Bradford)."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    whites = [to_xyz(numbers).sum(1) for numbers in (REC_709, primaries)]
    scale = (bradford @ whites[1]) / (bradford @ whites[0])
    adapted = np.linalg.inv(bradford) @ np.diag(scale) @ bradford
    return np.asarray(light @ (np.linalg.inv(to_xyz(primaries)) @ adapted @ to_xyz(REC_709)).T)
