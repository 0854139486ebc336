"""Which model outputs are kept, and how many bytes they may take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matte_link.messages import Inline, Matte, Neighbour
from matte_link.options import MatteOptions
from torch import Tensor

from matte_server.core.align import Alignment
from matte_server.core.image import Guides, PlatePair
from matte_server.core.window import Window
from matte_server.frame.inputs import FrameInputs
from matte_server.frame.model_output import ModelOutput
from matte_server.frame.neighbours import Neighbours
from matte_server.frame.output_cache import MAX_ENTRIES, ModelOutputCache
from matte_server.frame.pipeline import MattePipeline
from matte_server.models.protocols import MattingModel, Prediction
from matte_server.models.registry import load_model
from matte_server.pixels.coarse_grid import CoarseGrid
from matte_server.pixels.temporal_smoothing import temporal_features
from tests.matte_server.pictures import image, room

SIZE = 64
WINDOW = Window(0, 0, SIZE, SIZE)


def output(value: float = 0.0, with_prediction: bool = False) -> ModelOutput:
    plate, alpha = torch.full((1, 3, SIZE, SIZE), value), torch.zeros(1, 1, SIZE, SIZE)
    prediction = None
    if with_prediction:
        prediction = Prediction(alpha=alpha, foreground=CoarseGrid.of(plate), confidence=CoarseGrid.of(alpha))
    return ModelOutput(
        alignment=Alignment(np.eye(3), "none"),
        features=temporal_features(plate, plate, alpha),
        data_window=WINDOW,
        display_window=WINDOW,
        pixel_aspect=1.0,
        prediction=prediction,
        frame=None,
    )


def size_of(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def test_the_size_is_that_of_all_tensors() -> None:
    plain, full = output(), output(with_prediction=True)
    features = size_of(plain.features.alpha, plain.features.plate, plain.features.clean)
    assert plain.size == features > 0
    assert full.prediction is not None and full.prediction.foreground is not None
    parts = (full.prediction.alpha, full.prediction.foreground.values, full.prediction.confidence.values)
    assert full.size == features + size_of(*parts)
    assert full.temporal_only().size == features


def kept(cache: ModelOutputCache, names: str) -> str:
    return "".join(name for name in names if cache.get(name) is not None)


def test_the_budget_in_bytes_is_kept_and_the_least_recently_used_goes_first() -> None:
    one = output().size
    cache = ModelOutputCache(2 * one)
    for name in "ab":
        cache.put(name, output())
    assert cache.get("a") is not None
    cache.put("c", output())
    assert kept(cache, "abc") == "ac"
    # Stored again it counts once.
    cache.put("c", output())
    assert kept(cache, "abc") == "ac"
    cache.clear()
    assert kept(cache, "abc") == ""


def test_an_output_beyond_the_budget_is_not_kept() -> None:
    cache = ModelOutputCache(output().size - 1)
    cache.put("a", output())
    assert cache.get("a") is None


def test_there_are_at_most_so_many_however_small_they_are() -> None:
    cache = ModelOutputCache()
    names = "abcdef"
    for name in names:
        cache.put(name, output())
    assert kept(cache, names) == names[-MAX_ENTRIES:]


class PicturesInMemory:
    """A ``FrameSource`` without files: frame ``number`` of a shot and the neighbours that it has."""

    def __init__(self, number: int, options: MatteOptions) -> None:
        def neighbour(other: int) -> Neighbour | None:
            return Neighbour(plate=Inline(data=b"%d" % other)) if 0 <= other < 3 else None

        self.request = Matte(
            id=f"f{number}",
            frame=number,
            plate=Inline(data=b"%d" % number),
            clean_plate=Inline(data=b"clean"),
            options=options,
            before=neighbour(number - 1),
            after=neighbour(number + 1),
        )

    def _number(self, side: str) -> int:
        return self.request.frame + {"": 0, "before": -1, "after": 1}[side]

    def read(self, side: str = "") -> FrameInputs:
        wall = room(48, 64)
        plate = wall.copy()
        plate[10:30, 20 + self._number(side) : 40] = (1.5, 0.1, 0.1)
        return FrameInputs(
            pair=PlatePair(plate=image(plate), clean_plate=image(wall)),
            guides=Guides(),
            plate_colourspace="",
            result_colourspace="",
            seconds=0.0,
        )

    def content_name(self, role: str) -> str:
        side = role.partition("_")[0] if role.startswith(("before", "after")) else ""
        return "clean" if role == "clean_plate" else f"plate {self._number(side)}"


@pytest.mark.parametrize(("cache_bytes", "runs"), [(1 << 30, [2, 1, 0]), (0, [2, 3, 2])])
def test_the_cache_saves_model_runs_within_its_budget_and_changes_no_pixel(
    cache_bytes: int, runs: list[int]
) -> None:
    """Three frames: with a cache the model runs once on each; without room for one it runs on all that a frame
    needs."""
    count = 0

    class CountingModel:
        def __init__(self, model: MattingModel) -> None:
            self.spec, self._model = model.spec, model

        def predict(self, *frame: object) -> Prediction:
            nonlocal count
            count += 1
            return self._model.predict(*frame)  # type: ignore[arg-type]

    options = MatteOptions(model="difference", align="none", match_exposure=False, temporal=1.0)
    pipeline = MattePipeline(torch.device("cpu"), lambda *which: CountingModel(load_model(*which)))
    neighbours = Neighbours(pipeline, cache_bytes)
    found = []
    for number in range(3):
        source = PicturesInMemory(number, options)
        count = 0
        result = neighbours.solve(source, neighbours.read(source), lambda: None, lambda *stage: None)
        found.append(count)
        fresh = Neighbours(MattePipeline(torch.device("cpu")), 1 << 30)
        wanted = fresh.solve(source, fresh.read(source), lambda: None, lambda *stage: None)
        np.testing.assert_array_equal(result.alpha.pixels, wanted.alpha.pixels)
    assert found == runs


def test_a_file_that_changes_while_it_is_read_leads_to_nothing_kept() -> None:
    options = MatteOptions(model="difference", align="none", match_exposure=False, temporal=1.0)

    class Changing(PicturesInMemory):
        changes = 0

        def content_name(self, role: str) -> str:
            self.changes += 1
            return f"{super().content_name(role)} version {self.changes}"

    neighbours = Neighbours(MattePipeline(torch.device("cpu")))
    assert neighbours.read(Changing(1, options)).key == ""
    still = neighbours.read(PicturesInMemory(1, options))
    assert still.key and neighbours.read(PicturesInMemory(1, options)).key == still.key
    assert neighbours.read(PicturesInMemory(1, replace(options, region="0 0 9 9"))).key != still.key
