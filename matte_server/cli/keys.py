"""``cleanplate keys``: keys of a server that other machines reach, and of its clients."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..server.keys import add_client, give_to, make_server
from . import console

EPILOG = """\
examples:
  cleanplate keys server --folder keys         once, on the server's machine
  cleanplate keys client anna --folder keys    for anna, who gets the named file
  cleanplate keys owner matte --folder keys    where user matte runs it

To shut anna out again, delete her line from clients.txt in that folder: her connection ends within a second.

exit codes: 0 written, 2 the input cannot work
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``keys``."""
    parser.epilog = EPILOG
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    server = kinds.add_parser("server", help="make a server's keys")
    client = kinds.add_parser("client", help="make a client's keys and let it in")
    client.add_argument("name", metavar="NAME", help="the client: an artist, a host, a farm")
    owner = kinds.add_parser("owner", help="give a server's keys to the user that runs it")
    owner.add_argument("user", metavar="USER", help="the server's user, such as cleanplate")
    for each, run in ((server, run_server), (client, run_client), (owner, run_owner)):
        each.add_argument("--folder", type=Path, required=True, help="the server's keys folder")
        each.set_defaults(run=run)


def run_server(arguments: argparse.Namespace) -> int:
    """Makes a server's keys."""
    path = make_server(arguments.folder)
    console.say(
        f"Wrote {path}. Add clients with: cleanplate keys client NAME --folder {console.as_word(arguments.folder)}"
    )
    return 0


def run_client(arguments: argparse.Namespace) -> int:
    """Makes a client's keys and adds it to the list."""
    path = add_client(arguments.folder, arguments.name)
    console.say(f"Wrote {path}. Move it to the client's machine and name it there: CLEANPLATE_KEYS={path.name}")
    return 0


def run_owner(arguments: argparse.Namespace) -> int:
    """Gives the keys to the server's user."""
    give_to(arguments.folder, arguments.user)
    console.say(f"{arguments.folder} belongs to {arguments.user}.")
    return 0
