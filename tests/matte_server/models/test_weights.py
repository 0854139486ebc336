"""Weights: found where they lie, and chosen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from matte_server.errors import MatteError
from matte_server.models import registry, weights
from matte_server.models.identity import default_weights
from matte_server.models.v2 import V2Model


def link(folder: Path, file: Path, name: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or file.name)
    os.link(file, path)
    return path


def test_found_in_the_named_folder_under_any_name(models_folder: Path, v2_file: Path, v1_file: Path) -> None:
    assert registry.available_models() == ("cleanplate", "difference")
    mine = link(models_folder / "bgm", v2_file, "anything.pth")
    assert weights.find_weights("v2", "") == mine
    assert registry.available_models() == ("cleanplate", "difference", "v2")
    link(models_folder, v1_file)
    assert registry.available_models() == ("cleanplate", "difference", "v2", "v1")


def test_found_in_the_users_folder_too(models_folder: Path, v2_file: Path) -> None:
    mine = link(weights.user_folder(), v2_file)
    assert weights.find_weights("v2", "") == mine
    assert weights.find_weights("v2", v2_file.name) == mine


def test_what_was_chosen_comes_first(models_folder: Path, v2_file: Path) -> None:
    link(models_folder, v2_file, "a.pth")
    assert weights.remember(v2_file).name == "v2_mobilenetv2"
    assert weights.find_weights("v2", "") == v2_file


def test_chosen_weights_that_are_gone_are_missed(models_folder: Path, v2_file: Path, tmp_path: Path) -> None:
    mine = link(tmp_path, v2_file)
    weights.remember(mine)
    mine.unlink()
    with pytest.raises(MatteError, match="no longer exist"):
        weights.find_weights("v2", "")
    # A server starts all the same, without them.
    assert registry.available_models() == ("cleanplate", "difference")
    assert "v2" not in default_weights()


def test_choosing_a_bad_file_changes_nothing(models_folder: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(MatteError, match="fits no network"):
        weights.remember(tmp_path / "bad.pth")
    assert weights.remembered() == {}


def test_no_weights_say_where_they_were_looked_for(models_folder: Path) -> None:
    with pytest.raises(MatteError) as caught:
        V2Model.load("", torch.device("cpu"))
    assert caught.value.code == "missing_weights" and str(models_folder) in caught.value.message
    with pytest.raises(MatteError, match=r"There are no weights at .*nowhere\.pth"):
        registry.load_model("v2", "nowhere.pth", torch.device("cpu"))
