"""Transfer curves against values that their standards print."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.io.primaries import PQ_CURVE, REC_709, SRGB_CURVE, NumericSpace, from_linear, to_linear

PRINTED = 5e-4
"""ITU-R BT.2408-7, table 1, and IEC 61966-2-1 print three or four digits."""


@pytest.mark.parametrize(
    ("space", "light", "code"),
    [
        # 1.0 is 100 cd/m2: BT.2408 gives 100, 203, 1000 and 10,000 cd/m2 the codes 0.508, 0.581, 0.752 and 1.
        (NumericSpace(PQ_CURVE, REC_709), (1.0, 2.03, 10.0), (0.508, 0.581, 0.752)),
        (NumericSpace(PQ_CURVE, REC_709), (100.0, 0.0, -1.0), (1.0, 0.0, -0.508)),
        (NumericSpace(SRGB_CURVE, REC_709), (0.2140, 0.0031308, -0.2140), (0.5, 0.0404, -0.5)),
        (NumericSpace("gamma", REC_709, 2.0), (0.25, 4.0, -0.25), (0.5, 2.0, -0.5)),
        (NumericSpace("linear", REC_709), (0.25, 4.0, -0.25), (0.25, 4.0, -0.25)),
    ],
    ids=["pq", "pq's ends", "srgb", "gamma", "linear"],
)
def test_each_curve_both_ways(space: NumericSpace, light: tuple[float, ...], code: tuple[float, ...]) -> None:
    encoded = from_linear(space, np.array([[light]], np.float32))
    assert encoded[0, 0] == pytest.approx(code, abs=PRINTED)
    # There and back: single precision, and the steep foot of PQ.
    assert to_linear(space, encoded)[0, 0] == pytest.approx(light, rel=1e-4, abs=1e-6)


def test_light_beyond_the_peak_of_pq_is_its_peak() -> None:
    space = NumericSpace(PQ_CURVE, REC_709)
    assert from_linear(space, np.full((1, 1, 3), 250.0, np.float32))[0, 0] == pytest.approx((1.0,) * 3, abs=1e-6)
    assert to_linear(space, np.full((1, 1, 3), 1.5, np.float32))[0, 0] == pytest.approx((100.0,) * 3, rel=1e-5)
