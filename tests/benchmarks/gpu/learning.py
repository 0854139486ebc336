"""What learning a shot costs on a device."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from matte_server.core.align import Alignment
from matte_server.core.image import Image, PlatePair
from matte_server.learning.frames import LearningFrame
from matte_server.learning.run import LearningRun
from matte_server.learning.settings import LearningSettings

from . import scene
from .stages import synchronise


def learning_cost(device: torch.device, height: int, width: int, steps: int) -> dict[str, float]:
    """Two frames with key mattes: seconds until the first step, median milliseconds a step, seconds of the whole
    run with its measurements, and the device's peak memory in GB (0 without CUDA)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    settings = LearningSettings(steps=steps)
    run = LearningRun(model="cleanplate", weights="", settings=settings, device=device)
    for number in (1, 8):
        run.add(_frame(height, width, number), lambda: None)
    run.begin()
    steps_s, done, first_step = list[float](), 0, 0.0
    while not run.is_finished:
        before = time.perf_counter()
        step = run.advance(lambda: None).step
        synchronise(device)
        if step > done:
            steps_s.append(time.perf_counter() - before)
            first_step = first_step or before - began
        done = step
    return {
        "first_step_s": round(first_step, 2),
        "step_ms": round(1000 * statistics.median(steps_s), 1),
        "whole_s": round(time.perf_counter() - began, 2),
        "steps": done,
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if device.type == "cuda" else 0.0,
    }


def _frame(height: int, width: int, number: int) -> LearningFrame:
    plate, clean = scene.pair(height, width, number)
    alpha = scene.alpha_of(height, width, number)
    return LearningFrame(
        number=number,
        pair=PlatePair(plate=plate, clean_plate=clean),
        alignment=Alignment(transform=np.eye(3)),
        key=Image(
            pixels=alpha[..., None],
            channels=("A",),
            data_window=plate.data_window,
            display_window=plate.display_window,
            colourspace=plate.colourspace,
        ),
    )
