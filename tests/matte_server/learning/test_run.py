"""A run as the command line and the server's job drive it: frames in, pieces of work, a file out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matte_link.file_digest import file_digest

from matte_server.core.align import Alignment
from matte_server.core.image import Float32, PlatePair
from matte_server.errors import MatteError
from matte_server.frame.warper import FrameWarper
from matte_server.learning.composites import Composer
from matte_server.learning.frames import LearningFrame
from matte_server.learning.networks import load_learnable
from matte_server.learning.run import LearningRun
from matte_server.learning.settings import LearningSettings
from matte_server.models.learned import learned_facts
from matte_server.models.protocols import FrameTensors
from matte_server.models.registry import load_model
from tests.matte_server.pictures import composed, image, soft_disc
from tests.matte_server.weights_files import models_folder, v1_file, v1_state, v2_file, v2_state

__all__ = ["models_folder", "v1_file", "v1_state", "v2_file", "v2_state"]
CPU = torch.device("cpu")
SIZE = (96, 128)


def encoded(light: Float32) -> Float32:
    """By sRGB's curve, as its standard has it."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def decoded(code: Float32) -> Float32:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


@pytest.fixture(scope="module")
def own_matte() -> Float32:
    """What the model makes of frame 1, before anything is learnt."""
    run = begun(frame(1))
    return np.asarray(run._examples[0].alpha[0, 0].float().numpy())


class Interrupted(Exception):
    """Raised by a check."""


def go_on() -> None:
    """A check of a run that nobody cancels."""


def frame(number: int = 1, key: Float32 | None = None, mask: Float32 | None = None) -> LearningFrame:
    truth = composed(*SIZE, peak=1.0, seed=max(1, number))
    return LearningFrame(
        number=number,
        pair=PlatePair(plate=image(truth.plate), clean_plate=image(truth.clean)),
        alignment=Alignment(transform=np.eye(3)),
        key=None if key is None else image(key[..., None]),
        mask=None if mask is None else image(mask[..., None]),
    )


def painted(number: int = 1) -> Float32:
    """A matte that no network would give: whoever paints it wants it."""
    return np.asarray(0.5 * composed(*SIZE, peak=1.0, seed=number).alpha, np.float32)


def begun(*frames: LearningFrame, steps: int = 2, checkpoint: bytes = b"", rate: float = 3e-4) -> LearningRun:
    run = LearningRun(model="auto", weights="", settings=LearningSettings(steps=steps, rate=rate), device=CPU)
    for each in frames:
        run.add(each, go_on)
    run.begin(checkpoint)
    return run


def finished(run: LearningRun) -> LearningRun:
    while not run.is_finished:
        run.advance(go_on)
    return run


def test_an_interrupted_run_goes_on_from_its_checkpoint_to_the_same_bytes() -> None:
    frames = [frame(1, painted(1)), frame(2, painted(2))]
    whole = finished(begun(*frames, steps=3, rate=3e-3))
    first = begun(*frames, steps=3, rate=3e-3)
    pieces = 0

    def check() -> None:
        if pieces == 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        while True:
            first.advance(check)
            pieces += 1
    # Between two pieces of work, and in the middle of one, the run is whole.
    second = begun(*frames, steps=3, rate=3e-3, checkpoint=first.checkpoint())
    assert second.inputs == whole.inputs
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 7:
            # Each of a step's two pictures has two parts: one picture of this step has been learnt from.
            raise Interrupted

    with pytest.raises(Interrupted):
        while True:
            second.advance(go_on, pause)
    result, wanted = finished(second).result(), whole.result()
    assert wanted.has_gained and result.data == wanted.data
    assert finished(first).result().data == wanted.data


def test_a_checkpoint_of_other_frames_or_settings_is_not_gone_on_from() -> None:
    data = begun(frame(1, painted())).checkpoint()
    run = LearningRun(model="auto", weights="", settings=LearningSettings(steps=2, rate=3e-4), device=CPU)
    run.add(frame(1, painted()), go_on)
    assert run.begin(data)
    others = [begun(frame(2, painted())), begun(frame(1, 0.9 * painted())), begun(frame(1, painted()), steps=3)]
    assert len({run.inputs, *(other.inputs for other in others)}) == 4
    again = LearningRun(model="auto", weights="", settings=LearningSettings(steps=3, rate=3e-4), device=CPU)
    again.add(frame(1, painted()), go_on)
    assert not again.begin(data)


