"""Builds a shot's clean plate from its own frames.

They are aligned with a reference frame and vote on every pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from matte_link.sequence import counted, evenly_spaced

from ..core.align import Alignment, align, display_transform, is_measured, is_unlike
from ..core.clean_plate_vote import LEAST_FRAMES, VotedPlate, average_clean_plate, vote_clean_plate
from ..core.image import Float32, Image, Mask
from ..core.placement import with_exposure
from ..core.window import Window
from ..errors import MatteError
from ..io import exr
from .inputs import ShotInputs
from .leftovers import Leftovers
from .scratch_array import scratch_array
from .shot import ShotFrame
from .unlike_frames import Kind, kind_of, unlike

FRAMES = 24
"""How many frames vote, spread over the shot. More take time and add little once every place was visible."""
_FULLY_COVERED = 0.999
"""A resampled pixel counts if at least this part of it comes from visible pixels."""
_SUBJECT_MARGIN_PX = 5
_SUBJECT_ALPHA = 0.02

OnProgress = Callable[[int, int, str], None]
"""Called with the number of frames started, the number of all frames, and what is done now."""


@dataclass(frozen=True, eq=False)
class BuiltPlate:
    """A clean plate and how reliable it is. ``coverage`` (one channel) is the share of frames that agree, 0 where
    there is no evidence; ``covered`` is the part of the frame with evidence, 0..1; ``gap`` is the box around the
    largest place without, None where there is none; ``used`` and ``left_out`` are frame numbers; ``noise`` is the
    grain, as a fraction of the brightness, NaN where it is not known; ``warnings`` are sentences on the files and
    on frames that are of another kind than most."""

    image: Image
    coverage: Image
    covered: float
    gap: Window | None
    used: tuple[int, ...]
    left_out: tuple[int, ...]
    noise: float
    warnings: tuple[str, ...]


def reference_frame(frames: Sequence[ShotFrame], number: int | None) -> ShotFrame:
    """The frame whose view is built: frame ``number``, or the middle one for None. Raises
    ``MatteError("missing_frame", ...)``."""
    if number is None:
        return frames[len(frames) // 2]
    found = next((frame for frame in frames if frame.frame == number), None)
    if found is None:
        raise MatteError("missing_frame", f"The reference frame {number} is not among the frames of the shot.")
    return found


def voting_frames(frames: Sequence[ShotFrame], reference: ShotFrame, count: int) -> tuple[ShotFrame, ...]:
    """About ``count`` frames (``LEAST_FRAMES`` or more), evenly spaced, the reference among them."""
    chosen = evenly_spaced(range(len(frames)), count)
    return tuple(frame for index, frame in enumerate(frames) if index in chosen or frame is reference)


def build(
    frames: Sequence[ShotFrame], reference: ShotFrame, mode: str, pictures: ShotInputs, on_progress: OnProgress
) -> BuiltPlate:
    """The clean plate as ``reference`` sees it, from ``frames``, whose ``holdout`` is a rough matte of the
    subject where there is one; of one or two frames it is the mean. ``mode`` is how they are aligned, as in
    :func:`core.align.align`. Raises ``MatteError`` with too_few_frames, disk_full and what reading
    pictures raises."""
    target, _ = pictures.pair(reference)
    window = target.data_window
    shape = (len(frames), window.height, window.width)
    # Together the frames of a 4K shot are gigabytes.
    with scratch_array((*shape, 3), np.float32) as colours, scratch_array(shape, np.bool_) as masks:
        used: list[int] = []
        kinds: dict[int, Kind] = {}
        for number, frame in enumerate(frames, 1):
            on_progress(number, len(frames), f"frame {frame.frame}")
            picture, _ = pictures.pair(frame)
            kinds[frame.frame] = kind_of(picture.kind)
            # The reference lies on itself, whether or not it shows enough to measure that.
            aligned = _aligned(frame, picture, target, "none" if frame is reference else mode, pictures)
            if aligned is not None:
                colours[len(used)], masks[len(used)] = aligned
                used.append(frame.frame)
        _check_enough(used, frames, reference)
        may_vote = len(frames) >= LEAST_FRAMES
        on_progress(len(frames), len(frames), "voting" if may_vote else "the mean")
        combine = vote_clean_plate if may_vote else average_clean_plate
        plate = combine(list(colours[: len(used)]), list(masks[: len(used)]))
    left_out = tuple(frame.frame for frame in frames if frame.frame not in used)
    warnings = tuple(filter(None, (*pictures.warnings, unlike(kinds, "plate"))))
    return _built(plate, target, tuple(used), left_out, warnings)


def _check_enough(used: Sequence[int], frames: Sequence[ShotFrame], reference: ShotFrame) -> None:
    if len(used) >= min(LEAST_FRAMES, len(frames)):
        return
    could = f"Only {len(used)} of {counted(len(frames), 'frame')} could be aligned with frame {reference.frame}."
    if len(frames) < LEAST_FRAMES:
        advice = "Name frames of one place with --frames, or one frame alone."
    else:
        advice = f"At least {LEAST_FRAMES} are needed: choose others with --frames, or another --reference."
    raise MatteError("too_few_frames", could, advice)


def _built(
    plate: VotedPlate, target: Image, used: tuple[int, ...], left_out: tuple[int, ...], warnings: tuple[str, ...]
) -> BuiltPlate:
    coverage = np.where(plate.evidence, plate.support, np.float32(0.0))[..., None].astype(np.float32)
    kept = {name: value for name, value in target.metadata.items() if name != exr.STAMP}
    image = replace(target, pixels=plate.colour, channels=("R", "G", "B"), premultiplied=False, metadata=kept)
    return BuiltPlate(
        # The tags are the plate's; its light was converted.
        image=exr.retag_colour(image, written_for=""),
        coverage=replace(image, pixels=coverage, channels=("A",)),
        covered=float(plate.evidence.mean()),
        gap=_largest_gap(plate.evidence, target.data_window),
        used=used,
        left_out=left_out,
        noise=plate.noise,
        warnings=warnings,
    )


def _aligned(
    frame: ShotFrame, picture: Image, target: Image, mode: str, pictures: ShotInputs
) -> tuple[Float32, Mask] | None:
    """A frame, whose plate is ``picture``, as the reference would see it, and where it shows the set and not the
    subject; None if it cannot be aligned."""
    alignment = align(target, picture, mode)
    if mode != "none" and not is_measured(alignment):
        return None
    alignment = with_exposure(alignment, target, picture)
    visible = np.ones(picture.pixels.shape[:2], np.float32)
    if frame.holdout is not None:
        holdout = pictures.read_data(frame.holdout, frame.video_frames.get("holdout", 0), "subject's matte")
        visible -= _subject(exr.matte_channel(holdout), picture, frame.holdout.name)
    return _warped(picture.rgb, visible, alignment, picture.data_window, target.data_window)


def _subject(matte: Image, picture: Image, name: str) -> Float32:
    """A rough matte of the subject on a picture's pixels, 0 or 1, grown by a few of them; a proxy's is enlarged.
    Raises ``MatteError("bad_guide", ...)`` where it is not known how it lies on the picture."""
    window, own, size = picture.data_window, picture.display_window, matte.display_window
    if is_unlike(picture, matte):
        raise MatteError(
            "bad_guide",
            f"{name} is {size.width} x {size.height} pixels, the plate's frame {own.width} x {own.height}: "
            "that is no other size of the same shape.",
            "Write the matte in the plate's size.",
        )
    place = window.from_plane() @ display_transform(picture, matte) @ matte.data_window.to_plane()
    hard = (matte.pixels[..., 0] > _SUBJECT_ALPHA).astype(np.float32)
    moved = cv2.warpAffine(hard, place[:2], (window.width, window.height), flags=cv2.INTER_NEAREST)
    margin = 2 * _SUBJECT_MARGIN_PX + 1
    grown = cv2.dilate(moved, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
    return np.asarray(grown, np.float32)


def _warped(
    colour: Float32, visible: Float32, alignment: Alignment, source: Window, target: Window
) -> tuple[Float32, Mask]:
    """Colour with the alignment's exposure, and where it is wholly visible, both on the target's pixels."""
    matrix = target.from_plane() @ alignment.transform @ source.to_plane()
    size = (target.width, target.height)
    if np.allclose(matrix, np.eye(3), atol=1e-9) and colour.shape[:2] == (target.height, target.width):
        moved, part = np.asarray(colour, np.float32), visible
    else:
        moved = np.asarray(
            cv2.warpPerspective(np.ascontiguousarray(colour), matrix, size, flags=cv2.INTER_CUBIC), np.float32
        )
        part = np.asarray(cv2.warpPerspective(visible, matrix, size, flags=cv2.INTER_LINEAR), np.float32)
    lit = moved * np.array(alignment.gain, np.float32) + np.array(alignment.offset, np.float32)
    return np.asarray(lit, np.float32), part > _FULLY_COVERED


def _largest_gap(evidence: Mask, window: Window) -> Window | None:
    """The box of the largest connected place without evidence."""
    count, _, facts, _ = cv2.connectedComponentsWithStats((~evidence).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    x, y, width, height, _ = facts[1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())]
    return Window(window.x + int(x), window.y + int(y), int(width), int(height))


def save(built: BuiltPlate, path: Path) -> None:
    """Writes the clean plate as a float EXR with a layer ``coverage``, which tells ``cleanplate matte`` where it is
    reliable."""
    Leftovers([path]).remove()
    exr.write_image(
        path, built.image, exr.ExrFormat(bit_depth="float", compression="zip"), {exr.COVERAGE_LAYER: built.coverage}
    )
