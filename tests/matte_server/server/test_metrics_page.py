"""Who gets the metrics page, and what a slow reader costs."""

from __future__ import annotations

import http.client
import select
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from matte_server.server import metrics
from matte_server.server.metrics import MetricsPage


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0", ":0"])
def page(request: pytest.FixtureRequest) -> Iterator[MetricsPage]:
    made = MetricsPage(str(request.param))
    yield made
    made.close()


def _get(page: MetricsPage, host: str | None, path: str = "/metrics") -> int:
    place = urlsplit(f"http://{page.address}")
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=5)
    connection.putrequest("GET", path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    return connection.getresponse().status


def test_the_page_is_on_this_machine_alone_unless_another_address_is_given(page: MetricsPage) -> None:
    assert urlsplit(f"http://{page.address}").hostname in ("127.0.0.1", "::1")
    assert _get(page, page.address) == 200 and _get(page, page.address, "/metrics?x=1") == 200
    assert _get(page, page.address, "/other") == 404


def test_a_name_that_was_turned_to_this_machine_gets_nothing(page: MetricsPage) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example:9000", "localhost.evil.example"):
        assert _get(page, host) == 403, host
    for own in ("localhost", "localhost:1", "127.0.0.1:9", "[::1]:9", "10.0.0.7:9560", None):
        assert _get(page, own) == 200, own


def _goes_on_speaking(peer: socket.socket) -> bool:
    """Sends one more byte of a request that never ends; whether the connection still stands."""
    try:
        peer.sendall(b"G")
        return not select.select([peer], [], [], 0)[0] or peer.recv(4096) != b""
    except OSError:
        return False


def test_slow_and_many_connections_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_CONNECTION_S", 1.0)
    page = MetricsPage("127.0.0.1:0")
    place = urlsplit(f"http://{page.address}")
    peers = [socket.create_connection((str(place.hostname), place.port or 0), timeout=5) for _ in range(40)]
    left = set(peers)
    try:
        end = time.monotonic() + 60
        while left and time.monotonic() < end:
            left = {peer for peer in left if _goes_on_speaking(peer)}
            time.sleep(0.1)
        assert not left
        assert _get(page, "localhost") == 200
    finally:
        for peer in peers:
            peer.close()
        page.close()
