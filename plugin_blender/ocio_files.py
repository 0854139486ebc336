"""The files that a colour configuration reads: its tables decide what pictures look like, as its text does. Does
not import bpy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .file_states import KeptAnswers
from .matte_link.file_digest import file_digest

_TABLE = re.compile(r"""\bsrc:\s*(?:"([^"]*)"|'([^']*)'|([^,}\s]+))""")
_SEARCHED = re.compile(r"^search_path:[ \t]*(.*(?:\n[ \t]+- .*)*)", re.MULTILINE)


def config_facts(config: Path) -> list[object]:
    """The name and the content of a configuration, and those of its tables. Raises ``OSError``."""
    facts: list[object] = [config.name, file_digest(config)]
    tables = [[name, _digests.of(str(file))] for name, file in _tables.of(str(config))]
    # Without tables it is named as by older versions, whose results stay.
    return [*facts, tables] if tables else facts


def _tables_of(config: str) -> list[tuple[str, Path]]:
    """Where each table that the configuration names may lie, in order."""
    text = Path(config).read_text(errors="replace")
    names = dict.fromkeys("".join(found) for found in _TABLE.findall(text))
    return [(name, folder / name) for name in names for folder in _folders(Path(config).parent, text)]


def _folders(home: Path, text: str) -> Iterator[Path]:
    yield home
    found = _SEARCHED.search(text)
    for word in re.split(r"[:\n]", found[1]) if found else ():
        yield home / word.strip().removeprefix("- ").strip("\"' ")


def _digest_of(path: str) -> str:
    return file_digest(Path(path))


_tables: KeptAnswers[list[tuple[str, Path]]] = KeptAnswers(_tables_of, [])
_digests = KeptAnswers(_digest_of, "")
