"""What :mod:`.doctor` looks at: versions, devices, picture formats, memory, spool and the server."""

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
from matte_link.files import disk_words
from matte_link.port_owner import is_another_users
from matte_link.sequence import counted

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
    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding(what="Python", found=system)
    yield Finding(what="packages", found=", ".join(f"{name} {version(name)}" for name in _PACKAGES))


def _devices() -> Iterator[Finding]:
    # Imported here: only this command and the workers pay for torch.
    import torch

    from ..pixels.device_facts import found_devices

    cores = counted(psutil.cpu_count() or 1, "core")
    yield Finding(what="cpu", found=f"{cores}, {counted(torch.get_num_threads(), 'thread')} in torch")
    devices = list(found_devices())
    for device in devices:
        yield Finding(what=device.name, found=device.label, remedy=device.note)
    if not devices:
        yield Finding(
            what="gpu",
            found="none that torch can use",
            remedy="Networks run on the CPU, slowly; install a torch for your GPU.",
        )


def _formats() -> Iterator[Finding]:
    known = known_formats()
    missing = [name for name in _FORMATS if name not in known]
    yield Finding(
        what="picture formats",
        found=f"{len(known)} known, {', '.join(_FORMATS)} wanted",
        fails=bool(missing),
        remedy=f"OpenImageIO lacks {', '.join(missing)}; install its official wheel." if missing else "",
    )


def _room() -> Iterator[Finding]:
    free = psutil.virtual_memory().available
    small = free < _LEAST_MEMORY
    yield Finding(
        what="memory",
        found=f"{free / _GIB:.1f} GB free",
        fails=small,
        remedy="4K frames need 4 GB; close something." if small else "",
    )
    try:
        parent = default_parent()
    except OSError as error:
        yield Finding(what="spool", found=disk_words(error), fails=True, remedy="Name a folder in TMPDIR.")
        return
    room = shutil.disk_usage(parent).free
    tight = room < _LEAST_SPOOL
    yield Finding(
        what="spool",
        found=f"{room / _GIB:.1f} GB free in {parent}",
        fails=tight,
        remedy="Free a gigabyte there, or set TMPDIR." if tight else "",
    )


def _server(endpoint: Endpoint) -> Finding:
    what = f"server {endpoint.address}"
    try:
        with MatteClient(endpoint) as client:
            pong = client.ping(1.0)
        whose = " for another user" if endpoint.is_loopback and is_another_users(endpoint.address) else ""
        return Finding(what=what, found=f"version {pong.version} answers{whose}")
    except LinkError as error:
        if not endpoint.is_loopback:
            remedy = "Check the address, the keys and the firewall."
            return Finding(what=what, found=error.message, fails=True, remedy=remedy)
        if _taken(endpoint.address):
            remedy = "Choose another with --bind and CLEANPLATE_SERVER."
            return Finding(what=what, found="another program has this port", fails=True, remedy=remedy)
        remedy = "'cleanplate matte' starts one for itself."
        return Finding(what=what, found="none runs; the port is free", remedy=remedy)


def _taken(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket(socket.AF_INET6 if ":" in str(parts.hostname) else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((str(parts.hostname), parts.port or 0)) == 0
