"""The flags of a shot and of its mattes on a command line, made from their tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs

from ..errors import MatteError
from ..shots.arguments import NUMBER, SHOT_ARGUMENTS, SWITCH, ShotArgument, ShotOrder


def add_shot_flags(
    parser: argparse.ArgumentParser, arguments: Iterable[ShotArgument] = SHOT_ARGUMENTS, are_needed: bool = False
) -> None:
    """Adds a flag for each argument of a shot. ``are_needed``: the parser itself demands what every shot needs;
    otherwise the command checks that later, because a job file may hold it."""
    for argument in arguments:
        _add_shot_flag(parser, argument, are_needed and argument.is_needed)


def _add_shot_flag(parser: argparse.ArgumentParser, argument: ShotArgument, is_needed: bool) -> None:
    keywords: dict[str, Any] = {"help": argument.help, "default": argument.default}
    if argument.kind == SWITCH:
        parser.add_argument(*argument.flags, dest=argument.name, action="store_true", help=argument.help)
        return
    if argument.choices:
        keywords["choices"] = argument.choices
    else:
        keywords["metavar"] = argument.metavar
    if argument.kind == NUMBER:
        keywords["type"] = int
    if argument.flags:
        parser.add_argument(*argument.flags, dest=argument.name, required=is_needed, **keywords)
    else:
        if not is_needed:
            keywords["nargs"] = "?"
        parser.add_argument(argument.name, **keywords)


def add_task_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of a farm's task: one for every argument, the plate included; --frames is needed."""
    for argument in SHOT_ARGUMENTS:
        if argument.on_farm:
            is_needed = argument.is_needed or argument.name == "frames"
            _add_shot_flag(parser, replace(argument, flags=(argument.task_flag,)), is_needed)


def order_from(arguments: argparse.Namespace, options: MatteOptions) -> ShotOrder:
    """The shot that a command line names. Arguments for which the command has no flag keep their defaults."""
    values: dict[str, Any] = {
        argument.name: getattr(arguments, argument.name, argument.default) for argument in SHOT_ARGUMENTS
    }
    return ShotOrder(**values, options=options)


def add_options(parser: argparse.ArgumentParser, specs: Iterable[OptionSpec] = option_specs()) -> None:
    """Adds a flag for each of the options, grouped as in the hosts' panels."""
    groups: dict[str, Any] = {}
    for spec in specs:
        group = groups.setdefault(spec.group, parser.add_argument_group(spec.group.lower() + " options"))
        _add_option(group, spec)


def _add_option(group: Any, spec: OptionSpec) -> None:
    flag = "--" + spec.name.replace("_", "-")
    limits = "" if spec.minimum is None else f"{spec.minimum:g} to {spec.maximum:g}, "
    text = spec.help.replace("%", "%%") + f" ({limits}default: {_default_in_words(spec)})"
    if spec.type is bool:
        group.add_argument(
            flag, dest=spec.name, action=argparse.BooleanOptionalAction, default=spec.default, help=text
        )
    elif spec.choices and not spec.is_open:
        group.add_argument(flag, dest=spec.name, choices=spec.choices, default=spec.default, help=text)
    else:
        name = spec.unit.upper() or {str: "TEXT", int: "N", float: "X"}[spec.type]
        group.add_argument(flag, dest=spec.name, type=spec.type, metavar=name, default=spec.default, help=text)


def _default_in_words(spec: OptionSpec) -> str:
    if spec.type is bool:
        return "yes" if spec.default else "no"
    return str(spec.default) or "none"


def options_from(arguments: argparse.Namespace) -> MatteOptions:
    """The options of a command line; those for which the command has no flag keep their defaults. Raises
    ``MatteError("bad_option", ...)``."""
    given: dict[str, Any] = {spec.name: getattr(arguments, spec.name, spec.default) for spec in option_specs()}
    if given["weights"] and Path(given["weights"]).is_file():
        # The server has another working folder.
        given["weights"] = str(Path(given["weights"]).resolve())
    try:
        return MatteOptions(**given)
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None
