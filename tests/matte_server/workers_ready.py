"""Waiting for a server's matting processes."""

from __future__ import annotations

import time

from matte_link.client import MatteClient

_PATIENCE_S = 60.0


def until_ready(client: MatteClient, count: int) -> None:
    """Comes back when the server has ``count`` matting processes and all are ready; fails where that takes too
    long."""
    deadline = time.monotonic() + _PATIENCE_S
    while [worker["ready"] for worker in client.status().state["workers"]] != [True] * count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
