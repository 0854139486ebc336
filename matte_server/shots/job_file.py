"""Several shots in one file, YAML or JSON: read, checked word by word, and turned into plans.

    defaults:            # optional, for every shot that does not say otherwise
      model: difference
    shots:
      - plate: sh010/plate.####.exr
        clean: sh010/clean.exr
        output: sh010/matte.####.exr
        frames: 1001-1100
      - plate: portraits          # a folder of single pictures
        clean: empty_studio.png
        output: portraits_out

The words are those of ``cleanplate matte``, without the dashes; paths are seen from the file's own folder, or begin
with ~ or a variable such as $SHOW (:mod:`named_paths`). What stands in YAML without quotes is what its word takes:
1e2 is a number for ``gamma``, and the name of a ``layer``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matte_link.options import MatteOptions, option_specs

from ..errors import MatteError
from .argument_values import needed_instead
from .arguments import NUMBER, PATH, SHOT_ARGUMENTS, SWITCH, TEXT, ShotOrder
from .named_paths import named_path
from .nearest_word import nearest_word
from .option_files import with_whole_paths

_LARGEST = 1 << 24
"""Bytes of a job file; a device such as /dev/zero has no end."""
_TAG = "tag:yaml.org,2002:"
_WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_SWITCHES = {
    word: value for value, words in ((True, "yes on true"), (False, "no off false")) for word in words.split()
}
_ARGUMENTS = {argument.name: argument for argument in SHOT_ARGUMENTS}
_SPECS = {spec.name: spec for spec in option_specs()}


def read_job(path: Path) -> tuple[ShotOrder, ...]:
    """The shots of a job file; raises ``MatteError("bad_job", ...)`` that names the file, the shot and the word."""
    facts = _parsed(path)
    if not isinstance(facts, Mapping) or not isinstance(facts.get("shots"), list) or not facts["shots"]:
        raise _bad(path, "it must have a list 'shots' with at least one shot")
    extra = sorted(str(key) for key in facts if key not in ("shots", "defaults"))
    if extra:
        raise _bad(path, f"it has an unknown word {extra[0]!r}; at the top there are 'defaults' and 'shots'")
    defaults = _checked(path, "the defaults", facts.get("defaults") or {})
    return tuple(
        _order(path, f"shot {number}", {**defaults, **_checked(path, f"shot {number}", entry)})
        for number, entry in enumerate(facts["shots"], 1)
    )


def _parsed(path: Path) -> Any:
    try:
        # A pipe is read as well, such as the shell's <(command).
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad(path, "it is not UTF-8 text") from None
    except OSError as error:
        words = f"The job file {path} cannot be read: {error.strerror}."
        raise MatteError("bad_job", words, "Correct the name after --job, or make the file readable.") from None
    if len(data) > _LARGEST:
        raise _bad(path, f"it has more than {_LARGEST >> 20} MiB")
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text, object_pairs_hook=_words_of)
        return yaml.load(text, _JobLoader)
    except _WordTwice as error:
        raise _bad(path, f"it has {error.args[0]!r} twice in one place") from None
    except RecursionError:
        raise _bad(path, "its lists are nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _bad(path, f"it is not JSON: {error.msg} in line {error.lineno}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise _bad(path, f"it is not YAML: {problem}{where}") from None
    except ValueError:
        # A number of thousands of digits, or a tag such as !!int before something else.
        raise _bad(path, "it has a value that cannot be read") from None


class _WordTwice(Exception):
    """A word that an entry has twice: one of the two values would be lost."""


def _words_of(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """The words of an entry with their values; - and _ are the same. Raises :class:`_WordTwice`."""
    written = [str(word).replace("-", "_") for word, _ in pairs]
    twice = next((word for word in written if written.count(word) > 1), None)
    if twice is not None:
        raise _WordTwice(twice)
    return dict(pairs)


class _Unquoted(str):
    """A value that stands in YAML without quotes: the word that it belongs to says what it is."""

    __slots__ = ()

    def as_type(self, wanted: type) -> Any:
        """The value as bool, int or float where it is written as one; else the text itself."""
        if wanted is bool:
            return _SWITCHES.get(self.lower(), str(self))
        if wanted is int and _WHOLE_NUMBER.match(self):
            return int(self)
        if wanted in (int, float) and _NUMBER.match(self):
            return float(self)
        return str(self)


class _JobLoader(yaml.SafeLoader):
    """YAML of which no entry has a word twice, and in which only lists, words and empty values have a meaning of
    their own: by YAML's, 0010 would be 8, 1:30 a time, a layer called "no" a switch, and 1e2 no number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # What "<<" merges may be said again: that is its use.
        _words_of([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A text, which remembers whether it was in quotes."""
        text = str(self.construct_scalar(node))
        return text if node.style else _Unquoted(text)


_JobLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag in (f"{_TAG}merge", f"{_TAG}null")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_JobLoader.add_constructor(f"{_TAG}str", _JobLoader.construct_text)


def _folder(path: Path) -> Path:
    """Where paths of a job file are seen from; a pipe lies nowhere, so those are seen from the working folder."""
    return path.parent if path.is_file() else Path()


def _bad(path: Path, what: str, hint: str = "") -> MatteError:
    end = "" if what.endswith("?") else "."
    text = f"The job file {path} cannot be used: {what}{end}"
    return MatteError("bad_job", text, f"Nothing was started. {hint}".rstrip())


def _checked(path: Path, where: str, entry: Any) -> dict[str, Any]:
    """An entry with every word known and of its type, and its paths seen from the file's folder."""
    if not isinstance(entry, Mapping):
        raise _bad(path, f"{where} is not a list of words and values")
    return {str(word).replace("-", "_"): _value(path, where, str(word), value) for word, value in entry.items()}


def _value(path: Path, where: str, written: str, value: Any) -> Any:
    word = written.replace("-", "_")
    known = (*_ARGUMENTS, *_SPECS)
    if word not in known:
        near = nearest_word(word, known)
        raise _bad(path, f"{where} has an unknown word {written!r}" + (f"; did you mean {near!r}?" if near else ""))
    argument = _ARGUMENTS.get(word)
    if isinstance(value, _Unquoted):
        wanted = {NUMBER: int, SWITCH: bool}.get(argument.kind, str) if argument else _SPECS[word].type
        value = value.as_type(wanted)
    if argument is None:
        return value
    needed = needed_instead(argument, value)
    if needed:
        raise _bad(path, f"{written!r} of {where} must be {needed}, not {value!r:.60}")
    if argument.kind == PATH:
        try:
            return str(_folder(path) / named_path(value, _folder(path)))
        except MatteError as error:
            raise _bad(path, f"{written!r} of {where}: {error.message.rstrip('.')}", error.hint) from None
    return str(value) if argument.kind == TEXT else value


def _order(path: Path, where: str, entry: dict[str, Any]) -> ShotOrder:
    missing = [name for name, argument in _ARGUMENTS.items() if argument.is_needed and name not in entry]
    if missing:
        raise _bad(path, f"{where} has no {missing[0]!r}")
    try:
        options = MatteOptions(**{word: value for word, value in entry.items() if word in _SPECS})
    except ValueError as error:
        raise _bad(path, f"in {where}, {str(error).rstrip('.')}") from None
    given = {word: value for word, value in entry.items() if word not in _SPECS}
    try:
        return ShotOrder(**given, options=with_whole_paths(options, _folder(path)))
    except MatteError as error:
        raise _bad(path, f"in {where}, {error.message.rstrip('.')}", error.hint) from None
