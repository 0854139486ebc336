"""The ROUTER loop by itself: whatever it is given to send, it goes on."""

from __future__ import annotations

import select
import threading
from pathlib import Path

import pytest
import zmq
from matte_link.messages import Failure, Message, Ping, Status, StatusReply
from matte_link.wire import WireLimits, decode, encode

from matte_server.server import transport
from matte_server.server.service import Service
from matte_server.server.spool import Spool
from matte_server.server.transport import EventQueue, Stop, Transport, UnsentBytes, open_router
from tests.matte_server.server.service_bench import HandPool


def test_the_router_bounds_what_waits_and_what_it_takes() -> None:
    limits = WireLimits(blob=1 << 20)
    with zmq.Context() as context, open_router(context, limits) as router:
        options = (zmq.MAXMSGSIZE, zmq.SNDHWM, zmq.RCVHWM, zmq.TCP_MAXRT, zmq.HANDSHAKE_IVL, zmq.LINGER)
        assert [router.getsockopt(option) for option in options] == [
            1 << 20,
            transport._MESSAGES_WAITING,
            transport._REQUESTS_WAITING,
            transport._STALLED_MS,
            transport._HANDSHAKE_MS,
            500,
        ]
        assert router.getsockopt(zmq.TCP_KEEPALIVE) == 1
        with pytest.raises(zmq.ZMQError, match="Host unreachable"):
            router.send_multipart([b"nobody", b""])


def test_the_names_of_one_key_share_what_may_be_on_its_way() -> None:
    owners = {b"anna": b"anna's key", b"ben": b"ben's key"}
    unsent = UnsentBytes(lambda client: owners.get(client, b"farm's key"))
    sent = threading.Event()
    blades = [b"blade %d" % number for number in range(16)]
    for client in (*blades, b"anna"):
        unsent.add(client, zmq.MessageTracker(sent), 100)
    assert unsent(blades[0]) == unsent(b"another name") == 400, "sixteen names count as four"
    assert (unsent(b"anna"), unsent(b"ben")) == (100, 0)
    sent.set()
    unsent.update()
    assert (unsent(blades[0]), unsent(b"anna"), len(unsent)) == (0, 0, 0)


def test_events_wake_a_poller_once_and_come_in_order() -> None:
    events = EventQueue()
    for _ in range(2):
        assert events.take_all() == [] and not select.select([events], [], [], 0)[0]
        stops = [Stop() for _ in range(300)]
        for stop in stops:
            events.put(stop)
        assert select.select([events], [], [], 0)[0]
        assert [id(event) for event in events.take_all()] == [id(stop) for stop in stops]
    events.close()
    events.put(Stop())


def _ask(peer: zmq.Socket[bytes], message: Message) -> Message:
    peer.send_multipart([bytes(part) for part in encode(message)])
    assert peer.poll(10_000)
    return decode(peer.recv_multipart())


def test_an_answer_that_cannot_be_written_down_is_a_failure_and_the_loop_goes_on(tmp_path: Path) -> None:
    """A figure that is no number, such as a worker once reported; NaN is no JSON."""
    pool, events, spool = HandPool(), EventQueue(), Spool(1 << 20, tmp_path)
    pool.weights = {"difference": float("nan")}  # type: ignore[dict-item]
    with zmq.Context() as context, open_router(context) as router, context.socket(zmq.DEALER) as peer:
        router.bind("tcp://127.0.0.1:*")
        peer.linger = 0
        peer.connect(router.getsockopt_string(zmq.LAST_ENDPOINT))
        service = Service(pool, spool)
        loop = Transport(router, service, pool, events, UnsentBytes(), lambda event: None)  # type: ignore[arg-type]
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            answer = _ask(peer, Ping("p"))
            assert isinstance(answer, Failure) and (answer.id, answer.code) == ("p", "internal")
            assert isinstance(_ask(peer, Status("s")), StatusReply)
        finally:
            events.put(Stop())
            running.join()
    events.close()
    spool.close()
