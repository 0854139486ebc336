"""What is checked of a result before it is written."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.worker.solver import peak_of
from tests.matte_server.pictures import image


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_result_that_is_not_finite_is_no_result(value: float) -> None:
    pixels = np.full((4, 5, 3), 0.5, np.float32)
    pixels[2, 3, 1] = value
    with pytest.raises(MatteError, match="NaN or infinite") as refused:
        peak_of(image(pixels))
    assert refused.value.code == "not_finite"


def test_the_peak_of_a_result_may_lie_below_zero() -> None:
    assert peak_of(image(np.array([[[0.5, -3.0, 2.0]]], np.float32))) == 3.0
