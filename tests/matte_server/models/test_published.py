"""V2 and V1 as models of the pipeline: any size, their own rules, guides, precisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor

from matte_server.core.person import one_subject, prepare_mask, subject_square
from matte_server.errors import MatteError
from matte_server.models import segmentation
from matte_server.models import v1 as v1_module
from matte_server.models.architectures import network_of
from matte_server.models.network_table import ARCHITECTURES
from matte_server.models.networks import bgm1
from matte_server.models.networks.bgm1 import Bgm1
from matte_server.models.networks.bgm2 import Bgm2
from matte_server.models.protocols import FrameTensors, ModelSettings
from matte_server.models.segmentation import PersonSegmentation
from matte_server.models.srgb import decode_srgb, encode_srgb
from matte_server.models.v1 import V1Model
from matte_server.models.v2 import V2Model, coarse_scale, refinement_for

CPU = torch.device("cpu")


def nobody_cancels() -> None:
    """The check of a job that goes on."""


def pictures(size: tuple[int, int], seed: int = 3) -> FrameTensors:
    """Smooth pictures with values above 1 and below 0, as scene-linear plates have them."""
    random = torch.Generator().manual_seed(seed)
    small = (max(1, size[0] // 8), max(1, size[1] // 8))

    def picture() -> Tensor:
        return nnf.interpolate(torch.rand((1, 3, *small), generator=random) * 1.4 - 0.1, size, mode="bilinear")

    return FrameTensors(plate=picture(), clean_plate=picture(), coverage=torch.ones((1, 1, *size)))


@pytest.fixture(scope="module")
def v2(v2_state: dict[str, Tensor]) -> V2Model:
    _, network = network_of(v2_state, "v2", "rule")
    assert isinstance(network, Bgm2)
    return V2Model(network, CPU)


@pytest.fixture(scope="module")
def v1_network(v1_state: dict[str, Tensor]) -> Bgm1:
    _, network = network_of(v1_state, "v1", "rule")
    assert isinstance(network, Bgm1)
    return network


@pytest.fixture
def v1(v1_network: Bgm1) -> V1Model:
    return V1Model(v1_network, CPU)


def run_v1_at(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the squares lie does not depend on how large they are for the network, and at 512 x 512 it takes
    seconds."""
    assert bgm1.SIDE == vars(v1_module)["SIDE"] == 512
    monkeypatch.setattr(v1_module, "SIDE", side)


@pytest.mark.parametrize(
    ("size", "scale", "pixels"),
    [((1080, 1920), 0.25, 80_000), ((2160, 3840), 0.125, 320_000), ((96, 128), 0.5, 474)],
)
def test_scale_and_samples_are_the_authors(size: tuple[int, int], scale: float, pixels: int) -> None:
    assert coarse_scale(*size) == scale
    assert refinement_for(*size).sample_pixels == pixels


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (61, 83), (64, 96)], ids=str)
def test_v2_takes_any_size(v2: V2Model, size: tuple[int, int]) -> None:
    found = v2.predict(pictures(size), ModelSettings(), nobody_cancels)
    assert found.foreground is not None
    for tensor, channels in ((found.alpha, 1), (found.foreground.whole(), 3), (found.confidence.whole(), 1)):
        assert tensor.shape == (1, channels, *size) and tensor.dtype == torch.float32
        assert float(tensor.min()) >= 0.0 and float(tensor.max()) <= 1.0


def test_v2_pads_by_repeating_the_edge_and_cuts_again(v2: V2Model) -> None:
    odd = pictures((61, 83))
    plate, clean, coverage = (
        nnf.pad(each, (0, 1, 0, 3), mode="replicate") for each in (odd.plate, odd.clean_plate, odd.coverage)
    )
    whole = FrameTensors(plate=plate, clean_plate=clean, coverage=coverage)
    one, other = (v2.predict(frame, ModelSettings(), nobody_cancels) for frame in (odd, whole))
    # The display encoding differs in its last bits with where a row lies in memory (vector or scalar arithmetic).
    assert float((one.alpha - other.alpha[..., :61, :83]).abs().max()) <= 1e-5
    assert float((one.confidence.whole() - other.confidence.whole()[..., :61, :83]).abs().max()) <= 1e-5


