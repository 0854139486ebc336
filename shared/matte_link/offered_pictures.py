"""The pictures that requests name by digest, and whether the server has each of them. Owns no socket.

A picture that several frames need, above all the clean plate, crosses the wire once. A request names it by its
digest, and before the request is sent the client finds out whether the server has the picture::

    client                                 server
    Store(digest, no data)       ->
                                 <-  Stored                          it has the picture: send the request
                                 <-  Failure("clean_plate_unknown")  it does not:
    Store(digest, data)          ->                                  send the picture, and the request right after

A large picture is sent in parts instead, and the request once the server has all of them: see
:mod:`matte_link.part_upload`.

The server may have a picture from another client, and may lose it by a restart or for lack of space. It then
answers the request with Failure("<role>_unknown"), and the picture is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Optional

from .messages import (
    Blob,
    Digest,
    Failure,
    Inline,
    Job,
    Matte,
    Message,
    Store,
    Stored,
    digest_of,
    new_id,
)
from .part_size import SMALLEST_PART
from .part_upload import PartUpload
from .roles import AnyJob, sources_of, with_sources

_KEPT = 4
"""How many of the latest pictures are kept while no request names them: the next frame is likely to."""


@dataclass
class _OfferedPicture:
    """One picture and what is known of it on the server's side."""

    data: Blob
    name: str
    is_stored: bool = False
    """Whether the server has it, or it is on its way there."""
    question_id: str = ""
    """The id of the Store without data that asks for it, while that has no answer."""
    upload_id: str = ""
    """The id of the last Store that carried its data."""
    was_refused: bool = False
    """Whether the server had no room for that upload."""
    parts: Optional[PartUpload] = None
    """How it is sent where it is large."""
    failure: Optional[Failure] = None
    """Why the server did not take a part of it."""


