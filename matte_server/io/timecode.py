"""Frame rates, and SMPTE timecodes: parsed, advanced by frames, written as text and in the packed form of EXR."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

_MOST_FRAMES = 30
"""Numbers of frames in a second of SMPTE 12-1."""
# Rates that are written rounded: by containers that count milliseconds, or as 29.97.
_USUAL_RATES = (
    *(Fraction(count * 1000, 1001) for count in (24, 30, 48, 60, 120)),
    *map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120)),
)
_RATE_ROUNDING = Fraction(1, 4000)
"""Part of a rate; 24 and 23.976 differ by four times as much."""


def usual_rates(stated: Fraction, doubt: Fraction = Fraction(0)) -> list[Fraction]:
    """The usual frame rates that a rounded one may stand for, the nearest first. ``doubt``: by which part of itself
    the stated rate may be wrong besides, as that of a short clip is, whose times are rounded."""
    near = sorted((abs(rate / stated - 1), rate) for rate in _USUAL_RATES)
    return [rate for distance, rate in near if distance < max(_RATE_ROUNDING, doubt)]


def nearest_rate(stated: Fraction) -> Fraction:
    """The usual frame rate that a rounded one stands for, else a simple fraction near it."""
    return next(iter(usual_rates(stated)), stated.limit_denominator(1001))


@dataclass(frozen=True)
class Timecode:
    """A SMPTE 12M timecode as a count of frames at ``base`` numbers a second. With ``drop`` (drop-frame) numbers
    are skipped so that the timecode keeps up with the clock."""

    frame: int
    base: int
    drop: bool = False

    @staticmethod
    def parse(text: str, rate: Fraction) -> Timecode | None:
        """Parses ``HH:MM:SS:FF``, or ``HH:MM:SS;FF`` (also with ``.``) for drop-frame; None for any other text."""
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d{2,3})", text.strip())
        base = max(1, round(rate))
        if not match:
            return None
        hours, minutes, seconds, frames = (int(match.group(part)) for part in (1, 2, 3, 5))
        drop = match.group(4) != ":" and base % 30 == 0
        total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
        if drop:
            whole = hours * 60 + minutes
            total -= base // 15 * (whole - whole // 10)
        return Timecode(frame=total, base=base, drop=drop)

    @staticmethod
    def unpacked(word: int, rate: Fraction) -> Timecode | None:
        """The timecode in the first word of an EXR's, as :meth:`packed` makes it; None if it is impossible at this
        rate."""
        hours, minutes, seconds, frames = (
            10 * (word >> shift + 4 & tens) + (word >> shift & 15)
            for shift, tens in ((24, 3), (16, 7), (8, 7), (0, 3))
        )
        if round(rate) > _MOST_FRAMES:
            frames = 2 * frames + (word >> 15 & 1)
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= round(rate):
            return None
        mark = ";" if word >> 6 & 1 else ":"
        return Timecode.parse(f"{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}", rate)

    def plus(self, frames: int) -> Timecode:
        """The timecode ``frames`` later."""
        return replace(self, frame=self.frame + frames)

    def _parts(self) -> tuple[int, int, int, int]:
        count = self.frame
        if self.drop:
            skipped = self.base // 15
            ten_minutes, minute = 600 * self.base - 9 * skipped, 60 * self.base - skipped
            tens, rest = divmod(count, ten_minutes)
            minutes = max(0, rest - skipped) // minute if rest >= 60 * self.base else 0
            count += skipped * (9 * tens + minutes)
        seconds, frames = divmod(count, self.base)
        return seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frames

    def __str__(self) -> str:
        hours, minutes, seconds, frames = self._parts()
        return f"{hours:02}:{minutes:02}:{seconds:02}{';' if self.drop else ':'}{frames:02}"

    def packed(self) -> int | None:
        """The first 32-bit word of an EXR timecode (OpenEXR's TV60 packing of SMPTE 12-1): binary coded decimals
        and the drop-frame flag in bit 6. Above 30 frames a second numbers count pairs of frames, and bit 15 marks
        the second of a pair. None above 60 frames a second, which it cannot hold."""
        hours, minutes, seconds, frames = self._parts()
        if self.base > 2 * _MOST_FRAMES:
            return None
        is_second = 0
        if self.base > _MOST_FRAMES:
            frames, is_second = divmod(frames, 2)
        word = is_second << 15
        for shift, value in ((0, frames), (8, seconds), (16, minutes), (24, hours)):
            word |= (value // 10 << 4 | value % 10) << shift
        return word | (1 << 6 if self.drop else 0)
