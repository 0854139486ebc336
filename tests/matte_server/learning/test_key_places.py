"""Key mattes with a wrong number, on outlines of discs that move."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from matte_server.learning.key_places import KeyPlaces, outline
from tests.matte_server.pictures import soft_disc


def disc(place: int, radius: float = 30.0) -> Tensor:
    """The outline of a subject that moves by 4 pixels a frame."""
    return outline(torch.from_numpy(soft_disc(128, 192, (60.0 + 4 * place, 64.0), radius, 2.0))[None, None])


FOUND = {1001: disc(0), 1002: disc(1), 1003: disc(2)}


def test_a_key_matte_of_the_frame_beside_is_found() -> None:
    for key, where in ((disc(1), 1002), (disc(2), 1003)):
        assert KeyPlaces(keys={1001: key}, found=FOUND).misplaced() == {1001: where}
    swapped = KeyPlaces(keys={1001: disc(2), 1003: disc(0)}, found=FOUND)
    assert swapped.misplaced() == {1001: 1003, 1003: 1001}


def test_what_was_mended_in_its_own_frame_is_not_doubted_whatever_the_model_has_wrong() -> None:
    own = KeyPlaces(keys={1001: disc(0)}, found=FOUND)
    assert own.doubted() == set() and own.misplaced() == {}
    # The model sees less of the subject than there is, in every frame.
    less = {number: disc(at, radius=24.0) for at, number in enumerate(FOUND)}
    assert KeyPlaces(keys={1001: disc(0)}, found=less).doubted() == {1001}
    assert KeyPlaces(keys={1001: disc(0)}, found=less).misplaced() == {}


def test_a_frame_that_the_model_alone_has_wrong_does_not_look_like_another() -> None:
    # In frame 1002 it sees next to nothing: the right matte agrees with that of the frames around.
    found = {**FOUND, 1002: disc(1, radius=8.0)}
    assert KeyPlaces(keys={1002: disc(1)}, found=found).misplaced() == {}


def test_frames_of_other_sizes_are_not_compared() -> None:
    found = {1001: FOUND[1001], 1002: FOUND[1002][:64]}
    assert KeyPlaces(keys={1001: disc(1)}, found=found).misplaced() == {}


def test_an_outline_is_small() -> None:
    alpha = np.zeros((1, 1, 400, 1500), np.float32)
    alpha[..., :750] = 1.0
    small = outline(torch.from_numpy(alpha))
    assert small.shape == (134, 500) and bool(small[:, :250].all()) and not bool(small[:, 250:].any())
