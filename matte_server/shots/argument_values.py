"""Which values an argument of a shot takes, where a job file or a program gives them."""

from __future__ import annotations

from .arguments import NUMBER, PATH, SWITCH, TEXT, ShotArgument


def needed_instead(argument: ShotArgument, value: object) -> str:
    """What a value must be instead, in words; empty where it may stand."""
    return _NEEDED[argument.kind](argument, value)


def _path(argument: ShotArgument, value: object) -> str:
    return "" if isinstance(value, str) and value else "a file's name"


def _text(argument: ShotArgument, value: object) -> str:
    # A single frame, 1001, is a number to YAML.
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "text"
    return f"one of {', '.join(argument.choices)}" if argument.choices and value not in argument.choices else ""


def _number(argument: ShotArgument, value: object) -> str:
    return "a whole number" if isinstance(value, bool) or not isinstance(value, int) else ""


def _switch(argument: ShotArgument, value: object) -> str:
    return "" if isinstance(value, bool) else "yes or no"


_NEEDED = {PATH: _path, TEXT: _text, NUMBER: _number, SWITCH: _switch}
