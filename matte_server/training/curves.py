"""Draws the loss curves of training runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

TERMS = ("total", "coarse", "octave fine", "colour", "doubt", "validation")
_COLOURS = ((30, 30, 30), (200, 90, 30), (40, 40, 210), (40, 150, 40), (150, 40, 150), (30, 150, 170))
_SIZE = (1000, 600)
_MARGIN = 60


def read_log(run: Path) -> list[dict[str, float]]:
    """The rows of a run's ``log.jsonl``. Raises ``FileNotFoundError`` where there is none."""
    lines = (run / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def draw(runs: Sequence[Path], picture: Path) -> None:
    """Draw every loss term of ``runs`` over the steps, on a logarithmic scale, into a PNG file."""
    logs = [read_log(run) for run in runs]
    values = [row[term] for log in logs for row in log for term in TERMS if row.get(term, 0) > 0]
    last = max((row["step"] for log in logs for row in log), default=0)
    if not values or not last:
        raise ValueError(f"there is nothing to draw in {', '.join(map(str, runs))}")
    low, high = np.log10(min(values)), np.log10(max(values))
    width, height = _SIZE
    canvas = np.full((height, width, 3), 255, np.uint8)

    def place(step: float, value: float) -> tuple[int, int]:
        across = _MARGIN + step / last * (width - 2 * _MARGIN)
        down = _MARGIN + (high - np.log10(value)) / max(high - low, 1e-6) * (height - 2 * _MARGIN)
        return round(across), round(down)

    for number, log in enumerate(logs):
        for term, colour in zip(TERMS, _COLOURS, strict=True):
            points = [place(row["step"], row[term]) for row in log if row.get(term, 0) > 0]
            line = np.array(points, np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [line], False, colour, 1 if number else 2, cv2.LINE_AA)
    _label(canvas, 10**low, 10**high, last)
    if not cv2.imwrite(str(picture), canvas):
        raise OSError(f"{picture} could not be written")


def _label(canvas: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], low: float, high: float, last: float) -> None:
    height, width = canvas.shape[:2]
    font, grey = cv2.FONT_HERSHEY_SIMPLEX, (110, 110, 110)
    cv2.rectangle(canvas, (_MARGIN, _MARGIN), (width - _MARGIN, height - _MARGIN), grey, 1)
    cv2.putText(canvas, f"{high:.2g}", (5, _MARGIN + 5), font, 0.45, grey, 1, cv2.LINE_AA)
    cv2.putText(canvas, f"{low:.2g}", (5, height - _MARGIN), font, 0.45, grey, 1, cv2.LINE_AA)
    cv2.putText(canvas, f"{last:.0f} steps", (width - 150, height - 30), font, 0.45, grey, 1, cv2.LINE_AA)
    for number, (term, colour) in enumerate(zip(TERMS, _COLOURS, strict=True)):
        cv2.putText(canvas, term, (_MARGIN + 110 * number, 35), font, 0.55, colour, 1, cv2.LINE_AA)
