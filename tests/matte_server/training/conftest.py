"""A little raw material."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.training.__main__ import main


@pytest.fixture(scope="session")
def bank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of two procedural subjects and sets; there are no panoramas."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "hdri").mkdir()
    code = main(["fill", str(folder), "--hdri", str(folder / "hdri"), "--subjects", "2", "--sets", "2"])
    assert code == 0
    return folder
