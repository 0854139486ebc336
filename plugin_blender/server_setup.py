"""Installs the matting server into a Python environment of its own, beside Blender's. Does not import bpy.

The environment lies in one folder, so that it can be removed as a whole. An installation that was cancelled goes on
where it was: what pip has downloaded is in its cache.

Offline nothing is asked of any network: the package is a file, and what it needs lies beside it. pip's settings,
which may name an index or a folder elsewhere, are left out then, and a dead proxy takes what a wheel's own metadata
may still point to.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .plan import NodeError

_UV = "uv>=0.9,<1"
"""Installs torch without CUDA where pip would have to be told an index of its own."""
_OLDEST, _NEWEST = (3, 11), (3, 13)
_STOP_S = 5.0
_IS_WINDOWS = os.name == "nt"
_TASKKILL = ("taskkill", "/T", "/F", "/PID")
"""Windows's own: ends a process with all that descend from it."""
_READY = "ready.txt"
_LOG = "setup.log"
_TEMPORARY = "temporary"
"""For pip, which needs gigabytes there: a system's folder may lack the room, and keeps them after a cancel."""
_NOWHERE = "http://127.0.0.1:9"
_SETTINGS = ("PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


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
    """One installation: call :meth:`poll` until it returns False. Raises ``NodeError`` where it cannot begin.

    ``package`` is what pip installs. With ``offline`` it is a wheel or a checkout, by its absolute path, and what
    it needs is taken from its folder alone; ``cpu_only`` has no say then, as that folder has one PyTorch.
    """

    def __init__(self, folder: Path, package: str, cpu_only: bool, offline: bool = False) -> None:
        refused = obstacle(package, offline)
        if refused:
            raise refused
        self.folder = folder
        self.step = ""
        self.cancelled = False
        self._beside = Path(package).parent if offline else None
        self._environment = _environment(folder, offline)
        self._waiting = _steps(folder, package, cpu_only, self._beside)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _READY).unlink(missing_ok=True)
        (folder / _LOG).write_bytes(b"")
        self._clear_temporary()
        (folder / _TEMPORARY).mkdir(exist_ok=True)  # Windows may not let it go at once

    def poll(self) -> bool:
        """Goes on to the next step where one has ended; whether there is more to do. Raises ``NodeError``."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return True
            self._process = None
            if code and not self.cancelled:
                self._clear_temporary()
                raise NodeError(f"The server could not be set up: {self.last_line}", self._advice)
        if self.cancelled:
            return False
        if not self._waiting:
            self._clear_temporary()
            (self.folder / _READY).write_text("Set up by the Blender add-on.\n", encoding="utf-8")
            return False
        self.step, command = self._waiting.pop(0)
        with (self.folder / _LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                # pip builds a checkout in processes of its own, which are to end with it.
                start_new_session=True,
            )
        return True

    @property
    def _advice(self) -> str:
        log = f"See {self.folder / _LOG}."
        if self._beside is None:
            return log
        return f"Offline, what it needs must lie in {self._beside}; or Allow Online Access. {log}"

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
            self._end(self._process)
        self._clear_temporary()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if _IS_WINDOWS:
            _end_on_windows(process)
            return
        _signal(process, "SIGTERM")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        _signal(process, "SIGKILL")
        process.wait()

    def _clear_temporary(self) -> None:
        shutil.rmtree(self.folder / _TEMPORARY, ignore_errors=True)


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    """Signals the process and those that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, getattr(signal, name))


def _end_on_windows(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and those that it has started: they are looked up by their parent, which must be alive."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [*_TASKKILL, str(process.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_STOP_S,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    process.kill()
    process.wait()


def obstacle(package: str, offline: bool) -> NodeError | None:
    """Why :class:`ServerSetup` cannot begin in this Blender; None where it can."""
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return NodeError(
            f"The server needs Python 3.11 to 3.13, and this Blender runs {sys.version.split()[0]}.",
            "Install the server as its README says, and name its command in the preferences.",
        )
    if offline and not is_local(package):
        return NodeError(
            # Blender's message is as wide as its preferences, where it is cut off.
            "This needs the internet, and Blender is set to work offline.",
            "Allow Online Access, or name a local wheel, beside which lies what it needs.",
        )
    return None


def is_local(package: str) -> bool:
    """Whether the package is a wheel or a checkout, by its absolute path, and no name for pip to look up."""
    return Path(package).is_absolute() and Path(package).exists()


def _environment(folder: Path, offline: bool) -> Mapping[str, str]:
    """The variables for pip: those of Blender, with a temporary folder that is deleted again."""
    place = str(folder / _TEMPORARY)
    kept = dict(os.environ)
    if offline:
        kept = {name: value for name, value in kept.items() if not name.upper().startswith(_SETTINGS)}
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            kept |= {name: _NOWHERE, name.upper(): _NOWHERE}
        kept |= {"no_proxy": "", "NO_PROXY": "", "PIP_CONFIG_FILE": os.devnull, "GIT_ALLOW_PROTOCOL": "file"}
    return kept | {"TMPDIR": place, "TEMP": place, "TMP": place}


def _steps(folder: Path, package: str, cpu_only: bool, beside: Path | None) -> list[tuple[str, Sequence[str]]]:
    """What is to be run, in order: a step that was done before is left out. ``beside``: the only place that pip may
    take anything from."""
    python = str(_script(folder, "python"))
    steps: list[tuple[str, Sequence[str]]] = []
    if not _script(folder, "python").exists() or not _script(folder, "pip").exists():
        steps.append(("Making the environment", [sys.executable, "-m", "venv", str(folder)]))
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    if beside is not None:
        install += ["--no-index", "--find-links", str(beside), "--retries", "0"]
    elif cpu_only:
        steps.append(("Installing uv", [*install, _UV]))
        # By its own name, not through Python, so that a cancel reaches it on Windows too.
        uv = str(_script(folder, "uv"))
        install = [uv, "pip", "install", "--python", python, "--torch-backend", "cpu"]
    steps.append(("Installing the server", [*install, package]))
    return steps
