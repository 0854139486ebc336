"""Installs the matting server into a Python environment of its own, beside Blender's. Does not import bpy.

The environment lies in one folder, so that it can be removed as a whole. An installation that was cancelled goes on
where it was: what pip has downloaded is in its cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .plan import NodeError

_UV = "uv>=0.9,<1"
"""Installs torch without CUDA where pip would have to be told an index of its own."""
_OLDEST, _NEWEST = (3, 11), (3, 13)
_STOP_S = 5.0
_READY = "ready.txt"
_LOG = "setup.log"


def command_in(folder: Path) -> str:
    """The server's command in an environment that is complete; empty where there is none."""
    command = _script(folder, "cleanplate")
    return str(command) if (folder / _READY).exists() and command.exists() else ""


def _script(folder: Path, name: str) -> Path:
    return folder / "Scripts" / f"{name}.exe" if os.name == "nt" else folder / "bin" / name


def remove(folder: Path) -> None:
    """Deletes the environment; raises ``NodeError``."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise NodeError(
            f"{error.filename} cannot be deleted: {error.strerror}.", "Stop the server first."
        ) from None


class ServerSetup:
    """One installation: call :meth:`poll` until it returns False. Raises ``NodeError`` where it cannot begin."""

    def __init__(self, folder: Path, package: str, cpu_only: bool) -> None:
        if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
            raise NodeError(
                f"The server needs Python 3.11 to 3.13, and this Blender runs {sys.version.split()[0]}.",
                "Install the server as its README says, and name its command in the preferences.",
            )
        self.folder = folder
        self.step = ""
        self.cancelled = False
        self._waiting = _steps(folder, package, cpu_only)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _READY).unlink(missing_ok=True)
        (folder / _LOG).write_bytes(b"")

    def poll(self) -> bool:
        """Goes on to the next step where one has ended; whether there is more to do. Raises ``NodeError``."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return True
            self._process = None
            if code and not self.cancelled:
                raise NodeError(f"The server could not be set up: {self.last_line}", f"See {self.folder / _LOG}.")
        if self.cancelled:
            return False
        if not self._waiting:
            (self.folder / _READY).write_text("Set up by the Blender add-on.\n", encoding="utf-8")
            return False
        self.step, command = self._waiting.pop(0)
        with (self.folder / _LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        return True

    @property
    def last_line(self) -> str:
        """What pip has printed last."""
        text = (self.folder / _LOG).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""

    def cancel(self) -> None:
        """Stops the installation; it can be continued later."""
        self.cancelled = True
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _steps(folder: Path, package: str, cpu_only: bool) -> list[tuple[str, Sequence[str]]]:
    """What is to be run, in order: a step that was done before is left out."""
    python = _script(folder, "python")
    steps: list[tuple[str, Sequence[str]]] = []
    if not python.exists() or not _script(folder, "pip").exists():
        steps.append(("Making the environment", [sys.executable, "-m", "venv", str(folder)]))
    install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    if cpu_only:
        steps.append(("Installing uv", [*install, _UV]))
        install = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "--torch-backend", "cpu"]
    steps.append(("Installing the server", [*install, package]))
    return steps
