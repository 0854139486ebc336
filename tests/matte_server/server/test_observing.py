"""What a server says of itself: figures for Prometheus, log lines, the status page."""

from __future__ import annotations

import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from matte_link.client import MatteClient
from matte_link.messages import Matte

from matte_server.cli.status_view import describe_state
from matte_server.errors import MatteError
from matte_server.server.local_server import LocalServer
from matte_server.server.metrics import MetricsPage, render
from matte_server.server.structured_log import JsonFormatter, TextFormatter, log_event


def test_every_metric_is_of_prometheus_form(client: MatteClient) -> None:
    lines = render(client.status().state).splitlines()
    line = re.compile(
        r'(# (HELP|TYPE) cleanplate_\w+ .+|cleanplate_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+)\Z'
    )
    assert [text for text in lines if not line.match(text)] == []
    assert any(text.startswith('cleanplate_worker_up{worker="0",device="cpu"} 1') for text in lines)


def test_a_server_serves_its_metrics_and_logs_json(request_for: Callable[..., Matte]) -> None:
    with LocalServer(["--device", "cpu", "--metrics", "127.0.0.1:0", "--log", "json"]) as server:
        with MatteClient(server.endpoint) as client:
            reply = client.matte(request_for(id="the-request"))
            # The page is renewed once a second.
            for _ in range(50):
                with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=5) as page:
                    text = page.read().decode()
                if 'cleanplate_frames_total{result="done"} 1' in text:
                    break
                client.receive(0.1)
            else:
                raise AssertionError(text)
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{server.metrics}/other", timeout=5)
    events = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    done = next(event for event in events if event["event"] == "done")
    assert (done["id"], done["frame"], done["level"]) == ("the-request", 1, "info")
    assert done["computed"] == reply.diagnostics["seconds"]
    assert events[-1]["event"] == "stopped"


def test_a_metrics_port_that_is_taken_is_one_sentence() -> None:
    page = MetricsPage("127.0.0.1:0")
    try:
        with pytest.raises(MatteError, match=r"Metrics cannot be served on .*: Address already in use\.") as caught:
            MetricsPage(page.address)
        assert caught.value.code == "port_taken"
    finally:
        page.close()


@pytest.mark.parametrize(
    "address", ["x", ":", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:-1", "tcp://127.0.0.1:9600"]
)
def test_a_metrics_address_that_is_none_is_said_to_be_none(address: str) -> None:
    with pytest.raises(MatteError, match=r"that is no host and port, such as 127\.0\.0\.1:9600") as caught:
        MetricsPage(address)
    assert caught.value.code == "bad_address"


def test_a_log_line_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "matte_server"):
        log_event("failed", id="a\nfake line", frame=None)
    [record] = caplog.records
    text = TextFormatter().format(record)
    assert text.endswith('info failed id="a\\nfake line"')
    assert json.loads(JsonFormatter().format(record))["id"] == "a\nfake line"


def test_the_status_page_names_what_matters(client: MatteClient) -> None:
    page = describe_state(client.status().state, "tcp://127.0.0.1:5560")
    for word in ("tcp://127.0.0.1:5560", "queue", "frames", "clean plates", "worker 0 cpu"):
        assert word in page
