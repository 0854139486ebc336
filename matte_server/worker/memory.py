"""A worker's memory: its budget, and what it tries before a frame fails for lack of memory.

First the model runs again in smaller tiles, which gives the same matte. Where that does not help, the worker
reports ``out_of_memory``; the server then has the frame computed again while no other frame is, and fails it only
if that does not help either. The reply's warnings mention each of these steps.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import is_out_of_memory
from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, ModelSpec, Prediction
from .machine import memory_budget

_TILES = {"cpu": (0, 128, 32), "cuda": (0, 512, 128, 32)}
"""Tile sizes in pixels to try in order; 0 is the model's own choice."""


def limit_memory(device: str, budget: int, workers: int = 1) -> None:
    """Limits this process to ``budget`` bytes more than it uses now. An allocation beyond that fails; without a
    limit the system would kill some process later. ``budget`` 0: a CPU worker gets its share of the machine's
    memory, a GPU worker no limit."""
    if device.startswith("cuda"):
        if budget:
            total = torch.cuda.get_device_properties(device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, budget / total), torch.device(device))
    elif sys.platform == "linux":
        # Imported here: Windows has no such module.
        import resource

        budget = budget or memory_budget() // workers
        held = _data_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = held + budget
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _data_bytes() -> int:
    """How many bytes count against RLIMIT_DATA now."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def memory_left(device: str) -> int | None:
    """How many more bytes this process may take on the device; None where nothing limits it."""
    if device.startswith("cuda"):
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    if sys.platform != "linux":
        return None
    # Imported here: Windows has no such module.
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if limit == resource.RLIM_INFINITY else limit - _data_bytes()


def release_free_memory(device: str) -> None:
    """Returns memory that this process holds but does not use to the device and to the system."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


class MemorySavingModel:
    """Wraps a model so that it runs again in smaller tiles where memory runs out.

    The tile size that worked for one frame is used for the next frames of the same size. ``warn`` is called with a
    warning for each frame that needed smaller tiles.
    """

    def __init__(self, model: MattingModel, device: torch.device, warn: Callable[[str], None]) -> None:
        self._model = model
        self._device = device
        self._warn = warn
        self._steps: dict[tuple[int, int], int] = {}

    @property
    def spec(self) -> ModelSpec:
        """The spec of the wrapped model."""
        return self._model.spec

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """The model's prediction. Raises its out-of-memory error where even the smallest tile does not fit."""
        tiles = _TILES.get(self._device.type, _TILES["cpu"])
        step = self._steps.get(frame.size, 0)
        while True:
            tiled = replace(settings, tile=tiles[step] or settings.tile)
            prediction = self._try(frame, tiled, check, is_last=step == len(tiles) - 1)
            if prediction is not None:
                break
            check()
            step += 1
        self._steps[frame.size] = step
        if step:
            self._warn(f"Memory was short: the model ran in tiles of {tiles[step]} px.")
        return prediction

    def _try(
        self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck, is_last: bool
    ) -> Prediction | None:
        """None where memory ran out and there is a smaller tile to try."""
        try:
            return self._model.predict(frame, settings, check)
        except Exception as error:
            if is_last or not is_out_of_memory(error):
                raise
        # Outside the except clause: the error's traceback held the tensors of the attempt.
        release_free_memory(str(self._device))
        return None


class MemorySavingLoader:
    """Loads models, each wrapped in a :class:`MemorySavingModel`, and collects their warnings."""

    def __init__(self, load: Callable[[str, str, torch.device], MattingModel]) -> None:
        self._load = load
        self._warnings: list[str] = []

    def __call__(self, name: str, weights: str, device: torch.device) -> MattingModel:
        return MemorySavingModel(self._load(name, weights, device), device, self._warnings.append)

    def take_warnings(self) -> list[str]:
        """The warnings since the last call."""
        warnings, self._warnings[:] = list(self._warnings), []
        return warnings
