"""The limit on a process's open files, in processes of their own."""

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
    ended = limited(soft, hard, "-c", code)
    assert ended.stdout.split() == [str(each) for each in after], ended.stderr


def limited(soft: int, hard: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of this Python's with so few files."""
    script = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    return subprocess.run(["bash", "-c", script, "bash", sys.executable, *words], capture_output=True, text=True)


def test_a_command_that_may_open_too_few_files_says_so_at_its_start() -> None:
    """Some libraries aborted, others waited for ever."""
    ended = limited(16, 63, "-m", "matte_server", "doctor")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error (few_files): This process may have 63 files open at a time, and needs 64. "
        "Raise the limit in a new shell, such as with: ulimit -n 1024.\n"
    )


def test_a_command_takes_the_files_that_it_may_have() -> None:
    code = (
        "import resource, sys; from matte_server.__main__ import main; sys.argv[1:] = ['version']; code = main();"
        "print(code, *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert limited(16, 70, "-c", code).stdout.endswith("\n0 64 70\n")
