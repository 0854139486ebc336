"""Weights files of every kind, made once, and a models folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from matte_server.models.networks.bgm1 import Bgm1
from matte_server.models.networks.bgm2 import Bgm2
from tests.matte_server.models.filled import filled


def rule_filled(network: nn.Module, name: str) -> dict[str, Tensor]:
    return filled(network.state_dict(), name)


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder; the user's own is out of reach."""
    monkeypatch.setenv("CLEANPLATE_MODELS", str(tmp_path / "models"))
    for variable in ("XDG_DATA_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def v2_state() -> dict[str, Tensor]:
    with torch.device("meta"):
        network = Bgm2("mobilenetv2")
    return rule_filled(network, "v2_mobilenetv2")


@pytest.fixture(scope="session")
def v1_state() -> dict[str, Tensor]:
    with torch.device("meta"):
        network = Bgm1()
    return rule_filled(network, "v1")


@pytest.fixture(scope="session")
def v2_file(v2_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("v2") / "pytorch_mobilenetv2.pth"
    torch.save(v2_state, path)
    return path


@pytest.fixture(scope="session")
def v1_file(v1_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As its authors saved it: with the prefix of their training, in the format of old libraries."""
    path = tmp_path_factory.mktemp("v1") / "netG_epoch_12.pth"
    state = {f"module.{name}": tensor for name, tensor in v1_state.items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path
