"""The log of a training run: a row of losses now and then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor


class ProgressLog:
    """Means of the losses since the last row, written to ``log.jsonl`` every 100 steps or once a minute."""

    def __init__(self, file: Path, on_progress: Callable[[str], None]) -> None:
        self._file, self._on_progress = file, on_progress
        self._sums: dict[str, Tensor] = {}
        self._figures: dict[str, float] = {}
        self._since, self._last = 0, time.monotonic()

    def note(self, figures: dict[str, float]) -> None:
        """Puts figures that are not means into the next row."""
        self._figures |= figures

    def add(self, parts: dict[str, Tensor], step: int, seconds: float, made: int) -> None:
        """Counts the losses of step ``step``, and writes a row where one is due. ``seconds``: those of the run so
        far; ``made``: composites so far."""
        self._since += 1
        for name, value in parts.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        if step % 100 and time.monotonic() - self._last <= 60:
            return
        row = {"step": step, "seconds": round(seconds, 1), "made": made}
        row |= {name: round(float(value) / self._since, 5) for name, value in self._sums.items()} | self._figures
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._on_progress(json.dumps(row))
        self._sums, self._figures, self._since, self._last = {}, {}, 0, time.monotonic()
