"""Our own network: the packaged weights, frames of any size, and blocks that do not change the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as nnf
from safetensors.torch import load, save
from torch import Tensor

from matte_server.errors import MatteError
from matte_server.models import cleanplate as packaged
from matte_server.models.cleanplate import CleanplateModel, read_network
from matte_server.models.cleanplate_looks import SECOND_LOOK, THIRD_LOOK, AlphaLevel, of_both_looks
from matte_server.models.networks.cleanplate import (
    DETAILED,
    LIGHT,
    MORE_CONTEXT,
    SOLID_REACH,
    CleanplateNet,
    Coarse,
    CoarseInput,
    NetworkLayout,
    octaves_for,
    with_solid,
)
from matte_server.models.networks.cleanplate_features import decode, encode, joined
from matte_server.models.networks.cleanplate_refiner import CONTEXT, STATE, Cells, DetailRefiner, OctaveRefiner
from matte_server.models.protocols import FrameTensors, ModelSettings
from matte_server.training.grow import grown_from

# Blocks of another number are summed in another order in float32: 1e-6 measured, 1e-5 promised.
SAME = 1e-5
PACKAGED = Path(packaged.__file__).parent / packaged.SPEC.packaged_file


def detailed_network() -> CleanplateNet:
    """Grown from the packaged weights; what starts as 0 is disturbed, so that every part of it acts."""
    torch.manual_seed(2)
    net = grown_from(PACKAGED, DETAILED)
    with torch.no_grad():
        for weight in net.parameters():
            if not bool(weight.any()):
                torch.nn.init.normal_(weight, std=0.02)
    return net.eval()


@pytest.fixture(scope="module", params=["packaged", "detailed"])
def model(request: pytest.FixtureRequest, packaged_model: CleanplateModel) -> CleanplateModel:
    if request.param == "packaged":
        return packaged_model
    return CleanplateModel(detailed_network(), torch.device("cpu"))


def frame(height: int, width: int, subject: bool = True, bright: float = 1.0) -> FrameTensors:
    """A ragged disc before a noisy wall, grain in both plates."""
    dice = torch.Generator().manual_seed(4)
    wall = torch.rand((1, 3, height, width), generator=dice) * 0.3 + 0.1
    y = torch.linspace(-1, 1, height)[:, None]
    x = torch.linspace(-width / height, width / height, width)[None]
    ragged = 0.5 + 0.08 * torch.sin(40 * torch.atan2(y, x))
    alpha = ((ragged - torch.hypot(x, y)) * height / 4).clamp(0, 1)[None, None] * float(subject)
    colour = torch.tensor([0.5, 0.2, 0.1]).view(1, 3, 1, 1) * bright

    def grain() -> Tensor:
        return 0.004 * torch.randn(wall.shape, generator=dice)

    plate = wall * (1 - alpha) + colour * alpha + grain()
    return FrameTensors(plate=plate, clean_plate=wall + grain(), coverage=torch.ones_like(alpha))


def run(model: CleanplateModel, given: FrameTensors, tile: int = 0) -> Tensor:
    return model.predict(given, ModelSettings(tile=tile), lambda: None).alpha


@pytest.mark.parametrize(
    ("size", "tiles"),
    [((270, 480), (64, 512)), ((531, 777), (96, 4096)), ((180, 2100), (512, 4096))],
    ids=["even", "odd", "wide"],
)
def test_the_working_tile_changes_nothing(
    model: CleanplateModel, size: tuple[int, int], tiles: tuple[int, ...]
) -> None:
    """The smallest against one between, and against the whole frame at once."""
    given = frame(*size)
    first = run(model, given, 32)
    for tile in tiles:
        assert float((run(model, given, tile) - first).abs().max()) <= SAME


def test_the_same_frame_gives_the_same_bits(model: CleanplateModel) -> None:
    given = frame(200, 300)
    assert torch.equal(run(model, given), run(model, given))


@pytest.mark.parametrize("layout", [LIGHT, DETAILED], ids=["light", "detailed"])
def test_the_processors_short_way_through_the_refiner_is_the_long_one(layout: NetworkLayout) -> None:
    """With gradients it concatenates its inputs as in training; without, it uses one product of folded weights."""
    torch.manual_seed(3)
    refiner: OctaveRefiner | DetailRefiner = (
        DetailRefiner(CONTEXT + MORE_CONTEXT) if layout.detailed else OctaveRefiner()
    )
    torch.nn.init.normal_(refiner.last.weight, std=0.2)
    cells = random_cells(detailed=layout.detailed)
    long = refiner(cells)
    with torch.inference_mode():
        short = refiner(cells)
    # Sums of 56 (light) or 97 (detailed) numbers about 1 in another order, float32: 1e-6 measured.
    assert float((short.alpha - long.alpha.detach()).abs().max()) <= SAME
    inner = slice(refiner.HALO, -refiner.HALO)
    assert float((long.alpha.detach() - cells.alpha[..., inner, inner]).abs().max()) > 0.01
    if layout.detailed:
        assert float((short.state - long.state.detach()).abs().max()) <= SAME


def random_cells(detailed: bool) -> Cells:
    """Five blocks of 24 x 24 cells."""
    context = CONTEXT + (MORE_CONTEXT if detailed else 0)
    return Cells(
        plate=torch.rand(5, 12, 24, 24) * 3,
        clean=torch.rand(5, 12, 24, 24),
        alpha=torch.rand(5, 4, 24, 24),
        context=torch.randn(5, context, 24, 24),
        evidence=torch.rand(5, 8, 24, 24) if detailed else None,
        state=torch.randn(5, STATE, 24, 24) if detailed else None,
    )


def test_the_second_look_gets_the_inside_of_what_is_solid_in_the_first() -> None:
    alpha, core = torch.full((1, 1, 20, 30), 0.5), torch.zeros(1, 1, 20, 30)
    alpha[..., 4:16, 5:25] = 1.0
    core[..., 0, 0] = 1.0  # what the artist drew stays, whatever the network finds
    second = with_solid(core, alpha)
    expected = core.clone()
    expected[..., 4 + SOLID_REACH : 16 - SOLID_REACH, 5 + SOLID_REACH : 25 - SOLID_REACH] = 1.0
    assert torch.equal(second, expected)


def test_the_second_look_sees_the_frame_mirrored() -> None:
    given = frame(160, 256)
    nothing = torch.zeros_like(given.coverage)
    inputs = CoarseInput(
        plate=given.plate, clean=given.clean_plate, coverage=given.coverage, core=nothing, holdout=nothing
    )
    mirrored = CoarseInput(**{name: value.flip(-1) for name, value in vars(inputs).items() if value is not None})
    net = read_network(PACKAGED)
    with torch.inference_mode():
        second = net.second_look(inputs, torch.zeros(1, 1, 80, 128))
        first, other_way = net.first_look(mirrored).alpha.flip(-1), net.first_look(inputs).alpha
        solid = net.second_look(inputs, torch.ones(1, 1, 80, 128))
    # The noise is measured on every fourth pixel, which are others in a mirrored frame.
    assert 20 * float((second.alpha - first).abs().mean()) < float((second.alpha - other_way).abs().mean())
    # What the first look is sure of changes what the second finds.
    assert float((solid.alpha - second.alpha).abs().mean()) > 0.005


def test_only_the_first_look_is_told_of_a_holdout() -> None:
    given = frame(160, 256)
    nothing = torch.zeros_like(given.coverage)
    free = CoarseInput(
        plate=given.plate, clean=given.clean_plate, coverage=given.coverage, core=nothing, holdout=nothing
    )
    told = replace(free, holdout=torch.ones_like(nothing))
    net = read_network(PACKAGED)
    with torch.inference_mode():
        first = [net.first_look(each).alpha.mean() for each in (free, told)]
        second = [net.second_look(each, torch.zeros(1, 1, 80, 128)).alpha for each in (free, told)]
    assert float(first[1]) < 0.2 * float(first[0])
    assert torch.equal(*second)


def test_a_holdout_across_the_subject_leaves_what_lies_beyond(packaged_model: CleanplateModel) -> None:
    given = frame(480, 640)
    free = run(packaged_model, given)
    held_out = torch.zeros_like(given.coverage)
    held_out[..., 320:] = 1.0
    held = run(packaged_model, replace(given, holdout=held_out))
    # Within 12 pixels of the cut: 0.003 measured, 0.028 where the second look is told of it, too.
    assert float((held - free).abs()[..., 308:320].mean()) < 0.01


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [(32, 64), (33, 50), (3, 2)], ids=str)
def test_the_coarse_stages_input_is_what_torchs_own_steps_make(size: tuple[int, int], mirrored: bool) -> None:
    dice = torch.Generator().manual_seed(5)
    parts = [torch.rand((2, channels, *size), generator=dice) for channels in (3, 1, 2)]
    whole = torch.cat(parts, 1)
    right, down = -size[1] % 16, -size[0] % 16
    expected = nnf.pad(whole.flip(-1) if mirrored else whole, (0, right, 0, down), mode="replicate")
    found = joined(parts, mirrored, 16)
    assert torch.equal(found, expected) and found.is_contiguous(memory_format=torch.channels_last)


def test_both_looks_count_by_what_they_expect_to_be_wrong_with() -> None:
    """A second look that adds subject counts by both doubts; one that takes it away by 0.42."""
    half = torch.full((1, 1, 2, 4), 0.5)
    first = coarse(half, doubt=[0.01, 0.1, 0.3, 0.1])
    added = torch.full((1, 1, 4, 8), 0.9)
    refined = AlphaLevel(alpha=torch.full((1, 1, 4, 8), 0.5), state=None)
    second = coarse(added, doubt=[0.3, 0.3, 0.1, 0.1, 0.01, 0.01, 0.1, 0.1])
    alpha = of_both_looks(first, refined, second, SECOND_LOOK).alpha[0, 0, 0]
    # Columns 0, 3, 4 and 7: in the middle of the first look's first, second, third and fourth pixel.
    assert float(alpha[0]) < 0.51 and float(alpha[4]) > 0.89
    assert 0.5 < float(alpha[0]) < float(alpha[7]) < float(alpha[4]) < 0.9
    third = of_both_looks(first, refined, second, THIRD_LOOK).alpha[0, 0, 0]
    assert bool((third > alpha).all()), "what the third look adds counts for more"
    less = coarse(torch.full((1, 1, 4, 8), 0.1), doubt=[0.3] * 8)
    # 0.5 and 0.1: 0.58 * 0.5 + 0.42 * 0.1
    assert torch.allclose(of_both_looks(first, refined, less, SECOND_LOOK).alpha, torch.tensor(0.332))


def coarse(alpha: Tensor, doubt: list[float]) -> Coarse:
    """A look with a doubt for every column."""
    rows = torch.tensor(doubt).expand(1, 1, alpha.shape[-2], -1).contiguous()
    return Coarse(alpha=alpha, doubt=rows, context=torch.zeros(1, CONTEXT, *alpha.shape[-2:]), state=None)


@pytest.mark.parametrize("size", [(270, 480), (1100, 1411), (180, 2100)], ids=str)
def test_what_other_devices_do_is_what_the_processor_does(
    model: CleanplateModel, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's own steps, which a GPU takes, against OpenCV's and NumPy's, over one octave to three."""
    given = frame(*size)
    here = model.predict(given, ModelSettings(), lambda: None)
    for module in ("cleanplate_blocks", "cleanplate_evidence"):
        monkeypatch.setattr(f"matte_server.models.{module}.on_processor", lambda _: False)
    there = model.predict(given, ModelSettings(), lambda: None)
    assert here.foreground is not None and there.foreground is not None
    # Averages and bilinear weights in another order, through a network: 1.2e-6 measured.
    assert float((here.alpha - there.alpha).abs().max()) <= SAME
    assert float((here.foreground.values - there.foreground.values).abs().max()) <= SAME
    assert float((here.confidence.values - there.confidence.values).abs().max()) <= SAME


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 33), (100, 700), (513, 64)], ids=str)
def test_any_size(model: CleanplateModel, size: tuple[int, int]) -> None:
    answer = model.predict(frame(*size), ModelSettings(), lambda: None)
    assert answer.alpha.shape == (1, 1, *size) and answer.confidence.whole().shape == (1, 1, *size)
    assert answer.foreground is not None
    foreground = answer.foreground.whole()
    assert foreground.shape == (1, 3, *size)
    assert float(answer.alpha.min()) >= 0 and float(answer.alpha.max()) <= 1
    assert bool(torch.isfinite(foreground).all())


