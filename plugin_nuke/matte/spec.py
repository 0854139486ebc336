"""The node, written down once: knobs and graph as data, and the ``.nk`` text made of them. No nuke here.

The settings come from :class:`matte_link.options.MatteOptions`; a new option is on the panel as soon as it is
there. What a Nuke panel must not show stands in the table of options, with the reason.

The ``.nk`` syntax (knob type numbers, flags, the stack) is what Nuke itself saves; see the notes on each table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from matte_link.endpoint import DEFAULT_ADDRESS
from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, shown_in

SCHEMA = 1
NODE_NAME = "Cleanplate_Matte"
TITLE = "Cleanplate Matte"
INPUTS = ("src", "clean", "holdout", "core")
WRITES = {"src": "Write_src", "clean": "Write_clean", "core": "Write_core", "holdout": "Write_holdout"}
READ = "Read_result"
RANGE_MODES = ("input", "project", "custom")
HOST = "nuke"
OUTPUTS = ("premultiplied", "unpremultiplied", "source+alpha", "alpha")
NOT_PROCESSED = "cleanplate_not_processed.%04d.exr"
"""What the Read names before the first result: no such file, so that no render mistakes it for a matte."""

Value = Union[str, bool, int, float]

# Knob type numbers as Nuke saves them after ``addUserKnob``.
KNOB_IDS: Mapping[str, int] = {
    "string": 1,
    "file": 2,
    "int": 3,
    "enumeration": 4,
    "boolean": 6,
    "double": 7,
    "tab": 20,
    "button": 22,
    "text": 26,
    "link": 41,
}


@dataclass(frozen=True)
class KnobSpec:
    """One knob of the panel. ``script`` is a button's Python, ``target`` what a link shows."""

    name: str
    kind: str
    label: str = ""
    help: str = ""
    default: Value = ""
    choices: tuple[str, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    script: str = ""
    target: str = ""
    hidden: bool = False
    new_line: bool = True
    group: int = 0
    """1 opens a group, -1 closes it; for tabs only."""


@dataclass(frozen=True)
class NodeSpec:
    """One node inside the Group; ``inputs`` names others, ``knobs`` are values or ``Expression``."""

    kind: str
    name: str
    inputs: tuple[str, ...] = ()
    knobs: Mapping[str, Union[Value, Expression]] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """A knob driven by an expression; ``text`` as it stands in the expression editor."""

    text: str


# -- knobs


def button_script(entry: str) -> str:
    """A button's Python: saved into scripts, so it must be readable where the plugin is missing."""
    return (
        "try:\n"
        "    from matte import callbacks\n"
        "except ImportError:\n"
        "    nuke.message('The Cleanplate plugin is not installed here. Finished frames still render.')\n"
        "else:\n"
        f"    callbacks.{entry}(nuke.thisNode())\n"
    )


def _button(name: str, label: str, help: str, new_line: bool = False) -> KnobSpec:
    return KnobSpec(name, "button", label, help, script=button_script(name), new_line=new_line)


def _group(name: str, label: str, knobs: Iterable[KnobSpec]) -> list[KnobSpec]:
    return [
        KnobSpec(f"group_{name}", "tab", label, group=1),
        *knobs,
        KnobSpec(f"end_{name}", "tab", group=-1),
    ]


def option_knob(spec: OptionSpec) -> KnobSpec:
    """The knob that shows an option."""
    unit = f" ({spec.unit})" if spec.unit else ""
    kinds = {str: "string", bool: "boolean", int: "int", float: "double"}
    return KnobSpec(
        spec.name,
        "enumeration" if spec.choices else kinds[spec.type],
        spec.label + unit,
        spec.help,
        spec.default,
        spec.choices,
        spec.minimum,
        spec.maximum,
    )


def _option_groups() -> list[KnobSpec]:
    shown = shown_in(HOST)
    groups: dict[str, list[KnobSpec]] = {}
    for spec in shown:
        groups.setdefault(spec.group, []).append(option_knob(spec))
    knobs: list[KnobSpec] = []
    for label, members in groups.items():
        knobs += _group(label.lower().replace(" ", "_"), label, members)
    return knobs


def _process_knobs() -> list[KnobSpec]:
    return [
        _button("process_frame", "Process frame", "Make the matte of the current frame.", new_line=True),
        _button("process_range", "Process range", "Make the mattes of the frame range that lack one."),
        _button("cancel", "Cancel", "Stop; finished frames stay."),
        _button("retry", "Retry failed", "Try the frames again that failed last time."),
        KnobSpec(
            "status",
            "text",
            "Status",
            "What the node knows of its result.",
            "not processed",
        ),
        KnobSpec(
            "range_mode",
            "enumeration",
            "Frame range",
            "The frames of 'Process range': those of the src input, the project's, or the two numbers below.",
            RANGE_MODES[0],
            RANGE_MODES,
        ),
        KnobSpec("first", "int", "First", "First frame of the custom range.", 1),
        KnobSpec("last", "int", "Last", "Last frame of the custom range.", 100, new_line=False),
    ]


def _result_knobs() -> list[KnobSpec]:
    return [
        KnobSpec(
            "output",
            "enumeration",
            "Output",
            "premultiplied: foreground times alpha. unpremultiplied: foreground and alpha as they are. "
            "source+alpha: the src input with the matte as alpha. alpha: the matte in all channels.",
            OUTPUTS[0],
            OUTPUTS,
        ),
        KnobSpec(
            "missing",
            "link",
            "Missing frames",
            "What the node shows where a frame has no result. Renders should keep 'error'.",
            target=f"{READ}.on_error",
        ),
        KnobSpec(
            "send_guides",
            "boolean",
            "Send core and holdout",
            "Also give the core and holdout mattes to the server, as guides. They apply live in the graph "
            "either way; with this on, changing them makes results stale.",
            False,
        ),
        KnobSpec(
            "guard",
            "boolean",
            "Refuse stale renders",
            "Stop renders through this node, where the plugin is installed, while its result is stale.",
            False,
        ),
        KnobSpec(
            "auto_update",
            "boolean",
            "Auto update (experimental)",
            "Process the current frame by itself a moment after a setting or an input changed.",
            False,
        ),
    ]


def _server_knobs() -> list[KnobSpec]:
    return [
        KnobSpec(
            "server",
            "string",
            "Server",
            "Address of the matting server. $CLEANPLATE_SERVER, where set, replaces the default address.",
            DEFAULT_ADDRESS,
        ),
        _button("check_server", "Check server", "Ask the server whether it is there and which version it is."),
        KnobSpec(
            "cache_dir",
            "file",
            "Results folder",
            "Where plates and results are kept. The comp reads its mattes from here: do not delete it.",
            "[file dirname [value root.name]]/matte_cache",
        ),
        _button("clear_cache", "Clear cache", "Delete this node's results from disk."),
    ]


def knobs() -> tuple[KnobSpec, ...]:
    """All user knobs, in panel order."""
    return (
        KnobSpec("cleanplate", "tab", TITLE),
        *_process_knobs(),
        *_group("result", "Result", _result_knobs()),
        *_option_groups(),
        *_group("server", "Server", _server_knobs()),
        KnobSpec("node_id", "string", "Id", "Names this node's folder; made by the plugin.", hidden=True),
        KnobSpec("schema", "int", "Schema", "Version of this panel.", SCHEMA, hidden=True),
    )


def option_names() -> tuple[str, ...]:
    """The options that the panel shows."""
    return tuple(spec.name for spec in shown_in(HOST))


def options_from(values: Mapping[str, Value]) -> MatteOptions:
    """The options of a panel's values; raises ``ValueError`` with one sentence."""
    return MatteOptions.from_dict({name: values[name] for name in option_names()})


# -- graph


def _write(source: str, channels: str) -> NodeSpec:
    return NodeSpec(
        "Write",
        WRITES[source],
        (source,),
        {
            "file": "",
            "file_type": "exr",
            "channels": channels,
            "raw": True,
            "datatype": "32 bit float",
            # Read once, by a server that is usually on this machine: packing costs more than it saves.
            "compression": "none",
            "metadata": "all metadata",
            "create_directories": True,
            "use_limit": False,
            "disable": True,
        },
    )


def _read() -> NodeSpec:
    return NodeSpec(
        "Read",
        READ,
        (),
        {
            "file_type": "exr",
            "file": NOT_PROCESSED,
            "first": 1,
            "last": 100,
            "origfirst": 1,
            "origlast": 100,
            "origset": True,
            "before": "black",
            "after": "black",
            "on_error": "error",
            "raw": True,
            "auto_alpha": False,
            "localizationPolicy": "off",
            "postage_stamp": False,
        },
    )


def _unless(input_number: int) -> Expression:
    return Expression(f"![exists parent.input{input_number}]")


def _live_guides() -> tuple[NodeSpec, ...]:
    """Core and holdout mattes after the result, so that a roto edit never makes it stale.

    Where the core says subject, the plate itself is the foreground: that is what alpha 1 means.
    """
    no_core, no_holdout = _unless(INPUTS.index("core")), _unless(INPUTS.index("holdout"))
    alpha_only = {"Achannels": "alpha", "Bchannels": "alpha", "output": "alpha", "bbox": "B"}
    return (
        NodeSpec(
            "Keymix",
            "Core_foreground",
            (READ, "src", "core"),
            {"channels": "rgb", "bbox": "B", "disable": no_core},
        ),
        NodeSpec(
            "Merge2",
            "Core_alpha",
            ("Core_foreground", "core"),
            {"operation": "max", **alpha_only, "disable": no_core},
        ),
        NodeSpec(
            "Merge2",
            "Holdout_alpha",
            ("Core_alpha", "holdout"),
            {"operation": "stencil", **alpha_only, "disable": no_holdout},
        ),
    )


def graph() -> tuple[NodeSpec, ...]:
    """The nodes inside the Group, each after its inputs."""
    inputs = tuple(NodeSpec("Input", name, (), {"number": n}) for n, name in enumerate(INPUTS))
    return (
        *inputs,
        _write("src", "rgb"),
        _write("clean", "rgb"),
        _write("core", "alpha"),
        _write("holdout", "alpha"),
        _read(),
        *_live_guides(),
        NodeSpec("Premult", "Premultiplied", ("Holdout_alpha",)),
        NodeSpec("Copy", "Source_alpha", ("src", "Holdout_alpha"), {"from0": "rgba.alpha", "to0": "rgba.alpha"}),
        NodeSpec("Expression", "Alpha", ("Holdout_alpha",), {"expr0": "a", "expr1": "a", "expr2": "a"}),
        NodeSpec(
            "Switch",
            "Choose_output",
            ("Premultiplied", "Holdout_alpha", "Source_alpha", "Alpha"),
            {"which": Expression("parent.output")},
        ),
        NodeSpec("Remove", "Only_rgba", ("Choose_output",), {"operation": "keep", "channels": "rgba"}),
        NodeSpec("Output", "Output1", ("Only_rgba",)),
    )


# -- .nk text


_BARE = re.compile(r"[A-Za-z0-9_.:/%+*#-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "[": "\\[", "]": "\\]", "{": "\\{", "}": "\\}", "$": "\\$", "\n": "\\n"}


def quoted(text: str) -> str:
    """``text`` as one word of a script."""
    if _BARE.match(text):
        return text
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in text) + '"'


def _value(value: Union[Value, Expression]) -> str:
    if isinstance(value, Expression):
        text = value.text if _BARE.match(value.text) else quoted(value.text)
        return "{{" + text + "}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def knob_lines(spec: KnobSpec) -> list[str]:
    """The ``addUserKnob`` line of a knob and, where it has one, the line of its value."""
    words = [str(KNOB_IDS[spec.kind]), spec.name]
    if spec.label:
        words.append(f"l {quoted(spec.label)}")
    if spec.help:
        words.append(f"t {quoted(spec.help)}")
    if not spec.new_line and spec.kind != "tab":
        words.append("-STARTLINE")
    elif spec.kind in ("button", "boolean"):
        words.append("+STARTLINE")
    if spec.hidden:
        words.append("+INVISIBLE")
    words += _kind_words(spec)
    lines = ["addUserKnob {" + " ".join(words) + "}"]
    if spec.kind in ("string", "file", "int", "enumeration", "boolean", "double") and spec.default != "":
        lines.append(f"{spec.name} {_value(spec.default)}")
    return lines


def _kind_words(spec: KnobSpec) -> list[str]:
    if spec.kind == "tab":
        return [f"n {spec.group}"] if spec.group else []
    if spec.kind == "enumeration":
        return ["M {" + " ".join(quoted(choice) for choice in spec.choices) + "}"]
    if spec.kind in ("double", "int") and spec.minimum is not None and spec.maximum is not None:
        return [f"R {spec.minimum:g} {spec.maximum:g}"]
    if spec.kind == "button":
        return [f"T {quoted(spec.script)}"]
    if spec.kind == "text":
        return [f"T {quoted(str(spec.default))}"]
    return [f"T {spec.target}"] if spec.kind == "link" else []


def node_lines(spec: NodeSpec, position: int) -> list[str]:
    """One inner node with its place on the stack: its inputs are pushed, input 0 last."""
    lines = [f"push $N_{name}" for name in reversed(spec.inputs)]
    lines.append(f" {spec.kind} {{")
    if len(spec.inputs) != 1:
        lines.append(f"  inputs {len(spec.inputs)}")
    lines += [f"  {name} {_value(value)}" for name, value in spec.knobs.items() if name != "number" or value]
    lines += [f"  name {spec.name}", f"  xpos {150 * (position % 6)}", f"  ypos {80 * (position // 6)}", " }"]
    lines.append(f"set N_{spec.name} [stack 0]")
    return lines


HELP = (
    "Makes a matte from a plate and its clean plate, on a Cleanplate server.\n\n"
    "Connect src and clean, save the script, press 'Process frame'. Results are EXR files that this node reads; "
    "they render anywhere, without the plugin."
)


def node_text(name: str = NODE_NAME + "1", nodes: Optional[Sequence[NodeSpec]] = None) -> str:
    """The whole node, as text to paste into Nuke."""
    nodes = graph() if nodes is None else nodes
    lines = ["set cut_paste_input [stack 0]", "version 14.0 v1", "push 0", "push 0", "push 0"]
    lines += ["push $cut_paste_input", "Group {", f" inputs {len(INPUTS)}", f" name {name}"]
    lines += [f" help {quoted(HELP)}", " tile_color 0x2f6f5fff", " selected true"]
    lines += [" " + line for knob in knobs() for line in knob_lines(knob)]
    lines.append("}")
    for position, node in enumerate(nodes):
        lines += node_lines(node, position)
    return "\n".join([*lines, "end_group", ""])
