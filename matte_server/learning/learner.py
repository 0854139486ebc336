"""The steps of learning a shot. Anytime: the best weights so far are ready, and a run can be continued."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..models.protocols import CancelCheck
from .composites import Composer
from .examples import LearningExample
from .measurement import Measurement, probes_of
from .networks import LearnableNetwork
from .optimiser import WeightOptimiser
from .settings import LearningProgress, LearningSettings

_WARM_UP = 20
_RATES = {True: 1e-3, False: 6e-4}
"""Highest rate with true mattes, and without. On held-out sequences 1e-3 took more of the error away in 100 steps
than 3e-4 in 200. Without them 1e-3 made fur worse than it was, and 3e-4 gained less in the same 40 steps."""
_AFTER_SETBACK = 0.3
"""The rate falls to this part where the error on what was left out is larger than before the first step: the
model's matte was nearly right there, and large steps unlearn more than they teach."""
_PATIENCE = 4
_LEAST_GAIN = 0.005
"""A run ends when this many measurements in a row gained less than this part of the error."""
_WORTH, _WORTH_WITHOUT_KEYS = 0.02, 0.05
"""Weights are handed over where they took at least this part of the error away: less may be chance. Without keys
the error is that on composites of the model's own mattes, which have its faults too. In six sequences it fell by 6
to 50 %, and the error of the frames by 7 % and more."""
_NORM = 1.0


@dataclass(frozen=True, eq=False)
class LearningState:
    """All that a run needs to go on: tensors by name, and numbers."""

    tensors: dict[str, Tensor]
    step: int
    errors: tuple[float, ...]
    """Every measurement so far, the one before the first step first."""


