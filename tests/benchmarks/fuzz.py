"""Hostile bytes against a real server: it never falls, and whatever it answers is one of our messages.

    python -m tests.benchmarks.fuzz [--messages 200000] [--pictures 5000] [--seed 1]

Mutated messages go out as fast as the server takes them; mutated EXRs go through a worker each. A picture that
crashes the worker is allowed (that is what the worker is for) but counted. Then the bombs: headers that claim
more than is there. Exits with 1 where a promise is broken. Loopback only.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import struct
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import zmq
from matte_link.client import MatteClient
from matte_link.errors import ProtocolError
from matte_link.messages import (
    Cancel,
    Digest,
    Failure,
    Inline,
    Learn,
    LearnFrame,
    Matte,
    Message,
    Neighbour,
    OnDisk,
    Ping,
    Status,
    Store,
    StorePart,
    digest_of,
)
from matte_link.options import MatteOptions
from matte_link.wire import decode, encode

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

Parts = list[bytes]
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def picture(height: int = 24, width: int = 32, compression: str = "zip") -> bytes:
    """A small EXR."""
    pixels = np.random.default_rng(5).random((height, width, 3), np.float32)
    window = Window(0, 0, width, height)
    form = exr.ExrFormat(compression=compression)
    return exr.encode_exr(Image(pixels, ("R", "G", "B"), window, window), {}, form)


def seeds() -> list[Parts]:
    """One good message of each kind."""
    data = b"not a picture"
    messages: list[Message] = [
        Ping("p1"),
        Status("s1"),
        Cancel("c1", "m1"),
        Store(id="t1", digest=digest_of(data), data=data, name="clean.exr"),
        StorePart(id="p2", digest=digest_of(data), size=100, offset=0, data=data, name="clean.exr"),
        Learn(
            id="l1",
            frames=(
                LearnFrame(frame=1, plate=Inline(data, "p.exr"), clean_plate=Digest("0" * 64)),
                LearnFrame(frame=2, plate=OnDisk("/etc/passwd"), clean_plate=Inline(data, "c.exr")),
            ),
            weights=Inline(data, "w.learned"),
        ),
        Matte(
            id="m1",
            frame=1,
            plate=Inline(data, "p.exr"),
            clean_plate=Inline(data, "c.exr"),
            options=MatteOptions(erode=1.0),
        ),
        Matte(
            id="m2",
            frame=2,
            plate=OnDisk("/etc/passwd"),
            clean_plate=Digest("0" * 64),
            output="/etc/passwd",
            hints={"a": [1, None]},
        ),
        Matte(
            id="m3",
            frame=3,
            plate=Inline(data, "p.exr"),
            clean_plate=Inline(data, "c.exr"),
            options=MatteOptions(temporal=1.0),
            before=Neighbour(
                plate=Inline(data, "b.exr"), clean_plate=OnDisk("/etc/passwd"), alignment={"kind": "none"}
            ),
            after=Neighbour(Inline(data, "a.exr"), core=Inline(data, "o.exr")),
        ),
    ]
    return [[bytes(part) for part in encode(message)] for message in messages]


def mutated(data: bytes, rng: random.Random, most: int = 4) -> bytes:
    """``data`` with bytes changed, cut out, repeated or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randint(0, max(len(changed) - 1, 0))
        kind = rng.randrange(5)
        if kind == 0 and changed:
            changed[at] = rng.choice(_INTERESTING) if rng.random() < 0.5 else rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.randint(1, 16)]
        elif kind == 2:
            changed[at:at] = changed[at : at + rng.randint(1, 16)]
        elif kind == 3:
            changed[at:at] = rng.randbytes(rng.randint(1, 8))
        elif len(changed) > at + 4:
            changed[at : at + 4] = struct.pack("<I", rng.choice((0, 2**31 - 1, 2**31, 2**32 - 1)))
    return bytes(changed)


def _bent(parts: Parts, rng: random.Random) -> Parts:
    """A message with its bytes, its JSON or its parts mutated."""
    parts = list(parts)
    kind = rng.randrange(10)
    if kind < 5:
        at = rng.randrange(len(parts))
        parts[at] = mutated(parts[at], rng)
    elif kind < 8:
        header = json.loads(parts[1])
        name = rng.choice(list(header))
        header[name] = rng.choice(_VALUES)
        parts[1] = json.dumps(header).encode()
    elif kind == 8:
        parts.insert(rng.randint(0, len(parts)), rng.randbytes(rng.randint(0, 40)))
    else:
        del parts[rng.randrange(len(parts))]
    return parts


_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, "", "\x00", "../" * 20, "x" * 5000, [], [[]] * 50, {},
    {"inline": 0, "name": ""}, {"path": "/dev/zero", "frame": 0}, {"digest": "0"}, {"model": "v9"},
    {"erode": 1e9}, "matte", "store", {"plate": {"inline": 0, "name": ""}}, {"plate": {"digest": "0" * 64}, "x": 1},
)  # fmt: skip


