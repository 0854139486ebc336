"""Learns a shot's own weights: reads frames and key mattes, aligns them as a run of the shot does, and trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from matte_link.files import write_atomically
from matte_link.sequence import evenly_spaced, format_frames

from ..core.image import Image, PlatePair
from ..errors import MatteError
from ..io import exr
from ..learning.frames import LearningFrame
from ..learning.learner import Check
from ..learning.run import LearningResult, LearningRun
from ..learning.settings import FRAMES, LearningProgress, LearningSettings, checkpoint_of
from .inputs import ShotInputs
from .plate_solve import PlateSolve
from .portraits import pictures_in
from .role_files import check_files, frame_pattern
from .shot import Shot, ShotFrame


@dataclass(frozen=True)
class KeyMatte:
    """A matte that a person vouches for: the file, and that of the mask which says where it is right (None:
    everywhere)."""

    matte: Path
    mask: Path | None = None


@dataclass(frozen=True)
class LearnOrder:
    """What is learnt from what. ``keys`` are the key mattes by frame number."""

    shot: Shot
    keys: Mapping[int, KeyMatte]
    output: Path
    settings: LearningSettings
    device: str

    @property
    def checkpoint(self) -> Path:
        """Where the run's state is kept until it has ended."""
        return checkpoint_of(self.output)


def key_mattes(named: Sequence[str], masks: str, frames: Sequence[ShotFrame]) -> dict[int, KeyMatte]:
    """The key mattes by frame number: from patterns such as ``mended.####.exr`` (every existing file of a frame of
    the shot), from ``FRAME=FILE``, or from a folder that holds a picture of the same name as the frame's plate.
    ``masks`` is a pattern, one file or such a folder; empty: the mattes are right everywhere. Raises ``MatteError``
    with bad_key, bad_range and missing_frame."""
    files: dict[int, Path] = {}
    for text in named:
        files |= _numbered(text, frames)
    found = {number: KeyMatte(matte=path) for number, path in sorted(files.items())}
    if masks:
        mask_of = _masks(masks, frames)
        if not found:
            raise MatteError(
                "bad_key",
                f"{masks} says where key mattes are right, and no key matte is named.",
                "Name it with --key.",
            )
        found = {number: replace(key, mask=mask_of(number)) for number, key in found.items()}
    check_files(path for key in found.values() for path in (key.matte, key.mask) if path is not None)
    return found


def _masks(text: str, frames: Sequence[ShotFrame]) -> Callable[[int], Path]:
    """The mask of a frame's key matte, by frame number."""
    if not Path(text).is_dir():
        return frame_pattern(text).path
    named = _named_after(Path(text), frames)
    # A missing one is then missed under the name that it should have.
    plates = {frame.frame: frame.plate for frame in frames}
    return lambda number: named.get(number, Path(text) / plates[number].name)


def _named_after(folder: Path, frames: Sequence[ShotFrame]) -> dict[int, Path]:
    """By frame number, the picture of ``folder`` that is called as the frame's plate is."""
    by_stem = {path.stem: path for path in pictures_in(folder)}
    return {frame.frame: by_stem[frame.plate.stem] for frame in frames if frame.plate.stem in by_stem}


def _numbered(text: str, frames: Sequence[ShotFrame]) -> dict[int, Path]:
    """The files that one ``--key`` names, by frame number."""
    numbers = {frame.frame for frame in frames}
    number, is_pair, name = text.partition("=")
    if is_pair and number.removeprefix("-").isdecimal():
        found = {int(number): Path(name)}
    elif Path(text).is_dir():
        found = _named_after(Path(text), frames)
    else:
        pattern = frame_pattern(text)
        if not pattern.is_sequence:
            raise MatteError(
                "bad_key",
                f"{text} does not say which frame it is the matte of.",
                "Write 1001=FILE, or a pattern such as mended.####.exr.",
            )
        found = {frame: pattern.path(frame) for frame in pattern.frames_on_disk() if frame in numbers}
    if not found:
        raise MatteError("bad_key", f"No file of {text} belongs to a frame of the shot.", "Correct the name.")
    if beyond := sorted(set(found) - numbers):
        raise MatteError("bad_key", f"The shot has no frame {format_frames(beyond)}.", "Correct the number.")
    return found


def learn_shot(order: LearnOrder, check: Check, on_progress: Callable[[LearningProgress], None]) -> LearningResult:
    """Learns and writes ``order.output``, unless nothing was gained. What ``check`` raises ends the run: what was
    gained until then is written, the run can go on later, and the error is raised again. Raises ``MatteError`` with
    the codes of reading and aligning and those of ``LearningRun``, and ``OSError``."""
    run = _begun(order, check)
    try:
        while not run.is_finished:
            progress = run.advance(check)
            if progress.step and progress.step % order.settings.measure_every == 0:
                _save(order, run)
            on_progress(progress)
    except BaseException:
        _save(order, run)
        _write(order, run.result())
        raise
    result = run.result()
    _write(order, result)
    order.checkpoint.unlink(missing_ok=True)
    return result


def _begun(order: LearnOrder, check: Check) -> LearningRun:
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
    with ShotInputs(options) as pictures:
        solve = PlateSolve(order.shot, pictures, version("cleanplate"))
        for frame in chosen:
            check()
            run.add(_read_frame(order, frame, pictures, solve), check)
    run.begin(order.checkpoint.read_bytes() if order.checkpoint.is_file() else b"")
    return run


def _read_frame(order: LearnOrder, frame: ShotFrame, pictures: ShotInputs, solve: PlateSolve) -> LearningFrame:
    """A frame's pictures, aligned as a run of the shot aligns them, and its key matte."""
    plate, read_clean = pictures.pair(frame)
    key = order.keys.get(frame.frame)
    return LearningFrame(
        number=frame.frame,
        pair=PlatePair(plate=plate, clean_plate=read_clean()),
        alignment=solve.alignment_of_neighbour(frame),
        key=_matte(pictures, key.matte) if key else None,
        mask=_matte(pictures, key.mask) if key and key.mask else None,
    )


def _matte(pictures: ShotInputs, path: Path) -> Image:
    """A matte's values, read as every guide's are."""
    return exr.matte_channel(pictures.read_data(path, 0))


def _save(order: LearnOrder, run: LearningRun) -> None:
    write_atomically(str(order.checkpoint), run.checkpoint())


def _write(order: LearnOrder, result: LearningResult) -> None:
    if result.has_gained:
        write_atomically(str(order.output), result.data)
