"""The client against a server that misbehaves on command."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.connection import _IDLE_S, _PROBE_S, _PROBES, keep_alive
from matte_link.endpoint import Endpoint
from matte_link.errors import CancelledError, ProtocolError, RemoteError, TimeoutError, UnavailableError
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Message,
    Neighbour,
    Ping,
    Pong,
    Store,
    digest_of,
)
from matte_link.options import MatteOptions
from matte_link.wire import WIRE_VERSION

from .conftest import MakeServer
from .scripted_server import Behaviour, HeldPort, ScriptedServer, never_computes, request

NOWHERE = Endpoint("tcp://127.0.0.1:9")
"""Port 9 is "discard", which nothing listens on."""


def test_a_matte_and_its_progress(make_server: MakeServer) -> None:
    seen: list[object] = []
    server = make_server()
    with MatteClient(server.endpoint) as client:
        assert client.ping().version == "test"
        assert client.status().state == {"queue": 0}
        assert client.matte(request(), seen.append).data == b"exr"
        client.ping()
    assert seen == [Accepted("r1")] and not server.cancelled


def test_a_clean_plate_is_sent_once(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        for number in range(3):
            client.matte(request(f"r{number}"))
    # One Store that asks, one that brings it.
    assert server.uploads == 1 and server.count(Store) == 2


def test_a_server_on_this_machine_gets_a_large_plate_with_its_request(make_server: MakeServer) -> None:
    """Hashed on both sides and asked about first, a plate in HD took longer to cross than the server to answer."""
    server, plate = make_server(), Inline(data=bytes(9 << 20), name="plate.exr")
    with MatteClient(server.endpoint) as client:
        client.submit(replace(request(), plate=plate), name_clean_plate=False)
        assert isinstance(client.receive(5.0), MatteReply)
    [heard] = server.heard
    assert isinstance(heard, Matte) and isinstance(heard.plate, Inline) and len(heard.plate.data) == 9 << 20


def test_a_clean_plate_that_another_client_sent_is_not_sent_again(make_server: MakeServer) -> None:
    server = make_server()
    for number in range(2):
        with MatteClient(server.endpoint) as client:
            for frame in range(2):
                client.submit(request(f"r{number}.{frame}", frame))
            assert all(isinstance(client.receive(5.0), MatteReply) for _ in range(2))
            client.store(b"clean")
    assert server.uploads == 1 and server.count(Matte) == 4


def test_a_request_cancelled_while_its_clean_plate_is_on_the_way_stays_cancelled(make_server: MakeServer) -> None:
    server = make_server(never_computes)
    with MatteClient(server.endpoint) as client:
        client.ping()
        client.submit(request())
        client.cancel("r1")
        client.ping()
        client.ping()
    kinds = [type(message) for message in server.heard if isinstance(message, (Matte, Cancel))]
    assert kinds[:3] == [Cancel, Matte, Cancel]


def test_a_request_cancelled_before_there_is_a_connection_is_cancelled_once_there_is(
    make_server: MakeServer,
) -> None:
    server = make_server(never_computes)
    server.digests.add(digest_of(b"clean"))
    with MatteClient(server.endpoint) as client:
        client.submit(request())
        # No wait between the two: the socket has not been polled, so the client cannot know the server yet.
        client.cancel("r1")
        assert server.heard == []
        client.ping()
        client.ping()
        assert client.outstanding == ("r1",)
        # Before the client is closed, which cancels what is outstanding.
        kinds = [type(message) for message in server.heard if isinstance(message, (Matte, Cancel))]
    assert kinds[-2:] == [Matte, Cancel]
    assert set(server.cancelled) == {"r1"}


def test_clean_plates_of_a_moving_camera_do_not_pile_up(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        for number in range(20):
            client.matte(request(f"r{number}", clean_plate=b"clean %d" % number))
        # Four are kept, and the one of the request that was outstanding last.
        assert len(client._pictures) <= 5
        # The client has dropped the first one, but the server still has it.
        client.matte(request("again", clean_plate=b"clean 0"))
    assert server.uploads == 20


def test_a_picture_that_is_held_is_sent_if_the_server_lacks_it(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        named = client.hold(Inline(b"clean"))
        for number in range(2):
            assert client.matte(replace(request(f"r{number}"), clean_plate=named)).data == b"exr"
    assert server.uploads == 1


def test_a_forgotten_clean_plate_is_sent_again(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        client.matte(request("r1"))
        server.digests.clear()
        assert client.matte(request("r2")).data == b"exr"
    assert server.uploads == 2


def in_sequence(frame: int, last: int = 9) -> Matte:
    """A frame with those before and after it."""

    def plate(number: int) -> Inline:
        return Inline(b"plate %d" % number)

    return Matte(
        f"s{frame}",
        frame=frame,
        plate=plate(frame),
        clean_plate=Inline(b"clean"),
        before=Neighbour(plate(frame - 1)) if frame else None,
        after=Neighbour(plate(frame + 1)) if frame < last else None,
    )


def test_a_sequence_with_neighbours_sends_each_plate_once(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        for frame in range(3):
            client.submit(in_sequence(frame))
        assert all(isinstance(client.receive(5.0), MatteReply) for _ in range(3))
        for frame in range(3, 10):
            client.matte(in_sequence(frame))
        assert len(client._pictures) <= 5
    assert server.uploads == 11 and server.count(Matte) == 10


@pytest.mark.parametrize("lost", [b"plate 4", b"plate 5", b"plate 6", b"clean"])
def test_a_forgotten_picture_of_a_neighbour_is_sent_again(make_server: MakeServer, lost: bytes) -> None:
    server = make_server()
    with MatteClient(server.endpoint) as client:
        client.matte(in_sequence(5))
        server.digests.discard(digest_of(lost))
        assert client.matte(replace(in_sequence(5), id="again")).data == b"exr"
    assert server.uploads == 5


def test_a_server_without_room_for_a_picture_gets_it_later(make_server: MakeServer) -> None:
    def full_at_first(server: ScriptedServer, message: Message) -> list[Message] | None:
        if isinstance(message, Store) and message.data and server.uploads <= 1:
            return [Failure(message.id, code="busy", message="There is no room for another picture.")]
        return None

    server = make_server(full_at_first)
    with MatteClient(server.endpoint) as client:
        assert client.matte(request(), timeout_s=20).data == b"exr"
    assert server.uploads == 2


def test_a_server_that_keeps_losing_a_picture_gets_it_four_times(make_server: MakeServer) -> None:
    server = make_server(lambda server, message: [] if isinstance(message, Store) and message.data else None)
    with MatteClient(server.endpoint) as client, pytest.raises(RemoteError) as caught:
        client.matte(request())
    assert caught.value.code == "clean_plate_unknown"
    assert server.uploads == 4


def busy_for(times: int) -> Behaviour:
    """The behaviour of a server that refuses the first requests."""

    def behaviour(server: ScriptedServer, message: Message) -> list[Message] | None:
        if isinstance(message, Matte) and server.count(Matte) <= times:
            return [Failure(message.id, code="busy", message="The queue is full.")]
        return None

    return behaviour


def test_a_busy_server_gets_the_request_again_after_delays_that_double(make_server: MakeServer) -> None:
    server = make_server(busy_for(3))
    with MatteClient(server.endpoint) as client:
        assert client.matte(request()).data == b"exr"
    assert server.mattes == [server.mattes[0]] * 4
    arrived = [at for at, message in zip(server.heard_at, server.heard, strict=True) if isinstance(message, Matte)]
    delays = [later - earlier for earlier, later in pairwise(arrived)]
    for delay, expected in zip(delays, (0.25, 0.5, 1.0), strict=True):
        # Never earlier (both clocks are this machine's, read within the loop-back's microseconds: 10 ms of slack),
        # and later by one wait of the socket (0.1 s) and what a loaded machine of two cores adds.
        assert expected - 0.01 <= delay <= expected + 0.3


def test_a_server_that_answers_pings_may_compute_longer_than_the_patience(make_server: MakeServer) -> None:
    server = make_server(never_computes)
    with MatteClient(server.endpoint, patience_s=2.6) as client:
        client.submit(request())
        # A Ping goes out after 2 s of silence; without its Pong the patience would end at 2.6 s.
        assert client.receive(3.2) is None
    assert server.count(Ping) == 1


def test_a_second_answer_is_dropped(make_server: MakeServer) -> None:
    def answers_twice(server: ScriptedServer, message: Message) -> list[Message] | None:
        return [MatteReply(message.id, frame=1, data=b"exr")] * 2 if isinstance(message, Matte) else None

    with MatteClient(make_server(answers_twice).endpoint) as client:
        client.ping()
        client.submit(request("r1"))
        client.submit(request("r2"))
        answers = [client.receive(2.0) for _ in range(2)]
        assert [answer.id for answer in answers if answer] == ["r1", "r2"]
        assert client.receive(0.3) is None


def test_an_unanswered_request_is_sent_again_after_a_restart(make_server: MakeServer) -> None:
    with HeldPort() as port, MatteClient(Endpoint(port.address)) as client:
        deaf = make_server(never_computes, port=port.number)
        client.ping()
        client.submit(request("r1"))
        client.submit(request("r2", frame=2))
        deadline = time.monotonic() + 20
        while deaf.count(Matte) < 2 and time.monotonic() < deadline:
            client.receive(0.05)
        deaf.close()
        healthy = make_server(port=port.number)
        answers = [client.receive(10.0) for _ in range(2)]
        assert client.receive(0.3) is None
    assert [answer.id for answer in answers if isinstance(answer, MatteReply)] == ["r1", "r2"]
    assert [message.id for message in healthy.mattes] == ["r1", "r2"]
    assert healthy.uploads == 1


def test_a_server_that_was_away_for_an_hour_has_no_slow_link(make_server: MakeServer) -> None:
    """A large plate was on its way when it went; the hour counted as if that had taken it."""
    plate, now = Inline(data=bytes(9 << 20), name="plate.exr"), 0.0
    with HeldPort() as port, MatteClient(Endpoint(port.address)) as client:
        client._speed._clock = lambda: now
        deaf = make_server(never_computes, port=port.number)
        client.ping()
        client.submit(replace(request("r1"), plate=plate), name_clean_plate=False)
        while not deaf.mattes:
            client.receive(0.05)
        deaf.close()
        while client._connection.is_up:
            client.receive(0.05)
        now = 3600.0
        healthy = make_server(port=port.number)
        assert isinstance(client.receive(20.0), MatteReply)
    [again] = healthy.mattes
    assert isinstance(again.plate, Inline)


def test_an_answered_request_is_not_sent_again_after_a_restart(make_server: MakeServer) -> None:
    with HeldPort() as port, MatteClient(Endpoint(port.address)) as client:
        first = make_server(port=port.number)
        client.matte(request("r1"))
        first.close()
        second = make_server(port=port.number)
        client.matte(request("r2"), timeout_s=20)
    assert [message.id for message in second.mattes] == ["r2"]


def test_an_id_that_is_outstanding_is_refused(make_server: MakeServer) -> None:
    with MatteClient(make_server(never_computes).endpoint) as client:
        client.submit(request())
        with pytest.raises(ValueError, match="request r1 is still outstanding"):
            client.submit(request())


def test_no_server() -> None:
    sentence = r"No matting server answers at tcp://127\.0\.0\.1:9"
    with MatteClient(NOWHERE, patience_s=0.3) as client, pytest.raises(UnavailableError, match=sentence):
        client.ping(0.2)
    with MatteClient(NOWHERE, patience_s=0.3) as client, pytest.raises(UnavailableError, match=sentence):
        client.matte(request())
    own = replace(NOWHERE, is_own=True)
    with (
        MatteClient(own, patience_s=0.3) as client,
        pytest.raises(UnavailableError, match="What is finished stays"),
    ):
        client.ping(0.2)


def test_a_server_that_answered_and_ended_is_not_looked_for_at_another_address(make_server: MakeServer) -> None:
    """Who has half of a shot is told that it is not lost."""
    with HeldPort() as port, MatteClient(Endpoint(port.address), patience_s=0.3) as client:
        server = make_server(port=port.number)
        client.matte(request("r1"))
        server.close()
        sentence = f"at {port.address} any longer: .* What is finished stays"
        with pytest.raises(UnavailableError, match=sentence) as caught:
            client.matte(request("r2"))
    assert "address" not in str(caught.value)


def test_a_picture_is_stored_where_the_server_lacks_it_and_only_there(make_server: MakeServer) -> None:
    server = make_server()
    for _ in range(2):
        with MatteClient(server.endpoint) as client:
            assert client.store(b"clean") == Digest(digest_of(b"clean"))
        assert server.uploads == 1 and server.digests == {digest_of(b"clean")}


def test_a_silent_server_is_pinged_once(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matte_link.client._PING_AFTER_S", 0.05)
    server = make_server(lambda server, message: [])
    with MatteClient(server.endpoint) as client:
        assert client.patience_s == 30.0
        client.submit(request())
        deadline = time.monotonic() + 20
        while not server.count(Ping) and time.monotonic() < deadline:
            assert client.receive(0.05) is None
        # Ten turns more, each of which would ping again.
        for _ in range(10):
            assert client.receive(0.01) is None
    assert server.count(Ping) == 1


def test_tcp_finds_out_in_minutes_that_a_peer_is_gone() -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        keep_alive(socket)
        names = (zmq.TCP_KEEPALIVE, zmq.TCP_KEEPALIVE_IDLE, zmq.TCP_KEEPALIVE_INTVL, zmq.TCP_KEEPALIVE_CNT)
        assert [socket.getsockopt(name) for name in names] == [1, _IDLE_S, _PROBE_S, _PROBES]


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("[::1]", "[::1]")]
)
def test_a_server_is_reached_by_either_protocol(make_server: MakeServer, host: str, asked: str) -> None:
    """No client reached a server that listened to an IPv6 address."""
    try:
        server = make_server(host=host)
    except zmq.ZMQError:
        pytest.skip("This machine has no IPv6.")
    with MatteClient(Endpoint(server.address.replace(host, asked))) as client:
        assert client.ping(5.0).wire == WIRE_VERSION


def test_waiting_takes_no_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with MatteClient(NOWHERE) as client:
        waits = []
        wait = client._connection.wait

        def counted(seconds: float) -> bool:
            waits.append(seconds)
            return wait(seconds)

        monkeypatch.setattr(client._connection, "wait", counted)
        for _ in range(100):
            assert client.receive(0.0099) is None
    # Polling without a pause in the last part of each millisecond took hundreds of turns.
    assert 100 <= len(waits) <= 200


def test_a_client_that_did_not_look_for_longer_than_its_patience_finds_the_answer(make_server: MakeServer) -> None:
    """A command that was stopped by Ctrl-Z for a minute said that the server had not answered."""
    with MatteClient(make_server().endpoint, patience_s=1.5) as client:
        client.ping()
        for number in range(2):
            client.submit(request(f"r{number}"))
            if number == 0:
                # The clean plate has been asked for and sent: nothing is left but to wait.
                assert isinstance(client.receive(5.0), MatteReply)
        time.sleep(2.0)
        assert isinstance(client.receive(5.0), MatteReply)


def test_a_client_that_was_stopped_while_it_waited_goes_on_waiting(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is nearly always when Ctrl-Z is pressed: it woke, found nothing yet, and gave the server up."""
    monkeypatch.setattr("matte_link.client._UNSEEN_S", 0.1)
    with MatteClient(make_server().endpoint, patience_s=0.8) as client:
        client.ping()
        wait, received = client._connection.wait, client._connection.received
        stops: list[float] = []

        def stopped(timeout_s: float) -> bool:
            if not stops:
                return wait(timeout_s)
            time.sleep(stops.pop())
            monkeypatch.setattr(client._connection, "received", nothing_yet)
            return False

        def nothing_yet() -> Iterator[Message]:
            monkeypatch.setattr(client._connection, "received", received)
            return iter(())

        monkeypatch.setattr(client._connection, "wait", stopped)
        for ask in (lambda: client.ping(0.8), lambda: client.matte(request())):
            stops.append(1.2)
            assert isinstance(ask(), (Pong, MatteReply)) and not stops


