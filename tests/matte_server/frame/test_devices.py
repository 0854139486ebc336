"""Options and precisions on the accelerator that this machine has, else on the CPU, against the CPU in float32."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.gpu.parity import Case, Comparison, cases

EVERY = 97
"""Eight of the 768 combinations; ``python -m tests.benchmarks.gpu`` compares all of them. A prime, so that every
option takes each of its values."""


def accelerator() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison(accelerator(), height=120, width=240)


@pytest.mark.parametrize(
    "case", list(cases(EVERY)), ids=lambda case: f"{case.options.model}-{case.options.precision}"
)
def test_the_device_gives_what_the_processor_gives(comparison: Comparison, case: Case) -> None:
    found = comparison.deviation(case)
    assert found.holds, found


def test_a_deviation_is_seen(comparison: Comparison) -> None:
    """The comparison itself: bfloat16 is no float32."""
    case = next(case for case in cases() if case.options.precision == "bfloat16")
    found = comparison.deviation(case)
    assert found.alpha[0] > 1e-5, found
