"""Messages as lists of bytes and back, wire version 1. Owns no socket.

A message is sent as the parts ``[b"CPM1", header, blob, blob, ...]`` of one ZeroMQ multipart message. The magic
word ends with the wire version. The header is a JSON object with the message's ``type`` and fields. Pictures are
blobs, and the header refers to each by its number, counted from 0::

    b"CPM1"
    {"type": "store", "id": "a1", "digest": "0a0a...", "data": 0, "name": "clean.exr"}
    <bytes of the file>

:func:`decode` trusts nothing. It compares sizes with :class:`WireLimits` before anything is parsed or copied,
demands that every blob is referred to exactly once, and refuses unknown types, fields and options. What JSON values
may contain is limited too, so that whoever passes a message on can encode it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Callable, NoReturn, Optional, Union, cast

from .errors import ProtocolError
from .messages import (
    MOST_LEARN_FRAMES,
    Accepted,
    Blob,
    Cancel,
    Digest,
    Failure,
    FetchResult,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    LearnReply,
    Matte,
    MatteReply,
    Message,
    Neighbour,
    OnDisk,
    PartStored,
    Ping,
    Pong,
    Progress,
    ResultPart,
    Source,
    Status,
    StatusReply,
    Store,
    Stored,
    StorePart,
    check_id,
)
from .options import MatteOptions, UnknownOption
from .part_size import mebibytes
from .plain_text import MappingLimits, check_mapping, check_text

WIRE_VERSION = 1
_FAMILY = b"CPM"
MAGIC = _FAMILY + str(WIRE_VERSION).encode()
_LONGEST_MAGIC = 16

_TYPES: dict[str, type[Any]] = {
    "matte": Matte,
    "learn": Learn,
    "store": Store,
    "store_part": StorePart,
    "fetch_result": FetchResult,
    "cancel": Cancel,
    "ping": Ping,
    "status": Status,
    "accepted": Accepted,
    "progress": Progress,
    "matte_reply": MatteReply,
    "result_part": ResultPart,
    "learn_progress": LearnProgress,
    "learn_reply": LearnReply,
    "stored": Stored,
    "part_stored": PartStored,
    "pong": Pong,
    "status_reply": StatusReply,
    "failure": Failure,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


@dataclass(frozen=True)
class WireLimits:
    """The largest message that :func:`decode` accepts."""

    parts: int = 16
    """Parts of a message: a Matte with both neighbours, all guides and weights has 15."""
    header: int = 1 << 20
    """Bytes of the header."""
    blob: int = 1 << 30
    """Bytes of each blob."""
    total: int = 2 << 30
    """Bytes of all parts together."""


DEFAULT_LIMITS = WireLimits()
_MAPPING_LIMITS = MappingLimits(text=1 << 20)
"""A status has more text than what a host may send; see :mod:`matte_link.messages`."""
_SAME_VERSION = "Install the same version of Cleanplate on both sides."


class _UnknownWord(ValueError):
    """A message has a type or a field that this version does not know, as one of a later version may."""


class WireError(ProtocolError):
    """What arrived is not a valid message. ``request_id`` is the id in its header, or empty if that is
    unreadable."""

    def __init__(self, message: str, hint: str = "", request_id: str = "") -> None:
        super().__init__(message, hint)
        self.request_id = request_id


def encode(message: Message) -> list[Blob]:
    """The message as parts for ``send_multipart``; the bytes of pictures are not copied."""
    blobs: list[Blob] = []
    header = {"type": _NAMES[type(message)], **_written(message, blobs)}
    # As UTF-8, not as escapes: what was accepted must not grow beyond the limit when it is passed on.
    text = json.dumps(header, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return [MAGIC, text.encode("utf-8", "surrogatepass"), *blobs]


def too_large(pictures: Iterable[Source]) -> Optional[Failure]:
    """Why pictures cannot be sent together, before any of their bytes are; None where they can. The failure's id is
    empty."""
    inline = [picture for picture in pictures if isinstance(picture, Inline)]
    sizes = [_size(picture.data) for picture in inline]
    largest = max(sizes, default=0)
    if largest <= DEFAULT_LIMITS.blob and sum(sizes) + DEFAULT_LIMITS.header <= DEFAULT_LIMITS.total:
        return None
    name = inline[sizes.index(largest)].name or "The picture"
    return Failure(
        id="",
        code="too_large",
        message=f"{name} has {mebibytes(largest)} MiB; no more than {DEFAULT_LIMITS.blob >> 20} MiB can be sent.",
        hint="Leave out channels that are not needed, or name the file by its path on a disk that is shared.",
    )


def decode(parts: Sequence[Blob], limits: WireLimits = DEFAULT_LIMITS) -> Message:
    """The message in ``parts``. Raises :class:`WireError` with one sentence if they are not a valid one."""
    _check_sizes(parts, limits)
    _check_magic(bytes(parts[0]))
    header = _header(bytes(parts[1]))
    request_id = _id_of(header)
    try:
        return _message(header, _Blobs(parts[2:]))
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        hint = _SAME_VERSION if isinstance(error, (_UnknownWord, UnknownOption)) else ""
        raise WireError(f"The message is malformed: {_sentence(error)}", hint, request_id) from None


def _id_of(header: Mapping[str, Any]) -> str:
    """The message's id, if it has one that can be sent back."""
    try:
        check_id(header.get("id", ""))
    except ValueError:
        return ""
    return str(header["id"])


