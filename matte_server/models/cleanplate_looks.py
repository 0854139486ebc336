"""What two looks of our own network's coarse stage find, as one.

A look sees the frame at some size, an octave refines it, and the next look sees the frame at twice that size. The
earlier one judges large areas better, the later one thin things."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cleanplate_blocks import upsampled_into
from .networks.cleanplate import Coarse

# Where the later look has more alpha than the earlier, each counts by the inverse square of its expected error, as
# two measurements do: the error plus a floor, and the later look's times a factor. Where it has less, its share is
# fixed: on 229 procedural and rendered pictures its doubt told what it adds wrongly, but not what it removes
# wrongly. On 69 held-out stills, 102 others and 40 subjects over real frames a factor of 1.3 and a share of 0.42
# are 0.5 % better for the second look than 1.5 and a half; 0.9 and a quarter are 3 % better for people in stills,
# but 1 to 5 % worse for glass, bubbles and moving people. For the third look 0.8 is better than 1.3: of 19 frames
# above 2048 pixels 11 of kinds have 0.96 of the error, 8 of people and furniture 0.99.
_FLOOR, _TAKES_AWAY = 0.01, 0.42
SECOND_LOOK, THIRD_LOOK = 1.3, 0.8
DOUBLED = 0.7
"""The same factor for a part that is seen at twice its size, also where it has less alpha. On 89 held-out stills,
64 of which have such a part, frame, band and Grad are 0.96, 0.96 and 0.92 of what they are without it, on 30 pairs
in light that a renderer made 0.85, 0.85 and 0.81. The worst picture has 1.6 times its error; where the larger view
alone counts, 2.4 times."""


@dataclass(frozen=True, eq=False)
class AlphaLevel:
    """Alpha 1 x 1 x h x w, 0..1, at one resolution. ``state``: that of the octave's cells, 1 x C x h/2 x w/2; of a
    look, 1 x C x h x w. None from a light network."""

    alpha: Tensor
    state: Tensor | None

    @classmethod
    def of(cls, look: Coarse) -> AlphaLevel:
        """A look's alpha and state, before any octave."""
        return cls(alpha=look.alpha, state=look.state)


def of_both_looks(first: Coarse, refined: AlphaLevel, second: Coarse, factor: float) -> Coarse:
    """Alpha, doubt, context and state at the later look's size. ``refined``: the earlier look after its octave;
    ``factor``: :data:`SECOND_LOOK` or :data:`THIRD_LOOK`."""
    room = (int(second.alpha.shape[-2]), int(second.alpha.shape[-1]))

    def mean(of_first: Tensor, of_second: Tensor) -> Tensor:
        return upsampled_into(of_first, 2, room).lerp_(of_second, 0.5)

    doubt = upsampled_into(first.doubt, 2, room)
    return Coarse(
        alpha=torch.lerp(refined.alpha, second.alpha, second_share(refined.alpha, doubt, second, factor)),
        doubt=torch.lerp(doubt, second.doubt, 0.5),
        context=mean(first.context, second.context),
        state=None if refined.state is None or second.state is None else mean(refined.state, second.state),
    )


def second_share(alpha: Tensor, doubt: Tensor, second: Coarse, factor: float) -> Tensor:
    """The later look's share, 0..1, beside an ``alpha`` with the expected error ``doubt``."""
    return torch.where(second.alpha > alpha, share_by_error(doubt, second.doubt, factor), _TAKES_AWAY)


def share_by_error(error: Tensor, later_error: Tensor, factor: float) -> Tensor:
    """The share, 0..1, of a later measurement beside an earlier one, by the error that each expects."""
    own, other = (error + _FLOOR).square(), ((later_error + _FLOOR) * factor).square()
    return own / (own + other)
