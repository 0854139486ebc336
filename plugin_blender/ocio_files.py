"""The files that a colour configuration reads: what pictures look like depends on them, too.

Does not import bpy."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .file_states import KeptAnswers
from .matte_link.file_digest import file_digest
from .matte_link.ocio_luts import names_in


def config_facts(config: Path) -> list[object]:
    """The name and the content of a configuration, and those of its tables that are there. Raises ``OSError``."""
    facts: list[object] = [config.name, file_digest(config)]
    places = names_in(config).places(config)
    tables = [[name, content] for name, path in places if (content := _contents.of(str(path)))]
    # Without tables it is named as by older versions, whose results stay.
    return [*facts, tables] if tables else facts


def _content_of(path: str) -> str:
    # OSError: Blender cannot read it either.
    with contextlib.suppress(OSError):
        return file_digest(Path(path))
    return ""


_contents = KeptAnswers(_content_of, "")
