"""Every result says who made it: the version, the model that 'auto' led to, and the weights by content."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from matte_link.client import MatteClient
from matte_link.file_digest import file_digest
from matte_link.messages import Matte
from matte_link.options import MatteOptions
from matte_link.result_key import MAKER, Maker

from matte_server.io import exr
from matte_server.models import cleanplate
from matte_server.models.protocols import MattingModel
from matte_server.models.registry import load_model
from matte_server.worker.makers import Makers

from ..weights_files import models_folder, v1_state, v2_file, v2_state

__all__ = ["models_folder", "v1_state", "v2_file", "v2_state"]
Make = Callable[..., Matte]
PACKAGED = Path(cleanplate.__file__).parent / cleanplate.SPEC.packaged_file


@pytest.fixture
def named_weights(v2_file: Path, roots: str) -> Path:
    """A weights file where the shared server may open it."""
    path = Path(roots, "named_mobilenetv2.pth")
    path.write_bytes(v2_file.read_bytes())
    return path


def check(client: MatteClient, request_for: Make, options: MatteOptions, wanted: Maker) -> None:
    """The reply and its EXR say the same, and it is what client and hosts expect before they ask."""
    reply = client.matte(request_for(options=options), timeout_s=120)
    assert reply.diagnostics[MAKER] == wanted.to_dict()
    attribute = exr.read_image(bytes(reply.data)).metadata[exr.DIAGNOSTICS]
    assert isinstance(attribute, exr.RawAttribute)
    assert Maker.from_dict(json.loads(attribute.data)[MAKER]) == wanted
    assert Maker.of(options, client.ping()) == wanted


def test_auto_is_the_default_model_with_its_own_weights(client: MatteClient, request_for: Make) -> None:
    packaged = Maker(version=version("cleanplate"), model="cleanplate", weights=file_digest(PACKAGED))
    check(client, request_for, MatteOptions(model="auto"), packaged)
    check(client, request_for, MatteOptions(model="cleanplate"), packaged)


def test_a_model_without_weights_has_an_empty_digest(client: MatteClient, request_for: Make) -> None:
    wanted = Maker(version=version("cleanplate"), model="difference", weights="")
    check(client, request_for, MatteOptions(model="difference"), wanted)


def test_a_named_weights_file_is_known_by_its_content(
    client: MatteClient, request_for: Make, named_weights: Path
) -> None:
    wanted = Maker(version=version("cleanplate"), model="v2", weights=file_digest(named_weights))
    check(client, request_for, MatteOptions(model="v2", weights=str(named_weights)), wanted)


def test_a_bare_name_is_looked_up_in_the_models_folder(models_folder: Path, v2_file: Path) -> None:
    models_folder.mkdir()
    (models_folder / "mine.pth").write_bytes(v2_file.read_bytes())
    assert Makers().of(MatteOptions(model="v2", weights="mine.pth")).weights == file_digest(v2_file)
    assert Makers().of(MatteOptions(model="v2", weights="gone.pth")).weights is None
    # Found by the model's own rule where none are named.
    assert Makers().of(MatteOptions(model="v2")).weights == file_digest(v2_file)


def test_a_file_that_is_replaced_does_not_change_who_a_loaded_model_is(models_folder: Path, v2_file: Path) -> None:
    """The digest is that of the weights when the model was loaded; loaded again, it is the new file's."""
    models_folder.mkdir()
    path = models_folder / "mine.pth"
    path.write_bytes(v2_file.read_bytes())
    before = file_digest(path)
    makers, options = Makers(), MatteOptions(model="v2", weights="mine.pth")

    def load(name: str, weights: str, device: torch.device) -> MattingModel:
        return load_model("difference", "", device)

    loader = makers.recording(load)
    loader("v2", "mine.pth", torch.device("cpu"))
    path.write_bytes(path.read_bytes() + b"another")
    assert makers.of(options).weights == before
    loader("v2", "mine.pth", torch.device("cpu"))
    assert makers.of(options).weights == file_digest(path) != before
