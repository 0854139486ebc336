"""Weights files and the packaged model for this folder's tests."""

from __future__ import annotations

import pytest
import torch

from matte_server.models.cleanplate import CleanplateModel
from tests.matte_server.weights_files import models_folder, v1_file, v1_state, v2_file, v2_state

__all__ = ["models_folder", "v1_file", "v1_state", "v2_file", "v2_state"]


@pytest.fixture(scope="module")
def packaged_model() -> CleanplateModel:
    return CleanplateModel.load("", torch.device("cpu"))
