"""What the packets of a video say of its pictures' times, without being decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from .video_damage import PacketCheck

_PLACEHOLDER = {"mpeg4": b"\x7f"}
"""Packets of these codecs that hold no picture. Xvid writes one where an AVI must have a packet, while it waits for
the pictures that a B-frame is predicted from; their times count it."""


@dataclass(frozen=True)
class PacketTimes:
    """The times of a video track. ``pts``: of the pictures, in the order shown; ``keys``: of key frames, with the
    time at which each is decoded, sorted; ``count``: of all pictures; ``end``, ``video_end``: of the last packet of
    any track and of the video track, in seconds. ``damaged``: of pictures whose own checksum is wrong; ``suspect``:
    of those in damaged parts of the file. ``is_doubtful``: only the decoder's output shows whether the times are
    right. ``is_broken``: they are not, as in a file made of two, or where packets hold no picture."""

    pts: tuple[int, ...]
    keys: tuple[tuple[int, int], ...]
    count: int
    end: Fraction
    video_end: Fraction
    damaged: frozenset[int]
    suspect: frozenset[int]
    is_doubtful: bool
    is_broken: bool


def packet_times(path: Path, container: Any, stream: Any) -> PacketTimes:
    """Reads every packet of PyAV's open ``container``, of the file ``path``; ``stream`` is its video track."""
    check = PacketCheck(path, container, stream)
    placeholder, has_placeholders = _PLACEHOLDER.get(stream.codec_context.name, b""), False
    pictures, ends = [], {True: Fraction(0), False: Fraction(0)}
    for packet in container.demux():
        is_picture = packet.stream is stream
        if packet.size and packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
            ends[is_picture] = max(ends[is_picture], end)
        if is_picture and packet.size == len(placeholder) and bytes(packet) == placeholder:
            has_placeholders = has_placeholders or packet.size > 0
        elif packet.size and is_picture:
            pictures.append(_picture_packet(packet, check))
    times = [each.pts for each in pictures if each.pts is not None]
    reorders = bool(stream.codec_context.has_b_frames) and times == sorted(times) and len(times) > 1
    return PacketTimes(
        pts=_shown(pictures, times),
        keys=tuple(sorted(_key_times(pictures))),
        count=len(pictures),
        end=max(ends.values()),
        video_end=ends[True],
        damaged=frozenset(each.pts for each in pictures if each.is_damaged and each.pts is not None),
        suspect=frozenset(each.pts for each in pictures if each.is_suspect and each.pts is not None),
        is_doubtful=reorders or len(times) < len(pictures),
        is_broken=has_placeholders
        or len(set(times)) < len(times)
        or _runs_backwards([each.dts for each in pictures]),
    )


@dataclass(frozen=True)
class _PicturePacket:
    """When a packet's picture is shown and decoded, and what the file says of it."""

    pts: int | None
    dts: int | None
    is_key: bool
    is_dropped: bool
    is_damaged: bool
    is_suspect: bool


def _picture_packet(packet: Any, check: PacketCheck) -> _PicturePacket:
    return _PicturePacket(
        pts=packet.pts,
        dts=packet.dts,
        is_key=bool(packet.is_keyframe),
        is_dropped=bool(packet.is_discard),
        is_damaged=check.is_damaged(packet),
        is_suspect=check.is_suspect(packet),
    )


def _key_times(pictures: Sequence[_PicturePacket]) -> Iterator[tuple[int, int]]:
    for each in pictures:
        if each.is_key and each.pts is not None and each.dts is not None:
            yield each.pts, each.dts


def _shown(pictures: Sequence[_PicturePacket], times: Sequence[int]) -> tuple[int, ...]:
    """The times of the pictures that are shown, in order. Those before the first key frame cannot be decoded."""
    first_key = next((each.pts for each in pictures if each.is_key and each.pts is not None), min(times, default=0))
    found = {each.pts for each in pictures if each.pts is not None and not each.is_dropped}
    return tuple(sorted(at for at in found if at >= first_key))


def _runs_backwards(times: Sequence[int | None]) -> bool:
    known = [at for at in times if at is not None]
    return any(later < earlier for earlier, later in pairwise(known))
