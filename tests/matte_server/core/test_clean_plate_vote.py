"""The vote on a clean plate, on pixels whose outcome is plain."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core import clean_plate_vote
from matte_server.core.clean_plate_vote import VotedPlate, average_clean_plate, vote_clean_plate
from matte_server.core.image import Float32
from tests.matte_server.pictures import room

SIZE = (12, 16)
PIXEL = (5, 7)  # not on the grid of every fourth pixel that grain is measured on


def vote(*colours: float, unseen: tuple[int, ...] = ()) -> VotedPlate:
    """Frames of 0.5 without grain that show these colours in one pixel; ``unseen``: frames that do not see it."""
    frames, seen = [], []
    for number, colour in enumerate(colours):
        frame, mask = np.full((*SIZE, 3), 0.5, np.float32), np.ones(SIZE, bool)
        frame[PIXEL], mask[PIXEL] = colour, number not in unseen
        frames.append(frame)
        seen.append(mask)
    return vote_clean_plate(frames, seen)


def test_the_most_frequent_colour_wins() -> None:
    found = vote(0.5, 0.9, 0.5, 0.9, 0.5, 0.5)
    assert found.colour[PIXEL] == pytest.approx(0.5) and found.evidence[PIXEL]
    assert found.support[PIXEL] == pytest.approx(4 / 6)
    assert found.evidence.all() and found.support[0, 0] == 1.0


def test_a_subject_that_covers_most_frames_but_changes_does_not_win() -> None:
    found = vote(0.1, 0.5, 0.9, 0.5, 1.3, 0.5, 1.7, 2.1)
    assert found.colour[PIXEL] == pytest.approx(0.5) and found.evidence[PIXEL]
    assert found.support[PIXEL] == pytest.approx(3 / 8)


def test_one_channel_is_enough_to_differ() -> None:
    frames = [np.full((*SIZE, 3), 0.5, np.float32) for _ in range(4)]
    frames[3][(*PIXEL, 2)] = 0.9
    found = vote_clean_plate(frames, [np.ones(SIZE, bool)] * 4)
    assert found.support[PIXEL] == 0.75 and found.colour[PIXEL] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("step", "together"),
    # Without grain the tolerance is what resampling leaves: 0.012 of the colour plus its level, 0.5 + 0.5.
    [(0.0115, True), (0.0125, False)],
)
def test_colours_agree_within_what_resampling_leaves(step: float, together: bool) -> None:
    found = vote(0.5, 0.5, 0.5, 0.5 + step, 0.5 + step)
    assert found.support[PIXEL] == pytest.approx(1.0 if together else 0.6)
    assert found.colour[PIXEL] == pytest.approx(0.5 + (0.4 * step if together else 0.0), abs=1e-6)


def test_three_frames_must_agree() -> None:
    assert vote(0.5, 0.5, 0.5, 0.9).evidence[PIXEL]
    assert not vote(0.5, 0.5, 0.9).evidence[PIXEL]


def test_a_fifth_of_the_frames_must_agree() -> None:
    others = [1.0 + number for number in range(12)]
    assert vote(0.5, 0.5, 0.5, *others).evidence[PIXEL]
    assert not vote(0.5, 0.5, 0.5, *others, 90.0).evidence[PIXEL]


def test_the_winner_needs_twice_the_votes_of_the_next() -> None:
    assert vote(0.5, 0.5, 0.5, 0.5, 0.9, 0.9).evidence[PIXEL]
    assert not vote(0.5, 0.5, 0.5, 0.9, 0.9).evidence[PIXEL]


def test_frames_that_do_not_see_a_pixel_do_not_vote() -> None:
    found = vote(0.5, 0.5, 0.5, 0.9, 0.9, unseen=(3, 4))
    assert found.support[PIXEL] == 1.0 and found.evidence[PIXEL]
    found = vote(0.9, 0.9, 0.9, 0.5, 0.5, 0.5, unseen=(0, 1, 2))
    assert found.colour[PIXEL] == pytest.approx(0.5)
    alone = vote(0.2, 0.5, 0.9)
    assert alone.colour[PIXEL] == pytest.approx(0.2) and alone.support[PIXEL] == pytest.approx(1 / 3)
    nobody = vote(0.5, 0.5, 0.5, unseen=(0, 1, 2))
    assert nobody.support[PIXEL] == 0.0 and not nobody.evidence[PIXEL]


def test_no_grain_is_measured_where_no_two_frames_see_the_same() -> None:
    frames, none = noisy(0.02, count=3), [np.zeros((120, 160), bool)] * 3
    assert vote_clean_plate(frames, none).noise == 0.0


def test_one_or_two_frames_are_averaged_where_they_see() -> None:
    first, second = np.full((*SIZE, 3), 0.2, np.float32), np.full((*SIZE, 3), 0.21, np.float32)
    left, all_of_it = np.zeros(SIZE, bool), np.ones(SIZE, bool)
    left[:, :8] = True
    found = average_clean_plate([first, second], [left, all_of_it])
    assert found.colour[0, 0] == pytest.approx([0.205] * 3) and found.colour[0, 15] == pytest.approx([0.21] * 3)
    assert (found.support[0, 0], found.support[0, 15]) == (1.0, 0.5) and found.evidence.all()
    # The difference of two such frames, as of grain: capped at what no camera exceeds.
    assert found.noise > 0
    alone = average_clean_plate([first], [left])
    assert np.isnan(alone.noise) and np.array_equal(alone.evidence, left)
    assert alone.colour[0, 0] == pytest.approx([0.2] * 3) and not alone.colour[0, 15].any()


def two_takes(grain: float) -> tuple[list[Float32], list[np.ndarray]]:
    """Two frames of a room with a window and grain, the second most of a pixel aside: the window's edge differs by
    a fifth of its light in the cells that it crosses."""
    random = np.random.default_rng(5)
    scene = room(120, 160)
    scene[18:62, 102:140] = 8.0
    aside = np.array([[1, 0, 0.7], [0, 1, -0.7]])
    moved = cv2.warpAffine(scene, aside, (160, 120), borderMode=cv2.BORDER_REPLICATE)
    takes = [np.asarray(each + random.normal(0, grain, scene.shape), np.float32) for each in (scene, moved)]
    return takes, [np.ones((120, 160), np.bool_)] * 2


@pytest.mark.parametrize("grain", [0.0, 0.01, 0.1])
def test_two_empty_frames_have_evidence_everywhere(grain: float) -> None:
    assert average_clean_plate(*two_takes(grain)).evidence.all()


def test_where_two_frames_show_different_things_there_is_no_evidence() -> None:
    """The mean of two frames with somebody in them showed her twice, half transparent, and was said to have
    evidence in every pixel. It is told in the cells of 6 pixels that she is in, and in one more on every side, for
    her soft edge."""
    frames, seen = two_takes(0.01)
    frames[0][40:100, 20:50] = 0.9
    found = average_clean_plate(frames, seen)
    # The cells are of 6 rows, and of 160 / 26 columns.
    assert not found.evidence[36 - 6 : 102 + 6, 19 - 6 : 49 + 6].any()
    assert found.evidence.sum() >= 120 * 160 - (102 + 6 - 30) * (55 + 7 - 12)


def noisy(sigma: float, count: int = 9, lag: int = 1) -> list[Float32]:
    """Frames of 0.5 with grain that changes every ``lag`` frames."""
    grains = [np.random.default_rng(number // lag).normal(0, sigma, (120, 160, 3)) for number in range(count)]
    return [np.asarray(0.5 + grain, np.float32) for grain in grains]


@pytest.mark.parametrize("lag", [1, 2])
def test_grain_is_measured_even_where_frames_share_it(lag: int) -> None:
    """Shot on twos, frames three apart still differ."""
    frames = noisy(0.02, lag=lag)
    found = vote_clean_plate(frames, [np.ones((120, 160), bool)] * 9)
    # 1200 pixels of 3 channels in 12 bins: each deviation is known to some 5 %.
    assert found.noise == pytest.approx(0.04, rel=0.15)
    assert found.evidence.mean() > 0.95


def test_more_than_any_cameras_grain_is_movement() -> None:
    found = vote_clean_plate(noisy(0.2), [np.ones((120, 160), bool)] * 9)
    assert found.noise == pytest.approx(0.15, rel=1e-3)


def test_a_vote_in_bands_is_the_vote_of_the_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [np.asarray(room(40, 50) + noise[:40, :50] - 0.5, np.float32) for noise in noisy(0.01)]
    seen = [np.random.default_rng(number).random((40, 50)) > 0.2 for number in range(9)]
    whole = vote_clean_plate(frames, seen)
    monkeypatch.setattr(clean_plate_vote, "_BAND_SAMPLES", 7 * 50 * 9)
    bands = vote_clean_plate(frames, seen)
    assert np.array_equal(whole.colour, bands.colour) and np.array_equal(whole.evidence, bands.evidence)
    assert np.array_equal(whole.support, bands.support) and whole.noise == bands.noise


def coded(someone: bool) -> tuple[list[Float32], list[np.ndarray]]:
    """Four frames of a set as a codec stores them: three alike to the bit, and one whose blocks were coded anew.
    With ``someone``, a grey figure stands elsewhere in each."""
    random = np.random.default_rng(3)
    size = (120, 160)
    scene = random.uniform(0.2, 0.6, (*size, 3)).astype(np.float32)
    blocks = np.kron(random.normal(0.0, 0.02, (15, 20, 1)), np.ones((8, 8, 1)))
    frames = [
        scene * np.float32(1.0) if number else np.asarray(scene * (1 + blocks), np.float32) for number in range(4)
    ]
    for number, frame in enumerate(frames):
        if someone:
            frame[40:100, 20 + 30 * number : 40 + 30 * number] = 0.7
    return frames, [np.ones(size, np.bool_)] * 4


def test_an_empty_set_has_evidence_everywhere_however_a_codec_stored_it() -> None:
    """A frame that agrees with none of three equal ones left no three of four that agree, once they are but two."""
    frames, seen = coded(someone=False)
    two_and_two = [frames[0], frames[0], *frames[2:]]
    found = vote_clean_plate(two_and_two, seen)
    assert found.evidence.all()
    assert found.colour == pytest.approx(np.mean(two_and_two, axis=0), abs=1e-6)


def test_somebody_who_walks_through_a_coded_set_is_voted_out() -> None:
    frames, seen = coded(someone=True)
    found = vote_clean_plate([frames[0], *frames], seen[:1] * 5)
    assert found.support.min() < 1.0 and np.abs(found.colour - coded(someone=False)[0][1]).max() < 0.1
