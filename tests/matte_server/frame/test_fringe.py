"""No fringe: hair that is put over black, white, green and a picture, against the true comp.

The table of the published renders is ``python -m tests.benchmarks.bench_fringe FOLDER``. Here a drawn person with
hair, small and seeded; the bounds compare foregrounds of the same alpha, so that they hold for any weights.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from matte_server.core.image import Float32
from matte_server.training.procedural import Canvas, person

from .fringe import Foregrounds, Take, comp_errors, default_network, mattes, take


@cache
def hair() -> Float32:
    canvas = Canvas(np.random.default_rng(4), 256)
    person(canvas)
    return np.clip(canvas.finish(), 0.0, 60.0)


@cache
def solved(alpha: str, grain: float = 0.01, lamps: float = 0.0, seed: int = 3) -> tuple[Take, Float32, Foregrounds]:
    shot = take(hair(), seed=seed, grain=grain, lamps=lamps)
    return shot, *mattes(shot, default_network(), shot.alpha if alpha == "true" else None)


def _mean(takes: list[dict[str, float]]) -> dict[str, float]:
    return {background: float(np.mean([errors[background] for errors in takes])) for background in takes[0]}


def test_there_is_hair_to_speak_of() -> None:
    shot, _, _ = solved("true")
    assert shot.band.mean() > 0.04


@pytest.mark.parametrize("lamps", [0.0, 20.0])
@pytest.mark.parametrize("alpha", ["true", "network"])
def test_ours_is_nearer_the_true_comp_than_the_plates_colour_and_the_networks(alpha: str, lamps: float) -> None:
    # Where alpha itself is wrong, one background or one room alone may by chance forgive a wrong colour: then the
    # mean of several rooms counts. With lamps ours leads by 0.8 %, and in four rooms the weights decided: twelve.
    # Without it led in each of twelve, by 3.6 to 5.7 %: four.
    rooms = 1 if alpha == "true" else 12 if lamps else 4
    takes = [solved(alpha, lamps=lamps, seed=seed) for seed in range(3, 3 + rooms)]
    errors = {
        name: _mean([comp_errors(shot, matte, found[name]) for shot, matte, found in takes]) for name in takes[0][2]
    }
    for name, by_background in errors.items():
        print(f"{alpha:8} lamps {lamps:4} {name:8}", {k: round(v, 5) for k, v in by_background.items()})
    for other in ("plate", "network"):
        assert sum(errors["ours"].values()) < sum(errors[other].values()), other
        if alpha == "true":
            assert all(error < errors[other][background] for background, error in errors["ours"].items())
    if alpha == "true":
        # What is left is grain, which the solve keeps, and where alpha is small the estimate.
        assert max(errors["ours"].values()) < 0.35 * min(errors["plate"].values())


def test_under_noise_the_solve_is_stable_and_keeps_the_grain() -> None:
    """Three times the grain: the comp's error grows by no more than that; and in nearly solid places the comp is
    as grainy as the plate, where the network's colour has none."""
    (calm, calm_alpha, calm_found), (loud, loud_alpha, loud_found) = (
        solved("true", grain=grain) for grain in (0.01, 0.03)
    )
    before = comp_errors(calm, calm_alpha, calm_found["ours"])["black"]
    after = comp_errors(loud, loud_alpha, loud_found["ours"])["black"]
    assert after < 3.0 * before
    nearly = ((loud.alpha > 0.9) & (loud.alpha < 1.0))[..., 0]
    still = loud.premultiplied
    own = (loud.plate - still - (1 - loud.alpha) * loud.clean)[nearly].std()
    kept = (loud_alpha * loud_found["ours"] - still)[nearly].std()
    assert kept == pytest.approx(own, rel=0.15)


def test_a_lamp_behind_hair_leaves_hardly_any_negative_light() -> None:
    shot, alpha, foregrounds = solved("network", lamps=20.0)
    comp = alpha * foregrounds["ours"]
    # The lamp is 20; three grains of white are 0.03 as drawn, and twice that as measured with misjudged alpha. The
    # worst pixel, -0.50, is dark hair before the lamp that the network itself estimates at -0.37.
    assert float(comp.min()) > -0.6
    assert float((comp.min(-1) < -0.2)[shot.band].mean()) < 0.01
