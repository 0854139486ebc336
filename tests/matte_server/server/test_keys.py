"""Keys: who is let in, and who is not."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.messages import Accepted, Inline, Matte, MatteReply, Ping, StorePart
from matte_link.wire import decode, encode

from matte_server.cli import main as cli
from matte_server.errors import MatteError
from matte_server.server import keys
from matte_server.server.local_server import LocalServer
from tests.small_disk import files_of_at_most

from .conftest import make_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.make_server(tmp_path / "keys")
    return tmp_path / "keys"


@contextlib.contextmanager
def _let_in_or_refused(address: str, file: Path | str) -> Iterator[tuple[MatteClient, bool]]:
    """A client with this key file once the server has let it in or refused it, however long that takes; and whether
    it was let in."""
    with MatteClient(Endpoint.resolve(address, str(file), {})) as client:
        while not (client._connection.is_up or client._connection.refusal):
            client._connection.wait(0.1)
        yield client, client._connection.is_up


def _reach(address: str, file: Path | str) -> str:
    """Whether a client with this key file is answered: the server's version, or the error's code."""
    with _let_in_or_refused(address, file) as (client, is_in):
        try:
            return client.ping(20.0 if is_in else 0.0).version
        except LinkError as error:
            return error.code


def test_a_folder_that_keys_cannot_be_written_to_is_one_sentence(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "keys", tmp_path / ("n" * 300)):
        with pytest.raises(MatteError, match="Keys cannot be written to") as caught:
            keys.make_server(bad)
        assert caught.value.code == "cannot_write"
    # A name of the largest length, whose file has one that no disk takes.
    listed = (folder / "clients.txt").read_bytes()
    (folder / "anna.json").symlink_to(tmp_path / "file" / "anna.json")
    with pytest.raises(MatteError):
        keys.add_client(folder, "anna")
    assert (folder / "clients.txt").read_bytes() == listed


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".anna", "-anna", "_", "a/b", "a b", "\u00e9", "a" * 41, "server", "a\n"]
)
def test_a_name_that_makes_no_plain_file_is_refused(name: str, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(MatteError) as caught:
        keys.add_client(folder, name)
    assert caught.value.code == "bad_name"
    assert sorted(path.name for path in folder.iterdir()) == before


def test_only_listed_clients_are_let_in(encrypted: LocalServer, listed: Path, tmp_path: Path) -> None:
    address, anna, carl = _address(encrypted), listed / "anna.json", listed / "carl.json"
    stranger = keys.make_server(tmp_path / "other").parent
    keys.add_client(stranger, "eve")
    # Eve knows the right server's public key, but is not on its list.
    eve = tmp_path / "eve.json"
    server_key = keys.load_server_keys(listed).public
    eve.write_text((stranger / "eve.json").read_text().replace(keys.load_server_keys(stranger).public, server_key))
    assert _reach(address, anna)[0].isdigit()
    assert _reach(address, eve) == "unavailable"
    assert _reach(address, stranger / "eve.json") == "unavailable"
    assert _reach(address, "") == "unavailable"
    # Taken off the list, Carl is out without a restart.
    assert _reach(address, carl)[0].isdigit()
    _cross_out(listed, "carl")
    assert _reach(address, carl) == "unavailable"
    assert _reach(address, anna)[0].isdigit()


def _cross_out(folder: Path, name: str) -> None:
    """Takes a client off the list."""
    listed = folder / keys.CLIENTS_FILE
    listed.write_text("".join(line for line in listed.open() if name not in line))


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of :func:`encrypted`'s keys: of Anna and Ben, and of Carl and Dora, each of whom one test crosses
    out."""
    folder = keys.make_server(tmp_path_factory.mktemp("listed") / "keys").parent
    for name in ("anna", "ben", "carl", "dora"):
        keys.add_client(folder, name)
    return folder


