"""What runs on every system, on one that lacks what only POSIX has.

No Windows is at hand: the modules, functions and signals that it lacks are hidden from ours, /proc and /dev/shm
too, and ``sys.platform`` is win32. That finds what is imported or called without a look. It does not find what
Windows does otherwise, such as refusing to delete an open file (see ``test_spool.py``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.matte_server.server.conftest import Pictures

_ELSEWHERE = """
import builtins, os, signal, sys, types
from pathlib import Path

LACKS = {
    os: "sched_getaffinity fork getuid geteuid chown mkfifo O_NONBLOCK O_NOCTTY O_DIRECTORY".split(),
    signal: "SIGHUP SIGQUIT SIGKILL SIGUSR1".split(),
    sys: [],
}

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
    job = admission.job(request)
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
"""


def elsewhere(script: str, folder: Path) -> None:
    """Runs a script where POSIX's own parts are missing."""
    command = [sys.executable, "-c", _ELSEWHERE + script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_module_is_imported(tmp_path: Path) -> None:
    elsewhere(_IMPORTS, tmp_path)


def test_a_frame_is_admitted_computed_and_written(tmp_path: Path, pictures: Pictures) -> None:
    (tmp_path / "plate.exr").write_bytes(pictures.plate)
    (tmp_path / "clean.exr").write_bytes(pictures.clean)
    elsewhere(_FRAME, tmp_path)
