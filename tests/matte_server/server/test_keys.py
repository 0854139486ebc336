"""Keys: who is let in, and who is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError

from matte_server.errors import MatteError
from matte_server.server import keys
from matte_server.server.local_server import LocalServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.make_server(tmp_path / "keys")
    return tmp_path / "keys"


def _reach(address: str, file: Path | str) -> str:
    """Whether a client with this key file is answered: the server's version, or the error's code."""
    with MatteClient(Endpoint.resolve(address, str(file), {})) as client:
        try:
            return client.ping(2.0).version
        except LinkError as error:
            return error.code


def test_only_listed_clients_are_let_in(folder: Path, tmp_path: Path) -> None:
    anna, ben = keys.add_client(folder, "anna"), keys.add_client(folder, "ben")
    stranger = keys.make_server(tmp_path / "other").parent
    keys.add_client(stranger, "eve")
    # Eve knows the right server's public key, but is not on its list.
    eve = tmp_path / "eve.json"
    server_key = keys.load_server_keys(folder).public
    eve.write_text((stranger / "eve.json").read_text().replace(keys.load_server_keys(stranger).public, server_key))
    with LocalServer(["--bind", "tcp://0.0.0.0:*", "--keys", str(folder), "--device", "cpu"]) as server:
        address = server.endpoint.address.replace("0.0.0.0", "127.0.0.1")
        assert _reach(address, anna)[0].isdigit()
        assert _reach(address, eve) == "unavailable"
        assert _reach(address, stranger / "eve.json") == "unavailable"
        assert _reach(address, "") == "unavailable"
        # Taken off the list, Ben is out without a restart.
        listed = folder / keys.CLIENTS_FILE
        assert _reach(address, ben)[0].isdigit()
        listed.write_text("".join(line for line in listed.open() if "ben" not in line))
        assert _reach(address, ben) == "unavailable"
        assert _reach(address, anna)[0].isdigit()


def test_secrets_are_readable_by_their_owner_only(folder: Path) -> None:
    client = keys.add_client(folder, "anna")
    assert [path.stat().st_mode & 0o077 for path in (client, folder / keys.SERVER_FILE)] == [0, 0]
    (folder / keys.SERVER_FILE).chmod(0o644)
    with pytest.raises(MatteError, match="chmod 600"):
        keys.load_server_keys(folder)


def test_keys_that_cannot_work_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="No client is listed"):
        keys.load_server_keys(folder)
    with pytest.raises(MatteError, match="does not contain a server's keys"):
        keys.load_server_keys(tmp_path / "nothing")
    with pytest.raises(MatteError, match="already exists"):
        keys.make_server(folder)
    keys.add_client(folder, "anna")
    for name in ("anna", "../anna", "server", ""):
        with pytest.raises(MatteError):
            keys.add_client(folder, name)
