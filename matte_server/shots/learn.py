"""Learns a shot's own weights: reads frames and key mattes, aligns them as a run of the shot does, and trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from blake3 import blake3
from matte_link.result_key import weights_digest
from matte_link.sequence import format_frames

from ..core.align import Alignment
from ..core.image import Guides, Image, PlatePair
from ..errors import MatteError
from ..frame.refinement import solved_foreground
from ..frame.warper import FrameWarper
from ..io import exr
from ..learning.examples import LearningExample, example_of
from ..learning.learned_file import LearnedFacts, load_checkpoint, save_checkpoint, write_learned
from ..learning.learner import MEASURE_EVERY, Check, ShotLearner
from ..learning.settings import LearningProgress, LearningSettings
from ..models.cleanplate import SPEC, CleanplateModel, load_network
from ..models.identity import default_weights
from ..models.protocols import ModelSettings
from .inputs import ShotInputs
from .plate_solve import PlateSolve
from .role_files import frame_pattern
from .shot import Shot, ShotFrame, evenly_spaced
from .solve_file import alignment_facts

FRAMES = 8
"""How many frames are learnt from where no frame has a key matte, spread over the shot."""


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
        return self.output.with_name(f".{self.output.name}.run")

    @property
    def base_digest(self) -> str:
        """The digest of the weights to start from."""
        named = self.shot.options.weights
        return weights_digest(Path(named)) if named else default_weights()[SPEC.name]


@dataclass(frozen=True)
class LearnReport:
    """How a run ended. Errors are mean errors of alpha, 0..1, on what was left out of the learning."""

    frames: tuple[int, ...]
    steps: int
    first_error: float
    error: float
    was_written: bool


def key_mattes(named: Sequence[str], masks: str, frames: Sequence[ShotFrame]) -> dict[int, KeyMatte]:
    """The key mattes by frame number: from patterns such as ``mended.####.exr`` (every existing file of a frame of
    the shot), or from ``FRAME=FILE``. ``masks`` is a pattern or one file; empty: the mattes are right everywhere.
    Raises ``MatteError`` with bad_key, bad_range and missing_frame."""
    numbers = {frame.frame for frame in frames}
    files: dict[int, Path] = {}
    for text in named:
        files |= _numbered(text, numbers)
    mask = frame_pattern(masks) if masks else None
    found = {
        number: KeyMatte(matte=path, mask=mask.path(number) if mask else None)
        for number, path in sorted(files.items())
    }
    for key in found.values():
        for path in (key.matte, key.mask):
            if path is not None and not path.is_file():
                raise MatteError(
                    "missing_frame", f"{path} does not exist; nothing was started.", "Correct the name."
                )
    return found


def _numbered(text: str, numbers: set[int]) -> dict[int, Path]:
    """The files that one ``--key`` names, by frame number."""
    number, is_pair, name = text.partition("=")
    if is_pair and number.removeprefix("-").isdecimal():
        found = {int(number): Path(name)}
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


def learn_shot(order: LearnOrder, check: Check, on_progress: Callable[[LearningProgress], None]) -> LearnReport:
    """Learns and writes ``order.output``, unless nothing was gained. What ``check`` raises ends the run: what was
    gained until then is written, the run can go on later, and the error is raised again. Raises ``MatteError`` with
    the codes of reading and aligning, no_frames and size_mismatch, and ``OSError``."""
    device = torch.device(order.device)
    examples, inputs = _examples(order, device, check)
    learner = ShotLearner(load_network(order.shot.options.weights), examples, order.settings, device)
    earlier = load_checkpoint(order.checkpoint, inputs)
    if earlier is not None:
        learner.resume(earlier)

    def after_step(progress: LearningProgress) -> None:
        if progress.step % MEASURE_EVERY == 0:
            save_checkpoint(order.checkpoint, learner.state(), inputs)
        on_progress(progress)

    try:
        learner.run(check, after_step)
    except BaseException:
        _finish(order, learner, examples, inputs)
        raise
    report = _finish(order, learner, examples, inputs)
    order.checkpoint.unlink(missing_ok=True)
    return report


def _finish(
    order: LearnOrder, learner: ShotLearner, examples: Sequence[LearningExample], inputs: str
) -> LearnReport:
    """Writes the best weights so far, if they are better than those at the start."""
    frames = tuple(example.frame for example in examples)
    if not learner.errors:
        return LearnReport(frames=frames, steps=0, first_error=0.0, error=0.0, was_written=False)
    if learner.has_gained:
        facts = LearnedFacts(
            model=SPEC.name,
            base=order.base_digest,
            licence=SPEC.licence,
            version=version("cleanplate"),
            frames=frames,
            true_frames=tuple(example.frame for example in examples if example.is_truth),
            inputs=inputs,
            steps=learner.step,
            seed=order.settings.seed,
            first_error=learner.first_error,
            error=learner.best_error,
            options=order.shot.options.to_dict(),
            device=order.device,
        )
        write_learned(order.output, learner.best_weights(), facts)
    return LearnReport(
        frames=frames,
        steps=learner.step,
        first_error=learner.first_error,
        error=learner.best_error,
        was_written=learner.has_gained,
    )


def _examples(order: LearnOrder, device: torch.device, check: Check) -> tuple[list[LearningExample], str]:
    """The examples, and the digest of all that they and the run depend on."""
    shot = order.shot
    every = {frame.frame: frame for frame in shot.frames}
    chosen = [every[number] for number in order.keys] or list(evenly_spaced(shot.frames, FRAMES))
    model = CleanplateModel.load(shot.options.weights, device)
    # The weights count by their content, wherever they lie.
    options = replace(shot.options, weights="").to_dict()
    examples = []
    with ShotInputs(shot.options) as pictures:
        run = [order.base_digest, asdict(order.settings), options, pictures.colour_source]
        digest = blake3(json.dumps(run, sort_keys=True).encode())
        reader = _FrameReader(
            order=order, pictures=pictures, solve=PlateSolve(shot, pictures, version("cleanplate"))
        )
        for frame in chosen:
            check()
            alignment = reader.solve.alignment_of_neighbour(frame)
            examples.append(reader.example(frame, alignment, model, device))
            digest.update(reader.key(frame, alignment).encode())
    if len({example.size for example in examples}) > 1:
        raise MatteError(
            "size_mismatch", "The frames have different sizes, and one network learns from frames of one size.",
            "Learn from those of one size with --frames.",
        )  # fmt: skip
    return examples, digest.hexdigest()


@dataclass(frozen=True, eq=False)
class _FrameReader:
    """Reads a shot's frames as examples."""

    order: LearnOrder
    pictures: ShotInputs
    solve: PlateSolve

    def example(
        self, frame: ShotFrame, alignment: Alignment, model: CleanplateModel, device: torch.device
    ) -> LearningExample:
        """One frame with its key matte, or with the model's own matte where it has none."""
        key = self.order.keys.get(frame.frame)
        plate, read_clean = self.pictures.pair(frame)
        pair = PlatePair(plate=plate, clean_plate=read_clean())
        guides = Guides(core=self._matte(key.matte), holdout=self._matte(key.mask)) if key else Guides()
        tensors = FrameWarper(device).tensors(pair, guides, alignment)
        found = model.predict(replace(tensors, core=None, holdout=None), ModelSettings(), lambda: None)
        alpha = found.alpha if tensors.core is None else tensors.core
        trust = torch.ones_like(alpha) if tensors.holdout is None else tensors.holdout
        foreground = solved_foreground(tensors, found, alpha)
        return example_of(frame.frame, tensors, foreground, alpha, trust, key is not None, self.order.settings.seed)

    def key(self, frame: ShotFrame, alignment: Alignment) -> str:
        """Names all that a frame's example depends on."""
        key = self.order.keys.get(frame.frame)
        files = [path for path in (key.matte, key.mask) if path] if key else []
        digests = [self.pictures.digest(frame, role) for role in ("plate", "clean_plate")]
        mattes = [blake3(path.read_bytes()).hexdigest() for path in files]
        return json.dumps([frame.frame, digests, mattes, alignment_facts(alignment)], sort_keys=True)

    def _matte(self, path: Path | None) -> Image | None:
        """A matte's values, read as every guide's are."""
        return exr.matte_channel(self.pictures.read_data(path, 0)) if path is not None else None
