"""Real Blender for the tests, one environment per version: made on a bare machine, kept in ``.venvs``.

python tests/plugin_blender/environments.py      makes all that can be had
"""

from __future__ import annotations

import ctypes.util
import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PYZMQ = "26.4.0"
# What Blender loads at its start and a bare machine lacks: library -> Debian package.
_LIBRARIES = {
    "X11": "libx11-6",
    "Xext": "libxext6",
    "Xfixes": "libxfixes3",
    "Xi": "libxi6",
    "Xrender": "libxrender1",
    "xkbcommon": "libxkbcommon0",
    "SM": "libsm6",
    "GL": "libgl1",
}
_MAKE_S = 900


class Unavailable(Exception):
    """This Blender cannot be had here; the sentence says why."""


@dataclass(frozen=True)
class Version:
    """A Blender, as its Python package."""

    name: str
    package: str
    python: str

    @property
    def folder(self) -> Path:
        """Its environment."""
        return REPOSITORY / ".venvs" / self.name

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"


VERSIONS = (
    Version(name="bpy45", package="4.5.15", python="3.11"),
    Version(name="bpy50", package="5.0.1", python="3.11"),
    Version(name="bpy52", package="5.2.3", python="3.13"),
)


def ensure(version: Version) -> Path:
    """The interpreter of a working environment, made where there is none; raises ``Unavailable``."""
    version.folder.parent.mkdir(exist_ok=True)
    with (version.folder.parent / f"{version.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _ensure_libraries()
        if not _works(version):
            shutil.rmtree(version.folder, ignore_errors=True)
            _make(version)
    return version.interpreter


def _works(version: Version) -> bool:
    return version.interpreter.exists() and _installed(version, "bpy") and _installed(version, "zmq")


def _installed(version: Version, module: str) -> bool:
    # bpy is a library, no Python file.
    return any(version.folder.glob(f"lib/python{version.python}/site-packages/{module}/__init__.*"))


def _ensure_libraries() -> None:
    missing = [package for library, package in _LIBRARIES.items() if not ctypes.util.find_library(library)]
    if not missing:
        return
    wish = f"apt-get install {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"Blender needs libraries that are not here: {wish}")
    _run(["apt-get", "update", "-q"])
    _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing])


def _make(version: Version) -> None:
    uv = shutil.which("uv")
    if not uv:
        raise Unavailable("uv is not here, which makes the environments")
    _run([uv, "venv", "-q", "--python", _python(version), str(version.folder)])
    wanted = [f"bpy=={version.package}", f"pyzmq=={PYZMQ}"]
    _run([uv, "pip", "install", "-q", "--python", str(version.interpreter), *wanted])


def _python(version: Version) -> str:
    """A Python of the wanted kind: one that is installed, else the name, for which uv looks itself."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{version.python}.*/bin/python"))
    return str(found[-1]) if found else version.python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_MAKE_S, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"'{' '.join(command[:4])} ...' failed: {lines[-1] if lines else 'it printed nothing'}")


def main() -> int:
    """Makes every environment; 1 where one cannot be had."""
    failed = 0
    for version in VERSIONS:
        try:
            print(f"Blender {version.package}: {ensure(version)}", flush=True)
        except Unavailable as reason:
            failed = 1
            print(f"Blender {version.package}: {reason}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
