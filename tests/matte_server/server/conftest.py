"""One real server for the whole folder, services without one, and small pictures whose truth is known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import pytest
from matte_link.client import MatteClient
from matte_link.messages import Accepted, Inline, Matte, Progress
from matte_link.options import MatteOptions

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

from .service_bench import LIMITS, ServiceBench

SIZE = (96, 128)


@dataclass(frozen=True)
class Pictures:
    """EXR bytes of a plate (a bright disc before a textured wall) and of its clean plate, and the disc."""

    plate: bytes
    clean: bytes
    disc: np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def make_pictures(size: tuple[int, int] = SIZE, seed: int = 1) -> Pictures:
    """A pair of pictures of ``size`` (height, width); the seed changes the wall."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    phase = seed * 0.7
    wall = np.stack(
        [
            0.3 + 0.2 * np.sin(x / 3 + phase) + 0.1 * np.cos(y / 5),
            0.4 + 0.1 * np.sin(x / 7 + y / 4 + phase),
            0.2 + 0.15 * np.cos(x / 9 + phase),
        ],
        axis=-1,
    )
    wall += np.random.default_rng(seed).normal(0, 0.003, wall.shape)
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2
    plate = np.where(disc[..., None], (2.0, 0.1, 0.05), wall)
    return Pictures(encoded(plate), encoded(wall), disc)


def encoded(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    """An EXR's bytes."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    image = Image(
        pixels=pixels.astype(np.float32), channels=("R", "G", "B"), data_window=window, display_window=window
    )
    return exr.encode_exr(image, {}, exr.ExrFormat())


def submit_and_wait(client: MatteClient, requests: Sequence[Matte]) -> None:
    """Submits requests and returns once the server has accepted all of them: until then a client that has only just
    been made may have sent none."""
    accepted: list[Accepted] = []

    def listen(event: Accepted | Progress) -> None:
        if isinstance(event, Accepted):
            accepted.append(event)

    for request in requests:
        client.submit(request, listen)
    deadline = time.monotonic() + 30.0
    while len(accepted) < len(requests):
        assert client.receive(0.02) is None, "answered before all were accepted"
        assert time.monotonic() < deadline


@contextlib.contextmanager
def stopped_worker(client: MatteClient) -> Iterator[psutil.Process]:
    """The server's first worker, which does nothing while the block runs, or until it is ended or resumed: what is
    sent meanwhile is certainly at work, read ahead or waiting when the block looks, however slow the machine is."""
    worker = psutil.Process(client.status().state["workers"][0]["pid"])
    worker.suspend()
    try:
        yield worker
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.resume()


@contextlib.contextmanager
def stopped_in(client: MatteClient, make: Callable[..., Matte]) -> Iterator[tuple[psutil.Process, str]]:
    """The server's first worker, which stands still in the middle of a frame, and the id of that frame's
    request."""
    large, heard = make_pictures((480, 640)), list[Accepted | Progress]()
    while True:
        request = make(plate=Inline(data=large.plate), clean_plate=Inline(data=large.clean))
        client.submit(request, heard.append)
        while not any(isinstance(event, Progress) and event.stage == "read" for event in heard):
            assert client.receive(0.02) is None
        with stopped_worker(client) as worker:
            if client.status().state["workers"][0]["stage"]:
                yield worker, request.id
                return
        # It was faster than we are.
        heard.clear()
        assert client.receive(60.0) is not None


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    return make_pictures()


@pytest.fixture(scope="session")
def server(rooted_server: LocalServer) -> LocalServer:
    return rooted_server


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServiceBench]:
    """A service whose workers are made up."""
    made = ServiceBench(tmp_path, LIMITS)
    yield made
    made.spool.close()


@pytest.fixture
def client(server: LocalServer) -> Iterator[MatteClient]:
    with MatteClient(server.endpoint) as connected:
        yield connected


@pytest.fixture
def request_for(pictures: Pictures) -> Callable[..., Matte]:
    """Builds a request for the pictures; keyword arguments replace its fields."""

    def make(**changes: object) -> Matte:
        basic = Matte(
            id=uuid4().hex,
            frame=1,
            plate=Inline(data=pictures.plate, name="plate.exr"),
            clean_plate=Inline(data=pictures.clean, name="clean.exr"),
            options=MatteOptions(model="difference"),
        )
        return replace(basic, **changes)  # type: ignore[arg-type]

    return make
