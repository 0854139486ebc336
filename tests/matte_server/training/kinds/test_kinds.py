"""Kinds of subjects: each makes a picture that says what covers what, from its seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matte_server.training.composite import _over, blend
from matte_server.training.kinds.catalogue import KINDS, SeeThroughKind, held_out_subject, make, training_subject
from matte_server.training.kinds.see_through import closed, opaque, over

SIZE = 64


@pytest.mark.parametrize("kind", KINDS)
def test_a_subject_of_every_kind(kind: str) -> None:
    """Alpha is 0 somewhere and something is there; colour is finite and never negative."""
    picture = held_out_subject(kind, 0, SIZE)
    see_through = isinstance(KINDS[kind], SeeThroughKind)
    assert picture.shape == (SIZE, SIZE, 8 if see_through else 4)
    stopped = picture[..., 3:6] if see_through else picture[..., 3:]
    assert np.isfinite(picture).all() and picture[..., :3].min() >= 0
    assert 0 <= stopped.min() < 0.01 and 0.05 < stopped.max() <= 1


def test_a_seed_makes_one_picture() -> None:
    for number in (0, 15):  # a comb, a glass
        first, again = training_subject(number, SIZE), training_subject(number, SIZE)
        assert first[0] == again[0] and np.array_equal(first[1], again[1])
    assert not np.array_equal(training_subject(0, SIZE)[1], training_subject(21, SIZE)[1])


def test_the_benchmark_keeps_variants_for_itself() -> None:
    assert len(KINDS) >= 20
    for entry in KINDS.values():
        assert entry.held_out and not set(entry.train) & set(entry.held_out)


def test_a_comb_has_gaps() -> None:
    """A straight comb's row through its teeth changes between solid and empty at every tooth: at least 14 teeth."""
    picture = make("comb", "straight", np.random.default_rng(3), 256)
    alpha = picture[..., 3]
    changes = max(np.count_nonzero(np.diff((line > 0.5).astype(int))) for line in (*alpha, *alpha.T))
    assert changes >= 14


def test_highlights_stay_within_what_a_plate_holds() -> None:
    light = np.full((2, 2, 3), 2.0, np.float32)
    thing = closed(light, np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 2), np.float32))
    assert (thing.light / thing.stopped).max() <= 2.5001  # half a step of float32


def test_a_pane_shows_most_of_what_is_behind_it_as_it_is() -> None:
    """In a pane's middle half of the pixels pass more than half of the light, and nothing is seen aside; a lens
    passes as much, but shows it aside."""
    for seed in range(6):
        middle = make("glass", "pane", np.random.default_rng(seed), 128)[48:80, 48:80]
        # Coloured glass passes one colour of the three best.
        assert np.median(middle[..., 3:6].min(2)) < 0.5
        assert np.abs(middle[..., 6:]).max() == 0
        through = make("glass", "lens", np.random.default_rng(seed), 128)[32:96, 32:96]
        assert np.median(through[..., 3:6].min(2)) < 0.5 and np.abs(through[..., 6:]).max() > 0.4


def test_a_solid_behind_glass_is_tinted() -> None:
    """Half of the red passes: the solid shows half of its red; together they stop everything."""
    solid = opaque(np.dstack([np.full((4, 4, 3), 0.6), np.ones((4, 4, 1))]).astype(np.float32))
    stopped = np.zeros((4, 4, 3), np.float32)
    stopped[..., 0] = 0.5
    film = closed(np.zeros((4, 4, 3), np.float32), stopped, np.zeros((4, 4, 2), np.float32))
    seen = over(film, solid)
    assert np.allclose(seen.light[0, 0], [0.3, 0.6, 0.6]) and np.allclose(seen.stopped, 1)


def test_tinted_glass_over_an_even_set_obeys_the_compositing_equation() -> None:
    """Over one colour everywhere, shift and tint make no difference: plate = alpha F + (1 - alpha) B."""
    channels = [0.1, 0.1, 0.1, 0.6, 0.3, 0.15, 1.5, 0.0]  # light, the share stopped, the shift
    glass = torch.tensor(channels).view(8, 1, 1).expand(8, SIZE, SIZE)
    even = torch.tensor([0.3, 0.25, 0.2]).view(3, 1, 1).expand(3, SIZE, SIZE)
    plate, foreground = _over(glass, even, even, linear_light=True)
    alpha = 0.35  # the mean of what is stopped
    assert torch.allclose(plate[:, 0, 0], torch.tensor([0.1 + 0.4 * 0.3, 0.1 + 0.7 * 0.25, 0.1 + 0.85 * 0.2]))
    assert torch.allclose(foreground * alpha + even * (1 - alpha), plate, atol=1e-6)  # float32


def test_a_person_behind_glass() -> None:
    """Blending keeps the layer see-through; what the solid stops stays stopped."""
    glass = torch.zeros(8, 6, 6)
    glass[3:6] = 0.25
    solid = torch.ones(4, 6, 6)
    both = blend(glass, solid)
    assert both.shape == (8, 6, 6)
    assert torch.allclose(both[3:6], torch.ones(3, 6, 6)) and torch.allclose(both[:3], torch.full((3, 6, 6), 0.75))
