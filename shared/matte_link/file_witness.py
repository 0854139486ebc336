"""What this machine has seen of files: tells of a file that was put in another's place with its size and time.

Keys of results name a file by its size and time, which are the same wherever it is copied. But ``cp -p``,
``rsync -t`` and a render within one second put another picture there under the same key. The disk's own time of
change, which no program sets, tells them apart. It changes also where a file is only renamed, linked or locked, and
each machine has its own. So it is no part of a key: a result keeps it beside, as its *witness*, and where that
differs the pictures have to be compared.

A file's number on its disk would not tell more, and disks of other machines number their files anew at times.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping

from .result_key import digest

_LENGTH = 16
_NS_IN_MS = 1_000_000


def witness_of(changed_ns: Mapping[str, int]) -> str:
    """What this machine sees of the files at these paths: 16 hex digits for where they are, a dot, and 16 for when
    each was last changed (``st_ctime_ns``). Empty without files."""
    if not changed_ns:
        return ""
    paths = sorted(changed_ns)
    where = digest([platform.node(), *paths])[:_LENGTH]
    return f"{where}.{digest([changed_ns[path] // _NS_IN_MS for path in paths])[:_LENGTH]}"


def were_touched(made: str, now: str) -> bool:
    """Whether the files of a witness were changed since it was ``made``, in whatever way. False where it was made
    on another machine or of files elsewhere, or is not known: then sizes and times alone count."""
    return seen_in_same_places(made, now) and made != now


def seen_in_same_places(made: str, now: str) -> bool:
    """Whether two witnesses are of files at the same paths, and of one machine."""
    where, where_now = made.partition(".")[0], now.partition(".")[0]
    return bool(where) and where == where_now
