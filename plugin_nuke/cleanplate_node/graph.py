"""The nodes inside the Cleanplate group and how they are connected, as data. No nuke here.

:mod:`nk_text` writes them as ``.nk`` text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from matte_link.option_spec import Value

INPUTS = ("src", "clean", "holdout", "core", "key", "key_mask")
"""The group's inputs by number."""
WRITES = {role: f"Write_{role}" for role in INPUTS}
"""For each input the Write that renders its pictures."""
LAYERS = {
    "clean": ("clean.red", "clean.green", "clean.blue", "clean.alpha"),
    "shadow": ("shadow.red", "shadow.green", "shadow.blue"),
    "cleanplate": ("cleanplate.confidence", "cleanplate.difference"),
    # As the results' files have the two.
    "confidence": ("confidence.V",),
    "difference": ("difference.V",),
}
"""The layers that the node's inner nodes name, each with its channels."""
READ = "Read_result"
"""The Read that shows the results. It looks for a file on every frame, so that a frame outside the result
is missing, and therefore an error, and never a picture without alpha."""
EVERY_FRAME = (-100_000, 1_000_000)
RANGE = "Result_range"
"""The FrameRange that tells what follows the node which frames the result has."""
OUTPUT = "Output1"
"""What follows the :data:`RANGE`."""
NOT_PROCESSED = "cleanplate_not_processed.%04d.exr"
"""The file name in the Read before the first result. No such file exists, so a render fails instead of using it."""


@dataclass(frozen=True)
class Expression:
    """A knob driven by an expression; ``text`` is what the expression editor shows."""

    text: str


@dataclass(frozen=True)
class NodeSpec:
    """One node inside the group. ``inputs`` are names of other nodes; ``knobs`` maps names to values."""

    kind: str
    name: str
    inputs: tuple[str, ...] = ()
    knobs: Mapping[str, Union[Value, Expression]] = field(default_factory=dict)


_WRITTEN = {
    **dict.fromkeys(("src", "clean"), "rgb"),
    **dict.fromkeys(("core", "holdout", "key", "key_mask"), "alpha"),
}
"""The channels that are rendered of each input."""


def _write(source: str, channels: str) -> NodeSpec:
    return NodeSpec(
        kind="Write",
        name=WRITES[source],
        inputs=(source,),
        knobs={
            "file": "",
            "file_type": "exr",
            "channels": channels,
            "raw": True,
            "datatype": "32 bit float",
            # The server, usually on this machine, reads each plate once: compression costs more time than it saves.
            "compression": "none",
            "metadata": "all metadata",
            "create_directories": True,
            "use_limit": False,
            # A house's own defaults of a Write must not crop the plates, move them in time, or run something.
            "autocrop": False,
            "interleave": "channels, layers and views",
            "premultiplied": False,
            "reading": False,
            "frame_mode": "expression",
            "frame": "",
            "beforeRender": "",
            "beforeFrameRender": "",
            "afterRender": "",
            "afterFrameRender": "",
            "disable": True,
        },
    )


def _read() -> NodeSpec:
    return NodeSpec(
        kind="Read",
        name=READ,
        knobs={
            "file_type": "exr",
            "file": NOT_PROCESSED,
            "first": EVERY_FRAME[0],
            "last": EVERY_FRAME[1],
            "origfirst": EVERY_FRAME[0],
            "origlast": EVERY_FRAME[1],
            "origset": True,
            "before": "black",
            "after": "black",
            "on_error": "error",
            "raw": True,
            "auto_alpha": False,
            "premultiplied": False,
            "frame_mode": "expression",
            "frame": "",
            "proxy": "",
            "localizationPolicy": "off",
            "postage_stamp": False,
        },
    )


def _unless(input_number: int) -> Expression:
    return Expression(f"![exists parent.input{input_number}]")


