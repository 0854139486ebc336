"""Every text of the add-on's interface has its German words, and none is left over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from matte_link.options import shown_in

from plugin_blender import german
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "plugin_blender"
_SHOWN = ("text", "name", "description", "confirm_text")
"""Keywords of Blender's calls whose texts are seen."""
_SEEN_CALLS = ("label", "prop", "operator", "invoke_props_dialog")
_PROPERTIES = (
    "BoolProperty",
    "CollectionProperty",
    "EnumProperty",
    "FloatProperty",
    "IntProperty",
    "StringProperty",
)


def test_every_text_is_translated() -> None:
    texts = {text for path in FOLDER.glob("*.py") for text in _texts(path)}
    assert len(texts) > 60, "the reader itself: it sees texts"
    assert texts - set(german.WORDS) == set()
    assert set(german.WORDS) - texts == set(), "words of texts that are gone"


def test_every_option_is_translated() -> None:
    specs = {spec.name: spec for spec in shown_in("blender")}
    assert set(german.OPTIONS) == set(specs)
    assert set(german.GROUPS) == {spec.group for spec in specs.values()}
    places = [text for text in german.WORDS if "{" in text]
    for text in places:
        assert _places(text) == _places(german.WORDS[text]), text


def _places(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}


def _texts(path: Path) -> Iterator[str]:
    if path.name in ("german.py", "translation.py"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_CHOICES":
            yield from ast.literal_eval(node.value).values()


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    """An operator's docstring is its tooltip; labels are those of operators and panels."""
    labels = [
        str(each.value.value)
        for each in node.body
        if isinstance(each, ast.Assign)
        and getattr(each.targets[0], "id", "") == "bl_label"
        and isinstance(each.value, ast.Constant)
    ]
    yield from labels
    if labels and "_OT_" in node.name:
        yield " ".join((ast.get_docstring(node) or "").split())


def _of_call(node: ast.Call) -> Iterator[str]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    constants = [each.value for each in node.args[:1] if isinstance(each, ast.Constant)]
    if called == "tr":
        assert constants, f"tr() at line {node.lineno} takes one text"
        yield str(constants[0])
    if called in (*_SEEN_CALLS, *_PROPERTIES):
        for word in node.keywords:
            if word.arg in _SHOWN and isinstance(word.value, ast.Constant) and word.value.value:
                yield str(word.value.value)
