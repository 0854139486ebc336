"""What a still that is no EXR says before its pixels and OpenImageIO does not pass on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .png_chunks import chunks_before_pixels
from .radiance import RadianceHeader, radiance_header


@dataclass(frozen=True)
class StillHeader:
    """A file, its format in OpenImageIO's words, and of its header ``chunks``, a PNG's by type, and ``lines``, a
    Radiance picture's. Both are empty for other formats."""

    path: Path
    file_format: str
    chunks: Mapping[bytes, bytes]
    lines: RadianceHeader

    @classmethod
    def read(cls, path: Path, file_format: str) -> StillHeader:
        """The header of a file. Raises ``OSError``."""
        return cls(
            path=path,
            file_format=file_format,
            chunks=chunks_before_pixels(path) if file_format == "png" else {},
            lines=radiance_header(path) if file_format == "hdr" else (),
        )