class OfferedPictures:
    """Pictures by digest. ``send`` puts a message on the wire, or drops it while there is no connection.
    ``largest_whole`` returns the bytes of the largest picture that is sent in one piece, which may become less."""

    def __init__(self, send: Callable[[Message], None], largest_whole: Callable[[], int]) -> None:
        self._send = send
        self._largest_whole = largest_whole
        self._pictures: dict[str, _OfferedPicture] = {}
        """By digest; the latest one comes last."""

    def __len__(self) -> int:
        return len(self._pictures)

    def __contains__(self, digest: str) -> bool:
        return digest in self._pictures

    def hold(self, picture: Inline) -> Digest:
        """Keeps a picture's bytes for a server that turns out to lack them, and returns its digest."""
        data = picture.data
        digest = self._digest_of_same(data) or digest_of(data)
        offered = self._pictures.pop(digest, None) or self._offered(digest, picture)
        self._pictures[digest] = offered
        # The latest bytes object replaces an equal older one: it is the one that is likely to come again.
        offered.data, offered.failure = data, None
        if offered.parts:
            offered.parts.replace(data)
        return Digest(digest)

    def _offered(self, digest: str, picture: Inline) -> _OfferedPicture:
        parts = self._in_parts(digest, picture) if _bytes(picture) > self._largest_whole() else None
        return _OfferedPicture(data=picture.data, name=picture.name, parts=parts)

    def _in_parts(self, digest: str, picture: Inline) -> PartUpload:
        return PartUpload(digest, picture.data, picture.name, self._send)

    def send_in_parts(self, digests: Iterable[str]) -> None:
        """Has these pictures sent in parts from now on, except those that are no larger than the smallest part."""
        for digest in [digest for digest in digests if digest in self]:
            [picture] = self.held([digest])
            if not self.is_large(digest) and _bytes(picture) > SMALLEST_PART:
                self._pictures[digest].parts = self._in_parts(digest, picture)

    def _digest_of_same(self, data: Blob) -> str:
        """The digest of the very object that was hashed before, without hashing it again; empty if there is
        none."""
        if not isinstance(data, bytes):
            return ""
        return next((digest for digest, offered in self._pictures.items() if offered.data is data), "")

    def held(self, digests: Iterable[str]) -> list[Inline]:
        """The pictures of these digests that are kept here."""
        kept = (self._pictures[digest] for digest in digests if digest in self._pictures)
        return [Inline(data=offered.data, name=offered.name) for offered in kept]

    def name_pictures(self, request: AnyJob, all_of_them: bool = False) -> AnyJob:
        """The request with its inline clean plate held and named by digest; a Learn, a Matte with neighbours, or if
        ``all_of_them``, all its pictures."""
        in_sequence = all_of_them or not isinstance(request, Matte) or bool(request.before or request.after)
        return self._named(request, lambda role, picture: in_sequence or role == "clean_plate")

    def name_large(self, request: AnyJob) -> AnyJob:
        """The request with every inline picture named that is too large to be sent in one piece."""
        return self._named(request, lambda role, picture: _bytes(picture) > self._largest_whole())

    def _named(self, request: AnyJob, is_to_name: Callable[[str, Inline], bool]) -> AnyJob:
        inline = {role: each for role, each in sources_of(request).items() if isinstance(each, Inline)}
        named = {role: self.hold(picture) for role, picture in inline.items() if is_to_name(role, picture)}
        return with_sources(request, named) if named else request

    def forget_unused(self, in_use: Collection[str]) -> None:
        """Drops old pictures whose digests are not ``in_use``, so that a long sequence does not fill the memory."""
        for digest in list(self._pictures)[:-_KEPT]:
            if digest not in in_use:
                del self._pictures[digest]

    def is_stored(self, digest: str) -> bool:
        """Whether the server has the picture, or it is on its way there."""
        return self._pictures[digest].is_stored

    def is_large(self, digest: str) -> bool:
        """Whether the picture is sent in parts."""
        return self._pictures[digest].parts is not None

    def mark_stored(self, digest: str) -> None:
        """Notes that the server has the picture."""
        self._pictures[digest].is_stored = True

    def forget_server(self) -> None:
        """Assumes nothing any longer about what the server has: the connection is new, and the server may be
        too."""
        for offered in self._pictures.values():
            offered.is_stored, offered.question_id, offered.was_refused = False, "", False
            if offered.parts:
                offered.parts.stop()

    def ask_for_missing(self, digests: Iterable[str]) -> bool:
        """Asks the server about each of these pictures that it may lack; returns whether there was one.

        A picture that the server is being asked about is not asked about twice.
        """
        missing = [digest for digest in digests if digest in self and not self.is_stored(digest)]
        for digest in missing:
            offered = self._pictures[digest]
            self._shrink(digest, offered)
            if offered.parts:
                if not offered.parts.is_under_way:
                    offered.failure = None
                    offered.parts.begin()
            elif not offered.question_id:
                offered.question_id = new_id()
                self._send(Store(offered.question_id, digest=digest, data=b"", name=offered.name))
        return bool(missing)

    def _shrink(self, digest: str, offered: _OfferedPicture) -> None:
        """Has a picture sent in parts that is too large for one piece since the link turned out to be slow."""
        picture = Inline(data=offered.data, name=offered.name)
        if not offered.parts and not offered.question_id and _bytes(picture) > self._largest_whole():
            offered.parts = self._in_parts(digest, picture)

    def are_in_parts(self, digests: Iterable[str]) -> bool:
        """Whether parts of one of these pictures are under way."""
        offered = (self._pictures[digest] for digest in digests if digest in self)
        return any(each.parts is not None and each.parts.is_under_way for each in offered)

    def stop_upload(self, digest: str) -> None:
        """Sends no further parts of a picture that nobody needs any more."""
        offered = self._pictures.get(digest)
        if offered and offered.parts:
            offered.parts.stop()

    def upload(self, digest: str) -> None:
        """Sends a picture's bytes; those of a large one in parts, once the server has said which it lacks."""
        offered = self._pictures[digest]
        if offered.parts:
            offered.is_stored = False
            return
        offered.upload_id = new_id()
        offered.is_stored, offered.failure = True, None
        self._send(Store(offered.upload_id, digest=digest, data=offered.data, name=offered.name))

    def deliver(self, message: Message) -> str:
        """Takes the server's answer to a Store or a StorePart: uploads the picture where the server lacks it.
        Returns its digest once requests that name it can go, or fail: see :meth:`failure_of`. Any other message
        returns an empty text."""
        for digest, offered in self._pictures.items():
            if offered.parts and offered.parts.takes(message):
                return "" if offered.parts.is_under_way else self._end_upload(digest, message)
            if offered.question_id == message.id:
                offered.question_id = ""
                if isinstance(message, Stored):
                    offered.is_stored = True
                else:
                    self.upload(digest)
                return digest
            if offered.upload_id == message.id:
                return self._end_whole_upload(digest, message)
        return ""

    def _end_whole_upload(self, digest: str, message: Message) -> str:
        """What :meth:`deliver` returns for the answer to a picture that was sent in one piece."""
        offered = self._pictures[digest]
        code = message.code if isinstance(message, Failure) else ""
        offered.was_refused = code == "busy"
        # A damaged picture is sent again once the server says that it lacks it.
        return self._end_upload(digest, message) if code not in ("", "busy", "wrong_digest") else ""

    def _end_upload(self, digest: str, message: Message) -> str:
        offered = self._pictures[digest]
        offered.is_stored = isinstance(message, Stored)
        offered.failure = message if isinstance(message, Failure) else None
        return digest

    def failure_of(self, digest: str) -> Optional[Failure]:
        """Why the server did not take the picture when it was sent last; None where it took it."""
        return self._pictures[digest].failure

    def take_refusal(self, digest: str) -> bool:
        """Whether the server had no room for the picture; it then counts as missing again."""
        offered = self._pictures[digest]
        if not offered.was_refused:
            return False
        offered.is_stored, offered.was_refused = False, False
        return True


def _bytes(picture: Inline) -> int:
    return memoryview(picture.data).nbytes


def digests_named(request: Job) -> list[str]:
    """The digests that a request names."""
    return [source.digest for source in sources_of(request).values() if isinstance(source, Digest)]
