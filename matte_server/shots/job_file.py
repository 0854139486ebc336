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

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from matte_link.options import MatteOptions, option_specs

from ..errors import MatteError
from .plan import plan_shot
from .shot import CAMERAS, ENDS, Camera, Shot, ShotSources
from .solve_file import check_solve

_PATHS = ("plate", "clean", "output", "core", "holdout", "trimap", "background", "comp", "solve")
_TEXTS = ("frames", "camera", "background_end")
_NUMBERS = ("clean_offset", "background_offset")
_SWITCHES = ("overwrite",)
_NEEDED = ("plate", "clean", "output")
_CHOICES = {"camera": CAMERAS, "background_end": ENDS}


@dataclass(frozen=True)
class ShotOrder:
    """One shot as it was asked for, on the command line or in a file."""

    plate: str
    clean: str
    output: str
    frames: str = ""
    core: str = ""
    holdout: str = ""
    trimap: str = ""
    background: str = ""
    comp: str = ""
    solve: str = ""
    camera: str = "auto"
    clean_offset: int = 0
    background_offset: int = 0
    background_end: str = "loop"
    overwrite: bool = False
    options: MatteOptions = field(default_factory=MatteOptions)

    def plan(self) -> Shot:
        """The plan; raises ``MatteError`` as :func:`plan.plan_shot` does, and bad_solve."""
        if self.solve:
            check_solve(Path(self.solve))
        sources = ShotSources(
            plate=self.plate,
            clean_plate=self.clean,
            output=self.output,
            core=self.core,
            holdout=self.holdout,
            trimap=self.trimap,
            background=self.background,
            comp=self.comp,
            clean_offset=self.clean_offset,
            background_offset=self.background_offset,
            background_end=self.background_end,
        )
        return plan_shot(sources, self.frames, self.options, self.overwrite, Camera(self.camera, self.solve))


def read_job(path: Path) -> tuple[ShotOrder, ...]:
    """The shots of a job file; raises ``MatteError("bad_job", ...)`` that names the file, the shot and the word."""
    facts = _parsed(path)
    if not isinstance(facts, Mapping) or not isinstance(facts.get("shots"), list) or not facts["shots"]:
        raise _bad(path, "it must have a list 'shots' with at least one shot")
    extra = sorted(str(key) for key in facts if key not in ("shots", "defaults"))
    if extra:
        raise _bad(path, f"it has an unknown word {extra[0]!r}; at the top there are 'defaults' and 'shots'")
    defaults = _checked(path, "the defaults", facts.get("defaults") or {})
    orders = tuple(
        _order(path, f"shot {number}", {**defaults, **_checked(path, f"shot {number}", entry)})
        for number, entry in enumerate(facts["shots"], 1)
    )
    outputs = [order.output for order in orders]
    twice = next((output for output in outputs if outputs.count(output) > 1), None)
    if twice is not None:
        raise _bad(path, f"two shots write to {twice}")
    return orders


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _bad(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise MatteError("bad_job", f"The job file {path} cannot be read: {error.strerror}.") from None
    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise _bad(path, f"it is not JSON: {error.msg} in line {error.lineno}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise _bad(path, f"it is not YAML: {problem}{where}") from None


def _bad(path: Path, what: str) -> MatteError:
    return MatteError("bad_job", f"The job file {path} cannot be used: {what}.", "Nothing was started.")


def _checked(path: Path, where: str, entry: Any) -> dict[str, Any]:
    """An entry with every word known and of its type, and its paths seen from the file's folder."""
    if not isinstance(entry, Mapping):
        raise _bad(path, f"{where} is not a list of words and values")
    return {str(word).replace("-", "_"): _value(path, where, str(word), value) for word, value in entry.items()}


def _value(path: Path, where: str, said: str, value: Any) -> Any:
    word = said.replace("-", "_")
    known = (*_PATHS, *_TEXTS, *_NUMBERS, *_SWITCHES, *(spec.name for spec in option_specs()))
    if word not in known:
        near = difflib.get_close_matches(word, known, 1)
        raise _bad(path, f"{where} has an unknown word {said!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if word in _PATHS:
        if not isinstance(value, str) or not value:
            raise _bad(path, f"{said!r} of {where} must be a file's name, not {value!r}")
        return str(path.parent / value)
    if word in _TEXTS:
        # A single frame, 1001, is a number to YAML.
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _bad(path, f"{said!r} of {where} must be text, not {value!r}")
        if word in _CHOICES and value not in _CHOICES[word]:
            raise _bad(path, f"{said!r} of {where} must be one of {', '.join(_CHOICES[word])}, not {value!r}")
        return str(value)
    if word in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int)):
        raise _bad(path, f"{said!r} of {where} must be a whole number, not {value!r}")
    if word in _SWITCHES and not isinstance(value, bool):
        raise _bad(path, f"{said!r} of {where} must be yes or no, not {value!r}")
    return value


def _order(path: Path, where: str, entry: dict[str, Any]) -> ShotOrder:
    missing = [word for word in _NEEDED if word not in entry]
    if missing:
        raise _bad(path, f"{where} has no {missing[0]!r}")
    names = {spec.name for spec in option_specs()}
    try:
        options = MatteOptions(**{word: value for word, value in entry.items() if word in names})
    except ValueError as error:
        raise _bad(path, f"in {where}, {str(error).rstrip('.')}") from None
    return ShotOrder(**{word: value for word, value in entry.items() if word not in names}, options=options)
