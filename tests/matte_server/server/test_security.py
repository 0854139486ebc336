"""The security table: each promise, the attack that tries to break it, and the required result.

| promise | attack | result |
| --- | --- | --- |
| without keys loopback only | bind to every address, by number, by name and over IPv6 | refuses to start |
| keys alone are not enough | keys, but an empty list of clients | refuses to start |
| only listed clients (test_keys.py) | a stranger's key, a removed client, no key | not one message gets in |
| files only inside the roots (test_running.py) | other paths, .., links to files and folders | path_refused |
| ... also between look and use | the link is turned while requests run | never the secret's pixels |
| message size | a part of 2 GiB; too many parts; a deep or a huge header | connection ended, or refused |
| picture size | headers of 100,000 x 100,000 and 2,000,000,000 x 1 | too_large before memory is taken |
| decompression | a small file that unpacks to much between the wanted channels | matte, with little memory |
| queue and clients | more frames than allowed; more clients than allowed | busy |
| silent peers | hundreds of connections that never speak, or speak half a greeting | others are served |
| descriptors | more connections than the server has descriptors | it lives, and serves again afterwards |
| slow peers (test_service.py) | a client that never reads its results | no further frames are computed for it |
| hostile peers | replies sent as requests; garbage at full speed (fuzz.py) | coded Failures |
| pictures are decoded in the worker alone | what router and service import | no picture library |
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.errors import RemoteError
from matte_link.messages import (
    Cancel,
    Failure,
    Inline,
    Matte,
    MatteReply,
    OnDisk,
    Ping,
    Pong,
    Status,
    StatusReply,
)
from matte_link.options import MatteOptions
from matte_link.wire import MAGIC, decode, encode

from matte_server.cli.status_view import describe_state
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.server import keys
from matte_server.server.local_server import LocalServer
from matte_server.server.serve import ServerConfig, serve

from .conftest import Pictures, make_pictures, stopped_worker, submit_and_wait

Make = Callable[..., Matte]
_MIB = 1 << 20


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:*", "tcp://*:*", "tcp://[::]:*", "tcp://example.invalid:5560"])
def test_outside_addresses_are_refused_without_keys(address: str) -> None:
    with pytest.raises(MatteError) as caught:
        LocalServer(["--bind", address, "--device", "cpu"]).start()
    assert caught.value.code == "keys_needed"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:5560", "tcp://127.0.0.1", "tcp://localhost:-1", "tcp://:5560", "ipc:///tmp/x", "", "tcp://a b:1"],
)
def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    """It was said that other machines can reach it, so that it needs keys."""
    with pytest.raises(MatteError, match="it should look like tcp://") as caught:
        serve(ServerConfig(bind=address, device="cpu"))
    assert caught.value.code == "bad_address"


def test_keys_without_clients_are_refused(tmp_path: Path) -> None:
    keys.make_server(tmp_path / "keys")
    with pytest.raises(MatteError, match="No client is listed"):
        LocalServer(["--bind", "tcp://0.0.0.0:*", "--keys", str(tmp_path / "keys")]).start()


def test_a_link_turned_under_way_never_shows_what_is_outside(
    client: MatteClient, request_for: Make, roots: str, tmp_path: Path, pictures: Pictures
) -> None:
    """The link is resolved once, and what it led to then is opened."""
    secret = make_pictures(seed=9)
    (tmp_path / "secret.exr").write_bytes(secret.plate)
    inside, link = Path(roots, "inside.exr"), Path(roots, "turning.exr")
    inside.write_bytes(pictures.plate)
    link.symlink_to(inside)
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            for target in (tmp_path / "secret.exr", inside):
                fresh = Path(roots, "fresh.exr")
                fresh.symlink_to(target)
                fresh.replace(link)

    turner = threading.Thread(target=turn)
    turner.start()
    wanted = exr.read_image(bytes(client.matte(request_for()).data)).pixels
    codes = set()
    try:
        for _ in range(12):
            try:
                reply = client.matte(request_for(plate=OnDisk(str(link))))
                np.testing.assert_array_equal(exr.read_image(bytes(reply.data)).pixels, wanted)
                codes.add("matte")
            except RemoteError as error:
                codes.add(error.code)
    finally:
        stop.set()
        turner.join()
    assert codes <= {"matte", "path_refused"}


@pytest.mark.parametrize("up", ["://", "ocio://../", "x/://../"])
def test_a_scheme_in_a_path_opens_nothing_outside(
    client: MatteClient, request_for: Make, roots: str, tmp_path: Path, up: str
) -> None:
    (tmp_path / "mine.ocio").write_text("ocio_profile_version: 2\n")
    outside = f"{roots}/{up}{'../' * 12}{str(tmp_path)[1:]}/mine.ocio"
    for options in (
        MatteOptions(model="difference", ocio_config=outside),
        MatteOptions(model="v2", weights=outside),
        MatteOptions(model="difference", ocio_config=f"file://{tmp_path}/mine.ocio"),
        MatteOptions(model="v2", weights="https://127.0.0.1:1/x.pth"),
    ):
        with pytest.raises(RemoteError) as caught:
            client.matte(request_for(options=options))
        assert caught.value.code == "path_refused"


def test_pipes_and_devices_are_refused_at_once(client: MatteClient, request_for: Make, roots: str) -> None:
    """A worker that opened the pipe would wait for a writer until it is replaced."""
    pipe = Path(roots, "pipe.exr")
    os.mkfifo(pipe)
    try:
        for changes in (
            {"plate": OnDisk(str(pipe))},
            {"clean_plate": OnDisk(str(pipe))},
            {"core": OnDisk(str(pipe))},
            {"options": MatteOptions(ocio_config=str(pipe))},
            {"options": MatteOptions(model="v2", weights=str(pipe))},
        ):
            with pytest.raises(RemoteError) as caught:
                client.matte(request_for(**changes), timeout_s=60)
            assert caught.value.code == "not_a_file", changes
        with pytest.raises(RemoteError) as caught:
            client.matte(request_for(output=str(pipe)), timeout_s=60)
        assert caught.value.code == "exists"
    finally:
        pipe.unlink()


def test_an_output_replaces_results_of_ours_only(
    client: MatteClient, request_for: Make, roots: str, pictures: Pictures
) -> None:
    other, own = Path(roots, "another_plate.exr"), Path(roots, "own.exr")
    other.write_bytes(pictures.plate)
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(output=str(other)))
    assert caught.value.code == "exists" and other.read_bytes() == pictures.plate
    circle = Path(roots, "circle.exr")
    circle.symlink_to(circle)
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(output=str(circle)))
    assert caught.value.code == "exists" and circle.is_symlink()
    for _ in range(2):
        assert client.matte(request_for(output=str(own))).output == str(own)


@contextlib.contextmanager
def dealer(server: LocalServer) -> Iterator[zmq.Socket[bytes]]:
    """A raw peer."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    peer = context.socket(zmq.DEALER)
    peer.setsockopt(zmq.LINGER, 0)
    peer.connect(server.endpoint.address)
    try:
        yield peer
    finally:
        peer.close()
        context.term()