def _sentence(error: Exception) -> str:
    return f"{error.args[0]} is missing." if isinstance(error, KeyError) else str(error)


def _check_sizes(parts: Sequence[Blob], limits: WireLimits) -> None:
    if not 2 <= len(parts) <= limits.parts:
        raise WireError(f"A message has 2 to {limits.parts} parts, not {len(parts)}.")
    sizes = [_size(part) for part in parts]
    if sizes[0] > _LONGEST_MAGIC:
        raise _not_ours()
    if sizes[1] > limits.header:
        raise WireError(f"The message's header is larger than {limits.header} bytes.")
    if max(sizes) > limits.blob or sum(sizes) > limits.total:
        raise WireError(f"The message is larger than the {limits.total} bytes allowed.")


def _size(part: Blob) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)


def _check_magic(magic: bytes) -> None:
    if magic == MAGIC:
        return
    if magic.startswith(_FAMILY) and magic[len(_FAMILY) :].isdigit():
        theirs = f"The other side speaks wire version {magic[len(_FAMILY) :].decode()}"
        raise WireError(f"{theirs}, this one speaks {WIRE_VERSION}.", _SAME_VERSION)
    raise _not_ours()


def _not_ours() -> WireError:
    return WireError("This is not a Cleanplate message.", "Check that the address belongs to a Cleanplate server.")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.40} is too large.")
    return value


def _header(data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data.decode("utf-8", "surrogatepass"), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise WireError("The message's header is not JSON.") from None
    if not isinstance(header, dict):
        raise WireError("The message's header is not a JSON object.")
    return header


class _Blobs:
    """The blobs of one message, each of which must be taken exactly once."""

    def __init__(self, blobs: Sequence[Blob]) -> None:
        self._blobs: list[Union[Blob, None]] = list(blobs)

    def take(self, index: Any) -> Blob:
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(self._blobs):
            raise ValueError(f"there is no part {index!r:.40}.")
        blob, self._blobs[index] = self._blobs[index], None
        if blob is None:
            raise ValueError(f"part {index} is used twice.")
        return blob

    def check_all_taken(self) -> None:
        if any(blob is not None for blob in self._blobs):
            raise ValueError("a part is not referred to.")


def _message(header: dict[str, Any], blobs: _Blobs) -> Message:
    kind = _TYPES.get(_text(header.pop("type"), blobs))
    if kind is None:
        raise _UnknownWord("its type is unknown.")
    message = _built(kind, header, blobs)
    blobs.check_all_taken()
    return cast(Message, message)


def _written(value: Any, blobs: list[Blob]) -> dict[str, Any]:
    """The fields of a dataclass as JSON values; its pictures are appended to ``blobs``."""
    written = {}
    for item in fields(value):
        write, _ = _CODECS[cast(str, item.type)]
        if getattr(value, item.name) is not None or "later" not in item.metadata:
            written[item.name] = write(getattr(value, item.name), blobs)
    return written


def _built(kind: type[Any], written: dict[str, Any], blobs: _Blobs) -> Any:
    """The inverse of :func:`_written`; takes what it reads out of ``written``."""
    values = {}
    for item in fields(kind):
        if item.name in written:
            _, read = _CODECS[cast(str, item.type)]
            values[item.name] = read(written.pop(item.name), blobs)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise KeyError(item.name)
    if written:
        raise _UnknownWord(f"unknown field {sorted(written)[0]!r:.60}.")
    return kind(**values)


# Below: a function that writes and one that reads for each type of field. _CODECS finds them by the annotation's
# text.


def _plain(value: Any, blobs: list[Blob]) -> Any:
    return value


def _text(value: Any, blobs: _Blobs) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not text.")
    return value


def _integer(value: Any, blobs: _Blobs) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**53:
        raise ValueError(f"{value!r:.40} is not a whole number.")
    return value


def _number(value: Any, blobs: _Blobs) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > 2**53:
        raise ValueError(f"{value!r:.40} is not a number.")
    return float(value)


def _truth(value: Any, blobs: _Blobs) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is neither true nor false.")
    return value


def _mapping(value: Any, blobs: _Blobs) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} is not a JSON object.")
    check_mapping(value, "a JSON object", _MAPPING_LIMITS)
    return value