@pytest.fixture(scope="module")
def encrypted(listed: Path) -> Iterator[LocalServer]:
    arguments = ["--bind", "tcp://0.0.0.0:*", "--keys", str(listed), "--device", "cpu", "--log", "json"]
    with LocalServer(arguments) as server:
        yield server


def _address(server: LocalServer) -> str:
    return server.endpoint.address.replace("0.0.0.0", "127.0.0.1")


def _error(address: str, file: Path | str) -> str:
    with _let_in_or_refused(address, file) as (client, is_in), pytest.raises(LinkError) as caught:
        assert not is_in
        client.ping(0.0)
    return str(caught.value)


def test_a_revoked_key_loses_its_connection(encrypted: LocalServer, listed: Path) -> None:
    anna, dora = (
        MatteClient(Endpoint.resolve(_address(encrypted), str(listed / f"{name}.json"), {}))
        for name in ("anna", "dora")
    )
    with anna, dora:
        assert anna.ping(20.0) and dora.ping(20.0)
        _cross_out(listed, "dora")
        deadline = time.monotonic() + 20
        with pytest.raises(LinkError) as caught:
            while time.monotonic() < deadline:
                dora.ping(5.0)
        assert "refused this key" in str(caught.value)
        assert anna.ping(20.0)
    deadline = time.monotonic() + 20
    while "its key may not use this name" not in encrypted.log and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "its key may not use this name" in encrypted.log


def test_a_wrong_key_is_named_at_the_client_and_in_the_log(
    encrypted: LocalServer, listed: Path, tmp_path: Path
) -> None:
    address = _address(encrypted)
    stranger = keys.private_keys().client
    eve = tmp_path / "eve.json"
    eve.write_text(json.dumps({**stranger, "server": keys.load_server_keys(listed).public}))
    assert "refused this key" in _error(address, eve)
    # The log reaches this process through two pipes, and two threads read it.
    deadline = time.monotonic() + 20
    while stranger["public"][:8] not in encrypted.log and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stranger["public"][:8] in encrypted.log
    eve.write_text(json.dumps(stranger))
    assert "does not take the keys of this key file" in _error(address, eve)
    assert "may want a key" in _error(address, "")


def test_one_bad_byte_or_line_leaves_the_rest_of_the_list(folder: Path) -> None:
    anna, ben = keys.add_client(folder, "anna"), keys.add_client(folder, "ben")
    listed = folder / keys.CLIENTS_FILE
    good = listed.read_bytes()
    listed.write_bytes(b"# Caf\xe9's machine\n" + good + b"\xff\xfe\nshort ben\n\n")
    assert list(keys.read_clients(listed).values()) == ["anna", "ben"]
    # Two keys of one name, as while a blade's key is changed: both are let in.
    listed.write_text("a" * 40 + " blade\n" + "b" * 40 + " blade\n")
    assert set(keys.read_clients(listed)) == {"a" * 40, "b" * 40}
    assert anna.exists() and ben.exists()


def test_a_list_that_an_editor_saved_admits_all_of_its_clients(folder: Path) -> None:
    """With Windows's mark and line ends; without an end of the last line, to which the next client was added."""
    keys.add_client(folder, "anna")
    listed = folder / keys.CLIENTS_FILE
    listed.write_bytes(b"\xef\xbb\xbf" + listed.read_bytes().rstrip().replace(b"\n", b"\r\n"))
    server = folder / keys.SERVER_FILE
    server.write_bytes(b"\xef\xbb\xbf" + server.read_bytes())
    keys.add_client(folder, "ben")
    assert list(keys.read_clients(listed).values()) == ["anna", "ben"]
    assert all(len(key) == 40 and key.isascii() for key in keys.read_clients(listed))


