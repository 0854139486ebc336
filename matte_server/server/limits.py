"""How much a server accepts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceLimits:
    """How many frames and clients, and how many bytes, a server accepts before it answers ``busy``."""

    frames_per_client: int = 32
    frames: int = 1024
    clients: int = 512
    spool: int = 4 << 30
    store: int = 2 << 30
    unsent: int = 256 << 20
    """Bytes of finished mattes that a client has not fetched yet; beyond that its further frames wait."""
    replies: int = 64 << 20
    """Bytes of finished mattes that are cached for clients that send a request again."""
    reply_s: float = 60.0
    """How long they are cached."""
