"""The documented signatures of ``nuke_calls.json``, and that an argument of another type is refused."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS: dict[str, Any] = json.loads(
    Path(__file__).resolve().parents[2].joinpath("nuke_calls.json").read_text(encoding="utf-8")
)
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int, float),
    "float": (int, float),
    "bool": (bool, int),
    "tuple": (tuple, list),
    "list": (list,),
    "dict": (dict,),
}
Function = Callable[..., Any]


def signature(takes: str) -> inspect.Signature:
    """A documented signature; annotations stay text."""
    made: dict[str, Any] = {}
    exec(f"from __future__ import annotations\ndef documented({takes}): ...", made)
    return inspect.signature(made["documented"])


def _is_a_node(value: object) -> bool:
    from ._nodes import Node

    return isinstance(value, Node)


def _is_one_of(types: tuple[type, ...]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, types)


def _test_of(kind: str) -> Callable[[object], bool] | None:
    """Tells values of a documented type; None where any value is one."""
    if kind == "callable":
        return callable
    if kind == "Node":
        return _is_a_node
    return _is_one_of(_TYPES[kind]) if kind in _TYPES else None


def _checked(name: str, function: Function, takes: str, own: int) -> Function:
    """``own`` arguments, such as ``self``, come before the documented ones. Such functions are called a million
    times in a test, most of them without an argument."""
    kinds = [(one.name, str(one.annotation)) for one in signature(takes).parameters.values()]
    tests = [_test_of(kind) for _, kind in kinds]
    if not any(tests):
        return function

    @functools.wraps(function)
    def call(*args: Any, **more: Any) -> Any:
        for index, value in enumerate(args[own : own + len(tests)]):
            test = tests[index]
            if test is not None and value is not None and not test(value):
                raise TypeError(f"{name}: {kinds[index][0]} is {value!r}, not {kinds[index][1]}")
        return function(*args, **more)

    return call


def check_arguments(module: dict[str, Any]) -> None:
    """Has each documented function and method of the stand-in refuse what the documents do not allow."""
    for name, facts in CALLS["module"].items():
        function = module.get(name)
        if inspect.isfunction(function):
            module[name] = _checked(name, function, facts["takes"], own=0)
    for name, facts in CALLS["classes"].items():
        for method, takes in facts["methods"].items():
            function = vars(module[name]).get(method) if name in module else None
            if inspect.isfunction(function):
                setattr(module[name], method, _checked(f"{name}.{method}", function, takes, own=1))