def _live_guides() -> tuple[NodeSpec, ...]:
    """Core and holdout mattes are applied after the result, so that a roto edit never makes it stale.

    Inside the core the foreground is the plate itself, as it must be where alpha is 1.
    """
    no_core, no_holdout = _unless(INPUTS.index("core")), _unless(INPUTS.index("holdout"))
    alpha_only = {"Achannels": "alpha", "Bchannels": "alpha", "output": "alpha", "bbox": "B"}
    return (
        NodeSpec(
            kind="Keymix",
            name="Core_foreground",
            inputs=(READ, "src", "core"),
            knobs={"channels": "rgb", "bbox": "B", "invertMask": False, "disable": no_core},
        ),
        NodeSpec(
            kind="Merge2",
            name="Core_alpha",
            inputs=("Core_foreground", "core"),
            knobs={"operation": "max", **alpha_only, "disable": no_core},
        ),
        NodeSpec(
            kind="Merge2",
            name="Holdout_alpha",
            inputs=("Core_alpha", "holdout"),
            knobs={"operation": "stencil", **alpha_only, "disable": no_holdout},
        ),
    )


_RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
# For each option that adds a layer to the result: the channels of its file, and what the stream calls them.
_COPIED = {
    "layer_clean": (LAYERS["clean"], LAYERS["clean"]),
    "layer_shadow": (LAYERS["shadow"], LAYERS["shadow"]),
    "layer_confidence": (LAYERS["confidence"], ("cleanplate.confidence",)),
    "layer_difference": (LAYERS["difference"], ("cleanplate.difference",)),
}


def _copy(
    name: str, inputs: tuple[str, str], source: tuple[str, ...], target: tuple[str, ...], **more: Any
) -> NodeSpec:
    """A Copy of channels of the second input into the first."""
    slots = {f"from{slot}": channel for slot, channel in enumerate(source)}
    slots.update({f"to{slot}": channel for slot, channel in enumerate(target)})
    return NodeSpec(kind="Copy", name=name, inputs=inputs, knobs={**slots, **more})


def _one_stream() -> tuple[NodeSpec, ...]:
    """All outputs in one stream: the plate with its own layers, the chosen rgba, and the layers of the result."""
    nodes = [_copy("Rgba", ("src", "Choose_output"), _RGBA, _RGBA)]
    for option, (source, target) in _COPIED.items():
        name = f"Copy_{option}"
        nodes.append(_copy(name, (nodes[-1].name, READ), source, target, disable=Expression(f"!parent.{option}")))
    return tuple(nodes)


def _refusal(shown: str) -> NodeSpec:
    """Where the plugin is missing nothing compares results, so the script itself says that it was saved with an old
    one. Where the plugin is, it looks at each frame that is rendered, and the Viewer shows what there is."""
    return NodeSpec(
        kind="Assert",
        name="Not_stale",
        inputs=(shown,),
        knobs={
            "expression": Expression("1 - parent.guard * parent.shows_old * (1 - parent.watched)"),
            "message": "The matte is of an earlier picture or setting. Process the node where the Cleanplate "
            "plugin is installed, or switch off 'Refuse stale renders'.",
        },
    )


def nodes_of_group() -> tuple[NodeSpec, ...]:
    """The nodes inside the group, each after its inputs."""
    inputs = tuple(NodeSpec(kind="Input", name=name, knobs={"number": n}) for n, name in enumerate(INPUTS))
    stream = _one_stream()
    refusal = _refusal(stream[-1].name)
    return (
        *inputs,
        *(_write(source, channels) for source, channels in _WRITTEN.items()),
        _read(),
        *_live_guides(),
        NodeSpec(kind="Premult", name="Premultiplied", inputs=("Holdout_alpha",)),
        _copy("Source_alpha", ("src", "Holdout_alpha"), _RGBA[3:], _RGBA[3:]),
        NodeSpec(
            kind="Expression",
            name="Alpha",
            inputs=("Holdout_alpha",),
            knobs={"expr0": "a", "expr1": "a", "expr2": "a"},
        ),
        NodeSpec(
            kind="Switch",
            name="Choose_output",
            inputs=("Premultiplied", "Holdout_alpha", "Source_alpha", "Alpha"),
            knobs={"which": Expression("parent.output")},
        ),
        *stream,
        refusal,
        NodeSpec(
            kind="FrameRange", name=RANGE, inputs=(refusal.name,), knobs={"first_frame": 1, "last_frame": 100}
        ),
        NodeSpec(kind="Output", name=OUTPUT, inputs=(RANGE,)),
    )
