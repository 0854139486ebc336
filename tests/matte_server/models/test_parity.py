"""The published networks' outputs, reproduced: the parity files hold what the original networks gave with weights
filled by a rule (see ``filled.py``), so that no checkpoint is needed.

The files in ``parity/`` are the originals, but for one thing: where V2 refines only some patches, its full-size
outputs are kept for the upper left quarter alone. The originals are compared whole where they are at hand.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matte_server.models.networks.bgm1 import CHANNELS, Bgm1
from matte_server.models.networks.bgm2 import Bgm2, Refinement

from .filled import filled, given

PARITY = Path(__file__).parent / "parity"
# The limit. On the machines tried the largest difference was 2e-6: the order of float32 sums.
LIMIT = 1e-4
SIZE = (256, 384)
CASES = sorted(path.stem for path in PARITY.glob("v2_*.npz"))


@pytest.fixture(scope="module")
def shapes() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PARITY / "state_dict_shapes.json").read_text())
    return found


@pytest.mark.parametrize("name", ["v2_mobilenetv2", "v2_resnet50", "v2_resnet101", "v1"])
def test_the_keys_and_shapes_are_the_checkpoints(name: str, shapes: dict[str, Any]) -> None:
    with torch.device("meta"):
        state = (Bgm1() if name == "v1" else Bgm2(name.removeprefix("v2_"))).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == shapes[name]
    assert list(state) == list(shapes[name])


@lru_cache(maxsize=2)
def v2_network(backbone: str, folded: bool) -> Bgm2:
    network = Bgm2(backbone).eval()
    network.load_state_dict(weights_of(backbone))
    return network.folded() if folded else network


@lru_cache(maxsize=1)
def weights_of(backbone: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return filled(Bgm2(backbone).state_dict(), f"v2_{backbone}")


def v2_outputs(case: str, folded: bool) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    _, backbone, mode = case.split("_")
    network = v2_network(backbone, folded)
    with torch.inference_mode():
        out = network(
            given("src", 3, SIZE, 0, 1),
            given("bgr", 3, SIZE, 0, 1),
            0.25,
            Refinement(mode=mode, sample_pixels=12_000, threshold=0.5),
        )
    return {key: value[0].numpy() for key, value in out._asdict().items()}


def differences(found: dict[str, Any], file: Path) -> dict[str, float]:
    wanted = np.load(file)
    return {
        key: float(np.abs(found[key][:, : wanted[key].shape[1], : wanted[key].shape[2]] - wanted[key]).max())
        for key in wanted.files
    }


@pytest.mark.parametrize("folded", [False, True], ids=["loaded", "folded"])
@pytest.mark.parametrize("case", CASES)
def test_v2(case: str, folded: bool) -> None:
    """As its weights are loaded, and as it runs: with the batch normalisations folded."""
    assert max(differences(v2_outputs(case, folded), PARITY / f"{case}.npz").values()) <= LIMIT


@pytest.mark.parametrize("case", CASES)
def test_v2_over_the_whole_frame(case: str, steering_data: Path) -> None:
    found = differences(v2_outputs(case, folded=True), steering_data / "parity" / f"{case}.npz")
    assert set(found) == {"pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm"}
    assert max(found.values()) <= LIMIT


@pytest.mark.parametrize("folded", [False, True], ids=["loaded", "folded"])
def test_v1(folded: bool) -> None:
    network = Bgm1().eval()
    network.load_state_dict(filled(network.state_dict(), "v1"))
    if folded:
        network.folded()
    inputs = (given(name, CHANNELS[name], (256, 256), -1, 1) for name in ("image", "back", "seg"))
    with torch.inference_mode():
        alpha, foreground = network(*inputs)
    found = {"alpha": alpha[0].numpy(), "foreground": foreground[0].numpy()}
    assert max(differences(found, PARITY / "v1.npz").values()) <= LIMIT