def _answer(peer: zmq.Socket[bytes], parts: list[bytes], seconds: float = 30.0) -> object:
    """The server's answer to these parts; None where it sends none in time."""
    peer.send_multipart(parts)
    return decode(peer.recv_multipart()) if peer.poll(int(seconds * 1000)) else None


DEPTHS = (20, 100, 300, 900)
"""Python 3.11 gives up on JSON at about 1000 levels; what passed the decoder broke further inside."""


def _matte_with(field: bytes) -> bytes:
    digest = b'{"digest":"' + b"0a" * 32 + b'"}'
    basic = b'"type":"matte","id":"x","frame":1,"plate":' + digest + b',"clean_plate":' + digest
    return b"{" + basic + b"," + field + b"}"


def _nested(depth: int) -> bytes:
    return _matte_with(b'"hints":{"a":' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([MAGIC, b"{}", *[b""] * 15], "2 to 16 parts"),
        ([MAGIC], "2 to 16 parts"),
        ([MAGIC, b" " * (_MIB + 1)], "header is larger"),
        ([b"C" * 17, b"{}"], "not a Cleanplate message"),
        ([MAGIC, b"[" * 100_000], "not JSON"),
        ([MAGIC, b'{"type":"ping","id":"x","id2":' + b"9" * 5000 + b"}"], "not JSON"),
        *(([MAGIC, _nested(depth)], "nested") for depth in DEPTHS),
        ([MAGIC, _matte_with(b'"hints":' + b'{"a":' * 400 + b"1" + b"}" * 400)], "nested"),
        ([MAGIC, _matte_with(b'"alignment":{"a":' + b"[" * 300 + b"]" * 300 + b"}")], "nested"),
        ([MAGIC, _matte_with(b'"hints":{"note":"' + "é".encode() * 250_000 + b'"}')], "characters of text"),
        ([MAGIC, _matte_with(b'"hints":{"note":[' + b"1," * 30_000 + b"1]}")], "more than 20000 values"),
        ([MAGIC, _matte_with(b'"shot":"' + b"s" * 5000 + b'"')], "more than the 4096 allowed"),
        ([MAGIC, _matte_with(b'"view":"\\u001b[31mred"')], "control characters"),
        ([MAGIC, _matte_with(b'"plate_layer":"a\\nb"')], "control characters"),
        ([MAGIC, _matte_with(b'"options":{"layer":"a\\u009bb"}')], "control characters"),
        ([MAGIC, _matte_with(b'"options":{"colourspace":"' + b"c" * 9000 + b'"}')], "more than the 4096 allowed"),
        ([MAGIC, _matte_with(b'"output":"/shots/\\u0007.exr"')], "control characters"),
    ],
)
def test_messages_beyond_the_limits_are_refused(server: LocalServer, parts: list[bytes], message: str) -> None:
    with dealer(server) as peer:
        answer = _answer(peer, parts)
        assert isinstance(answer, Failure) and answer.code == "protocol" and message in answer.message


