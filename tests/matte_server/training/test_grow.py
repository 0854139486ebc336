"""A network that starts where a narrower one ended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from matte_server.models.networks import cleanplate
from matte_server.training.grow import grown_from
from matte_server.training.train import save_weights


def _narrow(monkeypatch: pytest.MonkeyPatch, path: Path) -> cleanplate.CleanplateNet:
    """A narrower network with fewer blocks, its statistics those of some pictures, and its weights in ``path``."""
    with monkeypatch.context() as patch:
        patch.setattr(cleanplate.CoarseNet, "WIDTHS", (20, 36, 72, 128, 224))
        patch.setattr(cleanplate.CoarseNet, "BLOCKS", (0, 1, 1, 2, 3))
        torch.manual_seed(1)
        net = cleanplate.CleanplateNet()
    net.train()
    with torch.no_grad():
        net.coarse_stage(*_frame(2))
    save_weights(net.state_dict(), path, step=0)
    return net.eval()


def _frame(seed: int) -> list[torch.Tensor]:
    dice = torch.Generator().manual_seed(seed)
    plate, clean = (torch.rand((2, 3, 64, 96), generator=dice) for _ in range(2))
    nothing = torch.zeros(2, 1, 64, 96)
    return [plate, clean, nothing + 1, nothing, nothing]


def test_a_grown_network_answers_as_the_narrow_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    narrow = _narrow(monkeypatch, tmp_path / "narrow.safetensors")
    grown = grown_from(tmp_path / "narrow.safetensors").eval()
    with torch.no_grad():
        before, after = narrow.coarse_stage(*_frame(3)), grown.coarse_stage(*_frame(3))
    assert float(before.alpha.std()) > 1e-3
    # Sums of more terms, the new ones 0: another order of float32 sums through 25 layers.
    for name in ("alpha", "doubt", "context"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=0, atol=2e-5)


def test_every_new_channel_learns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _narrow(monkeypatch, tmp_path / "narrow.safetensors")
    grown = grown_from(tmp_path / "narrow.safetensors").train()
    grown.coarse_stage(*_frame(4)).alpha.square().mean().backward()  # type: ignore[no-untyped-call]
    read = grown.get_parameter("coarse.merge.0.conv.weight")
    assert read.grad is not None
    assert bool((read[:20, 20:] == 0).all())
    assert bool((read.grad[:20, 20:].abs().amax((0, 2, 3)) > 0).all())


def test_a_wider_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_weights(cleanplate.CleanplateNet().state_dict(), tmp_path / "wide.safetensors", step=0)
    monkeypatch.setattr(cleanplate.CoarseNet, "WIDTHS", (20, 36, 72, 128, 224))
    with pytest.raises(ValueError, match="weights in the file"):
        grown_from(tmp_path / "wide.safetensors")


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    save_file({"backbone.conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"no weights of this network: backbone\.conv\.weight"):
        grown_from(tmp_path / "other.safetensors")
