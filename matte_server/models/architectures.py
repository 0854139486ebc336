"""Recognises the network that weights belong to, from the names and shapes of their tensors alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import torch
from torch import Tensor, nn

from ..errors import MatteError
from .network_table import ARCHITECTURES, SEGMENTATION, V1, V2, Architecture
from .networks.bgm2 import Bgm2

BATCH_COUNTER = "num_batches_tracked"
"""Suffix of the tensors that count a normalisation's training batches; no weights file needs them."""
_LEAST_OVERLAP = 0.05
_NAMED = 3


@cache
def expected(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the network's tensors; allocates none of them."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in architecture.build().state_dict().items()}


def without_batch_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors as they are written to a file."""
    return {name: value for name, value in state.items() if not name.endswith(BATCH_COUNTER)}


def size_in_bytes(architecture: Architecture) -> int:
    """The size of a file that holds the network's tensors in float32."""
    return 4 * sum(torch.Size(shape).numel() for shape in expected(architecture).values())


def recognise(names: Iterable[str]) -> Architecture | None:
    """The network that shares the most tensor names with ``names``; None where none shares enough."""
    found = frozenset(names)
    # To build a DeepLab imports torchvision, which takes seconds: only where the names can belong to one.
    segments = any(name.startswith("classifier.") for name in found)
    candidates = [each for each in ARCHITECTURES if segments or each.model != SEGMENTATION]

    def overlap(architecture: Architecture) -> float:
        wanted = expected(architecture).keys()
        return len(found & wanted) / max(1, len(found | wanted))

    best = max(candidates, key=overlap)
    return best if overlap(best) >= _LEAST_OVERLAP else None


def network_of(state: Mapping[str, Tensor], model: str, source: str) -> tuple[Architecture, nn.Module]:
    """The network with the weights ``state``, in evaluation mode. ``model`` is the registry name that the caller
    wants, ``source`` the file name for messages. Raises ``MatteError("bad_weights", ...)`` that says which network
    the file resembles and which tensors are missing or wrong."""
    architecture = recognise(state)
    if architecture is None:
        some = ", ".join(list(state)[:_NAMED]) or "no tensors"
        raise MatteError(
            "bad_weights", f"{source} fits no network that Cleanplate runs; it holds {some}.", _what_runs()
        )
    if architecture.model != model:
        raise MatteError(
            "bad_weights",
            f"{source} looks like the weights of {architecture.label}, not of {model}.",
            f"Run it with --model {architecture.model}." if architecture.model in (V1, V2) else "",
        )
    network = _empty(architecture, state)
    _check(network.state_dict(), state, architecture, source)
    check_finite(state, source)
    network.load_state_dict({name: state.get(name, tensor) for name, tensor in network.state_dict().items()})
    return architecture, network.eval()


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raises ``MatteError("bad_weights", ...)`` where weights are NaN or infinite: every matte would be."""
    broken = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise MatteError(
            "bad_weights", f"{source} holds values that are NaN or infinite, in {broken[0]}.", "Use another file."
        )


def _what_runs() -> str:
    return f"Cleanplate runs these networks: {', '.join(each.label for each in ARCHITECTURES)}."


def _empty(architecture: Architecture, state: Mapping[str, Tensor]) -> nn.Module:
    first = state.get("refiner.conv1.weight")
    if architecture.model == V2 and first is not None and first.dim() == 4 and first.shape[-1] == 1:
        return Bgm2(architecture.name.removeprefix("v2_"), kernel_size=1)
    return architecture.build()


def _check(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], architecture: Architecture, source: str
) -> None:
    # The counter of training steps changes nothing, and checkpoints of old libraries lack it.
    missing = [name for name in wanted if name not in state and not name.endswith(BATCH_COUNTER)]
    unknown = [name for name in state if name not in wanted]
    wrong = [
        f"{name} is {_shape(state[name])} instead of {_shape(tensor)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [
        *([f"{len(missing)} of its {len(wanted)} tensors are missing ({_some(missing)})"] if missing else []),
        *([f"{len(wrong)} have a wrong shape ({_some(wrong)})"] if wrong else []),
        *([f"{len(unknown)} are not known ({_some(unknown)})"] if unknown else []),
    ]
    if problems:
        raise MatteError(
            "bad_weights",
            f"{source} looks like the weights of {architecture.label}, but {', '.join(problems)}.",
            "Get the file again from where it came from.",
        )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