def test_what_is_accepted_reaches_the_worker_and_comes_back(client: MatteClient, request_for: Make) -> None:
    """Text that takes more bytes when it is written again, as deep as it may be; a name that nobody can print."""
    hints: dict[str, object] = {"note": "é" * 60_000, "deep": [[[[[[[[1]]]]]]]], "stamp": "half a pair: \ud800"}
    before = client.status().state["workers"][0]["deaths"]
    assert client.matte(request_for(hints=hints, shot="Straße \N{SNOWMAN}")).data
    assert client.status().state["workers"][0]["deaths"] == before


def test_numbers_of_any_size_are_answered(client: MatteClient, server: LocalServer, request_for: Make) -> None:
    """A radius that single precision takes for 0 once made alpha, and the figures on it, no numbers."""
    options = MatteOptions(model="difference", softness=5e-324, white_point=5e-324)
    found = exr.read_image(bytes(client.matte(request_for(options=options), timeout_s=60).data))
    assert np.isfinite(found.pixels).all()
    with dealer(server) as peer:
        answer = _answer(peer, [MAGIC, _matte_with(b'"options":{"erode":1' + b"0" * 400 + b"}")])
    assert isinstance(answer, Failure) and answer.id == "x" and "more than 300 digits" in answer.message


def test_no_name_breaks_the_status_or_reaches_a_terminal_as_it_is(client: MatteClient, request_for: Make) -> None:
    name = "\x1b[2J\udce9" + "long" * 100_000 + ".exr"
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(plate=Inline(data=b"no picture", name=name)))
    assert caught.value.code == "unreadable" and caught.value.message.isprintable()
    shown = describe_state(client.status().state, "here")
    assert len(shown) < 10_000 and shown.replace("\n", "").isprintable()


def test_a_part_that_claims_too_much_ends_the_connection_before_memory_is_taken(server: LocalServer) -> None:
    """ZMTP by hand: a greeting, READY, then the header of a frame of 2 GiB and a few of its bytes."""
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    place = urlsplit(server.endpoint.address)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=10) as peer:
        peer.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
        peer.sendall(b"\x02" + struct.pack(">Q", 2 << 30) + b"x" * 1000)
        with contextlib.suppress(ConnectionError):
            while peer.recv(4096):
                pass
    # A second is the loop's longest sleep; the claim was two thousand times this allowance.
    time.sleep(1.0)
    assert process.memory_info().rss - before < 20 * _MIB
    with MatteClient(server.endpoint) as client:
        assert client.ping(10.0)


def _claiming(data: bytes, width: int, height: int) -> bytes:
    """An EXR whose header claims a size that is not there."""
    claimed = bytearray(data)
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = claimed.index(name) + len(name) + 4
        claimed[at : at + 16] = struct.pack("<4i", 0, 0, width - 1, height - 1)
    return bytes(claimed)


def _peak(client: MatteClient, request: Matte) -> tuple[object, int]:
    """A request's answer, and by how much the worker's memory rose meanwhile."""
    worker = psutil.Process(client.status().state["workers"][0]["pid"])
    before = peak = worker.memory_info().rss
    client.submit(request)
    answer = None
    while answer is None:
        peak = max(peak, worker.memory_info().rss)
        answer = client.receive(0.02)
    assert psutil.pid_exists(worker.pid)
    return answer, peak - before


