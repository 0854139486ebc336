"""Which of Nuke's names the plugin uses: only documented ones, and only in ``cleanplate_node/host/``.

All are looked up in the published stubs too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nuke
import pytest
from nuke._documented import CALLS

PLUGIN = Path(__file__).resolve().parents[2] / "plugin_nuke"

DOCUMENTED = {*CALLS["module"], *CALLS["values"], *CALLS["classes"]} - {"Undo"}
"""Every name, as Foundry's Python reference has it; ``test_calls.py`` holds the calls against it."""
# Would hang or corrupt a Nuke, or are gone from some version; see facts on each in the plugin's README.
FORBIDDEN = {"executeInMainThreadWithResult", "execute", "render", "activeGroup", "localization"}


def sources() -> list[Path]:
    """The plugin's own files: not what was vendored into a built folder."""
    return sorted([*PLUGIN.glob("*.py"), *(PLUGIN / "cleanplate_node").rglob("*.py")])


def used(tree: ast.AST) -> Iterator[str]:
    """``X`` of every ``nuke.X``, and ``X.y`` where the class itself is used as ``nuke.Undo.y``."""
    inner = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "nuke.Undo"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            text = ast.unparse(node)
            if re.fullmatch(r"nuke\.(Undo\.)?\w+", text):
                yield text.removeprefix("nuke.")


def host_names() -> set[str]:
    files = (PLUGIN / "cleanplate_node" / "host").glob("*.py")
    return {name for path in files for name in used(ast.parse(path.read_text(encoding="utf-8")))}


def test_only_documented_names() -> None:
    assert host_names() - DOCUMENTED == set()
    by_name = {name for name in CALLS["values"] if since(name) == 13}
    by_name |= {kind for kind, facts in CALLS["classes"].items() if not facts["methods"]} - {"Undo"}
    assert by_name - host_names() == set(), "listed, but no longer used"
    assert not host_names() & FORBIDDEN


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_only_the_host_folder_imports_nuke(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    in_host = path.parent.name == "host" and path.name != "__init__.py"
    assert ("nuke" in imported) == in_host
    assert not imported & {"numpy", "OpenEXR", "PySide2", "PySide6", "nukescripts", "cv2", "torch", "matte_server"}


def test_the_fake_has_no_more_than_is_documented() -> None:
    extra = {"reset", "execute", "executeInMainThreadWithResult", "STARTLINE", "DISABLED", "INVISIBLE"}
    extra |= {"thisGroup", "knobDefault", "filename", "script_directory", "addFilenameFilter", "Undo", "clone"}
    functions = {name for name in nuke.__all__ if not name.endswith("_Knob")}
    listed = {name.partition(".")[0] for name in DOCUMENTED if since(name) <= 15} - {"GlobalsEnvironment"}
    assert functions - listed - extra == set()
    assert {name for name in listed if not hasattr(nuke, name)} == set()


def since(name: str) -> int:
    """The first version of Nuke that has it."""
    return int(CALLS["values"].get(name) or CALLS["module"].get(name, {}).get("since", 13))


def test_no_blanket_ignores() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"#\s*(type:\s*ignore(?!\[)|pyright:|mypy:|ruff: noqa(?!:))", text), path.name


def test_python_3_9_syntax() -> None:
    for path in [*sources(), *(PLUGIN.parent / "shared" / "matte_link").glob("*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))
