"""A network that starts where a narrower one ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from matte_server.models.networks.cleanplate import (
    DETAILED,
    LIGHT,
    MORE_CONTEXT,
    CleanplateNet,
    CoarseInput,
    NetworkLayout,
)
from matte_server.models.networks.cleanplate_features import EVIDENCE
from matte_server.models.networks.cleanplate_refiner import COLOUR, CONTEXT, STATE, Cells
from matte_server.training.grow import grown_from
from matte_server.training.train import save_weights

NARROW = NetworkLayout(widths=(20, 36, 72, 128, 224), blocks=(0, 1, 1, 2, 3), detailed=False)


def _narrow(path: Path) -> CleanplateNet:
    """A narrower network with fewer blocks, its statistics those of some pictures, and its weights in ``path``."""
    torch.manual_seed(1)
    net = CleanplateNet(NARROW)
    net.train()
    with torch.no_grad():
        net.coarse_stage(_frame(2, detailed=False))
    save_weights(net.state_dict(), path, step=0)
    return net.eval()


def _frame(seed: int, detailed: bool) -> CoarseInput:
    dice = torch.Generator().manual_seed(seed)
    plate, clean = (torch.rand((2, 3, 64, 96), generator=dice) for _ in range(2))
    nothing = torch.zeros(2, 1, 64, 96)
    return CoarseInput(
        plate=plate,
        clean=clean,
        coverage=nothing + 1,
        core=nothing,
        holdout=nothing,
        evidence=torch.rand((2, EVIDENCE, 64, 96), generator=dice) if detailed else None,
    )


LAYOUTS = pytest.mark.parametrize("layout", [LIGHT, DETAILED], ids=["light", "detailed"])


@LAYOUTS
def test_a_grown_network_gives_the_narrow_ones_output(tmp_path: Path, layout: NetworkLayout) -> None:
    narrow = _narrow(tmp_path / "narrow.safetensors")
    grown = grown_from(tmp_path / "narrow.safetensors", layout).eval()
    with torch.no_grad():
        before = narrow.coarse_stage(_frame(3, detailed=False))
        after = grown.coarse_stage(_frame(3, detailed=layout.detailed))
    assert float(before.alpha.std()) > 1e-3
    # Sums of more terms, the new ones 0: another order of float32 sums through 25 layers.
    for name in ("alpha", "doubt"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=0, atol=2e-5)
    torch.testing.assert_close(after.context[:, :CONTEXT], before.context, rtol=0, atol=2e-5)


def test_a_grown_refiner_gives_the_light_ones_output(tmp_path: Path) -> None:
    """On the cells that both see: the detailed one needs two cells more around a block."""
    torch.manual_seed(5)
    narrow = CleanplateNet(NARROW)
    torch.nn.init.normal_(narrow.refiner.last.weight, std=0.2)
    save_weights(narrow.state_dict(), tmp_path / "narrow.safetensors", step=0)
    grown = grown_from(tmp_path / "narrow.safetensors", DETAILED)
    light = Cells(
        plate=torch.rand(3, 12, 24, 24),
        clean=torch.rand(3, 12, 24, 24),
        alpha=torch.rand(3, 4, 24, 24),
        context=torch.randn(3, CONTEXT, 24, 24),
    )
    state = torch.randn(3, STATE, 24, 24)
    state[:, COLOUR] = 0.0
    detailed = replace(
        light,
        context=torch.cat([light.context, torch.randn(3, MORE_CONTEXT, 24, 24)], 1),
        evidence=torch.rand(3, 8, 24, 24),
        state=state,
    )
    with torch.no_grad():
        before, after = narrow.refiner(light), grown.refiner(detailed)
    assert float((before.alpha - light.alpha[..., 2:-2, 2:-2]).abs().mean()) > 0.01
    # As above, through four layers.
    torch.testing.assert_close(after.alpha, before.alpha[..., 2:-2, 2:-2], rtol=0, atol=1e-5)
    assert torch.equal(after.state, state[..., 4:-4, 4:-4])


@LAYOUTS
def test_every_new_channel_learns(tmp_path: Path, layout: NetworkLayout) -> None:
    _narrow(tmp_path / "narrow.safetensors")
    grown = grown_from(tmp_path / "narrow.safetensors", layout).train()
    given = _frame(4, detailed=layout.detailed)
    grown.coarse_stage(given).alpha.square().mean().backward()  # type: ignore[no-untyped-call]
    read = grown.get_parameter("coarse.merge.0.conv.weight")
    assert read.grad is not None
    assert bool((read[:20, 20:] == 0).all())
    assert bool((read.grad[:20, 20:].abs().amax((0, 2, 3)) > 0).all())


def test_a_wider_file_is_refused(tmp_path: Path) -> None:
    save_weights(CleanplateNet(LIGHT).state_dict(), tmp_path / "wide.safetensors", step=0)
    with pytest.raises(ValueError, match="weights in the file"):
        grown_from(tmp_path / "wide.safetensors", replace(NARROW, blocks=LIGHT.blocks))


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    save_file({"backbone.conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"no weights of this network: backbone\.conv\.weight"):
        grown_from(tmp_path / "other.safetensors", LIGHT)
