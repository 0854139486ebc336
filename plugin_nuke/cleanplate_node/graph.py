"""The nodes inside the Cleanplate group and how they are connected, as data. No nuke here.

:mod:`nk_text` writes them as ``.nk`` text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from matte_link.option_spec import Value

INPUTS = ("src", "clean", "holdout", "core")
"""The group's inputs by number."""
WRITES = {"src": "Write_src", "clean": "Write_clean", "core": "Write_core", "holdout": "Write_holdout"}
"""For each input the Write that renders its plates."""
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
            # A house's own defaults of a Write must not crop the plates or run something.
            "autocrop": False,
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
            knobs={"channels": "rgb", "bbox": "B", "disable": no_core},
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


def nodes_of_group() -> tuple[NodeSpec, ...]:
    """The nodes inside the group, each after its inputs."""
    inputs = tuple(NodeSpec(kind="Input", name=name, knobs={"number": n}) for n, name in enumerate(INPUTS))
    return (
        *inputs,
        _write("src", "rgb"),
        _write("clean", "rgb"),
        _write("core", "alpha"),
        _write("holdout", "alpha"),
        _read(),
        *_live_guides(),
        NodeSpec(kind="Premult", name="Premultiplied", inputs=("Holdout_alpha",)),
        NodeSpec(
            kind="Copy",
            name="Source_alpha",
            inputs=("src", "Holdout_alpha"),
            knobs={"from0": "rgba.alpha", "to0": "rgba.alpha"},
        ),
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
        NodeSpec(
            kind="Remove",
            name="Only_rgba",
            inputs=("Choose_output",),
            knobs={"operation": "keep", "channels": "rgba"},
        ),
        NodeSpec(kind="FrameRange", name=RANGE, inputs=("Only_rgba",), knobs={"first_frame": 1, "last_frame": 100}),
        NodeSpec(kind="Output", name=OUTPUT, inputs=(RANGE,)),
    )
