"""The CURVE keys of a server, and the list of clients that it admits.

A keys folder contains ``server.json`` (public and secret key, readable by its owner only), ``clients.txt`` (one
line per client: public key, then name) and, until it is handed over, ``NAME.json`` for each client: the file that
``CLEANPLATE_KEYS`` or ``--keys`` names on the client's machine.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from matte_link.files import small_text

from ..errors import MatteError
from .structured_log import log_event

SERVER_FILE = "server.json"
CLIENTS_FILE = "clients.txt"
_KEY_LETTERS = 40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True)
class ServerKeys:
    """A server's key pair (Z85 text) and the clients it admits: those that ``clients_file`` lists, or the one with
    the keys ``client``, which are made for one run of the server and are as in a key file."""

    public: str
    secret: str
    clients_file: Path | None = None
    client: Mapping[str, str] = field(default_factory=dict)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key is admitted. The list is read each time, so that adding or removing
        a client needs no restart."""
        public = key.decode("ascii", "replace")
        if self.admits(public):
            return True
        log_event("key refused", logging.WARNING, key=f"{public[:8]}...")
        return False

    def admits(self, public: str) -> bool:
        """Whether the client with this public key is admitted now."""
        if self.clients_file is None:
            return public == self.client["public"]
        try:
            return public in read_clients(self.clients_file)
        except MatteError as error:
            log_event("client list refused", logging.ERROR, message=error.message, hint=error.hint)
            return False


def private_keys() -> ServerKeys:
    """Keys of a server and of its one client, for one run."""
    public, secret = _new_pair()
    own_public, own_secret = _new_pair()
    client = {"server": public, "public": own_public, "secret": own_secret}
    return ServerKeys(public=public, secret=secret, client=client)


def _new_pair() -> tuple[str, str]:
    """A public and a secret key, as Z85 text."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def make_server(folder: Path) -> Path:
    """Makes a server's keys in ``folder``. Raises ``MatteError`` where it already contains some, or cannot be
    written to."""
    public, secret = _new_pair()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_secret(folder / SERVER_FILE, {"public": public, "secret": secret})
        (folder / CLIENTS_FILE).touch()
    return folder / SERVER_FILE


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Says in a sentence why keys cannot be written."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise MatteError(
            "cannot_write",
            f"Keys cannot be written to {folder}: {error.strerror or error}.",
            "Free some space there, then try again." if is_full else "Name a folder that this user may write to.",
        ) from None


def add_client(folder: Path, name: str) -> Path:
    """Makes keys for a client, admits it, and returns the file to hand over. Raises ``MatteError``."""
    if not _NAME.match(name) or f"{name}.json" == SERVER_FILE:
        raise MatteError("bad_name", f"{name!r} cannot name a client; use letters, digits, '.', '_' and '-'.")
    if name in read_clients(folder / CLIENTS_FILE).values():
        raise MatteError(
            "bad_name", f"A client named {name!r} is already listed.", "Remove its line in clients.txt first."
        )
    server = _read_server(folder)
    public, secret = _new_pair()
    path = folder / f"{name}.json"
    with _writing(folder):
        _write_secret(path, {"server": server["public"], "public": public, "secret": secret})
        try:
            _append_line(folder / CLIENTS_FILE, f"{public} {name}\n".encode())
        except OSError:
            # A key that is not listed opens nothing, and its file would be in the way of the next one.
            path.unlink()
            raise
    return path


def _append_line(path: Path, line: bytes) -> None:
    """Appends the whole line or nothing. Raises ``OSError``."""
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        # Whoever edited the list may have left its last line without an end.
        file.seek(max(0, size - 1))
        line = line if file.read() in (b"", b"\n") else b"\n" + line
        try:
            _write_all(file, line)
        except OSError:
            file.truncate(size)
            raise


def _write_all(file: io.FileIO, data: bytes) -> None:
    """Writes all of it, to the disk: a full one may take a part."""
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())


def give_to(folder: Path, user: str) -> None:
    """Gives the folder, the server's keys and the list of clients to the user that runs the server; the clients'
    own files stay with whoever hands them over. Raises ``MatteError("bad_keys", ...)``."""
    try:
        for path in (folder, folder / SERVER_FILE, folder / CLIENTS_FILE):
            shutil.chown(path, user)
    except (OSError, LookupError) as error:
        reason = getattr(error, "strerror", "") or error
        raise MatteError(
            "bad_keys", f"{folder} cannot be given to {user}: {reason}.", "Run this as root."
        ) from None


def load_server_keys(folder: Path) -> ServerKeys:
    """The keys in ``folder``. Raises ``MatteError`` where they are missing, or no client is listed."""
    pair = _read_server(folder)
    if not read_clients(folder / CLIENTS_FILE):
        raise MatteError(
            "bad_keys",
            f"No client is listed in {folder / CLIENTS_FILE}, so that the server would admit none.",
            f"Add one with 'cleanplate keys client NAME --folder {folder}'.",
        )
    return ServerKeys(public=pair["public"], secret=pair["secret"], clients_file=folder / CLIENTS_FILE)


def read_clients(path: Path) -> dict[str, str]:
    """The names of the admitted clients, by public key; none where there is no list. Several keys may have one
    name. Lines that hold no key are skipped, and bytes that are not UTF-8 are ignored. Raises
    ``MatteError("bad_keys", ...)`` where every user may write the list, or this one may not read it as a file."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o002:
            raise MatteError("bad_keys", f"{path} can be written by every user.", f"Run: chmod o-w {path}")
        lines = small_text(str(path), errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MatteError(
            "bad_keys",
            f"{path} cannot be read as a list of clients: {error.strerror}.",
            "Make it a text file that the server's user may read.",
        ) from None
    entries = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
    return {entry[0]: entry[-1].strip() for entry in entries if len(entry[0]) == _KEY_LETTERS}


def _read_server(folder: Path) -> dict[str, str]:
    path = folder / SERVER_FILE
    try:
        values = json.loads(small_text(str(path)))
        pair = {name: str(values[name]) for name in ("public", "secret")}
        if any(len(key) != _KEY_LETTERS for key in pair.values()):
            raise ValueError(path)
    except PermissionError:
        raise MatteError(
            "bad_keys",
            f"{path} cannot be read by the user that runs this command.",
            f"Give the keys to the server's user: cleanplate keys owner USER --folder {folder}",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise MatteError(
            "bad_keys",
            f"{path} does not contain a server's keys.",
            f"Make them with 'cleanplate keys server --folder {folder}'.",
        ) from None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise MatteError("bad_keys", f"{path} can be read by other users.", f"Run: chmod 600 {path}")
    return pair


def write_private(path: Path, values: Mapping[str, str]) -> None:
    """Writes a client's keys for one run, readable by their owner only; replaces an earlier file."""
    path.unlink(missing_ok=True)
    _write_secret(path, dict(values))


def _write_secret(path: Path, values: dict[str, str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise MatteError("bad_keys", f"{path} already exists.", "Remove it first to replace it.") from None
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file, json.dumps(values, indent=2).encode())
    except OSError:
        path.unlink()
        raise
