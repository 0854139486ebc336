"""A shot's arguments, once: flags, the words of a job file, the command line of a farm's task.

The flags are those of ``cleanplate matte`` and ``farm ... shot``. All are made from :data:`SHOT_ARGUMENTS`.

The options of a shot's mattes are another table, :class:`matte_link.options.MatteOptions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from matte_link.options import MatteOptions

from ..errors import MatteError
from .given_solve import check_solve
from .passes import PASSES, with_layers
from .plan import plan_shot
from .plan_checks import check_combinations
from .portraits import plan_arrived
from .shot import CAMERAS, ENDS, Camera, Shot, ShotSources, smoothed_with

PATH, TEXT, NUMBER, SWITCH = "path", "text", "number", "switch"
TEXTS = "texts"
"""One or more words."""


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
    default: str | int | bool | tuple[str, ...] = ""
    choices: tuple[str, ...] = ()
    is_needed: bool = False
    on_farm: bool = False
    parameter: str = ""

    @property
    def task_flag(self) -> str:
        """The flag that passes it to a farm's task."""
        return "--" + self.name.replace("_", "-")


def _timing_arguments(role: str, what: str) -> tuple[ShotArgument, ShotArgument]:
    """The offset and the end of a role whose file may be a sequence or a video."""
    return (
        ShotArgument(
            name=f"{role}_offset",
            kind=NUMBER,
            help=f"frame n of the plate goes with frame n + N of {what}",
            flags=(f"--{role}-offset",),
            metavar="N",
            default=0,
            on_farm=True,
        ),
        ShotArgument(
            name=f"{role}_end",
            kind=TEXT,
            help=f"what {what} that is too short does: begin again (loop), or keep its last picture (hold) "
            "(default: a frame without a picture is refused)",
            flags=(f"--{role}-end",),
            choices=ENDS,
            on_farm=True,
        ),
    )


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
    *_timing_arguments("clean", "a clean plate sequence or video"),
    ShotArgument(
        name="clean_frame",
        kind=TEXT,
        help="picture N of CLEAN is the clean plate of every frame; CLEAN may be the plate itself",
        flags=("--clean-frame",),
        metavar="N",
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
        help="such as 1001-1100x2,1200 (default: all that are there)",
        flags=("--frames",),
        metavar="RANGE",
        on_farm=True,
    ),
    ShotArgument(
        name="shot_frames",
        kind=TEXT,
        help="the frames of the whole shot, where only some of them are here (default: those that are there)",
        flags=("--shot-frames",),
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
    *_timing_arguments("core", "a core matte"),
    ShotArgument(
        name="holdout",
        kind=PATH,
        help="matte of what is certainly not subject",
        flags=("--holdout",),
        metavar="FILE",
        on_farm=True,
        parameter="Holdout",
    ),
    *_timing_arguments("holdout", "a holdout matte"),
    ShotArgument(
        name="trimap",
        kind=PATH,
        help="core and holdout in one: white, black, and grey to be solved",
        flags=("--trimap",),
        metavar="FILE",
        on_farm=True,
        parameter="Trimap",
    ),
    *_timing_arguments("trimap", "a trimap"),
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
        help="use this plate solve (how the clean plate lies on each frame), a JSON that a run leaves beside OUT "
        "(default: measured)",
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
        name="passes",
        kind=TEXT,
        help=f"also write these passes as files beside OUT, with commas: {', '.join(PASSES)} (comp needs BG)",
        flags=("--passes",),
        metavar="LIST",
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
        help="frame n goes before frame n + N of a background sequence",
        flags=("--background-offset",),
        metavar="N",
        default=0,
    ),
    ShotArgument(
        name="background_end",
        kind=TEXT,
        help="what a background that is too short does",
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


LEARN_ARGUMENTS = (
    ShotArgument(
        name="key",
        kind=TEXTS,
        help="mended mattes to learn from: a pattern such as mended.####.exr, FRAME=FILE, or for a folder of "
        "portraits a folder of files named like them; EXR, PNG, TIFF",
        flags=("--key",),
        metavar="MATTE",
        default=(),
    ),
    ShotArgument(
        name="key_mask",
        kind=PATH,
        help="white where the mended mattes are right: a file, a pattern or a folder (default: everywhere)",
        flags=("--key-mask",),
        metavar="FILE",
        parameter="KeyMask",
    ),
)
"""The key mattes of a shot that is learnt: flags of ``cleanplate learn`` and of ``farm ... shot``."""
LEARN_SHOT_ARGUMENTS = (
    "plate", "clean", "clean_offset", "clean_end", "clean_frame", "output", "frames", "shot_frames", "camera",
    "solve", "deinterlace", "overwrite",
)  # fmt: skip
"""Those of :data:`SHOT_ARGUMENTS` that learning a shot depends on."""

_DEFAULTS: dict[str, Any] = {argument.name: argument.default for argument in SHOT_ARGUMENTS}


@dataclass(frozen=True)
class ShotOrder:
    """A shot before it is planned: a value for each of :data:`SHOT_ARGUMENTS`, and the options of its mattes."""

    plate: str
    clean: str
    output: str
    clean_offset: int = _DEFAULTS["clean_offset"]
    clean_end: str = _DEFAULTS["clean_end"]
    clean_frame: str = _DEFAULTS["clean_frame"]
    frames: str = _DEFAULTS["frames"]
    shot_frames: str = _DEFAULTS["shot_frames"]
    core: str = _DEFAULTS["core"]
    core_offset: int = _DEFAULTS["core_offset"]
    core_end: str = _DEFAULTS["core_end"]
    holdout: str = _DEFAULTS["holdout"]
    holdout_offset: int = _DEFAULTS["holdout_offset"]
    holdout_end: str = _DEFAULTS["holdout_end"]
    trimap: str = _DEFAULTS["trimap"]
    trimap_offset: int = _DEFAULTS["trimap_offset"]
    trimap_end: str = _DEFAULTS["trimap_end"]
    camera: str = _DEFAULTS["camera"]
    solve: str = _DEFAULTS["solve"]
    overwrite: bool = _DEFAULTS["overwrite"]
    background: str = _DEFAULTS["background"]
    background_offset: int = _DEFAULTS["background_offset"]
    background_end: str = _DEFAULTS["background_end"]
    comp: str = _DEFAULTS["comp"]
    deinterlace: bool = _DEFAULTS["deinterlace"]
    passes: str = _DEFAULTS["passes"]
    options: MatteOptions = field(default_factory=MatteOptions)

    def plan(self, one_output: bool = False) -> Shot:
        """The plan; ``one_output``: all frames together make one file. Raises ``MatteError`` as
        :func:`plan.plan_shot` does, and bad_solve."""
        camera = Camera(kind=self.camera, solve=self.solve)
        options = with_layers(self.options, self.passes)
        shot = plan_shot(self.sources, self.frames, options, self.overwrite, camera, one_output)
        if self.solve:
            check_solve(Path(self.solve), {frame.frame for frame in (*shot.frames, *smoothed_with(shot))})
        return shot

    def plan_arrived(self, plates: Sequence[Path]) -> tuple[Shot, dict[Path, MatteError]]:
        """The plan for some pictures of a folder that is watched: see :func:`portraits.plan_arrived`. Raises
        ``MatteError``, too, where arguments do not go together or do not apply (bad_option, bad_range)."""
        check_combinations(self.sources)
        options = with_layers(self.options, self.passes)
        return plan_arrived(self.sources, self.frames, plates, options, self.overwrite)

    @property
    def sources(self) -> ShotSources:
        """The pictures of the shot. Raises ``MatteError("bad_range", ...)``."""
        same = {name: getattr(self, name) for name in _SAME_IN_SOURCES}
        only = _whole_number(self.clean_frame) if self.clean_frame else None
        return ShotSources(clean_plate=self.clean, clean_frame=only, **same)


_SAME_IN_SOURCES = tuple(
    field.name for field in fields(ShotSources) if field.name not in ("clean_plate", "clean_frame")
)


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise MatteError("bad_range", f"{text!r} is not the number of a picture.") from None
