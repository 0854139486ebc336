"""The house's measures, proved from the source: one name for one thing, files and functions that fit on a page."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.conftest import REPOSITORY

PRODUCTION = ("shared", "matte_server", "plugin_nuke", "plugin_blender")
FAKE_NUKE = REPOSITORY / "tests" / "plugin_nuke" / "fake_nuke"
"""Stands in for Nuke, so its names are Nuke's."""
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 8
LONG_FUNCTION = 25
"""Lines below which 95 % of the functions stay."""


def sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return sorted(path for path in found if "vendor" not in path.parts and not path.is_relative_to(FAKE_NUKE))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def function_lengths() -> dict[str, int]:
    """Lines of every function of the product, by where it stands."""
    return {
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno)
        - node.lineno
        + 1
        for path in sources(*PRODUCTION)
        for node in nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_a_class_name_stands_in_one_file() -> None:
    files = defaultdict(set)
    for path in sources(*PRODUCTION, "tests"):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(REPOSITORY)))
    assert len(files) > 200, "the reader itself: it sees classes"
    assert {name: sorted(where) for name, where in files.items() if len(where) > 1} == {}


def test_files_fit_in_the_head() -> None:
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*PRODUCTION)
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_small() -> None:
    lengths = function_lengths()
    ordered = sorted(lengths.values())
    assert {name: length for name, length in lengths.items() if length >= LONGEST_FUNCTION} == {}
    assert median(ordered) < MEDIAN_FUNCTION
    assert ordered[int(0.95 * len(ordered))] < LONG_FUNCTION