def test_v2_trusts_less_where_the_clean_plate_does_not_reach(v2: V2Model) -> None:
    frame = pictures((64, 96))
    bare = FrameTensors(plate=frame.plate, clean_plate=frame.clean_plate, coverage=torch.zeros_like(frame.coverage))
    one, other = (v2.predict(each, ModelSettings(), nobody_cancels).confidence.whole() for each in (frame, bare))
    assert torch.allclose(other, 0.25 * one)


# Autocast rounds what each convolution reads and gives to 8 (bfloat16) or 11 bits (float16). The mean error of
# alpha measured here was 2.0e-3 and 2.6e-4, the largest 7.7e-3 and 1.1e-3; twice the mean is allowed. (At 256 x
# 384, where rounding also changes which patches are refined: 7.7e-3 and 1.1e-3, 99% within 3.3e-2 and 3.8e-3.)
@pytest.mark.parametrize(("precision", "limit"), [("bfloat16", 4e-3), ("float16", 5.2e-4)])
def test_v2_in_half_precision_stays_close(v2: V2Model, precision: str, limit: float) -> None:
    frame = pictures((96, 128))
    exact = v2.predict(frame, ModelSettings(), nobody_cancels)
    found = v2.predict(frame, ModelSettings(precision=precision), nobody_cancels)
    error = (found.alpha - exact.alpha).abs()
    assert 0.0 < float(error.mean()) <= limit, float(error.max())


def test_a_cancelled_frame_stops(v2: V2Model) -> None:
    def cancelled() -> None:
        raise MatteError("cancelled", "Nobody wants it.")

    with pytest.raises(MatteError, match="Nobody wants it"):
        v2.predict(pictures((64, 96)), ModelSettings(), cancelled)


