"""The messages that carry pictures to the server beside requests, and results back in parts.

They are part of :mod:`matte_link.messages`, which passes them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .message_id import check_id
from .picture_sources import Blob, check_digest
from .plain_text import printable_name


@dataclass(frozen=True)
class Store:
    """Keep this picture under its digest. Without ``data``: say whether the picture is stored.

    The reply is Stored; Failure("clean_plate_unknown") to a question about a picture that is not stored, whatever
    its role; or Failure("busy") if there is no room for it.
    """

    id: str
    digest: str
    data: Blob
    name: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_digest(self.digest)
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class StorePart:
    """Keep the bytes from ``offset`` on of a picture that has ``size`` bytes in all; without ``data``, say how many
    of its bytes the server has. See :mod:`matte_link.part_upload`."""

    id: str
    digest: str
    size: int
    offset: int = 0
    data: Blob = b""
    name: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_digest(self.digest)
        if not 0 <= self.offset <= self.offset + len(self.data) <= self.size:
            raise ValueError("a part of a picture lies within its size.")
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class Stored:
    """The picture is kept under this digest."""

    id: str
    digest: str


@dataclass(frozen=True)
class PartStored:
    """The first ``received`` bytes of the picture are kept under this digest; more are to come."""

    id: str
    digest: str
    received: int


@dataclass(frozen=True)
class FetchResult:
    """Send the bytes from ``offset`` on, at most ``length``, of the result of this client's Matte whose id is
    ``target``. See :mod:`matte_link.result_download`."""

    id: str
    target: str
    length: int
    offset: int = 0

    def __post_init__(self) -> None:
        check_id(self.id)
        check_id(self.target)
        if self.offset < 0 or self.length < 0:
            raise ValueError("a part of a result has no negative offset or length.")


@dataclass(frozen=True)
class ResultPart:
    """Bytes of a result that has ``size`` bytes in all. ``result`` names what was computed: a frame that is
    computed again has another name; empty where the server has no result to send. ``diagnostics``, as in a
    MatteReply, come with the part at offset 0."""

    id: str
    result: str = ""
    size: int = 0
    offset: int = 0
    data: Blob = b""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
