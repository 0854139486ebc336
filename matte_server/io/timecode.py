"""SMPTE timecodes: read, counted on, written as text and as EXR holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Timecode:
    """A SMPTE 12M timecode as a count of frames; ``drop`` leaves out numbers so that it follows the clock."""

    frame: int
    base: int
    drop: bool = False

    @staticmethod
    def parse(text: str, rate: Fraction) -> Timecode | None:
        """``HH:MM:SS:FF``, with ``;`` or ``.`` before the frames for drop-frame; None where it is none."""
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", text.strip())
        base = max(1, round(rate))
        if not match:
            return None
        hours, minutes, seconds, frames = (int(match.group(part)) for part in (1, 2, 3, 5))
        drop = match.group(4) != ":" and base % 30 == 0
        total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
        if drop:
            whole = hours * 60 + minutes
            total -= base // 15 * (whole - whole // 10)
        return Timecode(total, base, drop)

    def plus(self, frames: int) -> Timecode:
        """Some frames later."""
        return replace(self, frame=self.frame + frames)

    def _parts(self) -> tuple[int, int, int, int]:
        count = self.frame
        if self.drop:
            left_out = self.base // 15
            ten_minutes, minute = 600 * self.base - 9 * left_out, 60 * self.base - left_out
            tens, rest = divmod(count, ten_minutes)
            beyond = max(0, rest - left_out) // minute if rest >= 60 * self.base else 0
            count += left_out * (9 * tens + beyond)
        seconds, frames = divmod(count, self.base)
        return seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frames

    def __str__(self) -> str:
        hours, minutes, seconds, frames = self._parts()
        return f"{hours:02}:{minutes:02}:{seconds:02}{';' if self.drop else ':'}{frames:02}"

    def packed(self) -> int:
        """As EXR holds it: binary coded decimals, the drop flag in bit 6."""
        hours, minutes, seconds, frames = self._parts()
        word = 0
        for shift, value in ((0, frames), (8, seconds), (16, minutes), (24, hours)):
            word |= (value // 10 << 4 | value % 10) << shift
        return word | (1 << 6 if self.drop else 0)
