"""The CURVE keys of a server, and the list of clients that it admits.

A keys folder contains ``server.json`` (public and secret key, readable by its owner only), ``clients.txt`` (one
line per client: public key, then name) and, until it is handed over, ``NAME.json`` for each client: the file that
``CLEANPLATE_KEYS`` or ``--keys`` names on the client's machine.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import zmq

from ..errors import MatteError

SERVER_FILE = "server.json"
CLIENTS_FILE = "clients.txt"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}\Z")


@dataclass(frozen=True)
class ServerKeys:
    """A server's key pair (Z85 text), and the file that lists the clients it admits."""

    public: str
    secret: str
    clients_file: Path

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key is admitted. The list is read each time, so that adding or removing
        a client needs no restart."""
        return key.decode("ascii", "replace") in read_clients(self.clients_file).values()


def make_server(folder: Path) -> Path:
    """Makes a server's keys in ``folder``. Raises ``MatteError`` where it already contains some."""
    public, secret = (part.decode() for part in zmq.curve_keypair())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_secret(folder / SERVER_FILE, {"public": public, "secret": secret})
    (folder / CLIENTS_FILE).touch()
    return folder / SERVER_FILE


def add_client(folder: Path, name: str) -> Path:
    """Makes keys for a client, admits it, and returns the file to hand over. Raises ``MatteError``."""
    if not _NAME.match(name) or f"{name}.json" == SERVER_FILE:
        raise MatteError("bad_name", f"{name!r} cannot name a client; use letters, digits, '.', '_' and '-'.")
    if name in read_clients(folder / CLIENTS_FILE):
        raise MatteError(
            "bad_name", f"A client named {name!r} is already listed.", "Remove its line in clients.txt first."
        )
    server = _read_server(folder)
    public, secret = (part.decode() for part in zmq.curve_keypair())
    path = folder / f"{name}.json"
    _write_secret(path, {"server": server["public"], "public": public, "secret": secret})
    with (folder / CLIENTS_FILE).open("a", encoding="utf-8") as file:
        file.write(f"{public} {name}\n")
    return path


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
    """The public keys of the admitted clients, by client name; none where there is no list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    entries = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
    return {entry[1].strip() if len(entry) > 1 else entry[0]: entry[0] for entry in entries if len(entry[0]) == 40}


def _read_server(folder: Path) -> dict[str, str]:
    path = folder / SERVER_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        pair = {name: str(values[name]) for name in ("public", "secret")}
    except (OSError, ValueError, KeyError, TypeError):
        raise MatteError(
            "bad_keys",
            f"{path} does not contain a server's keys.",
            f"Make them with 'cleanplate keys server --folder {folder}'.",
        ) from None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise MatteError("bad_keys", f"{path} can be read by other users.", f"Run: chmod 600 {path}")
    return pair


def _write_secret(path: Path, values: dict[str, str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise MatteError("bad_keys", f"{path} already exists.", "Remove it first to replace it.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
