"""The flags of a shot and of its mattes on a command line, made from their tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs

from ..errors import MatteError
from ..learning.settings import STEPS, STEPS_WITHOUT_KEYS
from ..shots.arguments import LEARN_ARGUMENTS, NUMBER, PATH, SHOT_ARGUMENTS, SWITCH, TEXTS, ShotArgument, ShotOrder
from ..shots.key_mattes import named_key
from ..shots.named_paths import named_path
from ..shots.option_files import with_whole_paths
from .number_range import ANY_WHOLE, COUNT_OR_NONE
from .parser import default_in_words

_NAMED_IN_USAGE = 3
"""The line of usage and of help names so many choices at most."""


def add_shot_flags(
    parser: Any,
    arguments: Iterable[ShotArgument] = SHOT_ARGUMENTS,
    are_needed: bool = False,
    only_given: bool = False,
) -> None:
    """Adds a flag for each argument of a shot to a parser, or to a group of one. ``are_needed``: the parser itself
    demands what every shot needs; otherwise the command checks that later, because a job file may hold it.
    ``only_given``: an argument that was not written is left out of the parsed result, so that :func:`given_names`
    can tell."""
    for argument in arguments:
        _add_shot_flag(parser, argument, are_needed and argument.is_needed, only_given)


def _add_shot_flag(parser: Any, argument: ShotArgument, is_needed: bool, only_given: bool = False) -> None:
    keywords: dict[str, Any] = {"help": argument.help, "default": argument.default}
    if only_given:
        keywords["default"] = argparse.SUPPRESS
    if only_given and argument.is_needed:
        keywords["help"] += " (needed without --job)"
    if argument.flags and not is_needed and not argument.is_needed and "default" not in argument.help:
        keywords["help"] += f" (default: {default_in_words(argument.default)})"
    if argument.kind == SWITCH:
        parser.add_argument(*argument.flags, dest=argument.name, action="store_true", **keywords)
        return
    if argument.choices:
        keywords["choices"] = argument.choices
    else:
        keywords["metavar"] = argument.metavar
    if argument.kind == NUMBER:
        keywords["type"] = ANY_WHOLE
    elif argument.kind == PATH:
        keywords["type"] = named_path
    elif argument.kind == TEXTS:
        keywords |= {"type": named_key, "nargs": "+"}
    if argument.flags:
        parser.add_argument(*argument.flags, dest=argument.name, required=is_needed, **keywords)
    else:
        if not is_needed:
            keywords["nargs"] = "?"
        parser.add_argument(argument.name, **keywords)


def add_task_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of a farm's task: one for every argument, the plate included; --frames is needed."""
    for argument in SHOT_ARGUMENTS:
        if argument.name == "frames":
            argument = replace(argument, is_needed=True, help="the task's frames, such as 1001-1010")
        if argument.on_farm:
            _add_shot_flag(parser, replace(argument, flags=(argument.task_flag,)), argument.is_needed)


def add_learning_flags(parser: Any) -> None:
    """Adds what a shot is learnt from and how, to a parser or to a group of one."""
    add_shot_flags(parser, LEARN_ARGUMENTS)
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        metavar="N",
        help=f"the most training steps, 1 or more (default: {STEPS} with --key, {STEPS_WITHOUT_KEYS} without)",
    )
    parser.add_argument("--seed", type=COUNT_OR_NONE, default=1, metavar="N", help="another seed gives another run")


def order_from(arguments: argparse.Namespace, options: MatteOptions) -> ShotOrder:
    """The shot that a command line names. Arguments for which the command has no flag keep their defaults."""
    values: dict[str, Any] = {
        argument.name: getattr(arguments, argument.name, argument.default) for argument in SHOT_ARGUMENTS
    }
    return ShotOrder(**values, options=options)


def given_names(arguments: argparse.Namespace) -> list[str]:
    """The arguments and options of a shot that were written on a command line made with ``only_given``."""
    names = [each.name for each in SHOT_ARGUMENTS] + [spec.name for spec in option_specs()]
    return [name for name in names if hasattr(arguments, name)]


def add_options(
    parser: argparse.ArgumentParser, specs: Iterable[OptionSpec] = option_specs(), only_given: bool = False
) -> None:
    """Adds a flag for each of the options, grouped as in the hosts' panels; ``only_given`` as for
    :func:`add_shot_flags`."""
    groups: dict[str, Any] = {}
    for spec in specs:
        group = groups.setdefault(spec.group, parser.add_argument_group(spec.group.lower() + " options"))
        _add_option(group, spec, argparse.SUPPRESS if only_given else spec.default)


def _add_option(group: Any, spec: OptionSpec, default: Any) -> None:
    flag = "--" + spec.name.replace("_", "-")
    limits = "" if spec.minimum is None else f"{spec.minimum:.15g} to {spec.maximum:.15g}, "
    text = spec.help.replace("%", "%%") + f" ({limits}default: {default_in_words(spec.default)})"
    if spec.type is bool:
        group.add_argument(flag, dest=spec.name, action=argparse.BooleanOptionalAction, default=default, help=text)
    elif spec.choices and not spec.is_open:
        # Many names would make a usage line that no terminal holds.
        many = {"metavar": "NAME"} if len(spec.choices) > _NAMED_IN_USAGE else {}
        text = f"{text[:-1]}; one of {', '.join(spec.choices)})" if many else text
        group.add_argument(flag, dest=spec.name, choices=spec.choices, default=default, help=text, **many)
    else:
        name = spec.unit.upper() or {str: "TEXT", int: "N", float: "X"}[spec.type]
        added = group.add_argument(flag, dest=spec.name, type=spec.type, metavar=name, default=default, help=text)
        if spec.choices:
            # Others are taken too, such as an installed model. Without these words a shell offers files.
            added.completer = lambda **_: spec.choices


def options_from(arguments: argparse.Namespace) -> MatteOptions:
    """The options of a command line; those for which the command has no flag keep their defaults. Raises
    ``MatteError("bad_option", ...)``."""
    given: dict[str, Any] = {spec.name: getattr(arguments, spec.name, spec.default) for spec in option_specs()}
    try:
        return with_whole_paths(MatteOptions(**given))
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None