@pytest.mark.parametrize("size", [(100_000, 100_000), (2_000_000_000, 1), (1, 2_000_000_000)])
def test_claimed_sizes_are_refused_before_memory_is_taken(
    client: MatteClient, request_for: Make, pictures: Pictures, size: tuple[int, int]
) -> None:
    claim = Inline(data=_claiming(pictures.plate, *size), name="claim.exr")
    answer, rose = _peak(client, request_for(plate=claim))
    assert isinstance(answer, Failure) and answer.code in ("too_large", "unreadable")
    # The least of the claims is 2e9 pixels: 12 GB in half. What rises here is the reader's own.
    assert rose < 64 * _MIB


def test_a_decompression_bomb_costs_little(client: MatteClient, request_for: Make) -> None:
    """200 channels of black between R and B: 0.4 GB when unpacked, of which three channels are wanted."""
    names = ("R", "G", *(f"X{number}" for number in range(200)), "B")
    window = Window(0, 0, 1024, 512)
    bomb = exr.encode_exr(
        Image(
            pixels=np.zeros((512, 1024, 203), np.float32), channels=names, data_window=window, display_window=window
        ),
        {},
        exr.ExrFormat(),
    )
    assert len(bomb) < _MIB
    answer, rose = _peak(
        client,
        request_for(plate=Inline(data=bomb, name="bomb.exr"), clean_plate=Inline(data=bomb, name="bomb.exr")),
    )
    assert isinstance(answer, MatteReply | Failure)
    # 203 channels of 1024 x 512 floats are 406 MiB; a frame of this size takes some 100 MiB itself.
    assert rose < 250 * _MIB


def test_a_file_that_changes_while_it_is_read_costs_its_frame_at_most(
    client: MatteClient, request_for: Make, roots: str, pictures: Pictures
) -> None:
    """Somebody still renders the plate: it grows, shrinks and has other bytes under the reader's hands."""
    plate = Path(roots, "rendered.exr")
    plate.write_bytes(pictures.plate)
    worker = client.status().state["workers"][0]["pid"]
    stop = threading.Event()

    def render() -> None:
        while not stop.is_set():
            with plate.open("r+b") as file:
                for size in (len(pictures.plate) // 3, 10, 0):
                    file.truncate(size)
                file.seek(0)
                file.write(pictures.plate)
                file.write(b"more")

    renderer = threading.Thread(target=render)
    renderer.start()
    try:
        for _ in range(15):
            client.submit(request_for(plate=OnDisk(str(plate))))
            answer = client.receive(60)
            assert isinstance(answer, MatteReply) or (isinstance(answer, Failure) and answer.code == "unreadable")
    finally:
        stop.set()
        renderer.join()
    assert client.status().state["workers"][0]["pid"] == worker


def test_queue_and_clients_are_limited(request_for: Make) -> None:
    slow = make_pictures((640, 960))
    arguments = ["--device", "cpu", "--frames-per-client", "2", "--frames", "3", "--clients", "2"]
    with LocalServer(arguments) as server, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(dealer(server)) for _ in range(3)]

        def ask(peer: zmq.Socket[bytes]) -> str:
            request = request_for(plate=Inline(data=slow.plate), clean_plate=Inline(data=slow.clean))
            peer.send_multipart([bytes(part) for part in encode(request)])
            while peer.poll(30_000):
                answer = decode(peer.recv_multipart())
                if answer.id == request.id:
                    return answer.code if isinstance(answer, Failure) else "accepted"
            return "nothing"

        assert [ask(peers[0]), ask(peers[0]), ask(peers[0])] == ["accepted", "accepted", "busy"]
        assert [ask(peers[1]), ask(peers[2])] == ["accepted", "busy"]


def test_peers_that_send_nothing_or_half_a_greeting_cost_nothing(
    client: MatteClient, server: LocalServer, request_for: Make
) -> None:
    place = urlsplit(server.endpoint.address)
    with contextlib.ExitStack() as stack:
        for number in range(300):
            peer = stack.enter_context(socket.create_connection((str(place.hostname), place.port or 0), timeout=10))
            if number % 2:
                peer.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f"[: number % 10])
        assert client.matte(request_for(), timeout_s=120).data


_OLD = {
    "ZeroMQ 2": b"\x01\0" + b"\x05\x01CPM1" + b'\x19\0{"type":"ping","id":"old"}',
    "ZeroMQ 2 with a name": b"\x04\0abc" + b"\x05\x01CPM1" + b"\x03\0{}",
    "ZeroMQ 2 with nothing": b"\x01\0" + b"\x01\x01" + b"\x01\0",
    "ZeroMQ 3": b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05" + b"\0\0" + b"\x01\x04CPM1" + b"\0\x02{}",
    "HTTP": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\x07" * 500,
}


