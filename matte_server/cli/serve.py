"""``cleanplate serve``: runs a matting server."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from matte_link.endpoint import DEFAULT_ADDRESS

from ..server.limits import ServiceLimits
from ..server.local_server import PRIVATE
from ..server.log_relay import LogRelay, open_standard_streams
from ..server.serve import ServerConfig, serve
from ..server.structured_log import open_log
from ..worker.machine import workers_without_gpu
from .number_range import AMOUNT, COUNT_OR_NONE

_GIB = 1 << 30


EPILOG = """\
examples:
  cleanplate serve
  cleanplate serve --root /shots --device cuda:1
  cleanplate keys server --folder keys && cleanplate serve --bind tcp://0.0.0.0:5560 --keys keys

exit codes: 0 stopped, 2 it cannot start
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``serve``."""
    parser.epilog = EPILOG
    parser.description = (
        "Runs a matting server until it is interrupted. Without keys it only listens on this machine."
    )
    _add_address(parser.add_argument_group("address and clients"))
    _add_processes(parser.add_argument_group("matting processes"))
    _add_limits(parser.add_argument_group("limits"), ServiceLimits())
    parser.set_defaults(run=run)


def _add_address(group: Any) -> None:
    group.add_argument(
        "--bind",
        default=DEFAULT_ADDRESS,
        metavar="ADDR",
        help="address (port * takes a free one)",
    )
    _add_clients(group)
    group.add_argument(
        "--metrics", default="", metavar="HOST:PORT", help="serve figures for Prometheus there, at /metrics"
    )
    group.add_argument("--log", choices=("text", "json"), default="text", help="form of the log")


def _add_clients(group: Any) -> None:
    group.add_argument(
        "--keys",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="keys folder made by 'cleanplate keys'; needed beyond this machine",
    )
    group.add_argument(
        "--root",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="folder inside which clients may name files by path; may be repeated (default: none)",
    )
    group.add_argument(
        "--read",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="file that clients may name but not write; may be repeated (default: none)",
    )
    group.add_argument(
        PRIVATE,
        action="store_true",
        help="admit only whoever started it: keys for this run are made and printed with the ready line",
    )


def _add_processes(group: Any) -> None:
    _add_device(group)
    group.add_argument(
        "--memory-gb",
        type=AMOUNT,
        default=0.0,
        metavar="GB",
        help="memory for the frames of all matting processes (default: most of the machine's)",
    )
    group.add_argument(
        "--hang-seconds",
        type=AMOUNT,
        default=300.0,
        metavar="S",
        help="replace a matting process that sends nothing for this long",
    )
    group.add_argument(
        "--stop-when-idle",
        type=AMOUNT,
        default=0.0,
        metavar="S",
        help="stop after this many seconds without a client (default: never)",
    )


def _add_device(group: Any) -> None:
    group.add_argument(
        "--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N, cuda:free or mps"
    )
    group.add_argument(
        "--workers",
        type=COUNT_OR_NONE,
        default=0,
        metavar="N",
        help="matting processes (default: one per GPU, else --cpu-workers)",
    )
    group.add_argument(
        "--cpu-workers",
        type=COUNT_OR_NONE,
        default=1,
        metavar="N",
        help="matting processes where there is no GPU; 0: as many as long shots gain from",
    )


def _add_limits(group: Any, defaults: ServiceLimits) -> None:
    for flag, default, text in (
        ("--frames-per-client", defaults.frames_per_client, "frames of one client that may wait"),
        ("--frames", defaults.frames, "frames of all clients that may wait"),
        ("--clients", defaults.clients, "clients that may have waiting frames"),
    ):
        group.add_argument(flag, type=COUNT_OR_NONE, default=default, metavar="N", help=text)
    for flag, size, text in (
        ("--spool-gb", defaults.spool, "room for pictures under way"),
        ("--store-gb", defaults.store, "part of that room that clean plates may take"),
    ):
        group.add_argument(flag, type=AMOUNT, default=size / _GIB, metavar="GB", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Runs the server; returns the exit code."""
    open_standard_streams()
    with closing(LogRelay()):
        open_log(arguments.log == "json")
        return serve(config_from(arguments))


def config_from(arguments: argparse.Namespace) -> ServerConfig:
    """The server's configuration from the command line."""
    limits = ServiceLimits(
        frames_per_client=arguments.frames_per_client,
        frames=arguments.frames,
        clients=arguments.clients,
        spool=int(arguments.spool_gb * _GIB),
        store=int(arguments.store_gb * _GIB),
    )
    memory = int(arguments.memory_gb * _GIB)
    return ServerConfig(
        bind=arguments.bind,
        device=arguments.device,
        workers=arguments.workers,
        cpu_workers=arguments.cpu_workers or workers_without_gpu(memory),
        roots=tuple(arguments.root),
        readable=tuple(arguments.read),
        keys=arguments.keys,
        is_private=arguments.private,
        metrics=arguments.metrics,
        hang_s=arguments.hang_seconds,
        memory=memory,
        idle_s=arguments.stop_when_idle,
        limits=limits,
    )
