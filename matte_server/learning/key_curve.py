"""Finds key mattes whose values are not alpha but a picture's code for it, or such code made linear once too often.

Who mends a matte leaves most of it as the model made it: written as an sRGB picture, its soft edges are the model's
by the curve of sRGB, which no brush draws."""

from __future__ import annotations

from torch import Tensor

from ..models.srgb import decode_srgb, encode_srgb

_SOFT = (0.1, 0.9)
"""Where alpha is so partial, the curve moves it by 0.11 to 0.24."""
_SAME = 0.03
"""Alphas that differ by less are the same: codes of 8 bits, and what the model computes otherwise elsewhere."""
_SHARE, _TIMES = 0.25, 4.0
"""The part of the soft edges that the curve explains where a matte is doubted, and how many times what is the same
without it. Of 15 right mattes that no model made the curve explains 0.13 at most. Of mattes that the model made and
somebody mended in the upper half it explains 0.5 and more, but for hair that lies in that half alone."""


def curve_warning(number: int, key: Tensor, own: Tensor, trust: Tensor) -> str:
    """A sentence about a key matte that went through sRGB's curve; empty where it did not. ``own``: the model's
    matte; ``trust``: 1 where ``key`` is right. All three 1 x 1 x H x W."""
    soft = (own > _SOFT[0]) & (own < _SOFT[1]) & (trust > 0.5)
    if not bool(soft.any()):
        return ""
    edges, given = own[soft], key[soft]

    def same(alpha: Tensor) -> float:
        return float(((alpha - edges).abs() < _SAME).float().mean())

    least = max(_SHARE, _TIMES * same(given))
    if same(decode_srgb(given)) > least:
        what = "brighter, as if it had been written as an sRGB picture"
    elif same(encode_srgb(given)) > least:
        what = "darker, as if it had been read as an sRGB picture"
    else:
        return ""
    return (
        f"The soft edges of the key matte of frame {number} are the model's, but {what}. Mattes are data: read and "
        "write them without a colourspace (raw)."
    )
