"""Frame rates that are written rounded, and which usual one each stands for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from matte_server.io.timecode import Timecode, nearest_rate, usual_rates

NTSC_24, NTSC_30, NTSC_60 = (Fraction(count * 1000, 1001) for count in (24, 30, 60))


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        (Fraction(24), [Fraction(24)]),
        (NTSC_24, [NTSC_24]),
        (Fraction("23.98"), [NTSC_24]),
        (Fraction("23.976"), [NTSC_24]),
        (Fraction("29.97"), [NTSC_30]),
        (Fraction("59.94"), [NTSC_60]),
        (Fraction(1000, 33), []),  # 30.303
        (Fraction("23.99"), []),
        (Fraction("12.5"), []),
    ],
)
def test_the_usual_rate_that_a_rounded_one_stands_for(stated: Fraction, meant: list[Fraction]) -> None:
    """24 and 23.976 are a thousandth apart: only one of them is meant."""
    assert usual_rates(stated) == meant
    assert nearest_rate(stated) == (meant[0] if meant else stated)


def test_a_doubtful_rate_stands_for_several() -> None:
    assert usual_rates(Fraction("23.98"), Fraction(1, 500)) == [NTSC_24, Fraction(24)]


@pytest.mark.parametrize(
    ("text", "rate", "later"),
    [
        ("01:00:59;20", Fraction(24), "01:01:00:06"),
        ("01:00:59;20", Fraction(25), "01:01:00:05"),
        ("01:00:59;20", NTSC_30, "01:01:00;02"),
        ("01:00:59:20", NTSC_30, "01:01:00:00"),
        ("01:00:59.50", NTSC_60, "01:01:00;04"),
        ("01:09:59;20", NTSC_30, "01:10:00;00"),
    ],
)
def test_numbers_are_skipped_only_at_30_and_60_a_second(text: str, rate: Fraction, later: str) -> None:
    """Ten frames later. Every minute but each tenth begins with number 2 at 29.97, with 4 at 59.94."""
    code = Timecode.parse(text, rate)
    assert code is not None and str(code.plus(10)) == later
