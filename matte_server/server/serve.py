"""Starts a matting server and runs it until it is told to stop: the composition root of ``cleanplate serve``."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from matte_link.endpoint import DEFAULT_ADDRESS, is_loopback
from zmq.auth.thread import ThreadAuthenticator

from ..errors import MatteError
from ..worker.machine import cores
from ..worker.messages import StartupFailed, WorkerReady
from . import structured_log as journal
from .keys import ServerKeys, load_server_keys
from .metrics import MetricsPage
from .service import Service, ServiceLimits
from .spool import Spool
from .transport import Mailbox, Stop, Transport, Unsent, open_router
from .worker_pool import PoolPlan, WorkerEvent, WorkerExited, WorkerPool

_STARTS_TRIED = 2


@dataclass(frozen=True)
class ServerConfig:
    """How a server is to run. ``workers`` 0: one per GPU, else ``cpu_workers``. ``roots``: the folders inside which
    clients may name files by path; none means that no path is taken. ``keys``: the folder that
    ``cleanplate keys`` made, needed for every address that is not this machine's own."""

    bind: str = DEFAULT_ADDRESS
    device: str = "auto"
    workers: int = 0
    cpu_workers: int = 1
    roots: tuple[Path, ...] = ()
    keys: Path | None = None
    metrics: str = ""
    """``host:port`` for Prometheus; empty serves none."""
    hang_s: float = 300.0
    memory: int = 0
    """Bytes for the frames of all matting processes together; 0: most of the machine's on the CPU, and all of
    a GPU's."""
    idle_s: float = 0.0
    """Stops by itself after so long without a client; 0 never does."""
    limits: ServiceLimits = field(default_factory=ServiceLimits)


def serve(config: ServerConfig) -> int:
    """Runs until SIGTERM, SIGINT or the end of a parent that asked for it; returns the exit code.

    Prints one JSON line with the bound ``address`` when the first worker is ready; a parent that started the
    server for itself also gets one when it fails. Raises ``MatteError`` with the codes port_taken,
    bad_address, keys_needed, bad_keys, bad_root, and a worker's own (no_device).
    """
    try:
        return _serve(config)
    except MatteError as error:
        if os.environ.get(PARENT_VARIABLE):
            words = {"code": error.code, "message": error.message, "hint": error.hint}
            print(json.dumps({"ready": False, **words}), flush=True)
        raise


def _serve(config: ServerConfig) -> int:
    keys = _keys(config)
    roots = tuple(_root(root) for root in config.roots)
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(_context())
        if keys:
            stack.enter_context(_authenticator(context, keys))
        router = stack.enter_context(contextlib.closing(open_router(context)))
        if keys:
            router.curve_server = True
            router.curve_publickey, router.curve_secretkey = keys.public.encode(), keys.secret.encode()
            router.setsockopt_string(zmq.ZAP_DOMAIN, "cleanplate")
        address = _bind(router, config.bind)
        spool = stack.enter_context(contextlib.closing(Spool(config.limits.spool)))
        mailbox = stack.enter_context(contextlib.closing(Mailbox()))
        pool = WorkerPool(_plan(config, spool, roots), mailbox.post)
        stack.callback(pool.close)
        unsent = Unsent()
        service = Service(pool, spool, config.limits, unsent)
        page = MetricsPage(config.metrics) if config.metrics else None
        if page:
            stack.callback(page.close)
        start = _StartReport({"address": address, "metrics": page.address if page else ""}, mailbox)
        with _signals(mailbox):
            pool.start()
            publish, enough = page.publish if page else None, _enough(config, service)
            Transport(router, service, pool, mailbox, unsent, start.observe, publish, enough).run()
    if start.failure:
        raise start.failure
    journal.note("stopped", address=address)
    return 0


@contextlib.contextmanager
def _context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield context
    finally:
        context.term()


