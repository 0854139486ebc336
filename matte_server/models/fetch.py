"""Downloading weights: only when the user says so, whole or not at all, and only those that were asked for."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import MatteError
from .architectures import Architecture, recognise
from .weights import folders, read_weights

_V2 = "https://github.com/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0/pytorch_{}.pth"
_DEEPLAB = "https://download.pytorch.org/models/deeplabv3_{}.pth"
_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """Where weights come from: their name here, the address, the licence in plain words, and the first digits of
    their SHA-256 where their publisher states them."""

    name: str
    address: str
    licence: str
    digest: str = ""

    @property
    def file(self) -> str:
        return Path(urlsplit(self.address).path).name


SOURCES: tuple[Source, ...] = (
    *(Source(f"v2_{name}", _V2.format(name), "MIT") for name in ("resnet50", "mobilenetv2", "resnet101")),
    Source("deeplabv3_resnet101", _DEEPLAB.format("resnet101_coco-586e9e4e"), "BSD-3-Clause", "586e9e4e"),
    Source("deeplabv3_resnet50", _DEEPLAB.format("resnet50_coco-cd0a2569"), "BSD-3-Clause", "cd0a2569"),
)


def source_of(name: str, address: str = "") -> Source:
    """The source of that name, from ``address`` instead of its own where that is given. Raises ``MatteError``
    with the codes no_source and bad_address."""
    known = next((source for source in SOURCES if source.name == name), None)
    if name == "v1":
        raise MatteError(
            "no_source",
            "V1's weights are for non-commercial use, and lie where only a person can agree to that.",
            "'cleanplate models' says where; then: cleanplate models use FILE.",
        )
    if known is None:
        raise MatteError(
            "no_source", f"There are no weights {name!r}.", f"There are {', '.join(each.name for each in SOURCES)}."
        )
    source = Source(known.name, address or known.address, known.licence, known.digest)
    parts = urlsplit(source.address)
    if not source.file or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))):
        raise MatteError("bad_address", f"{source.address} is not an https address of a file.")
    return source


def _is_here(host: str | None) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")


def fetch(source: Source, told: Told) -> Path:
    """Downloads ``source`` into the first of :func:`weights.folders` and returns where it lies; what is there
    already is left alone. ``told`` hears bytes done and in all (0 where that is unknown). Raises ``MatteError``:
    download_failed, bad_weights, cannot_write."""
    target = folders()[0] / source.file
    if target.exists():
        return target
    # Keeps the suffix: readers go by it.
    partial = target.with_name(f".{os.getpid()}.part.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(source.address, partial, told)
        _check(source, partial, digest)
        partial.replace(target)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise MatteError(
            "download_failed",
            f"{source.address} cannot be downloaded: {reason}.",
            "Get the file by other means, then: cleanplate models use FILE.",
        ) from error
    except OSError as error:
        raise MatteError("cannot_write", f"{target} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _download(address: str, partial: Path, told: Told) -> str:
    """Writes the file; returns its SHA-256."""
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer, partial.open("wb") as file:
        whole = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(_CHUNK):
            file.write(block)
            digest.update(block)
            done += len(block)
            told(done, whole)
    if whole and done != whole:
        raise ConnectionError(f"it ended after {done} of {whole} bytes")
    return digest.hexdigest()


def _check(source: Source, partial: Path, digest: str) -> None:
    if not digest.startswith(source.digest):
        raise MatteError(
            "bad_weights",
            f"What {source.address} gave is not the file that its publisher describes: SHA-256 {digest[:8]}... "
            f"instead of {source.digest}....",
        )
    found: Architecture | None = recognise(read_weights(partial))
    if found is None or found.name != source.name:
        label = found.label if found else "no network that runs here"
        raise MatteError("bad_weights", f"What {source.address} gave is weights of {label}, not {source.name}.")
