"""What the inference process does with one frame: files in, EXR out, the pipeline in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import torch
from matte_link.messages import Matte
from matte_link.options import MatteOptions

from ..core.image import Image, joined
from ..core.result import MatteResult
from ..errors import MatteError
from ..frame.neighbours import KEPT_BYTES, Neighbours
from ..frame.pipeline import STAGES, MattePipeline
from ..io import exr
from ..io.colour import from_scene_linear
from ..models.identity import default_weights
from ..models.registry import available_models, load_model
from .machine import workers_on
from .memory import MemorySavingLoader, give_back, limit_memory
from .messages import FrameFinished, FrameJob, WorkerReady
from .reader import FrameInputs, FrameReader, given_alignment, inside_roots
from .settings import WorkerSettings

Check = Callable[[], None]
Begun = Callable[[str, int, int], None]
_KEPT_SHARE = 8
"""Of a worker's memory, for what it keeps of neighbouring frames."""


class _StageTimes:
    """Passes each stage on as it begins, and keeps how long each took."""

    def __init__(self, begun: Begun) -> None:
        self._begun = begun
        self._marks: list[tuple[str, float]] = []

    def begin(self, stage: str, done: int) -> None:
        self._marks.append((stage, time.perf_counter()))
        self._begun(stage, done, len(STAGES) + 2)

    def seconds(self, read: float) -> dict[str, float]:
        """By stage; ``read``: what reading took, which may have been before the frame's turn."""
        ends = [at for _, at in self._marks[1:]] + [time.perf_counter()]
        took = {stage: round(end - at, 4) for (stage, at), end in zip(self._marks, ends, strict=True)}
        return {**took, "read": round(read, 4)}


