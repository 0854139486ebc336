"""The server's figures for Prometheus, served over HTTP.

The server's loop publishes a page once a second and the HTTP thread serves the last one, so that a slow or hostile
reader cannot delay the loop. The text format is Prometheus's own, version 0.0.4.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import MatteError

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TIMEOUT_S = 5.0


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


class MetricsPage:
    """Serves the last published page on ``host:port``. Raises ``MatteError("port_taken", ...)``."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        page = self
        self._text = b""

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S

            def do_GET(self) -> None:
                if self.path != "/metrics":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", _TYPE)
                self.send_header("Content-Length", str(len(page._text)))
                self.end_headers()
                self.wfile.write(page._text)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not logged."""

        try:
            self._server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), Handler)
        except (OSError, ValueError, OverflowError) as error:
            raise MatteError(
                "port_taken",
                f"Metrics cannot be served on {address}: {error}.",
                "Choose another --metrics address.",
            ) from None
        self._server.daemon_threads = True
        self.address = "{}:{}".format(*self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def publish(self, state: Mapping[str, Any]) -> None:
        """Serves this state from now on."""
        self._text = render(state).encode()

    def close(self) -> None:
        """Stops the HTTP server."""
        self._server.shutdown()
        self._server.server_close()
