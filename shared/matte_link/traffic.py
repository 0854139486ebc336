"""How many bytes a connection has moved, as the system counts them.

A picture on a slow link takes longer than any time after which a silent peer counts as lost, and ZeroMQ reports
whole messages only. As long as bytes move, the peer is alive. Linux says how many did; elsewhere nothing is known,
and a message that is under way counts as silence.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

_TCP_INFO_SIZE = 256
_BYTES_ACKED, _BYTES_RECEIVED = 120, 128
"""Where ``struct tcp_info`` of linux/tcp.h has the two counters, unsigned 64 bit numbers."""


def bytes_moved(descriptor: int) -> tuple[int, int]:
    """Bytes that the peer has confirmed, and bytes received from it, since the connection was made; 0 where that is
    not known. ``descriptor`` is the connection's; one that is no longer open is harmless."""
    if sys.platform != "linux":
        return 0, 0
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return 0, 0
    if len(info) < _BYTES_RECEIVED + 8:
        return 0, 0
    acked, received = struct.unpack_from("<2Q", info, _BYTES_ACKED)
    return acked, received
