"""Servers for the tests of client and job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .scripted_server import ScriptedServer

MakeServer = Callable[..., ScriptedServer]


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Starts servers as :class:`ScriptedServer` does, and closes them after the test."""
    servers: list[ScriptedServer] = []

    def make(*arguments: Any, **named: Any) -> ScriptedServer:
        servers.append(ScriptedServer(*arguments, **named))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
