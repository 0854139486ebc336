"""AdamW, by torch's own function for a step.

Torch's class does the same, but imports torch's compiler, which takes five seconds of CPU time in every process
that learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_BETAS, _DECAY, _TINY = (0.9, 0.99), 1e-4, 1e-8
_NAMES = ("step", "exp_avg", "exp_avg_sq")


class WeightOptimiser:
    """Moves ``parameters`` along their gradients; keeps the two moments of each (Loshchilov and Hutter, ICLR 2019,
    algorithm 2)."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = list(parameters)
        self._moments: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        """By the parameter's number: how many steps it took, and the means of its gradient and of its square."""

    def clear_gradients(self) -> None:
        """Forgets the gradients of the last step."""
        for parameter in self._parameters:
            parameter.grad = None

    def restart(self) -> None:
        """Forgets the moments: the weights are others now."""
        self._moments.clear()

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step of every parameter that has a gradient."""
        moved = [(number, each) for number, each in enumerate(self._parameters) if each.grad is not None]
        moments = [self._moments.setdefault(number, _at_rest(each)) for number, each in moved]
        adamw(
            params=[each for _, each in moved],
            grads=[each.grad for _, each in moved if each.grad is not None],
            exp_avgs=[first for _, first, _ in moments],
            exp_avg_sqs=[second for _, _, second in moments],
            max_exp_avg_sqs=[],
            state_steps=[count for count, _, _ in moments],
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=rate,
            weight_decay=_DECAY,
            eps=_TINY,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """The moments by name, for :meth:`load`."""
        return {
            f"{number}.{name}": value
            for number, values in self._moments.items()
            for name, value in zip(_NAMES, values, strict=True)
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a :meth:`state` of the same parameters."""
        numbers = sorted({int(name.partition(".")[0]) for name in state})
        self._moments = {number: self._loaded(number, state) for number in numbers}

    def _loaded(self, number: int, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        count, first, second = (state[f"{number}.{name}"] for name in _NAMES)
        like = self._parameters[number]
        return count.clone(), _placed(first, like), _placed(second, like)


def _placed(moment: Tensor, like: Tensor) -> Tensor:
    """A moment in the parameter's own memory order, so that a run that goes on adds up in the same order."""
    return torch.empty_like(like, dtype=moment.dtype).copy_(moment)


def _at_rest(parameter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    zero = torch.zeros_like(parameter, memory_format=torch.preserve_format)
    return torch.tensor(0.0), zero, zero.clone()