class FrameSolver:
    """Owns the device, the pipeline with its warm models, and what is kept from frame to frame."""

    def __init__(
        self,
        device: str,
        spool: Path,
        roots: tuple[Path, ...],
        pipeline: MattePipeline,
        memory_warnings: Callable[[], list[str]] = list,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.device = device
        self._memory_warnings = memory_warnings
        self._spool = spool
        self._roots = roots
        self._pipeline = pipeline
        self._reader = FrameReader(roots)
        self._neighbours = Neighbours(pipeline, self._reader, kept_bytes)
        self.was_short = False
        """Whether memory ran out for a frame, or was only enough because it was used more sparingly."""

    @staticmethod
    def create(settings: WorkerSettings) -> FrameSolver:
        """Claims the device; raises ``MatteError("no_device", ...)`` where it is not there."""
        device = choose_device(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)
            cv2.setNumThreads(settings.threads)
            exr.use_threads(settings.threads)
        roots = tuple(Path(root) for root in settings.roots)
        workers = workers_on(device, settings.workers, settings.cpu_workers)
        memory = settings.memory // workers
        limit_memory(device, memory, workers)
        models = MemorySavingLoader(load_model)
        pipeline = MattePipeline(torch.device(device), models)
        kept = min(KEPT_BYTES, memory // _KEPT_SHARE) if memory else KEPT_BYTES
        return FrameSolver(device, Path(settings.spool), roots, pipeline, models.warnings, kept)

    def ready(self) -> WorkerReady:
        """What the server is told once the device is there."""
        devices = torch.cuda.device_count() if self.device.startswith("cuda") else 1
        return WorkerReady(self.device, devices, available_models(), default_weights())

    def recover(self) -> None:
        """After a frame that ran out of memory: gives back what it and the shots before it took."""
        self._memory_warnings()
        self.was_short = True
        self._reader.let_go()
        self._neighbours.let_go()
        self._pipeline.forget()
        give_back(self.device)

    def read(self, job: FrameJob) -> FrameInputs:
        """The frame's pictures, decoded. May run beside another frame; raises as :meth:`solve` does."""
        self._reader.check_paths(job.request)
        return self._neighbours.read(job) if job.request.options.temporal else self._reader.read(job)

    def solve(
        self, job: FrameJob, inputs_of: Callable[[], FrameInputs], check: Check, begun: Begun
    ) -> Callable[[], FrameFinished]:
        """One frame up to its pixels; what is returned encodes and writes them, and may run beside the next frame.
        ``inputs_of`` brings what :meth:`read` read. Both raise ``MatteError``, ``MatteCancelled`` and whatever else
        goes wrong."""
        request = job.request
        stages = _StageTimes(begun)
        stages.begin("read", 0)
        inputs = inputs_of()
        check()
        result = self._solved(job, inputs, stages, check)
        seconds = stages.seconds(inputs.seconds)
        figures = {**result.diagnostics, "colourspace": inputs.returned}
        if short := self._memory_warnings():
            self.was_short = True
            figures["warnings"] = [*cast(list[str], figures["warnings"]), *short]
        stages.begin("write", len(STAGES) + 1)
        own, returned = inputs.own, inputs.returned

        def write() -> FrameFinished:
            began = time.perf_counter()
            image, layers = matte_image(result, returned, request.options)
            form = exr.ExrFormat(request.options.bit_depth, request.options.compression)
            target = inside_roots(request.output, self._roots) if request.output else self._spool / job.result
            exr.write_image(target, stamped(exr.retagged(image, own), request, figures), form, layers)
            took = {**seconds, "write": round(time.perf_counter() - began, 4)}
            return FrameFinished(job.number, request.output, {**figures, "device": self.device, "seconds": took})

        return write

    def _solved(self, job: FrameJob, inputs: FrameInputs, stages: _StageTimes, check: Check) -> MatteResult:
        def progress(stage: str, done: int, total: int) -> None:
            stages.begin(stage, done + 1)

        request = job.request
        if request.options.temporal:
            return self._neighbours.solve(job, inputs, check, progress)
        given = given_alignment(request)
        return self._pipeline.solve(
            inputs.pair, inputs.guides, request.options, check=check, progress=progress, given=given
        )


def choose_device(wanted: str) -> str:
    """The device's full name; raises ``MatteError("no_device", ...)`` where it is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in there or (index and not index.isdigit()) or int(index or 0) >= there[kind]:
        raise MatteError(
            "no_device", f"This machine has no device {wanted!r}.", "Use --device auto, or see 'cleanplate doctor'."
        )
    return f"cuda:{index or 0}" if kind == "cuda" else kind


def matte_image(result: MatteResult, space: str, options: MatteOptions) -> tuple[Image, Mapping[str, Image]]:
    """The EXR's R, G, B, A and the further layers that were asked for, colour in ``space``."""

    def in_space(image: Image) -> Image:
        return from_scene_linear(image, space, options.ocio_config)

    alpha = result.alpha.pixels
    foreground = result.foreground
    if options.premultiplied:
        # Light is multiplied by coverage while it is linear.
        foreground = replace(foreground, pixels=foreground.pixels * alpha)
    colour = in_space(foreground).pixels[..., :3]
    image = replace(
        foreground,
        pixels=joined(colour, alpha),
        channels=("R", "G", "B", "A"),
        colourspace=space,
        premultiplied=options.premultiplied,
    )
    layers = {name: in_space(layer) if name == "clean" else layer for name, layer in result.layers.items()}
    return image, layers


def stamped(image: Image, request: Matte, figures: Mapping[str, object]) -> Image:
    """The image with the frame's figures, and with the client's mark of what it was made from where it gave one.

    A plate that is itself a result keeps neither of its own."""
    facts = json.dumps(figures, sort_keys=True, default=float)
    marks: dict[str, object] = {exr.DIAGNOSTICS: exr.Attribute("string", facts)}
    if stamp := request.hints.get("stamp"):
        marks[exr.STAMP] = exr.Attribute("string", str(stamp)[:200])
    kept = {name: value for name, value in image.metadata.items() if name != exr.STAMP}
    return replace(image, metadata={**kept, **marks})
