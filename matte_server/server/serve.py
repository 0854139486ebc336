"""Starts a matting server and runs it until it is stopped: the composition root of ``cleanplate serve``."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import zmq
from matte_link.endpoint import DEFAULT_ADDRESS, is_address, is_loopback, not_an_address
from matte_link.port_owner import is_another_users
from matte_link.ready_line import STOP_WITH_STDIN, ServerNotStarted, ServerReady, ready_line
from zmq.auth.thread import ThreadAuthenticator

from ..errors import MatteError
from ..worker.machine import address_space_limit, cores, prepare_for_torch
from ..worker.messages import StartupFailed, WorkerReady
from .connections import Connections
from .descriptors import allow_clients
from .keys import ServerKeys, load_server_keys, private_keys
from .learning_shelf import LearningShelf, usable_folder
from .limits import ServiceLimits
from .metrics import MetricsPage
from .service import Service
from .spool import Spool
from .structured_log import log_event
from .transport import EventQueue, Stop, Transport, UnsentBytes, open_router
from .worker_pool import PoolPlan, WorkerEvent, WorkerExited, WorkerPool

_MAX_FIRST_STARTS = 2
_LAST_PORT = 65535
_ZAP_DOMAIN = "cleanplate"
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM")
"""The last four are how batch systems and time limits announce the end. Without a handler each would end the server
alone, and leave its spool."""


@dataclass(frozen=True)
class ServerConfig:
    """How a server is to run. ``workers`` 0: one per GPU, or ``cpu_workers`` on a CPU. ``roots``: the folders
    inside which clients may name files by path; ``readable``: further single files that they may only read. Without
    any, no path is accepted. ``keys``: the folder that ``cleanplate keys`` made, required for every address that
    other machines can reach. ``is_private``: only whoever started the server is admitted."""

    bind: str = DEFAULT_ADDRESS
    device: str = "auto"
    workers: int = 0
    cpu_workers: int = 1
    roots: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    keys: Path | None = None
    is_private: bool = False
    metrics: str = ""
    """``host:port`` of the Prometheus metrics; empty serves none."""
    hang_s: float = 300.0
    memory: int = 0
    """Bytes that the frames of all workers may take together; 0: most of the machine's memory on a CPU, all of the
    GPU's on a GPU."""
    idle_s: float = 0.0
    """Stops by itself after this time without a client; 0: never."""
    limits: ServiceLimits = field(default_factory=ServiceLimits)


def serve(config: ServerConfig) -> int:
    """Runs until SIGTERM, SIGINT, or the end of a parent process that requested this; returns the exit code.

    Prints one JSON line with the bound ``address`` when the first worker is ready; a parent that started the server
    for itself also gets one when it fails to start. Raises ``MatteError``: port_taken, bad_address, keys_needed,
    bad_keys, bad_root, no_spool, or a worker's own code (no_device).
    """
    try:
        return _serve(config)
    except MatteError as error:
        if os.environ.get(STOP_WITH_STDIN):
            failure = ServerNotStarted(code=error.code, message=error.message, hint=error.hint)
            _print(ready_line(failure))
        raise


def _serve(config: ServerConfig) -> int:
    if not is_address(config.bind):
        # First: nobody can reach 127.0.0.1:5560, without tcp://, so no keys are needed for it.
        raise MatteError("bad_address", not_an_address(config.bind))
    keys = _keys(config)
    allow_clients(config.limits.clients)
    roots = tuple(_root(root) for root in config.roots)
    readable = tuple(file.resolve() for file in config.readable)
    with contextlib.ExitStack() as stack:
        # First, and so last to end: a second signal must not end what the first one began.
        events = stack.enter_context(contextlib.closing(EventQueue()))
        stack.enter_context(_stop_signals(events))
        router = _open_router(stack, keys)
        connections = stack.enter_context(contextlib.closing(Connections(router, keys.admits if keys else None)))
        address = _bind(router, config.bind)
        spool = stack.enter_context(contextlib.closing(_spool(config)))
        pool = WorkerPool(_plan(config, spool, roots, readable), events.put)
        stack.callback(pool.close)
        unsent = UnsentBytes(connections.owner_of)
        shelf = LearningShelf(usable_folder(spool.folder), spool=spool.folder)
        service = Service(pool, spool, config.limits, unsent, shelf=shelf, owner_of=connections.owner_of)
        page = MetricsPage(config.metrics) if config.metrics else None
        if page:
            stack.callback(page.close)
        ready = ServerReady(
            address=address,
            pid=os.getpid(),
            metrics=page.address if page else "",
            client_keys=keys.client if keys else {},
        )
        start = _StartReport(ready, events)
        publish, is_over = page.publish if page else None, _idle_too_long(config, service)
        pool.start()
        Transport(router, service, pool, events, unsent, start.observe, connections, publish, is_over).run()
    if start.failure:
        raise start.failure
    log_event("stopped", address=address)
    return 0


def _open_router(stack: contextlib.ExitStack, keys: ServerKeys | None) -> zmq.Socket[bytes]:
    context = stack.enter_context(_context())
    if keys:
        stack.enter_context(_authenticator(context, keys))
    router = stack.enter_context(contextlib.closing(open_router(context)))
    if keys:
        _encrypt(router, keys)
    return router


def _encrypt(router: zmq.Socket[bytes], keys: ServerKeys) -> None:
    router.curve_server = True
    # Of two connections under one name the first keeps it: the other may be that of another key.
    router.setsockopt(zmq.ROUTER_HANDOVER, 0)
    router.curve_publickey, router.curve_secretkey = keys.public.encode(), keys.secret.encode()
    router.setsockopt_string(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)


@contextlib.contextmanager
def _context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield context
    finally:
        context.term()


