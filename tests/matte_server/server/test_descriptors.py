"""The limit on a server's open files, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [
        # Four for each of 512 clients, and 256 of its own.
        (64, 4096, (2304, 4096)),
        (256, 1000, (1000, 1000)),
        (3000, 4096, (3000, 4096)),
    ],
)
def test_a_server_may_open_what_its_clients_take(soft: int, hard: int, after: tuple[int, int]) -> None:
    """Systems begin with 256 (macOS) or 1024: beyond that, every frame failed."""
    code = (
        "import resource, sys; from matte_server.server.descriptors import allow_clients;"
        "from matte_server.server.limits import ServiceLimits; allow_clients(ServiceLimits().clients);"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    script = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    ended = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-c", code], capture_output=True, text=True
    )
    assert ended.stdout.split() == [str(each) for each in after], ended.stderr
