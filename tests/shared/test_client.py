"""The client and the job against a peer that speaks the wire over real TCP and misbehaves on command.

The real server has its own tests; this peer does what a healthy server rarely does: it drops, repeats,
refuses, forgets and vanishes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import CancelledError, ProtocolError, RemoteError, TimeoutError, UnavailableError
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, JobEvent, JobFinished
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
    Status,
    StatusReply,
    Store,
    Stored,
    digest_of,
    sources_of,
)
from matte_link.options import MatteOptions
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour
from matte_link.wire import decode, encode

Behaviour = Callable[["Peer", Message], list[Message] | None]


class Peer:
    """A ROUTER on loopback; ``behaviour`` answers first, None leaves it to the healthy answers."""

    def __init__(self, behaviour: Behaviour = lambda peer, message: None, port: int = 0) -> None:
        self.heard: list[Message] = []
        self.digests: set[str] = set()
        self.behaviour = behaviour
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(f"tcp://127.0.0.1:{port or '*'}")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address)

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)

    @property
    def pictures(self) -> int:
        """How often a clean plate's bytes went over; a Store without any only asks."""
        return sum(isinstance(message, Store) and bool(message.data) for message in self.heard)

    def _loop(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(20):
                sender, *parts = self._socket.recv_multipart()
                message = decode(parts)
                self.heard.append(message)
                answers = self.behaviour(self, message)
                for answer in self._healthy(message) if answers is None else answers:
                    self._socket.send_multipart([sender, *encode(answer)])
        self._socket.close()
        self._context.term()

    def _healthy(self, message: Message) -> list[Message]:
        if isinstance(message, Ping):
            return [Pong(message.id, "test", 1)]
        if isinstance(message, Status):
            return [StatusReply(message.id, {"queue": 0})]
        if isinstance(message, Store):
            if not message.data and message.digest not in self.digests:
                return [Failure(message.id, "clean_plate_unknown", "The clean plate is not here.")]
            self.digests.add(message.digest)
            return [Stored(message.id, message.digest)]
        if isinstance(message, Matte):
            for role, source in sources_of(message).items():
                if isinstance(source, Digest) and source.digest not in self.digests:
                    return [Failure(message.id, f"{role}_unknown", "The picture is not here.")]
            return [Accepted(message.id), MatteReply(message.id, message.frame, b"exr")]
        return []

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def peers() -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def make(*arguments: Any, **named: Any) -> Peer:
        made.append(Peer(*arguments, **named))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


def request(name: str = "r1", frame: int = 1) -> Matte:
    return Matte(name, frame, Inline(b"plate"), Inline(b"clean"))


def test_a_matte_and_its_progress(peers: Callable[..., Peer]) -> None:
    peer = peers()
    seen: list[object] = []
    with MatteClient(peer.endpoint) as client:
        assert client.ping().version == "test"
        assert client.status().state == {"queue": 0}
        assert client.matte(request(), seen.append).data == b"exr"
    assert seen == [Accepted("r1")]


def test_a_clean_plate_goes_over_once(peers: Callable[..., Peer]) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        for number in range(3):
            client.matte(request(f"r{number}"))
    assert peer.pictures == 1 and peer.count(Store) == 2


def test_a_clean_plate_of_another_client_is_only_named(peers: Callable[..., Peer]) -> None:
    peer = peers()
    for number in range(2):
        with MatteClient(peer.endpoint) as client:
            for frame in range(2):
                client.submit(request(f"r{number}.{frame}", frame))
            assert all(isinstance(client.receive(5.0), MatteReply) for _ in range(2))
            client.store(b"clean")
    assert peer.pictures == 1 and peer.count(Matte) == 4


def test_a_request_that_was_cancelled_while_it_waited_stays_so(peers: Callable[..., Peer]) -> None:
    def mattes_never_end(peer: Peer, message: Message) -> list[Message] | None:
        return [] if isinstance(message, Matte) else None

    peer = peers(mattes_never_end)
    with MatteClient(peer.endpoint) as client:
        client.ping()
        client.submit(request())
        client.cancel("r1")
        client.ping()
        client.ping()
    kinds = [type(message) for message in peer.heard if isinstance(message, (Matte, Cancel))]
    assert kinds[:3] == [Cancel, Matte, Cancel]


def test_the_clean_plates_of_a_moving_camera_do_not_pile_up(peers: Callable[..., Peer]) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        for number in range(20):
            client.matte(replace(request(f"r{number}"), clean_plate=Inline(b"clean %d" % number)))
        assert len(client._pictures) <= 5
        # The first one is no longer here, but it is there.
        client.matte(replace(request("again"), clean_plate=Inline(b"clean 0")))
    assert peer.pictures == 20


def test_a_picture_that_is_held_goes_over_only_where_it_lacks(peers: Callable[..., Peer]) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        named = client.hold(Inline(b"clean"))
        for number in range(2):
            assert client.matte(replace(request(f"r{number}"), clean_plate=named)).data == b"exr"
    assert peer.pictures == 1


def test_a_forgotten_clean_plate_is_sent_again(peers: Callable[..., Peer]) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        client.matte(request("r1"))
        peer.digests.clear()
        assert client.matte(request("r2")).data == b"exr"
    assert peer.pictures == 2


def in_sequence(frame: int, last: int = 9) -> Matte:
    """A frame with those before and after it."""

    def plate(number: int) -> Inline:
        return Inline(b"plate %d" % number)

    before = Neighbour(plate(frame - 1)) if frame else None
    after = Neighbour(plate(frame + 1)) if frame < last else None
    return Matte(f"s{frame}", frame, plate(frame), Inline(b"clean"), before=before, after=after)


def test_a_sequence_with_neighbours_sends_each_plate_once(peers: Callable[..., Peer]) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        for frame in range(3):
            client.submit(in_sequence(frame))
        assert all(isinstance(client.receive(5.0), MatteReply) for _ in range(3))
        for frame in range(3, 10):
            client.matte(in_sequence(frame))
        assert len(client._pictures) <= 5
    assert peer.pictures == 11 and peer.count(Matte) == 10


@pytest.mark.parametrize("lost", [b"plate 4", b"plate 5", b"plate 6", b"clean"])
def test_a_forgotten_picture_of_a_neighbour_is_sent_again(peers: Callable[..., Peer], lost: bytes) -> None:
    peer = peers()
    with MatteClient(peer.endpoint) as client:
        client.matte(in_sequence(5))
        peer.digests.discard(digest_of(lost))
        assert client.matte(replace(in_sequence(5), id="again")).data == b"exr"
    assert peer.pictures == 5


def test_a_server_without_room_for_a_picture_is_asked_later(peers: Callable[..., Peer]) -> None:
    def full(peer: Peer, message: Message) -> list[Message] | None:
        # More often than a picture is sent to a server that loses it.
        if isinstance(message, Store) and message.data and peer.pictures <= 6:
            return [Failure(message.id, "busy", "There is no room for another picture.")]
        return None

    peer = peers(full)
    with MatteClient(peer.endpoint) as client:
        assert client.matte(in_sequence(5, last=5), timeout_s=20).data == b"exr"
    assert peer.pictures > 6


def test_a_server_that_never_keeps_it_is_not_asked_for_ever(peers: Callable[..., Peer]) -> None:
    peer = peers(lambda peer, message: [] if isinstance(message, Store) and message.data else None)
    with MatteClient(peer.endpoint) as client, pytest.raises(RemoteError) as caught:
        client.matte(request())
    assert caught.value.code == "clean_plate_unknown"
    assert peer.pictures == 4


def test_busy_is_asked_again(peers: Callable[..., Peer]) -> None:
    def busy_twice(peer: Peer, message: Message) -> list[Message] | None:
        if isinstance(message, Matte) and peer.count(Matte) <= 2:
            return [Failure(message.id, "busy", "The queue is full.")]
        return None

    peer = peers(busy_twice)
    with MatteClient(peer.endpoint) as client:
        assert client.matte(request()).data == b"exr"
    assert peer.count(Matte) == 3


def test_a_second_answer_is_dropped(peers: Callable[..., Peer]) -> None:
    def twice(peer: Peer, message: Message) -> list[Message] | None:
        return [MatteReply(message.id, 1, b"exr")] * 2 if isinstance(message, Matte) else None

    peer = peers(twice)
    with MatteClient(peer.endpoint) as client:
        client.ping()
        client.submit(request("r1"))
        client.submit(request("r2"))
        answers = [client.receive(2.0) for _ in range(2)]
        assert [answer.id for answer in answers if answer] == ["r1", "r2"]
        assert client.receive(0.3) is None


def test_what_was_not_answered_is_sent_again_after_a_restart(peers: Callable[..., Peer]) -> None:
    deaf = peers(lambda peer, message: [] if isinstance(message, Matte) else None)
    with MatteClient(deaf.endpoint) as client:
        client.ping()
        client.submit(request())
        deadline = time.monotonic() + 5
        while not deaf.count(Matte) and time.monotonic() < deadline:
            client.receive(0.05)
        deaf.close()
        healthy = peers(port=deaf.port)
        answer = client.receive(10.0)
    assert isinstance(answer, MatteReply)
    assert healthy.pictures == 1 and healthy.count(Matte) == 1


def test_nobody_there() -> None:
    client = MatteClient(Endpoint("tcp://127.0.0.1:9"), patience_s=0.3)
    with client, pytest.raises(UnavailableError, match=r"No matting server answers at tcp://127\.0\.0\.1:9"):
        client.ping(0.2)
    client = MatteClient(Endpoint("tcp://127.0.0.1:9"), patience_s=0.3)
    with client, pytest.raises(UnavailableError):
        client.matte(request())


def test_waiting_takes_no_processor_time() -> None:
    with MatteClient(Endpoint("tcp://127.0.0.1:9")) as client:
        began = time.thread_time()
        for _ in range(100):
            assert client.receive(0.0099) is None
        # 0.011 s here. Asking without end through the last part of each millisecond took 0.082 s.
        assert time.thread_time() - began < 0.04


def test_a_silent_server_ends_in_a_timeout(peers: Callable[..., Peer]) -> None:
    peer = peers(lambda peer, message: [])
    with MatteClient(peer.endpoint, patience_s=0.5) as client:
        with pytest.raises(TimeoutError, match=r"did not answer within 0\.5 s"):
            client.matte(request())
        with pytest.raises(TimeoutError):
            client.ping(0.2)


def test_cancel_reaches_the_server_and_the_caller(peers: Callable[..., Peer]) -> None:
    peer = peers(lambda peer, message: [] if isinstance(message, Matte) else None)
    with MatteClient(peer.endpoint) as client:
        client.ping()
        with pytest.raises(CancelledError):
            client.matte(request(), cancelled=lambda: peer.count(Matte) > 0)
        client.ping()
    cancels = [message.target for message in peer.heard if isinstance(message, Cancel)]
    assert cancels == ["r1"]


def test_the_servers_sentence_arrives(peers: Callable[..., Peer]) -> None:
    def refuse(peer: Peer, message: Message) -> list[Message] | None:
        return (
            [Failure(message.id, "not_finite", "The plate has NaN.", "Repair it.")]
            if isinstance(message, Matte)
            else None
        )

    with MatteClient(peers(refuse).endpoint) as client, pytest.raises(RemoteError) as caught:
        client.matte(request())
    assert caught.value.code == "not_finite"
    assert str(caught.value) == "The plate has NaN. Repair it."


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


def run_job(job: MatteJob) -> list[JobEvent]:
    job.start()
    assert job.join(20)
    return job.poll()


def test_a_job_writes_every_frame_and_says_so(peers: Callable[..., Peer], tmp_path: Path) -> None:
    (tmp_path / "clean.exr").write_bytes(b"clean")
    tasks = []
    for frame in range(5):
        plate = tmp_path / f"plate.{frame}.exr"
        if frame != 3:
            plate.write_bytes(b"plate")
        output = str(tmp_path / "out" / f"matte.{frame}.exr")
        tasks.append(FrameTask(frame, LocalFile(str(plate)), LocalFile(str(tmp_path / "clean.exr")), output))
    peer = peers()
    events = run_job(MatteJob(tasks, MatteOptions(), peer.endpoint))
    assert [event.frame for event in events if isinstance(event, FrameDone)] == [0, 1, 2, 4]
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert [(event.frame, event.code) for event in failed] == [(3, "missing_file")]
    assert "plate.3.exr cannot be read: No such file" in failed[0].message
    assert events[-1] == JobFinished(4, 1, False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "matte.0.exr",
        "matte.1.exr",
        "matte.2.exr",
        "matte.4.exr",
    ]
    assert peer.pictures == 1


def test_a_job_without_a_server_ends_with_the_sentence(tmp_path: Path) -> None:
    task = FrameTask(1, Inline(b"p"), Inline(b"c"), str(tmp_path / "m.exr"))
    events = run_job(MatteJob([task], MatteOptions(), Endpoint("tcp://127.0.0.1:9"), patience_s=0.3))
    finished = events[-1]
    assert isinstance(finished, JobFinished)
    assert finished.code == "unavailable" and "No matting server answers" in finished.message
    assert not list(tmp_path.iterdir())


def test_a_cancelled_job_keeps_what_is_done(peers: Callable[..., Peer], tmp_path: Path) -> None:
    def only_the_first(peer: Peer, message: Message) -> list[Message] | None:
        return [] if isinstance(message, Matte) and message.frame > 1 else None

    tasks = [FrameTask(frame, Inline(b"p"), Inline(b"c"), str(tmp_path / f"m.{frame}.exr")) for frame in (1, 2, 3)]
    job = MatteJob(tasks, MatteOptions(), peers(only_the_first).endpoint)
    job.start()
    deadline = time.monotonic() + 10
    events: list[JobEvent] = []
    while not any(isinstance(event, FrameDone) for event in events) and time.monotonic() < deadline:
        events += job.poll()
        time.sleep(0.02)
    job.cancel()
    # A second is what the artist is promised between pressing Cancel and the job's end.
    assert job.join(1.0)
    assert (events + job.poll())[-1] == JobFinished(1, 0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.1.exr"]


def test_a_full_or_forbidden_folder_fails_the_frame_only(peers: Callable[..., Peer], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    task = FrameTask(1, Inline(b"p"), Inline(b"c"), str(tmp_path / "file" / "m.exr"))
    events = run_job(MatteJob([task], MatteOptions(), peers().endpoint))
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert failed[0].code == "cannot_write" and "cannot be written" in failed[0].message


def test_a_job_takes_tasks_while_it_runs(peers: Callable[..., Peer], tmp_path: Path) -> None:
    def task(frame: int) -> FrameTask:
        return FrameTask(frame, Inline(b"p"), Inline(b"c"), str(tmp_path / f"m.{frame}.exr"))

    job = MatteJob([], MatteOptions(), peers().endpoint, more=True)
    job.start()
    for frame in (1, 2, 3):
        job.add(task(frame))
        # Far longer than the worker's own pause: it has looked again, and still waits for more.
        time.sleep(0.1)
        assert job.is_running and job.waiting == 0
    job.close()
    assert job.join(20)
    assert [event.frame for event in job.poll() if isinstance(event, FrameDone)] == [1, 2, 3]


def press(peer: Peer, folder: Path, expected: str = "", frames: int = 1) -> list[JobEvent]:
    """Frames whose clean plate is expected to be named so."""
    (folder / "clean.exr").write_bytes(b"clean")
    clean = LocalFile(str(folder / "clean.exr"))
    tasks = [
        FrameTask(frame, Inline(b"p"), clean, str(folder / f"m.{frame}.exr"), clean_digest=expected)
        for frame in range(frames)
    ]
    return run_job(MatteJob(tasks, MatteOptions(), peer.endpoint))


def test_one_frame_takes_its_clean_plate_along(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    events = press(peer, tmp_path) + press(peer, tmp_path, frames=2)
    done = [event for event in events if isinstance(event, FrameDone)]
    assert [event.clean_digest for event in done] == [digest_of(b"clean")] * 3
    first, *others = [message.clean_plate for message in peer.heard if isinstance(message, Matte)]
    assert isinstance(first, Inline) and others == [Digest(digest_of(b"clean"))] * 2
    assert peer.pictures == 1


def test_a_frame_goes_off_with_the_clean_plate_that_is_expected(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    peer.digests.add(digest_of(b"clean"))
    events = press(peer, tmp_path, digest_of(b"clean"))
    assert [event.clean_digest for event in events if isinstance(event, FrameDone)] == [digest_of(b"clean")]
    # Neither bytes nor a question.
    assert peer.count(Store) == 0 and peer.count(Matte) == 1


def test_a_server_that_lacks_what_is_expected_gets_it(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    events = press(peer, tmp_path, digest_of(b"clean"))
    assert events[-1] == JobFinished(1, 0, False)
    assert peer.pictures == 1


@pytest.mark.parametrize("is_held", [True, False])
def test_a_wrong_expectation_is_taken_back(peers: Callable[..., Peer], tmp_path: Path, is_held: bool) -> None:
    peer = peers()
    wrong = digest_of(b"another")
    if is_held:
        peer.digests.add(wrong)
    events = press(peer, tmp_path, wrong)
    done = [event for event in events if isinstance(event, FrameDone)]
    assert [event.clean_digest for event in done] == [digest_of(b"clean")]
    assert events[-1] == JobFinished(1, 0, False)
    first, second = [message for message in peer.heard if isinstance(message, Matte)]
    assert (first.clean_plate, second.clean_plate) == (Digest(wrong), Digest(digest_of(b"clean")))
    assert [message.target for message in peer.heard if isinstance(message, Cancel)][:1] == [first.id]


def test_an_expected_clean_plate_that_is_not_there_fails_its_frame(
    peers: Callable[..., Peer], tmp_path: Path
) -> None:
    clean = LocalFile(str(tmp_path / "clean.exr"))
    task = FrameTask(1, Inline(b"p"), clean, str(tmp_path / "m.exr"), clean_digest=digest_of(b"clean"))
    peer = peers(lambda peer, message: [] if isinstance(message, Matte) else None)
    events = run_job(MatteJob([task], MatteOptions(), peer.endpoint))
    assert [event.code for event in events if isinstance(event, FrameFailed)] == ["missing_file"]
    assert events[-1] == JobFinished(0, 1, False)


def test_waiting_for_an_event_ends_with_the_event(peers: Callable[..., Peer], tmp_path: Path) -> None:
    task = FrameTask(1, Inline(b"p"), Inline(b"c"), str(tmp_path / "m.exr"))
    job = MatteJob([task], MatteOptions(), peers().endpoint)
    assert job.poll(0.05) == []
    job.start()
    assert job.poll(20.0)


def sequence_of_tasks(folder: Path, count: int) -> list[FrameTask]:
    """Frames with their neighbours, each with a plate and a clean plate of its own."""

    def files(kind: str, frame: int) -> LocalFile:
        path = folder / f"{kind}.{frame}.exr"
        path.write_bytes(f"{kind} {frame}".encode())
        return LocalFile(str(path))

    def neighbour(frame: int) -> TaskNeighbour | None:
        if not 0 <= frame < count:
            return None
        return TaskNeighbour(files("plate", frame), files("clean", frame))

    return [
        FrameTask(
            frame,
            files("plate", frame),
            files("clean", frame),
            str(folder / f"m.{frame}.exr"),
            before=neighbour(frame - 1),
            after=neighbour(frame + 1),
        )
        for frame in range(count)
    ]


def test_a_job_sends_the_neighbours_and_each_picture_once(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    job = MatteJob(sequence_of_tasks(tmp_path, 6), MatteOptions(temporal=0.5), peer.endpoint)
    assert run_job(job)[-1] == JobFinished(6, 0, False)
    assert peer.pictures == 12
    first, *_, last = [message for message in peer.heard if isinstance(message, Matte)]
    assert (first.before, last.after) == (None, None)
    assert first.after == Neighbour(Digest(digest_of(b"plate 1")), Digest(digest_of(b"clean 1")))
    # What the last two frames were made from, and no more.
    assert len(job._files) <= 6


def test_a_still_clean_plate_is_not_named_for_a_neighbour(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    clean = LocalFile(str(tmp_path / "clean.0.exr"))
    task = sequence_of_tasks(tmp_path, 2)[0]
    assert task.after is not None
    task = replace(task, clean_plate=clean, after=replace(task.after, clean_plate=clean))
    run_job(MatteJob([task], MatteOptions(temporal=1.0), peer.endpoint))
    [request] = [message for message in peer.heard if isinstance(message, Matte)]
    assert request.after == Neighbour(Digest(digest_of(b"plate 1")))


def test_without_smoothing_a_job_sends_no_neighbours(peers: Callable[..., Peer], tmp_path: Path) -> None:
    peer = peers()
    tasks = sequence_of_tasks(tmp_path, 3)
    (tmp_path / "plate.2.exr").unlink()
    assert run_job(MatteJob(tasks[:2], MatteOptions(), peer.endpoint))[-1] == JobFinished(2, 0, False)
    requests = [message for message in peer.heard if isinstance(message, Matte)]
    assert all(isinstance(each.plate, Inline) and not each.before and not each.after for each in requests)


def test_a_neighbour_that_cannot_be_read_fails_its_frame_by_name(
    peers: Callable[..., Peer], tmp_path: Path
) -> None:
    tasks = sequence_of_tasks(tmp_path, 3)
    (tmp_path / "plate.2.exr").unlink()
    events = run_job(MatteJob(tasks[:2], MatteOptions(temporal=1.0), peers().endpoint))
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert [(event.frame, event.code) for event in failed] == [(1, "missing_file")]
    assert "plate.2.exr cannot be read" in failed[0].message