NAN = painted()
NAN[5, 7] = np.nan
ELSEWHERE = soft_disc(*SIZE, (16.0, 16.0), 14.0, 4.0)
"""The matte of a frame in which the subject stands in a corner."""
PICTURE = np.asarray(np.maximum(0.3, painted()), np.float32)
"""Grey around the subject, as a plate is."""
ALL, NOTHING = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        (frame(7, NAN), "not_finite", "key matte of frame 7 has 1 NaN"),
        (frame(7, painted(), NAN), "not_finite", "mask of the key matte of frame 7 has 1 NaN"),
        (frame(7, painted(), NOTHING), "bad_key", "mask of frame 7 is white nowhere"),
        (frame(7, painted(), 0.99 * ALL), "bad_key", "mask of frame 7 is white nowhere"),
        (frame(7, 1 - 2 * painted(7)), "bad_key", "the opposite of the model's matte"),
        (frame(7, ALL), "bad_key", "the opposite of the model's matte"),
        (
            frame(7, NOTHING),
            "bad_key",
            r"is black everywhere, while the model finds a subject in \d+% of the frame",
        ),
        (frame(7, ELSEWHERE), "bad_key", "frame 7 lies elsewhere than the subject"),
        (frame(7, painted()[::2, ::2]), "bad_key", "has 64 x 48 pixels, the plate 128 x 96"),
        (frame(7, painted()[:-1]), "bad_key", "has 128 x 95 pixels, the plate 128 x 96"),
        (frame(7, painted(), ALL[:, 1:]), "bad_key", "mask of the key matte of frame 7 has 127 x 96"),
        (frame(7, 255 * painted()), "bad_key", "key matte of frame 7 has values from 0 to 128, and"),
        (frame(7, painted() - 0.5), "bad_key", "has values from -0.5 to 0, and"),
        (frame(7, painted(), 255 * ALL), "bad_key", "mask of the key matte of frame 7 has values from 255 to 255"),
        (frame(7, PICTURE), "bad_key", "frame 7 is grey in 100% of what the model takes for the clean plate"),
    ],
)
def test_a_key_that_teaches_nothing_is_refused_in_words(given: LearningFrame, code: str, sentence: str) -> None:
    with pytest.raises(MatteError, match=sentence) as caught:
        begun(given)
    assert caught.value.code == code


def test_frames_of_two_sizes_are_learnt_together_and_nothing_is_learnt_beyond_them() -> None:
    truth = composed(64, 150, peak=1.0)
    wide = PlatePair(plate=image(truth.plate), clean_plate=image(truth.clean))
    key = image(0.5 * truth.alpha[..., None])
    run = begun(frame(1, painted()), replace(frame(2), pair=wide, key=key), steps=1)
    first, second = run._examples
    # A crop of the network's training and its halo fit into 96 x 96, which both sides are at least.
    assert first.size == second.size == (96, 152)
    # The networks want multiples of 4 anyway.
    for example, (height, width) in ((first, SIZE), (second, (64, 152))):
        inside = torch.zeros_like(example.trust)
        inside[..., :height, :width] = 1
        assert torch.equal(torch.maximum(example.trust, example.left_out), inside)
    assert finished(run).result().first_error is not None


def test_a_frame_smaller_than_a_training_crop_is_learnt() -> None:
    truth = composed(16, 24, peak=1.0)
    pair = PlatePair(plate=image(truth.plate), clean_plate=image(truth.clean))
    run = begun(replace(frame(1), pair=pair, key=image(0.5 * truth.alpha[..., None])), steps=1)
    assert run._examples[0].size == (96, 96) and not run._examples[0].trust[..., 16:, :].any()
    assert finished(run).result().steps == 1


def test_swapped_keys_are_told_and_learnt() -> None:
    truth = composed(*SIZE, peak=1.0)
    far = np.roll(truth.alpha, 24, 1)[..., None]
    pair = PlatePair(plate=image(far * truth.foreground + (1 - far) * truth.clean), clean_plate=image(truth.clean))
    moved = replace(frame(2), pair=pair)
    right = begun(replace(frame(1), key=image(truth.alpha[..., None])), replace(moved, key=image(far)))
    assert right.warnings == ()
    swapped = begun(replace(frame(1), key=image(far)), replace(moved, key=image(truth.alpha[..., None])))
    assert [warning.partition(" better")[0] for warning in swapped.warnings] == [
        "The key matte of frame 1 fits frame 2",
        "The key matte of frame 2 fits frame 1",
    ]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (np.asarray, None),
        (lambda alpha: alpha ** (1 / 1.5), None),  # edges that somebody wants thicker
        (lambda alpha: np.where(alpha < 0.5, alpha, 1), None),
        (encoded, "are the model's, but brighter, as if it had been written as an sRGB picture."),
        (lambda alpha: np.round(255 * encoded(alpha)) / 255, "brighter, as if it had been written"),
        (decoded, "are the model's, but darker, as if it had been read as an sRGB picture."),
    ],
)
@pytest.mark.parametrize("has_mask", [False, True])
def test_a_key_that_went_through_srgb_is_told(
    own_matte: Float32, spoilt: Callable[[Float32], Float32], said: str | None, has_mask: bool
) -> None:
    """The lower third of the model's matte was mended before."""
    mended = np.concatenate([own_matte[:64], composed(*SIZE, peak=1.0).alpha[64:]])
    mask = np.ones(SIZE, np.float32) if has_mask else None
    warnings = begun(frame(1, np.asarray(spoilt(mended), np.float32), mask)).warnings
    assert (said is None and warnings == ()) or (said is not None and len(warnings) == 1 and said in warnings[0])


