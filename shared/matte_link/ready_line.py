"""The one line that ``cleanplate serve`` prints on its standard output, for whoever started it.

It is JSON: that the server is ready and where it listens, or why it did not start. A parent that sets
:data:`STOP_WITH_STDIN` in the server's environment has it stop when its standard input closes, so that the server
never outlives a parent that was killed. For such a parent a failure to start is printed as a line too.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Optional, Union

STOP_WITH_STDIN = "CLEANPLATE_STOP_WITH_STDIN"


@dataclass(frozen=True)
class ServerReady:
    """The server listens at ``address``; its process is ``pid``. ``metrics`` is the address of its figures for
    Prometheus, empty where it serves none. ``client_keys`` are the keys of its one client, as in a key file, if the
    server was started with ``--private``; empty otherwise."""

    address: str
    pid: int = 0
    device: str = ""
    metrics: str = ""
    client_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerNotStarted:
    """The server did not start: a code for programs, a sentence for people, and what to do."""

    code: str
    message: str
    hint: str = ""


ReadyLine = Union[ServerReady, ServerNotStarted]


def ready_line(what: ReadyLine) -> str:
    """The line, without its end."""
    return json.dumps({"ready": isinstance(what, ServerReady), **asdict(what)})


def parse_ready_line(line: str) -> Optional[ReadyLine]:
    """The inverse of :func:`ready_line`; None where the line is not complete, or none of ours."""
    try:
        values = json.loads(line)
        is_ready = values.pop("ready")
        return ServerReady(**values) if is_ready else ServerNotStarted(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def exit_reason(exitcode: Optional[int]) -> str:
    """One sentence on how a process ended, for one that has not said why."""
    if exitcode is not None and exitcode < 0:
        name = str(-exitcode)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-exitcode).name
        if name == "SIGKILL":
            return "It was killed (SIGKILL); usually the system does that when memory runs out."
        return f"It crashed ({name})."
    return f"It ended with exit code {exitcode}."
