"""``cleanplate doctor``: what is here, what would fail, and what to do about it."""

from __future__ import annotations

import platform
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

import psutil
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError

from ..io.exr import known_formats
from ..server.spool import default_parent

_PACKAGES = ("cleanplate", "torch", "numpy", "opencv-python-headless", "OpenImageIO", "pyzmq", "av")
_LEAST_MEMORY = 4 << 30
_LEAST_SPOOL = 1 << 30
_GIB = 1 << 30
_FORMATS = ("openexr", "png", "tiff", "jpeg", "dpx")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``remedy`` is what to do where ``fails``, or what would make it better."""

    what: str
    found: str
    fails: bool = False
    remedy: str = ""

    def __str__(self) -> str:
        mark = "FAIL" if self.fails else "ok  "
        return f"{mark} {self.what}: {self.found}" + (f"\n       {self.remedy}" if self.remedy else "")


def examine(endpoint: Endpoint) -> list[Finding]:
    """Looks at everything; changes nothing."""
    return [*_versions(), *_devices(), *_formats(), *_room(), _server(endpoint)]


def _versions() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES))


def _devices() -> Iterator[Finding]:
    # Imported here: only this command and the workers pay for torch.
    import torch

    yield Finding("cpu", f"{psutil.cpu_count()} cores, {torch.get_num_threads()} threads in torch")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            yield Finding(f"cuda:{index}", f"{facts.name}, {facts.total_memory / _GIB:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Finding("mps", "Apple GPU")
    else:
        yield Finding(
            "gpu",
            "none that torch can use",
            remedy="Networks run on the CPU, slowly; install a torch for your GPU.",
        )


def _formats() -> Iterator[Finding]:
    known = known_formats()
    missing = [name for name in _FORMATS if name not in known]
    yield Finding(
        "picture formats",
        f"{len(known)} known, {', '.join(_FORMATS)} wanted",
        bool(missing),
        f"OpenImageIO lacks {', '.join(missing)}; install its official wheel." if missing else "",
    )


def _room() -> Iterator[Finding]:
    free = psutil.virtual_memory().available
    small = free < _LEAST_MEMORY
    yield Finding(
        "memory", f"{free / _GIB:.1f} GB free", small, "4K frames need 4 GB; close something." if small else ""
    )
    parent = default_parent()
    room = shutil.disk_usage(parent).free
    tight = room < _LEAST_SPOOL
    yield Finding(
        "spool",
        f"{room / _GIB:.1f} GB free in {parent}",
        tight,
        "Free a gigabyte there, or set TMPDIR." if tight else "",
    )


def _server(endpoint: Endpoint) -> Finding:
    what = f"server {endpoint.address}"
    try:
        with MatteClient(endpoint) as client:
            pong = client.ping(1.0)
        return Finding(what, f"version {pong.version} answers")
    except LinkError as error:
        if not endpoint.is_loopback:
            return Finding(what, error.message, True, "Check the address, the keys and the firewall.")
        if _taken(endpoint.address):
            return Finding(
                what, "another program has this port", True, "Choose another with --bind and CLEANPLATE_SERVER."
            )
        return Finding(what, "none runs; the port is free", remedy="'cleanplate matte' starts one for itself.")


def _taken(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket(socket.AF_INET6 if ":" in str(parts.hostname) else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((str(parts.hostname), parts.port or 0)) == 0
