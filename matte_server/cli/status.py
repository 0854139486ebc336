"""``cleanplate status``: prints what a matting server is doing."""

from __future__ import annotations

import argparse
import json

from matte_link.client import MatteClient

from .server_flags import add_endpoint, endpoint_from
from .status_view import describe_state, watch

EPILOG = """\
examples:
  cleanplate status
  cleanplate status --watch --server tcp://gpu7:5560 --keys anna.json

exit codes: 0 it answers, 2 the input cannot work, 3 no server
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``status``."""
    parser.epilog = EPILOG
    add_endpoint(parser)
    parser.add_argument("--watch", action="store_true", help="go on, once a second, until interrupted")
    parser.add_argument(
        "--json", action="store_true", help="print all figures as JSON; with --watch one line each time"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the server's state; raises ``LinkError`` where none answers."""
    with MatteClient(endpoint_from(arguments)) as client:
        if arguments.watch:
            return watch(client, as_json=arguments.json)
        state = client.status().state
        print(json.dumps(state, indent=2) if arguments.json else describe_state(state, client.endpoint.address))
    return 0
