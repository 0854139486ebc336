"""Which of Nuke's names the plugin uses: only documented ones, and only in ``cleanplate_node/host/``.

Each name stands with the page of Foundry's Python reference that documents it. A name that is not listed fails
here, a listed one that is no longer used fails too, and all are looked up in the published stubs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import nuke
import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "plugin_nuke"

# Name -> its page in the Nuke Python API reference (15.0), under pythondevguide/_autosummary/, and why it is safe.
DOCUMENTED = {
    "Array_Knob": "nuke.Array_Knob: isAnimated, hasExpression, getValueAt, arraySize, notDefault",
    "Boolean_Knob": "nuke.Boolean_Knob",
    "CancelledError": "nuke.CancelledError: raised by execute functions when the user cancels",
    "Enumeration_Knob": "nuke.Enumeration_Knob: values()",
    "EvalString_Knob": "nuke.EvalString_Knob: evaluate() runs the TCL",
    "File_Knob": "nuke.File_Knob: getEvaluatedValue() runs the TCL and leaves the frame number in",
    "Format_Knob": "nuke.Format_Knob: notDefault()",
    "GUI": "nuke, module attributes: true in an interactive session",
    "Int_Knob": "nuke.Int_Knob",
    "Group": "nuke.Group: node(), nodes()",
    "Knob": "nuke.Knob",
    "NO_UNDO": "nuke, constants: knob flag",
    "DO_NOT_WRITE": "nuke, constants: knob flag",
    "NUKE_VERSION_STRING": "nuke, constants",
    "Node": "nuke.Node",
    "ProgressTask": "nuke.ProgressTask: setProgress, setMessage, isCancelled; from any thread",
    "Script_Knob": "nuke.Script_Knob: execute()",
    "TO_SCRIPT": "nuke.Node.writeKnobs: flags",
    "WRITE_ALL": "nuke.Node.writeKnobs: flags; normally invisible knobs too",
    "WRITE_NON_DEFAULT_ONLY": "nuke.Node.writeKnobs: flags",
    "Undo.disable": "nuke.Undo: disable()",
    "Undo.enable": "nuke.Undo: enable()",
    "addAfterRender": "nuke.addAfterRender",
    "addAutolabel": "nuke.addAutolabel: text drawn on a node, None leaves it to others",
    "addBeforeFrameRender": "nuke.addBeforeFrameRender",
    "addBeforeRender": "nuke.addBeforeRender: when a Write begins to render",
    "addKnobChanged": "nuke.addKnobChanged: also inputChange, showPanel; from 17 on with a closed panel too",
    "addOnCreate": "nuke.addOnCreate",
    "addOnDestroy": "nuke.addOnDestroy",
    "addOnScriptClose": "nuke.addOnScriptClose",
    "addOnScriptLoad": "nuke.addOnScriptLoad",
    "addUpdateUI": "nuke.addUpdateUI: on every node after changes, open panel or not",
    "addView": "nuke.addView",
    "allNodes": "nuke.allNodes: filter, group, recurseGroups",
    "ask": "nuke.ask",
    "cancel": "nuke.cancel: cancels the running execute",
    "createNode": "nuke.createNode",
    "delete": "nuke.delete",
    "env": "nuke.env: 'nc', 'indie'",
    "executeInMainThread": "nuke.executeInMainThread: queues and returns at once",
    "executeMultiple": "nuke.executeMultiple: nodes, ranges, views",
    "filenameFilter": "nuke.callbacks: what addFilenameFilter's functions make of a name",
    "frame": "nuke.frame",
    "menu": "nuke.menu: 'Nodes' is the toolbar",
    "message": "nuke.message",
    "nodeCopy": "nuke.nodeCopy: to a file",
    "nodePaste": "nuke.nodePaste: from a file",
    "rawArgs": "nuke, module attributes: every word of the command line",
    "removeBeforeFrameRender": "nuke.removeBeforeFrameRender",
    "root": "nuke.root",
    "String_Knob": "nuke.String_Knob: value() is the text as typed",
    "scriptClear": "nuke.scriptClear",
    "scriptOpen": "nuke.scriptOpen",
    "scriptSaveAs": "nuke.scriptSaveAs",
    "thisKnob": "nuke.thisKnob",
    "thisNode": "nuke.thisNode",
    "toNode": "nuke.toNode",
    "tprint": "nuke.tprint",
    "undo": "nuke.undo",
    "views": "nuke.views",
}
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
    assert host_names() - set(DOCUMENTED) == set()
    assert set(DOCUMENTED) - host_names() == set(), "listed, but no longer used"
    assert not host_names() & FORBIDDEN
    for name, page in DOCUMENTED.items():
        assert page.startswith("nuke"), name


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


def test_the_stubs_know_every_name() -> None:
    files = [Path(str(file.locate())) for file in distribution("types-nuke").files or () if file.suffix == ".pyi"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for name in DOCUMENTED:
        short = name.rpartition(".")[2]
        assert re.search(rf"^\s*(?:def |class )?{short}\b\s*[(:]|^class {short}\b", text, re.MULTILINE), name


def test_the_fake_has_no_more_than_is_documented() -> None:
    extra = {"reset", "execute", "executeInMainThreadWithResult", "STARTLINE", "DISABLED", "INVISIBLE"}
    extra |= {"thisGroup", "Root", "Undo", "knobDefault", "filename", "script_directory", "addFilenameFilter"}
    functions = {name for name in nuke.__all__ if not name.endswith("_Knob")} - {"annotations", "Any"}
    listed = {name.partition(".")[0] for name in DOCUMENTED}
    assert functions - listed - extra == set()
    assert {name for name in listed if not hasattr(nuke, name)} == set()


def test_no_blanket_ignores() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"#\s*(type:\s*ignore(?!\[)|pyright:|mypy:|ruff: noqa(?!:))", text), path.name


def test_python_3_9_syntax() -> None:
    for path in [*sources(), *(PLUGIN.parent / "shared" / "matte_link").glob("*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))
