"""The figures of a shot's frames side by side, and which frames stand out from their own shot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..core.image import Float32

Series = npt.NDArray[np.float64]

# A frame stands out where its figure is further from the shot's median than this many standard deviations of the
# rest (robustly, from the median deviation), and further than the lane's own least difference that a person sees.
_DEVIATIONS = 6.0
_MAD_TO_SIGMA = 1.4826
_MOST_RESIDUAL_PX = 1.0
_MOST_RECOMPOSITION = 1e-2


@dataclass(frozen=True)
class FrameFigures:
    """What is plotted of one frame; None where there is no such figure.

    ``residual_px``: the alignment's median residual. ``gain``: per channel. ``alpha_area``: mean alpha, 0..1.
    ``flicker``: mean absolute difference of alpha from the mean of its neighbours. ``recomposition``: the
    re-composition error as part of the plate's range. ``reasons``: sentences why a person should look; empty for a
    good frame.
    """

    frame: int
    residual_px: float | None = None
    gain: tuple[float, float, float] | None = None
    alpha_area: float | None = None
    flicker: float | None = None
    recomposition: float | None = None
    reasons: tuple[str, ...] = ()


def figures_of(frame: int, diagnostics: Mapping[str, object], failure: str = "") -> FrameFigures:
    """One frame's own figures, from the server's diagnostics; ``failure`` is why it has none."""
    alignment = diagnostics.get("alignment")
    alignment = alignment if isinstance(alignment, Mapping) else {}
    gain = [_number(value) for value in alignment.get("gain") or ()]
    known = [value for value in gain if value is not None]
    said = diagnostics.get("warnings")
    warnings = tuple(str(sentence) for sentence in said) if isinstance(said, list) else ()
    return FrameFigures(
        frame,
        _number(alignment.get("residual_px")),
        (known[0], known[1], known[2]) if len(known) == 3 else None,
        _number(diagnostics.get("alpha_area")),
        None,
        _number(diagnostics.get("recomposition_error")),
        (f"No result: {failure}", *warnings) if failure else warnings,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def flicker(before: Float32 | None, alpha: Float32, after: Float32 | None) -> float | None:
    """How far a frame's alpha is from what its neighbours promise: the mean absolute difference from their mean.
    The first and the last frame have one neighbour and no figure; nor has a frame whose neighbour is missing or of
    another size."""
    if before is None or after is None or not before.shape == alpha.shape == after.shape:
        return None
    return float(np.abs(alpha - (before + after) / 2).mean())


def judged(shot: Sequence[FrameFigures]) -> list[FrameFigures]:
    """The frames with the reasons for which each stands out from the shot added."""
    reasons: list[list[str]] = [list(frame.reasons) for frame in shot]
    for lane in _LANES:
        values = [lane.value(frame) for frame in shot]
        for index, sentence in _outliers(values, lane):
            reasons[index].append(sentence)
    return [replace(frame, reasons=tuple(found)) for frame, found in zip(shot, reasons, strict=True)]


@dataclass(frozen=True)
class _Lane:
    """One figure: how it is read and said; ``least`` is the smallest difference that counts, ``most`` a value that
    is bad whatever the shot does, ``below`` whether a low value is one too. ``local`` compares with the frames
    beside it, for figures that wander over a shot by nature."""

    value: Callable[[FrameFigures], float | None]
    words: str
    least: float
    most: float = float("inf")
    below: bool = False
    local: bool = False


def _brightness(frame: FrameFigures) -> float | None:
    return None if frame.gain is None else sum(frame.gain) / 3


_LANES = (
    _Lane(lambda frame: frame.residual_px, "The alignment's residual is {:.2f} px, the shot's {:.2f}.", 0.3,
          _MOST_RESIDUAL_PX),
    _Lane(_brightness, "The clean plate's gain is {:.3f}, beside it {:.3f}.", 0.02, below=True, local=True),
    _Lane(lambda frame: frame.alpha_area, "The matte's area is {:.3f}, beside it {:.3f}.", 0.01, below=True,
          local=True),
    _Lane(lambda frame: frame.flicker, "Alpha jumps by {:.4f} from its neighbours, in the shot by {:.4f}.", 0.004),
    _Lane(lambda frame: frame.recomposition, "The re-composition error is {:.1e}, the shot's {:.1e}.", 1e-3,
          _MOST_RECOMPOSITION),
)  # fmt: skip
_BESIDE = 5


def _outliers(values: Sequence[float | None], lane: _Lane) -> list[tuple[int, str]]:
    known = [index for index, value in enumerate(values) if value is not None]
    measured = np.array([values[index] for index in known], np.float64)
    if not len(measured):
        return []
    expected = _beside(measured) if lane.local else np.full(len(measured), np.median(measured))
    away = measured - expected
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(away)))
    distance = np.abs(away) if lane.below else away
    odd = np.flatnonzero((distance > max(_DEVIATIONS * spread, lane.least)) | (measured > lane.most)).tolist()
    return [(known[place], lane.words.format(measured[place], expected[place])) for place in odd]


def _beside(values: Series) -> Series:
    """What its nearest neighbours promise for each value, itself left out: their robust straight line (Theil 1950,
    Sen 1968), so that a drift is no fault, not even at the shot's ends. Alone, itself."""
    out = values.copy()
    places = np.arange(len(values))
    for place in range(len(values)):
        near = (np.abs(places - place) <= _BESIDE) & (places != place)
        away, others = (places - place)[near], values[near]
        if not len(others):
            continue
        first, second = np.triu_indices(len(others), 1)
        slopes = (others[second] - others[first]) / (away[second] - away[first])
        slope = float(np.median(slopes)) if len(slopes) else 0.0
        out[place] = np.median(others - slope * away)
    return out
