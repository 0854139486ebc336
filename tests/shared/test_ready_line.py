"""The line by which a server says that it is ready, or why it did not start."""

from __future__ import annotations

import json

import pytest
from matte_link.ready_line import ReadyLine, ServerNotStarted, ServerReady, parse_ready_line, ready_line

READY = ServerReady(address="tcp://127.0.0.1:5560", pid=7, device="cpu", metrics="127.0.0.1:9000")
FAILED = ServerNotStarted(code="port_taken", message="The address is taken.", hint="Choose another.")


SHORT = (ServerReady(address="tcp://[::1]:1"), ServerNotStarted(code="x", message="Because."))
WRONG = (
    "",
    "{",
    ready_line(READY)[:-1],
    "[]",
    "7",
    "{}",
    '{"ready": true}',
    '{"ready": false}',
    '{"ready": true, "address": "a", "more": 1}',
    "starting ...",
)


@pytest.mark.parametrize("what", [READY, FAILED, *SHORT])
def test_round_trip(what: ReadyLine) -> None:
    line = ready_line(what)
    assert "\n" not in line and parse_ready_line(line) == what and parse_ready_line(line + "\n") == what
    assert json.loads(line)["ready"] == isinstance(what, ServerReady)


@pytest.mark.parametrize("line", WRONG)
def test_anything_else_is_none(line: str) -> None:
    assert parse_ready_line(line) is None
