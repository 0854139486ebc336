"""The ids of messages: how they are made, and what they may be."""

from __future__ import annotations

import re
import uuid

_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}\Z")


def new_id() -> str:
    """An id for a new message, unlike any other."""
    return uuid.uuid4().hex


def check_id(value: str) -> None:
    """Raises ``ValueError`` unless ``value`` can be a message's id."""
    if not isinstance(value, str) or not _ID.match(value):
        raise ValueError("a request id is 1 to 80 letters, digits, '.', '_', ':' or '-'.")
