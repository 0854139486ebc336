"""``cleanplate serve``, ``status``, ``doctor`` and ``keys``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint

from ..errors import MatteError
from ..server import keys
from ..server.limits import ServiceLimits
from ..server.serve import ServerConfig, serve
from ..server.structured_log import open_log
from ..worker.machine import workers_without_gpu
from .doctor import examine
from .status_view import describe_state, watch

_GIB = 1 << 30


def add_parsers(subparsers: Any) -> None:
    """Adds the server's commands to the command line."""
    _add_serve(subparsers)
    _add_status(subparsers)
    _add_doctor(subparsers)
    _add_keys(subparsers)


def _add_serve(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="run a matting server",
        description="Runs a matting server until it is interrupted. Without keys it only listens on this machine.",
    )
    defaults = ServiceLimits()
    parser.add_argument(
        "--bind",
        default=DEFAULT_ADDRESS,
        metavar="ADDR",
        help="address (default: %(default)s; port * takes a free one)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps (default: auto)"
    )
    parser.add_argument(
        "--workers",
        type=_count,
        default=0,
        metavar="N",
        help="matting processes (default: one per GPU, else --cpu-workers)",
    )
    parser.add_argument(
        "--cpu-workers",
        type=_count,
        default=1,
        metavar="N",
        help="matting processes where there is no GPU; 0: as many as long shots gain from (default: 1)",
    )
    parser.add_argument(
        "--root",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="folder inside which clients may name files by path; may be repeated (default: none)",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="keys folder made by 'cleanplate keys'; needed beyond this machine",
    )
    parser.add_argument(
        "--memory-gb",
        type=float,
        default=0.0,
        metavar="GB",
        help="memory for the frames of all matting processes (default: most of the machine's)",
    )
    parser.add_argument(
        "--hang-seconds",
        type=float,
        default=300.0,
        metavar="S",
        help="replace a matting process that is silent for so long (default: %(default)g)",
    )
    parser.add_argument(
        "--frames-per-client",
        type=_count,
        default=defaults.frames_per_client,
        metavar="N",
        help="waiting frames one client may have (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=_count,
        default=defaults.frames,
        metavar="N",
        help="waiting frames of all clients (default: %(default)s)",
    )
    parser.add_argument(
        "--clients",
        type=_count,
        default=defaults.clients,
        metavar="N",
        help="clients with waiting frames (default: %(default)s)",
    )
    parser.add_argument(
        "--spool-gb",
        type=float,
        default=defaults.spool / _GIB,
        metavar="GB",
        help="room for pictures under way (default: %(default)g)",
    )
    parser.add_argument(
        "--store-gb",
        type=float,
        default=defaults.store / _GIB,
        metavar="GB",
        help="of that, room for clean plates (default: %(default)g)",
    )
    parser.add_argument(
        "--metrics", default="", metavar="HOST:PORT", help="serve figures for Prometheus there, at /metrics"
    )
    parser.add_argument(
        "--stop-when-idle",
        type=float,
        default=0.0,
        metavar="S",
        help="stop after so many seconds without a client (default: never)",
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the log (default: text)")
    parser.set_defaults(run=run_serve)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def run_serve(arguments: argparse.Namespace) -> int:
    """Runs the server; returns the exit code."""
    open_log(arguments.log == "json")
    limits = ServiceLimits(
        frames_per_client=arguments.frames_per_client,
        frames=arguments.frames,
        clients=arguments.clients,
        spool=int(arguments.spool_gb * _GIB),
        store=int(arguments.store_gb * _GIB),
    )
    memory = int(arguments.memory_gb * _GIB)
    config = ServerConfig(
        bind=arguments.bind,
        device=arguments.device,
        workers=arguments.workers,
        cpu_workers=arguments.cpu_workers or workers_without_gpu(memory),
        roots=tuple(arguments.root),
        keys=arguments.keys,
        metrics=arguments.metrics,
        hang_s=arguments.hang_seconds,
        memory=memory,
        idle_s=arguments.stop_when_idle,
        limits=limits,
    )
    return serve(config)


def _add_status(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="ask a matting server how it is")
    _add_endpoint(parser)
    parser.add_argument("--watch", action="store_true", help="go on, once a second, until interrupted")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.set_defaults(run=run_status)


def _add_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDR",
        help=f"the server (default: $CLEANPLATE_SERVER, else {DEFAULT_ADDRESS})",
    )
    parser.add_argument("--keys", default="", metavar="FILE", help="the client's key file, for an encrypted server")


def _endpoint(arguments: argparse.Namespace) -> Endpoint:
    try:
        return Endpoint.resolve(arguments.server, arguments.keys)
    except ValueError as error:
        raise MatteError("bad_address", str(error)) from None


def run_status(arguments: argparse.Namespace) -> int:
    """Prints the server's state; raises ``LinkError`` where none answers."""
    with MatteClient(_endpoint(arguments)) as client:
        if arguments.watch:
            return watch(client)
        state = client.status().state
        print(json.dumps(state, indent=2) if arguments.json else describe_state(state, client.endpoint.address))
    return 0


def _add_doctor(subparsers: Any) -> None:
    parser = subparsers.add_parser("doctor", help="look for what would fail on this machine, and what to do")
    _add_endpoint(parser)
    parser.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Prints one line a finding; 1 where something would fail."""
    findings = examine(_endpoint(arguments))
    for finding in findings:
        print(finding)
    return int(any(finding.fails for finding in findings))


def _add_keys(subparsers: Any) -> None:
    parser = subparsers.add_parser("keys", help="make keys for a server that other machines reach")
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    server = kinds.add_parser("server", help="make a server's keys")
    client = kinds.add_parser("client", help="make a client's keys and let it in")
    client.add_argument("name", metavar="NAME", help="the client: an artist, a host, a farm")
    for each, run in ((server, run_keys_server), (client, run_keys_client)):
        each.add_argument("--folder", type=Path, required=True, help="the server's keys folder")
        each.set_defaults(run=run)


def run_keys_server(arguments: argparse.Namespace) -> int:
    """Makes a server's keys."""
    path = keys.make_server(arguments.folder)
    print(f"Wrote {path}. Add clients with: cleanplate keys client NAME --folder {arguments.folder}")
    return 0


def run_keys_client(arguments: argparse.Namespace) -> int:
    """Makes a client's keys and adds it to the list."""
    path = keys.add_client(arguments.folder, arguments.name)
    print(f"Wrote {path}. Move it to the client's machine and name it there: CLEANPLATE_KEYS={path.name}")
    return 0
