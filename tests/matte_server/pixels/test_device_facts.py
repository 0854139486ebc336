"""Devices without float64 never see one: a whole frame is solved under a guard that refuses the type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from matte_link.options import MatteOptions
from torch.utils._python_dispatch import TorchDispatchMode

from matte_server.core.image import Guides, PlatePair
from matte_server.frame.pipeline import MattePipeline
from matte_server.pixels import device_facts
from matte_server.pixels.warp import warp
from tests.matte_server.pictures import composed, image, moved

MOVE = np.array([[1.01, 0.0, 3.3], [0.0, 1.01, -2.2], [0.0, 0.0, 1.0]])


class NoFloat64(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """Fails at the first operation that makes a float64 tensor, as MPS does."""

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        made = found if isinstance(found, tuple | list) else [found]
        assert not [each for each in made if isinstance(each, torch.Tensor) and each.dtype == torch.float64], func
        return found


@pytest.fixture
def cpu_without_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(device_facts, "_WITH_FLOAT64", ())
    guard: Any = NoFloat64
    with guard():
        yield


@pytest.mark.parametrize("model", ["difference", "cleanplate"])
@pytest.mark.usefixtures("cpu_without_float64")
def test_a_frame_of_a_moved_camera_needs_no_float64(model: str) -> None:
    truth = composed(height=96, width=128, noise=0.003)
    options = MatteOptions(model=model, softness=1.0, erode=1.0, layer_clean=True, layer_shadow=True)
    pair = PlatePair(plate=image(truth.plate), clean_plate=image(moved(truth.clean, MOVE)))
    pipeline = MattePipeline(torch.device("cpu"))
    result = pipeline.solve(pair, Guides(), options, check=lambda: None, progress=lambda *stage: None)
    assert np.isfinite(result.alpha.pixels).all()


@pytest.mark.usefixtures("cpu_without_float64")
def test_coordinates_in_float32_at_8k() -> None:
    """A ramp of 1 a pixel says where each pixel was taken from. Six steps of float32 at 8,192, 4.9e-4 each, were
    measured: 3.1e-3 of a pixel."""
    ramp = torch.arange(8192, dtype=torch.float32).expand(1, 1, 4, 8192)
    matrix = torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found, _ = warp(ramp, matrix, 4, 8192)
    assert float((found - ramp - 0.3)[..., 8:-8].abs().max()) < 4e-3


def test_what_each_kind_computes_in() -> None:
    kinds = {kind: torch.device(kind) for kind in ("cpu", "cuda", "xpu", "mps")}
    assert {kind: device_facts.coordinate_type(device) for kind, device in kinds.items()} == {
        "cpu": torch.float64,
        "cuda": torch.float64,
        "xpu": torch.float32,
        "mps": torch.float32,
    }
    assert {kind: device_facts.automatic_precision(device) for kind, device in kinds.items()} == {
        "cpu": "float32",
        "cuda": "float16",
        "xpu": "float32",
        "mps": "float32",
    }
    assert device_facts.device_counts()["cpu"] == 1
    assert all(device.name.partition(":")[0] in kinds for device in device_facts.found_devices())


@pytest.mark.parametrize(("capability", "has"), [("avx512_bf16", True), ("amx_bf16", True), ("avx512_f", False)])
def test_a_processor_that_imitates_bfloat16_trains_in_float32(
    monkeypatch: pytest.MonkeyPatch, capability: str, has: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True}, raising=False)
    assert device_facts.has_bfloat16(torch.device("cpu")) == has
    assert device_facts.has_bfloat16(torch.device("cuda")) and not device_facts.has_bfloat16(torch.device("mps"))