def _deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def _pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def test_a_clients_key_file_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    """It was said to be no JSON."""
    with pytest.raises(ValueError, match=r"anna\.json cannot be used: No such file or directory\.$"):
        Endpoint.resolve("tcp://127.0.0.1:5990", str(tmp_path / "anna.json"), {})


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize(
    "put",
    [
        _pipe,
        _deep,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        lambda path: path.write_bytes(bytes(2 << 20)),
        lambda path: path.write_text('{"server": 1, "public": [], "secret": null}'),
        lambda path: path.write_bytes(b"\xff\xfe{}"),
    ],
)
def test_what_is_no_key_file_is_one_sentence_at_once(folder: Path, put: Callable[[Path], object]) -> None:
    """A pipe was waited for, and a device was read for ever."""
    anna = keys.add_client(folder, "anna")
    for path in (anna, folder / keys.CLIENTS_FILE, folder / keys.SERVER_FILE):
        kept = path.rename(path.with_suffix(".kept"))
        put(path)
        if not path.is_symlink() and path.is_file():
            path.chmod(0o600)  # its mode is not what is wrong
        if path == anna:
            with pytest.raises(ValueError, match=r"(cannot be used|needs three keys)"):
                Endpoint.resolve("tcp://127.0.0.1:5990", str(path), {})
        else:
            with pytest.raises(MatteError) as caught:
                keys.load_server_keys(folder)
            assert caught.value.code == "bad_keys" and str(path) in caught.value.message
            assert path.name != keys.SERVER_FILE or "does not contain a server's keys" in caught.value.message
        # The next one alone is wrong.
        path.rename(path.with_suffix(".wrong"))
        kept.rename(path)
    assert keys.load_server_keys(folder).public


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("what", ["pipe", "folder", "large"])
def test_a_list_of_clients_that_is_no_small_file_is_named(what: str, folder: Path) -> None:
    listed = folder / keys.CLIENTS_FILE
    listed.unlink()
    if what == "large":
        listed.write_bytes(b"#\n" * (1 << 20))
    else:
        os.mkfifo(listed, 0o600) if what == "pipe" else listed.mkdir(0o700)
    for use in (lambda: keys.load_server_keys(folder), lambda: keys.add_client(folder, "anna")):
        with pytest.raises(MatteError) as caught:
            use()
        assert caught.value.code == "bad_keys"
        assert caught.value.message.startswith(f"{listed} cannot be read as a list of clients: ")
    assert not (folder / "anna.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_list_that_everybody_may_write_admits_nobody_and_says_why(folder: Path) -> None:
    keys.add_client(folder, "anna")
    (folder / keys.CLIENTS_FILE).chmod(0o666)
    with pytest.raises(MatteError, match="can be written by every user"):
        keys.load_server_keys(folder)
    with pytest.raises(MatteError, match="can be written by every user"):
        keys.add_client(folder, "ben")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_keys_are_given_to_the_servers_user(folder: Path) -> None:
    keys.add_client(folder, "anna")
    assert cli.main(["keys", "owner", "nobody", "--folder", str(folder)]) == 0
    owners = {path.name: path.owner() for path in (folder, *folder.iterdir())}
    assert owners == {"keys": "nobody", "server.json": "nobody", "clients.txt": "nobody", "anna.json": "root"}


def test_no_reply_goes_to_another_key_under_the_same_name(
    encrypted: LocalServer, listed: Path, request_for: Callable[..., Matte]
) -> None:
    """Ben's connection takes the name of Anna's while her frame is computed; then he asks himself."""
    slow = make_pictures((640, 960))
    request = request_for(plate=Inline(data=slow.plate), clean_plate=Inline(data=slow.clean))
    with contextlib.ExitStack() as stack:
        anna, ben = (stack.enter_context(_named_peer(encrypted, listed / f"{n}.json")) for n in ("anna", "ben"))
        anna.connect(_address(encrypted))
        anna.send_multipart([bytes(part) for part in encode(request)])
        assert isinstance(decode(anna.recv_multipart()), Accepted)
        ben.connect(_address(encrypted))
        time.sleep(0.3)
        ben.send_multipart([bytes(part) for part in encode(Ping("b"))])
        answer = None
        while not isinstance(answer, MatteReply):
            assert anna.poll(60_000), "Anna's reply went elsewhere"
            answer = decode(anna.recv_multipart())
        assert not ben.poll(500)


def test_other_names_of_a_key_have_no_limits_of_their_own(encrypted: LocalServer, listed: Path) -> None:
    """Sixteen pictures on their way are all that a key may have. Ben has another key."""
    answers = []
    for key, name, digits in (("anna", b"first", range(16)), ("anna", b"second", [16]), ("ben", b"third", [16])):
        # One connection for each name: a name is taken until the server has noticed that its connection has ended.
        with _named_peer(encrypted, listed / f"{key}.json", name) as peer:
            peer.connect(_address(encrypted))
            for digit in digits:
                part = StorePart(id="p", digest=f"{digit:064x}", size=1000, data=b"x")
                peer.send_multipart([bytes(each) for each in encode(part)])
                assert peer.poll(60_000)
                answers.append(getattr(decode(peer.recv_multipart()), "code", "kept"))
    assert answers == ["kept"] * 16 + ["busy", "kept"]


@contextlib.contextmanager
def _named_peer(server: LocalServer, file: Path, name: bytes = b"the same name") -> Iterator[zmq.Socket[bytes]]:
    """A raw peer with this key file, under one name for all unless told."""
    endpoint = Endpoint.resolve(server.endpoint.address, str(file), {})
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    peer = context.socket(zmq.DEALER)
    peer.setsockopt(zmq.IDENTITY, name)
    peer.curve_serverkey, peer.curve_publickey, peer.curve_secretkey = (
        key.encode() for key in (endpoint.server_key, endpoint.public_key, endpoint.secret_key)
    )
    try:
        yield peer
    finally:
        peer.close(linger=0)
        context.term()


def test_secrets_are_readable_by_their_owner_only(folder: Path) -> None:
    client = keys.add_client(folder, "anna")
    assert [path.stat().st_mode & 0o077 for path in (client, folder / keys.SERVER_FILE)] == [0, 0]
    (folder / keys.SERVER_FILE).chmod(0o644)
    with pytest.raises(MatteError, match="chmod 600"):
        keys.load_server_keys(folder)


def test_keys_that_cannot_work_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="No client is listed"):
        keys.load_server_keys(folder)
    with pytest.raises(MatteError, match="does not contain a server's keys"):
        keys.load_server_keys(tmp_path / "nothing")
    with pytest.raises(MatteError, match="already exists"):
        keys.make_server(folder)
    keys.add_client(folder, "anna")
    for name in ("anna", "../anna", "server", ""):
        with pytest.raises(MatteError):
            keys.add_client(folder, name)


