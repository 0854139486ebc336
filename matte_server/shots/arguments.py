"""A shot's arguments, once: the flags of ``cleanplate matte`` and ``farm ... shot``, the words of a job file, and
the command line of a farm's task are all made from :data:`SHOT_ARGUMENTS`.

The options of a shot's mattes are another table, :class:`matte_link.options.MatteOptions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matte_link.options import MatteOptions

from .plan import plan_shot
from .shot import CAMERAS, ENDS, Camera, Shot, ShotSources
from .solve_file import check_solve

PATH, TEXT, NUMBER, SWITCH = "path", "text", "number", "switch"


@dataclass(frozen=True)
class ShotArgument:
    """One argument of a shot.

    ``name`` is the field of :class:`ShotOrder` and the word of a job file; ``flags`` are those of the command line
    (none: the argument is positional). ``kind`` is one of :data:`PATH`, :data:`TEXT`, :data:`NUMBER` and
    :data:`SWITCH`. ``on_farm``: a farm's job takes it too. ``parameter`` is the name of a path in such a job, where
    the farm may map it to a worker's own.
    """

    name: str
    kind: str
    help: str
    flags: tuple[str, ...]
    metavar: str = ""
    default: str | int | bool = ""
    choices: tuple[str, ...] = ()
    is_needed: bool = False
    on_farm: bool = False
    parameter: str = ""

    @property
    def task_flag(self) -> str:
        """The flag that passes it to a farm's task."""
        return "--" + self.name.replace("_", "-")


SHOT_ARGUMENTS = (
    ShotArgument(
        name="plate",
        kind=PATH,
        help="the shot: a file, a pattern such as plate.####.exr, a video, or a folder of portraits",
        flags=(),
        metavar="PLATE",
        is_needed=True,
        on_farm=True,
        parameter="Plate",
    ),
    ShotArgument(
        name="clean",
        kind=PATH,
        help="the same view without the subject: a still, a pattern, a video, or a folder for a folder",
        flags=("--clean",),
        metavar="CLEAN",
        is_needed=True,
        on_farm=True,
        parameter="CleanPlate",
    ),
    ShotArgument(
        name="clean_offset",
        kind=NUMBER,
        help="frame n of the plate goes with frame n + N of a clean plate sequence (default: %(default)s)",
        flags=("--clean-offset",),
        metavar="N",
        default=0,
        on_farm=True,
    ),
    ShotArgument(
        name="output",
        kind=PATH,
        help="what to write, such as matte.####.exr or matte.mov",
        flags=("-o", "--output"),
        metavar="OUT",
        is_needed=True,
        on_farm=True,
        parameter="Output",
    ),
    ShotArgument(
        name="frames",
        kind=TEXT,
        help="1001-1100x2,1200 (default: all that are there)",
        flags=("--frames",),
        metavar="RANGE",
        on_farm=True,
    ),
    ShotArgument(
        name="core",
        kind=PATH,
        help="matte of what is certainly subject",
        flags=("--core",),
        metavar="FILE",
        on_farm=True,
        parameter="Core",
    ),
    ShotArgument(
        name="holdout",
        kind=PATH,
        help="matte of what is certainly not subject",
        flags=("--holdout",),
        metavar="FILE",
        on_farm=True,
        parameter="Holdout",
    ),
    ShotArgument(
        name="trimap",
        kind=PATH,
        help="core and holdout in one: white, black, and grey to be solved",
        flags=("--trimap",),
        metavar="FILE",
        on_farm=True,
        parameter="Trimap",
    ),
    ShotArgument(
        name="camera",
        kind=TEXT,
        help="one alignment for the whole shot (locked) or one for each frame (moving); auto finds out",
        flags=("--camera",),
        default="auto",
        choices=CAMERAS,
        on_farm=True,
    ),
    ShotArgument(
        name="solve",
        kind=PATH,
        help="use this plate solve, a JSON that a run leaves beside OUT",
        flags=("--solve",),
        metavar="FILE",
        on_farm=True,
        parameter="PlateSolve",
    ),
    ShotArgument(
        name="deinterlace",
        kind=SWITCH,
        help="make whole frames of interlaced video, with FFmpeg's bwdif",
        flags=("--deinterlace",),
        default=False,
        on_farm=True,
    ),
    ShotArgument(
        name="overwrite",
        kind=SWITCH,
        help="replace results made from something else",
        flags=("--overwrite",),
        default=False,
        on_farm=True,
    ),
    ShotArgument(
        name="background",
        kind=PATH,
        help="new background for --comp: a still, a pattern or a video",
        flags=("--background",),
        metavar="BG",
    ),
    ShotArgument(
        name="background_offset",
        kind=NUMBER,
        help="frame n goes before frame n + N of a background sequence (default: %(default)s)",
        flags=("--background-offset",),
        metavar="N",
        default=0,
    ),
    ShotArgument(
        name="background_end",
        kind=TEXT,
        help="what a background that is too short does (default: %(default)s)",
        flags=("--background-end",),
        default="loop",
        choices=ENDS,
    ),
    ShotArgument(
        name="comp",
        kind=PATH,
        help="also write the subject over BG: pictures, or a video with sound",
        flags=("--comp",),
        metavar="COMP",
    ),
)


_DEFAULTS: dict[str, Any] = {argument.name: argument.default for argument in SHOT_ARGUMENTS}


@dataclass(frozen=True)
class ShotOrder:
    """A shot before it is planned: a value for each of :data:`SHOT_ARGUMENTS`, and the options of its mattes."""

    plate: str
    clean: str
    output: str
    clean_offset: int = _DEFAULTS["clean_offset"]
    frames: str = _DEFAULTS["frames"]
    core: str = _DEFAULTS["core"]
    holdout: str = _DEFAULTS["holdout"]
    trimap: str = _DEFAULTS["trimap"]
    camera: str = _DEFAULTS["camera"]
    solve: str = _DEFAULTS["solve"]
    overwrite: bool = _DEFAULTS["overwrite"]
    background: str = _DEFAULTS["background"]
    background_offset: int = _DEFAULTS["background_offset"]
    background_end: str = _DEFAULTS["background_end"]
    comp: str = _DEFAULTS["comp"]
    deinterlace: bool = _DEFAULTS["deinterlace"]
    options: MatteOptions = field(default_factory=MatteOptions)

    def plan(self) -> Shot:
        """The plan; raises ``MatteError`` as :func:`plan.plan_shot` does, and bad_solve."""
        if self.solve:
            check_solve(Path(self.solve))
        sources = ShotSources(
            plate=self.plate,
            clean_plate=self.clean,
            output=self.output,
            core=self.core,
            holdout=self.holdout,
            trimap=self.trimap,
            background=self.background,
            comp=self.comp,
            clean_offset=self.clean_offset,
            background_offset=self.background_offset,
            background_end=self.background_end,
            deinterlace=self.deinterlace,
        )
        camera = Camera(kind=self.camera, solve=self.solve)
        return plan_shot(sources, self.frames, self.options, self.overwrite, camera)
