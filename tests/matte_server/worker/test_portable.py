"""What runs on every system, on one that lacks what only POSIX has.

No Windows is at hand: the modules, functions and signals that it lacks are hidden from ours, /proc and /dev/shm
too, and ``sys.platform`` is win32. That finds what is imported or called without a look. It does not find what
Windows does otherwise, such as refusing to delete an open file (see ``test_spool.py``).
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import matte_link
import pytest

import matte_server
from tests.matte_server.server.conftest import Pictures

_LACKING = {
    "os": """
        sched_getaffinity fork getuid geteuid getpgid chown fchmod mkfifo memfd_create register_at_fork
        pwritev preadv RWF_NOWAIT sendfile statvfs uname getloadavg killpg setsid nice sysconf posix_fadvise
        posix_fallocate
        O_NONBLOCK O_NOCTTY O_DIRECTORY O_NOFOLLOW O_CLOEXEC
    """,
    "signal": """
        SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGSTOP SIGCONT SIGPIPE SIGALRM SIG_BLOCK SIG_SETMASK alarm pthread_kill
        pthread_sigmask
    """,
    "select": "poll epoll kqueue POLLIN POLLOUT",
    "socket": "AF_UNIX TCP_INFO SO_PEERCRED",
    "sys": "",
}
"""What Python lacks on Windows, by its documentation."""
_EVERYWHERE = {
    "os": """
        O_APPEND O_CREAT O_EXCL O_RDONLY O_RDWR O_WRONLY SEEK_CUR SEEK_END W_OK _exit access close cpu_count devnull
        dup dup2 environ fdopen fsencode fstat fsync getpid name open path pipe read replace sep set_inheritable
        stat strerror utime write
    """,
    "signal": "SIGINT SIGTERM SIG_IGN Signals getsignal raise_signal signal",
    "select": "",
    "socket": """
        AF_INET AF_INET6 IPPROTO_TCP SHUT_RDWR SOL_SOCKET SO_SNDBUF gaierror getaddrinfo gethostname setsockopt
        socket socketpair
    """,
}
"""What ours uses of the same modules and Windows has."""

_ELSEWHERE = (
    f"LACKING = {_LACKING}"
    + """
import builtins, os, select, signal, socket, sys, types
from pathlib import Path

LACKS = {sys.modules[name]: names.split() for name, names in LACKING.items()}

class Elsewhere(types.ModuleType):
    "A module as another system has it."

    def __init__(self, real):
        super().__init__(real.__name__)
        self.__dict__["_real"] = real

    def __getattr__(self, name):
        if name in LACKS[self._real]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return "win32" if (self._real, name) == (sys, "platform") else getattr(self._real, name)

    def __setattr__(self, name, value):
        setattr(self._real, name, value)

others = {module.__name__: Elsewhere(module) for module in LACKS}
real = builtins.__import__

