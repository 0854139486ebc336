"""Whose server a port of this machine is: on loopback any user of the machine can listen and be asked."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from .endpoint import ADDRESS_VARIABLE, Endpoint

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_ADDRESS, _STATE, _USER = 1, 3, 7
"""Columns of these tables."""
_ROOT = 0


def is_another_users(address: str) -> bool:
    """Whether another user of this machine listens at the port of a ``tcp://`` address; root's services count as
    everybody's. False for the port ``*``, and where the system does not tell, as macOS and Windows."""
    port = address.rpartition(":")[2]
    if sys.platform != "linux" or not port.isdigit():
        return False
    return bool(_listeners(int(port)) - {os.getuid(), _ROOT})


def why_not_trusted(endpoint: Endpoint) -> str:
    """Why pictures are not for the server that answers there, as one sentence; empty where they may be sent: its
    keys say whose it is, ``$CLEANPLATE_SERVER`` names it, or it is not known to be another user's."""
    is_named = os.environ.get(ADDRESS_VARIABLE) == endpoint.address
    if is_named or endpoint.encrypted or not endpoint.is_loopback or not is_another_users(endpoint.address):
        return ""
    return f"The matting server at {endpoint.address} is another user's, who could see the pictures."


def _listeners(port: int) -> set[int]:
    """The users whose processes listen at a port, by number."""
    users = set()
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[_STATE] == _LISTENS and int(columns[_ADDRESS].rpartition(":")[2], 16) == port:
                    users.add(int(columns[_USER]))
    return users
