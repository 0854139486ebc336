"""Solves one frame in the worker process: reads its files, runs the pipeline and writes the EXR."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import torch
from matte_link.diagnostics import PICTURES
from matte_link.files import write_atomically
from matte_link.messages import Matte
from matte_link.options import MatteOptions
from matte_link.plain_text import printable
from matte_link.result_key import MAKER
from matte_link.roles import WEIGHTS

from ..core.image import Image, joined
from ..core.result import MatteResult
from ..errors import MatteError
from ..frame.inputs import FrameInputs, given_alignment
from ..frame.neighbours import Neighbours
from ..frame.output_cache import DEFAULT_CACHE_BYTES
from ..frame.pipeline import STAGES, MattePipeline, StageCallback
from ..io import exr
from ..io.colour import from_scene_linear
from ..io.half import exceeds_half
from ..models.identity import default_weights
from ..models.protocols import CancelCheck
from ..models.registry import available_models, load_model
from ..pixels.device_facts import device_counts
from .gpu_claim import FREE, claim_gpu
from .learning import Report, ShotLearning, Turn
from .machine import workers_on
from .makers import Makers
from .memory import MemorySavingLoader, limit_memory, release_free_memory
from .messages import FrameFinished, FrameJob, LearningEnded, LearningJob, WorkerReady, json_values
from .named_files import NamedFiles
from .reader import FrameReader, JobSource
from .settings import WorkerSettings

_BEYOND_HALF = "Values beyond 65504, half's largest, were cut to it. Use --bit-depth float."
_CACHE_SHARE = 8
"""One part in this many of a worker's memory is for cached model outputs."""


class _StageTimes:
    """Reports each stage as it begins, and measures how long each takes."""

    def __init__(self, on_stage: StageCallback) -> None:
        self._on_stage = on_stage
        self._marks: list[tuple[str, float]] = []

    def begin(self, stage: str, done: int) -> None:
        self._marks.append((stage, time.perf_counter()))
        self._on_stage(stage, done, len(STAGES) + 2)

    def seconds(self, read: float) -> dict[str, float]:
        """Seconds by stage. ``read`` is how long reading took, which may have happened ahead of the frame's
        turn."""
        ends = [at for _, at in self._marks[1:]] + [time.perf_counter()]
        took = {stage: round(end - at, 4) for (stage, at), end in zip(self._marks, ends, strict=True)}
        return {**took, "read": round(read, 4)}


