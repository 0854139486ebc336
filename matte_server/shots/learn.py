"""Learns a shot's own weights: reads frames and key mattes, aligns them as a run of the shot does, and trains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from matte_link.files import write_atomically
from matte_link.sequence import evenly_spaced

from ..core.image import Image, PlatePair
from ..errors import MatteError
from ..io import exr
from ..learning.frames import LearningFrame
from ..learning.run import LearningResult, LearningRun
from ..learning.settings import FRAMES, LearningProgress, LearningSettings, checkpoint_of
from ..models.learned import learned_facts
from ..models.protocols import CancelCheck
from .inputs import ShotInputs
from .key_mattes import KeyMatte
from .leftovers import Leftovers
from .plate_solve import PlateSolve
from .shot import Shot, ShotFrame, shot_inputs

_NEIGHBOURS = 2
"""How many frames before and after a key frame its matte might belong to instead."""


@dataclass(frozen=True)
class LearnOrder:
    """What is learnt from what. ``keys`` are the key mattes by frame number. ``may_overwrite``: a file at
    ``output`` is replaced, whatever it was learned from."""

    shot: Shot
    keys: Mapping[int, KeyMatte]
    output: Path
    settings: LearningSettings
    device: str
    may_overwrite: bool = False

    @property
    def checkpoint(self) -> Path:
        """Where the run's state is kept until it has ended."""
        return checkpoint_of(self.output)

    def inputs(self) -> set[Path]:
        """Every file that is read."""
        files = shot_inputs(self.shot) | {Path(self.shot.options.weights)}
        return files.union(*(key.files for key in self.keys.values()))


def check_learn_output(order: LearnOrder) -> None:
    """Raises ``MatteError("output_is_input", ...)`` where what is learned would replace an input."""
    if order.output.resolve() in {path.resolve() for path in order.inputs()}:
        raise MatteError(
            "output_is_input", f"{order.output} is both input and output; nothing was started.", "Name another -o."
        )


