"""The server's figures for Prometheus, served over HTTP.

The server's loop publishes a page once a second and the HTTP thread serves the last one, so that a slow or hostile
reader cannot delay the loop. The text format is Prometheus's own, version 0.0.4.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import MatteError

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TIMEOUT_S = 5.0
_CONNECTION_S = 10.0
_MOST_CONNECTIONS = 16


def render(state: Mapping[str, Any]) -> str:
    """The page for a state as in ``StatusReply.state``."""
    return "".join(f"{line}\n" for line in _lines(state))


def _lines(state: Mapping[str, Any]) -> Iterator[str]:
    yield from _metric("uptime_seconds", "gauge", "Time since the start.", [("", state["uptime_s"])])
    frames = [(f'result="{name}"', state["frames"][name]) for name in ("done", "failed", "cancelled", "refused")]
    yield from _metric("frames_total", "counter", "Frames, by how they ended.", frames)
    bytes_ = [(f'direction="{name}"', state["bytes"][name]) for name in ("in", "out")]
    yield from _metric("bytes_total", "counter", "Picture bytes received and sent.", bytes_)
    queue = [(f'priority="{name}"', state["queue"][name]) for name in ("interactive", "batch")]
    yield from _metric("queued_frames", "gauge", "Frames that wait for a worker.", queue)
    yield from _metric("running_frames", "gauge", "Frames that a worker has.", [("", state["running"])])
    yield from _metric("clients", "gauge", "Clients with frames on the server.", [("", state["clients"])])
    room = [(f'kind="{name}"', state[name]["bytes"]) for name in ("store", "spool")]
    yield from _metric("held_bytes", "gauge", "Bytes of pictures held on the server.", room)
    workers = [
        (f'worker="{number}",device="{worker["device"]}"', worker) for number, worker in enumerate(state["workers"])
    ]
    for name, kind, help_, key in (
        ("worker_up", "gauge", "Whether the worker accepts frames.", "ready"),
        ("worker_memory_bytes", "gauge", "The worker's resident memory.", "memory"),
        ("worker_frames_total", "counter", "Frames that the worker has finished.", "frames"),
        ("worker_deaths_total", "counter", "How often the worker was replaced.", "deaths"),
    ):
        yield from _metric(name, kind, help_, [(labels, int(worker[key])) for labels, worker in workers])


def _metric(name: str, kind: str, help_: str, values: list[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP cleanplate_{name} {help_}"
    yield f"# TYPE cleanplate_{name} {kind}"
    for labels, value in values:
        yield f"cleanplate_{name}{{{labels}}} {value}" if labels else f"cleanplate_{name} {value}"


class _MetricsHandler(BaseHTTPRequestHandler):
    """Answers one connection; ``server`` is the page's."""

    timeout = _TIMEOUT_S
    server: _MetricsServer

    def do_GET(self) -> None:
        """The page, to whoever asked for it by an address of this machine."""
        if not _is_own_name(self.headers.get("Host", ""), self.server.host):
            # A web page whose name was turned to this machine asks under that name.
            self.send_error(403, "Unknown host name")
            return
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        text = self.server.text
        self.send_response(200)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle(self) -> None:
        """Ends a connection after ``_CONNECTION_S`` seconds, however slowly it speaks."""
        timer = threading.Timer(_CONNECTION_S, self._hang_up)
        timer.daemon = True
        timer.start()
        with contextlib.suppress(OSError):
            super().handle()
        timer.cancel()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


class _MetricsServer(ThreadingHTTPServer):
    """Serves ``text``, to at most ``_MOST_CONNECTIONS`` at once; the others are closed."""

    daemon_threads = True
    # On Windows this option would let another program take the port over.
    allow_reuse_address = os.name == "posix"

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.text = b""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.Semaphore(_MOST_CONNECTIONS)
        super().__init__((host, port), _MetricsHandler)

    def server_bind(self) -> None:
        """Binds without the look-up of the machine's name that HTTPServer makes, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a connection's thread while there are few enough."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Runs on the connection's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


def _is_own_name(header: str, bound: str) -> bool:
    """Whether the Host header names this machine by an address, by localhost, or as the page was bound."""
    name = header.rpartition(":")[0] if re.search(r":\d+\Z", header) else header
    name = name.strip("[]")
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return name.lower() in ("", "localhost", bound.lower(), socket.gethostname().lower())


class MetricsPage:
    """Serves the last published page on ``host:port``, by default on this machine alone; IPv6 addresses stand in
    brackets. Raises ``MatteError`` with the codes port_taken and bad_address."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        try:
            self._server = _MetricsServer(host.strip("[]") or "127.0.0.1", int(port))
        except (ValueError, OverflowError, socket.gaierror):
            raise MatteError(
                "bad_address",
                f"Metrics cannot be served on {address!r}: that is no host and port, such as 127.0.0.1:9600.",
            ) from None
        except OSError as error:
            raise MatteError(
                "port_taken",
                f"Metrics cannot be served on {address}: {error.strerror or error}.",
                "Choose another --metrics address.",
            ) from None
        bound, bound_port = self._server.server_address[:2]
        self.address = f"[{bound!s}]:{bound_port}" if ":" in str(bound) else f"{bound!s}:{bound_port}"
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def publish(self, state: Mapping[str, Any]) -> None:
        """Serves this state from now on."""
        self._server.text = render(state).encode()

    def close(self) -> None:
        """Stops the HTTP server."""
        self._server.shutdown()
        self._server.server_close()
