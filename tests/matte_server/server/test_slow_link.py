"""Pictures that take longer than any heartbeat, and those that are never sent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matte_link import link_speed, part_upload, result_download
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import RemoteError
from matte_link.messages import Inline, Matte, MatteReply, Message
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

from .slow_link import SlowLink

Make = Callable[..., Matte]


OPTIONS = MatteOptions(model="difference", align="none", bit_depth="float", compression="none")


@pytest.fixture(scope="module")
def noise() -> Inline:
    """A picture of 3 MB that cannot be compressed."""
    pixels = np.random.default_rng(0).random((512, 512, 3), np.float32)
    window = Window(0, 0, 512, 512)
    image = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
    return Inline(data=exr.encode_exr(image, {}, exr.ExrFormat(bit_depth="float", compression="none")))


@pytest.mark.skipif(sys.platform != "linux", reason="bytes that move are counted by Linux")
def test_a_picture_may_take_longer_than_the_clients_patience(
    server: LocalServer, request_for: Make, noise: Inline
) -> None:
    """6 s up and 7 s down with 3 s of patience. With ZeroMQ's heartbeat the reply was cut after 6 s for ever."""
    with SlowLink(server.endpoint.address, 550_000) as link:
        with MatteClient(Endpoint(link.address), patience_s=3.0) as client:
            reply = client.matte(request_for(plate=noise, clean_plate=noise, options=OPTIONS))
        assert link.connections == 1
    assert len(noise.data) > 3_000_000 and len(reply.data) > 4_000_000


def test_an_upload_that_is_cut_goes_on_where_it_was(
    server: LocalServer, request_for: Make, noise: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a picture in parts of 128 KiB a cut costs the four that are on their way. In one piece it cost everything
    that had been sent before."""
    monkeypatch.setattr(part_upload, "PART", 1 << 17)
    monkeypatch.setattr(link_speed, "LARGEST_WHOLE_HERE", 1 << 18)
    # Another picture than the one that the server has by now.
    plate = Inline(data=bytes(noise.data) + b"more")
    size, cuts, done = len(plate.data), 2, 0
    with SlowLink(server.endpoint.address, 3_000_000) as link:
        with MatteClient(Endpoint(link.address)) as client:
            client.submit(request_for(plate=plate, options=OPTIONS))
            while (answer := client.receive(0.02)) is None:
                if done < cuts and link.uploaded > (done + 1) * size // (cuts + 1):
                    link.cut()
                    done += 1
        assert isinstance(answer, MatteReply) and done == cuts and link.connections == 1 + cuts
        assert size < link.uploaded < size + (cuts * 4 + 1) * (1 << 17)


def test_a_slow_link_that_looks_like_this_machine_costs_one_plate_in_one_piece(
    server: LocalServer, request_for: Make, noise: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tunnel (ssh -L) that breaks once while the first plate is under way. That plate went whole, and whole a
    second time; from the first break on it goes in parts, and so do the plates after it, where nothing breaks."""
    monkeypatch.setattr(link_speed, "LARGEST_WHOLE", 1 << 20)
    monkeypatch.setattr(part_upload, "PART", 1 << 17)
    size = len(noise.data)
    whole: list[str] = []
    with SlowLink(server.endpoint.address, 3_000_000) as link, MatteClient(Endpoint(link.address)) as client:
        sent = client._connection.send

        def note(message: Message) -> None:
            if isinstance(message, Matte):
                whole.append("whole" if isinstance(message.plate, Inline) else "named")
            sent(message)

        monkeypatch.setattr(client._connection, "send", note)
        client.submit(request_for(plate=Inline(data=bytes(noise.data) + b"first"), options=OPTIONS))
        while link.uploaded < size * 2 // 3:
            assert client.receive(0.01) is None
        link.cut()
        assert isinstance(client.receive(60.0), MatteReply)
        for name in (b"second", b"third"):
            client.submit(request_for(plate=Inline(data=bytes(noise.data) + name), options=OPTIONS))
            assert isinstance(client.receive(60.0), MatteReply)
    assert whole == ["whole", "named", "named", "named"] and link.connections == 2


def test_a_link_that_never_lets_a_whole_picture_through_ends_with_a_matte(
    server: LocalServer, request_for: Make, noise: Inline
) -> None:
    """It breaks after each 600 KB: neither the request with its plate of 3 MB nor a part of 4 MiB ever arrives. The
    reply is as large, and neither it nor a part of 1 MiB does."""
    plate, passed, cuts = Inline(data=bytes(noise.data) + b"never whole"), 0, 0
    with SlowLink(server.endpoint.address, 6_000_000) as link, MatteClient(Endpoint(link.address)) as client:
        client.submit(request_for(plate=plate, options=OPTIONS))
        while (answer := client.receive(0.01)) is None and cuts < 60:
            if link.uploaded + link.downloaded - passed > 600_000:
                link.cut()
                cuts += 1
                passed = link.uploaded + link.downloaded
    assert isinstance(answer, MatteReply) and len(answer.data) > 4_000_000 and 10 < cuts < 60


def test_a_reply_that_is_cut_is_sent_again_and_not_computed_again(
    server: LocalServer, request_for: Make, noise: Inline
) -> None:
    with MatteClient(server.endpoint) as beside, SlowLink(server.endpoint.address, 3_000_000) as link:
        before = beside.status().state["frames"]["done"]
        with MatteClient(Endpoint(link.address)) as client:
            # The server has this picture by now, or gets it: only the way back counts.
            client.store(noise.data)
            client.submit(request_for(plate=noise, clean_plate=noise, options=OPTIONS))
            is_cut = False
            while (answer := client.receive(0.02)) is None:
                if not is_cut and link.downloaded > 2_000_000:
                    link.cut()
                    is_cut = True
        assert isinstance(answer, MatteReply) and len(answer.data) > 4_000_000
        assert is_cut and link.connections == 2 and link.downloaded > 6_000_000
        assert beside.status().state["frames"]["done"] == before + 1


def test_a_reply_that_is_cut_often_goes_on_where_it_was(
    server: LocalServer, request_for: Make, noise: Inline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A link that breaks after each megabyte lets no reply of four through in one piece. In parts each cut costs
    those that are on their way, and the first one what had come of the whole."""
    monkeypatch.setattr(result_download, "PART", 1 << 16)
    each = 1_000_000
    with MatteClient(server.endpoint) as beside, SlowLink(server.endpoint.address, 3_000_000) as link:
        before = beside.status().state["frames"]["done"]
        with MatteClient(Endpoint(link.address)) as client:
            client.store(noise.data)
            client.submit(request_for(plate=noise, clean_plate=noise, options=OPTIONS))
            cuts = 0
            while (answer := client.receive(0.02)) is None and cuts < 20:
                if link.downloaded > (cuts + 1) * each:
                    link.cut()
                    cuts += 1
        assert isinstance(answer, MatteReply) and answer.diagnostics["alignment"]["kind"] == "none"
        result = tmp_path / "result.exr"
        result.write_bytes(answer.data)
        assert exr.read_image(result).pixels.shape == (512, 512, 4)
        # The connections' buffers hold what the client had not read yet: 64 KiB each way, and the parts.
        assert cuts > 3 and link.downloaded < len(answer.data) + each + cuts * 10 * (1 << 16)
        assert beside.status().state["frames"]["done"] == before + 1


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
        assert caught.value.code == "too_large" and "huge.exr has 1025 MiB" in caught.value.message
        with pytest.raises(RemoteError, match=r"huge\.exr has 1025 MiB"):
            client.store(TooMuch(b"exr"), "huge.exr")
        assert client.status().state["bytes"]["in"] == before