def test_the_display_encoding_is_srgb_and_comes_back() -> None:
    # IEC 61966-2-1: 18% grey is 0.4614.
    assert float(encode_srgb(torch.tensor(0.18))) == pytest.approx(0.4614, abs=5e-5)
    values = torch.linspace(0, 1, 1001)
    assert torch.allclose(decode_srgb(encode_srgb(values)), values, atol=1e-6)
    assert encode_srgb(torch.tensor([-1.0, 7.0])).tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def person(size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    matte = torch.zeros((1, 1, *size))
    matte[..., rows, columns] = 1.0
    return matte


def with_core(frame: FrameTensors, core: Tensor, holdout: Tensor | None = None) -> FrameTensors:
    return FrameTensors(
        plate=frame.plate, clean_plate=frame.clean_plate, coverage=frame.coverage, core=core, holdout=holdout
    )


def test_v1_runs_with_a_core_matte_alone(v1: V1Model, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_v1_at(128, monkeypatch)
    frame = with_core(pictures((150, 220)), person((150, 220), slice(40, 150), slice(90, 130)))
    found = v1.predict(frame, ModelSettings(), nobody_cancels)
    assert found.alpha.shape == (1, 1, 150, 220) and found.foreground is not None
    assert float(found.alpha.min()) >= 0.0 and float(found.alpha.max()) <= 1.0
    # The square is 1.2 x 110 pixels wide around column 110: nothing is known outside it.
    assert not found.alpha[..., :43].any() and not found.alpha[..., 177:].any()
    assert found.alpha.any()
    assert not found.foreground.whole()[:, :, found.alpha[0, 0] <= 0.01].any()


def test_v1_without_anybody_is_empty(v1: V1Model, models_folder: Path) -> None:
    frame = with_core(pictures((60, 80)), torch.zeros((1, 1, 60, 80)))
    assert not v1.predict(frame, ModelSettings(), nobody_cancels).alpha.any()


def test_v1_heeds_the_holdout(v1: V1Model, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_v1_at(128, monkeypatch)
    two = person((60, 80), slice(10, 50), slice(5, 15)) + person((60, 80), slice(10, 50), slice(60, 70))
    holdout = person((60, 80), slice(0, 60), slice(0, 30))
    found = v1.predict(with_core(pictures((60, 80)), two, holdout), ModelSettings(), nobody_cancels)
    assert not found.alpha[..., :30].any()


def test_v1_without_segmentation_or_core_says_what_is_missing(v1: V1Model, models_folder: Path) -> None:
    with pytest.raises(MatteError) as caught:
        v1.predict(pictures((60, 80)), ModelSettings(), nobody_cancels)
    assert caught.value.code == "missing_weights" and "segmentation" in caught.value.message


def test_v1s_output_is_the_networks_at_its_own_size(
    v1_network: Bgm1, v1: V1Model, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject whose square is the whole frame, of the network's size: no crop, no resizing."""
    run_v1_at(256, monkeypatch)
    size = (256, 256)
    core = person(size, slice(22, 235), slice(22, 235))
    assert subject_square(core[0, 0].numpy()) is not None
    frame = with_core(pictures(size), core)
    found = v1.predict(frame, ModelSettings(), nobody_cancels)
    mask = torch.from_numpy(prepare_mask(core[0, 0].numpy()))[None, None]
    with torch.inference_mode():
        raw, _ = v1_network(2 * encode_srgb(frame.plate) - 1, 2 * encode_srgb(frame.clean_plate) - 1, mask)
    wanted = one_subject((0.5 + 0.5 * raw)[0, 0].numpy())
    # The square of 1.2 x 213 is 255 pixels: one row and column less, resized by that.
    assert float(np.abs(found.alpha[0, 0].numpy() - wanted)[:250, :250].mean()) < 0.02


def test_the_square_holds_the_subject_and_keeps_its_shape() -> None:
    mask = np.zeros((100, 200), np.float32)
    mask[20:80, 150:170] = 1.0
    square = subject_square(mask)
    assert square is not None and (square.x, square.y, square.side) == (124, 14, 72)
    mask[:, 190:] = 1.0
    square = subject_square(mask)
    # 100 rows and a tenth on either side do not fit: the square reaches beyond the frame, evenly.
    assert square is not None and (square.x, square.y, square.side) == (80, -10, 120)
    assert subject_square(np.zeros((5, 5), np.float32)) is None


def test_the_mask_is_made_as_v1_makes_it() -> None:
    mask = np.zeros((512, 512), np.float32)
    mask[100:400, 200:320] = 0.3
    soft = prepare_mask(mask)
    assert soft.shape == (512, 512) and float(soft.min()) == -1.0 and float(soft.max()) == 1.0
    # Above 0.2 is person. Eroded by 10 and grown by 10: the edge stays, blurred over 31 pixels.
    row = soft[250]
    assert row[185] == -1.0 and row[260] == 1.0 and abs(row[200]) < 0.1
    # Rows 400 to 511 are empty and dropped; the subject is carried on to the lower edge.
    assert soft[511, 260] == 1.0 and soft[90, 260] < 0


def test_only_the_largest_subject_is_kept() -> None:
    alpha = np.zeros((40, 60), np.float32)
    alpha[5:30, 5:30] = 0.4
    alpha[10:15, 50:55] = 1.0
    alpha[0, 0] = 0.04
    kept = one_subject(alpha)
    assert kept[20, 20] == np.float32(0.4) and kept.sum() == pytest.approx(25 * 25 * 0.4, rel=1e-5)
    assert not one_subject(np.zeros((4, 4), np.float32)).any()


def test_the_person_class_of_deeplab_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real network with weights that say 'person' wherever the picture is bright."""
    # Which class is taken does not depend on the size, and at 520 rows it takes seconds.
    monkeypatch.setattr(segmentation, "_SHORT_SIDE", 65)
    architecture = next(each for each in ARCHITECTURES if each.name == "deeplabv3_resnet50")
    network = architecture.build().eval()
    last = network.get_submodule("classifier.4")
    assert isinstance(last, torch.nn.Conv2d) and last.bias is not None
    for score, person_score in ((0.0, 1.0), (1.0, 0.0)):
        with torch.no_grad():
            last.weight.zero_()
            last.bias.fill_(score)
            last.bias[15] = person_score
        people = PersonSegmentation(network, CPU).people(torch.rand((1, 3, 40, 60)))
        assert people.shape == (1, 1, 40, 60)
        assert float(people.mean()) == float(person_score > score)
