"""What both looks of our own network's coarse stage find, as one.

The first look sees the frame at the coarse size, and the first octave refines it. The second look sees the frame at
twice that size. The first judges large areas better, the second thin things."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cleanplate_blocks import upsampled_into
from .networks.cleanplate import Coarse

# Where the second look has more alpha than the first, each counts by the inverse square of its expected error, as
# two measurements do: the error plus a floor, and the second look's enlarged. Where it has less, its share is
# fixed: on 229 procedural and rendered pictures its doubt told what it adds wrongly, but not what it removes
# wrongly. On 69 held-out stills, 102 others and 40 subjects over real frames 1.3 and 0.42 are 0.5 % better than 1.5
# and a half; 0.9 and a quarter are 3 % better for people in stills, but 1 to 5 % worse for glass, bubbles and
# moving people.
_FLOOR, _SECOND = 0.01, 1.3
_TAKES_AWAY = 0.42


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


def of_both_looks(first: Coarse, refined: AlphaLevel, second: Coarse) -> Coarse:
    """Alpha, doubt, context and state at the second look's size. ``refined``: the first look after its octave."""
    room = (int(second.alpha.shape[-2]), int(second.alpha.shape[-1]))

    def mean(of_first: Tensor, of_second: Tensor) -> Tensor:
        return upsampled_into(of_first, 2, room).lerp_(of_second, 0.5)

    doubt = upsampled_into(first.doubt, 2, room)
    return Coarse(
        alpha=torch.lerp(refined.alpha, second.alpha, second_share(refined.alpha, doubt, second)),
        doubt=torch.lerp(doubt, second.doubt, 0.5),
        context=mean(first.context, second.context),
        state=None if refined.state is None or second.state is None else mean(refined.state, second.state),
    )


def second_share(alpha: Tensor, doubt: Tensor, second: Coarse) -> Tensor:
    """The second look's share, 0..1, beside an ``alpha`` with the expected error ``doubt``."""
    own = (doubt + _FLOOR).square()
    other = ((second.doubt + _FLOOR) * _SECOND).square()
    return torch.where(second.alpha > alpha, own / (own + other), _TAKES_AWAY)
