"""A real Blender with a window: Debian's, with a screen that nobody sees, in a folder of its own (1.3 GB).

    python tests/plugin_blender/windowed.py               makes it in .venvs/window: 3 minutes, root, mmdebstrap
    python tests/plugin_blender/windowed.py pictures DIR  takes the guide's pictures
    python tests/plugin_blender/windowed.py clicks DIR    takes a picture of each click, from zip to first matte

With $CLEANPLATE_PICTURES naming a folder, the tests leave pictures of the window there, too.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from matte_link.ready_line import ServerReady, ready_line

from matte_server.server.local_server import LocalServer
from plugin_blender import package
from tests.plugin_blender.environments import REPOSITORY, Unavailable

ROOT = REPOSITORY / ".venvs" / "window"
_PACKAGES = (
    "blender",
    "xvfb",
    "xauth",
    "libgl1-mesa-dri",
    "libegl1",
    "libglx-mesa0",
    "imagemagick",
    "python3-cattr",
    "python3-requests",
    "python3-zmq",
    "python3-numpy",
    "fonts-dejavu-core",
)
_CASE_S = 600.0
# Every pixel is drawn by the processor: a third of them takes a fifth less time. Pictures for people are large.
SMALL, LARGE = (960, 540), (1600, 900)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SEEN = ("/proc", "/sys", "/dev", "/tmp")


def make() -> None:
    """Makes the folder anew; raises ``Unavailable``."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        raise Unavailable("this needs root on Debian, and mmdebstrap")
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.parent.mkdir(exist_ok=True)
    # A mirror that is a picture of one day says that it has expired.
    options = ["--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"']
    options.append(f"--include={','.join(_PACKAGES)}")
    subprocess.run(["mmdebstrap", *options, "unstable", str(ROOT)], check=True)


def command(
    script: Path, *arguments: object, environment: Mapping[str, str], size: tuple[int, int] = SMALL
) -> list[str]:
    """Runs a script in that Blender's window of a size, which sees this machine's files; raises ``Unavailable``."""
    blender = ["blender", "--factory-startup", "--python-use-system-env", "--gpu-backend", "opengl"]
    blender += ["--enable-event-simulate", "--window-geometry", "0", "0", *map(str, size)]
    blender += ["--python", str(script), "--", *map(str, arguments)]
    return inside(["xvfb-run", "-a", "-s", f"-screen 0 {size[0]}x{size[1]}x24", *blender], environment)


def inside(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Runs a command beside that Blender; raises ``Unavailable``."""
    if not (ROOT / "usr/bin/blender").exists():
        raise Unavailable(
            "there is no Blender with a window: 1.3 GB, drawn without a GPU, do not fit .ci/run's 15 minutes"
            f" (python {Path(__file__).relative_to(REPOSITORY)} makes it)"
        )
    if os.geteuid() != 0:
        raise Unavailable("Blender with a window needs root here")
    named = [f"{name}={value}" for name, value in {"LIBGL_ALWAYS_SOFTWARE": "1", **environment}.items()]
    # Mounts of this one process: they end with it.
    mounts = []
    for place in map(shlex.quote, [*_SEEN, str(REPOSITORY)]):
        mounts.append(f"mkdir -p {ROOT}{place} && mount --rbind {place} {ROOT}{place}")
    run = f"exec chroot {ROOT} {shlex.join(['env', *named, *words])}"
    return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, run])]


def run(words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Runs a command as ``subprocess.run`` does, output and errors together. Where it takes too long, or the test
    is stopped, it is ended with all that it has started: neither a Blender nor its screen lives on."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
    finally:
        end(process)
    return subprocess.CompletedProcess(words, process.returncode, output)


def end(process: subprocess.Popen[str]) -> None:
    """Ends a process that has a group of its own, and everything in that group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def installed_command(folder: Path, server: LocalServer) -> Path:
    """A ``cleanplate`` command for Debian's Blender, which cannot run this machine's Python: its server is one that
    runs outside already."""
    command = folder / "bin" / "cleanplate"
    command.parent.mkdir()
    line = ready_line(ServerReady(address=server.endpoint.address, device="cpu"))
    command.write_text(f"#!/bin/sh\nsleep 2\necho {shlex.quote(line)}\nexec cat >/dev/null\n", encoding="utf-8")
    command.chmod(0o755)
    return command


def take_pictures(case: str, folder: Path) -> str:
    """Takes the pictures of a case with the packaged demo shot; what Blender printed. Raises ``Unavailable``."""
    demo = REPOSITORY / "matte_server" / "demo" / "shot"
    cases = Path(__file__).resolve().parent / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    with LocalServer(["--device", "cpu"]) as server, tempfile.TemporaryDirectory() as place:
        files = [package.build("linux-x64", Path(place)), installed_command(Path(place), server)]
        environment = {"PATH": f"{files[1].parent}:{_PATH}", "PYTHONPATH": f"{REPOSITORY}:{cases}"}
        environment |= {"CLEANPLATE_PICTURES": str(folder.absolute()), "HOME": place}
        words = command(cases / f"{case}.py", demo, place, *files, environment=environment, size=LARGE)
        done = run(words, _CASE_S)
    if done.returncode:
        raise RuntimeError(f"{case} ended with {done.returncode}: {done.stdout[-6000:]}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(take_pictures(sys.argv[1], Path(sys.argv[2]))) if len(sys.argv) == 3 else make()
    except Unavailable as reason:
        sys.exit(str(reason))
