"""Where the bytes of a picture are that a message speaks of: in the message, on a shared disk, or stored before.

Other modules import these from :mod:`matte_link.messages`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Union

from .plain_text import check_text, printable_name

Blob = Union[bytes, memoryview]
"""A picture's bytes; a memoryview is what the socket received, not copied."""

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(data: Blob) -> str:
    """The digest that names a picture: BLAKE2b of its bytes, 32 bytes long, in hex."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def check_digest(value: str) -> None:
    """Raises ``ValueError`` unless ``value`` looks like a digest of :func:`digest_of`."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise ValueError("a digest is 64 lower-case hexadecimal digits.")


@dataclass(frozen=True)
class Inline:
    """A picture that is sent along: the bytes of a whole file, EXR or any other format that the server reads."""

    data: Blob
    name: str = ""
    """The file's name without its folder. The server reads the format from its ending, and names it in errors.
    Characters that a terminal would act on are replaced."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class OnDisk:
    """A picture that the server opens itself; the path must lie inside one of its allowed roots."""

    path: str
    frame: int = 0
    """The frame number inside a movie file; 0 for a still."""

    def __post_init__(self) -> None:
        check_text(self.path, "a path")


@dataclass(frozen=True)
class Digest:
    """A picture that was stored on the server before, named by the digest of its bytes."""

    digest: str

    def __post_init__(self) -> None:
        check_digest(self.digest)


Source = Union[Inline, OnDisk, Digest]
