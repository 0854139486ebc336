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


def _is_of(value: object, kind: str) -> bool:
    from ._nodes import Node

    if kind == "callable":
        return callable(value)
    if kind == "Node":
        return isinstance(value, Node)
    return isinstance(value, _TYPES.get(kind, (object,)))


def _checked(name: str, function: Function, takes: str, own: int) -> Function:
    """``own`` arguments, such as ``self``, come before the documented ones."""
    kinds = [(one.name, str(one.annotation)) for one in signature(takes).parameters.values()]

    @functools.wraps(function)
    def call(*args: Any, **more: Any) -> Any:
        for value, (parameter, kind) in zip(args[own:], kinds, strict=False):
            if value is not None and not _is_of(value, kind):
                raise TypeError(f"{name}: {parameter} is {value!r}, not {kind}")
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
