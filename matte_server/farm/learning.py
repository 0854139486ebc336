"""The first step of a farm's job that learns its shot: ``cleanplate learn``, before any chunk is matted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from matte_link.options import MatteOptions, option_specs

from ..errors import MatteError
from ..learning.settings import SUFFIX
from ..shots.arguments import LEARN_ARGUMENTS, LEARN_SHOT_ARGUMENTS, SHOT_ARGUMENTS, ShotOrder
from ..shots.plate_solve import solve_inputs
from ..shots.shot import Shot
from .farm_job import (
    CLEANPLATE,
    FILE_OPTIONS,
    FarmJob,
    FarmPlan,
    PathWord,
    Word,
    absolute,
    argument_words,
    file_word,
    shot_job,
    with_shot_frames,
)

if TYPE_CHECKING:
    from ..shots.key_mattes import KeyMatte

_LEARNED = "The weights that the first step learns and the other ones use."


@dataclass(frozen=True)
class FarmLearning:
    """What is learnt first, into the file ``learned``: ``keys`` and ``mask`` as ``cleanplate learn`` takes them."""

    learned: str
    keys: Sequence[str] = ()
    mask: str = ""
    steps: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if Path(self.learned).suffix.lower() != SUFFIX:
            raise MatteError("bad_output", f"{self.learned} must end in {SUFFIX}.", f"Write --learn NAME{SUFFIX}.")
        if self.steps is not None and self.steps < 1:
            raise MatteError("bad_option", f"--steps must be 1 or more, not {self.steps}.")


def learning_job(order: ShotOrder, shot: Shot, name: str, learning: FarmLearning, plan: FarmPlan) -> FarmJob:
    """The mattes of a shot, planned as ``shot``, by weights that are learnt from it first. Raises as
    :meth:`ShotOrder.plan` does, and as ``key_mattes``."""
    by_others = replace(order, options=replace(order.options, weights=""))
    job = shot_job(by_others, by_others.plan(), name)
    learned = PathWord(name="Learned", path=absolute(learning.learned), help=_LEARNED)
    key_mattes = _key_mattes(shot, learning)
    keys = list(_key_words(key_mattes))
    words: list[Word] = [CLEANPLATE, "learn", *_shot_words(with_shot_frames(order, shot))]
    words += ["--key", *keys] if keys else []
    if learning.mask:
        mask = next(each for each in LEARN_ARGUMENTS if each.name == "key_mask")
        words += argument_words(mask, learning.mask, mask.flags[:1])
    words += [f"--steps={learning.steps}"] if learning.steps is not None else []
    words += [f"--seed={learning.seed}"] if learning.seed != 1 else []
    words += [*_option_words(order.options), "-o", learned, "--overwrite", "--or-keep", "--device", plan.device]
    return replace(
        job,
        learn=tuple(words),
        command=(*job.command, "--weights", learned),
        inputs=tuple(sorted({*job.inputs, *_inputs(words), *_beside_keys(shot, key_mattes)})),
        folders=tuple(sorted({*job.folders, str(Path(learned.path).parent)})),
    )


def _inputs(words: Sequence[Word]) -> set[str]:
    paths = (word.path for word in words if isinstance(word, PathWord) and word.name != "Learned")
    return {path for path in paths if Path(path).is_file()}


def _shot_words(order: ShotOrder) -> Iterator[Word]:
    """The shot's arguments as ``cleanplate learn`` takes them; --frames are all of the job's."""
    for argument in SHOT_ARGUMENTS:
        if argument.name in LEARN_SHOT_ARGUMENTS and argument.name not in ("output", "overwrite"):
            yield from argument_words(argument, getattr(order, argument.name), argument.flags[:1])


def _key_mattes(shot: Shot, learning: FarmLearning) -> Mapping[int, KeyMatte]:
    if not learning.keys:
        return {}
    # Late: torch takes seconds.
    from ..shots.key_mattes import key_mattes

    return key_mattes(learning.keys, learning.mask, shot.frames)


def _beside_keys(shot: Shot, keys: Mapping[int, KeyMatte]) -> set[str]:
    """The pictures of the frames that learning looks at where a key matte seems to have a wrong number, and what
    their alignments are measured from: they need not be among the frames that are made."""
    if not keys:
        return set()
    # Late, as above.
    from ..shots.learn import frames_beside

    beside = frames_beside(shot, keys)
    pictures = {path for frame in beside for path in (frame.plate, frame.clean_plate) if path.is_file()}
    measured = solve_inputs(replace(shot, frames=(*shot.frames, *beside)))
    return {absolute(str(path)) for path in pictures | measured}


def _key_words(keys: Mapping[int, KeyMatte]) -> Iterator[Word]:
    """Each key matte as a path of its own, which the farm may map."""
    for number, key in keys.items():
        yield PathWord(
            name=f"Key{number}".replace("-", "Minus"),
            path=absolute(str(key.matte)),
            help=f"The mended matte of frame {number}.",
            before=f"{number}=",
        )


def _option_words(options: MatteOptions) -> Iterator[Word]:
    """The options that learning depends on, as flags."""
    given = options.to_dict()
    for spec in option_specs():
        if spec.name not in given or (spec.affects != "alignment" and spec.name not in ("model", "weights")):
            continue
        flag, value = f"--{spec.name.replace('_', '-')}", given[spec.name]
        if spec.name in FILE_OPTIONS and Path(str(value)).is_file():
            yield flag
            yield file_word(spec.name, str(value))
        elif spec.type is bool:
            yield flag if value else f"--no-{flag[2:]}"
        else:
            yield f"{flag}={value}"
