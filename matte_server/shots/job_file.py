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

The words are those of ``cleanplate matte``, without the dashes; paths are seen from the file's own folder.
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
from .arguments import PATH, SHOT_ARGUMENTS, TEXT, ShotOrder
from .nearest_word import nearest_word
from .option_files import with_whole_paths

_NUMBERS_OF_OTHERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:timestamp")
_WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_ARGUMENTS = {argument.name: argument for argument in SHOT_ARGUMENTS}


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
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _bad(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise MatteError("bad_job", f"The job file {path} cannot be read: {error.strerror}.") from None
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


class _JobLoader(yaml.SafeLoader):
    """YAML's plain values, of which no entry has a word twice. Frame numbers are what they look like: 0010 is no
    octal number, and neither 1:30 nor 2026-01-02 is a time."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # What "<<" merges may be said again: that is its use.
        _words_of([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return super().construct_mapping(node, deep)


_JobLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in _NUMBERS_OF_OTHERS]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_JobLoader.add_implicit_resolver(_NUMBERS_OF_OTHERS[0], _WHOLE_NUMBER, list("-+0123456789"))


def _bad(path: Path, what: str) -> MatteError:
    end = "" if what.endswith("?") else "."
    return MatteError("bad_job", f"The job file {path} cannot be used: {what}{end}", "Nothing was started.")


def _checked(path: Path, where: str, entry: Any) -> dict[str, Any]:
    """An entry with every word known and of its type, and its paths seen from the file's folder."""
    if not isinstance(entry, Mapping):
        raise _bad(path, f"{where} is not a list of words and values")
    return {str(word).replace("-", "_"): _value(path, where, str(word), value) for word, value in entry.items()}


def _value(path: Path, where: str, written: str, value: Any) -> Any:
    word = written.replace("-", "_")
    known = (*_ARGUMENTS, *(spec.name for spec in option_specs()))
    if word not in known:
        near = nearest_word(word, known)
        raise _bad(path, f"{where} has an unknown word {written!r}" + (f"; did you mean {near!r}?" if near else ""))
    argument = _ARGUMENTS.get(word)
    if argument is None:
        return value
    needed = needed_instead(argument, value)
    if needed:
        raise _bad(path, f"{written!r} of {where} must be {needed}, not {value!r}")
    if argument.kind == PATH:
        return str(path.parent / value)
    return str(value) if argument.kind == TEXT else value


def _order(path: Path, where: str, entry: dict[str, Any]) -> ShotOrder:
    missing = [name for name, argument in _ARGUMENTS.items() if argument.is_needed and name not in entry]
    if missing:
        raise _bad(path, f"{where} has no {missing[0]!r}")
    names = {spec.name for spec in option_specs()}
    try:
        options = MatteOptions(**{word: value for word, value in entry.items() if word in names})
    except ValueError as error:
        raise _bad(path, f"in {where}, {str(error).rstrip('.')}") from None
    given = {word: value for word, value in entry.items() if word not in names}
    return ShotOrder(**given, options=with_whole_paths(options, path.parent))