def _texts(value: Any, blobs: _Blobs) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is not a list.")
    return tuple(_text(item, blobs) for item in value)


def _write_blob(value: Blob, blobs: list[Blob]) -> int:
    blobs.append(value)
    return len(blobs) - 1


def _read_blob(value: Any, blobs: _Blobs) -> Blob:
    return blobs.take(value)


def _write_options(value: MatteOptions, blobs: list[Blob]) -> dict[str, Any]:
    return dict(value.to_dict())


def _read_options(value: Any, blobs: _Blobs) -> MatteOptions:
    options = _mapping(value, blobs)
    for name, each in options.items():
        if isinstance(each, str):
            check_text(each, f"the option {name[:40]}")
    return MatteOptions.from_dict(options)


def _write_source(value: Union[Source, None], blobs: list[Blob]) -> Any:
    if value is None:
        return None
    if isinstance(value, Inline):
        return {"inline": _write_blob(value.data, blobs), "name": value.name}
    if isinstance(value, OnDisk):
        return {"path": value.path, "frame": value.frame}
    return {"digest": value.digest}


def _read_source(value: Any, blobs: _Blobs) -> Source:
    keys = set(_mapping(value, blobs))
    if keys == {"inline", "name"}:
        return Inline(data=blobs.take(value["inline"]), name=_text(value["name"], blobs))
    if keys == {"path", "frame"}:
        return OnDisk(path=_text(value["path"], blobs), frame=_integer(value["frame"], blobs))
    if keys == {"digest"}:
        return Digest(_text(value["digest"], blobs))
    raise ValueError("a picture is sent inline, as a path or as a digest.")


def _read_optional_source(value: Any, blobs: _Blobs) -> Union[Source, None]:
    return None if value is None else _read_source(value, blobs)


def _write_neighbour(value: Union[Neighbour, None], blobs: list[Blob]) -> Any:
    return None if value is None else _written(value, blobs)


def _read_neighbour(value: Any, blobs: _Blobs) -> Union[Neighbour, None]:
    return None if value is None else cast(Neighbour, _built(Neighbour, dict(_mapping(value, blobs)), blobs))


def _write_learn_frames(value: tuple[LearnFrame, ...], blobs: list[Blob]) -> list[dict[str, Any]]:
    return [_written(frame, blobs) for frame in value]


def _read_learn_frames(value: Any, blobs: _Blobs) -> tuple[LearnFrame, ...]:
    if not isinstance(value, list) or len(value) > MOST_LEARN_FRAMES:
        raise ValueError(f"learning takes a list of 1 to {MOST_LEARN_FRAMES} frames.")
    return tuple(_built(LearnFrame, dict(_mapping(frame, blobs)), blobs) for frame in value)


_Codec = tuple[Callable[[Any, list[Blob]], Any], Callable[[Any, _Blobs], Any]]
_CODECS: dict[str, _Codec] = {
    "str": (_plain, _text),
    "int": (_plain, _integer),
    "float": (_plain, _number),
    "bool": (_plain, _truth),
    "Mapping[str, Any]": (lambda value, blobs: dict(value), _mapping),
    "tuple[str, ...]": (lambda value, blobs: list(value), _texts),
    "Blob": (_write_blob, _read_blob),
    "MatteOptions": (_write_options, _read_options),
    "Source": (_write_source, _read_source),
    "Optional[Source]": (_write_source, _read_optional_source),
    "Optional[Neighbour]": (_write_neighbour, _read_neighbour),
    "tuple[LearnFrame, ...]": (_write_learn_frames, _read_learn_frames),
}