def test_a_client_that_looks_rarely_still_finds_out_that_a_server_is_silent(make_server: MakeServer) -> None:
    with MatteClient(make_server(never_computes).endpoint, patience_s=1.5) as client:
        client.ping()
        client._requests.add(request())
        client._connection.is_moving = lambda: False  # type: ignore[method-assign]
        client._is_pinged = True
        client._heard_at = client._looked_at = time.monotonic()
        with pytest.raises(TimeoutError):
            for _ in range(3):
                time.sleep(1.2)
                client.receive(0.0)


def test_a_silent_server_ends_in_a_timeout(make_server: MakeServer) -> None:
    server = make_server()
    with MatteClient(server.endpoint, patience_s=0.5) as client:
        client.ping(20.0)  # connected, however slow this machine is
        server.behaviour = lambda server, message: []
        with pytest.raises(TimeoutError, match=r"did not answer within 0\.5 s"):
            client.matte(request())
        with pytest.raises(TimeoutError, match=r"did not answer within 0\.2 s"):
            client.ping(0.2)


def test_a_frame_may_be_given_a_time_limit(make_server: MakeServer) -> None:
    server = make_server(never_computes)
    with MatteClient(server.endpoint) as client:
        with pytest.raises(TimeoutError, match=r"longer than the 0\.3 s allowed"):
            client.matte(request(), timeout_s=0.3)
        assert client.outstanding == ()
        client.ping()
    assert server.cancelled == ["r1"]