def hide(name, where=None, *more, **keywords):
    # Libraries are made for the system that they are on.
    if not str((where or {}).get("__name__")).startswith("matte_"):
        return real(name, where, *more, **keywords)
    if name in ("resource", "fcntl", "grp", "pwd", "termios"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return others.get(name) or real(name, where, *more, **keywords)

builtins.__import__ = hide
"""
)

_IMPORTS = """
import importlib, pkgutil
import matte_link, matte_server

for package in (matte_link, matte_server):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        is_script = module.name.endswith(("__main__", "opencue_submit"))
        if not is_script and not module.name.startswith("matte_server.training"):
            importlib.import_module(module.name)
"""

_FRAME = """
from matte_link.messages import Inline, Matte, OnDisk
from matte_link.options import MatteOptions
from matte_server.io import exr, image_file
from matte_server.server import spool, transport
from matte_server.server.admission import Admission
from matte_server.server.connections import shut
from matte_server.server.frame_table import FrameTable
from matte_server.server.limits import ServiceLimits
from matte_server.worker import named_files
from matte_server.worker.settings import WorkerSettings
from matte_server.worker.solver import FrameSolver

folder = Path(sys.argv[1])
nowhere = folder / "nowhere"
named_files._DESCRIPTORS = image_file._DESCRIPTORS = spool._MEMORY = nowhere
assert spool.default_parent() != nowhere
room = spool.Spool(1 << 30, folder)
admission = Admission(room, ServiceLimits())
solver = FrameSolver.create(WorkerSettings(spool=str(room.folder), device="cpu", roots=(str(folder),)))
plate, clean = folder / "plate.exr", folder / "clean.exr"
for output in ("", str(folder / "out" / "matte.exr")):
    request = Matte(
        id="a", frame=1, plate=OnDisk(str(plate)), clean_plate=Inline(data=clean.read_bytes()),
        options=MatteOptions(model="difference"), output=output,
    )
    job = admission.admit(b"client", request, FrameTable())
    inputs = solver.read(job)
    solver.solve(job, lambda: inputs, lambda: None, lambda *stage: None)()
    data = Path(output).read_bytes() if output else bytes(room.take_result(job.result))
    assert exr.read_image(data).pixels.shape[2] == 4
    admission.release(job.pictures)
room.close()
events = transport.EventQueue()
events.put(transport.Stop())
assert len(events.take_all()) == 1
events.close()

from multiprocessing import Pipe
from matte_server.server.command_sender import CommandSender
from matte_server.server.log_relay import LogRelay

ours, theirs = Pipe()
sender = CommandSender(ours)
sender.start()
for command in (b"first", b"second"):
    sender.send(command)
assert (theirs.recv_bytes(), theirs.recv_bytes()) == (b"first", b"second")
sender.end()
reader, descriptor = os.pipe()
relay = LogRelay(descriptor)
os.write(descriptor, b"a line")
assert os.read(reader, 100) == b"a line"
relay.close()
"""


def elsewhere(script: str, folder: Path, **environment: str) -> None:
    """Runs a script where POSIX's own parts are missing."""
    command = [sys.executable, "-c", _ELSEWHERE + script, str(folder)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")


@pytest.mark.parametrize("package", [matte_server, matte_link])
def test_it_is_known_of_every_part_of_the_system_that_we_use_whether_windows_has_it(package: object) -> None:
    """A part that is on neither list above: look it up in Python's documentation, and enter it."""
    unknown = set()
    for file in Path(str(vars(package)["__file__"])).parent.rglob("*.py"):
        if "training" not in file.parts:
            unknown |= {f"{file.name}: {used}" for used in _used(ast.parse(file.read_text("utf-8")))}
    assert not unknown


def _used(tree: ast.Module) -> set[str]:
    """The attributes of system modules in a file that are on neither list."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in _EVERYWHERE
        if node.attr not in f"{_LACKING[node.value.id]} {_EVERYWHERE[node.value.id]}".split()
    }


def test_every_text_is_read_and_written_in_an_encoding_that_is_named() -> None:
    """Windows uses the country's own where none is."""
    rule = ["-m", "ruff", "check", "--isolated", "--preview", "--select", "PLW1514"]
    folders = [
        Path(__file__).parents[3] / name for name in ("matte_server", "shared", "plugin_nuke", "plugin_blender")
    ]
    found = subprocess.run([sys.executable, *rule, *map(str, folders)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_a_console_that_cannot_show_every_letter_ends_no_command() -> None:
    """Windows's in western Europe, which lacks Cyrillic."""
    western = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "matte_server", "matte", "\u043f.exr", "--clean", "\u0447.exr", "-o", "m.exr"]
    done = subprocess.run(command, capture_output=True, env=western)
    assert done.returncode == 2 and b"error (missing_frame)" in done.stderr and b"Traceback" not in done.stderr


def test_every_module_is_imported(tmp_path: Path) -> None:
    elsewhere(_IMPORTS, tmp_path)


def test_a_frame_is_admitted_computed_and_written(tmp_path: Path, pictures: Pictures) -> None:
    (tmp_path / "plate.exr").write_bytes(pictures.plate)
    (tmp_path / "clean.exr").write_bytes(pictures.clean)
    elsewhere(_FRAME, tmp_path)


_COMMANDS = """
from matte_server.cli.main import main

def code_of(*line):
    try:
        return main(list(line))
    except SystemExit as end:
        return end.code

from matte_server.cli.main import COMMANDS

for command in COMMANDS:
    assert code_of(command, "--help") == 0, command
assert code_of("doctor") in (0, 1)
assert code_of("models") == 0
keys = ["--folder", sys.argv[1] + "/keys"]
assert code_of("keys", "server", *keys) == code_of("keys", "client", "anna", *keys) == 0
assert code_of("keys", "client", "\\u0430nna\\u2028", *keys) == 2
assert code_of("matte", "\\u043f\\u2028.exr", "--clean", "\\u0447.exr", "-o", sys.argv[1] + "/m.exr") == 2
"""


@pytest.mark.parametrize("encoding", ["cp437", "cp1252"])
def test_every_command_speaks_on_a_console_of_windows(tmp_path: Path, encoding: str) -> None:
    elsewhere(_COMMANDS, tmp_path, PYTHONIOENCODING=encoding)


_SERVER = """
from matte_link.client import MatteClient
from matte_link.messages import Inline, Matte
from matte_link.options import MatteOptions
from matte_server.io import exr
from matte_server.server.local_server import LocalServer

plate, clean = (Inline((Path(sys.argv[1]) / name).read_bytes()) for name in ("plate.exr", "clean.exr"))
request = Matte(id="a", frame=1, plate=plate, clean_plate=clean, options=MatteOptions(model="difference"))
with LocalServer(["--device", "cpu"]) as server, MatteClient(server.endpoint) as client:
    assert exr.read_image(bytes(client.matte(request, timeout_s=300).data)).pixels.shape[2] == 4
"""


def test_a_server_and_its_worker_start_and_answer(tmp_path: Path, pictures: Pictures) -> None:
    """Each of the processes, as Python runs this file at its start."""
    (tmp_path / "plate.exr").write_bytes(pictures.plate)
    (tmp_path / "clean.exr").write_bytes(pictures.clean)
    (tmp_path / "sitecustomize.py").write_text(_ELSEWHERE, "utf-8")
    search = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    elsewhere(_SERVER, tmp_path, PYTHONPATH=search, TMPDIR=str(tmp_path))
