"""Weights: read in every form that they come in, and refused in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from matte_server.errors import MatteError
from matte_server.models import weights_reader
from matte_server.models.architectures import network_of, recognise
from matte_server.models.learned import LearnedFacts, check_learned_for, learned_facts
from matte_server.models.networks.bgm2 import Bgm2

State = dict[str, Tensor]


class Holder(nn.Module):
    """What V2's authors exported: the network as an attribute called ``model``."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.model = Bgm2("mobilenetv2").eval()
        self.model.load_state_dict(state)

    def forward(self, picture: Tensor) -> Tensor:
        return picture * 2


def as_torchscript(state: State, path: Path, half: bool) -> None:
    holder = Holder(state).half() if half else Holder(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; the published archives are not going away
        torch.jit.save(torch.jit.trace(holder, torch.zeros(1)), str(path))  # type: ignore[no-untyped-call]


FORMS: dict[str, Callable[[State, Path], None]] = {
    "plain.pth": lambda state, path: torch.save(state, path),
    "old.pth": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "module.pth": lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path),
    "training.pth": lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path),
    "model_state_dict.pth": lambda state, path: torch.save({"epoch": 3, "model_state_dict": state}, path),
    "model.pth": lambda state, path: torch.save({"epoch": 3, "model": state}, path),
    "plain.safetensors": lambda state, path: save_file(state, path),
    "torchscript_mobilenetv2_fp32.pth": lambda state, path: as_torchscript(state, path, half=False),
    "torchscript_mobilenetv2_fp16.pth": lambda state, path: as_torchscript(state, path, half=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_recognised(form: str, v2_state: State, tmp_path: Path) -> None:
    path = tmp_path / form
    FORMS[form](v2_state, path)
    state = weights_reader.read_weights(path)
    architecture, network = network_of(state, "v2", form)
    assert architecture.name == "v2_mobilenetv2" and not network.training
    found = weights_reader.recognise_file(path)
    assert found is not None and found.name == "v2_mobilenetv2"
    # Half floats keep 11 bits.
    limit = 2.0**-11 if "fp16" in form else 0.0
    for name, tensor in v2_state.items():
        assert torch.allclose(state[name].float(), tensor.float(), rtol=limit, atol=limit * 1e-3), name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' disks hold no such names")
@pytest.mark.parametrize("form", FORMS)
def test_a_folder_whose_name_is_not_utf_8(form: str, v2_state: State, tmp_path: Path) -> None:
    """Of safetensors files there it was said that they are damaged."""
    plain, folder = tmp_path / form, tmp_path / os.fsdecode(b"\xfcbrig")
    FORMS[form](v2_state, plain)
    folder.mkdir()
    path = folder / form
    path.write_bytes(plain.read_bytes())
    read, wanted = weights_reader.read_weights(path), weights_reader.read_weights(plain)
    assert read.keys() == wanted.keys() and all(torch.equal(read[name], wanted[name]) for name in wanted)
    assert weights_reader.recognise_file(path) == weights_reader.recognise_file(plain) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' disks hold no such names")
def test_learned_weights_in_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    """What they learned was not seen, and so not for which model they are."""
    folder = tmp_path / os.fsdecode(b"\xfcbrig")
    folder.mkdir()
    path = folder / "take7.learned"
    facts = LearnedFacts(
        model="cleanplate", base="b", licence="Apache-2.0", version="1", frames=(1, 2), true_frames=(), inputs="i",
        steps=3, seed=0, first_error=0.5, error=0.25,
    )  # fmt: skip
    path.write_bytes(save({"a.weight": torch.ones(2)}, facts.metadata()))
    assert learned_facts(path) == facts
    with pytest.raises(MatteError, match="cleanplate"):
        check_learned_for(path, "v2")


@pytest.mark.parametrize(
    "changed",
    [
        {"model": 5},
        {"first_error": "x"},
        {"error": None},
        {"steps": True},
        {"frames": "abc"},
        {"options": [1]},
        None,
    ],
)
def test_facts_of_learned_weights_that_somebody_made_up_are_none(
    changed: dict[str, Any] | None, tmp_path: Path
) -> None:
    """They ended "models show", and a frame with "a defect of Cleanplate"."""
    facts = {
        "format": "cleanplate learned shot", "model": "cleanplate", "base": "b", "licence": "l", "version": "1",
        "frames": [1], "true_frames": [], "inputs": "i", "steps": 3, "seed": 0, "first_error": 1, "error": 0.5,
    }  # fmt: skip
    path = tmp_path / "made.learned"
    path.write_bytes(save({"a": torch.ones(1)}, {"cleanplate": json.dumps(facts)}))
    assert learned_facts(path) is not None
    told = "[" * 100_000 if changed is None else json.dumps(facts | changed)
    path.write_bytes(save({"a": torch.ones(1)}, {"cleanplate": told}))
    assert learned_facts(path) is None


def test_v1_as_its_authors_saved_it(v1_file: Path, v1_state: State) -> None:
    found = weights_reader.recognise_file(v1_file)
    assert found is not None and found.name == "v1"
    state = weights_reader.read_weights(v1_file)
    assert set(state) == set(v1_state)
    network_of(state, "v1", v1_file.name)


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101", "mobilenetv2"])
def test_the_backbone_is_told_from_the_names(backbone: str) -> None:
    with torch.device("meta"):
        names = list(Bgm2(backbone).state_dict())
    found = recognise(names[::2])
    assert found is not None and found.name == f"v2_{backbone}"


def test_a_refiner_with_kernel_size_1_is_recognised() -> None:
    state = Bgm2("mobilenetv2", kernel_size=1).state_dict()
    _, network = network_of(state, "v2", "a file")
    assert isinstance(network, Bgm2) and network.refiner.conv1.kernel_size == (1, 1)


def refused(path: Path, model: str = "v2") -> MatteError:
    with pytest.raises(MatteError) as caught:
        network_of(weights_reader.read_weights(path), model, path.name)
    return caught.value


def test_a_truncated_file_says_what_it_looks_like(v2_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pth"
    path.write_bytes(v2_file.read_bytes()[: v2_file.stat().st_size // 2])
    error = refused(path)
    assert error.code == "bad_weights"
    assert "V2 with MobileNetV2" in error.message and "it has 10.1 MB" in error.message
    assert "the tensors of that network take 20.2 MB" in error.message


def test_a_truncated_old_file_says_what_it_looks_like(v1_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pth"
    path.write_bytes(v1_file.read_bytes()[: v1_file.stat().st_size // 2])
    assert "looks like the weights of V1, but it is damaged" in refused(path, "v1").message


def test_missing_tensors_are_named(v2_state: State, tmp_path: Path) -> None:
    path = tmp_path / "coarse.pth"
    torch.save({name: tensor for name, tensor in v2_state.items() if not name.startswith("refiner.")}, path)
    message = refused(path).message
    assert "looks like the weights of V2 with MobileNetV2" in message
    assert " tensors are missing (refiner.conv1.weight, " in message


def test_wrong_shapes_are_named(v2_state: State, tmp_path: Path) -> None:
    path = tmp_path / "shape.pth"
    torch.save(v2_state | {"decoder.conv4.bias": torch.zeros(5)}, path)
    assert "decoder.conv4.bias is 5 instead of 37" in refused(path).message


def test_another_models_weights_say_so(v1_file: Path) -> None:
    error = refused(v1_file, "v2")
    assert "looks like the weights of V1, not of v2" in error.message and "--model v1" in error.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<!DOCTYPE html><html>", "is a web page"), (b"", "cannot be read"), (b"PK\x03\x04no", "cannot be read")],
)
def test_what_is_no_weights_at_all(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert said in refused(path).message


def test_weights_of_something_else_say_what_runs_here(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"lr_branch.backbone.weight": torch.zeros(3)}, path)
    error = refused(path)
    assert "fits no network that Cleanplate runs" in error.message and "V2 with ResNet-50" in error.hint


class Trap:
    """A checkpoint that would make a folder if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"weight": Trap(tmp_path / "sprung")}))
    assert refused(tmp_path / "trap.pth").code == "bad_weights"
    torch.save({"weight": Trap(tmp_path / "sprung")}, tmp_path / "zipped.pth")
    assert refused(tmp_path / "zipped.pth").code == "bad_weights"
    assert not (tmp_path / "sprung").exists()
