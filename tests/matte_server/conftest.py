"""One real server that may touch a folder, for the rooms ``server`` and ``worker``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matte_server.server.local_server import LocalServer


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder that the server may touch."""
    return str(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def rooted_server(roots: str) -> Iterator[LocalServer]:
    with LocalServer(["--root", roots, "--device", "cpu"]) as running:
        yield running
