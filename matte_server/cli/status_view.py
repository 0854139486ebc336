"""A server's state for people: one page of text, or one that renews itself."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from matte_link.client import MatteClient
from matte_link.errors import LinkError
from matte_link.plain_text import printable
from matte_link.sequence import counted
from rich.console import Console
from rich.live import Live
from rich.text import Text

_GIB = 1 << 30
_LONGEST_LINE = 400


def describe_state(state: Mapping[str, Any], address: str) -> str:
    """The figures of a StatusReply as lines of text."""
    frames, queue = state["frames"], state["queue"]
    lines = [
        f"Cleanplate {state['version']} at {address}, up {_span(state['uptime_s'])}",
        f"queue    {queue['interactive']} interactive, {queue['batch']} batch, {state['running']} running, "
        f"{counted(state['clients'], 'client')}",
        f"frames   {frames['done']} done, {frames['failed']} failed, {frames['cancelled']} cancelled, "
        f"{frames['refused']} refused, {frames['per_second']:.2f} a second",
        f"memory   {_memory(state)}",
    ]
    lines += [_worker(number, worker) for number, worker in enumerate(state["workers"])]
    lines += [_learning(job) for job in state.get("learning", ())]
    lines += [_error(error) for error in state["errors"][-5:]]
    return "\n".join(printable(line, _LONGEST_LINE) for line in lines)


def _memory(state: Mapping[str, Any]) -> str:
    store, spool = state["store"], state["spool"]
    return (
        f"clean plates {store['pictures']} in {store['bytes'] / _GIB:.2f} of {store['budget'] / _GIB:.1f} GB, "
        f"pictures under way {spool['bytes'] / _GIB:.2f} of {spool['budget'] / _GIB:.1f} GB"
    )


def _worker(number: int, worker: Mapping[str, Any]) -> str:
    doing = f"{worker['stage'] or 'busy'} for {worker['busy_s']} s" if worker["busy_s"] else "idle"
    if not worker["ready"]:
        doing = "starting"
    return (
        f"worker {number} {worker['device']} pid {worker['pid']}: {doing}, {counted(worker['frames'], 'frame')}, "
        f"{worker['memory'] / _GIB:.2f} GB, replaced {counted(worker['deaths'], 'time')}"
    )


def _learning(job: Mapping[str, Any]) -> str:
    what = f"learning {job['shot'] or 'a shot'} from {counted(job['frames'], 'frame')}"
    if job["worker"] < 0:
        return f"{what}: waits"
    done = f"step {job['step']} of {job['steps']}" if job["steps"] else "reads its frames"
    before, now = 1e3 * job["first_error"], 1e3 * job["error"]
    measured = "" if now < 0 else f", error x 1000: {before:.2f} -> {now:.2f}"
    left = "" if job["left_s"] < 0 else f", {job['left_s']:.0f} s left"
    return f"{what} on worker {job['worker']}: {done}{measured}{left}, clients that wait: {job['clients']}"


def _error(error: Mapping[str, Any]) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(error["at"]))
    return f"error    {at} {error['code']}: {error['message']}"


def _span(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h {minutes:02} min" if days else f"{hours} h {minutes:02} min"


def watch(client: MatteClient, interval_s: float = 1.0, as_json: bool = False) -> int:
    """Shows the state until interrupted, through restarts of the server too. Where the output is no terminal, one
    page follows the other; ``as_json``: a line of JSON each."""
    address = client.endpoint.address
    screen = Console()
    if as_json or not screen.is_terminal:
        while True:
            print(_json(client) if as_json else _now(client, address), flush=True)
            time.sleep(interval_s)
    with Live(console=screen, refresh_per_second=4) as live:
        while True:
            live.update(Text(_now(client, address)))
            time.sleep(interval_s)


def _json(client: MatteClient) -> str:
    try:
        return json.dumps(client.status().state)
    except LinkError as error:
        return json.dumps({"code": error.code, "message": error.message})


def _now(client: MatteClient, address: str) -> str:
    try:
        return describe_state(client.status().state, address)
    except LinkError as error:
        return str(error)
