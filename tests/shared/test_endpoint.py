"""Addresses and keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint, is_loopback

KEY = "k" * 40


def test_an_address_given_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {"CLEANPLATE_SERVER": "tcp://127.0.0.1:7000"}
    assert Endpoint.resolve("tcp://localhost:1", "", environment).address == "tcp://localhost:1"
    assert Endpoint.resolve("", "", environment).address == "tcp://127.0.0.1:7000"
    assert Endpoint.resolve("", "", {}).address == DEFAULT_ADDRESS


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("tcp://127.0.0.1:5560", True),
        ("tcp://127.9.9.9:*", True),
        ("tcp://localhost:1", True),
        ("tcp://[::1]:5560", True),
        ("tcp://0.0.0.0:5560", False),
        ("tcp://*:5560", False),
        ("tcp://10.0.0.1:5560", False),
        ("tcp://localhost.example.com:5560", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback
    assert "*" in address or Endpoint(address).is_loopback is loopback


def test_what_is_no_address_is_not_this_machine() -> None:
    assert not is_loopback("localhost:5560") and not is_loopback("")


@pytest.mark.parametrize(
    "address",
    [
        "", "127.0.0.1:5560", "tcp://host", "tcp://h:0", "tcp://h:65536", "ipc://x", "tcp://*:5560", "tcp://h:*",
        "tcp://übrig:1",
    ],
)  # fmt: skip
def test_an_unusable_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address; it should look like tcp://"):
        Endpoint(address)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("gpu7:5561", "tcp://gpu7:5561."),
        ("http://10.0.0.7:5560", "tcp://10.0.0.7:5560."),
        ("[::1]:5560", "tcp://[::1]:5560."),
        ("gpu7", f"{DEFAULT_ADDRESS}."),
    ],
)
def test_an_address_that_lacks_only_its_scheme_is_shown_with_it(given: str, shown: str) -> None:
    with pytest.raises(ValueError, match="is not an address") as caught:
        Endpoint(given)
    assert str(caught.value).endswith(f"it should look like {shown}")


def test_keys_are_read_from_a_key_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"server": "s" * 40, "public": "p" * 40, "secret": KEY}))
    encrypted = Endpoint.resolve("", str(file), {})
    assert encrypted.encrypted and encrypted == Endpoint.resolve(environment={"CLEANPLATE_KEYS": str(file)})
    assert (encrypted.address, encrypted.server_key) == (DEFAULT_ADDRESS, "s" * 40)
    assert (encrypted.public_key, encrypted.secret_key) == ("p" * 40, "k" * 40)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # as Windows's editors save it
    assert Endpoint.resolve("", str(file), {}) == encrypted
    assert not Endpoint.resolve("", "", {}).encrypted
    file.write_text(json.dumps({"server": KEY}))
    with pytest.raises(ValueError, match="must be JSON with server, public and secret"):
        Endpoint.resolve("", str(file), {})
    for wrong in ({"server": KEY}, {"server": KEY, "public": KEY, "secret": KEY + "k"}):
        with pytest.raises(ValueError, match="three keys of 40 characters"):
            Endpoint.with_keys(DEFAULT_ADDRESS, wrong)
