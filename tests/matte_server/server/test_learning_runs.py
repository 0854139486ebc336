"""Learning with real servers, workers and clients: frames go on meanwhile, and whoever is killed loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from matte_link.client import MatteClient
from matte_link.file_digest import file_digest
from matte_link.learn_events import LearnDone, LearnEvent, LearnStep
from matte_link.learn_job import LearnJob, LearnTask
from matte_link.messages import (
    Failure,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    Matte,
    digest_of,
    new_id,
)
from matte_link.options import MatteOptions
from matte_link.result_key import Maker
from matte_link.tasks import LocalFile
from matte_link.wire import encode

from matte_server.io import exr
from matte_server.server.learning_shelf import FOLDER_VARIABLE
from matte_server.server.local_server import LocalServer
from tests.matte_server.server.conftest import Pictures, encoded, make_pictures

Make = Callable[..., Matte]
PATIENCE_S = 120.0
"""A worker starts within seconds; with nine others on the machine it may take a minute."""
NETWORK = MatteOptions(model="cleanplate", precision="float32")


@pytest.fixture(scope="module")
def tiny() -> Pictures:
    """As small as a network learns from: a step takes a tenth of a second."""
    return make_pictures((48, 64))


def key_matte(pictures: Pictures) -> bytes:
    """The true matte of the disc."""
    return encoded(np.repeat(pictures.disc[..., None].astype(float), 3, -1))


def learn(pictures: Pictures, **changes: object) -> Learn:
    frame = LearnFrame(
        frame=1,
        plate=Inline(pictures.plate, "p.exr"),
        clean_plate=Inline(pictures.clean, "c.exr"),
        key=Inline(key_matte(pictures), "k.exr"),
    )
    return replace(Learn(id=new_id(), frames=(frame,), steps=6), **changes)  # type: ignore[arg-type]


def until(client: MatteClient, is_true: Callable[[], bool]) -> None:
    """Receives until something is true; fails where that takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        client.receive(0.02)
        assert time.monotonic() < deadline


def alpha_of(data: object, folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    path = folder / f"{new_id()}.exr"
    path.write_bytes(bytes(data))  # type: ignore[call-overload]
    return exr.read_image(path).pixels[..., 3]


def test_a_shot_is_learnt_beside_its_frames_and_matted_with_what_was_learnt(
    server: LocalServer, request_for: Make, pictures: Pictures, tmp_path: Path
) -> None:
    events: list[object] = []
    request = learn(pictures)
    with MatteClient(server.endpoint) as artist:
        before = alpha_of(artist.matte(request_for(options=NETWORK)).data, tmp_path)
        # The client that wanted it leaves as soon as it runs.
        with MatteClient(server.endpoint) as leaver:
            leaver.submit(request, events.append)
            until(leaver, lambda: len(events) > 1)
        [job] = artist.status(10).state["learning"]
        assert job["frames"] == 1
        # A frame comes out the same to the bit while the same process learns.
        assert np.array_equal(alpha_of(artist.matte(request_for(options=NETWORK)).data, tmp_path), before)
        reply = artist.learn(replace(request, id=new_id()), events.append)
        assert reply.is_complete and reply.steps == 6 and reply.diagnostics["frames"] == [1]
        assert artist.status(10).state["learning"] == []
        # Nothing is learnt twice.
        assert artist.learn(replace(request, id=new_id())).data == reply.data
    assert reply.has_gained and reply.error < reply.first_error
    learned = tmp_path / "shot.learned"
    learned.write_bytes(reply.data)
    options = replace(NETWORK, weights=str(learned))
    with MatteClient(server.endpoint) as client:
        matted = client.matte(request_for(options=options))
        maker = Maker.of(options, client.ping(10))
    assert matted.diagnostics["maker"] == maker.to_dict() and maker.weights == file_digest(learned)
    after = alpha_of(matted.data, tmp_path)
    truth = pictures.disc.astype(np.float32)
    assert np.abs(after - truth).mean() < np.abs(before - truth).mean()


def test_a_job_of_a_host_writes_what_it_learnt_also_when_it_is_cancelled(
    server: LocalServer, tiny: Pictures, tmp_path: Path
) -> None:
    for name, data in (("p.exr", tiny.plate), ("c.exr", tiny.clean), ("k.exr", key_matte(tiny))):
        (tmp_path / name).write_bytes(data)
    task = LearnTask(
        frame=1,
        plate=LocalFile(str(tmp_path / "p.exr")),
        clean_plate=LocalFile(str(tmp_path / "c.exr")),
        key=LocalFile(str(tmp_path / "k.exr")),
    )
    output = tmp_path / "out" / "shot.learned"
    # Measured every 25 steps: from then on there is something to keep.
    job = LearnJob([task], NETWORK, str(output), steps=100, endpoint=server.endpoint)
    job.start()
    events: list[LearnEvent] = []
    deadline = time.monotonic() + PATIENCE_S
    while job.is_running and time.monotonic() < deadline:
        events += job.poll(0.1)
        if any(isinstance(event, LearnStep) and event.error < event.first_error for event in events):
            job.cancel()
    assert job.join(PATIENCE_S)
    [*_, done] = [*events, *job.poll()]
    assert isinstance(done, LearnDone) and not done.is_complete and done.has_gained and done.steps < 100
    assert done.output == str(output) and digest_of(output.read_bytes()) == done.digest


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"options": MatteOptions(model="difference")}, "bad_option"),
        ({"weights": Inline(b"PK\x03\x04" + bytes(40), "evil.pth")}, "bad_weights"),
        ({"frames": (LearnFrame(frame=1, plate=Inline(b"x", "p.exr"), clean_plate=Inline(b"y", "c.exr")),)}, None),
    ],
)
def test_what_cannot_be_learnt_fails_with_a_code(
    server: LocalServer, tiny: Pictures, changes: dict[str, object], code: str | None
) -> None:
    with MatteClient(server.endpoint) as client:
        client.submit(learn(tiny, **changes))
        failure = client.receive(PATIENCE_S)
    assert isinstance(failure, Failure) and failure.code != "internal"
    assert code is None or failure.code == code
    assert "evil.pth" in failure.message or code != "bad_weights"


