"""Builds a shot's clean plate from the shot: chooses frames, brings them onto one, and has them vote."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..core.align import Alignment, align
from ..core.clean_plate_vote import FEWEST, VotedPlate, vote_clean_plate
from ..core.image import Float32, Image
from ..core.placement import with_exposure
from ..core.shot_solve import is_evidence
from ..core.window import Window
from ..errors import MatteError
from ..io import exr
from .inputs import ShotInputs
from .shot import ShotFrame

FRAMES = 24
"""How many frames of a shot vote, spread over it: more cost time and add little once each place was seen."""
_SEEN = 0.999
_GROWN_PX = 5
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class BuiltPlate:
    """A clean plate and how far it is to be believed. ``covered`` is the part of the frame with evidence;
    ``gap`` is the box around the largest place without, None where there is none; ``used`` and ``left_out`` are
    frame numbers."""

    image: Image
    coverage: Image
    covered: float
    gap: Window | None
    used: tuple[int, ...]
    left_out: tuple[int, ...]
    noise: float


def build(
    frames: Sequence[ShotFrame], reference: ShotFrame, mode: str, pictures: ShotInputs, told: Told
) -> BuiltPlate:
    """The clean plate as ``reference`` sees it, from ``frames``, whose ``holdout`` is a rough matte of the subject
    where there is one. Raises ``MatteError`` with too_few_frames and what reading pictures raises."""
    target, _ = pictures.pair(reference)
    window = target.data_window
    shape = (len(frames), window.height, window.width)
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        # On disk, where the system keeps what fits in memory: a 4K shot's frames together are gigabytes.
        colours = np.memmap(Path(folder) / "colour", np.float32, "w+", shape=(*shape, 3))
        masks = np.memmap(Path(folder) / "seen", np.bool_, "w+", shape=shape)
        used: list[int] = []
        for number, frame in enumerate(frames, 1):
            told(number, len(frames), f"frame {frame.frame}")
            placed = _placed(frame, target, mode, pictures)
            if placed is not None:
                colours[len(used)], masks[len(used)] = placed
                used.append(frame.frame)
        if len(used) < FEWEST:
            raise MatteError(
                "too_few_frames",
                f"Only {len(used)} of {len(frames)} frames could be brought onto frame {reference.frame}.",
                f"At least {FEWEST} are needed: choose others with --frames, or another --reference.",
            )
        told(len(frames), len(frames), "voting")
        plate = vote_clean_plate(list(colours[: len(used)]), list(masks[: len(used)]))
    left_out = tuple(frame.frame for frame in frames if frame.frame not in used)
    return _built(plate, target, tuple(used), left_out)


def _built(plate: VotedPlate, target: Image, used: tuple[int, ...], left_out: tuple[int, ...]) -> BuiltPlate:
    coverage = np.where(plate.evidence, plate.support, np.float32(0.0))[..., None].astype(np.float32)
    kept = {name: value for name, value in target.metadata.items() if name != exr.STAMP}
    image = replace(target, pixels=plate.colour, channels=("R", "G", "B"), premultiplied=False, metadata=kept)
    return BuiltPlate(
        image,
        replace(image, pixels=coverage, channels=("A",)),
        float(plate.evidence.mean()),
        _largest_gap(plate.evidence, target.data_window),
        used,
        left_out,
        plate.noise,
    )


def _placed(
    frame: ShotFrame, target: Image, mode: str, pictures: ShotInputs
) -> tuple[Float32, npt.NDArray[np.bool_]] | None:
    """A frame as the reference would see it, and where it shows anything but the subject; None where it could not
    be brought there."""
    picture, _ = pictures.pair(frame)
    found = align(target, picture, mode)
    if mode != "none" and not is_evidence(found):
        return None
    found = with_exposure(found, target, picture)
    seen = np.ones(picture.pixels.shape[:2], np.float32)
    if frame.holdout is not None:
        seen -= _grown(exr.matte_channel(exr.read_image(frame.holdout)), picture.data_window)
    return _warped(picture.rgb, seen, found, picture.data_window, target.data_window)


def _grown(matte: Image, window: Window) -> Float32:
    """A rough matte of the subject on a picture's window, a little larger than drawn."""
    hard = (matte.pixels[..., 0] > 0.02).astype(np.float32)
    size = 2 * _GROWN_PX + 1
    grown = cv2.dilate(hard, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    shift = (window.from_plane() @ matte.data_window.to_plane())[:2]
    moved = cv2.warpAffine(grown, shift, (window.width, window.height), flags=cv2.INTER_NEAREST)
    return np.asarray(moved, np.float32)


def _warped(
    colour: Float32, seen: Float32, found: Alignment, source: Window, target: Window
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    matrix = target.from_plane() @ found.transform @ source.to_plane()
    size = (target.width, target.height)
    if np.allclose(matrix, np.eye(3), atol=1e-9) and colour.shape[:2] == (target.height, target.width):
        moved, there = np.asarray(colour, np.float32), seen
    else:
        moved = np.asarray(
            cv2.warpPerspective(np.ascontiguousarray(colour), matrix, size, flags=cv2.INTER_CUBIC), np.float32
        )
        there = np.asarray(cv2.warpPerspective(seen, matrix, size, flags=cv2.INTER_LINEAR), np.float32)
    lit = moved * np.array(found.gain, np.float32) + np.array(found.offset, np.float32)
    return np.asarray(lit, np.float32), there > _SEEN


def _largest_gap(evidence: npt.NDArray[np.bool_], window: Window) -> Window | None:
    """The box of the largest connected place without evidence."""
    count, _, facts, _ = cv2.connectedComponentsWithStats((~evidence).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    x, y, width, height, _ = facts[1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())]
    return Window(window.x + int(x), window.y + int(y), int(width), int(height))


def save(built: BuiltPlate, path: Path) -> None:
    """The clean plate as a float EXR with its coverage as layer ``coverage``, which ``cleanplate matte`` heeds."""
    exr.write_image(path, built.image, exr.ExrFormat("float", "zip"), {exr.COVERAGE_LAYER: built.coverage})
