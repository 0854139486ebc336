"""The LUT files that an OCIO config on disk names: what a config converts to is in them, too."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FILE = re.compile(r"""(?<![\w"'-])(["']?)src\1\s*:\s*""")
"""The key before a FileTransform's file, in a config in YAML."""
_SEARCH = re.compile(r"""^(["']?)search_path\1[ \t]*:[ \t]*""", re.M)
"""That before the folders: a list in brackets, a list of lines, or one text with colons between them."""
_IN_BRACKETS = re.compile(r"\s*\[([^\]]*)\]")
_LINES = re.compile(r"(?:#.*)?(?:\n[ \t]*(?:#.*)?)*\n[ \t]*-[ \t].*(?:\n[ \t]*(?:(?:-[ \t]|#).*)?$)*", re.M)
_DEFAULTS = re.compile(r"""^(["']?)environment\1:(?:\s*\{([^}]*)\}|.*((?:\n[ \t]*(?:[ \t]\S.*|#.*)?$)*))""", re.M)
"""What a config has variables be that the environment does not set: in braces, or one a line."""
_TEXT = re.compile(
    r"""(?:[!&]\S*\s+)*  # a tag, a name for it
    (?:("(?:[^"\\]|\\.)*") | '((?:[^']|'')*)'
    | [|>][-+\d]*[ \t]*(?:\#.*)?\n([ \t]+)(.*(?:\n(?:\3.*|[ \t]*$))*)
    | ((?:\$\{\w+\}|(?!\s\#)[^,}\n])*(?:\n[ \t]+(?![ \t\-\#}\]]|["']?\w+["']?[ \t]*:)[^,}\n\#]+)*))""",
    re.M | re.X,
)
"""A text in YAML (1.2, 7.3 and 8.1): in quotes of either kind, as a block of lines below it, or plain."""
_HEX, _FOLD = re.compile(r"\\x(?=[0-9a-fA-F]{2})"), re.compile(r"\s*\n\s*")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True)
class LutNames:
    """The files that a config's text names, sorted, and the folders in which OCIO looks for them. ``defaults`` are
    the values of variables in both that the environment does not set."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    defaults: tuple[tuple[str, str], ...]

    @staticmethod
    def of(text: str) -> LutNames:
        """Those of a config's text. Names of colourspaces may be among the files."""
        files = {_text_at(text, match.end()) for match in _FILE.finditer(text)} - {""}
        return LutNames(
            files=tuple(sorted(files)), folders=tuple(_search_path(text)), defaults=tuple(_defaults(text))
        )

    def places(self, config: Path) -> Iterator[tuple[str, Path]]:
        """Each name, and where a file of that name may lie, once for each folder, in the order of the names."""
        folders = [config.parent, *(config.parent / self._expanded(folder) for folder in self.folders)]
        for name in self.files:
            yield from ((name, folder / self._expanded(name)) for folder in folders)

    def _expanded(self, text: str) -> str:
        defaults = dict(self.defaults)

        def value(match: re.Match[str]) -> str:
            name = next(filter(None, match.groups()))
            return os.environ.get(name, defaults.get(name, match[0]))

        return _VARIABLE.sub(value, text)

    def there(self, config: Path) -> Iterator[Path]:
        """What is there under these names, files or not, in the order of their names; the others are left out."""
        # OCIO takes the first that it finds; where several are there, all of them count.
        return (path for _, path in self.places(config) if path.exists())


def names_in(config: Path) -> LutNames:
    """The names in a config on disk, which is read again only where it has changed: a studio's has hundreds of KB.
    Raises ``OSError``."""
    facts = config.stat()
    return _names_in_state(config, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@lru_cache(maxsize=8)
def _names_in_state(config: Path, size: int, modified_ns: int, changed_ns: int) -> LutNames:
    return LutNames.of(config.read_text(encoding="utf-8", errors="replace"))


def _search_path(text: str) -> list[str]:
    """OCIO takes a text apart at its colons, and no item of a list, which may be on a drive of Windows."""
    match = _SEARCH.search(text)
    if not match:
        return []
    if in_brackets := _IN_BRACKETS.match(text, match.end()):
        found = [_word(each) for each in _COMMENT.sub("", in_brackets[1]).split(",")]
    elif lines := _LINES.match(text, match.end()):
        found = [_word(line.strip()[1:]) for line in lines[0].splitlines() if line.strip().startswith("-")]
    else:
        found = _text_at(text, match.end()).split(":")
    return [folder for each in found if (folder := each.strip())]


def _text_at(text: str, begin: int) -> str:
    """The text that begins there, without its quotation marks and with its lines in one."""
    match = _TEXT.match(text, begin)
    double, single, _, block, plain = match.groups(default="") if match else ("",) * 5
    if double:
        try:
            return str(json.loads(_HEX.sub(r"\\u00", _FOLD.sub(" ", double))))
        except ValueError:
            return double.strip('"')
    return _FOLD.sub(" ", single.replace("''", "'") or block or plain).strip()


def _defaults(text: str) -> Iterator[tuple[str, str]]:
    match = _DEFAULTS.search(text)
    _, in_braces, lines = match.groups(default="") if match else ("",) * 3
    for item in (*in_braces.split(","), *lines.splitlines()):
        name, _, value = item.partition(":")
        yield _word(name), _word(value)


def _word(text: str) -> str:
    """A value without its quotation marks, or without the comment behind it."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        return text[1:].partition(text[0])[0]
    return _COMMENT.sub("", text).rstrip()
