"""What the inference process does with one frame: files in, EXR out, the pipeline in between."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from matte_link.messages import Matte, OnDisk
from matte_link.options import MatteOptions

from . import exr
from .colour import from_scene_linear, resolve, to_scene_linear
from .core.align import Alignment
from .core.image import KNOWN, SCENE_LINEAR, Guides, Image, PlatePair
from .core.placement import from_facts
from .core.result import MatteResult
from .errors import MatteError
from .frame_worker import WorkerSettings
from .memory import SteppingLoader, give_back, limit_memory
from .models.identity import default_weights
from .models.registry import available_models, load_model
from .models.weights import is_bare
from .pipeline import STAGES, MattePipeline
from .worker_link import Finished, FrameJob, Picture, Ready

Check = Callable[[], None]
Begun = Callable[[str, int, int], None]
_CLEAN_PLATES_KEPT = 4
_LONGEST_NAME = 255


@dataclass(frozen=True, eq=False)
class Inputs:
    """One frame's pictures in scene-linear light; the space that the plate's file is in, by its own tags; the one
    that the result is wanted in; and the seconds that reading took."""

    pair: PlatePair
    guides: Guides
    own: str
    returned: str
    seconds: float


class _Stages:
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
    """Owns the device, the pipeline with its warm models, and the last decoded clean plates."""

    def __init__(
        self,
        device: str,
        spool: Path,
        roots: tuple[Path, ...],
        pipeline: MattePipeline,
        memory_warnings: Callable[[], list[str]] = list,
    ) -> None:
        self.device = device
        self._memory_warnings = memory_warnings
        self._spool = spool
        self._roots = roots
        self._pipeline = pipeline
        self._clean_plates: OrderedDict[tuple[str, ...], Image] = OrderedDict()
        # Frames are read on two threads: the one whose turn it is, and the one that may come next.
        self._lock = threading.Lock()
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
        limit_memory(device, settings.memory, settings.workers)
        models = SteppingLoader(load_model)
        pipeline = MattePipeline(torch.device(device), models)
        return FrameSolver(device, Path(settings.spool), roots, pipeline, models.warnings)

    def ready(self) -> Ready:
        """What the server is told once the device is there."""
        devices = torch.cuda.device_count() if self.device.startswith("cuda") else 1
        return Ready(self.device, devices, available_models(), default_weights())

    def recover(self) -> None:
        """After a frame that ran out of memory: gives back what it and the shots before it took."""
        self._memory_warnings()
        self.was_short = True
        with self._lock:
            self._clean_plates.clear()
        self._pipeline.forget()
        give_back(self.device)

    def solve(
        self, job: FrameJob, inputs_of: Callable[[], Inputs], check: Check, begun: Begun
    ) -> Callable[[], Finished]:
        """One frame up to its pixels; what is returned encodes and writes them, and may run beside the next frame.
        ``inputs_of`` brings what :meth:`read` read. Both raise ``MatteError``, ``MatteCancelled`` and whatever else
        goes wrong."""
        request = job.request
        stages = _Stages(begun)
        stages.begin("read", 0)
        inputs = inputs_of()
        check()
        result = self._pipeline.solve(
            inputs.pair,
            inputs.guides,
            request.options,
            check=check,
            progress=lambda stage, done, total: stages.begin(stage, done + 1),
            given=_given_alignment(request),
        )
        seconds = stages.seconds(inputs.seconds)
        figures = {**result.diagnostics, "colourspace": inputs.returned}
        if short := self._memory_warnings():
            self.was_short = True
            figures["warnings"] = [*cast(list[str], figures["warnings"]), *short]
        stages.begin("write", len(STAGES) + 1)
        own, returned = inputs.own, inputs.returned

        def write() -> Finished:
            began = time.perf_counter()
            image, layers = matte_image(result, returned, request.options)
            form = exr.ExrFormat(request.options.bit_depth, request.options.compression)
            target = inside_roots(request.output, self._roots) if request.output else self._spool / job.result
            exr.write_image(target, stamped(exr.retagged(image, own), request, figures), form, layers)
            took = {**seconds, "write": round(time.perf_counter() - began, 4)}
            return Finished(job.number, request.output, {**figures, "device": self.device, "seconds": took})

        return write

    # -- inputs

    def read(self, job: FrameJob) -> Inputs:
        """The frame's pictures, decoded. May run beside another frame; raises as :meth:`solve` does."""
        began = time.perf_counter()
        self._check_paths(job.request)
        request, options = job.request, job.request.options
        plate = self._picture(job, "plate", request.plate_layer or options.layer)
        said = _said_space(request)
        space = said or plate.colourspace
        linear = to_scene_linear(plate, space, options.ocio_config)
        guides = Guides(self._guide(job, "core"), self._guide(job, "holdout"))
        # An EXR comes back in the space it came in; of other formats the result is an EXR, which is linear.
        returned = space if self._file(job, "plate")[0].suffix.lower() == ".exr" else SCENE_LINEAR
        if options.output_colourspace != "auto":
            returned = resolve(options.output_colourspace)
        pair = PlatePair(linear, self._clean_plate(job, plate.colourspace, said))
        return Inputs(pair, guides, plate.colourspace, returned, time.perf_counter() - began)

    def _clean_plate(self, job: FrameJob, plates_own: str, said: str) -> Image:
        """Decoded and made linear once a shot: hosts send the same one with every frame. What was ``said`` of
        the plate holds for a clean plate of the same kind of file too."""
        request, options = job.request, job.request.options
        picture = job.pictures.get("clean_plate")
        layer, view = request.clean_layer or options.clean_layer, request.view or options.view
        key = (
            picture.digest if picture else "",
            layer,
            view,
            options.clean_colourspace,
            plates_own,
            said,
            options.ocio_config,
        )
        with self._lock:
            if key[0] and key in self._clean_plates:
                self._clean_plates.move_to_end(key)
                return self._clean_plates[key]
        image = self._picture(job, "clean_plate", layer)
        space = resolve(options.clean_colourspace)
        if options.clean_colourspace == "auto":
            space = said if said and image.colourspace == plates_own else image.colourspace
        linear = self._with_coverage(job, to_scene_linear(image, space, options.ocio_config))
        if key[0]:
            with self._lock:
                linear = self._clean_plates.setdefault(key, linear)
                while len(self._clean_plates) > _CLEAN_PLATES_KEPT:
                    self._clean_plates.popitem(last=False)
        return linear

    def _with_coverage(self, job: FrameJob, clean: Image) -> Image:
        """A clean plate that was built from its shot says where it is known: as its channel A, 0 or 1."""
        path, name = self._file(job, "clean_plate")
        if exr.COVERAGE_LAYER not in exr.layers_of(path):
            return clean
        known = exr.read_image(path, name=name, layer=exr.COVERAGE_LAYER).pixels[..., :1] > 0
        pixels = np.concatenate([clean.rgb, known.astype(np.float32)], axis=-1)
        return replace(clean, pixels=pixels, channels=("R", "G", "B", KNOWN))

    def _guide(self, job: FrameJob, role: str) -> Image | None:
        if getattr(job.request, role) is None:
            return None
        return exr.single(self._picture(job, role, ""))

    def _picture(self, job: FrameJob, role: str, layer: str) -> Image:
        path, name = self._file(job, role)
        return exr.read_image(path, name=name, layer=layer, view=job.request.view or job.request.options.view)

    def _file(self, job: FrameJob, role: str) -> tuple[Path, str]:
        picture = job.pictures.get(role)
        if isinstance(picture, Picture):
            return Path(picture.path), picture.name or f"the {role.replace('_', ' ')}"
        source = getattr(job.request, role)
        assert isinstance(source, OnDisk)
        return inside_roots(source.path, self._roots), source.path

    def _check_paths(self, request: Matte) -> None:
        """Every file that the client names by path, before any of them is touched."""
        for path in (request.options.weights, request.options.ocio_config):
            # A bare name is looked for in the models folders alone.
            bare = path == request.options.weights and is_bare(path)
            if path and "://" not in path and not bare:
                inside_roots(path, self._roots)
        self._check_output(request)

    def _check_output(self, request: Matte) -> None:
        if not request.output:
            return
        target = inside_roots(request.output, self._roots)
        sources = (request.plate, request.clean_plate, request.core, request.holdout)
        inputs = [Path(source.path) for source in sources if isinstance(source, OnDisk)]
        if any(target == path.resolve() for path in inputs):
            raise MatteError(
                "output_is_input", f"{request.output} is also an input.", "Write the result somewhere else."
            )


