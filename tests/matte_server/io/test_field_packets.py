"""H.264 that codes the two fields of a picture by themselves (PAFF), as camcorders and broadcasts do.

A transport stream has both in one packet of its own; copied to another container, each field becomes a packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from matte_server.io.media import VideoReader

WIDTH, HEIGHT, COUNT = 32, 64, 8
GREYS = [np.random.default_rng(number).integers(16, 236, (HEIGHT, WIDTH), np.uint8) for number in range(COUNT)]
_AS_IT_IS, _GREY_CHROMA = 25, bytes([128]) * 128


def bits(number: int, count: int) -> str:
    return f"{number:0{count}b}"


def code(number: int) -> str:
    """An Exp-Golomb code, ue(v)."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def unit(kind: int, content: str) -> bytes:
    """A NAL unit of type ``kind``; a 3 stands behind two zeros where a start code would be seen."""
    filled = content + "1"
    filled += "0" * (-len(filled) % 8)
    data = bytearray()
    for byte in int(filled, 2).to_bytes(len(filled) // 8, "big"):
        if data[-2:] == b"\0\0" and byte <= 3:
            data.append(3)
        data.append(byte)
    return b"\0\0\0\1" + bytes([0x60 | kind]) + data


def parameters() -> bytes:
    """High profile, level 4, orders of 8 bits, fields, 50 of them a second."""
    size = code(WIDTH // 16 - 1) + code(HEIGHT // 32 - 1)
    timing = "00001" + bits(1, 32) + bits(50, 32) + "10000"
    sequence = bits(0x640028, 24) + code(0) + code(1) + code(0) * 2 + "00" + code(0) * 2 + code(4) + code(1) + "0"
    picture = code(0) * 2 + "00" + code(0) * 3 + "000" + code(0) * 3 + "100"
    return unit(7, sequence + size + "00101" + timing) + unit(8, picture)


def field(number: int, is_bottom: bool, is_second: bool) -> bytes:
    """One field of a picture, its samples as they are (I_PCM). Each picture begins anew."""
    is_first = not is_second
    head = code(0) + code(7) + code(0) + bits(0, 4) + f"1{is_bottom:b}" + (code(number % 2) if is_first else "")
    content = head + bits(is_second, 8) + ("00" if is_first else "0") + code(0) + code(1)
    lines = GREYS[number][is_bottom::2]
    for top in range(0, HEIGHT // 2, 16):
        for left in range(0, WIDTH, 16):
            content += code(_AS_IT_IS)
            content += "0" * (-len(content) % 8)
            samples = lines[top : top + 16, left : left + 16].tobytes() + _GREY_CHROMA
            content += "".join(bits(sample, 8) for sample in samples)
    return (parameters() if is_first else b"") + unit(5 if is_first else 1, content)


def written(path: Path, packets: Sequence[bytes]) -> None:
    """A file of these packets, which last equally long: 8 pictures of 25 in a second."""
    raw = path.with_suffix(".264")
    raw.write_bytes(b"".join(packets))
    with av.open(str(raw)) as source, av.open(str(path), "w") as container:
        stream: Any = container.add_stream_from_template(source.streams.video[0])
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.duration = 3600 * COUNT // len(packets)
            packet.pts = packet.dts = number * packet.duration
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 90000), True
            container.mux(packet)


@pytest.mark.parametrize("is_bottom_first", [False, True])
@pytest.mark.parametrize("are_together", [False, True], ids=["a-packet-each", "in-one-packet"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_two_fields_are_one_picture(tmp_path: Path, suffix: str, are_together: bool, is_bottom_first: bool) -> None:
    path = tmp_path / f"a{suffix}"
    packets = [
        field(number, is_bottom_first != is_second, is_second)
        for number in range(COUNT)
        for is_second in (False, True)
    ]
    pairs = [first + second for first, second in zip(packets[::2], packets[1::2], strict=True)]
    written(path, pairs if are_together else packets)
    with VideoReader(path) as reader:
        assert (reader.facts.frames, reader.facts.rate) == (COUNT, Fraction(25))
        assert reader.facts.times == tuple(Fraction(number, 25) for number in range(COUNT))
        for number in (1, 2, 7, 4, 8):
            picture = reader.read(number)
            assert np.allclose(picture.pixels[..., 1], (GREYS[number - 1] - 16.0) / 219.0, atol=1e-6)  # float32
            assert len(picture.warnings) == 1 and "interlaced" in picture.warnings[0]
