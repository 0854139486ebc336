"""Names of files that libraries cannot take."""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8 on the disk. Older systems left others, which Python carries as surrogates;
    OpenImageIO's module refuses them, and OpenEXR's ends the process."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
