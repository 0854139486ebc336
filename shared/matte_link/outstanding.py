"""The requests that have no answer yet: when each one is sent, sent again, delayed or given up. Owns no socket.

The rules, because a host must neither wait for ever nor get a frame twice:

* A request is outstanding until its MatteReply, LearnReply or Failure arrives. Each time the connection comes up,
  every outstanding request is sent (again). The server knows requests by id, so nothing is computed twice.
* A frame that the server had accepted when the connection broke may be done: its result is then fetched in parts
  (see :mod:`matte_link.result_download`), and the request is sent again only where there is none.
* A request on whose way the connection breaks twice is too large for this link: from then on all its pictures are
  named by digest and sent in parts. On a link that was seen to be slow the large ones are so after one break.
* An answer to a request that is not outstanding, such as a second answer, is dropped.
* A request waits until the server has the pictures that it names (see :mod:`matte_link.offered_pictures`). If the
  server loses one meanwhile, the picture and the request are sent again, up to three times for each picture.
* "busy" is not an answer: the request is sent again after 0.25, 0.5, 1, 2, then every 4 seconds. These delays grow
  for each request by itself, and never start over. Large pictures are then named by digest, so that a frame that is
  refused many times is not uploaded many times.
* A large picture is named by digest from the start and sent in parts. What the server answers to a part holds for
  every request that names the picture.
* A picture that is larger than any server takes is not sent: the request is answered "too_large" here.
* A cancelled request is still outstanding, but "busy" and a lost picture end it. One that waits for parts of its
  pictures ends here, and no further parts of pictures that only it needs are sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Optional, Union, cast

from .messages import (
    Accepted,
    Answer,
    Cancel,
    Digest,
    Failure,
    Inline,
    Job,
    Learn,
    LearnReply,
    Matte,
    MatteReply,
    Message,
    Progress,
    new_id,
)
from .offered_pictures import OfferedPictures, digests_named
from .result_download import ResultDownload
from .roles import sources_of
from .wire import too_large

ProgressCallback = Callable[[Union[Accepted, Progress]], None]

_FIRST_RETRY_S = 0.25
_LONGEST_RETRY_S = 4.0
_MOST_UPLOADS = 3
_WORTH_NAMING = 1 << 20
"""Bytes of pictures that are not sent along again with a request that was refused."""
_MOST_BREAKS = 2
"""How often the connection may break on a request's way before its pictures are sent in parts."""
_UNKNOWN = "_unknown"


@dataclass
class _Outstanding:
    """One request and what was done for it so far."""

    request: Job
    on_progress: Optional[ProgressCallback]
    retry_at: float = 0.0
    """The clock's time at which it is sent again after a "busy"; 0 where it is not delayed."""
    retry_s: float = _FIRST_RETRY_S
    """The delay after the next "busy"."""
    uploads: dict[str, int] = field(default_factory=dict)
    """How often each picture was sent again for this request, by digest."""
    is_cancelled: bool = False
    is_sent: bool = False
    """Whether the server may know of it."""
    is_accepted: bool = False
    """Whether a server has taken it on."""
    is_heard_of: bool = False
    """Whether the server has reported on it since it was sent last."""
    breaks: int = 0
    """How often the connection broke after it was sent and before the server reported on it."""
    is_in_parts: bool = False
    """Whether its pictures are sent in parts, because the connection broke too often."""
    is_taken_back: bool = False
    """Whether the server was told to forget it, because it is sent again in another form."""
    download: Optional[ResultDownload] = None
    """Its result, where that is fetched in parts."""


