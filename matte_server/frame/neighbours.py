"""Solves a frame together with the frame before and the frame after it.

Three consecutive frames need the same model outputs, so each output is cached under a key of everything that it is
made from: the content of the pictures, the options that affect the model, the given alignment, layers and view. A
cached output is therefore identical to a recomputed one, and a farm may split a shot anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from matte_link.messages import NEIGHBOURS, PICTURES, Matte, Neighbour
from matte_link.result_key import FrameSources, result_key
from matte_link.roles import sources_of

from ..core.result import MatteResult
from ..errors import MatteError
from ..models.protocols import CancelCheck
from .inputs import FrameInputs, FrameSource, given_alignment, role_of
from .model_output import ModelOutput
from .output_cache import DEFAULT_CACHE_BYTES, ModelOutputCache
from .pipeline import STAGES, MattePipeline, StageCallback

_NO_NEIGHBOURS = "Temporal smoothing had no frame before or after this one: its alpha is as it was solved."


class Neighbours:
    """Solves frames whose alpha is smoothed in time (``options.temporal`` above 0)."""

    def __init__(self, pipeline: MattePipeline, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._pipeline = pipeline
        self._cache = ModelOutputCache(cache_bytes)

    def clear(self) -> None:
        """Frees the memory of the cached model outputs."""
        self._cache.clear()

    def solve(
        self, source: FrameSource, inputs: FrameInputs, check: CancelCheck, progress: StageCallback
    ) -> MatteResult:
        """The frame's matte. ``inputs`` are what :meth:`read` returned for it. Raises as the pipeline does.

        A neighbour that cannot be used is left out with a warning; requesting that frame reports its error."""
        progress("neighbours", 0, len(STAGES))
        request = source.request
        around, warnings = {}, []
        for side in NEIGHBOURS:
            if getattr(request, side) is not None:
                try:
                    around[side] = self._neighbour(source, side, check)
                except MatteError as error:
                    warnings.append(_left_out(side, str(error)))
        own = self._own(request, inputs, check, progress)
        for side in [side for side, other in around.items() if not other.has_same_format(own)]:
            warnings.append(_left_out(side, "It has another display window or pixel aspect."))
            del around[side]
        result = self._pipeline.solve_in_time(
            inputs.pair, inputs.guides, request.options, own, around, check=check, progress=progress
        )
        self._store(inputs.key, own.temporal_only())
        return replace(result, diagnostics=_with_neighbours(result.diagnostics, warnings, bool(around)))

    def read(self, source: FrameSource, side: str = "") -> FrameInputs:
        """The pictures of one side, with the cache key of the model output that they lead to; the key is empty
        where a file changed while it was read. May run while another frame is solved; raises as the source does."""
        key = _key(source, side)
        inputs = source.read(side)
        return replace(inputs, key=key if key == _key(source, side) else "")

    def _own(self, request: Matte, inputs: FrameInputs, check: CancelCheck, progress: StageCallback) -> ModelOutput:
        cached = self._cache.get(inputs.key)
        if cached is not None and cached.prediction is not None:
            return cached
        return self._predict(request, "", inputs, check, progress)

    def _neighbour(self, source: FrameSource, side: str, check: CancelCheck) -> ModelOutput:
        cached = self._cache.get(_key(source, side))
        if cached is not None:
            return cached
        inputs = self.read(source, side)
        output = self._predict(source.request, side, inputs, check, lambda stage, done, total: None)
        output = output.without_frame()
        self._store(inputs.key, output)
        return output

    def _predict(
        self, request: Matte, side: str, inputs: FrameInputs, check: CancelCheck, progress: StageCallback
    ) -> ModelOutput:
        options, given = request.options, given_alignment(request, side)
        return self._pipeline.predict(
            inputs.pair, inputs.guides, options, check=check, progress=progress, given=given
        )

    def _store(self, key: str, output: ModelOutput) -> None:
        if key:
            self._cache.put(key, output)


def _key(source: FrameSource, side: str) -> str:
    request = source.request
    present = sources_of(request)
    roles = {name: role_of(request, side, name) for name in PICTURES}
    holder: Matte | Neighbour = getattr(request, side) if side else request
    pictures = {name: source.content_name(role) for name, role in roles.items() if role in present}
    read = [request.plate_layer, request.clean_layer, request.view, str(request.hints.get("colourspace", ""))]
    sources = FrameSources(pictures={**pictures, "read": read}, alignment=holder.alignment)
    return result_key(sources, request.options, stage="model")


def _left_out(side: str, reason: str) -> str:
    return f"The frame {side} was left out of temporal smoothing. {reason}"


def _with_neighbours(
    diagnostics: Mapping[str, object], warnings: list[str], had_neighbours: bool
) -> dict[str, object]:
    """The diagnostics with each neighbour's mean weight (None for a neighbour that was not used) and the warnings
    of this module."""
    weights = cast(Mapping[str, float], diagnostics.get("temporal", {}))
    alone = [] if had_neighbours else [_NO_NEIGHBOURS]
    return {
        **diagnostics,
        "temporal": {side: weights.get(side) for side in NEIGHBOURS},
        "warnings": [*cast(list[str], diagnostics["warnings"]), *warnings, *alone],
    }
