"""A shot: what the artist names, and the plan that follows from it, frame by frame."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from matte_link.messages import NEIGHBOURS
from matte_link.options import MatteOptions

CAMERAS = ("auto", "locked", "moving")
ENDS = ("loop", "hold")
SAMPLES = 7
"""How many frames of the shot decide whether the camera is locked."""


@dataclass(frozen=True)
class RoleTiming:
    """``offset`` is added to a frame's number, ``end`` says what stands for missing pictures ("loop", "hold" or
    nothing), ``only`` is the number of the one picture of all frames."""

    offset: int = 0
    end: str = ""
    only: int | None = None


@dataclass(frozen=True)
class ShotSources:
    """The pictures of a shot as the artist names them: files, patterns or videos. Empty text means not given.

    ``plate`` may be a folder of portraits; then ``clean_plate`` is either one picture for all of them or a folder
    that holds a picture of the same name for each, and ``output`` is a folder. Frame n of the plate goes with
    frame n + ``clean_offset`` of a clean plate sequence, and likewise in every other role. What is too short is
    looped or its last frame held (``clean_end`` and so on: "loop" or "hold"; empty: the plan is refused).
    ``clean_frame`` is the number of the one picture that is the clean plate of all frames. ``trimap`` (white is
    subject, black is not, grey is to be solved) replaces both ``core`` and ``holdout``. ``deinterlace``: the frames
    of interlaced videos are made whole. ``passes`` are the passes to be written as files of their own, with commas.
    ``shot_frames`` are the frames that the whole shot has, as a range; empty: those whose plates are there.
    """

    plate: str
    clean_plate: str
    output: str
    core: str = ""
    holdout: str = ""
    trimap: str = ""
    background: str = ""
    comp: str = ""
    clean_offset: int = 0
    clean_end: str = ""
    clean_frame: int | None = None
    core_offset: int = 0
    core_end: str = ""
    holdout_offset: int = 0
    holdout_end: str = ""
    trimap_offset: int = 0
    trimap_end: str = ""
    background_offset: int = 0
    background_end: str = "loop"
    deinterlace: bool = False
    passes: str = ""
    shot_frames: str = ""

    def timing(self, role: str) -> RoleTiming:
        """Which picture of a role goes with which frame of the plate."""
        if role == "plate":
            return RoleTiming()
        name = "clean" if role == "clean_plate" else role
        return RoleTiming(
            offset=getattr(self, f"{name}_offset"),
            end=getattr(self, f"{name}_end"),
            only=self.clean_frame if name == "clean" else None,
        )


@dataclass(frozen=True)
class Camera:
    """How the plate solve treats the camera: ``kind`` is one of ``CAMERAS``, and 'auto' finds out whether it is
    locked. ``solve`` names the file of an earlier plate solve, which is then used unchanged."""

    kind: str = "auto"
    solve: str = ""


@dataclass(frozen=True)
class ShotFrame:
    """The files of one frame. For each role whose file is a video, ``video_frames`` holds the number of the picture
    in it, counted from 1. ``name`` is the file's name of a picture that stands alone, such as a portrait.
    ``passes`` are the files of the passes to be written, by their names; a comp is in ``comp``."""

    frame: int
    plate: Path
    clean_plate: Path
    output: Path
    core: Path | None = None
    holdout: Path | None = None
    trimap: Path | None = None
    background: Path | None = None
    comp: Path | None = None
    video_frames: Mapping[str, int] = field(default_factory=dict)
    name: str = ""
    passes: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Movies:
    """The videos to be made of the finished frames; None where there is to be none."""

    matte: Path | None = None
    comp: Path | None = None


@dataclass(frozen=True)
class Shot:
    """The plan of a shot: when it was made, every input existed, and no output was also an input.

    ``frames`` are the frames to be made. ``all_frames`` are all frames that the shot has on disk, or is said to
    have: the plate solve and smoothing in time look at them, so that a part of a shot comes out like the whole.
    They are empty where each picture stands alone; then ``solve_file``, where the plate solve is kept, is None.
    """

    frames: tuple[ShotFrame, ...]
    options: MatteOptions = field(default_factory=MatteOptions)
    overwrite: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    title: str = ""
    all_frames: tuple[ShotFrame, ...] = ()
    solve_file: Path | None = None
    camera: Camera = field(default_factory=Camera)
    movies: Movies = field(default_factory=Movies)
    deinterlace: bool = False


def frame_titles(shot: Shot) -> dict[int, str]:
    """How people know each wanted frame, by number: "frame 1001", or the name of a portrait."""
    return {frame.frame: frame.name or f"frame {frame.frame}" for frame in shot.frames}


def frame_inputs(frame: ShotFrame) -> list[Path]:
    """Every file that a frame is made from."""
    named = (frame.plate, frame.clean_plate, frame.core, frame.holdout, frame.trimap, frame.background)
    return [path for path in named if path is not None]


def frame_outputs(frame: ShotFrame) -> list[Path]:
    """Every file that is made of a frame: its matte, comp and passes."""
    return [path for path in (frame.output, frame.comp, *frame.passes.values()) if path is not None]


def shot_outputs(frames: Iterable[ShotFrame], movies: Movies) -> list[Path]:
    """Every file that is made of a shot: those of its frames, and its videos."""
    of_frames = [path for frame in frames for path in frame_outputs(frame)]
    return of_frames + [path for path in (movies.matte, movies.comp) if path is not None]


def neighbour_offsets(shot: Shot) -> dict[str, int]:
    """How far the frame numbers of the frames "before" and "after" a frame are from its own: 2 where only every
    other frame exists. The smallest step between any two frames of the whole shot decides, so that the answer does
    not depend on which frames are wanted."""
    numbers = sorted(frame.frame for frame in shot.all_frames)
    step = min((after - before for before, after in pairwise(numbers)), default=1)
    return {side: direction * step for side, direction in NEIGHBOURS.items()}


def shot_inputs(shot: Shot) -> set[Path]:
    """Every file that the wanted frames are made from, a given plate solve among them. With smoothing in time
    (``options.temporal``) this includes the files of their neighbours."""
    files = {path for frame in shot.frames for path in frame_inputs(frame)}
    if shot.camera.solve:
        files.add(Path(shot.camera.solve))
    return files | {path for frame in smoothed_with(shot) for path in frame_inputs(frame) if path.is_file()}


def smoothed_with(shot: Shot) -> list[ShotFrame]:
    """The frames that smoothing in time (``options.temporal``) looks at beside the wanted ones; they may be wanted
    too."""
    if not shot.options.temporal:
        return []
    offsets = neighbour_offsets(shot).values()
    numbers = {frame.frame + offset for frame in shot.frames for offset in offsets}
    return [frame for frame in shot.all_frames if frame.frame in numbers]
