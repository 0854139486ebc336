"""Both looks trained together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.networks.cleanplate import DETAILED, LIGHT, CleanplateNet, NetworkLayout
from matte_server.models.protocols import FrameTensors, ModelSettings
from matte_server.training.joint import both_looks, joint_losses

LAYOUTS = pytest.mark.parametrize("layout", [LIGHT, DETAILED], ids=["light", "detailed"])


def network(layout: NetworkLayout) -> CleanplateNet:
    """Random weights in evaluation mode; the refiner's last layer, which starts as 0, acts too."""
    torch.manual_seed(5)
    net = CleanplateNet(layout)
    torch.nn.init.normal_(net.refiner.last.weight, 0, 0.01)
    return net.eval()


def composites(height: int = 64, width: int = 64) -> dict[str, Tensor]:
    dice = torch.Generator().manual_seed(6)
    batch = {name: torch.rand(1, 3, height, width, generator=dice) for name in ("plate", "clean", "foreground")}
    batch["alpha"] = torch.rand(1, 1, height, width, generator=dice)
    nothing = torch.zeros_like(batch["alpha"])
    return {**batch, "coverage": torch.ones_like(nothing), "core": nothing, "holdout": nothing}


@LAYOUTS
def test_training_joins_the_looks_as_a_frame_does(layout: NetworkLayout) -> None:
    # So long that it is not seen at twice its size, too.
    batch, net = composites(width=576), network(layout)
    with torch.no_grad():
        net.coarse.head.weight.mul_(0.01)  # an alpha of about 0.5: every block is refined
        joined = both_looks(net, batch).joined.clamp(0, 1)
    frame = FrameTensors(plate=batch["plate"], clean_plate=batch["clean"], coverage=batch["coverage"])
    found = CleanplateModel(net, torch.device("cpu")).predict(frame, ModelSettings(), lambda: None).alpha
    # Folded normalisation and OpenCV's resampling round in another order: 2e-6 measured.
    assert float(joined.std()) > 0.001
    assert torch.allclose(found, joined, atol=1e-5)


@LAYOUTS
def test_every_part_learns_from_both_looks(layout: NetworkLayout) -> None:
    net = network(layout)
    losses = joint_losses(net, composites())
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(losses.total))
    assert all(weight.grad is not None for weight in net.parameters())
    refined = both_looks(net, composites())
    (of_refined, of_second) = torch.autograd.grad(refined.joined.sum(), [refined.refined, refined.second.alpha])
    assert bool(of_refined.any()) and bool(of_second.any())


def test_each_term_is_about_the_alpha_that_it_names() -> None:
    """Where one of the four alphas is the truth, its term alone is 0."""
    net, batch = network(LIGHT), composites()
    with torch.no_grad():
        net.coarse.head.weight.mul_(0.01)  # alpha stays within 0..1
        found = both_looks(net, batch)
    of_first = found.first.alpha.repeat_interleave(2, -1).repeat_interleave(2, -2)
    alphas = {"joint": found.joined, "refined": found.refined, "coarse": of_first, "second": found.second.alpha}
    for name, alpha in alphas.items():
        parts = joint_losses(net, {**batch, "alpha": alpha.detach()}).parts
        assert [each for each in alphas if float(parts[each]) < 1e-6] == [name]


def test_the_network_that_training_began_with_exceeds_its_own_errors_nowhere() -> None:
    net, batch = network(LIGHT), composites()
    # The slope outside 0..1 (LEAK) leaves 2e-10 here: training does not clamp alpha, the comparison does.
    assert float(joint_losses(net, batch, net).parts["held"]) < 1e-8
    other = network(LIGHT)
    with torch.no_grad():
        other.coarse.head.weight.mul_(2.0)
    assert float(joint_losses(other, batch, net).parts["held"]) > 0.01
    assert "held" not in joint_losses(net, batch).parts
