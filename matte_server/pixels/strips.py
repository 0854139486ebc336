"""Whole frames in strips of rows.

On a processor a chain of steps over a 4K frame waits for memory, and for fresh pages of it, far longer than it
computes. A strip stays in the cache from its first step to its last. On other devices a frame is one strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

_PIXELS = 1 << 17
"""Of a strip: a channel of it in float32 takes half a megabyte."""

P = ParamSpec("P")


def strips(height: int, width: int, device: torch.device) -> Iterator[slice]:
    """The rows of a frame, a strip at a time."""
    rows = max(1, _PIXELS // max(width, 1)) if device.type == "cpu" else max(height, 1)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def stripwise(work: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Runs a function of N x C x H x W pictures that looks at single pixels alone strip by strip. A picture of one
    row is the same for all of the frame."""

    @wraps(work)
    def run(first: Tensor, /, *others: P.args, **named: P.kwargs) -> Tensor:
        height, width = first.shape[-2:]
        whole: Tensor | None = None
        for rows in strips(height, width, first.device):
            if rows.stop - rows.start == height:
                return work(first, *others, **named)
            part = work(first[..., rows, :], *(_rows(each, rows) for each in others), **named)  # type: ignore[arg-type]
            if whole is None:
                whole = part.new_empty((*part.shape[:-2], height, width))
            whole[..., rows, :] = part
        return work(first, *others, **named) if whole is None else whole

    return run


def _rows(value: object, rows: slice) -> object:
    return value[..., rows, :] if isinstance(value, Tensor) and value.shape[-2] > 1 else value