class Gun:
    """A raw DEALER."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)

    def close(self) -> None:
        self.socket.close()
        self._context.term()


def messages(address: str, count: int, rng: random.Random) -> bool:
    """Fires mutated messages; whether everything heard was a message of ours, and no defect."""
    good = seeds()
    heard: collections.Counter[str] = collections.Counter()
    alien = 0
    gun = Gun(address)
    began = time.monotonic()
    sent = 0
    quiet_since = time.monotonic()
    while sent < count or time.monotonic() - quiet_since < 2.0:
        for _ in range(50):
            if sent < count and gun.socket.poll(0, zmq.POLLOUT):
                parts = _bent(rng.choice(good), rng)
                gun.socket.send_multipart(parts or [b""])
                sent += 1
        while gun.socket.poll(0 if sent < count else 100):
            quiet_since = time.monotonic()
            try:
                answer = decode(gun.socket.recv_multipart())
                heard[answer.code if isinstance(answer, Failure) else type(answer).__name__] += 1
            except ProtocolError:
                alien += 1
    gun.close()
    rate = count / (time.monotonic() - began)
    print(f"messages: {count} at {rate:.0f} a second; heard {dict(heard.most_common())}; {alien} not ours")
    return not alien and not heard["internal"]


def pictures(client: MatteClient, count: int, rng: random.Random) -> bool:
    """Sends mutated EXRs through the worker; whether each had an answer."""
    wholes = [picture(compression=name) for name in ("none", "rle", "zip", "piz", "pxr24", "b44", "dwaa")]
    clean = Inline(wholes[0], "c.exr")
    heard: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    sent = 0
    while sent < count or client.outstanding:
        while sent < count and len(client.outstanding) < 8:
            # The header's bytes are the ones that decide; give them half of the shots.
            whole = rng.choice(wholes)
            cut = len(whole) if rng.random() < 0.5 else 400
            data = mutated(whole[:cut], rng) + whole[cut:]
            # Every fourth is another frame's neighbour instead, which may be left out, but harms nothing.
            request = Matte(
                id=f"e{sent}",
                frame=sent,
                plate=Inline(data, "p.exr"),
                clean_plate=clean,
                options=MatteOptions(model="difference"),
            )
            if sent % 4 == 3:
                options = replace(request.options, temporal=1.0)
                good, before = Inline(wholes[0], "p.exr"), Neighbour(request.plate)
                request = replace(request, plate=good, options=options, before=before)
            client.submit(request)
            sent += 1
        answer = client.receive(30.0)
        if answer is None:
            print(f"pictures: NO ANSWER to {client.outstanding}")
            return False
        heard[answer.code if isinstance(answer, Failure) else "matte"] += 1
    print(f"pictures: {count} in {time.monotonic() - began:.0f} s; {dict(heard.most_common())}")
    return heard["internal"] == 0


def _claiming(width: int, height: int) -> bytes:
    """An EXR whose header claims a size that is not there."""
    data = bytearray(picture())
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = data.index(name) + len(name) + 4
        data[at : at + 16] = struct.pack("<4i", 0, 0, width - 1, height - 1)
    return bytes(data)


def _zeros(height: int, width: int, extra: int) -> bytes:
    """A small file that unpacks to a large picture: black, with many more channels between R and B."""
    names = ("R", "G", *(f"X{number}" for number in range(extra)), "B")
    window = Window(0, 0, width, height)
    pixels = np.zeros((height, width, len(names)), np.float32)
    return exr.encode_exr(Image(pixels, names, window, window), {}, exr.ExrFormat())


def bombs(client: MatteClient, server: LocalServer) -> bool:
    """Claims and bombs: refused with a code, and without the memory they ask for."""
    clean = Inline(picture(), "c.exr")
    request = Matte(id="b", frame=1, plate=clean, clean_plate=clean, options=MatteOptions(model="difference"))
    kept = True
    worker = psutil.Process(client.status().state["workers"][0]["pid"])
    for name, data, codes in (
        ("100,000 x 100,000", _claiming(100_000, 100_000), ("too_large", "unreadable")),
        ("2,000,000,000 x 1", _claiming(2_000_000_000, 1), ("too_large", "unreadable")),
        ("32,768 x 4,096 that is not there", _claiming(32_768, 4_096), ("unreadable", "too_large")),
        ("200 channels of black between R and B", _zeros(512, 1024, 200), ("matte",)),
    ):
        before, peak = worker.memory_info().rss, 0

        def look() -> bool:
            nonlocal peak
            peak = max(peak, worker.memory_info().rss)
            return False

        began = time.monotonic()
        client.submit(replace(request, id=name.replace(" ", "_").replace(",", ""), plate=Inline(data, "bomb.exr")))
        answer = None
        while answer is None:
            look()
            answer = client.receive(0.05)
        code = answer.code if isinstance(answer, Failure) else "matte"
        kept &= code in codes
        print(
            f"bomb: {name}, {len(data)} bytes: {code} after {time.monotonic() - began:.2f} s, "
            f"worker +{max(peak - before, 0) / 2**20:.0f} MB"
        )
    return kept and client.status().state["workers"][0]["pid"] == worker.pid and server.pid > 0


def main() -> int:
    """Runs all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with LocalServer(["--device", "cpu"]) as server:
        pid = server.pid
        kept = messages(server.endpoint.address, arguments.messages, rng)
        with MatteClient(server.endpoint, patience_s=120.0) as client:
            kept &= pictures(client, arguments.pictures, rng)
            kept &= bombs(client, server)
            state = client.status().state
        deaths = state["workers"][0]["deaths"]
        print(f"server: pid {pid}, up {state['uptime_s']:.0f} s, workers replaced {deaths} times")
        if not kept:
            print(server.log)
    print("every promise was kept" if kept else "A PROMISE WAS BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
