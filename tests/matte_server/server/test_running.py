"""The real server, over the real wire, with real workers that are really killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.errors import CancelledError, RemoteError
from matte_link.messages import (
    Accepted,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    OnDisk,
    Progress,
    digest_of,
)
from matte_link.options import MatteOptions
from matte_link.wire import MAGIC, decode

from matte_server.io import exr
from matte_server.server.local_server import LocalServer

from .conftest import Pictures, make_pictures, stopped_in, stopped_worker, submit_and_wait

Make = Callable[..., Matte]


def test_a_matte_of_a_known_disc(client: MatteClient, request_for: Make, pictures: Pictures) -> None:
    reply = client.matte(request_for())
    image = exr.read_image(bytes(reply.data))
    assert image.channels == ("R", "G", "B", "A")
    alpha = image.pixels[..., 3]
    # The disc's rim is one pixel wide and may go either way; the rest may not.
    assert np.mean((alpha > 0.5) != pictures.disc) < 0.01
    # 2.0 is exact in half; the foreground is the plate's own where alpha is 1.
    assert image.pixels[48, 64, 0] == pytest.approx(2.0, abs=2e-3)


def test_ping_and_status_tell_what_runs(client: MatteClient) -> None:
    pong = client.ping()
    state = client.status().state
    assert "difference" in pong.models
    assert pong.instance == state["instance"]
    assert [worker["ready"] for worker in state["workers"]] == [True]


def test_a_workers_threads_sleep_while_they_wait(client: MatteClient) -> None:
    worker = psutil.Process(client.status().state["workers"][0]["pid"])
    # What it was started with, so that it was there before torch was.
    assert worker.environ()["OMP_WAIT_POLICY"] == os.environ.get("OMP_WAIT_POLICY", "PASSIVE")


def test_progress_names_the_stages_in_order(client: MatteClient, request_for: Make) -> None:
    heard: list[Accepted | Progress] = []
    client.matte(request_for(), heard.append)
    assert isinstance(heard[0], Accepted)
    stages = [event.stage for event in heard[1:] if isinstance(event, Progress)]
    pipeline = ["align", "exposure", "warp", "model", "guides", "foreground", "edges"]
    assert stages == ["start", "read", *pipeline, "write"]


def test_the_clean_plate_goes_over_once(client: MatteClient, request_for: Make, pictures: Pictures) -> None:
    client.matte(request_for())
    before = client.status().state["bytes"]["in"]
    client.matte(request_for())
    assert client.status().state["bytes"]["in"] - before == len(pictures.plate)


def test_results_are_the_same_inline_and_by_path(
    client: MatteClient, request_for: Make, pictures: Pictures, roots: str
) -> None:
    plate, clean, output = (Path(roots, name) for name in ("p.exr", "c.exr", "out/m.exr"))
    plate.write_bytes(pictures.plate)
    clean.write_bytes(pictures.clean)
    inline = client.matte(request_for())
    named = client.matte(request_for(plate=OnDisk(str(plate)), clean_plate=OnDisk(str(clean)), output=str(output)))
    assert named.output == str(output) and not len(named.data)
    expected = exr.read_image(bytes(inline.data)).pixels
    np.testing.assert_array_equal(exr.read_image(output).pixels, expected)


def test_options_and_layers_reach_the_result(client: MatteClient, request_for: Make) -> None:
    options = MatteOptions(
        model="difference",
        premultiplied=True,
        bit_depth="float",
        layer_clean=True,
        layer_confidence=True,
        layer_difference=True,
    )
    reply = client.matte(request_for(options=options, hints={"stamp": "made-from-this"}))
    data = bytes(reply.data)
    for layer in ("clean", "confidence", "difference"):
        assert exr.read_image(data, layer=layer).pixels.shape[:2] == (96, 128)
    picture = exr.read_image(data)
    assert picture.metadata[exr.STAMP] == exr.RawAttribute(type="string", data=b"made-from-this")
    outside = picture.pixels[..., 3] == 0
    assert outside.any() and not picture.pixels[outside].any()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plate": Inline(data=b"no picture", name="plate.exr")}, "unreadable"),
        ({"plate": Inline(data=b"", name="plate.exr")}, "unreadable"),
        ({"plate": Digest("0" * 64)}, "plate_unknown"),
        ({"clean_plate": Digest("0" * 64)}, "clean_plate_unknown"),
        ({"plate_layer": "beauty"}, "no_layer"),
        ({"plate": OnDisk("/etc/passwd")}, "path_refused"),
        ({"plate": OnDisk("relative.exr")}, "path_refused"),
        ({"output": "/tmp/out.exr"}, "path_refused"),
        ({"options": MatteOptions(weights="/etc/passwd")}, "path_refused"),
        ({"options": MatteOptions(ocio_config="/etc/passwd")}, "path_refused"),
        ({"options": MatteOptions(colourspace="no such space")}, "unknown_colourspace"),
    ],
)
def test_bad_requests_have_codes(
    client: MatteClient, request_for: Make, change: dict[str, object], code: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(**change))
    assert caught.value.code == code
    assert caught.value.message.endswith((".", "?"))


def test_a_truncated_exr_and_nan_pixels(client: MatteClient, request_for: Make, pictures: Pictures) -> None:
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(plate=Inline(data=pictures.plate[: len(pictures.plate) // 2], name="cut.exr")))
    assert caught.value.code == "unreadable" and "cut.exr" in caught.value.message
    nan = make_pictures(seed=2)
    pixels = exr.read_image(nan.plate).pixels.astype(np.float64)
    pixels[10:20, 10:20] = np.nan
    from .conftest import encoded

    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(plate=Inline(data=encoded(pixels), name="nan.exr")))
    assert caught.value.code == "not_finite"


def test_links_do_not_lead_out_of_the_roots(
    client: MatteClient, request_for: Make, roots: str, tmp_path: Path, pictures: Pictures
) -> None:
    (tmp_path / "secret.exr").write_bytes(pictures.plate)
    link, folder = Path(roots, "link.exr"), Path(roots, "folder")
    link.symlink_to(tmp_path / "secret.exr")
    folder.symlink_to(tmp_path)
    for path in (link, folder / "secret.exr", Path(roots, "..", tmp_path.name, "secret.exr")):
        with pytest.raises(RemoteError) as caught:
            client.matte(request_for(plate=OnDisk(str(path))))
        assert caught.value.code == "path_refused"
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(output=str(folder / "result.exr")))
    assert caught.value.code == "path_refused" and not (tmp_path / "result.exr").exists()


def test_the_result_never_replaces_an_input(
    client: MatteClient, request_for: Make, roots: str, pictures: Pictures
) -> None:
    plate = Path(roots, "input.exr")
    plate.write_bytes(pictures.plate)
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(plate=OnDisk(str(plate)), output=str(plate)))
    assert caught.value.code == "output_is_input"
    assert plate.read_bytes() == pictures.plate


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_dies_and_the_next_frame_works(
    client: MatteClient, request_for: Make, number: signal.Signals
) -> None:
    with stopped_in(client, request_for) as (worker, _):
        worker.send_signal(number)
    answer = client.receive(60.0)
    assert isinstance(answer, Failure) and answer.code == "worker_died" and number.name in answer.message
    assert client.matte(request_for()).data
    state = client.status().state
    assert state["workers"][0]["pid"] != worker.pid and state["workers"][0]["deaths"] >= 1
    assert state["errors"][-1]["code"] == "worker_died"


def test_a_frame_for_a_worker_that_had_died_before_is_computed_by_the_next_one(
    client: MatteClient, request_for: Make
) -> None:
    """An idle worker that the system kills is seen to have died a moment later, and is given frames until then."""
    deaths = client.status().state["workers"][0]["deaths"]
    with stopped_worker(client) as worker:
        submit_and_wait(client, [request_for()])
        worker.kill()
    assert isinstance(client.receive(120.0), MatteReply)
    state = client.status().state
    assert state["workers"][0]["deaths"] == deaths + 1 and state["workers"][0]["pid"] != worker.pid


def test_a_worker_that_dies_with_two_frames_loses_neither(client: MatteClient, request_for: Make) -> None:
    deaths = client.status().state["workers"][0]["deaths"]
    requests = [request_for() for _ in range(3)]
    with stopped_worker(client) as worker:
        # It has the first, and the second to read ahead.
        submit_and_wait(client, requests)
        worker.kill()
        answers = [client.receive(120.0) for _ in requests]
    assert [type(answer) for answer in answers] == [MatteReply] * 3
    assert client.status().state["workers"][0]["deaths"] == deaths + 1


def test_cancel_ends_a_running_frame_at_once(client: MatteClient, request_for: Make) -> None:
    request = request_for()
    with stopped_worker(client):
        submit_and_wait(client, [request])
        assert client.status().state["running"] == 1
        # The answer waits for nothing: it comes although the worker does not move.
        client.cancel(request.id)
        answer = client.receive(20.0)
    assert isinstance(answer, Failure) and answer.code == "cancelled"
    assert client.matte(request_for()).data


def test_cancelling_a_waiting_frame_keeps_the_others(client: MatteClient, request_for: Make) -> None:
    requests = [request_for() for _ in range(4)]
    cancelled = client.status().state["frames"]["cancelled"]
    with stopped_worker(client):
        submit_and_wait(client, requests)
        client.cancel(requests[2].id)
        answer = client.receive(60.0)
    assert isinstance(answer, Failure) and (answer.id, answer.code) == (requests[2].id, "cancelled")
    answers = [client.receive(60.0) for _ in range(3)]
    assert {answer.id for answer in answers if isinstance(answer, MatteReply)} == {
        request.id for request in requests if request is not requests[2]
    }
    assert client.status().state["frames"]["cancelled"] == cancelled + 1


def test_the_caller_can_cancel_from_its_own_loop(client: MatteClient, request_for: Make) -> None:
    """... and the server hears of it, where it has the request already."""
    cancelled = client.status().state["frames"]["cancelled"]
    events: list[Accepted | Progress] = []
    with stopped_worker(client):
        with pytest.raises(CancelledError):
            client.matte(request_for(), events.append, cancelled=lambda: bool(events))
        assert isinstance(events[0], Accepted)
        assert client.status().state["frames"]["cancelled"] == cancelled + 1


def test_ten_clients_are_served_in_turn(server: LocalServer, request_for: Make) -> None:
    small = make_pictures((48, 64))
    clients = [MatteClient(server.endpoint) for _ in range(10)]
    order: list[int] = []
    try:
        for client in clients:
            client.ping()
        # The first asks for many before the others come, and nothing is computed until all have asked; each of
        # these still gets its turn in the round.
        with stopped_worker(clients[0]):
            for number, client in enumerate(clients):
                submit_and_wait(
                    client,
                    [
                        request_for(plate=Inline(data=small.plate), clean_plate=Inline(data=small.clean))
                        for _ in range(8 if number == 0 else 2)
                    ],
                )
        waiting = {number: 8 if number == 0 else 2 for number in range(10)}
        deadline = time.monotonic() + 120
        while any(waiting.values()) and time.monotonic() < deadline:
            for number, client in enumerate(clients):
                answer = client.receive(0.005)
                if isinstance(answer, MatteReply):
                    waiting[number] -= 1
                    order.append(number)
    finally:
        for client in clients:
            client.close()
    assert not any(waiting.values())
    # Two frames of the busy client had begun before the others came, and it has one turn in each round of ten. The
    # answers are seen in turns, too: each of them at most a turn late.
    for number in range(1, 10):
        assert order[: order.index(number)].count(0) <= 4
    assert order[-2:] == [0] * 2


def _answers(server: LocalServer, *parts: bytes) -> Failure:
    """What the server says to raw parts."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    try:
        socket.connect(server.endpoint.address)
        socket.send_multipart(parts)
        assert socket.poll(10_000)
        answer = decode(socket.recv_multipart())
    finally:
        socket.close()
        context.term()
    assert isinstance(answer, Failure)
    return answer


