"""A matting process's memory: its budget, and what it does instead of failing when the budget is spent.

The first step down is the model's: it runs again in smaller tiles, which gives the same matte. What that does not
help comes back to the server as ``out_of_memory``; the server then computes the frame again while no other one
is under way, and only then gives up. Every step is told in the reply's warnings.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import is_out_of_memory
from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, ModelSpec, Prediction
from .machine import memory_budget

_TILES = {"cpu": (0, 128, 32), "cuda": (0, 512, 128, 32)}
"""Tiles in pixels, from the model's own choice (0) down."""


def limit_memory(device: str, budget: int, workers: int = 1) -> None:
    """From now on this process may take ``budget`` bytes more than it has: an allocation beyond it fails, where
    the system would otherwise kill a process of its choice later. 0: its share of the machine's memory on the
    CPU, no limit on a GPU."""
    if device.startswith("cuda"):
        if budget:
            total = torch.cuda.get_device_properties(device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, budget / total), torch.device(device))
    elif sys.platform == "linux":
        budget = budget or memory_budget() // workers
        held = _data_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = held + budget
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _data_bytes() -> int:
    """What counts against RLIMIT_DATA now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def give_back(device: str) -> None:
    """Returns what is free inside this process to the device and to the system."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


class MemorySavingModel:
    """A model that runs again in smaller tiles where memory runs out; otherwise the model it is given.

    The tile that served a size of frame is kept for the next frames of that size. ``warn`` hears what a frame
    needed.
    """

    def __init__(self, model: MattingModel, device: torch.device, warn: Callable[[str], None]) -> None:
        self._model = model
        self._device = device
        self._warn = warn
        self._steps: dict[tuple[int, int], int] = {}

    @property
    def spec(self) -> ModelSpec:
        """The model's own."""
        return self._model.spec

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """The model's prediction; raises its out-of-memory error where the smallest tile does not fit either."""
        tiles = _TILES.get(self._device.type, _TILES["cpu"])
        step = self._steps.get(frame.size, 0)
        while True:
            wanted = replace(settings, tile=tiles[step] or settings.tile)
            prediction = self._tried(frame, wanted, check, is_last=step == len(tiles) - 1)
            if prediction is not None:
                break
            check()
            step += 1
        self._steps[frame.size] = step
        if step:
            self._warn(f"Memory was short: the model ran in tiles of {tiles[step]} px.")
        return prediction

    def _tried(
        self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck, is_last: bool
    ) -> Prediction | None:
        """None where memory ran out and there is another step."""
        try:
            return self._model.predict(frame, settings, check)
        except Exception as error:
            if is_last or not is_out_of_memory(error):
                raise
        # Outside the except clause: the error's traceback held the tensors of the attempt.
        give_back(str(self._device))
        return None


class MemorySavingLoader:
    """Loads models as the registry does, each able to step down."""

    def __init__(self, load: Callable[[str, str, torch.device], MattingModel]) -> None:
        self._load = load
        self._warnings: list[str] = []

    def __call__(self, name: str, weights: str, device: torch.device) -> MattingModel:
        return MemorySavingModel(self._load(name, weights, device), device, self._warnings.append)

    def warnings(self) -> list[str]:
        """What was said since the last call."""
        said, self._warnings[:] = list(self._warnings), []
        return said