CLIENT = """
import sys
from pathlib import Path
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.wire import decode
folder = Path(sys.argv[2])
parts = [path.read_bytes() for path in sorted(folder.glob("part*"))]
with MatteClient(Endpoint(sys.argv[1])) as client:
    client.learn(decode(parts), lambda event: print(type(event).__name__, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_whoever_is_killed_while_a_shot_is_learnt_nothing_is_lost(
    tiny: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    monkeypatch.setenv(FOLDER_VARIABLE, str(kept))
    request = learn(tiny, steps=2000, seed=7)
    for number, part in enumerate(encode(request)):
        (tmp_path / f"part{number}").write_bytes(bytes(part))
    with LocalServer(["--device", "cpu"]) as server:
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, server.endpoint.address, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout
        while "LearnProgress" not in client.stdout.readline():
            assert client.poll() is None
        client.kill()
        client.wait()
        said: list[str] = []

        def listen(event: object) -> None:
            if isinstance(event, LearnProgress):
                said.append(event.message)
                steps.append(event.done)

        steps: list[int] = []
        with MatteClient(server.endpoint) as other:
            other.submit(replace(request, id=new_id()), listen)
            # There is a checkpoint after a second at most.
            until(other, lambda: bool(list(kept.glob("*.checkpoint"))))
            os.kill(other.status(10).state["workers"][0]["pid"], signal.SIGKILL)
            until(other, lambda: any("goes on from step" in text for text in said))
            assert any("died and is replaced. It was killed (SIGKILL)" in text for text in said)
            worker = psutil.Process(other.status(10).state["workers"][0]["pid"])
            os.kill(server.pid, signal.SIGKILL)
            # It saves how far it has come before it ends.
            worker.wait(PATIENCE_S)
            reached = max(steps)
    assert 0 < reached < 2000
    said.clear()
    with LocalServer(["--device", "cpu"]) as server, MatteClient(server.endpoint) as client_again:
        client_again.submit(replace(request, id=new_id()), listen)
        until(client_again, lambda: any(said))
    [message] = [text for text in said if text]
    assert "where it was interrupted" in message and int(message.split("step ")[1].split(",")[0]) >= reached
