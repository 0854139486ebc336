"""Windows of a frame for a look from close by: where they lie, how they are cut out, how results are put back."""

from __future__ import annotations

import torch
from torch import Tensor

from .cleanplate_blocks import BLOCK, patches_at, upsampled_into
from .cleanplate_looks import AlphaLevel
from .networks.cleanplate import Coarse, CoarseInput

WINDOW, AROUND = 384, 64
"""Pixels of a window either way, and how far beyond it the network sees. Windows of 256 or 512 pixels, or the whole
frame at once, cost as much, and their errors differ by 2 % either way."""
_BLOCKS_ACROSS = WINDOW // (2 * BLOCK)
BLOCKS = _BLOCKS_ACROSS**2
"""Refinement blocks of a window."""


def windows_around(rows: Tensor, columns: Tensor) -> tuple[list[int], list[int]]:
    """Rows and columns of the windows that hold any of the blocks, in order."""
    places = sorted(set(zip((rows // _BLOCKS_ACROSS).tolist(), (columns // _BLOCKS_ACROSS).tolist(), strict=True)))
    return [row for row, _ in places], [column for _, column in places]


def cut_input(given: CoarseInput, rows: list[int], columns: list[int]) -> CoarseInput:
    """The coarse stage's input in N windows, N x C x side x side, from that of the whole frame."""
    return CoarseInput(
        plate=cut_windows(given.plate, rows, columns, 1),
        clean=cut_windows(given.clean, rows, columns, 1),
        coverage=cut_windows(given.coverage, rows, columns, 1),
        core=cut_windows(given.core, rows, columns, 1),
        holdout=cut_windows(given.holdout, rows, columns, 1),
        evidence=None if given.evidence is None else cut_windows(given.evidence, rows, columns, 1),
    )


def cut_windows(picture: Tensor, rows: list[int], columns: list[int], reduced: int) -> Tensor:
    """N windows with what lies around them, N x C x side x side, from 1 x C x H x W at 1 / ``reduced`` of the
    windows' resolution; the frame's edge is replicated."""
    size, around = WINDOW // reduced, AROUND // reduced
    top, left = (torch.tensor(places, device=picture.device) * size - around for places in (rows, columns))
    return patches_at(picture, top, left, size + 2 * around).contiguous()


def beneath(first: Coarse, refined: AlphaLevel, room: tuple[int, int]) -> Coarse:
    """What a look at twice the resolution of ``first``, of size ``room``, has where it does not look: what is known
    already."""
    return Coarse(
        alpha=refined.alpha.clone(),
        doubt=upsampled_into(first.doubt, 2, room),
        context=upsampled_into(first.context, 2, room),
        state=None if refined.state is None else upsampled_into(refined.state, 2, room),
    )


def put_windows(whole: Coarse, found: Coarse, rows: list[int], columns: list[int]) -> None:
    """Writes the windows' own parts of ``found``, N x C x side x side, into ``whole``, 1 x C x H x W."""
    pairs = ((whole.alpha, found.alpha), (whole.doubt, found.doubt), (whole.context, found.context))
    states = () if whole.state is None or found.state is None else ((whole.state, found.state),)
    for target, source in (*pairs, *states):
        for row, column, window in zip(rows, columns, source, strict=True):
            part = target[0, :, row * WINDOW : (row + 1) * WINDOW, column * WINDOW : (column + 1) * WINDOW]
            part.copy_(window[:, AROUND : AROUND + part.shape[-2], AROUND : AROUND + part.shape[-1]])
