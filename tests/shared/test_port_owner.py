"""Whose server a port is, and whether pictures are for it."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from matte_link import port_owner
from matte_link.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Endpoint
from matte_link.port_owner import is_another_users, why_not_trusted

KEY = "k" * 40


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say whose a port is")
@pytest.mark.parametrize(
    ("listens", "asked", "is_there"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "*", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("::1", "[::1]", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:0.0.0.0", "127.0.0.1", True),
        ("::ffff:127.0.0.2", "127.0.0.1", False),
        ("127.0.0.2", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_whose_an_address_is_is_known(
    listens: str, asked: str, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_6 = ":" in listens
    family = socket.AF_INET6 if is_6 else socket.AF_INET
    with socket.create_server((listens, 0), family=family, dualstack_ipv6=is_6) as listener:
        address = f"tcp://{asked}:{listener.getsockname()[1]}"
        assert not is_another_users(address)
        monkeypatch.setattr(os, "getuid", lambda: -1)
        monkeypatch.setattr(port_owner, "_ROOT", -1)  # who runs this test may be root
        assert is_another_users(address) == is_there
    assert not is_another_users(address)


@pytest.mark.parametrize(
    ("endpoint", "environment", "is_trusted"),
    [
        (Endpoint(), "", False),
        (Endpoint(address="tcp://127.0.0.1:7000"), "", False),
        (Endpoint(address="tcp://127.0.0.1:7000"), DEFAULT_ADDRESS, False),
        (Endpoint(), DEFAULT_ADDRESS, True),
        (Endpoint(address=DEFAULT_ADDRESS, server_key=KEY, public_key=KEY, secret_key=KEY), "", True),
        # Of another machine nothing is known, whoever listens at that port of this one.
        (Endpoint(address="tcp://10.0.0.1:5560", server_key=KEY, public_key=KEY, secret_key=KEY), "", True),
        (Endpoint(address="tcp://render:5560"), "", True),
    ],
)
def test_another_users_server_is_trusted_by_its_keys_or_where_the_environment_names_it(
    endpoint: Endpoint, environment: str, is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_owner, "is_another_users", lambda address: True)
    monkeypatch.setenv(ADDRESS_VARIABLE, environment)
    why = f"The matting server at {endpoint.address} is another user's, who could see the pictures."
    assert why_not_trusted(endpoint) == ("" if is_trusted else why)
