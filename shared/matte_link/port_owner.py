"""Whose server a port of this machine is: on loopback any user of the machine can listen and be asked."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Union

from .endpoint import ADDRESS_VARIABLE, Endpoint

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_ADDRESS, _STATE, _USER = 1, 3, 7
"""Columns of these tables."""
_ROOT = 0
_Ip = Union[IPv4Address, IPv6Address]


def is_another_users(address: str) -> bool:
    """Whether another user of this machine listens at a ``tcp://`` address, or at all of the machine's; root's
    services count as everybody's. False for the port ``*``, and where the system does not tell, as macOS and
    Windows."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if sys.platform != "linux" or not port.isdigit():
        return False
    asked = _addresses(host.strip("[]"))
    users = {user for at, user in _listeners(int(port)) if not asked or at.is_unspecified or at in asked}
    return bool(users - {os.getuid(), _ROOT})


def why_not_trusted(endpoint: Endpoint) -> str:
    """Why pictures are not for the server that answers there, as one sentence; empty where they may be sent: its
    keys say whose it is, ``$CLEANPLATE_SERVER`` names it, or it is not known to be another user's."""
    is_named = os.environ.get(ADDRESS_VARIABLE) == endpoint.address
    if is_named or endpoint.encrypted or not endpoint.is_loopback or not is_another_users(endpoint.address):
        return ""
    return f"The matting server at {endpoint.address} is another user's, who could see the pictures."


def _addresses(host: str) -> set[_Ip]:
    """The addresses of one host; none where it stands for all of this machine's, or is a name that nobody knows."""
    with contextlib.suppress(OSError, UnicodeError):
        found = {ip_address(str(entry[4][0])) for entry in socket.getaddrinfo(host, None)}
        return set() if any(each.is_unspecified for each in found) else found
    return set()


def _listeners(port: int) -> set[tuple[_Ip, int]]:
    """The addresses at which a port is listened to, and the number of the user who does."""
    found = set()
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                host, _, number = columns[_ADDRESS].rpartition(":")
                if columns[_STATE] == _LISTENS and int(number, 16) == port:
                    found.add((_ip(host), int(columns[_USER])))
    return found


def _ip(text: str) -> _Ip:
    """An address as these tables write it: words of 32 bits, each in this machine's order of bytes. One of
    IPv4 that a socket of IPv6 listens at, ``::ffff:127.0.0.1``, is that of IPv4."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    found = ip_address(b"".join(words))
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