def learn_shot(
    order: LearnOrder,
    check: CancelCheck,
    on_progress: Callable[[LearningProgress], None],
    on_warning: Callable[[str], None] = lambda sentence: None,
) -> LearningResult:
    """Learns and writes ``order.output``, if enough was gained. What ``check`` raises ends the run: what was
    gained until then is written, the run can go on later, and the error is raised again. Raises ``MatteError`` with
    the codes of reading and aligning, those of ``LearningRun``, exists where a file at the output was learned from
    something else, and cannot_write."""
    Leftovers([order.output, order.checkpoint]).remove()
    on_warning = _once(on_warning)
    run, kept = _begun(order, check, on_warning), 0
    try:
        while not run.is_finished:
            progress = run.advance(check)
            # Not after each picture that is then measured: 53 MB take longer to write.
            if progress.step > kept and progress.step % order.settings.measure_every == 0:
                kept = progress.step
                _save(order, run, on_warning)
            on_progress(progress)
    except BaseException:
        _save(order, run, on_warning)
        with contextlib.suppress(MatteError):
            _write(order, run)
        raise
    try:
        result = _write(order, run)
    except MatteError:
        _save(order, run, on_warning)
        raise
    order.checkpoint.unlink(missing_ok=True)
    return result


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tells each sentence once, however often there is cause to."""
    told: set[str] = set()

    def each(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            tell(sentence)

    return each


def _begun(order: LearnOrder, check: CancelCheck, on_warning: Callable[[str], None]) -> LearningRun:
    """The run with all its frames, where an earlier one stopped."""
    options = order.shot.options
    run = LearningRun(
        model=options.model,
        weights=options.weights,
        settings=order.settings,
        device=torch.device(order.device),
        options=options.to_dict(),
    )
    every = {frame.frame: frame for frame in order.shot.frames}
    chosen = [every[number] for number in order.keys] or list(evenly_spaced(order.shot.frames, FRAMES))
    with ShotInputs(options, order.shot.deinterlace) as pictures:
        solve = PlateSolve(order.shot, pictures, version("cleanplate"))
        for frame in chosen:
            check()
            run.add(_read_frame(order, frame, pictures, solve), check)
        _show_neighbours(order, run, pictures, solve, check)
    for warning in (*pictures.warnings, *run.warnings):
        on_warning(warning)
    if not run.begin(order.checkpoint.read_bytes() if order.checkpoint.is_file() else b""):
        # Minutes of learning are not begun where nothing can be kept of them.
        _check_is_own(order, run)
        _written(order.checkpoint, b"")
    return run


def frames_beside(shot: Shot, keys: Collection[int]) -> list[ShotFrame]:
    """The frames of the whole shot to which key mattes with these numbers might belong: their own, and those beside
    them, in order."""
    ordered = sorted(shot.all_frames, key=lambda frame: frame.frame)
    places = [at for at, frame in enumerate(ordered) if frame.frame in keys]
    near = {at + step for at in places for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1)} & set(range(len(ordered)))
    return [ordered[at] for at in sorted(near)]


def _show_neighbours(
    order: LearnOrder, run: LearningRun, pictures: ShotInputs, solve: PlateSolve, check: CancelCheck
) -> None:
    """Shows the run the frames beside those whose key mattes differ from the model's: a matte may have a wrong
    number."""
    for frame in frames_beside(order.shot, run.doubted_keys):
        if frame.frame in order.keys:
            continue
        check()
        # A frame that nothing is learnt from may be missing or damaged.
        with contextlib.suppress(MatteError, OSError):
            run.show(_read_frame(order, frame, pictures, solve), check)


def _read_frame(order: LearnOrder, frame: ShotFrame, pictures: ShotInputs, solve: PlateSolve) -> LearningFrame:
    """A frame's pictures, aligned as a run of the shot aligns them, and its key matte."""
    plate, read_clean = pictures.pair(frame)
    key = order.keys.get(frame.frame)
    return LearningFrame(
        number=frame.frame,
        pair=PlatePair(plate=plate, clean_plate=read_clean()),
        alignment=solve.alignment_of_neighbour(frame),
        key=_matte(pictures, key.matte, "key matte") if key else None,
        mask=_matte(pictures, key.mask, "mask of the key matte") if key and key.mask else None,
    )


def _matte(pictures: ShotInputs, path: Path, role: str) -> Image:
    """A matte's values, read as every guide's are."""
    return exr.matte_channel(pictures.read_data(path, 0, role))


def _save(order: LearnOrder, run: LearningRun, on_warning: Callable[[str], None]) -> None:
    """Keeps the run's state. Where the disk is full, learning goes on."""
    try:
        _written(order.checkpoint, run.checkpoint())
    except MatteError as error:
        is_begun = order.checkpoint.is_file() and order.checkpoint.stat().st_size > 0
        after = "it goes on from where it was last saved" if is_begun else "it begins anew"
        on_warning(f"{error.message} If the run is interrupted now, {after}.")


def _write(order: LearnOrder, run: LearningRun) -> LearningResult:
    result = run.result()
    if result.has_gained:
        _check_is_own(order, run)
        _written(order.output, result.data)
    return result


def _written(path: Path, data: bytes) -> None:
    try:
        write_atomically(str(path), data)
    except OSError as error:
        raise MatteError(
            "cannot_write", f"{path} cannot be written: {error.strerror}.", "Make room, or name another -o."
        ) from None


def _check_is_own(order: LearnOrder, run: LearningRun) -> None:
    """Raises ``MatteError("exists", ...)`` where a file at the output would be lost, perhaps that of a run at the
    same time. An interrupted run's own file, the best until then, may be replaced."""
    if order.may_overwrite or not order.output.exists():
        return
    facts = learned_facts(order.output)
    if facts is None or facts.inputs != run.inputs:
        raise MatteError(
            "exists",
            f"{order.output} exists and was learned from something else.",
            "Use --overwrite to replace it.",
        )