class ShotLearner:
    """Learns from examples, one piece of work after the other. Batch statistics stay those of the weights that it
    starts from: a shot's few frames would make worse ones."""

    def __init__(
        self,
        network: LearnableNetwork,
        examples: Sequence[LearningExample],
        settings: LearningSettings,
        device: torch.device,
    ) -> None:
        self._settings, self._device, self._network = settings, device, network
        # Nothing else in the networks distinguishes training but dropout, which would not be the same twice.
        self._net = network.module.eval()
        parameters = [parameter.requires_grad_(True) for parameter in self._net.parameters()]
        has_truth = any(example.is_truth for example in examples)
        self._highest_rate = settings.rate if settings.rate is not None else _RATES[has_truth]
        self._worth = _WORTH if has_truth else _WORTH_WITHOUT_KEYS
        self._every = settings.measure_every if has_truth else settings.measure_every_without_keys
        self._optimiser = WeightOptimiser(parameters)
        self._composer = Composer(examples=examples, seed=settings.seed)
        self._probes = probes_of(examples, settings.seed, device)
        self._measurement: Measurement | None = None
        self._best = self._weights()
        self._seconds, self._first_step = 0.0, 0
        self.step = 0
        self.errors: list[float] = []

    @property
    def first_error(self) -> float | None:
        """The error on what was left out before the first step; None until it is measured."""
        return self.errors[0] if self.errors else None

    @property
    def best_error(self) -> float | None:
        """The least error measured so far; None until the first is measured."""
        return min(self.errors, default=None)

    @property
    def has_gained(self) -> bool:
        """Whether the best weights are better on what was left out than those at the start."""
        return bool(self.errors) and min(self.errors) < self.errors[0] * (1 - self._worth)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done and measured, or the last ones gained nothing."""
        if self._is_measurement_due:
            return False
        recent, before = self.errors[-_PATIENCE:], self.errors[:-_PATIENCE]
        gains_no_more = len(before) > 1 and min(recent) > min(before) * (1 - _LEAST_GAIN)
        return self.step >= self._settings.steps or gains_no_more

    @property
    def _is_measurement_due(self) -> bool:
        """Measured before the first step, at intervals, and after the last."""
        is_last = self.step == self._settings.steps and self.step % self._every != 0
        return len(self.errors) < 1 + self.step // self._every + is_last

    def best_weights(self) -> dict[str, Tensor]:
        """The weights with the least error so far, float32 on the CPU."""
        return {name: value.float().cpu() for name, value in self._best.items()}

    def advance(self, check: CancelCheck, pause: CancelCheck = lambda: None) -> LearningProgress:
        """One piece of work: a step, or the measurement of one picture. ``pause`` is called between the parts of a
        step, when other work may go first. What either raises passes through; the learner is then as it was before
        the call."""
        check()
        started = time.monotonic()
        if self._is_measurement_due:
            self._measure_one(check)
        else:
            self._take_step(pause)
        self._seconds += time.monotonic() - started
        return self._progress()

    def _progress(self) -> LearningProgress:
        done = self.step - self._first_step
        return LearningProgress(
            step=self.step,
            steps=self._settings.steps,
            error=self.errors[-1] if self.errors else None,
            first_error=self.first_error,
            left_s=self._seconds / done * (self._settings.steps - self.step) if done else None,
        )

    def _take_step(self, pause: CancelCheck) -> None:
        """A step, picture by picture: the gradient is that of a batch, and its parts are shorter."""
        pictures = self._composer.pictures(self.step, self._device)
        generator = torch.Generator(self._device).manual_seed(self._settings.seed * 1_000_003 + self.step)
        self._optimiser.clear_gradients()
        for picture in pictures:
            pause()
            with torch.enable_grad():
                loss = self._network.loss(picture, generator) / len(pictures)
            pause()
            loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._net.parameters(), _NORM)
        if torch.isfinite(norm):
            self._optimiser.step(self._rate())
        self.step += 1

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / _WARM_UP)
        setbacks = sum(error > self.errors[0] for error in self.errors)
        return (
            self._highest_rate
            * _AFTER_SETBACK**setbacks
            * warm
            * 0.5
            * (1 + math.cos(math.pi * self.step / self._settings.steps))
        )

    def _measure_one(self, check: CancelCheck) -> None:
        """Measures the next picture; after the last one keeps the weights where the error is the least so far."""
        if self._measurement is None:
            self._measurement = Measurement(self._network, self._probes)
        self._measurement.advance(check)
        if self._measurement.is_finished:
            error = self._measurement.error
            # Weights that overflowed give no number; no error is larger than 1.
            self.errors.append(error if math.isfinite(error) else 1.0)
            self._measurement = None
            if self.errors[-1] <= min(self.errors):
                self._best = self._weights()
            elif self.errors[-1] > self.errors[0]:
                self._go_back()

    def _go_back(self) -> None:
        """From weights that became worse than those at the start to the best ones; the rate then falls too."""
        self._net.load_state_dict(self._best)
        self._optimiser.restart()

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._net.state_dict().items()}

    # -- to go on later

    def state(self) -> LearningState:
        """What :meth:`resume` needs."""
        found: dict[str, Tensor] = {f"net.{name}": value for name, value in self._weights().items()}
        found |= {f"best.{name}": value for name, value in self._best.items()}
        found |= {f"optimiser.{name}": value for name, value in self._optimiser.state().items()}
        return LearningState(
            tensors={name: value.detach().cpu().contiguous() for name, value in found.items()},
            step=self.step,
            errors=tuple(self.errors),
        )

    def resume(self, state: LearningState) -> None:
        """Goes on from ``state``, which a learner with the same examples and settings made."""
        self._net.load_state_dict(_of(state.tensors, "net."))
        self._best = {name: value.to(self._device) for name, value in _of(state.tensors, "best.").items()}
        self._optimiser.load(_of(state.tensors, "optimiser."))
        self.step, self.errors, self._first_step = state.step, list(state.errors), state.step


def _of(tensors_by_name: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors_by_name.items() if name.startswith(prefix)}
