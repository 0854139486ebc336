"""Why a shot's clean plate does not belong to its plate, judged once its frames are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.align import align
from ..core.image import Image
from ..core.shot_solve import is_sure
from ..errors import MatteError
from .inputs import ShotInputs
from .reports import FrameReport, ResultStatus, ShotReport, alpha_area, is_measured_frame
from .shot import Shot, ShotFrame

_NEARLY_EVERYWHERE = 0.9
"""The part of a frame that alpha fills at least where the clean plate shows another place: 0.99 in what was tried.
A subject that fills 0.84 of the frame is measured as 0.84 to 0.90 of it, and hides most of the set, too."""


def why_not_its_clean_plate(report: ShotReport, shot: Shot) -> str:
    """A sentence that says what is wrong with the clean plate; empty where nothing is known to be. It is mirrored,
    or shows another place: in most frames nothing of it is found again, and alpha is nearly everywhere. Frames
    whose alignment was switched off cannot be judged. Of a part of a shot, what other frames show counts, too: the
    subject may fill the part."""
    if shot.options.align == "none" or report.finds_clean_plate:
        return ""
    made = [frame for frame in report.frames if frame.status != ResultStatus.FAILED]
    odd = [frame for frame in made if not is_measured_frame(frame)]
    if len(odd) <= len(made) / 2:
        return ""
    frame = next(frame for frame in shot.frames if frame.frame == odd[0].frame)
    if _is_mirrored(shot, frame):
        return f"{frame.clean_plate} is mirrored: turned over left to right, it fits {frame.plate}."
    if sum(map(_is_filled, odd)) <= len(made) / 2:
        return ""
    return (
        f"{frame.clean_plate} does not seem to show the same place as {frame.plate}: hardly anything of it is "
        "found again, and alpha is nearly everywhere. Name the clean plate of this shot."
    )


def _is_filled(frame: FrameReport) -> bool:
    return alpha_area(frame) > _NEARLY_EVERYWHERE


def _is_mirrored(shot: Shot, frame: ShotFrame) -> bool:
    """Whether the frame's clean plate fits its plate once it is turned over. Turned upside down it would fit as it
    is, because features are found at any angle."""
    try:
        with ShotInputs(shot.options, shot.deinterlace) as pictures:
            plate, read_clean = pictures.pair(frame)
            return is_sure(align(plate, _turned_over(read_clean()), "homography"))
    except (MatteError, OSError):
        # The frame was made, so its files have vanished since.
        return False


def _turned_over(image: Image) -> Image:
    return replace(image, pixels=np.ascontiguousarray(image.pixels[:, ::-1]))