def test_a_client_is_added_on_a_line_of_its_own(tmp_path: Path) -> None:
    """Also where whoever edited the list left its last line without an end."""
    keys.make_server(tmp_path)
    listed = tmp_path / keys.CLIENTS_FILE
    for before in ("", f"{'a' * 40} old\n", f"{'a' * 40} old"):
        listed.write_text(before)
        (tmp_path / "anna.json").unlink(missing_ok=True)
        public = json.loads(keys.add_client(tmp_path, "anna").read_text())["public"]
        assert listed.read_text().splitlines() == [*before.splitlines(), f"{public} anna"]


def test_keys_that_a_full_disk_cuts_leave_nothing(tmp_path: Path) -> None:
    """What is made again finds no file in its way, and nobody hands over an empty one. The list is as it was."""
    folder, listed = tmp_path / "keys", tmp_path / "keys" / keys.CLIENTS_FILE
    with files_of_at_most(60), pytest.raises(MatteError, match="Keys cannot be written to"):
        keys.make_server(folder)
    assert list(folder.iterdir()) == []
    keys.make_server(folder)
    before = "".join(f"{letter * 40} old\n" for letter in "abcd")  # 180 bytes, more than a client's file has
    listed.write_text(before)
    for size in (60, 200):
        with files_of_at_most(size), pytest.raises(MatteError, match="Keys cannot be written to"):
            keys.add_client(folder, "anna")
        assert listed.read_text() == before and not (folder / "anna.json").exists(), size
    assert keys.add_client(folder, "anna").exists()
    assert list(keys.read_clients(listed).values()) == ["old"] * 4 + ["anna"]


