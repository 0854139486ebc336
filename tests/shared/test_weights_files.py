"""Weights that travel with a request: which files do, and how often they cross the wire."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.client import MatteClient
from matte_link.messages import Digest, Inline, Store, digest_of
from matte_link.options import MatteOptions
from matte_link.weights_files import WeightsFiles, is_safetensors

from .conftest import MakeServer
from .scripted_server import request

SAFETENSORS = (2).to_bytes(8, "little") + b"{}"
"""The smallest file of that format: a header without tensors."""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SAFETENSORS, True),
        (SAFETENSORS + b"tensors", True),
        (b"", False),
        (SAFETENSORS[:8], False),
        (b"PK\x03\x04" + bytes(60), False),
        (b"\x80\x02}q\x00." + bytes(60), False),
        # A header that is longer than the file, and one that is none.
        ((200).to_bytes(8, "little") + b"{" + bytes(20), False),
        ((2).to_bytes(8, "little") + b"[]", False),
    ],
)
def test_safetensors_are_known_by_their_content(tmp_path: Path, content: bytes, expected: bool) -> None:
    path = tmp_path / "shot.learned"
    path.write_bytes(content)
    assert is_safetensors(path) is expected


@pytest.mark.parametrize("named", ["", "missing.learned", "\0", "folder", "v2.pth", "x" * 5000])
def test_what_cannot_travel_is_left_to_the_server(tmp_path: Path, named: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "v2.pth").write_bytes(b"PK\x03\x04" + bytes(60))
    weights = str(tmp_path / named) if named else ""
    assert WeightsFiles().of(MatteOptions(weights=weights)) is None


def test_a_file_is_read_again_only_where_it_changed(tmp_path: Path) -> None:
    path, files = tmp_path / "shot.learned", WeightsFiles()
    path.write_bytes(SAFETENSORS)
    options = MatteOptions(weights=str(path))
    first = files.of(options)
    assert first == Inline(SAFETENSORS, "shot.learned") and files.of(options) is first
    path.write_bytes(SAFETENSORS + b"anew")
    os.utime(path, (1, 1))
    assert files.of(options) == Inline(SAFETENSORS + b"anew", "shot.learned")


def test_weights_cross_the_wire_once_and_requests_name_them(make_server: MakeServer, tmp_path: Path) -> None:
    path = tmp_path / "shot.learned"
    path.write_bytes(SAFETENSORS)
    server = make_server()
    with MatteClient(server.endpoint) as client:
        for number in range(3):
            client.matte(replace(request(f"r{number}"), options=MatteOptions(erode=2.0, weights=str(path))))
        # Also where nothing else is to be hashed, as for an artist's single frame.
        client.submit(replace(request("r3"), options=MatteOptions(weights=str(path))), name_clean_plate=False)
        assert client.receive(10.0) is not None
    sent = [message for message in server.heard if isinstance(message, Store) and message.data]
    assert [bytes(message.data) for message in sent] == [b"clean", SAFETENSORS] or len(sent) == 2
    assert [matte.weights for matte in server.mattes] == [Digest(digest_of(SAFETENSORS))] * 4
    assert server.mattes[0].options == MatteOptions(erode=2.0)


def test_a_server_that_lost_the_weights_gets_them_again(make_server: MakeServer, tmp_path: Path) -> None:
    path = tmp_path / "shot.learned"
    path.write_bytes(SAFETENSORS)
    server = make_server()
    with MatteClient(server.endpoint) as client:
        asked = replace(request("r1"), options=MatteOptions(weights=str(path)))
        client.matte(asked)
        server.digests.discard(digest_of(SAFETENSORS))
        assert client.matte(replace(asked, id="r2")).data == b"exr"
    assert sum(bytes(message.data) == SAFETENSORS for message in server.heard if isinstance(message, Store)) == 2
