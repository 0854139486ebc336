"""The frames before and after the one that is asked for: solved once each, though three frames in a row need them.

A frame's raw matte is kept under the name of all that it is made from: the pictures' content, the options that its
model sees, its given alignment, layers and view. So it is the same to the bit whether it was kept or is made again,
and a farm may cut a shot anywhere.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from matte_link.messages import NEIGHBOURS, PICTURES, Matte, Neighbour, sources_of
from matte_link.result_key import FrameSources, result_key

from ..core.result import MatteResult
from ..errors import MatteError
from ..models.protocols import CancelCheck
from ..worker.messages import FrameJob
from ..worker.reader import FrameInputs, FrameReader, given_alignment, role_of
from .model_output import ModelOutput
from .pipeline import STAGES, MattePipeline, Progress

KEPT = 4
"""Frames: the one before, the frame itself, the one after, and a repeated one."""
KEPT_BYTES = 1 << 30
_ALONE = "Temporal smoothing had no frame before or after this one: its alpha is as it was solved."
# What stays so, where a lack of descriptors (also an OSError) passes.
_UNREADABLE = (IsADirectoryError, NotADirectoryError, PermissionError)
_FILES_NAMED = 32


class ModelOutputCache:
    """The last few raw mattes, within ``budget`` bytes."""

    def __init__(self, budget: int = KEPT_BYTES) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, ModelOutput] = OrderedDict()

    def get(self, key: str) -> ModelOutput | None:
        """The one that is kept under this name."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, raw: ModelOutput) -> None:
        """Keeps it as the latest, and lets go of the oldest ones."""
        self._kept.pop(key, None)
        self._kept[key] = raw
        while len(self._kept) > KEPT or sum(each.size for each in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Gives the memory back."""
        self._kept.clear()


class FileDigests:
    """Names files by their content, each once for as long as it does not change. May be asked by two threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """``messages.digest_of`` of the content. Raises ``OSError``."""
        key = _state_of(path)
        with self._lock:
            if key not in self._known:
                self._known[key] = _digest(path)
                while len(self._known) > _FILES_NAMED:
                    self._known.popitem(last=False)
            return self._known[key]


def _state_of(path: Path) -> tuple[object, ...]:
    """What changes where a file does."""
    facts = path.stat()
    return str(path), facts.st_ino, facts.st_mtime_ns, facts.st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


class Neighbours:
    """Solves frames that follow their neighbours in time (``options.temporal`` above 0)."""

    def __init__(self, pipeline: MattePipeline, reader: FrameReader, kept_bytes: int = KEPT_BYTES) -> None:
        self._pipeline = pipeline
        self._reader = reader
        self._raw_mattes = ModelOutputCache(kept_bytes)
        self._contents = FileDigests()

    def let_go(self) -> None:
        """Gives the memory back."""
        self._raw_mattes.clear()

    def solve(self, job: FrameJob, inputs: FrameInputs, check: CancelCheck, progress: Progress) -> MatteResult:
        """A frame's matte from what :meth:`read` read; raises as the pipeline does. A neighbour that cannot be
        used is left out, with a warning: the frame that it is will say more when its own turn comes."""
        progress("neighbours", 0, len(STAGES))
        around, warnings = {}, []
        for side in NEIGHBOURS:
            if getattr(job.request, side) is not None:
                try:
                    around[side] = self._neighbour(job, side, check)
                except MatteError as error:
                    warnings.append(_left_out(side, str(error)))
        own = self._own(job, inputs, check, progress)
        for side in [side for side, other in around.items() if not other.shows_the_field_of(own)]:
            warnings.append(_left_out(side, "It has another display window or pixel aspect."))
            del around[side]
        options = job.request.options
        result = self._pipeline.solve_in_time(
            inputs.pair, inputs.guides, options, own, around, check=check, progress=progress
        )
        self._keep(inputs.key, own.for_neighbours())
        return replace(result, diagnostics=_told(result.diagnostics, warnings, bool(around)))

    def _own(self, job: FrameJob, inputs: FrameInputs, check: CancelCheck, progress: Progress) -> ModelOutput:
        kept = self._raw_mattes.get(inputs.key)
        if kept is not None and kept.prediction is not None:
            return kept
        return self._raw(job, "", inputs, check, progress)

    def _neighbour(self, job: FrameJob, side: str, check: CancelCheck) -> ModelOutput:
        kept = self._raw_mattes.get(self._key(job, side))
        if kept is not None:
            return kept
        inputs = self.read(job, side)
        raw = self._raw(job, side, inputs, check, lambda stage, done, total: None).without_frame()
        self._keep(inputs.key, raw)
        return raw

    def _raw(
        self, job: FrameJob, side: str, inputs: FrameInputs, check: CancelCheck, progress: Progress
    ) -> ModelOutput:
        options, given = job.request.options, given_alignment(job.request, side)
        return self._pipeline.raw(inputs.pair, inputs.guides, options, check=check, progress=progress, given=given)

    def read(self, job: FrameJob, side: str = "") -> FrameInputs:
        """The pictures of a frame or of its neighbour, with the name of what is made from them: empty where a file
        changed meanwhile. May run beside :meth:`solve`; raises as the reader does."""
        key = self._key(job, side)
        inputs = self._reader.read(job, side)
        return replace(inputs, key=key if key == self._key(job, side) else "")

    def _keep(self, key: str, raw: ModelOutput) -> None:
        if key:
            self._raw_mattes.keep(key, raw)

    def _key(self, job: FrameJob, side: str) -> str:
        request, there = job.request, sources_of(job.request)
        roles = {name: role_of(request, side, name) for name in PICTURES}
        holder: Matte | Neighbour = getattr(request, side) if side else request
        pictures = {name: self._content(job, role) for name, role in roles.items() if role in there}
        read = [request.plate_layer, request.clean_layer, request.view, str(request.hints.get("colourspace", ""))]
        sources = FrameSources({**pictures, "read": read}, holder.alignment)
        return result_key(sources, request.options, stage="model")

    def _content(self, job: FrameJob, role: str) -> str:
        """A picture's content and its kind of file, which together are what is read."""
        path, name = self._reader.file(job, role)
        picture = job.pictures.get(role)
        try:
            digest = picture.digest if picture and picture.digest else self._contents.of(path)
        except FileNotFoundError:
            raise MatteError("missing_file", f"{name} does not exist.") from None
        except _UNREADABLE as error:
            raise MatteError("unreadable", f"{name} cannot be read: {error.strerror}.") from None
        return digest + path.suffix.lower()


def _left_out(side: str, why: str) -> str:
    return f"The frame {side} was left out of temporal smoothing. {why}"


def _told(figures: Mapping[str, object], warnings: list[str], had_any: bool) -> dict[str, object]:
    """The diagnostics with each neighbour's mean weight, None where there was none, and with the warnings."""
    weights = cast(Mapping[str, float], figures.get("temporal", {}))
    alone = [] if had_any else [_ALONE]
    return {
        **figures,
        "temporal": {side: weights.get(side) for side in NEIGHBOURS},
        "warnings": [*cast(list[str], figures["warnings"]), *warnings, *alone],
    }
