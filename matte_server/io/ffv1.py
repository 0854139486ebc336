"""The checksums in packets of FFV1 (RFC 9043). FFmpeg's decoder logs a wrong one, and marks no picture."""

from __future__ import annotations

import zlib

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_INVERTED = 0xFFFFFFFF
_FOOTER = 8
"""Bytes behind a slice that has a checksum (RFC 9043, 4.8): its size, an error status and the checksum."""
_BEGINNINGS = (0, 0x5E31029E)
"""The checksum's first value, in zlib's order of bits: with the parameter ec 1, and with FFmpeg's ec 2. It is also
the checksum of a slice together with its own right checksum."""


def checksums_are_right(packet: bytes) -> bool | None:
    """Whether all slices of a packet have the checksums that they carry; None if it is not made of slices with
    checksums."""
    slices, end = [], len(packet)
    while end >= _FOOTER:
        size = int.from_bytes(packet[end - _FOOTER : end - _FOOTER + 3], "big") + _FOOTER
        slices.append(packet[max(end - size, 0) : end])
        end -= size
    if end:
        return None
    return all(any(_is_right(data, beginning) for beginning in _BEGINNINGS) for data in slices)


def _is_right(data: bytes, beginning: int) -> bool:
    """By CRC-32 with the highest bit first and not inverted, of which zlib has the mirror image."""
    mirrored = data.translate(_REVERSED)
    return zlib.crc32(mirrored, beginning ^ _INVERTED) ^ _INVERTED == beginning
