"""What doctor finds where something is missing."""

from __future__ import annotations

import errno

import pytest

from matte_server.cli import examination
from matte_server.server.local_server import LocalServer


def test_a_machine_without_a_folder_for_pictures_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the examination, which is there to say so."""

    def nowhere() -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(examination, "default_parent", nowhere)
    _, spool = examination._room()
    assert spool.fails and spool.what == "spool" and "TMPDIR" in spool.remedy
    assert spool.found == "No usable temporary directory found in ['/tmp']."


def test_another_users_server_is_said_to_be_one(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examination._server(server.endpoint).found.endswith(" answers")
    monkeypatch.setattr(examination, "is_another_users", lambda address: True)
    assert examination._server(server.endpoint).found.endswith(" answers for another user")