def test_the_keys_of_one_run_replace_those_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "state.keys.json"
    for _ in range(2):
        client = keys.private_keys().client
        keys.write_private(path, client)
        assert json.loads(path.read_text()) == client and path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("folder", "user", "reason"),
    [
        ("none", "root", "No such file or directory"),
        (".", "nobody-of-this-name", "no such user: 'nobody-of-this-name'"),
    ],
)
def test_keys_that_cannot_be_given_away_say_why(tmp_path: Path, folder: str, user: str, reason: str) -> None:
    with pytest.raises(MatteError) as raised:
        keys.give_to(tmp_path / folder, user)
    assert raised.value.message == f"{tmp_path / folder} cannot be given to {user}: {reason}."


def test_a_refused_key_is_logged_by_its_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = keys.private_keys()
    assert made.callback("", str(made.client["public"]).encode())
    with caplog.at_level(logging.WARNING):
        assert not made.callback("", b"0123456789" * 4)
    assert "0123456789" not in str([vars(record) for record in caplog.records])
    assert "01234567..." in str([vars(record) for record in caplog.records])


def _greeting(mechanism: bytes) -> bytes:
    """What a ZeroMQ peer sends first: signature, version 3.0, mechanism, role, filler."""
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + bytes(32)


def _command(name: bytes, body: bytes) -> bytes:
    command = bytes([len(name)]) + name + body
    return b"\x04" + bytes([len(command)]) + command


_CURVE = _greeting(b"CURVE")
_HELLO = _command(b"HELLO", b"\x01\x00" + bytes(192))
_HANDSHAKES = [
    *(_CURVE[:size] for size in (0, 1, 9, 10, 11, 33, 63)),
    _CURVE,
    *(_CURVE + _HELLO[:size] for size in (1, 2, 8, 100, len(_HELLO) - 1)),
    _CURVE + _HELLO,
    _CURVE + _HELLO + _HELLO,
    _CURVE + _command(b"HELLO", b"\x01\x00"),
    _CURVE + _command(b"INITIATE", bytes(100)),
    _CURVE + _command(b"ERROR", b"\xff"),
    _CURVE + b"\x06" + b"\x7f" * 8,
    _CURVE + b"\x02" + b"\xff" * 8,
    *(_greeting(other) + _command(b"READY", b"") for other in (b"NULL", b"PLAIN", b"GSSAPI", b"", b"CURVE" * 4)),
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(5000),
]


def test_handshakes_that_end_anywhere_keep_nobody_out(encrypted: LocalServer, listed: Path) -> None:
    """Some stop in the middle and hold their connection, some close it at once."""
    host, port = _address(encrypted).removeprefix("tcp://").split(":")
    process = psutil.Process(encrypted.pid)
    with MatteClient(Endpoint.resolve(_address(encrypted), str(listed / "anna.json"), {})) as anna:
        assert anna.ping(60)
        before = process.num_fds()
        held = []
        for sent in _HANDSHAKES:
            for is_held in (True, False):
                stranger = socket.create_connection((host, int(port)))
                with contextlib.suppress(OSError):
                    stranger.sendall(sent)
                held += [stranger] if is_held else []
                if not is_held:
                    stranger.close()
        assert anna.ping(60)
        for stranger in held:
            stranger.close()
        while process.num_fds() > before:
            assert anna.ping(60)