def test_a_key_frames_pictures_go_to_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    brought, bring = [], FrameWarper.tensors

    def counted(self: FrameWarper, pair: PlatePair, *rest: Any) -> FrameTensors:
        brought.append(pair)
        return bring(self, pair, *rest)

    monkeypatch.setattr(FrameWarper, "tensors", counted)
    begun(frame(1, painted(1)), frame(2, painted(2), mask=ALL), frame(3))
    assert len(brought) == 3


def test_no_frame_at_all_is_refused() -> None:
    with pytest.raises(MatteError, match="No frame was given"):
        begun()


def test_without_keys_frames_without_a_subject_are_refused() -> None:
    clean = image(composed(*SIZE, peak=1.0).clean)
    empty = replace(frame(1), pair=PlatePair(plate=clean, clean_plate=clean))
    with pytest.raises(MatteError, match="are nowhere more than half solid"):
        begun(empty)


@pytest.mark.parametrize("key", [ALL, NOTHING], ids=["all", "nothing"])
def test_what_is_handed_over_is_better_on_what_was_left_out_whatever_the_key(key: Float32) -> None:
    # A negative number: sequences have them, and numpy's seeds do not.
    result = finished(begun(frame(-3, key, mask=ALL), rate=1e-3)).result()
    assert result.first_error is not None and result.error is not None
    assert bool(result.data) == result.has_gained == (result.error < 0.98 * result.first_error)


def test_a_matte_that_the_model_makes_anyway_gains_nothing() -> None:
    alone = begun(frame(1))
    own = alone._examples[0].alpha[0, 0].float().numpy()
    result = finished(begun(frame(1, own), rate=1e-6)).result()
    assert not result.has_gained and result.data == b"" and result.facts is None


def test_v2_learns_by_the_same_code(v2_file: Path, tmp_path: Path) -> None:
    run = LearningRun(model="v2", weights=str(v2_file), settings=LearningSettings(steps=3, rate=1e-3), device=CPU)
    run.add(frame(1, painted()), go_on)
    run.begin()
    result = finished(run).result()
    assert result.error is not None and result.first_error is not None and result.error < result.first_error
    learned = tmp_path / "shot.learned"
    learned.write_bytes(result.data)
    facts = learned_facts(learned)
    assert facts is not None and facts == result.facts and facts.model == "v2"
    assert facts.licence == load_model("v2", str(learned), CPU).spec.licence
    for other in ("cleanplate", "v1"):
        with pytest.raises(MatteError, match=f"was learned for the model v2, not for {other}"):
            load_model(other, str(learned), CPU)


def test_every_part_of_v1_that_runs_learns(v1_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # V1 works at 512 x 512, which takes seconds; the network takes any size.
    monkeypatch.setattr("matte_server.models.v1.SIDE", 64)
    network = load_learnable("v1", str(v1_file), CPU)
    run = begun(frame(1, painted()))
    picture = Composer(examples=run._examples, seed=1).pictures(0, CPU)[0]
    with torch.enable_grad():
        network.loss(picture, torch.Generator()).backward()  # type: ignore[no-untyped-call]
    idle = {name.partition(".")[0] for name, value in network.module.named_parameters() if value.grad is None}
    # Its neighbours' encoder never changes its output: facts of the paper's own code.
    assert idle == {"model_enc_multi"}


def test_weights_may_be_named_by_their_file_name_in_the_models_folder(models_folder: Path, v2_file: Path) -> None:
    models_folder.mkdir()
    (models_folder / v2_file.name).hardlink_to(v2_file)
    for given in (v2_file.name, str(v2_file), ""):
        run = LearningRun(model="v2", weights=given, settings=LearningSettings(), device=CPU)
        assert run._base == file_digest(v2_file)


def test_a_model_that_has_no_weights_cannot_learn() -> None:
    with pytest.raises(MatteError, match="The model difference cannot learn a shot"):
        LearningRun(model="difference", weights="", settings=LearningSettings(), device=CPU)
