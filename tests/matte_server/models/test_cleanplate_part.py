"""Which part of a frame the network looks at in the frame's place, and what comes of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import matte_server.models.cleanplate as adapter
from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.cleanplate_part import CloserPart, closer_part, doubled, halved, mixed, share_of_doubled
from matte_server.models.networks.cleanplate import Coarse, octaves_for
from matte_server.models.protocols import FrameTensors, ModelSettings, Prediction
from matte_server.pixels.coarse_grid import CoarseGrid

SIZE = (1080, 1920)  # two octaves: cells of 4 pixels


def look(rows: slice, columns: slice, alpha: float = 1.0, doubt: float = 0.0) -> Coarse:
    """A first look at a frame of ``SIZE`` that found something in these cells."""
    cells = torch.zeros(1, 1, SIZE[0] // 4, SIZE[1] // 4)
    found, doubted = cells.clone(), cells.clone()
    found[..., rows, columns], doubted[..., rows, columns] = alpha, doubt
    return Coarse(alpha=found, doubt=doubted, context=cells.repeat(1, 8, 1, 1), state=None)


def test_the_part_holds_what_was_found_and_what_lies_around() -> None:
    # Pixels 400 to 600 down and 800 to 1120 across: 48 around, as an eighth of 320 is less; 384 at least; to 64.
    expected = CloserPart(rows=slice(256, 704), columns=slice(704, 1216), octaves=0, share=1.0)
    assert closer_part(look(slice(100, 150), slice(200, 280)), 2, SIZE) == expected
    assert closer_part(look(slice(100, 150), slice(200, 280), alpha=0.0, doubt=0.1), 2, SIZE) == expected
    assert closer_part(look(slice(100, 150), slice(200, 280), alpha=0.1), 2, SIZE) == expected
    # An eighth of 640 around, no further than the frame's border.
    below = closer_part(look(slice(110, 270), slice(10, 60)), 2, SIZE)
    assert below == CloserPart(rows=slice(320, 1080), columns=slice(0, 384), octaves=1, share=1.0)


@pytest.mark.parametrize(
    ("rows", "columns", "alpha", "doubt"),
    [
        (slice(100, 150), slice(10, 300), 1.0, 0.0),  # 1160 pixels and more
        (slice(0, 0), slice(0, 0), 1.0, 0.0),
        (slice(100, 150), slice(200, 280), 0.04, 0.04),  # no subject
    ],
)
def test_a_large_subject_or_none_is_seen_in_the_whole_frame(
    rows: slice, columns: slice, alpha: float, doubt: float
) -> None:
    assert closer_part(look(rows, columns, alpha, doubt), 2, SIZE) is None


@pytest.mark.parametrize(("cells", "share"), [(170, 1.0), (180, 0.807), (192, 0.417), (204, 0.026)])
def test_from_a_part_to_the_frame_the_result_does_not_jump(cells: int, share: float) -> None:
    """An eighth more on either side: 5 / 4 of 680, 720, 768 and 816 pixels, where an octave has room for 1024."""
    part = closer_part(look(slice(100, 150), slice(100, 100 + cells)), 2, SIZE)
    assert part is not None and part.octaves == 1
    assert part.share == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize(("cells", "share"), [(82, 1.0), (90, 0.729), (96, 0.417), (102, 0.026)])
def test_from_twice_its_size_to_its_own_the_result_does_not_jump(cells: int, share: float) -> None:
    """328 and 360 pixels and 48 on either side, 5 / 4 of 384 and 408, where there is room for 512."""
    part = closer_part(look(slice(100, 150), slice(100, 100 + cells)), 2, SIZE)
    assert part is not None and part.octaves == 0
    assert part.share == pytest.approx(share, abs=0.001)


def test_a_frame_seen_at_twice_its_size_has_its_mean_and_no_ring() -> None:
    dice = torch.Generator().manual_seed(5)
    plate = torch.rand((1, 3, 9, 11), generator=dice) * 0.2 + 0.1
    plate[..., 4, 5] = 65000.0
    core = (plate[:, :1] > 0.2).float()
    large = doubled(FrameTensors(plate=plate, clean_plate=-plate, coverage=1 - core, core=core))
    assert large.size == (18, 22) and large.core is not None and large.holdout is None
    assert torch.equal(large.core[..., ::2, 1::2], core) and torch.equal(large.coverage[..., 1::2, ::2], 1 - core)
    # Single floats of up to 65000 through a logarithm and back.
    assert torch.allclose(large.clean_plate, -large.plate, rtol=1e-4)
    assert float(large.plate.min()) >= float(plate.min()) * (1 - 1e-4)
    away = large.plate[..., :6, :6]
    assert float(away.max()) <= 0.3001, "further than two pixels from the highlight nothing of it is seen"
    flat = torch.full((1, 3, 6, 6), 0.18)
    same = doubled(FrameTensors(plate=flat, clean_plate=flat, coverage=flat[:, :1])).plate
    assert torch.allclose(same, torch.tensor(0.18), rtol=1e-5)


def prediction(value: float, error: float, side: int, size: int = 8) -> Prediction:
    """The same everywhere in a square frame."""

    def grid(of: float) -> CoarseGrid:
        return CoarseGrid(values=torch.full((1, 1, size // side, size // side), of), side=side, size=(size, size))

    alpha = torch.full((1, 1, size, size), value)
    return Prediction(alpha=alpha, foreground=grid(value), confidence=grid(1 - error), expected_error=grid(error))


def test_what_expects_less_error_counts_more() -> None:
    sure, unsure = prediction(0.5, 0.02, 1), prediction(0.5, 0.2, 1)
    # 0.21 and 0.03 with the floor under both, the larger view's times 0.7, squared.
    assert float(share_of_doubled(unsure, sure).mean()) == pytest.approx(0.990, abs=0.001)
    assert float(share_of_doubled(sure, unsure).mean()) == pytest.approx(0.040, abs=0.001)
    # Of two that expect the same the larger view counts 1 / (1 + 0.7^2).
    assert float(share_of_doubled(sure, sure).mean()) == pytest.approx(0.671, abs=0.001)


def test_what_was_found_at_twice_the_size_is_the_mean_of_four() -> None:
    found = prediction(0.0, 0.5, 2)
    found.alpha[..., ::2, ::2] = 1.0
    small = halved(found)
    assert small.foreground is not None and small.expected_error is not None
    assert small.alpha.shape == small.expected_error.whole().shape == (1, 1, 4, 4)
    assert torch.allclose(small.alpha, torch.tensor(0.25))
    assert torch.allclose(small.confidence.whole(), torch.tensor(0.5))


def small_subject() -> FrameTensors:
    """A ragged disc of 70 pixels in a frame of 1300 x 400."""
    dice = torch.Generator().manual_seed(4)
    wall = torch.rand((1, 3, 400, 1300), generator=dice) * 0.3 + 0.1
    y, x = torch.arange(400)[:, None] - 180.0, torch.arange(1300)[None] - 420.0
    ragged = 35 + 6 * torch.sin(24 * torch.atan2(y, x))
    alpha = ((ragged - torch.hypot(x, y)) / 2 + 0.5).clamp(0, 1)[None, None]
    plate = wall * (1 - alpha) + torch.tensor([0.5, 0.2, 0.1]).view(1, 3, 1, 1) * alpha

    def grain() -> Tensor:
        return 0.004 * torch.randn(wall.shape, generator=dice)

    return FrameTensors(plate=plate + grain(), clean_plate=wall + grain(), coverage=torch.ones_like(alpha))


def test_a_small_subject_is_seen_in_its_part_alone(
    packaged_model: CleanplateModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = small_subject()
    parts: list[CloserPart | None] = []

    def noted(first: Coarse, octaves: int, size: tuple[int, int]) -> CloserPart | None:
        parts.append(closer_part(first, octaves, size))
        return parts[-1]

    monkeypatch.setattr(adapter, "closer_part", noted)
    found = packaged_model.predict(frame, ModelSettings(), lambda: None)
    part = parts[0]
    assert part is not None and len(parts) == 1
    cut = frame.part(part.rows, part.columns)
    assert octaves_for(*cut.size) == 1
    alone = packaged_model.predict(cut, ModelSettings(), lambda: None)
    inside = (..., part.rows, part.columns)
    assert torch.equal(found.alpha[inside], alone.alpha)
    for ours, theirs in [
        (found.foreground, alone.foreground),
        (found.confidence, alone.confidence),
        (found.expected_error, alone.expected_error),
    ]:
        assert ours is not None and theirs is not None and torch.equal(ours.whole()[inside], theirs.whole())
    outside = torch.ones_like(frame.coverage, dtype=torch.bool)
    outside[inside] = False
    assert not found.alpha[outside].any() and float(found.confidence.whole()[outside].min()) > 0.9
    # The first look's colour, which is the plate's in the mean: 0.10 measured on this noise, 0.25 if it were black.
    assert found.foreground is not None
    error = (found.foreground.whole() - frame.plate).abs().mean(1, keepdim=True)
    assert float(error[outside].mean()) < 0.15


def test_two_predictions_are_mixed_by_their_share() -> None:
    found = mixed(prediction(0.2, 0.2, 4), prediction(0.6, 0.6, 1), 0.25)
    assert found.foreground is not None and found.expected_error is not None
    # The confidence is 0.8 and 0.4.
    expected = [(found.alpha, 0.3), (found.foreground.whole(), 0.3), (found.expected_error.whole(), 0.3)]
    for values, value in [*expected, (found.confidence.whole(), 0.7)]:
        assert values.shape == (1, 1, 8, 8) and torch.allclose(values, torch.tensor(value))
    by_pixel = torch.zeros(1, 1, 8, 8)
    by_pixel[..., 4:] = 1.0
    found = mixed(prediction(0.2, 0.2, 4), prediction(0.6, 0.6, 1), by_pixel)
    assert found.alpha[0, 0, 3].tolist() == pytest.approx([0.2] * 4 + [0.6] * 4)
