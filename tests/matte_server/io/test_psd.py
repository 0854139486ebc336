"""PSDs, written byte by byte: with the picture that their layers make, and without it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr

CODE = np.random.default_rng(6).integers(0, 256, (5, 7, 3), np.uint8)


def resource(kind: int, content: bytes, name: bytes = b"") -> bytes:
    named = bytes([len(name)]) + name
    return b"8BIM" + struct.pack(">H", kind) + named.ljust(len(named) + len(named) % 2, b"\0") + block(content)


def block(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content.ljust(len(content) + len(content) % 2, b"\0")


def psd(*resources: bytes) -> bytes:
    """RGB of 8 bits, not compressed."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, *CODE.shape[:2], 8, 3)
    planes = np.moveaxis(CODE, -1, 0).tobytes()
    colour_mode = block(b"what a mode may need")
    return head + colour_mode + block(b"".join(resources)) + block(b"") + b"\0\0" + planes


def version_info(has_picture: bool) -> bytes:
    return resource(1057, struct.pack(">I?", 1, has_picture) + bytes(12))


BEFORE = (resource(1061, b"odd"), resource(1061, b"even", b"a name"), resource(1061, b"odd", b"names"))


@pytest.mark.parametrize("resources", [(), BEFORE, (*BEFORE, version_info(True))], ids=len)
def test_the_picture_that_layers_make_is_read(tmp_path: Path, resources: tuple[bytes, ...]) -> None:
    path = tmp_path / "a.psd"
    path.write_bytes(psd(*resources))
    assert np.allclose(exr.read_image(path).pixels, CODE / 255, atol=1e-6)  # float32


def test_a_psd_without_it_is_refused(tmp_path: Path) -> None:
    """Photoshop fills its place with white."""
    path = tmp_path / "a.psd"
    path.write_bytes(psd(*BEFORE, version_info(False)))
    with pytest.raises(MatteError) as refused:
        exr.read_image(path)
    assert refused.value.code == "unreadable"
    assert refused.value.message == f"{path} was saved without the picture that its layers make."


def test_a_multichannel_psd_is_refused(tmp_path: Path) -> None:
    """Of an RGB picture Photoshop makes cyan, magenta and yellow; OpenImageIO reads them as red, green, blue."""
    path, data = tmp_path / "a.psd", bytearray(psd())
    data[25] = 7
    path.write_bytes(data)
    with pytest.raises(MatteError, match="is a multichannel PSD, whose channels are inks") as refused:
        exr.read_image(path)
    assert refused.value.code == "no_colour"