def test_a_subject_is_found(packaged_model: CleanplateModel) -> None:
    alpha = run(packaged_model, frame(270, 480))[0, 0]
    assert float(alpha[130:140, 235:245].min()) > 0.9
    assert float(alpha[:20].max()) < 0.05


def test_an_empty_frame_has_no_alpha(packaged_model: CleanplateModel) -> None:
    # The figure for empty frames.
    assert float(run(packaged_model, frame(270, 480, subject=False)).mean()) <= 1e-4


@pytest.mark.parametrize("bright", [4.0, 60.0])
def test_light_above_1_stays_subject(packaged_model: CleanplateModel, bright: float) -> None:
    alpha = run(packaged_model, frame(270, 480, bright=bright))[0, 0]
    assert bool(torch.isfinite(alpha).all())
    assert float(alpha[130:140, 235:245].min()) > 0.9


def test_the_encoding_has_an_inverse() -> None:
    values = torch.tensor([-2.0, -0.1, 0.0, 1e-4, 0.18, 1.0, 1.5, 40.0])
    # float32 through a square and an exponential: 1e-5 relative.
    assert torch.allclose(decode(encode(values)), values, rtol=1e-5, atol=1e-6)
    assert bool((encode(values).diff() > 0).all())


def test_octaves() -> None:
    assert [octaves_for(1, side) for side in (100, 1024, 1025, 2048, 4096, 8192)] == [1, 1, 2, 2, 3, 4]


