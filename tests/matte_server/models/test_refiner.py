"""V2's refiner: neither tiles nor bands change anything, and its options do what V2's do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor

from matte_server.models.networks import bgm2_bands, bgm2_tiles
from matte_server.models.networks.bgm2 import Bgm2, Refinement, Refiner

from .filled import filled, given

# Sums of up to 378 products around 1 in another order: 378 * 2^-24, as in the parity tests.
LIMIT = 2.5e-5
SIZE = (92, 140)


def refiner(kernel_size: int) -> Refiner:
    network = Bgm2(kernel_size=kernel_size).refiner.eval()
    named = {f"refiner.{name}": tensor for name, tensor in network.state_dict().items()}
    network.load_state_dict({k.removeprefix("refiner."): v for k, v in filled(named, "v2_mobilenetv2").items()})
    return network


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Plate, clean plate, and coarse outputs of a size that is no simple part of theirs."""
    return given("src", 3, SIZE, 0, 1), given("bgr", 3, SIZE, 0, 1), given("coarse", 36, (23, 31), 0, 1)


def whole_frame(network: Refiner, src: Tensor, bgr: Tensor, coarse: Tensor) -> Tensor:
    """The refiner over the whole frame at once, as V2's paper has it: 4 x H x W, before the ends are cut."""
    half = (SIZE[0] // 2, SIZE[1] // 2)
    pictures = torch.cat([src, bgr], 1)
    seen = torch.cat([nnf.interpolate(each, half, mode="bilinear") for each in (coarse, pictures)], 1)
    outer, inner = (3, 2) if network.conv1.kernel_size == (3, 3) else (0, 0)
    seen = nnf.relu(network.bn1(network.conv1(nnf.pad(seen, (outer,) * 4))))
    seen = nnf.relu(network.bn2(network.conv2(seen)))
    seen = nnf.interpolate(seen, scale_factor=2, mode="nearest")
    seen = torch.cat([seen, nnf.pad(pictures, (inner,) * 4)], 1)
    out: Tensor = network.conv4(nnf.relu(network.bn3(network.conv3(seen))))
    out[:, 1:] += src
    return out.clamp(0, 1)[0]


def scattered(share: float) -> Tensor:
    """Some patches alone, and a solid area that reaches two edges."""
    chosen = torch.rand((SIZE[0] // 4, SIZE[1] // 4), generator=torch.Generator().manual_seed(5)) < share
    chosen[12:, 20:] = True
    return chosen


@pytest.mark.parametrize("kernel_size", [3, 1])
@pytest.mark.parametrize("sides", [(1, 2, 4, 8), (1,), (1, 2)], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_tiles_give_what_the_whole_frame_gives(
    kernel_size: int, sides: tuple[int, ...], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bgm2_tiles, "_SIDES", sides)
    monkeypatch.setattr(bgm2_tiles, "_CHUNK", 4000)
    network, chosen = refiner(kernel_size), scattered(share)
    with torch.inference_mode():
        found = network.in_tiles(*inputs(), chosen)
    assert float((found[0] - wanted_of(network, chosen)).abs().max()) <= LIMIT


@pytest.mark.parametrize("kernel_size", [3, 1])
@pytest.mark.parametrize("pixels", [1, 3000, 1 << 22])
def test_bands_give_what_the_whole_frame_gives(
    kernel_size: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bgm2_bands, "_PIXELS", pixels)
    network, chosen = refiner(kernel_size), scattered(0.1)
    with torch.inference_mode():
        found = network.in_bands(*inputs(), chosen)
    assert float((found[0] - wanted_of(network, chosen)).abs().max()) <= LIMIT


@torch.inference_mode()
def wanted_of(network: Refiner, chosen: Tensor) -> Tensor:
    """The whole frame's answer in the chosen patches, the coarse one elsewhere: 4 x H x W."""
    src, bgr, coarse = inputs()
    grown = nnf.interpolate(coarse[:, 32:], SIZE, mode="bilinear")
    grown[:, 1:] += src
    at = nnf.interpolate(chosen[None, None].float(), SIZE, mode="nearest")[0] > 0
    return torch.where(at, whole_frame(network, src, bgr, coarse), grown[0].clamp(0, 1))


def test_each_chosen_patch_lies_in_exactly_one_tile() -> None:
    chosen = scattered(0.2)
    counted = torch.zeros_like(chosen, dtype=torch.int64)
    for tiles in bgm2_tiles.tiles_of(chosen, bgm2_tiles.Reach(half=3, full=2)):
        for tile, row, column in torch.nonzero(tiles.chosen).tolist():
            place = int(tiles.rows[tile]) * tiles.side + row, int(tiles.columns[tile]) * tiles.side + column
            counted[place] += 1
    assert torch.equal(counted, chosen.to(torch.int64))


def test_solid_areas_are_joined_and_single_patches_are_not() -> None:
    chosen = torch.zeros((32, 32), dtype=torch.bool)
    chosen[:16, :16] = True
    chosen[20, 20] = True
    sizes = [(tiles.side, len(tiles)) for tiles in bgm2_tiles.tiles_of(chosen, bgm2_tiles.Reach(half=3, full=2))]
    assert sizes == [(1, 1), (8, 4)]


def test_no_patch_chosen_is_the_coarse_result_grown() -> None:
    network, (src, bgr, coarse) = refiner(3), inputs()
    with torch.inference_mode():
        alpha, _ = network(src, bgr, coarse, torch.zeros((SIZE[0] // 4, SIZE[1] // 4), dtype=torch.bool))
    wanted = nnf.interpolate(coarse[:, 32:33], SIZE, mode="bilinear")
    # One product of matrices instead of one blend: the last bits of float32.
    assert float((alpha - wanted).abs().max()) <= 1e-6


def test_the_coarse_pictures_are_sampled_bilinearly() -> None:
    picture = given("src", 3, SIZE, 0, 1)
    for size in ((23, 35), (46, 70), (13, 11)):
        wanted = nnf.interpolate(picture, size, mode="bilinear")
        assert float((bgm2_tiles.shrunk(picture, size) - wanted).abs().max()) <= 1e-5


def test_the_sample_count_is_held_to_the_frame() -> None:
    error = torch.rand((4, 5))
    assert bool(Refinement(mode="sampling", sample_pixels=80_000).patches(error).all())
    assert int(Refinement(mode="sampling", sample_pixels=16 * 7).patches(error).sum()) == 7


def test_oversampling_is_prevented_only_when_asked() -> None:
    error = torch.zeros((4, 5))
    error[1, 2] = 0.5
    assert int(Refinement(mode="sampling", sample_pixels=16 * 7).patches(error).sum()) == 1
    assert (
        int(Refinement(mode="sampling", sample_pixels=16 * 7, prevent_oversampling=False).patches(error).sum()) == 7
    )


def test_thresholding_and_full() -> None:
    error = torch.tensor([[0.05, 0.1, 0.2]])
    assert Refinement(mode="thresholding").patches(error).tolist() == [[False, False, True]]
    assert bool(Refinement(mode="full").patches(error).all())
    with pytest.raises(ValueError, match="must be one of sampling, thresholding, full"):
        Refinement(mode="most")


def test_sizes_that_v2_cannot_take_are_refused() -> None:
    network, picture = Bgm2().eval(), torch.zeros((1, 3, 30, 32))
    with pytest.raises(ValueError, match="multiples of 4"):
        network(picture, picture, 0.5, Refinement())
