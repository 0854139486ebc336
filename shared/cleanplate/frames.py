"""The matte of one frame, computed in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Guides, PlatePair
from matte_server.errors import MatteError

from .pictures import Picture, guide_of, pair_of

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


def options_of(given: Mapping[str, object]) -> MatteOptions:
    """Options by name, as in ``cleanplate matte --help`` with underscores; raises ``MatteError("bad_option",
    ...)``."""
    unknown = sorted(set(given) - set(MatteOptions.__dataclass_fields__))
    if unknown:
        raise MatteError("bad_option", f"There is no option {unknown[0]!r}.", "See 'cleanplate matte --help'.")
    try:
        return MatteOptions(**given)  # type: ignore[arg-type]
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None


def matte(
    plate: Picture,
    clean: Picture,
    *,
    core: Picture | None = None,
    holdout: Picture | None = None,
    **options: object,
) -> Matted:
    """The matte of one frame, on the GPU where there is one.

    ``plate`` and ``clean`` are arrays, height x width x 3 floats, scene-linear Rec.709, or image files. ``core``
    and ``holdout`` are mattes of what is certainly subject and what is not. ``options`` are those of ``cleanplate
    matte``, such as ``model="difference"``. Inputs are not changed. Raises :class:`CleanplateError`, whose
    ``code`` and ``message`` say what is wrong."""
    chosen = options_of(options)
    pair = pair_of(plate, clean, chosen)
    guides = Guides(core=guide_of(core, "core"), holdout=guide_of(holdout, "holdout"))
    found = _pipeline().solve(
        PlatePair(plate=pair[0], clean_plate=pair[1]),
        guides,
        chosen,
        check=lambda: None,
        progress=lambda stage, done, total: None,
    )
    return Matted(
        alpha=found.alpha.pixels[..., 0],
        foreground=found.foreground.pixels,
        layers={name: layer.pixels for name, layer in found.layers.items()},
        diagnostics=found.diagnostics,
    )


@lru_cache(maxsize=1)
def _pipeline() -> MattePipeline:
    """Made on first use: only who mattes here pays for torch."""
    import torch

    from matte_server.frame.pipeline import MattePipeline
    from matte_server.worker.solver import choose_device

    return MattePipeline(torch.device(choose_device("auto")))