class OutstandingRequests:
    """Decides what is sent for the requests that have no answer yet, and collects the answers.

    ``send`` puts a message on the wire, or drops it while there is no connection: :meth:`send_all` follows once
    there is one. ``clock`` gives seconds and never runs backwards.
    """

    def __init__(
        self,
        pictures: OfferedPictures,
        send: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pictures = pictures
        self._send = send
        self._clock = clock
        self._requests: dict[str, _Outstanding] = {}
        self._answers: deque[Answer] = deque()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the requests, oldest first."""
        return tuple(self._requests)

    @property
    def digests(self) -> set[str]:
        """The digests of all pictures that the requests name."""
        return {digest for item in self._requests.values() for digest in digests_named(item.request)}

    def is_learning(self, request_id: str) -> bool:
        """Whether that request is a Learn."""
        return isinstance(self._requests[request_id].request, Learn)

    def add(self, request: Job, on_progress: Optional[ProgressCallback] = None) -> None:
        """Takes on a request and sends it; one that no server would take is answered here."""
        # What is named by its digest travels by itself.
        alone = ([picture] for picture in self._pictures.held(digests_named(request)))
        refused = next(filter(None, map(too_large, (sources_of(request).values(), *alone))), None)
        if refused:
            self._answers.append(replace(refused, id=request.id))
            return
        request = self._pictures.name_large(request)
        self._requests[request.id] = _Outstanding(request=request, on_progress=on_progress)
        self._pictures.forget_unused(self.digests)
        self._send_request(self._requests[request.id])

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request, now and after each time that it is sent again."""
        item = self._requests.get(request_id)
        if item:
            item.is_cancelled = True
            is_uploading = not item.is_sent and self._pictures.are_in_parts(digests_named(item.request))
            if is_uploading or _is_fetching(item):
                self._end_here(item)
                return
        self._send(Cancel(id=new_id(), target=request_id))

    def _end_here(self, item: _Outstanding) -> None:
        self._answer(item, Failure(id=item.request.id, code="cancelled", message="The matte was cancelled."))
        for digest in set(digests_named(item.request)) - self.digests:
            self._pictures.stop_upload(digest)

    def _answer(self, item: _Outstanding, answer: Answer) -> None:
        del self._requests[item.request.id]
        self._answers.append(answer)

    def forget(self, request_id: str) -> None:
        """Stops to wait for an answer; one that still arrives is dropped."""
        self._requests.pop(request_id, None)

    def next_answer(self) -> Optional[Answer]:
        """The oldest answer that was not taken yet, if there is one."""
        return self._answers.popleft() if self._answers else None

    def send_all(self) -> None:
        """Sends every request: the connection is new, so the server may have forgotten all of them."""
        self._pictures.forget_server()
        for item in self._requests.values():
            item.breaks += item.is_sent and not item.is_heard_of
            if _may_be_done(item):
                item.download = item.download or ResultDownload(cast(Matte, item.request), self._send)
                item.download.begin()
            else:
                self._send_request(item)

    def _send_in_parts(self, item: _Outstanding) -> None:
        """Has a request name its pictures, which are then sent in parts."""
        self._change_form(item, self._pictures.name_pictures(item.request, all_of_them=True))
        item.is_sent, item.is_in_parts = False, True
        self._pictures.send_in_parts(digests_named(item.request))

    def _change_form(self, item: _Outstanding, named: Job) -> None:
        """Has a request name pictures that it carried."""
        if named is item.request:
            return
        if item.is_sent:
            # The server may have it all the same, and would take the other form for another request.
            self._send(Cancel(id=new_id(), target=item.request.id))
            item.is_taken_back = True
        item.request, item.is_sent = named, False

    def send_due(self) -> None:
        """Sends the requests whose delay after a "busy" is over."""
        now = self._clock()
        for item in self._requests.values():
            if item.retry_at and now >= item.retry_at:
                item.retry_at = 0.0
                self._send_request(item)

    def deliver(self, message: Message) -> None:
        """Takes a message from the server: the progress or the answer of a request, or the answer to a Store."""
        digest = self._pictures.deliver(message)
        if digest:
            self._end_upload(digest)
        fetching = next((each for each in self._requests.values() if _takes_part(each, message)), None)
        if fetching:
            self._go_on_fetching(fetching)
        item = self._requests.get(message.id)
        if item is None:
            return
        item.is_heard_of = True
        if isinstance(message, (Accepted, Progress)):
            item.is_accepted = True
            if item.on_progress:
                item.on_progress(message)
        elif isinstance(message, (MatteReply, LearnReply, Failure)) and not self._tries_again(item, message):
            self._answer(item, message)

    def _go_on_fetching(self, item: _Outstanding) -> None:
        if item.download and item.download.reply:
            self._answer(item, item.download.reply)
        elif not _is_fetching(item):
            self._send_request(item)

    def _end_upload(self, digest: str) -> None:
        failure = self._pictures.failure_of(digest)
        if failure is None:
            self._send_those_naming(digest)
            return
        for item in [item for item in self._requests.values() if digest in digests_named(item.request)]:
            answer = replace(failure, id=item.request.id)
            if not self._tries_again(item, answer):
                self._answer(item, answer)

    def _send_request(self, item: _Outstanding) -> None:
        if item.breaks >= _MOST_BREAKS and not item.is_in_parts:
            self._send_in_parts(item)
        else:
            self._change_form(item, self._pictures.name_large(item.request))
        if not self._pictures.ask_for_missing(digests_named(item.request)):
            self._send(item.request)
            item.is_sent, item.is_heard_of = True, False
        if item.is_cancelled:
            self._send(Cancel(id=new_id(), target=item.request.id))

    def _send_those_naming(self, digest: str) -> None:
        for item in self._requests.values():
            if digest in digests_named(item.request) and not item.retry_at:
                self._send_request(item)

    def _tries_again(self, item: _Outstanding, answer: Answer) -> bool:
        """Whether an answer is a failure that trying again may mend, as is then done."""
        if not isinstance(answer, Failure) or item.is_cancelled:
            return False
        if answer.code == "cancelled" and item.is_taken_back:
            # The answer to our own Cancel, see _change_form.
            return True
        if answer.code == "busy":
            self._delay(item)
            return True
        digest = self._lost_picture(item.request, answer.code)
        return bool(digest) and self._brings_again(item, digest)

    def _lost_picture(self, request: Job, code: str) -> str:
        """The digest of the picture that the server says it lacks and that can be sent again; else empty."""
        if not code.endswith(_UNKNOWN):
            return ""
        source = sources_of(request).get(code[: -len(_UNKNOWN)])
        return source.digest if isinstance(source, Digest) and source.digest in self._pictures else ""

    def _brings_again(self, item: _Outstanding, digest: str) -> bool:
        if self._pictures.take_refusal(digest):
            self._delay(item)
            return True
        item.uploads[digest] = item.uploads.get(digest, 0) + 1
        if item.uploads[digest] > _MOST_UPLOADS:
            return False
        self._pictures.upload(digest)
        self._send_request(item)
        return True

    def _delay(self, item: _Outstanding) -> None:
        sources = sources_of(item.request).values()
        if sum(len(source.data) for source in sources if isinstance(source, Inline)) > _WORTH_NAMING:
            # They cross the wire once more at most: from now on the server keeps what it has of them.
            item.request = self._pictures.name_pictures(item.request, all_of_them=True)
        item.retry_at = self._clock() + item.retry_s
        item.retry_s = min(item.retry_s * 2, _LONGEST_RETRY_S)


def _may_be_done(item: _Outstanding) -> bool:
    """Whether a server may have the request's result, and send it in parts."""
    is_matte = isinstance(item.request, Matte) and not item.request.output
    return is_matte and item.is_accepted and not item.is_cancelled and not item.retry_at


def _is_fetching(item: _Outstanding) -> bool:
    return item.download is not None and item.download.is_under_way


def _takes_part(item: _Outstanding, message: Message) -> bool:
    return item.download is not None and item.download.takes(message)
