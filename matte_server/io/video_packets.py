"""What the packets of a video say of its pictures' times, without being decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from .video_damage import PacketCheck

_VOP, _XVIDS_PLACEHOLDER = b"\0\0\1\xb6", b"\x7f"
"""What begins a picture of MPEG-4 (ISO 14496-2, 6.3.5), and what Xvid may write instead of one."""
_LONGEST_EMPTY_VOP = 12
"""Bytes, with some seconds since the picture before."""


@dataclass(frozen=True)
class PacketTimes:
    """The times of a video track. ``pts``: of the pictures, in the order shown; ``first_key``: of the first key
    frame, before which pictures may be shown that cannot be decoded; ``held``: of packets without a picture, at
    which the one before is shown on; ``keys``: of key frames, with the time at which each is decoded, sorted;
    ``count``: of all pictures; ``end``, ``video_end``: of the last packet of any track and of the video track, in
    seconds. ``damaged``: of pictures whose own checksum is wrong; ``suspect``: of those in damaged parts of the
    file. ``is_doubtful``: only the decoder's output shows whether the times are right. ``is_broken``: they are not,
    as in a file made of two, or where packets without a picture fill it up."""

    pts: tuple[int, ...]
    first_key: int
    held: tuple[int, ...]
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
    held: list[int] = []
    pictures, ends = [], {True: Fraction(0), False: Fraction(0)}
    for packet in container.demux():
        is_picture = packet.stream is stream
        if packet.size and packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
            ends[is_picture] = max(ends[is_picture], end)
        if is_picture and (not packet.size or _is_empty(packet)):
            held += [] if packet.pts is None else [packet.pts]
        elif is_picture:
            pictures.append(_picture_packet(packet, check))
    times = [each.pts for each in pictures if each.pts is not None]
    has_b_frames = bool(stream.codec_context.has_b_frames)
    reorders = has_b_frames and times == sorted(times) and len(times) > 1
    # While an AVI waits for what a B-frame is predicted from, such packets fill it up, and times count them.
    is_filled_up = has_b_frames and bool(held) and container.format.name == "avi"
    return PacketTimes(
        pts=tuple(sorted({each.pts for each in pictures if each.pts is not None and not each.is_dropped})),
        first_key=_first_key(pictures, times),
        held=tuple(held),
        keys=tuple(sorted(_key_times(pictures))),
        count=len(pictures),
        end=max(ends.values()),
        video_end=ends[True],
        damaged=frozenset(each.pts for each in pictures if each.is_damaged and each.pts is not None),
        suspect=frozenset(each.pts for each in pictures if each.is_suspect and each.pts is not None),
        is_doubtful=reorders or len(times) < len(pictures),
        is_broken=is_filled_up or len(set(times)) < len(times) or _runs_backwards([each.dts for each in pictures]),
    )


def _is_empty(packet: Any) -> bool:
    """Whether a packet of MPEG-4 is a picture's header alone, which says that nothing is coded: behind it, before
    the filling (a 0 and ones), are a marker, 1, and vop_coded, 0."""
    if packet.stream.codec_context.name != "mpeg4" or not 0 < packet.size <= _LONGEST_EMPTY_VOP:
        return False
    data = bytes(packet)
    if not data.startswith(_VOP):
        return data == _XVIDS_PLACEHOLDER
    bits = f"{int.from_bytes(data, 'big'):b}".rstrip("1")
    return bits.endswith("100")


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


def _first_key(pictures: Sequence[_PicturePacket], times: Sequence[int]) -> int:
    return next((each.pts for each in pictures if each.is_key and each.pts is not None), min(times, default=0))


def _runs_backwards(times: Sequence[int | None]) -> bool:
    known = [at for at in times if at is not None]
    return any(later < earlier for earlier, later in pairwise(known))
