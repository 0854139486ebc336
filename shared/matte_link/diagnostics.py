"""What a reply says about its frame besides pixels, as host and commands read it."""

from __future__ import annotations

from collections.abc import Mapping

PICTURES = "pictures"
"""Where diagnostics say of what kind the frame's plate and clean plate are."""
NO_SUBJECT = "No subject was found: the plate does not differ from the clean plate."
"""The warning on a frame whose plate shows the set alone, as before somebody enters."""


def warnings_of(diagnostics: Mapping[str, object]) -> tuple[str, ...]:
    """What the server doubts about a result: a sentence for each doubt."""
    found = diagnostics.get("warnings")
    return tuple(str(warning) for warning in found) if isinstance(found, (list, tuple)) else ()