_FIRST = "coarse.down.1.1.first.norm.weight"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: b"", "shot.learned is no safetensors file, or a damaged one"),
        (lambda data: b"a text", "no safetensors file"),
        (lambda data: data[:100_000], "no safetensors file"),
        (lambda data: data[:-1], "no safetensors file"),
        (lambda data: changed(data, None), f"another network's weights: {_FIRST}"),
        (lambda data: changed(data, torch.zeros(3, 3)), f"another network's weights: {_FIRST}"),
        (lambda data: changed(data, torch.full((48,), torch.nan)), f"NaN or infinite, in {_FIRST}"),
    ],
)
def test_damaged_weights_are_named_in_one_sentence(
    tmp_path: Path, damage: Callable[[bytes], bytes], sentence: str
) -> None:
    path = tmp_path / "shot.learned"
    path.write_bytes(damage(PACKAGED.read_bytes()))
    with pytest.raises(MatteError, match=sentence) as caught:
        read_network(path)
    assert caught.value.code == "bad_weights" and "\n" not in str(caught.value)


def changed(data: bytes, tensor: Tensor | None) -> bytes:
    """The weights without a tensor, or with another one in its place."""
    state = {name: value for name, value in load(data).items() if name != _FIRST}
    return save(state if tensor is None else {**state, _FIRST: tensor})
