"""The server's log: one line per event, with the request's id and other facts, as text or as JSON."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("matte_server")


def open_log(as_json: bool) -> None:
    """Sends the log to standard error; called once, by the command that runs the server."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def log_event(event: str, level: int = logging.INFO, trace: BaseException | None = None, **facts: Any) -> None:
    """Logs an event with its ``facts``: JSON values, of which None is left out."""
    kept = {name: value for name, value in facts.items() if value is not None}
    # A clock beyond the year 2262, which Python does not hold: no line can be dated, and the server goes on.
    with contextlib.suppress(OverflowError):
        log.log(level, event, exc_info=trace, extra={"facts": kept})


def date_s() -> float:
    """Seconds since 1970 by the machine's clock; 0 where that says a time that Python does not hold."""
    try:
        return time.time()
    except OverflowError:
        return 0.0


def _facts(record: logging.LogRecord) -> Mapping[str, Any]:
    found = getattr(record, "facts", {})
    return found if isinstance(found, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextFormatter(logging.Formatter):
    """``time level event name=value ...``; values from outside are quoted, so that an event stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        words = [f"{name}={json.dumps(value)}" for name, value in _facts(record).items()]
        line = " ".join([_time(record), record.levelname.lower(), record.getMessage(), *words])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps({**entry, **_facts(record)}, default=str)
