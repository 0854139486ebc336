"""The knobs of the node's panel, as data. No nuke here.

The settings come from :class:`matte_link.options.MatteOptions`, so a new option appears on the panel by itself.
Options that a Nuke panel does not show are marked in that table, with the reason. :mod:`nk_text` writes the knobs
as ``.nk`` text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Optional

from matte_link.endpoint import DEFAULT_ADDRESS
from matte_link.option_spec import OptionSpec, Value
from matte_link.options import MatteOptions, shown_in

from .graph import READ

SCHEMA = 4
"""The version of the panel, saved with every node."""
NODE_NAME = "Cleanplate_Matte"
TITLE = "Cleanplate Matte"
HOST = "nuke"
"""This host's name in the table of options."""
RANGE_MODES = ("input", "project", "custom")
_NOT_READ_BY_NUKE = ("htj2k256", "htj2k32")
# Where a new node begins with another value than the command line: it promises a float alpha, and all outputs in
# one stream. Packed by RLE, a frame with all of them takes the server's processor no longer than one without layers
# by ZIP, and Nuke unpacks it row by row.
_DEFAULTS = {
    "bit_depth": "float",
    "compression": "rle",
    **dict.fromkeys(("layer_clean", "layer_confidence", "layer_difference"), True),
}
SHOWS_OLD, WATCHED = "shows_old", "watched"
"""What stops a render of an old matte where the plugin is missing, in :mod:`graph`."""
OPEN, FOLDED = 1, 2
"""How a group of knobs is shown at first: nuke.TABBEGINGROUP and nuke.TABBEGINCLOSEDGROUP."""
_DAILY = ("Result", "Matte", "Edge")
"""The groups that an artist uses every day."""
OUTPUTS = ("premultiplied", "unpremultiplied", "source+alpha", "alpha")