@contextlib.contextmanager
def _authenticator(context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> Iterator[None]:
    """Lets in only the clients whose public keys are listed."""
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    try:
        authenticator.configure_curve_callback("cleanplate", keys)
        yield
    finally:
        authenticator.stop()


def _keys(config: ServerConfig) -> ServerKeys | None:
    if config.keys:
        return load_server_keys(config.keys)
    if not is_loopback(config.bind):
        raise MatteError(
            "keys_needed",
            f"{config.bind} can be reached from other machines, so the server needs keys and a list of clients.",
            "Make them with 'cleanplate keys', then start with --keys FOLDER; or bind to 127.0.0.1.",
        )
    return None


def _root(root: Path) -> Path:
    if not root.is_dir():
        raise MatteError("bad_root", f"The root {root} is not a folder.")
    return root.resolve()


def _bind(router: zmq.Socket[bytes], address: str) -> str:
    router.setsockopt(zmq.IPV6, int("[" in address))
    try:
        router.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise MatteError(
                "port_taken",
                f"The address {address} is already taken, perhaps by another Cleanplate server.",
                "Look with 'cleanplate status', or choose another port with --bind.",
            ) from None
        raise MatteError("bad_address", f"The server cannot bind to {address}: {error}.") from None
    return router.getsockopt_string(zmq.LAST_ENDPOINT)


def _plan(config: ServerConfig, spool: Spool, roots: tuple[Path, ...]) -> PoolPlan:
    # Not fewer where there are ``cpu_workers``: the same frame has the same bits however many others there are.
    threads = max(1, cores() // max(config.workers, 1))
    set_thread_environment(threads)
    return PoolPlan(
        spool.folder,
        config.device,
        config.workers,
        config.cpu_workers,
        threads,
        roots,
        config.hang_s,
        memory=config.memory,
    )


def set_thread_environment(threads: int) -> None:
    """What the libraries of NumPy, SciPy and torch read when a worker first imports them; the user's own stays.

    Threads that wait for each other sleep. Spinning, as OpenMP does by itself, costs a network eight times its
    time where anything else wants the same cores. Huge pages (torch's own switch) halve what a fresh picture of 4K
    costs before anything is written to it."""
    wanted = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    for name, value in {**wanted, "OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}.items():
        os.environ.setdefault(name, value)


def _enough(config: ServerConfig, service: Service) -> Callable[[], bool]:
    """Whether the server has been idle for longer than it is to stay."""
    return lambda: 0 < config.idle_s < service.idle_s


class _StartReport:
    """Says once that the server is ready, or stops it where its first workers cannot work."""

    def __init__(self, facts: dict[str, Any], mailbox: Mailbox) -> None:
        self.failure: MatteError | None = None
        self._facts = facts
        self._mailbox = mailbox
        self._ready = False
        self._deaths = 0

    def observe(self, event: WorkerEvent) -> None:
        what = event.what
        if isinstance(what, WorkerExited):
            journal.note("worker ended", logging.WARNING, worker=event.worker, reason=what.reason)
        if self._ready or self.failure:
            return
        if isinstance(what, WorkerReady):
            self._ready = True
            journal.note("ready", **self._facts, device=what.device)
            line = {"ready": True, **self._facts, "pid": os.getpid(), "device": what.device}
            print(json.dumps(line), flush=True)
        elif isinstance(what, StartupFailed):
            self._fail(MatteError(what.code, what.message, what.hint))
        elif isinstance(what, WorkerExited):
            self._deaths += 1
            if self._deaths >= _STARTS_TRIED:
                self._fail(MatteError("worker_died", f"The matting process does not start. {what.reason}"))

    def _fail(self, failure: MatteError) -> None:
        self.failure = failure
        self._mailbox.post(Stop())


@contextlib.contextmanager
def _signals(mailbox: Mailbox) -> Iterator[None]:
    """SIGTERM and SIGINT stop the loop; where a parent holds our standard input open, so does its end."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda *_: mailbox.post(Stop()))
    if os.environ.get(PARENT_VARIABLE):
        threading.Thread(target=_watch_parent, args=(mailbox,), daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


PARENT_VARIABLE = "CLEANPLATE_STOP_WITH_STDIN"
"""Set by whoever starts a server for itself: the server then stops when its standard input closes, so that it
never outlives a parent that was killed."""


def _watch_parent(mailbox: Mailbox) -> None:
    # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    mailbox.post(Stop())
