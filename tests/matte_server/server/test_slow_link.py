"""Pictures that take longer than any heartbeat, and those that are never sent."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import RemoteError
from matte_link.messages import Inline, Matte
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

from .slow_link import SlowLink

Make = Callable[..., Matte]


@pytest.mark.skipif(sys.platform != "linux", reason="bytes that move are counted by Linux")
def test_a_picture_may_take_longer_than_the_clients_patience(server: LocalServer, request_for: Make) -> None:
    """6 s up and 7 s down with 3 s of patience. With ZeroMQ's heartbeat the reply was cut after 6 s for ever."""
    pixels = np.random.default_rng(0).random((512, 512, 3), np.float32)
    window = Window(0, 0, 512, 512)
    noise = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
    large = Inline(data=exr.encode_exr(noise, {}, exr.ExrFormat(bit_depth="float", compression="none")))
    options = MatteOptions(model="difference", align="none", bit_depth="float", compression="none")
    with SlowLink(server.endpoint.address, 550_000) as link:
        with MatteClient(Endpoint(link.address), patience_s=3.0) as client:
            reply = client.matte(request_for(plate=large, clean_plate=large, options=options))
        assert link.connections == 1
    assert len(large.data) > 3_000_000 and len(reply.data) > 4_000_000


class TooMuch(bytes):
    """Claims to be larger than it is, so that the test needs no gigabyte."""

    def __len__(self) -> int:
        return (1 << 30) + 4096


@pytest.mark.parametrize("role", ["plate", "clean_plate", "core"])
def test_a_picture_beyond_the_limit_is_refused_before_it_is_sent(
    server: LocalServer, request_for: Make, role: str
) -> None:
    with MatteClient(server.endpoint) as client:
        before = client.status().state["bytes"]["in"]
        with pytest.raises(RemoteError) as caught:
            client.matte(request_for(**{role: Inline(data=TooMuch(b"exr"), name="huge.exr")}), timeout_s=20)
        assert caught.value.code == "too_large" and "huge.exr has 1024 MiB" in caught.value.message
        with pytest.raises(RemoteError, match=r"huge\.exr has 1024 MiB"):
            client.store(TooMuch(b"exr"), "huge.exr")
        assert client.status().state["bytes"]["in"] == before
