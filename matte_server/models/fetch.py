"""Downloads weights from the named address, whole or not at all, only when the user asks for it."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import MatteError
from .architectures import recognise
from .network_table import ARCHITECTURES, FETCHABLE, V1, Download
from .weights import folders
from .weights_reader import read_weights

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
DownloadProgress = Callable[[int, int], None]
"""Called with the bytes that have arrived, and with the size of the file in bytes (0 where it is not known)."""


@dataclass(frozen=True)
class Source:
    """The weights to download: the name of their network in :data:`network_table.ARCHITECTURES`, and from where."""

    name: str
    download: Download

    @property
    def file(self) -> str:
        """The file's name, here as at its publisher's."""
        return Path(urlsplit(self.download.address).path).name


def source_of(name: str, address: str = "") -> Source:
    """Where the weights called ``name`` come from: ``address``, or their publisher's where that is empty. Raises
    ``MatteError`` with the codes no_source and bad_address."""
    if name == V1:
        raise MatteError(
            "no_source",
            "V1's weights cannot be downloaded from here: their licence forbids commercial use, and a person has "
            "to accept it first.",
            "'cleanplate models' says where they are; then run: cleanplate models use FILE.",
        )
    download = next((each.download for each in ARCHITECTURES if each.name == name), None)
    if download is None:
        raise MatteError(
            "no_source", f"There are no weights {name!r} to download.", f"There are {', '.join(FETCHABLE)}."
        )
    source = Source(name=name, download=replace(download, address=address or download.address))
    if not source.file or not _may_fetch(source.download.address):
        raise MatteError("bad_address", f"{source.download.address} is not an https address of a file.")
    return source


def _may_fetch(address: str) -> bool:
    """Whether weights may come from there: over https, or from this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))


def _is_here(host: str | None) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")


def fetch(source: Source, on_progress: DownloadProgress) -> Path:
    """Downloads ``source`` into the first of :func:`weights.folders` and returns the file's path. A file of that
    name that is there already is not downloaded again. Raises ``MatteError``: download_failed, bad_weights,
    cannot_write."""
    target = folders()[0] / source.file
    if target.exists():
        return target
    # The partial file keeps its suffix, by which readers tell what it is.
    partial = target.with_name(f".{os.getpid()}.part.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(source.download.address, partial, on_progress)
        _check(source, partial, digest)
        partial.replace(target)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise MatteError(
            "download_failed",
            f"{source.download.address} cannot be downloaded: {reason}.",
            "Get the file by other means, then run: cleanplate models use FILE.",
        ) from error
    except OSError as error:
        raise MatteError("cannot_write", f"{target} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _download(address: str, partial: Path, on_progress: DownloadProgress) -> str:
    """Writes the file at ``address`` to ``partial`` and returns its SHA-256 in hex. Raises ``OSError``."""
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer, partial.open("wb") as file:
        whole = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(_CHUNK):
            file.write(block)
            digest.update(block)
            done += len(block)
            on_progress(done, whole)
    if whole and done != whole:
        raise ConnectionError(f"it ended after {done} of {whole} bytes")
    return digest.hexdigest()


def _check(source: Source, partial: Path, digest: str) -> None:
    download = source.download
    if not digest.startswith(download.digest):
        raise MatteError(
            "bad_weights",
            f"The file at {download.address} is not the one that its publisher describes: its SHA-256 begins with "
            f"{digest[:8]}, not with {download.digest}.",
        )
    found = recognise(read_weights(partial))
    if found is None or found.name != source.name:
        label = found.label if found else "no network that runs here"
        raise MatteError(
            "bad_weights", f"The file at {download.address} holds weights of {label}, not of {source.name}."
        )