@contextlib.contextmanager
def _authenticator(context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> Iterator[None]:
    """Admits only the clients whose public keys are listed."""
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    try:
        authenticator.configure_curve_callback(_ZAP_DOMAIN, keys)
        yield
    finally:
        authenticator.stop()


def _keys(config: ServerConfig) -> ServerKeys | None:
    if config.is_private and config.keys:
        raise MatteError("bad_option", "--private makes keys of its own.", "Leave out --private or --keys.")
    if config.is_private:
        return private_keys()
    if config.keys:
        return load_server_keys(config.keys)
    if not is_loopback(config.bind):
        raise MatteError(
            "keys_needed",
            f"{config.bind} can be reached from other machines, so the server needs keys and a list of clients.",
            "Make them with 'cleanplate keys', then start with --keys FOLDER; or bind to 127.0.0.1.",
        )
    return None


def _spool(config: ServerConfig) -> Spool:
    try:
        return Spool(config.limits.spool)
    except OSError as error:
        raise MatteError(
            "no_spool",
            f"The server finds no folder to keep pictures in while they are under way: {error.strerror or error}.",
            "Name one that it may write to in TMPDIR.",
        ) from None


def _root(root: Path) -> Path:
    if not root.is_dir():
        raise MatteError("bad_root", f"The root {root} is not a folder.")
    return root.resolve()


def _bind(router: zmq.Socket[bytes], address: str) -> str:
    port = address.rpartition(":")[2]
    if port.isdecimal() and int(port) > _LAST_PORT:
        # ZeroMQ takes the remainder of a division for it.
        raise MatteError("bad_address", f"The server cannot bind to {address}: ports end at {_LAST_PORT}.")
    router.setsockopt(zmq.IPV6, int("[" in address))
    try:
        router.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            whose = "by another user" if is_another_users(address) else "perhaps by another Cleanplate server"
            raise MatteError(
                "port_taken",
                f"The address {address} is already taken, {whose}.",
                "Look with 'cleanplate status', or choose another port with --bind and CLEANPLATE_SERVER.",
            ) from None
        raise MatteError("bad_address", f"The server cannot bind to {address}: {error}.") from None
    return router.getsockopt_string(zmq.LAST_ENDPOINT)


def _plan(config: ServerConfig, spool: Spool, roots: tuple[Path, ...], readable: tuple[Path, ...]) -> PoolPlan:
    threads = threads_of_a_worker(config.workers)
    set_thread_environment(threads)
    return PoolPlan(
        spool=spool.folder,
        device=config.device,
        workers=config.workers,
        cpu_workers=config.cpu_workers,
        threads=threads,
        roots=roots,
        readable=readable,
        hang_s=config.hang_s,
        memory=config.memory,
    )


def threads_of_a_worker(workers: int) -> int:
    """How many threads each of ``workers`` (0: not given) has: its share of the cores, or fewer where the user's
    OMP_NUM_THREADS says so. Not divided by ``cpu_workers``: a frame must be the same to the bit however many
    workers there are."""
    share = max(1, cores() // max(workers, 1))
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(wanted) or share) if wanted.isdecimal() else share


def set_thread_environment(threads: int) -> None:
    """Sets the variables that the libraries under NumPy, SciPy and torch read when a worker imports them. Variables
    that the user has set stay as they are."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    prepare_for_torch()


def _idle_too_long(config: ServerConfig, service: Service) -> Callable[[], bool]:
    """Returns a function that tells whether the server has been idle for longer than ``config.idle_s``."""
    return lambda: 0 < config.idle_s < service.idle_s


class _StartReport:
    """Prints the ready line once, or stops the server where its first workers do not start."""

    def __init__(self, ready: ServerReady, events: EventQueue) -> None:
        self.failure: MatteError | None = None
        self._report = ready
        self._events = events
        self._ready = False
        self._deaths = 0

    def observe(self, observed: WorkerEvent) -> None:
        """Handles every worker event until the server is ready, and logs the ends of workers after that."""
        event = observed.event
        if isinstance(event, WorkerExited):
            log_event("worker ended", logging.WARNING, worker=observed.worker, reason=event.reason)
        if self._ready or self.failure:
            return
        if isinstance(event, WorkerReady):
            self._ready = True
            report = replace(self._report, device=event.device)
            log_event("ready", address=report.address, metrics=report.metrics, device=report.device)
            _print(ready_line(report))
        elif isinstance(event, StartupFailed):
            self._fail(MatteError(event.code, event.message, event.hint))
        elif isinstance(event, WorkerExited):
            self._deaths += 1
            if self._deaths >= _MAX_FIRST_STARTS:
                self._fail(_does_not_start(event.reason))

    def _fail(self, failure: MatteError) -> None:
        self.failure = failure
        self._events.put(Stop())


def _does_not_start(reason: str) -> MatteError:
    """Many a library crashes where it may not have the memory that it wants."""
    limit = address_space_limit()
    hint = f"Its memory is limited to {limit >> 20} MiB (ulimit -v): raise that limit." if limit else ""
    return MatteError("worker_died", f"The matting process does not start. {reason}", hint)


def _print(line: str) -> None:
    """Prints a line; nobody may be there to read it."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


@contextlib.contextmanager
def _stop_signals(events: EventQueue) -> Iterator[None]:
    """Signals stop the loop, those of a closed terminal too; and so does the end of a parent process that requested
    this. A signal that whoever started the server had ignored, as nohup does, stays ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in _STOP_SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, lambda *_: events.put(Stop()))
    if os.environ.get(STOP_WITH_STDIN):
        threading.Thread(target=_watch_parent, args=(events,), daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch_parent(events: EventQueue) -> None:
    # sys.stdin is avoided: this thread would still hold its lock when the interpreter exits.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    events.put(Stop())
