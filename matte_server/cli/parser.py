"""The command line's parser: argparse, with a suggestion where a word is unknown.

Its help states the range and the default of every flag."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NoReturn

from ..shots.nearest_word import nearest_word
from .console import as_word
from .number_range import NumberRange

_DEFAULT = "(default: "
_WIDEST = 116
"""Prose in wider lines is hard to read."""
_NUMBER = re.compile(r"-?\d[\d.,x-]*")
_SEVERAL_FRAMES = re.compile(r"\d+-\d+[\d,x-]*")
_NO_VALUE = re.compile(r"argument (\S+): expected one argument")
_NO_NUMBER = re.compile(r"invalid (int|float) value: ('.*')", re.DOTALL)
_NUMBERS = {"int": "a whole number", "float": "a number"}
_MEANT = {
    "--clean-plate": "--clean",
    "--background-plate": "--clean",
    "-c": "--clean",
    "--range": "--frames",
    "--start": "--frames",
    "--end": "--frames",
    "--first": "--frames",
    "--last": "--frames",
    "--force": "--overwrite",
    "--port": "--bind",
    "--host": "--bind",
}
"""Flags of other programs, and ours by another name, that no spelling leads to."""
_PLATE = ("--plate", "--input", "-i")
"""Flags of other programs for what stands first here, without a flag."""
_FLAGS_OF_MATTE = ("review", "watch")
"""Those that are taken for commands. To ask the commands for their flags would import what they all need."""
_UNKNOWN = re.compile(r"(?:unrecognized arguments: |invalid choice: ')([^\s']+)")


class CommandHelp(argparse.RawDescriptionHelpFormatter):
    """Help that ends each flag's line with the range and the default, unless the line says them itself. Prose is
    wrapped to the terminal; indented lines, such as examples, go on in the next line as a shell takes it."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = partial(textwrap.fill, width=min(width, _WIDEST), break_long_words=False, break_on_hyphens=False)
        blocks = groupby(text.splitlines(), lambda line: bool(line) and not line.startswith(" "))
        return "\n".join(
            wrap(" ".join(lines)) if is_prose else "\n".join(example(line, width) for line in lines)
            for is_prose, lines in blocks
        )

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        notes = [f"{action.type.in_words}"] if isinstance(action.type, NumberRange) else []
        if notes and _DEFAULT in text:
            # One pair of brackets for both.
            return text.replace(_DEFAULT, f"({notes[0]}, default: ", 1)
        if action.option_strings and not action.required and "default" not in text and _has_default(action):
            notes.append(f"default: {default_in_words(action.default)}")
        return f"{text} ({', '.join(notes)})" if notes else text


def example(line: str, width: int) -> str:
    """An indented ``line`` in lines of at most ``width`` columns, continued as a POSIX shell allows; as it is where
    a remark follows it."""
    if len(line) <= width or "    " in line.strip():
        # What stands behind a gap is said to the reader, not to the shell.
        return line
    # Two columns are the backslash's, which must not part a flag from its value.
    words = re.sub(r"(?<=\s)(-[\w-]+) (?!-)", lambda flag: flag[1] + "\0", line.strip()).split(" ")
    lines = [" " * (len(line) - len(line.lstrip())) + words[0]]
    for word in words[1:]:
        fits = len(lines[-1]) + 1 + len(word) <= width - 2
        lines = [*lines[:-1], f"{lines[-1]} {word}"] if fits else [*lines, f"      {word}"]
    return " \\\n".join(lines).replace("\0", " ")


def _has_default(action: argparse.Action) -> bool:
    """Whether the flag stands for a value: --help and --version do not."""
    return action.default is not argparse.SUPPRESS


def _kind_of(path: Path) -> str:
    """Which kind of a farm's job a file is for."""
    return {".nk": "nuke", ".blend": "blender"}.get(path.suffix.lower(), "shot")


