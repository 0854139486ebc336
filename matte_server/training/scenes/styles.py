"""The hair styles: one table, split into those that training sees and those that only the benchmark sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class HairStyle:
    """Lengths and radii in metres; the rest are shares of 1 unless said.

    ``lift`` root direction from lying (0) to upright (1). ``gravity`` and ``stiffness`` weigh falling against
    going straight on. ``curl_turns`` turns per metre, ``curl_chaos`` radians. ``wisps`` strands that escape.
    """

    name: str
    split: Split
    length_top: float
    length_side: float
    length_back: float
    count: int = 22000
    radius: float = 0.00006
    steps: int = 16
    raggedness: float = 0.25
    comb: Literal["radial", "back", "forward", "part", "sweep"] = "radial"
    lift: float = 0.3
    gravity: float = 0.25
    stiffness: float = 1.0
    volume: float = 0.4
    mess: float = 0.5
    clump: float = 0.3
    curl_radius: float = 0.0
    curl_turns: float = 0.0
    curl_chaos: float = 0.5
    frizz: float = 0.0
    flyaways: float = 0.03
    flyaway_reach: float = 0.02
    wisps: float = 0.0
    parting: bool = False
    part_x: float = 0.0
    gather: Literal["none", "tail", "bun"] = "none"
    tie_height: float = 0.03
    tail_length: float = 0.3
    tail_rise: float = 0.3
    hard: str = "hair edge"


_LONG = HairStyle(
    name="",
    split="train",
    length_top=0.34,
    length_side=0.36,
    length_back=0.38,
    steps=26,
    lift=0.25,
    gravity=0.35,
    comb="part",
    parting=True,
)
_SHORT = HairStyle(
    name="",
    split="train",
    length_top=0.05,
    length_side=0.02,
    length_back=0.02,
    steps=8,
    count=24000,
    lift=0.5,
    gravity=0.1,
)

STYLES: tuple[HairStyle, ...] = (
    replace(_SHORT, name="crop", hard="short hair"),
    replace(_SHORT, name="buzz", length_top=0.009, length_side=0.006, length_back=0.006, steps=4, lift=0.9,
            count=26000, radius=0.00005, flyaways=0.0, hard="stubble edge"),
    replace(_SHORT, name="side_part", length_top=0.09, length_side=0.03, length_back=0.025, comb="sweep",
            lift=0.45, volume=0.8, steps=12),
    replace(_SHORT, name="tousled", length_top=0.1, length_side=0.06, length_back=0.05, mess=2.0, lift=0.7,
            steps=12, frizz=0.012, flyaways=0.12, flyaway_reach=0.02, clump=0.6, hard="messy short hair"),
    replace(_SHORT, name="quiff", length_top=0.085, length_side=0.012, length_back=0.012, comb="back", lift=0.75,
            steps=12, clump=0.5),
    replace(_LONG, name="straight_long"),
    replace(_LONG, name="straight_bob", length_top=0.26, length_side=0.2, length_back=0.17, steps=20,
            raggedness=0.1, flyaways=0.02),
    replace(_LONG, name="wavy_long", curl_radius=0.009, curl_turns=9, clump=0.5, flyaways=0.07,
            flyaway_reach=0.03),
    replace(_LONG, name="flyaway_long", flyaways=0.2, flyaway_reach=0.055, mess=1.2, volume=0.7, clump=0.15,
            hard="long hair with flyaways"),
    replace(_LONG, name="curly_shoulder", length_top=0.24, length_side=0.24, length_back=0.24, steps=34,
            curl_radius=0.011, curl_turns=28, clump=0.45, volume=1.2, flyaways=0.08, gravity=0.2, frizz=0.01,
            hard="curls"),
    replace(_LONG, name="frizzy", length_top=0.2, length_side=0.2, length_back=0.22, steps=22, lift=0.6,
            gravity=0.14, volume=1.6, frizz=0.045, flyaways=0.3, flyaway_reach=0.035, clump=0.1, radius=0.00005,
            hard="frizz"),
    replace(_LONG, name="afro", length_top=0.13, length_side=0.11, length_back=0.11, comb="radial", parting=False,
            steps=24, count=26000, lift=1.0, gravity=0.01, volume=1.0, curl_radius=0.006, curl_turns=60,
            curl_chaos=2.0, frizz=0.02, flyaways=0.1, flyaway_reach=0.015, clump=0.2, hard="afro edge"),
    replace(_LONG, name="ponytail_wisps", gather="tail", steps=28, lift=0.0, wisps=0.03, flyaways=0.06,
            flyaway_reach=0.03, parting=False, tie_height=0.035, tail_length=0.36, hard="loose wisps"),
    replace(_LONG, name="bun_wisps", gather="bun", steps=34, wisps=0.02, flyaways=0.05, flyaway_reach=0.022,
            parting=False, tie_height=0.06, hard="bun with wisps"),
    replace(_LONG, name="wind_blown", flyaways=0.15, flyaway_reach=0.06, mess=1.6, gravity=0.18, comb="back",
            parting=False, clump=0.4, hard="blown hair"),
    # Only ever in the benchmark.
    replace(_LONG, name="layered_waves", split="heldout", length_top=0.3, length_side=0.28, length_back=0.33,
            comb="sweep", parting=False, curl_radius=0.013, curl_turns=7, raggedness=0.55, flyaways=0.12,
            flyaway_reach=0.04, hard="layered waves, flyaways"),
    replace(_LONG, name="ringlets", split="heldout", length_top=0.28, length_side=0.26, length_back=0.28, steps=40,
            curl_radius=0.014, curl_turns=22, curl_chaos=0.25, clump=0.75, volume=1.0, flyaways=0.05, gravity=0.22,
            hard="ringlets"),
    replace(_LONG, name="electric_frizz", split="heldout", length_top=0.24, length_side=0.22, length_back=0.2,
            steps=24, comb="radial", parting=False, lift=0.85, gravity=0.06, volume=2.0, frizz=0.06, flyaways=0.4,
            flyaway_reach=0.05, clump=0.05, radius=0.000045, hard="very frizzy hair"),
    replace(_LONG, name="low_tail_messy", split="heldout", gather="tail", steps=28, wisps=0.06, flyaways=0.1,
            flyaway_reach=0.04, parting=False, tie_height=-0.03, tail_length=0.28, tail_rise=-0.2, mess=1.0,
            hard="messy tail with wisps"),
    replace(_LONG, name="low_bun", split="heldout", gather="bun", steps=34, wisps=0.04, flyaways=0.08,
            flyaway_reach=0.03, parting=False, tie_height=-0.015, hard="bun with wisps"),
    replace(_SHORT, name="spiky", split="heldout", length_top=0.065, length_side=0.03, length_back=0.035, lift=1.0,
            clump=0.85, gravity=0.02, steps=10, mess=1.2, hard="spikes"),
)  # fmt: skip


def styles_of(split: Split) -> tuple[HairStyle, ...]:
    """The styles of ``split``."""
    return tuple(s for s in STYLES if s.split == split)


_SPREAD = 0.3
"""The deviation of the logarithm of what :func:`varied` changes: most within a factor of 0.6 to 1.7."""
_VARIED: dict[str, float] = {
    "radius": 0.0002, "raggedness": 0.8, "gravity": 0.6, "volume": 2.5, "mess": 2.5, "lift": 1.0, "clump": 0.9,
    "curl_radius": 0.02, "curl_turns": 80.0, "frizz": 0.07, "flyaways": 0.4, "flyaway_reach": 0.07, "wisps": 0.1,
    "tail_length": 0.6,
}  # fmt: skip
"""What :func:`varied` changes one by one, and the most that each may become."""


def varied(style: HairStyle, rng: np.random.Generator) -> HairStyle:
    """``style`` on another head: longer or shorter, each trait more or less, now and then curled or frizzy where it
    was not."""
    lengths = np.exp(rng.normal(0, _SPREAD) + rng.normal(0, 0.1, 3))
    factors = np.exp(rng.normal(0, _SPREAD, len(_VARIED)))
    traits = {
        name: min(most, getattr(style, name) * float(factor))
        for (name, most), factor in zip(_VARIED.items(), factors, strict=True)
    }
    curled, frizzy = rng.random(2) < 0.25
    if curled and style.curl_radius == 0:
        traits |= {"curl_radius": float(rng.uniform(0.002, 0.012)), "curl_turns": float(rng.uniform(5, 35))}
    if frizzy and style.frizz == 0:
        traits["frizz"] = float(rng.uniform(0.003, 0.03))
    return replace(
        style,
        length_top=style.length_top * float(lengths[0]),
        length_side=style.length_side * float(lengths[1]),
        length_back=style.length_back * float(lengths[2]),
        **traits,
    )
