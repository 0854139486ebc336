"""Finds the libraries that came with the plugin. Standard library only; safe to run at any time."""

from __future__ import annotations

import functools
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "vendor"
SHARED = ROOT.parent / "shared"
"""Where matte_link lies in a checkout; a built folder has it beside init.py."""


def tag() -> str:
    """This interpreter's folder, for example ``cp311-linux-x86_64``; one for both processors of macOS."""
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    if sys.platform == "darwin":
        return f"{python}-macos"
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{python}-{'windows' if sys.platform == 'win32' else 'linux'}-{machine}"


def add_paths() -> None:
    """Makes ``cleanplate_node``, ``matte_link`` and ``zmq`` importable; a host's own zmq is not replaced."""
    for folder in (VENDOR / tag(), SHARED, ROOT):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))


@functools.cache
def trouble() -> str:
    """One sentence where the plugin cannot work on this interpreter, else empty. Looked at once, since a failing
    import takes its time and this is asked in every event."""
    try:
        import matte_link
        import zmq
    except ImportError as error:
        there = sorted(path.name for path in VENDOR.glob("cp*")) if VENDOR.is_dir() else []
        return (
            f"Cleanplate cannot load {error.name or 'its libraries'} for {tag()}: {error}. "
            f"This folder was built for {', '.join(there) or 'no platform'}; "
            "build it again with 'python plugin_nuke/package.py'."
        )
    del matte_link, zmq
    return ""