@dataclass(frozen=True)
class KnobSpec:
    """One knob of the panel.

    ``absent`` is what a node of an older version, which lacks the knob, has in its place, if that is not the
    default.
    ``script`` is the Python of a button; ``target`` is the knob that a link shows, as in ``Read_result.on_error``.
    ``group`` is for tabs only: :data:`OPEN` or :data:`FOLDED` begins a group, -1 ends it.
    """

    name: str
    kind: str
    label: str = ""
    help: str = ""
    default: Value = ""
    absent: Optional[Value] = None
    choices: tuple[str, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    script: str = ""
    target: str = ""
    hidden: bool = False
    new_line: bool = True
    group: int = 0


def knobs() -> tuple[KnobSpec, ...]:
    """All user knobs, in panel order."""
    return (
        KnobSpec(name="cleanplate", kind="tab", label=TITLE),
        *_process_buttons(),
        KnobSpec(
            name="status",
            kind="text",
            label="Status",
            help="Whether the result is up to date, and what to do where it is not.",
            default="not processed",
        ),
        *_range_knobs(),
        *_group("result", "Result", [_output_knob(), _missing_knob(), *_switches()]),
        *_option_groups(),
        *_group("learn", "Learn", _learn_knobs()),
        *_group("server", "Server", _server_knobs()),
        KnobSpec(
            name="node_id",
            kind="string",
            label="Id",
            help="Names this node's folder; made by the plugin.",
            hidden=True,
        ),
        *_notes(),
        KnobSpec(
            name="schema", kind="int", label="Schema", help="Version of this panel.", default=SCHEMA, hidden=True
        ),
    )


def _notes() -> list[KnobSpec]:
    return [
        KnobSpec(
            name=SHOWS_OLD,
            kind="boolean",
            label="Shows an old matte",
            help="Whether the node shows a matte of an earlier picture or setting; set by the plugin.",
            default=False,
            hidden=True,
        ),
        KnobSpec(
            name=WATCHED,
            kind="boolean",
            label="Watched",
            help="Whether the plugin is here to look at the node's results; not saved.",
            default=False,
            hidden=True,
        ),
    ]


def option_names() -> tuple[str, ...]:
    """The options that the panel shows."""
    return tuple(spec.name for spec in shown_in(HOST))


def value_without(name: str) -> Value:
    """What a node that lacks the knob has in its place. Raises ``KeyError`` for a knob that the panel lacks too."""
    spec = {one.name: one for one in knobs()}[name]
    return spec.default if spec.absent is None else spec.absent


def label_of(name: str) -> str:
    """The label of a knob."""
    return {spec.name: spec.label for spec in knobs()}[name]


def options_from(values: Mapping[str, Value]) -> MatteOptions:
    """The options that a panel's values stand for; one that is not among them has the default of the table. Raises
    ``ValueError`` with one sentence."""
    return MatteOptions.from_dict({name: values[name] for name in option_names() if name in values})


# -- kinds of knobs


def button_script(button: str) -> str:
    """The Python of a button. Scripts are saved with it, so it must also work where the plugin is missing."""
    return (
        "try:\n"
        "    from cleanplate_node import entry\n"
        "except ImportError:\n"
        "    nuke.message('The Cleanplate plugin is not installed here. Finished frames still render.')\n"
        "else:\n"
        f"    entry.press(nuke.thisNode(), '{button}')\n"
    )


def _button(name: str, label: str, help: str, new_line: bool = False) -> KnobSpec:
    return KnobSpec(name=name, kind="button", label=label, help=help, script=button_script(name), new_line=new_line)


def _switch(name: str, label: str, help: str) -> KnobSpec:
    """A check box that is off."""
    return KnobSpec(name=name, kind="boolean", label=label, help=help, default=False)


def _group(name: str, label: str, members: Iterable[KnobSpec]) -> list[KnobSpec]:
    return [
        KnobSpec(name=f"group_{name}", kind="tab", label=label, group=OPEN if label in _DAILY else FOLDED),
        *members,
        KnobSpec(name=f"end_{name}", kind="tab", group=-1),
    ]


# -- the node's own knobs


def _process_buttons() -> list[KnobSpec]:
    return [
        _button(
            "process_frame",
            "Process frame",
            "Make the matte of the current frame, then those of the frames around it.",
            new_line=True,
        ),
        _button("process_range", "Process range", "Make the mattes of the frame range that are missing or stale."),
        _button("cancel", "Cancel", "Stop; finished frames stay."),
        _button("retry", "Retry failed", "Process the failed frames again."),
    ]


def _range_knobs() -> list[KnobSpec]:
    return [
        KnobSpec(
            name="range_mode",
            kind="enumeration",
            label="Frame range",
            help="The frames of 'Process range': those of the src input, the project's, or the two numbers below.",
            default=RANGE_MODES[0],
            choices=RANGE_MODES,
        ),
        KnobSpec(name="first", kind="int", label="First", help="First frame of the custom range.", default=1),
        KnobSpec(
            name="last",
            kind="int",
            label="Last",
            help="Last frame of the custom range.",
            default=100,
            new_line=False,
        ),
        KnobSpec(
            name="around",
            kind="int",
            label="Frames around",
            help="How many frames before and after the current one 'Process frame' goes on with, one at a time, "
            "while you work. Any button or change ends it. 0: none.",
            default=5,
            absent=0,
        ),
    ]


def _output_knob() -> KnobSpec:
    return KnobSpec(
        name="output",
        kind="enumeration",
        label="Output",
        help="What rgba holds. premultiplied: foreground times alpha. unpremultiplied: foreground and alpha as "
        "they are. source+alpha: the src input with the matte as alpha. alpha: the matte in all channels. The "
        "plate's own layers and those of the result that are switched on under Output come along: clean, shadow, "
        "cleanplate.confidence, cleanplate.difference.",
        default=OUTPUTS[0],
        choices=OUTPUTS,
    )


def _missing_knob() -> KnobSpec:
    return KnobSpec(
        name="missing",
        kind="link",
        label="Missing frames",
        help="What the node shows where a frame has no result. Renders should keep 'error'.",
        target=f"{READ}.on_error",
    )


def _switches() -> list[KnobSpec]:
    return [
        _switch(
            "send_guides",
            "Send core and holdout",
            "Also give the core and holdout mattes to the server, as guides. They apply live in the graph "
            "either way; with this on, changing them makes results stale.",
        ),
        KnobSpec(
            name="guard",
            kind="boolean",
            label="Refuse stale renders",
            help="Stop renders through this node while its result is stale: of an earlier plate, clean plate or "
            "setting, of two versions or weights, or not made. The Viewer shows it all the same. Where the plugin "
            "is missing, it holds for what was known when the script was saved.",
            default=True,
            absent=False,
        ),
        _switch(
            "auto_update",
            "Auto update (experimental)",
            "Process the current frame by itself a moment after a setting or an input changed.",
        ),
    ]


def _learn_knobs() -> list[KnobSpec]:
    return [
        _button(
            "add_key",
            "Add key frame",
            "Keep the alpha of the key input at the current frame as a matte to learn from. The first press makes "
            "a RotoPaint that begins with this node's own matte, and connects it. Where only a part of it is "
            "right, connect to key_mask an alpha that is 1 there, such as a Roto.",
            new_line=True,
        ),
        _button("remove_key", "Remove key frame", "Forget the matte of the current frame."),
        _button(
            "learn",
            "Learn",
            "Have the server learn this shot from the key frames, or without any from the shot itself. What it has "
            "learned becomes the node's 'Weights'; empty that to go back. Cancel keeps the best so far.",
        ),
        KnobSpec(
            name="key_frames",
            kind="text",
            label="Key frames",
            help="The frames with a mended matte, and those whose plate has changed since.",
            default="none",
        ),
    ]


def _server_knobs() -> list[KnobSpec]:
    return [
        KnobSpec(
            name="server",
            kind="string",
            label="Server",
            help="Address of the matting server. $CLEANPLATE_SERVER, where set, replaces the default address.",
            default=DEFAULT_ADDRESS,
        ),
        _button("check_server", "Check server", "Ask the server whether it is there and which version it is."),
        KnobSpec(
            name="cache_dir",
            kind="file",
            label="Results folder",
            help="Where plates and results are kept. The comp reads its mattes from here: do not delete it.",
            default="[file dirname [value root.name]]/matte_cache",
        ),
        _button("clear_cache", "Clear cache", "Delete this node's results from disk."),
    ]


# -- the options of a matte


def _option_groups() -> list[KnobSpec]:
    groups: dict[str, list[KnobSpec]] = {}
    for spec in shown_in(HOST):
        groups.setdefault(spec.group, []).append(option_knob(spec))
    found: list[KnobSpec] = []
    for label, members in groups.items():
        found += _group(label.lower().replace(" ", "_"), label, members)
    return found


def option_knob(spec: OptionSpec) -> KnobSpec:
    """The knob that shows an option."""
    unit = f" ({spec.unit})" if spec.unit else ""
    kinds = {str: "string", bool: "boolean", int: "int", float: "double"}
    return KnobSpec(
        name=spec.name,
        kind="enumeration" if spec.choices else kinds[spec.type],
        label=spec.label + unit,
        help=spec.help,
        default=_DEFAULTS.get(spec.name, spec.default),
        absent=spec.default,
        choices=tuple(choice for choice in spec.choices if choice not in _NOT_READ_BY_NUKE),
        minimum=spec.minimum,
        maximum=spec.maximum,
    )