@pytest.mark.parametrize("name", [*_OLD, "noise"])
def test_a_peer_that_speaks_another_protocol_costs_nothing(
    client: MatteClient, server: LocalServer, name: str
) -> None:
    """Noise reads like a greeting of ZeroMQ 2 a third of the time, and then gives messages without a descriptor."""
    chance = random.Random(1)
    said = [_OLD[name]] if name in _OLD else [chance.randbytes(4096) for _ in range(20)]
    place = urlsplit(server.endpoint.address)
    for each in said:
        with socket.create_connection((str(place.hostname), place.port or 0), timeout=10) as peer:
            peer.sendall(each)
            # What it said has arrived when a message that was sent later has been answered, a second time for sure.
            assert client.ping(60) and client.ping(60)
            peer.setblocking(False)
            heard = b""
            with contextlib.suppress(OSError):  # nothing more has come, or the server has ended the connection
                heard = peer.recv(4096)
            # ZeroMQ greets whoever connects, with 64 bytes. No message of ours follows.
            assert b"CPM1" not in heard and len(heard) <= 64


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as Linux has it")
def test_a_server_survives_more_connections_than_descriptors(request_for: Make) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        server = LocalServer(["--device", "cpu"])
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        place = urlsplit(server.endpoint.address)
        with MatteClient(server.endpoint, patience_s=60.0) as client:
            worker = client.status(20.0).state["workers"][0]["pid"]
            with contextlib.ExitStack() as stack:
                for _ in range(300):
                    peer = stack.enter_context(socket.socket())
                    peer.settimeout(0.2)
                    with contextlib.suppress(OSError):
                        peer.connect((str(place.hostname), place.port or 0))
                # A client that was connected before is still answered. There is no descriptor for a picture now, so
                # the client sends its request again until there is.
                assert client.ping(20.0) and client.status(20.0)
                request = request_for()
                client.submit(request)
                assert client.receive(2.0) is None or client.outstanding == ()
            answer = client.matte(request_for(), timeout_s=120)
            assert answer.data and client.status(20.0).state["workers"][0]["pid"] == worker
    finally:
        server.stop()


def test_every_test_that_security_md_names_is_there() -> None:
    repository = Path(__file__).resolve().parents[3]
    named = set(re.findall(r"`(test_\w+)`", (repository / "SECURITY.md").read_text(encoding="utf-8")))
    source = "".join(path.read_text(encoding="utf-8") for path in (repository / "tests").rglob("test_*.py"))
    assert len(named) > 30 and named <= set(re.findall(r"def (test_\w+)\(", source))


def test_a_reply_is_refused_as_a_request(server: LocalServer) -> None:
    with dealer(server) as peer:
        answer = _answer(peer, [bytes(part) for part in encode(Pong(id="x", version="1", wire=1))])
        assert isinstance(answer, Failure) and answer.code == "protocol"
        assert isinstance(_answer(peer, [bytes(part) for part in encode(Ping("y"))]), Pong)


def test_router_and_service_cannot_decode_a_picture() -> None:
    """EXRs are decoded in the worker: nothing that the server's loop is made of knows a picture library."""
    script = (
        "import sys, matte_server.server.serve; "
        "print(*{'OpenImageIO', 'cv2', 'av', 'PIL', 'torch', 'matte_server.io.exr'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_id_of_another_client_cannot_be_cancelled(server: LocalServer, request_for: Make) -> None:
    """The request is really on the server when the stranger names it: it waits there behind two others, for the
    worker stands still."""
    with MatteClient(server.endpoint) as owner, dealer(server) as stranger:
        wanted = [request_for(id=request_id) for request_id in ("first", "second", "owned")]
        with stopped_worker(owner):
            submit_and_wait(owner, wanted)
            stranger.send_multipart([bytes(part) for part in encode(Cancel(id="c", target="owned"))])
            # Messages of one client are handled in order, so the server has handled the cancel before it answers.
            status = _answer(stranger, [bytes(part) for part in encode(Status(id="s"))])
            assert isinstance(status, StatusReply) and status.state["queue"]["interactive"] >= 1
        answers = [owner.receive(60.0) for _ in wanted]
    assert {answer.id: type(answer) for answer in answers if answer} == dict.fromkeys(
        ("first", "second", "owned"), MatteReply
    )