def test_what_cannot_be_decoded_is_answered(server: LocalServer) -> None:
    assert "not a Cleanplate message" in _answers(server, b"GET / HTTP/1.1", b"").message
    assert "wire version 7" in _answers(server, b"CPM7", b"{}").message
    picture = {"digest": "0" * 64}
    header = {"type": "matte", "id": "x", "frame": 1, "plate": picture, "clean_plate": picture}
    answer = _answers(server, MAGIC, json.dumps({**header, "options": {"shine": 1}}).encode())
    assert answer.id == "x" and answer.code == "protocol" and "shine" in answer.message


def test_a_store_that_lies_is_refused(client: MatteClient, server: LocalServer) -> None:
    header = b'{"type":"store","id":"s","digest":"%s","data":0,"name":""}' % digest_of(b"other").encode()
    assert _answers(server, MAGIC, header, b"this").code == "wrong_digest"


def test_a_hung_worker_is_replaced(request_for: Make) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(LocalServer(["--device", "cpu", "--hang-seconds", "2"]))
        client = stack.enter_context(MatteClient(server.endpoint))
        # One that hung before it began is not this frame's fault; one that hangs in it may be.
        idle = stack.enter_context(stopped_worker(client))
        assert client.matte(request_for()).data
        worker, request_id = stack.enter_context(stopped_in(client, request_for))
        answer = client.receive(60.0)
        assert isinstance(answer, Failure) and (answer.id, answer.code) == (request_id, "worker_hung")
        assert client.matte(request_for()).data
    assert not idle.is_running() and not worker.is_running()
