"""One shot being learnt from frames that are handed in as pictures, step by step.

The command line and the server's job both use it: they hand in frames, go on for as long as they like, and take the
result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from matte_link.file_digest import file_digest
from matte_link.options import AUTO_MODEL

from ..errors import MatteError
from ..models.identity import default_weights
from ..models.learned import LearnedFacts
from ..models.network_table import CLEANPLATE
from ..models.protocols import CancelCheck
from ..models.weights import find_weights
from .example_maker import ExampleMaker, FrameOnDevice
from .examples import LearningExample, digest_of, of_one_size
from .frames import LearningFrame
from .key_places import KeyPlaces
from .learned_file import checkpoint_bytes, checkpoint_state, learned_bytes
from .learner import ShotLearner
from .networks import load_learnable
from .settings import LearningProgress, LearningSettings


@dataclass(frozen=True, eq=False)
class LearningResult:
    """How far a run has come. ``data`` is the file of the learned weights, empty where they are not better on what
    was left out of the learning than those at the start; ``facts`` is what the file says of itself. Errors are mean
    errors of alpha, 0..1; None until they are measured."""

    has_gained: bool
    data: bytes
    facts: LearnedFacts | None
    frames: tuple[int, ...]
    steps: int
    first_error: float | None
    error: float | None
    warnings: tuple[str, ...] = ()


@dataclass(eq=False)
class LearningRun:
    """Learns a shot with ``model`` from the weights of a file, or from those that the model uses by itself where
    ``weights`` is empty. ``options`` are only noted in the result.

    Raises ``MatteError``: bad_option where the model cannot learn, missing_weights, bad_weights.
    """

    model: str
    weights: str
    settings: LearningSettings
    device: torch.device
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = CLEANPLATE if self.model == AUTO_MODEL else self.model
        self._network = load_learnable(self.model, self.weights, self.device)
        self._base = self._base_digest()
        self._maker = ExampleMaker(self._network, self.device, self.settings.seed)
        self._examples: list[LearningExample] = []
        self._places = KeyPlaces()
        self._learner: ShotLearner | None = None
        self._inputs = ""

    def _base_digest(self) -> str:
        if not self.weights:
            return default_weights()[self.model]
        path = Path(self.weights)
        return file_digest(path if path.is_file() else find_weights(self.model, self.weights))

    @property
    def inputs(self) -> str:
        """Names all that the run depends on: the same inputs on the same kind of device give the same weights."""
        return self._inputs

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self._learner is not None and self._learner.is_finished

    def add(self, frame: LearningFrame, check: CancelCheck) -> None:
        """Takes a frame in. The model runs on it once; the pictures themselves are not kept. Raises ``MatteError``:
        not_finite, empty, bad_key, and the model's codes; and what ``check`` raises."""
        given = self._maker.on_device(frame)
        self._examples.append(self._maker.example(given, check))
        # A mask says that somebody has looked at this matte.
        if given.key is not None and given.mask is None:
            self._show(given, check)

    def show(self, frame: LearningFrame, check: CancelCheck) -> None:
        """Looks where the subject is, in case a key matte with another number belongs to this frame. Nothing is
        learnt from the frame. Raises what :meth:`add` raises."""
        self._show(self._maker.on_device(frame), check)

    def _show(self, frame: FrameOnDevice, check: CancelCheck) -> None:
        key, found = self._maker.outlines(frame, check)
        self._places.found[frame.number] = found
        if key is not None:
            self._places.keys[frame.number] = key

    @property
    def doubted_keys(self) -> set[int]:
        """The frames whose key matte differs from the model's so much that it may belong to another frame."""
        return self._places.doubted()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the frames that were added."""
        misplaced = (
            f"The key matte of frame {number} fits frame {other} better than its own. Look whether it has the "
            "right number."
            for number, other in self._places.misplaced().items()
        )
        return (*self._maker.warnings, *misplaced)

    def begin(self, checkpoint: bytes = b"") -> bool:
        """Starts learning from the frames that were added; returns whether it goes on from ``checkpoint``, which it
        does if that was made by a run with the same :attr:`inputs`. Raises ``MatteError``: no_frames, bad_key."""
        _check_material(self._examples)
        self._examples = of_one_size(self._examples)
        run = f"{self.model} {self._base} {sorted(asdict(self.settings).items())} {digest_of(self._examples)}"
        self._inputs = blake3(run.encode()).hexdigest()
        self._learner = ShotLearner(self._network, self._examples, self.settings, self.device)
        earlier = checkpoint_state(checkpoint, self._inputs)
        if earlier is not None:
            self._learner.resume(earlier)
        return earlier is not None

    def advance(self, check: CancelCheck, pause: CancelCheck = lambda: None) -> LearningProgress:
        """One piece of work: a training step, between the parts of which ``pause`` is called, or the measurement of
        one picture. What either raises passes through, and the run can go on."""
        return self._begun.advance(check, pause)

    def checkpoint(self) -> bytes:
        """What :meth:`begin` needs to go on from here; a safetensors file."""
        return checkpoint_bytes(self._begun.state(), self._inputs)

    def result(self) -> LearningResult:
        """The best so far."""
        learner, frames = self._begun, tuple(example.frame for example in self._examples)
        facts = self._facts(learner, frames) if learner.has_gained else None
        return LearningResult(
            has_gained=facts is not None,
            data=b"" if facts is None else learned_bytes(learner.best_weights(), facts),
            facts=facts,
            frames=frames,
            steps=learner.step,
            first_error=learner.first_error,
            error=learner.best_error,
            warnings=self.warnings,
        )

    @property
    def _begun(self) -> ShotLearner:
        if self._learner is None:
            raise ValueError("begin() comes first")
        return self._learner

    def _facts(self, learner: ShotLearner, frames: tuple[int, ...]) -> LearnedFacts:
        return LearnedFacts(
            model=self.model,
            base=self._base,
            licence=self._network.spec.licence,
            version=version("cleanplate"),
            frames=frames,
            true_frames=tuple(example.frame for example in self._examples if example.is_truth),
            inputs=self._inputs,
            steps=learner.step,
            seed=self.settings.seed,
            first_error=learner.errors[0],
            error=min(learner.errors),
            options=dict(self.options),
            device=self.device.type,
        )


def _check_material(examples: list[LearningExample]) -> None:
    """Raises ``MatteError`` where there is nothing to learn from."""
    if not examples:
        raise MatteError("no_frames", "No frame was given to learn from.")
    if any(example.is_truth for example in examples):
        return
    if not any(bool((example.alpha > 0.5).any()) for example in examples):
        raise MatteError(
            "no_frames",
            "The model's mattes are nowhere more than half solid, so that nothing can be learnt from them.",
            "Name frames in which the subject is, or mend a matte and name it with --key.",
        )
