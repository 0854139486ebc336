"""The flags that name a running server, for every command that asks one."""

from __future__ import annotations

import argparse

from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint

from ..server.local_server import endpoint_of


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDR",
        help=f"the server (default: $CLEANPLATE_SERVER, else {DEFAULT_ADDRESS})",
    )
    parser.add_argument("--keys", default="", metavar="FILE", help="the client's key file, for an encrypted server")


def endpoint_from(arguments: argparse.Namespace) -> Endpoint:
    """The server that was named; raises ``MatteError("bad_address", ...)``."""
    return endpoint_of(arguments.server, arguments.keys)
