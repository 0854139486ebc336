"""What a matting process does when memory runs out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matte_link.client import MatteClient
from matte_link.errors import RemoteError
from matte_link.messages import Accepted, Inline, Matte, Progress
from matte_link.options import MatteOptions

from matte_server.core.image import Guides, PlatePair
from matte_server.errors import is_out_of_memory
from matte_server.frame.pipeline import MODELS_HELD, MattePipeline
from matte_server.io.exr import read_image
from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from matte_server.models.registry import load_model
from matte_server.server.local_server import LocalServer
from matte_server.worker import machine
from matte_server.worker.memory import MemorySavingLoader
from tests.matte_server.server.conftest import Pictures, encoded, make_pictures

CPU = torch.device("cpu")
Make = Callable[..., Matte]


class Hungry:
    """Our own model, but its memory runs out at any tile above ``most``."""

    def __init__(self, most: int, error: type[Exception] = MemoryError) -> None:
        self._model = CleanplateModel.load("", CPU)
        self.spec = self._model.spec
        self.most = most
        self.error = error
        self.tiles: list[int] = []

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        self.tiles.append(settings.tile)
        if settings.tile == 0 or settings.tile > self.most:
            raise self.error("there is not enough memory")
        return self._model.predict(frame, settings, check)


def _solve(pipeline: MattePipeline, pictures: Pictures, model: str = "cleanplate") -> torch.Tensor:
    pair = PlatePair(plate=read_image(pictures.plate), clean_plate=read_image(pictures.clean))
    options = MatteOptions(model=model, align="none")
    result = pipeline.solve(pair, Guides(), options, check=lambda: None, progress=lambda *_: None)
    return torch.from_numpy(result.alpha.pixels)


def test_the_model_steps_down_to_tiles_with_the_same_matte(pictures: Pictures) -> None:
    hungry = Hungry(most=32)
    loader = MemorySavingLoader(lambda name, weights, device: hungry)
    stepped = MattePipeline(CPU, loader)
    wanted = _solve(MattePipeline(CPU), pictures)
    # The model's own promise: the order of float32 sums, 1e-5 in alpha.
    torch.testing.assert_close(_solve(stepped, pictures), wanted, atol=1e-5, rtol=0)
    assert hungry.tiles == [0, 128, 32]
    assert loader.take_warnings() == ["Memory was short: the model ran in tiles of 32 px."]
    assert loader.take_warnings() == []
    # The next frame of this size begins where this one ended; one of another size begins anew.
    _solve(stepped, pictures)
    assert hungry.tiles[3:] == [32]
    _solve(stepped, make_pictures((80, 100)))
    assert hungry.tiles[4:] == [0, 128, 32]


def test_what_no_tile_helps_is_out_of_memory_and_other_errors_are_not_tried_again(pictures: Pictures) -> None:
    hungry = Hungry(most=1)
    with pytest.raises(MemoryError):
        _solve(MattePipeline(CPU, MemorySavingLoader(lambda *_: hungry)), pictures)
    assert hungry.tiles == [0, 128, 32]
    broken = Hungry(most=1, error=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        _solve(MattePipeline(CPU, MemorySavingLoader(lambda *_: broken)), pictures)
    assert broken.tiles == [0]


def test_models_are_kept_warm_and_the_least_used_goes_first(pictures: Pictures) -> None:
    loads: list[str] = []

    def load(name: str, weights: str, device: torch.device) -> MattingModel:
        loads.append(name)
        return load_model("difference", "", device)

    pipeline = MattePipeline(CPU, load)
    small = make_pictures((48, 64))
    order = ["difference", "cleanplate", "difference", "v2", "difference", "cleanplate"]
    assert MODELS_HELD == 2
    for name in order:
        _solve(pipeline, small, name)
    # v2 displaced cleanplate, which was used longer ago than difference; nothing else was loaded twice.
    assert loads == ["difference", "cleanplate", "v2", "cleanplate"]


_LIMITED = """
import resource, sys
import cv2, numpy as np, torch
from matte_server.worker.memory import limit_memory
from matte_server.errors import report_of
torch.set_num_threads(1)
cv2.setNumThreads(1)
limit_memory("cpu", 256 << 20)
size = 1 << 30
for name, take in (
    ("numpy", lambda: np.ones(size // 8)),
    ("torch", lambda: torch.ones(size // 4)),
    ("cv2", lambda: cv2.resize(np.ones((64, 64), np.float32), (16384, 16384))),
):
    try:
        take()
        print(name, "taken")
    except Exception as error:
        print(name, report_of(error).code)
print("still", len(np.ones(1 << 20)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the budget of a CPU worker is Linux's RLIMIT_DATA")
def test_beyond_the_budget_every_library_fails_with_the_code_and_none_is_killed() -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "numpy out_of_memory", "torch out_of_memory", "cv2 out_of_memory", "still 1048576"
    ], done.stderr  # fmt: skip


def test_only_failed_allocations_count() -> None:
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_the_budget_is_the_containers_where_that_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_limit", lambda: 1_000_000_000)
    assert machine.memory_budget() == 900_000_000
    monkeypatch.setattr(machine, "memory_limit", lambda: None)
    assert machine.memory_budget() > 900_000_000


def test_a_processor_is_shared_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_cores(count: int, memory_gib: int) -> int:
        monkeypatch.setattr(machine, "cores", lambda: count)
        return machine.workers_without_gpu(memory_gib << 30)

    assert [with_cores(*facts) for facts in ((1, 64), (2, 24), (2, 8), (16, 4), (64, 256))] == [1, 2, 1, 1, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="the budget of a CPU worker is Linux's RLIMIT_DATA")
def test_a_frame_beyond_the_budget_is_refused_after_its_turn_alone(request_for: Make, pictures: Pictures) -> None:
    """2000 x 3000: the two pictures alone are 137 MiB as floats, and the budget is 0.15 GiB."""
    large = Inline(data=encoded(np.full((2000, 3000, 3), 0.4)))
    with LocalServer(["--device", "cpu", "--memory-gb", "0.15"]) as server, MatteClient(server.endpoint) as client:
        worker = client.status().state["workers"][0]["pid"]
        stages: list[str] = []

        def listen(event: Accepted | Progress) -> None:
            if isinstance(event, Progress):
                stages.append(event.stage)

        with pytest.raises(RemoteError) as caught:
            client.matte(request_for(plate=large, clean_plate=large), listen)
        assert caught.value.code == "out_of_memory"
        assert stages.count("start") == 2 and stages.count("memory") == 1
        # Nothing was killed, and what fits is served.
        assert client.matte(request_for()).data
        assert client.status().state["workers"][0]["pid"] == worker
