"""A Nuke that behaves, for tests: as much of its Python as the plugin uses, as strict as the real one or stricter.

It has no attribute that is not listed here, so a misspelled name is an AttributeError. It refuses node access off
the main thread and rendering inside a callback, runs queued calls only where there is a window, writes and reads
real EXR files, keeps what a Read has read until its file changes or it is reloaded, evaluates TCL, and forgets
programmatic flags when a script is saved and read. Where Foundry's documentation leaves something open, the fake
takes the answer that is worse for the plugin; what only a real Nuke can settle stands in CHECKLIST.md.
"""

from __future__ import annotations

from typing import Any

from . import _gsv
from ._documented import CALLS, check_arguments
from ._host import (
    Menu,
    ProgressTask,
    Undo,
    addAfterRender,
    addAutolabel,
    addBeforeFrameRender,
    addBeforeRender,
    addFilenameFilter,
    addKnobChanged,
    addOnCreate,
    addOnDestroy,
    addOnScriptClose,
    addOnScriptLoad,
    addOnScriptSave,
    addUpdateUI,
    addView,
    allNodes,
    ask,
    cancel,
    clone,
    createNode,
    delete,
    env,
    execute,
    executeInMainThread,
    executeInMainThreadWithResult,
    executeMultiple,
    executing,
    filename,
    filenameFilter,
    frame,
    knobDefault,
    menu,
    message,
    nodeCopy,
    nodePaste,
    removeBeforeFrameRender,
    reset,
    root,
    script_directory,
    scriptClear,
    scriptOpen,
    scriptSaveAs,
    thisGroup,
    thisKnob,
    thisNode,
    toNode,
    tprint,
    undo,
    views,
)
from ._knobs import (
    DISABLED,
    DO_NOT_WRITE,
    INVISIBLE,
    NO_UNDO,
    STARTLINE,
    Array_Knob,
    Boolean_Knob,
    Double_Knob,
    Enumeration_Knob,
    EvalString_Knob,
    File_Knob,
    Format_Knob,
    Int_Knob,
    Knob,
    Link_Knob,
    OutputContext,
    PyScript_Knob,
    Script_Knob,
    String_Knob,
    Tab_Knob,
    Text_Knob,
)
from ._nodes import FrameRange, Gizmo, Group, LiveGroup, Node, Precomp, Root
from ._state import CancelledError

TO_SCRIPT = 0x1
WRITE_NON_DEFAULT_ONLY = 0x10
WRITE_ALL = 0x20
NUKE_VERSION_STRING = "15.1v1"
EXE_PATH = "/nowhere/Nuke15.1v1/Nuke15.1"
GUI: bool
rawArgs: list[str]


def __getattr__(name: str) -> Any:
    """``GUI`` and ``rawArgs`` follow the fake's state; everything else that is missing is missing."""
    from ._state import state

    since = CALLS["values"].get(name) or CALLS["module"].get(name, {}).get("since", 0)
    newer = {"LINKNODE_INPUTS": 0x10, "lastHitGroup": lambda: state.hit_group or state.root}
    if name in newer and state.major >= since:
        return newer[name]
    if name == "gsv" and state.major >= 16:
        return _gsv
    if name == "GUI":
        return state.gui
    if name == "rawArgs":
        return list(state.raw_args)
    raise AttributeError(f"module 'nuke' has no attribute {name!r}")


__all__ = [
    "DISABLED",
    "DO_NOT_WRITE",
    "EXE_PATH",
    "INVISIBLE",
    "NO_UNDO",
    "NUKE_VERSION_STRING",
    "STARTLINE",
    "TO_SCRIPT",
    "WRITE_ALL",
    "WRITE_NON_DEFAULT_ONLY",
    "Array_Knob",
    "Boolean_Knob",
    "CancelledError",
    "Double_Knob",
    "Enumeration_Knob",
    "EvalString_Knob",
    "File_Knob",
    "Format_Knob",
    "FrameRange",
    "Gizmo",
    "Group",
    "Int_Knob",
    "Knob",
    "Link_Knob",
    "LiveGroup",
    "Menu",
    "Node",
    "OutputContext",
    "Precomp",
    "ProgressTask",
    "PyScript_Knob",
    "Root",
    "Script_Knob",
    "String_Knob",
    "Tab_Knob",
    "Text_Knob",
    "Undo",
    "addAfterRender",
    "addAutolabel",
    "addBeforeFrameRender",
    "addBeforeRender",
    "addFilenameFilter",
    "addKnobChanged",
    "addOnCreate",
    "addOnDestroy",
    "addOnScriptClose",
    "addOnScriptLoad",
    "addOnScriptSave",
    "addUpdateUI",
    "addView",
    "allNodes",
    "ask",
    "cancel",
    "clone",
    "createNode",
    "delete",
    "env",
    "execute",
    "executeInMainThread",
    "executeInMainThreadWithResult",
    "executeMultiple",
    "executing",
    "filename",
    "filenameFilter",
    "frame",
    "knobDefault",
    "menu",
    "message",
    "nodeCopy",
    "nodePaste",
    "removeBeforeFrameRender",
    "reset",
    "root",
    "scriptClear",
    "scriptOpen",
    "scriptSaveAs",
    "script_directory",
    "thisGroup",
    "thisKnob",
    "thisNode",
    "toNode",
    "tprint",
    "undo",
    "views",
]

check_arguments(globals())
reset()