def default_in_words(value: object) -> str:
    """A flag's default as its help states it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in (None, "", [], ()) else str(value).replace("%", "%%")


class _SubCommands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """The commands below one: the help of each begins with its line in the list, unless it says more itself."""

    def add_parser(self, name: str, **keywords: Any) -> Any:
        """As argparse does."""
        line = str(keywords.get("help", ""))
        if line:
            keywords.setdefault("description", f"{line[0].upper()}{line[1:]}.")
        return super().add_parser(name, **keywords)


class CommandParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors name the nearest known word, and that takes no abbreviated flags: a flag
    that is added later must not change what an old script means."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, "formatter_class": CommandHelp, **keywords})
        self._words: list[str] = []
        self.register("action", "parsers", _SubCommands)

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse does, which drops what standard output says of its disk."""
        if file is None or file is not sys.stdout:
            super()._print_message(message, file)
            return
        file.write(message)
        file.flush()

    def error(self, message: str) -> NoReturn:
        """Ends with 2, one sentence and where to find help."""
        message = _NO_NUMBER.sub(lambda found: f"{found[2]} is not {_NUMBERS[found[1]]}", message)
        found = _UNKNOWN.search(message)
        words = [found[1].split("=")[0]] if found else []
        if message.startswith("the following arguments are required"):
            # A needed flag that was misspelt is missing, too.
            words = [word.split("=")[0] for word in self._words if word.startswith("--")]
        known = sorted(self._known())
        meant = [_MEANT[word] for word in words if _MEANT.get(word) in known]
        # A file's name is no misspelt flag.
        spelt = [word for word in words if word not in known and not Path(word).suffix]
        near = next(filter(None, [*meant, *(nearest_word(word, known) for word in spelt)]), "")
        suggestion = f" Did you mean {near}?" if near else self._what_stray_words_mean(message)
        if not suggestion and found:
            suggestion = self._word_before(found[1], message)
        suggestion = suggestion or self._value_with_a_dash(message) or self._commands_below(message)
        self.exit(2, f"{self.prog}: error: {message}.{suggestion} See '{self.prog} --help'.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what is unknown here, where the subcommand's own flags are known."""
        self._words = list(args or ())
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def _what_stray_words_mean(self, message: str) -> str:
        """What is to be written where words stand without a flag that needs one, or a flag that stands without."""
        places = [action.dest for action in self._actions if not action.option_strings]
        words = [word.split("=")[0] for word in self._words]
        if "plate" in places and any(word in _PLATE for word in words):
            return " PLATE stands first, without a flag."
        at = self._stray_words()[len(places) :]
        if not at or not message.startswith(("unrecognized arguments: ", "the following arguments are required")):
            return ""
        stray = [self._words[each] for each in at]
        if all(_NUMBER.fullmatch(word) for word in stray):
            return self._what_stray_numbers_mean(self._words[: at[0]], stray)
        named = list(zip(self._lacking_flags(), stray, strict=False))
        fits = len(named) == len(stray) and not any(flag == "-o" and Path(word).is_file() for flag, word in named)
        files = [Path(self._words[each]) for each in self._stray_words()]
        if len({file.suffix for file in files}) < len(files) and all(file.is_file() for file in files):
            is_sequence = len({re.sub(r"\d+", "#", file.name) for file in files}) == 1
            if is_sequence or not fits:
                return " A pattern with * belongs in quotes: the shell has put the files' names in its place."
        return f" Write {' '.join(f'{flag} {as_word(word)}' for flag, word in named)}." if fits else ""

    def _what_stray_numbers_mean(self, taken: list[str], stray: list[str]) -> str:
        """The same where they are numbers; ``taken`` are the words before them."""
        if taken[-2:-1] == ["--region"]:
            return f' A value of several words goes in quotes: --region "{" ".join((taken[-1], *stray))}".'
        takes_frames = "--frames" in self._option_string_actions and "--frames" not in taken
        if takes_frames and len(stray) == 1 and _SEVERAL_FRAMES.fullmatch(stray[0]):
            return f" Write --frames {stray[0]}."
        return ""

    def _stray_words(self) -> list[int]:
        """The places of the words that are neither flags nor the values of flags."""
        stray, values = [], 0
        for place, word in enumerate(self._words):
            flag = self._option_string_actions.get(word.partition("=")[0])
            if flag is not None:
                several = len(self._words) if flag.nargs in ("+", "*") else 1
                values = 0 if "=" in word or flag.nargs == 0 else several
            elif values:
                values -= 1
            elif word == "-" or _NUMBER.fullmatch(word) or not word.startswith("-"):
                stray.append(place)
            else:
                # An unknown flag: the word behind it is its value.
                values = int("=" not in word)
        return stray

    def _lacking_flags(self) -> list[str]:
        """The flags that are needed and were not given. ``matte`` demands its own later: a job may hold them."""
        given = {word.partition("=")[0] for word in self._words}
        lacking = [each for each in self._actions if each.option_strings and not given & {*each.option_strings}]
        names = ("--clean", "-o")
        return [each.option_strings[0] for each in lacking if each.required or each.option_strings[0] in names]

    def _word_before(self, file: str, message: str) -> str:
        """The word that was forgotten where a file stands in its place: a command, or the kind of a farm's job. The
        command of a flag that was taken for one."""
        if message.startswith("argument COMMAND: ") and Path(file).suffix:
            return f" To matte a picture, write '{self.prog} matte {file} --clean CLEAN -o OUT'."
        if message.startswith("argument COMMAND: ") and file in _FLAGS_OF_MATTE:
            return f" --{file} is a flag: '{self.prog} matte ... --{file}'."
        if message.startswith("argument KIND: ") and Path(file).suffix:
            return f" The kind comes before the file: '{self.prog} {_kind_of(Path(file))} {file} ...'."
        return ""

    def _commands_below(self, message: str) -> str:
        """The commands of which one is missing."""
        lacking = message.rpartition("required: ")[2]
        below = next((each for each in self._actions if isinstance(each, _SubCommands)), None)
        return f" {lacking} is one of {', '.join(below.choices)}." if below and lacking == below.metavar else ""

    def _value_with_a_dash(self, message: str) -> str:
        """How a value that begins with - is written, such as a range of negative frames, where one was taken for a
        flag."""
        lacking = _NO_VALUE.search(message)
        names = lacking[1].split("/") if lacking else []
        for flag, value in pairwise(self._words):
            if flag in names and value.startswith("-") and value not in self._option_string_actions:
                return f" A value that begins with - is written {names[-1]}={value}."
        return ""

    def _known(self) -> set[str]:
        """Every flag of this parser, its choices, and the commands below it."""
        choices = {str(choice) for action in self._actions for choice in action.choices or ()}
        return set(self._option_string_actions) | choices
