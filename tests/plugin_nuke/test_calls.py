"""Every call into Nuke against recorded facts of Foundry's documents, ``nuke_calls.json``: that the name exists,
what it takes, since which version, on which thread, and what a terminal does. The stand-in obeys them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import panel
from nuke._documented import CALLS, signature
from nuke._state import State

from tests.plugin_nuke.test_fake import on_a_thread

HOST = Path(__file__).resolve().parents[2] / "plugin_nuke" / "cleanplate_node" / "host"
OLDEST = 14
"""The first version that the plugin supports."""
METHODS = {
    name: [
        (kind, takes)
        for kind, facts in CALLS["classes"].items()
        for name_, takes in facts["methods"].items()
        if name_ == name
    ]
    for name in sorted({one for facts in CALLS["classes"].values() for one in facts["methods"]})
}
OF_PYTHON = {
    *("add", "append", "as_posix", "endswith", "extend", "findall", "glob", "items", "join", "joinpath", "lower"),
    *("partition", "pop", "read_text", "replace", "rpartition", "rstrip", "search", "setdefault", "split"),
    *("startswith", "write_text"),
}
"""Methods of texts, lists, paths and the like that the host package calls."""
OF_OUR_OWN = {"expanded", "inside", "is_named_in", "values_at"}
"""Methods of a ``GraphScope``, of a ``DrivenKnob`` and of an ``EvaluatedText``."""
LITERALS: dict[type, set[str]] = {
    str: {"str", "object"},
    int: {"int", "float", "object"},
    bool: {"bool", "int", "object"},
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """The host package, and the Python that is saved in the buttons of a node."""
    for path in sorted(HOST.glob("*.py")):
        yield path.name, ast.parse(path.read_text(encoding="utf-8"))
    for spec in panel.knobs():
        if spec.kind == "button":
            yield spec.name, ast.parse(spec.script)


def imported(tree: ast.Module) -> set[str]:
    """The names of modules in a file, and of what it takes from other modules."""
    nodes = [one for one in ast.walk(tree) if isinstance(one, (ast.Import, ast.ImportFrom))]
    return {alias.asname or alias.name.split(".")[0] for one in nodes for alias in one.names}


def calls() -> Iterator[Any]:
    """Each call of a function of nuke or of a method of something, with the documented signatures by name."""
    for file, tree in sources():
        own = {"self", *imported(tree)} - {"nuke"}
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            text = ast.unparse(call.func)
            if not isinstance(call.func, ast.Attribute) or (text.split(".")[0] in own and text.count(".") == 1):
                continue
            is_of_module = re.fullmatch(r"nuke\.(Undo\.)?\w+", text) is not None
            name = text.removeprefix("nuke.") if is_of_module else call.func.attr
            if is_of_module:
                known = {name: CALLS["module"][name]["takes"]} if name in CALLS["module"] else {}
            else:
                known = {f"{kind}.{name}": takes for kind, takes in METHODS.get(name, ())}
            yield pytest.param(name, call, known, id=f"{file}:{call.lineno}:{name}")


def literal_kind(node: ast.expr) -> type | None:
    return type(node.value) if isinstance(node, ast.Constant) and node.value is not None else None


@pytest.mark.parametrize(("name", "call", "known"), [*calls()])
def test_every_call_is_documented(name: str, call: ast.Call, known: dict[str, str]) -> None:
    if not known:
        assert name in OF_PYTHON | OF_OUR_OWN, f"no document of Nuke knows {name}"
        return
    for takes in known.values():
        wanted = signature(takes)
        named: dict[str, ast.expr] = {word.arg: word.value for word in call.keywords if word.arg}
        bound = wanted.bind(*call.args, **named)  # TypeError: not so many, or not by this name
        for parameter, given in bound.arguments.items():
            kind = literal_kind(given)
            annotation = str(wanted.parameters[parameter].annotation)
            assert kind is None or annotation in LITERALS[kind], (name, parameter, ast.unparse(given))


def stubs() -> dict[str, ast.stmt]:
    """What the published stubs of 13.2 define, methods as ``Class.method``."""
    files = [Path(str(file.locate())) for file in distribution("types-nuke").files or () if file.suffix == ".pyi"]
    found: dict[str, ast.stmt] = {}
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            name = getattr(node, "name", "") or ast.unparse(getattr(node, "target", ast.Name("")))
            found[name] = node
            inner = node.body if isinstance(node, ast.ClassDef) else []
            found.update({f"{name}.{one.name}": one for one in inner if isinstance(one, ast.FunctionDef)})
    return found


def test_the_published_stubs_agree() -> None:
    """They know every name of 13, with at least as many parameters as the facts say."""
    known, facts = stubs(), CALLS["classes"]
    takes = {name: one["takes"] for name, one in CALLS["module"].items() if one["since"] == 13}
    takes |= {f"{kind}.{name}": text for kind, one in facts.items() for name, text in one["methods"].items()}
    assert {name for name, since in CALLS["values"].items() if since == 13} <= known.keys()
    assert facts.keys() | takes.keys() <= known.keys()
    for name, text in takes.items():
        stub = known[name]
        if isinstance(stub, ast.FunctionDef) and not stub.args.vararg:
            parameters = [
                one.arg for one in (*stub.args.args, *stub.args.kwonlyargs) if one.arg not in ("self", "cls")
            ]
            assert len(parameters) >= len(signature(text).parameters), (name, parameters)


def test_what_older_versions_lack_is_asked_for_first() -> None:
    newer = {name for name, facts in CALLS["module"].items() if facts["since"] > OLDEST}
    newer |= {name for name, since in CALLS["values"].items() if since > OLDEST}
    asked = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                assert len(node.args) == 3, "a version without it needs something in its place"
                asked.add(ast.literal_eval(node.args[1]))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "nuke":
                assert node.attr not in newer, f"nuke.{node.attr} is newer than {OLDEST}"
    assert asked == newer


def place(name: str) -> Any:
    found: Any = nuke
    for step in name.split("."):
        found = getattr(found, step)
    return found


# What each is called with, on a thread or without a window, by the names of its parameters.
SAMPLES: dict[str, Any] = {"call": print, "nodes": (), "ranges": (), "views": [], "node": "Grade", "i": 0, "n": 1}


def arguments(takes: str) -> list[Any]:
    needed = [one for one in signature(takes).parameters.values() if one.default is one.empty]
    return [SAMPLES.get(one.name, "x") for one in needed]


@pytest.mark.parametrize("name", CALLS["module"])
def test_the_stand_in_obeys(name: str, window: State) -> None:
    """Names and order of parameters, and the thread."""
    facts = CALLS["module"][name]
    window.major = 17
    function = place(name)
    if inspect.isfunction(function) and function.__name__ == name:
        documented, own = signature(facts["takes"]).parameters, inspect.signature(function).parameters
        assert [*own][: len(documented)] == [*documented][: len(own)]
    needed = arguments(facts["takes"]) if name != "delete" else [nuke.createNode("Grade")]
    caught = on_a_thread(lambda: function(*needed)) if name != "lastHitGroup" else None
    assert (facts["thread"] == "main" and name != "lastHitGroup") == ("main thread" in str(caught)), caught


@pytest.mark.parametrize("name", [name for name, one in CALLS["module"].items() if one["terminal"] != "same"])
def test_without_a_window(name: str, terminal: State) -> None:
    facts = CALLS["module"][name]
    terminal.major = 17
    if facts["terminal"] in ("RuntimeError", "not called") and name != "lastHitGroup":
        with pytest.raises(RuntimeError, match="no window"):
            place(name)(*arguments(facts["takes"]))
    elif facts["terminal"] == "never runs":
        seen: list[int] = []
        place(name)(lambda: seen.append(1))
        node = nuke.createNode("Group")
        node["label"].setValue("x")
        terminal.process_events()
        assert not seen


@pytest.mark.parametrize("kind", [kind for kind, facts in CALLS["classes"].items() if facts["methods"]])
def test_the_stand_ins_classes_are_the_documented_ones(kind: str) -> None:
    if kind == "GlobalsEnvironment":
        return
    facts, found = CALLS["classes"][kind], getattr(nuke, kind)
    assert not facts["of"] or issubclass(found, getattr(nuke, facts["of"]))
    for method, takes in facts["methods"].items():
        documented = [*signature(takes).parameters]
        own = [*inspect.signature(getattr(found, method)).parameters][1:]
        assert own[: len(documented)] == documented[: len(own)], method


def test_arguments_of_another_type_are_refused(window: State) -> None:
    node = nuke.createNode("Grade")
    for wrong in (
        lambda: nuke.toNode(1),  # type: ignore[arg-type]
        lambda: node.setInput("0", None),  # type: ignore[arg-type]
        lambda: nuke.executeMultiple((node,), ((1, 1),), ["main"]),  # type: ignore[arg-type]
        lambda: nuke.executeMultiple((node,), ((1, 1, 1),), "main"),
        lambda: nuke.message(RuntimeError("x")),  # type: ignore[arg-type]
        lambda: nuke.allNodes("Group", nuke.root(), True),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            wrong()


def test_no_name_is_listed_that_is_not_used() -> None:
    used = {name for param in calls() for name in param.values[2]}
    of_classes = {f"{kind}.{method}" for kind, facts in CALLS["classes"].items() for method in facts["methods"]}
    unused = ({*CALLS["module"]} | of_classes) - used - {"lastHitGroup"}
    assert unused == set()
