"""A link that lets through so many bytes a second, between real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

_STEP = 16_384


class SlowLink:
    """``with SlowLink(address, 500_000) as link:`` passes bytes on between ``link.address`` and the server; counts
    the connections, the bytes that it took in for the server, and those that it took in for clients."""

    def __init__(self, address: str, bytes_per_s: float) -> None:
        place = urlsplit(address)
        self._server = (str(place.hostname), place.port or 0)
        self._rate = bytes_per_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Small buffers: what the link has taken in but not passed on would look like bytes that moved.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.uploaded = self.downloaded = 0
        self._open: list[socket.socket] = []

    def __enter__(self) -> SlowLink:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut(self) -> None:
        """Ends every connection, as a link that breaks."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    server = socket.create_connection(self._server)
                except OSError:
                    # The server is being started again.
                    client.close()
                    continue
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                    is_up = one is client
                    threading.Thread(target=self._pass_on, args=(one, other, is_up), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, is_up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(_STEP):
                if is_up:
                    self.uploaded += len(data)
                else:
                    self.downloaded += len(data)
                other.sendall(data)
                time.sleep(len(data) / self._rate)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
