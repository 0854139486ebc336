"""Examples and the composites made from them, on small pictures whose truth is plain."""

from __future__ import annotations

from dataclasses import replace

import torch

from matte_server.learning.composites import Composer, subject_over, tensors
from matte_server.learning.examples import LONGEST_SIDE, LearningExample, example_of
from matte_server.models.protocols import FrameTensors
from tests.matte_server.pictures import composed
from tests.matte_server.tensors import tensor

CPU = torch.device("cpu")
HALF = 2e-3
"""Half floats keep eleven bits: 0.0005 of the value, here up to 1.5; twice that for a product of two."""


def made(
    is_truth: bool = True,
    trust: float = 1.0,
    size: tuple[int, int] = (128, 192),
    frame: int = 1,
    uncovered: int = 0,
) -> LearningExample:
    """A frame whose clean plate lacks as many columns at the right; a model takes those for a subject."""
    truth = composed(*size, peak=1.0, seed=frame)
    alpha = tensor(truth.alpha)
    coverage = torch.ones_like(alpha)
    if uncovered:
        coverage[..., -uncovered:], alpha[..., -uncovered:] = 0.0, 1.0
    pictures = FrameTensors(plate=tensor(truth.plate), clean_plate=tensor(truth.clean), coverage=coverage)
    return example_of(
        number=frame,
        frame=pictures,
        foreground=tensor(truth.foreground),
        alpha=alpha,
        own=alpha,
        trust=torch.full_like(alpha, trust),
        is_truth=is_truth,
        seed=1,
    )


def test_what_is_left_out_is_never_learnt() -> None:
    example = made()
    assert example.left_out.sum() > 0 and example.trust.sum() > 0
    assert not (example.left_out * example.trust).any()
    assert ((example.left_out + example.trust) == 1).all()


def test_where_the_mask_does_not_vouch_nothing_is_learnt_or_measured() -> None:
    example = made(trust=0.5)
    assert not example.trust.any() and not example.left_out.any()


def test_the_models_own_edges_are_not_learnt() -> None:
    example = made(is_truth=False)
    partial = (example.alpha > 0.02) & (example.alpha < 0.98)
    assert partial.any() and not example.trust[partial].any()
    assert example.trust[~partial].all()
    assert not example.left_out.any()


def test_what_the_model_guesses_where_there_is_no_clean_plate_is_not_learnt() -> None:
    guessed = made(is_truth=False, uncovered=20)
    assert not guessed.trust[..., -20:].any() and not guessed.alpha[..., -20:].any()
    assert torch.equal(guessed.trust[..., :-20], made(is_truth=False).trust[..., :-20])
    painted = made(is_truth=True, uncovered=20)
    assert (painted.alpha[..., -20:] == 1).all() and (painted.trust + painted.left_out == 1).all()


def test_a_large_frame_is_averaged_down_and_keeps_its_last_pixels() -> None:
    alpha = torch.zeros(1, 1, 10, LONGEST_SIDE + 2)
    alpha[..., -2:] = 1.0
    colour = torch.full((1, 3, 10, LONGEST_SIDE + 2), 0.25)
    frame = FrameTensors(plate=colour, clean_plate=colour, coverage=torch.ones_like(alpha))
    example = example_of(
        number=7, frame=frame, foreground=colour, alpha=alpha, own=alpha, trust=torch.ones_like(alpha),
        is_truth=True, seed=1,
    )  # fmt: skip
    # 2050 pixels are halved to 1025, then padded to a multiple of 4: two octaves above 512.
    assert example.octaves == 2 and example.size == (8, 1028)
    assert example.alpha[0, 0, 0, 1023:].tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert (example.plate == 0.25).all()


def test_a_second_subject_obeys_the_compositing_equation() -> None:
    back = tensors(made(), CPU)
    colour, alpha = torch.full_like(back["plate"], 0.7), torch.zeros_like(back["alpha"])
    alpha[..., 20:60, 30:80] = 0.25
    found = subject_over(back, colour, alpha, torch.zeros_like(alpha))
    assert torch.allclose(found["plate"], 0.25 * 0.7 * (alpha > 0) + back["plate"] * (1 - alpha), atol=1e-6)
    assert torch.allclose(found["alpha"], 1 - (1 - alpha) * (1 - back["alpha"]), atol=1e-6)
    # Both subjects together over the set are the plate again.
    through = 1 - found["alpha"]
    again = found["foreground"] * found["alpha"] + back["clean"] * through
    assert torch.allclose(again, found["plate"], atol=HALF)
    assert found["clean"] is back["clean"]


def test_an_opaque_subject_is_believed_over_what_is_not_known_behind_it() -> None:
    back = tensors(made(is_truth=False), CPU)
    alpha = torch.ones_like(back["alpha"])
    assert subject_over(back, back["plate"], alpha, torch.zeros_like(alpha))["trust"].all()
    half = subject_over(back, back["plate"], 0.5 * alpha, torch.zeros_like(alpha))["trust"]
    assert torch.equal(half, back["trust"])
    # What is left out is not learnt in another place either.
    assert not subject_over(back, back["plate"], alpha, alpha)["trust"].any()


def test_a_step_always_has_the_same_pictures_and_each_step_others() -> None:
    examples = [made(frame=1), made(frame=2, is_truth=False)]
    first, again = (Composer(examples=examples, seed=3).pictures(5, CPU) for _ in range(2))
    assert len(first) == len(again) == 2
    assert all(torch.equal(one[name], same[name]) for one, same in zip(first, again, strict=True) for name in one)
    for others in (
        Composer(examples=examples, seed=3).pictures(6, CPU),
        Composer(examples=examples, seed=4).pictures(5, CPU),
    ):
        assert not all(torch.equal(one["plate"], two["plate"]) for one, two in zip(first, others, strict=True))
    assert {tuple(value.shape[:1]) for picture in first for value in picture.values()} == {(1,)}


def test_only_a_subject_with_the_models_own_matte_is_made_denser() -> None:
    def densest(is_truth: bool) -> list[float]:
        """Of the second picture of each step, in which a subject stands before itself; both are a quarter there."""
        thin = torch.full_like(made().alpha, 0.25)
        example = replace(made(is_truth=is_truth), alpha=thin, trust=torch.ones_like(thin))
        steps = (Composer(examples=[example], seed=1).pictures(step, CPU) for step in range(6))
        return [float(pictures[1]["alpha"].max()) for pictures in steps]

    assert densest(is_truth=True) == [1 - 0.75**2] * 6
    assert all(1 - 0.75**2 < found < 1 for found in densest(is_truth=False))


def test_without_true_mattes_every_picture_has_a_second_subject() -> None:
    example = made(is_truth=False)
    pictures = Composer(examples=[example], seed=1).pictures(0, CPU)
    single = float(example.alpha.sum())
    assert len(pictures) == 2
    assert all(float(picture["alpha"].sum()) > 1.05 * single for picture in pictures)