def _given_alignment(request: Matte) -> Alignment | None:
    """The plate solve's alignment, where the client sent one."""
    if not request.alignment:
        return None
    try:
        return from_facts(request.alignment)
    except ValueError as error:
        raise MatteError("bad_alignment", f"The alignment sent along cannot be used: {error}") from None


def _said_space(request: Matte) -> str:
    """The plate's space where the artist or the host said it; empty leaves it to the file."""
    if request.options.colourspace != "auto":
        return resolve(request.options.colourspace)
    return resolve(str(request.hints.get("colourspace", ""))[:200])


def inside_roots(path: str, roots: tuple[Path, ...]) -> Path:
    """``path`` with all links resolved, where that lies inside a root; else raises ``MatteError``."""
    if "\0" in path or any(len(part) > _LONGEST_NAME for part in path.split("/")):
        raise MatteError("path_refused", f"{path[:80]!r} is not a path.", "Correct the name.")
    resolved = Path(os.path.realpath(path))
    if not roots:
        raise MatteError(
            "path_refused",
            f"{path} cannot be named by path: this server was given no folders.",
            "Start it with --root FOLDER, or send the picture itself.",
        )
    if not Path(path).is_absolute() or not any(resolved.is_relative_to(root) for root in roots):
        raise MatteError(
            "path_refused",
            f"{path} lies outside the folders that this server may touch.",
            "Start the server with --root for its folder, or send the picture itself.",
        )
    return resolved


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
        pixels=np.concatenate([colour, alpha], axis=-1),
        channels=("R", "G", "B", "A"),
        colourspace=space,
        premultiplied=options.premultiplied,
    )
    layers: dict[str, Image] = {}
    if options.layer_clean:
        layers["clean"] = in_space(result.aligned_clean_plate)
    if options.layer_confidence:
        layers["confidence"] = result.confidence
    if options.layer_difference:
        layers["difference"] = result.difference
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
