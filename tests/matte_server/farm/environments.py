"""The farms' own programs, each in an environment of its own beside the checkout's.

python tests/matte_server/farm/environments.py      makes them all; needs uv and a package index
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = {
    "openjd": ("openjd-cli>=0.8,<0.9", "deadline>=0.60,<0.61"),
    # pyoutline imports packaging without asking for it.
    "opencue": ("opencue-pyoutline>=1.37,<1.38", "packaging>=24,<27"),
}
_INSTALL_S = 600


class Missing(Exception):
    """Why an environment is not there."""


def environment(name: str) -> Path:
    """The environment's folder of programs, made where it is not there yet; raises :class:`Missing`."""
    folder = REPOSITORY / ".venvs" / name
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        # Suites run side by side, and each may be the first to want it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(name, folder)
    return folder / "bin"


def _make(name: str, folder: Path) -> None:
    ready = folder / "ready"
    if not ready.exists():
        uv = shutil.which("uv")
        if uv is None:
            raise Missing(f"uv is not installed, so the {name} environment cannot be made")
        make = [uv, "venv", "--quiet", "--clear", "--python", f"{sys.version_info.major}.{sys.version_info.minor}"]
        _run([*make, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *PACKAGES[name]])
        ready.touch()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        raise Missing(f"{' '.join(command[:3])} took longer than {_INSTALL_S} s") from None
    if done.returncode:
        raise Missing(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")


if __name__ == "__main__":
    for wanted in PACKAGES:
        print(environment(wanted))
