"""A plate solve in a sentence or two, for the artist."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matte_link.sequence import format_frames

from ..core.align import Alignment, is_measured
from ..core.shot_solve import REPAIRED, is_same_light
from .solve_file import CameraSolve


def describe(camera: CameraSolve | None, used: Mapping[int, Alignment], seems_still: bool = False) -> str:
    """What was found about the camera, and which frames differ. ``used`` are the alignments of the frames made so
    far, by number; ``camera`` is None where the frames were not compared, and ``seems_still`` says then whether
    they lie alike."""
    if camera is not None and camera.locked is not None:
        return _locked(camera.locked, camera.one_exposure, used)
    unmeasured = [number for number, alignment in used.items() if not is_measured(alignment)]
    if len(unmeasured) == len(used) and (camera is None or camera.kind == "unknown"):
        return (
            "Nothing could be measured: plate and clean plate have too few details in common to compare, so the "
            "clean plate was left where its file puts it."
        )
    sentence = "Every frame has its own transform"
    if seems_still:
        sentence += ", though they lie alike: with --camera auto, a still camera has one for all frames."
    else:
        sentence += ": the camera moves." if camera is None or camera.kind == "moving" else "."
    repaired = [number for number, alignment in used.items() if is_measured(alignment) and _is_helped(alignment)]
    if repaired:
        sentence += f" {_frames(repaired)} found only with the help of the frames beside."
    if unmeasured:
        sentence += f" Without a measurement: {format_frames(unmeasured)}."
    return sentence


def _locked(locked: Alignment, one_exposure: bool, used: Mapping[int, Alignment]) -> str:
    moved = [number for number, found in used.items() if not np.array_equal(found.transform, locked.transform)]
    lit = [number for number, found in used.items() if number not in moved and not is_same_light(found, locked)]
    if not one_exposure:
        sentence = (
            "The camera is locked: one transform for the whole shot, but a gain for each frame, as the exposure "
            "changes."
        )
    else:
        sentence = "The camera is locked: one transform and gain for the whole shot."
        if lit:
            sentence += f" {_frames(lit)} lit otherwise, with a gain of {'its' if len(lit) == 1 else 'their'} own."
    if len(moved) > len(used) / 2:
        return (
            "The camera is nearly still, but not locked: most frames lie elsewhere by a fraction of a pixel or "
            "more, and have a transform of their own."
        )
    if moved:
        sentence += f" {_frames(moved)} elsewhere, with a transform of {'its' if len(moved) == 1 else 'their'} own."
    return sentence


def _is_helped(alignment: Alignment) -> bool:
    return any(warning.startswith(REPAIRED) for warning in alignment.warnings)


def _frames(numbers: list[int]) -> str:
    """The frames as the subject of a sentence, with its verb."""
    noun, verb = ("Frame", "is") if len(numbers) == 1 else ("Frames", "are")
    return f"{noun} {format_frames(numbers)} {verb}"
