"""The matte of one frame, computed in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Guides
from matte_server.errors import MatteError
from matte_server.shots.nearest_word import nearest_word
from matte_server.shots.option_files import with_whole_paths

from .pictures import Picture, guide_of, pair_of, with_file_warnings

if TYPE_CHECKING:
    from matte_server.frame.pipeline import MattePipeline


@dataclass(frozen=True, eq=False)
class Matted:
    """A frame's result: ``alpha``, height x width, 0..1; ``foreground``, height x width x 3, scene-linear Rec.709
    and unpremultiplied; ``layers`` by name, where options ask for them; ``diagnostics``, with the alignment, the
    figures of the frame and a list of ``warnings``."""

    alpha: Float32
    foreground: Float32
    layers: Mapping[str, Float32]
    diagnostics: Mapping[str, Any]


_MADE_OF_FILES = {
    "output_colourspace": "the result is scene-linear Rec.709",
    "premultiplied": "the foreground of the result is unpremultiplied",
    "temporal": "one frame has none beside it; use matte_shot",
}
"""The options that mean nothing for one frame in memory, and why."""


def plain(value: object) -> Any:
    """A number of NumPy's as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def options_of(given: Mapping[str, object], others: Iterable[str] = ()) -> MatteOptions:
    """Options by name, as in ``cleanplate matte --help`` with underscores; NumPy's numbers count as numbers.
    ``others``: names that the caller knows besides. Raises ``MatteError("bad_option", ...)``."""
    known = (*MatteOptions.__dataclass_fields__, *others)
    unknown = next((name for name in sorted(given) if name not in known), "")
    if unknown:
        near = nearest_word(unknown, known)
        hint = f"Did you mean {near!r}?" if near else "See 'cleanplate matte --help'."
        raise MatteError("bad_option", f"There is no option {unknown!r}.", hint)
    values = {name: plain(value) for name, value in given.items()}
    try:
        return with_whole_paths(MatteOptions(**values))
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None


def options_of_frame(given: Mapping[str, object]) -> MatteOptions:
    """The same for one frame in memory, where some of them mean nothing."""
    options, default = options_of(given), MatteOptions()
    for name, why in _MADE_OF_FILES.items():
        if getattr(options, name) != getattr(default, name):
            raise MatteError("bad_option", f"{name} does not apply: {why}.")
    return options


def matte(
    plate: Picture,
    clean: Picture,
    *,
    core: Picture | None = None,
    holdout: Picture | None = None,
    **options: object,
) -> Matted:
    """The matte of one frame, on the GPU where there is one.

    ``plate`` and ``clean`` are arrays, height x width x 3 floats, scene-linear Rec.709 unless ``colourspace`` says
    otherwise, or image files. ``core`` and ``holdout`` are mattes of what is certainly subject and what is not:
    arrays, height x width floats from 0 to 1 or bools, or files. ``options`` are those of ``cleanplate matte``,
    such as ``model="difference"``; :class:`MatteOptions` lists all with their defaults. Inputs are not changed.
    Raises :class:`CleanplateError`, whose ``code`` and ``message`` say what is wrong."""
    chosen = options_of_frame(options)
    pair = pair_of(plate, clean, chosen)
    guides = Guides(core=guide_of(core, "core", pair.plate), holdout=guide_of(holdout, "holdout", pair.plate))
    found = _pipeline().solve(
        pair,
        guides,
        chosen,
        check=lambda: None,
        progress=lambda stage, done, total: None,
    )
    return Matted(
        alpha=found.alpha.pixels[..., 0],
        foreground=found.foreground.pixels,
        layers={name: layer.pixels for name, layer in found.layers.items()},
        diagnostics=with_file_warnings(found.diagnostics, pair, guides),
    )


@lru_cache(maxsize=1)
def _pipeline() -> MattePipeline:
    """Made on first use: only who mattes here pays for torch."""
    import torch

    from matte_server.frame.pipeline import MattePipeline
    from matte_server.worker.solver import choose_device

    return MattePipeline(torch.device(choose_device("auto")))
