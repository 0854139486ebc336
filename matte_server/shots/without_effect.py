"""What was given for a shot and changes nothing of it: each in a sentence, so that nobody waits for its effect.

Only what is never of use here is named. A job file's defaults are for all of its shots, so nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from matte_link.options import MatteOptions, option_specs

from ..io import exr
from ..io.media import is_video
from .arguments import ShotOrder
from .role_files import RoleFiles, number_of_still
from .shot import Shot, ShotSources, frame_inputs

_ROLES = {
    "clean": "clean_plate",
    "core": "core",
    "holdout": "holdout",
    "trimap": "trimap",
    "background": "background",
}
"""The roles whose files may be sequences, as arguments and as sources name them."""
_OF_EXRS = ("bit_depth", "compression")
_OF_NETWORKS = ("weights", "precision")
_MEASURED = ("align", "match_exposure")
_WITHOUT_NETWORK = "difference"


def without_effect(order: ShotOrder, shot: Shot) -> list[str]:
    """A sentence for each reason why something that was given for a shot, planned as ``shot``, changes nothing."""
    reasons = (
        *_of_output(shot),
        *_of_frames(order, shot),
        *_of_range(order, shot),
        *_of_files(order, shot),
        *_of_timing(order.sources),
    )
    return [
        f"{_listed(names)} {'change' if len(names) > 1 else 'changes'} nothing: {why}."
        for names, why in reasons
        if names
    ]


def _of_output(shot: Shot) -> Iterator[tuple[list[str], str]]:
    options = shot.options
    suffix = shot.frames[0].output.suffix.lower()
    if suffix != ".exr":
        yield _given(options, _OF_EXRS), f"that is for EXRs, and {suffix} is none"
    if suffix == ".png":
        yield _given(options, ("premultiplied",)), "the colour of a PNG is unpremultiplied"
    if options.model == _WITHOUT_NETWORK:
        yield _given(options, _OF_NETWORKS), f"the model {_WITHOUT_NETWORK} has no network"


def _of_frames(order: ShotOrder, shot: Shot) -> Iterator[tuple[list[str], str]]:
    camera = ["--camera"] if order.camera != "auto" else []
    is_folder = Path(order.plate).is_dir()
    if order.solve and not is_folder:
        yield camera + _given(order.options, _MEASURED), f"{order.solve} says how the clean plate lies"
        camera = []
    if not shot.all_frames:
        solve = ["--solve"] if order.solve and is_folder else []
        yield _given(order.options, ("temporal",)) + camera + solve, f"{order.plate} has no frames of one shot"


def _of_range(order: ShotOrder, shot: Shot) -> Iterator[tuple[list[str], str]]:
    sources = order.sources
    roles = (getattr(sources, role) for role in ("plate", *_ROLES.values(), "output", "comp"))
    has_numbers = not all(RoleFiles(name).is_still for name in roles if name)
    if order.frames and not has_numbers and shot.frames[0].frame != number_of_still(order.plate):
        yield ["--frames"], f"{order.plate} is one picture, and so is every other file"


def _of_files(order: ShotOrder, shot: Shot) -> Iterator[tuple[list[str], str]]:
    first = shot.frames[0]
    if order.deinterlace and not any(map(is_video, frame_inputs(first))):
        yield ["--deinterlace"], "no file of the shot is a video"
    if order.options.view and not any(exr.has_views(path) for path in (first.plate, first.clean_plate)):
        yield ["--view"], "neither plate nor clean plate is an EXR with views"


def _of_timing(sources: ShotSources) -> Iterator[tuple[list[str], str]]:
    unchanged = ShotSources(plate="", clean_plate="", output="")
    for word, role in _ROLES.items():
        name = getattr(sources, role)
        given = [field for field in (f"{word}_offset", f"{word}_end")
                 if getattr(sources, field) != getattr(unchanged, field)]  # fmt: skip
        if given and RoleFiles(name).is_still:
            yield list(map(_flag, given)), f"{name} is neither a sequence nor a video"


def _given(options: MatteOptions, names: Iterable[str]) -> list[str]:
    """The flags of those of the options that are not at their defaults."""
    defaults = {spec.name: spec.default for spec in option_specs()}
    changed = [name for name in names if getattr(options, name) != defaults[name]]
    return [_flag(f"no_{name}" if defaults[name] is True else name) for name in changed]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _listed(flags: list[str]) -> str:
    return " and ".join([", ".join(flags[:-1]), flags[-1]] if len(flags) > 1 else flags)
