"""The bytes of learned weights."""

from __future__ import annotations

import torch
from safetensors.torch import load

from matte_server.learning.learned_file import learned_bytes
from matte_server.models.learned import LearnedFacts


def test_the_same_learning_gives_the_same_bytes() -> None:
    """Safetensors write two keys of metadata in a random order."""
    facts = LearnedFacts(
        model="cleanplate", base="ab", licence="Apache-2.0", version="1", frames=(1, 9), true_frames=(9,),
        inputs="cd", steps=4, seed=1, first_error=0.02, error=0.01, options={"name": "Größe"},
    )  # fmt: skip
    weights = {"a": torch.rand(3, 5), "b": torch.rand(7)}
    files = {learned_bytes(weights, facts) for _ in range(20)}
    assert len(files) == 1
    found = load(files.pop())
    assert torch.equal(found["a"], weights["a"].half()) and torch.equal(found["b"], weights["b"])