def test_cancel_reaches_the_server_and_the_caller(make_server: MakeServer) -> None:
    server = make_server(never_computes)
    with MatteClient(server.endpoint) as client:
        client.ping()
        with pytest.raises(CancelledError):
            client.matte(request(), cancelled=lambda: server.count(Matte) > 0)
        client.ping()
    assert server.cancelled == ["r1"]


def test_ctrl_c_reaches_the_server(make_server: MakeServer) -> None:
    """As in a notebook: the next frame waited until the server had computed the one that nobody wanted."""
    server = make_server(never_computes)

    def interrupt() -> bool:
        if server.count(Matte):
            raise KeyboardInterrupt
        return False

    with MatteClient(server.endpoint) as client:
        with pytest.raises(KeyboardInterrupt):
            client.matte(request(), cancelled=interrupt)
        client.ping()
        assert server.cancelled == ["r1"]


def test_ctrl_c_while_a_request_is_sent_leaves_none_behind(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server(never_computes)
    with MatteClient(server.endpoint) as client:
        submit = client.submit

        def interrupted(*arguments: Any, **named: Any) -> None:
            submit(*arguments, **named)
            raise KeyboardInterrupt

        client.ping()
        monkeypatch.setattr(client, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.matte(request())
        client.ping()
        assert client.outstanding == () and server.cancelled == ["r1"]


def test_a_server_that_cancels_raises_what_a_cancelled_caller_expects(make_server: MakeServer) -> None:
    def cancels(server: ScriptedServer, message: Message) -> list[Message] | None:
        failure = Failure(message.id, code="cancelled", message="The request was cancelled.")
        return [failure] if isinstance(message, Matte) else None

    with MatteClient(make_server(cancels).endpoint) as client, pytest.raises(CancelledError):
        client.matte(request())


def test_the_servers_message_and_hint_arrive(make_server: MakeServer) -> None:
    def refuses(server: ScriptedServer, message: Message) -> list[Message] | None:
        failure = Failure(message.id, code="not_finite", message="The plate has NaN.", hint="Repair it.")
        return [failure] if isinstance(message, Matte) else None

    with MatteClient(make_server(refuses).endpoint) as client, pytest.raises(RemoteError) as caught:
        client.matte(request())
    assert caught.value.code == "not_finite"
    assert str(caught.value) == "The plate has NaN. Repair it."


def test_a_model_that_is_not_built_in_reaches_the_server_by_its_name(make_server: MakeServer) -> None:
    server = make_server()
    options = MatteOptions.from_dict({"model": "my-studio_2"})
    with MatteClient(server.endpoint) as client:
        client.matte(replace(request(), options=options))
    assert server.mattes[0].options.model == "my-studio_2"


def test_another_version_is_refused_clearly() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind("tcp://127.0.0.1:*")
        endpoint = Endpoint(socket.getsockopt_string(zmq.LAST_ENDPOINT))

        def answer() -> None:
            sender = socket.recv_multipart()[0]
            socket.send_multipart([sender, b"CPM2", b"{}"])

        thread = threading.Thread(target=answer)
        thread.start()
        with MatteClient(endpoint) as client, pytest.raises(ProtocolError, match="speaks wire version 2"):
            client.ping()
        thread.join()