class FrameSolver:
    """Owns the device, the pipeline with its loaded models, and the caches that last from frame to frame."""

    def __init__(
        self,
        device: str,
        spool: Path,
        files: NamedFiles,
        pipeline: MattePipeline,
        take_warnings: Callable[[], list[str]] = list,
        makers: Makers | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self.device = device
        self._take_warnings = take_warnings
        self._makers = makers or Makers()
        self._spool = spool
        self._files = files
        self._pipeline = pipeline
        self._reader = FrameReader(files)
        self._neighbours = Neighbours(pipeline, cache_bytes)
        self.memory_ran_short = False
        """Whether a frame ran out of memory, or needed smaller tiles to fit."""

    @staticmethod
    def create(settings: WorkerSettings) -> FrameSolver:
        """Claims the device. Raises ``MatteError("no_device", ...)`` where the machine does not have it."""
        device = choose_device(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)
            cv2.setNumThreads(settings.threads)
            exr.use_threads(settings.threads)
        files = NamedFiles(tuple(map(Path, settings.roots)), tuple(map(Path, settings.readable)))
        workers = workers_on(device, settings.workers, settings.cpu_workers)
        memory = settings.memory // workers
        limit_memory(device, memory, workers)
        models, makers = MemorySavingLoader(load_model), Makers()
        return FrameSolver(
            device,
            Path(settings.spool),
            files,
            MattePipeline(torch.device(device), makers.recording(models)),
            models.take_warnings,
            makers,
            min(DEFAULT_CACHE_BYTES, memory // _CACHE_SHARE) if memory else DEFAULT_CACHE_BYTES,
        )

    def ready(self) -> WorkerReady:
        """The message that the server waits for after the start."""
        devices = torch.cuda.device_count() if self.device.startswith("cuda") else 1
        return WorkerReady(
            device=self.device, devices=devices, models=available_models(), weights=default_weights()
        )

    def learn(self, job: LearningJob, turn: Turn, report: Report) -> LearningEnded:
        """Learns a shot; see :class:`ShotLearning`."""
        with _naming_weights(job):
            return ShotLearning(job, self.device, self._reader, turn, report, self._spool).run()

    def release(self) -> None:
        """Returns unused memory to the device and to the system."""
        release_free_memory(self.device)

    def recover(self) -> None:
        """Frees all caches after a frame that ran out of memory."""
        self._take_warnings()
        self.memory_ran_short = True
        self._reader.clear()
        self._neighbours.clear()
        self._pipeline.clear()
        release_free_memory(self.device)

    def read(self, job: FrameJob) -> FrameInputs:
        """The frame's pictures, decoded. May run while another frame is solved; raises as :meth:`solve` does."""
        self._reader.check_paths(job)
        source = JobSource(job, self._reader)
        return self._neighbours.read(source) if job.request.options.temporal else source.read()

    def solve(
        self, job: FrameJob, get_inputs: Callable[[], FrameInputs], check: CancelCheck, on_stage: StageCallback
    ) -> Callable[[], FrameFinished]:
        """Computes one frame's pixels and returns the function that encodes and writes them, which may run while
        the next frame is computed. ``get_inputs`` returns what :meth:`read` read. Both raise ``MatteError``,
        ``MatteCancelled`` and the errors of the libraries below."""
        stages = _StageTimes(on_stage)
        stages.begin("read", 0)
        inputs = get_inputs()
        check()
        with _naming_weights(job):
            result = self._run_pipeline(job, inputs, stages, check)
        seconds = stages.seconds(inputs.seconds)
        diagnostics = self._diagnostics(job, result, inputs)
        stages.begin("write", len(STAGES) + 1)
        spaces = inputs.plate_colourspace, inputs.result_colourspace
        # Only what is needed: the closure must not keep the frame's input pictures in memory.
        return lambda: self._write(job, result, spaces, diagnostics, seconds)

    def _diagnostics(self, job: FrameJob, result: MatteResult, inputs: FrameInputs) -> dict[str, object]:
        maker = self._makers.of(job.request.options).to_dict()
        pictures = {"plate": inputs.pair.plate.kind, "clean_plate": inputs.pair.clean_plate.kind}
        space = inputs.result_colourspace
        diagnostics = {**result.diagnostics, "colourspace": space, PICTURES: pictures, MAKER: maker}
        diagnostics["warnings"] = [*cast(list[str], diagnostics["warnings"]), *inputs.file_warnings]
        if warnings := self._take_warnings():
            self.memory_ran_short = True
            diagnostics["warnings"] = [*cast(list[str], diagnostics["warnings"]), *warnings]
        return diagnostics

    def _write(
        self,
        job: FrameJob,
        result: MatteResult,
        spaces: tuple[str, str],
        diagnostics: Mapping[str, object],
        seconds: Mapping[str, float],
    ) -> FrameFinished:
        started = time.perf_counter()
        (plate_colourspace, result_colourspace), request = spaces, job.request
        image, layers = matte_image(result, result_colourspace, request.options)
        form = exr.ExrFormat(bit_depth=request.options.bit_depth, compression=request.options.compression)
        peak = peak_of(image)
        if form.bit_depth == "half" and exceeds_half(peak):
            diagnostics = {**diagnostics, "warnings": [*cast(list[str], diagnostics["warnings"]), _BEYOND_HALF]}
        marked = stamped(exr.retag_colour(image, plate_colourspace), request, diagnostics)
        if request.output:
            with self._files.output(request.output) as target:
                exr.write_image(target, marked, form, layers, name=request.output)
        else:
            write_atomically(str(self._spool / job.result), exr.encode_exr(marked, layers, form))
        seconds = {**seconds, "write": round(time.perf_counter() - started, 4)}
        return FrameFinished(
            number=job.number,
            output=request.output,
            diagnostics={**diagnostics, "device": self.device, "seconds": seconds},
        )

    def _run_pipeline(
        self, job: FrameJob, inputs: FrameInputs, stages: _StageTimes, check: CancelCheck
    ) -> MatteResult:
        def progress(stage: str, done: int, total: int) -> None:
            stages.begin(stage, done + 1)

        request = job.request
        if request.options.temporal:
            return self._neighbours.solve(JobSource(job, self._reader), inputs, check, progress)
        given = given_alignment(request)
        return self._pipeline.solve(
            inputs.pair, inputs.guides, request.options, check=check, progress=progress, given=given
        )


@contextlib.contextmanager
def _naming_weights(job: FrameJob | LearningJob) -> Iterator[None]:
    """Errors name weights that came along as the client does, not as the spool does."""
    try:
        yield
    except MatteError as error:
        sent = job.pictures.get(WEIGHTS)
        if sent is None:
            raise
        message = error.message.replace(sent.path, sent.name).replace(Path(sent.path).name, sent.name)
        raise MatteError(error.code, message, error.hint) from error


def peak_of(image: Image) -> float:
    """The largest absolute value of a result. Raises ``MatteError("not_finite", ...)`` for NaN and infinity."""
    found = float(max(image.pixels.max(), -image.pixels.min()))
    if not math.isfinite(found):
        raise MatteError(
            "not_finite", "The result has NaN or infinite values.", "Try another --model, and report this frame."
        )
    return found


def choose_device(wanted: str) -> str:
    """The device's full name. Raises ``MatteError("no_device", ...)`` where the machine does not have it."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == FREE and torch.cuda.device_count():
        wanted = f"cuda:{claim_gpu(torch.cuda.device_count(), _free_bytes)}"
    kind, _, index = wanted.partition(":")
    there = device_counts()
    if kind not in there or (index and not index.isdigit()) or int(index or 0) >= there[kind]:
        raise MatteError(
            "no_device", f"This machine has no device {wanted!r}.", "Use --device auto, or see 'cleanplate doctor'."
        )
    return f"{kind}:{index or 0}" if kind in ("cuda", "xpu") else kind


def _free_bytes(number: int) -> int:
    """Free memory of a GPU."""
    return torch.cuda.mem_get_info(number)[0]


def matte_image(result: MatteResult, space: str, options: MatteOptions) -> tuple[Image, Mapping[str, Image]]:
    """The EXR's R, G, B, A and its optional layers, colour in colourspace ``space``."""

    def in_space(image: Image) -> Image:
        return from_scene_linear(image, space, options.ocio_config)

    alpha = result.alpha.pixels
    foreground = result.foreground
    if options.premultiplied:
        # Light is multiplied by coverage while it is still linear.
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


def stamped(image: Image, request: Matte, diagnostics: Mapping[str, object]) -> Image:
    """The image with the frame's diagnostics, and with the client's result key (hint "stamp") where it sent one.

    Where the plate is itself a result of ours, its own diagnostics and stamp are replaced or removed."""
    facts = json.dumps(json_values(diagnostics), sort_keys=True)
    marks: dict[str, object] = {exr.DIAGNOSTICS: exr.Attribute(type="string", value=facts)}
    if stamp := request.hints.get("stamp"):
        marks[exr.STAMP] = exr.Attribute(type="string", value=printable(str(stamp), longest=200))
    kept = {name: value for name, value in image.metadata.items() if name != exr.STAMP}
    return replace(image, metadata={**kept, **marks})
