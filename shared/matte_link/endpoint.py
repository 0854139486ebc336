"""The address of the matting server, and the keys of an encrypted connection."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from .files import small_text

DEFAULT_ADDRESS = "tcp://127.0.0.1:5560"
ADDRESS_VARIABLE = "CLEANPLATE_SERVER"
KEYS_VARIABLE = "CLEANPLATE_KEYS"
_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^:/\s\[\]]+):(\d{1,5}|\*)\Z")


@dataclass(frozen=True)
class Endpoint:
    """An address such as ``tcp://127.0.0.1:5560`` and, for a server on another machine, CURVE keys as Z85 text.
    ``is_own``: the server was started for this run, by its process or by its session on a farm, and ends with it.

    Raises ``ValueError`` if the address has another form, or if only some of the three keys are given.
    """

    address: str = DEFAULT_ADDRESS
    server_key: str = ""
    public_key: str = ""
    secret_key: str = ""
    is_own: bool = False

    def __post_init__(self) -> None:
        match = _TCP.match(self.address)
        # A server may listen to all addresses of its machine (*) and take any free port; nobody connects so.
        is_one = match and match.group(1) != "*" and match.group(2) != "*" and self.address.isascii()
        if not match or not is_one or not 0 < int(match.group(2)) < 65536:
            raise ValueError(not_an_address(self.address))
        keys = (self.server_key, self.public_key, self.secret_key)
        if any(keys) and not all(len(key) == 40 for key in keys):
            raise ValueError("an encrypted connection needs three keys of 40 characters: server, public, secret.")

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted with CURVE."""
        return bool(self.server_key)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.address)

    @staticmethod
    def resolve(address: str = "", keys: str = "", environment: Optional[Mapping[str, str]] = None) -> Endpoint:
        """The address given, else that of ``CLEANPLATE_SERVER``, else the default. ``keys`` is the path of a key
        file, else that of ``CLEANPLATE_KEYS``, else the connection is not encrypted.

        A key file is JSON with ``server``, ``public`` and ``secret``; ``cleanplate keys`` writes it. Raises
        ``ValueError`` with one sentence if the address or the file cannot be used.
        """
        environment = os.environ if environment is None else environment
        address = address or environment.get(ADDRESS_VARIABLE, "") or DEFAULT_ADDRESS
        keys = keys or environment.get(KEYS_VARIABLE, "")
        if not keys:
            return Endpoint(address)
        return Endpoint.with_keys(address, _key_file(keys))

    @staticmethod
    def with_keys(address: str, entries: Mapping[str, str], is_own: bool = False) -> Endpoint:
        """The address with the ``entries`` of a key file. Without entries the connection is not encrypted."""
        return Endpoint(
            address=address,
            server_key=entries.get("server", ""),
            public_key=entries.get("public", ""),
            secret_key=entries.get("secret", ""),
            is_own=is_own,
        )


def is_address(address: str) -> bool:
    """Whether this has the form of an address, whatever its port."""
    return bool(_TCP.match(address))


def not_an_address(text: str) -> str:
    """The sentence about a text that is no address; one that lacks only ``tcp://`` is shown with it."""
    meant = f"tcp://{text.rpartition('://')[2]}"
    return f"{text!r} is not an address; it should look like {meant if is_address(meant) else DEFAULT_ADDRESS}."


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a ``tcp://`` address. A host name other than localhost counts as another
    machine, whatever it resolves to."""
    match = _TCP.match(address)
    if not match:
        return False
    host = match.group(1).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key_file(path: str) -> Mapping[str, str]:
    try:
        entries = json.loads(small_text(path))
        return {name: str(entries[name]) for name in ("server", "public", "secret")}
    except OSError as error:
        raise ValueError(f"the key file {path} cannot be used: {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(
            f"the key file {path} cannot be used: it must be JSON with server, public and secret."
        ) from None
