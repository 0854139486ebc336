"""A frame against those around it: a fault is charged to the frame that has it, and motion is no fault."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core.image import Float32
from matte_server.review.compare import AlphaComparison, SmallFrame, compare, small_frame

SIZE = (180, 320)


def texture(seed: int) -> Float32:
    random = np.random.default_rng(seed)
    coarse = random.uniform(0.1, 0.8, (SIZE[0] // 5, SIZE[1] // 5, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def frame(number: int, fault: str = "", step: float = 4.0) -> SmallFrame:
    """A textured subject that walks past a textured wall by ``step`` pixels a frame, and one fault."""
    x = round(90 + step * number)
    alpha = np.zeros(SIZE, np.float32)
    cv2.ellipse(alpha, (x, 120), (40, 70), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    walking = np.roll(texture(5), round(step * number), axis=1)
    plate = alpha[..., None] * walking + (1 - alpha[..., None]) * texture(6)
    if fault in ("ball", "island"):
        spot = np.zeros(SIZE, np.float32)
        cv2.circle(spot, (270, 40), 8, 1.0, -1, cv2.LINE_AA)
        alpha = np.maximum(alpha, spot)
        if fault == "ball":
            plate = plate * (1 - spot[..., None]) + spot[..., None] * 0.9
    if fault == "hole":
        cv2.circle(alpha, (x, 110), 8, 0.0, -1, cv2.LINE_AA)
    if fault == "gap":
        # The wall is really seen there.
        spot = np.zeros(SIZE, np.float32)
        cv2.circle(spot, (x, 110), 8, 1.0, -1, cv2.LINE_AA)
        alpha = alpha * (1 - spot)
        plate = plate * (1 - spot[..., None]) + spot[..., None] * texture(6)
    if fault == "thin":
        alpha = alpha * np.float32(0.8)
    return small_frame(plate.astype(np.float32), alpha[..., None])


def compared(at: int, faults: dict[int, str], count: int = 9, step: float = 4.0) -> AlphaComparison:
    near = [number for number in (at - 1, at + 1, at - 2, at + 2) if 0 <= number < count]
    own = frame(at, faults.get(at, ""), step)
    found = compare(own, [frame(number, faults.get(number, ""), step) for number in near])
    assert found is not None
    return found


@pytest.mark.parametrize("step", [0.0, 4.0, 9.0])
def test_a_subject_that_walks_is_no_fault(step: float) -> None:
    for at in (0, 4, 8):
        found = compared(at, {}, step=step)
        assert (found.appeared, found.vanished) == (0.0, 0.0), at
        # A pixel of the outline that the motion did not bring along: 600 of 57,600 pixels.
        assert found.flicker < 0.01


@pytest.mark.parametrize(
    ("fault", "name"), [("ball", "appeared"), ("island", "appeared"), ("hole", "vanished"), ("thin", "flicker")]
)
@pytest.mark.parametrize("at", [0, 1, 4, 8])
def test_a_fault_is_charged_to_its_frame_alone(fault: str, name: str, at: int) -> None:
    bad = compared(at, {at: fault})
    good = {number: compared(number, {at: fault}) for number in range(9) if number != at and abs(number - at) <= 2}
    assert all(getattr(bad, name) > 5 * getattr(each, name) for each in good.values())
    assert all(each.appeared == each.vanished == 0.0 for each in good.values())
    if fault != "thin":
        # A circle of 8 pixels, of which opening and the soft edge take a little.
        assert getattr(bad, name) == pytest.approx(3.14 * 64 / (180 * 320), rel=0.2)
        place = bad.places[name]
        assert 12 <= place.width <= 18 and 12 <= place.height <= 18


def test_a_fault_of_two_frames_names_both() -> None:
    for fault, name in (("island", "appeared"), ("hole", "vanished")):
        faults = {4: fault, 5: fault}
        figures = {at: getattr(compared(at, faults), name) for at in range(2, 8)}
        assert figures[4] > 1e-3 and figures[5] > 1e-3, fault
        assert all(value == 0.0 for at, value in figures.items() if at not in faults), fault


def test_a_gap_through_which_the_wall_is_seen_is_no_hole() -> None:
    assert compared(4, {4: "gap"}).vanished == 0.0


def test_places_are_in_the_plates_pixels() -> None:
    large = np.zeros((360, 1280, 1), np.float32)
    plate = np.full((360, 1280, 3), 0.3, np.float32)
    whole = small_frame(plate, large)
    assert whole.alpha.shape == (135, 480) and whole.scale == pytest.approx(1280 / 480)
    spotted = large.copy()
    spotted[100:160, 600:700] = 1.0
    found = compare(small_frame(plate, spotted), [whole, whole])
    assert found is not None
    place = found.places["appeared"]
    # To a small pixel, 2.7 of the plate's, at each side.
    assert abs(place.x - 600) <= 3 and abs(place.y - 100) <= 3
    assert abs(place.width - 100) <= 6 and abs(place.height - 60) <= 6


def test_fewer_than_two_frames_of_the_same_size_compare_nothing() -> None:
    plate, alpha = np.zeros((40, 60, 3), np.float32), np.zeros((40, 60, 1), np.float32)
    one, other = small_frame(plate, alpha), small_frame(plate[:30], alpha[:30])
    assert compare(one, []) is None and compare(one, [one, other]) is None and compare(one, [one, one]) is not None


def with_spot(number: int, place: tuple[int, int]) -> SmallFrame:
    """A frame of the walking subject, with something solid at ``place`` in plate and matte."""
    own = frame(number)
    alpha, grey, colour = own.alpha.copy(), own.grey.copy(), own.colour.copy()
    for picture, value in ((alpha, 1.0), (grey, 250.0), (colour, (250.0, 250.0, 250.0))):
        cv2.circle(picture, place, 8, value, -1)
    return SmallFrame(alpha=alpha, grey=grey, colour=colour, scale=own.scale)


def test_a_ball_in_play_and_somebody_who_enters_are_no_fault() -> None:
    """Neither leaves anything in the same place in two frames; a ball that is in one frame alone is a fault."""
    in_play = [with_spot(number, (200 + 24 * (number - 2), 30)) for number in range(5)]
    entering = [frame(0), frame(1), with_spot(2, (315, 30)), with_spot(3, (295, 34)), with_spot(4, (270, 40))]
    # Slowly enough to overlap with itself.
    rolling = [with_spot(number, (200 + 12 * (number - 2), 30)) for number in range(5)]
    for shot in (in_play, rolling, entering):
        found = compare(shot[2], [shot[1], shot[3], shot[0], shot[4]])
        assert found is not None and found.appeared == 0.0
    alone = [frame(0), frame(1), in_play[2], frame(3), frame(4)]
    found = compare(alone[2], [alone[1], alone[3], alone[0], alone[4]])
    assert found is not None and found.appeared > 2e-3


def at_the_right(column: int, is_there: bool = True, island: int = 0) -> SmallFrame:
    """Somebody before a wall that does not move: her body from ``column`` on, and a leg before it. ``island``: the
    row of something below her at the border that only the matte has."""
    alpha = np.zeros((180, 320), np.float32)
    if is_there:
        cv2.rectangle(alpha, (column, 20), (column + 60, 90), 1.0, -1)
        cv2.rectangle(alpha, (column - 20, 90), (column + 6, 165), 1.0, -1)
    wall = np.random.default_rng(1).integers(60, 120, (180, 320, 3)).astype(np.uint8)
    colour = np.where(alpha[..., None] > 0.5, np.uint8(220), wall)
    if island:
        cv2.circle(alpha, (319, island), 12, 1.0, -1)
    return SmallFrame(alpha=alpha, grey=colour[..., 1].copy(), colour=colour, scale=1.0)


def test_somebody_who_leaves_fast_is_no_fault_and_an_island_at_the_border_is() -> None:
    """Of her last frame only a leg is left, beside which nothing of her was on the border before, or nothing of her
    was on the border at all. A hand that comes in close beside her is none either. The island is as near to her
    as the leg was, and she is still there."""
    last, body = at_the_right(335), [at_the_right(column) for column in (295, 255)]
    assert 0.002 < float(last.alpha.mean()) < 0.05
    nobody = at_the_right(0, is_there=False)
    for before in body:
        for around in ([before, nobody, body[1], nobody], [nobody, before, nobody, body[1]]):
            found = compare(last, around)
            assert found is not None and found.appeared == 0.0
    hand = compare(at_the_right(280, island=108), [at_the_right(280)] * 4)
    assert hand is not None and hand.appeared == 0.0
    island = compare(at_the_right(280, island=130), [at_the_right(280)] * 4)
    assert island is not None and island.appeared > 2e-3
