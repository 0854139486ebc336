"""The figures and the warnings of a frame, from facts that are given."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from matte_server.core.align import Alignment
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.frame.diagnostics import diagnose
from matte_server.pixels.recomposition import Recomposition

GOOD = Alignment(
    transform=np.eye(3), kind="homography", coverage=1.0, inliers=0.9, residual_px=0.2, points=50, warnings=()
)
ERROR = Recomposition(median=0.02, largest=0.5, band=0.25)


def found(
    alignment: Alignment = GOOD, alpha: float = 0.5, before_edges: float | None = None, missed: float = 0.02
) -> dict[str, object]:
    window = Window(0, 0, 4, 2)
    # Half of the pixels are 1, the others 5: both percentiles lie on these values.
    pixels = np.repeat(np.array([[1.0, 1.0, 5.0, 5.0]] * 2, np.float32)[..., None], 3, 2)
    plate = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
    area = None if before_edges is None else torch.tensor(before_edges)
    return diagnose(alignment, area, torch.full((1, 1, 2, 4), alpha), replace(ERROR, median=missed), plate)


def test_the_figures() -> None:
    figures = found()
    assert figures["warnings"] == []
    assert (figures["alpha_area"], figures["unknown_area"]) == (0.5, 0.25)
    # The median error of 0.02 in a range of 4.
    assert figures["recomposition_error"] == pytest.approx(0.005)
    assert figures["recomposition_error_max"] == 0.5


@pytest.mark.parametrize(
    ("doubtful", "sentence"),
    [
        (
            replace(GOOD, residual_px=3.2),
            "The clean plate fits badly (median residual 3.20 px, 90% of 50 points agree).",
        ),
        (
            replace(GOOD, inliers=0.4),
            "The clean plate fits badly (median residual 0.20 px, 40% of 50 points agree).",
        ),
        (replace(GOOD, coverage=0.75), "The clean plate covers only 75% of the plate."),
    ],
)
def test_each_doubt_is_a_sentence(doubtful: Alignment, sentence: str) -> None:
    assert found(doubtful)["warnings"] == [sentence]


def test_at_its_limits_an_alignment_is_believed() -> None:
    assert found(replace(GOOD, residual_px=1.0, inliers=0.5, coverage=0.9))["warnings"] == []


def test_an_empty_matte_is_a_sentence_behind_those_of_the_alignment() -> None:
    warnings = found(replace(GOOD, warnings=("It was not aligned.",)), alpha=0.0)["warnings"]
    assert isinstance(warnings, list) and warnings[0] == "It was not aligned."
    assert warnings[1].startswith("No subject was found")


def test_a_clean_plate_beside_the_plate_says_nothing_of_its_subject() -> None:
    warnings = found(replace(GOOD, coverage=0.0), alpha=0.0)["warnings"]
    assert warnings == ["The clean plate covers only 0% of the plate."]


@pytest.mark.parametrize(
    ("missed", "words"), [(0.3, "the plate does not differ"), (0.5, "although more than half of the plate differs")]
)
def test_an_empty_matte_over_a_plate_that_differs_is_not_called_the_same(missed: float, words: str) -> None:
    """The plate's range is 4, so that a tenth of it lies between the two."""
    (warning,) = cast(list[str], found(alpha=0.0, missed=missed)["warnings"])
    assert warning.startswith("No subject was found") and words in warning


def test_edge_controls_that_leave_nothing_are_named_as_the_cause() -> None:
    (warning,) = cast(list[str], found(alpha=0.0, before_edges=0.3)["warnings"])
    assert warning.startswith("The edge controls leave nothing of the matte")
