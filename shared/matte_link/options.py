"""Every control of a matte, once: command line, hosts and server all read this table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Optional, Union, cast

Value = Union[str, bool, int, float]

AFFECTS = ("alignment", "model", "foreground", "edges", "output")
"""The stages of a frame in order. An option affects one of them first, and with it all that come after."""
NOTHING = ""
"""What an option affects that changes no pixel."""
BUILT_IN_MODELS = ("cleanplate", "difference", "v1", "v2")
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")


@dataclass(frozen=True)
class OptionSpec:
    """How one control shows itself: in a host's panel, in ``--help`` and on the wire.

    ``affects``: the first stage of :data:`AFFECTS` that the option changes, or :data:`NOTHING`. Keys of results are
    made from it, so it has no default. ``choices`` are the values offered; where ``is_open``, others are
    taken too.
    ``hidden_in``: the hosts ("nuke", "blender") whose panel does not show it, each with the reason.
    """

    name: str
    type: type
    default: Value
    label: str
    help: str
    group: str
    affects: str
    choices: tuple[str, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    unit: str = ""
    is_open: bool = False
    hidden_in: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.affects not in (*AFFECTS, NOTHING):
            raise ValueError(f"{self.name} affects one of {', '.join(AFFECTS)} or nothing, not {self.affects!r}.")

    def check(self, value: Any) -> Value:
        """``value`` as this option's type; raises ``ValueError`` with one sentence where it cannot be."""
        value = self._converted(value)
        if self.is_open and not _MODEL_NAME.match(cast(str, value)):
            raise ValueError(
                f"{self.name} must be a name of small letters, digits, '-' and '_', not {value!r:.60}."
            )
        if self.choices and not self.is_open and value not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}.")
        if self.minimum is not None and not (self.minimum <= cast(float, value) <= cast(float, self.maximum)):
            raise ValueError(f"{self.name} must lie in {self.minimum:g} to {self.maximum:g}, not {value!r}.")
        return cast(Value, value)

    def _converted(self, value: Any) -> Value:
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            raise ValueError(f"{self.name} must be a {_TYPE_NAMES[self.type]}, not {value!r}.")
        return cast(Value, value)


_TYPE_NAMES = {str: "text", bool: "yes or no", int: "whole number", float: "number"}


def _option(default: Value, label: str, group: str, help: str, affects: str, **more: Any) -> Any:
    return field(
        default=default, metadata={"label": label, "group": group, "help": help, "affects": affects, **more}
    )


_ITS_INPUT_IS_THE_LAYER = {
    "nuke": "the node's input is the layer",
    "blender": "the Image node chooses the layer",
}
_ONE_LAYER = {
    "nuke": "the node puts out rgba only",
    "blender": "the node's sockets are what Blender reads: matte and confidence",
}


@dataclass(frozen=True)
class MatteOptions:
    """The settings of one matte. Frozen and checked at birth: ``ValueError`` names the bad option."""

    model: str = _option(
        "auto",
        "Model",
        "Matte",
        "Which matting model runs. 'auto' takes Cleanplate's own network where its weights are there, else "
        "the difference matte. 'v1' and 'v2' are the published Background Matting "
        "networks; you bring their weights. Models that others have installed are chosen by their names.",
        affects="model",
        choices=("auto", *BUILT_IN_MODELS),
        is_open=True,
    )
    weights: str = _option(
        "",
        "Weights",
        "Matte",
        "Weights file for v1 and v2, as the server sees it. Empty: the one found in the models folder.",
        affects="model",
    )
    precision: str = _option(
        "auto",
        "Precision",
        "Matte",
        "Arithmetic inside the network. 'auto' is float32 on CPU and float16 on a GPU.",
        affects="model",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    align: str = _option(
        "auto",
        "Align clean plate",
        "Clean plate",
        "How the clean plate is brought onto the plate. 'auto' measures it and takes the simplest that fits.",
        affects="alignment",
        choices=("auto", "none", "translation", "homography"),
    )
    match_exposure: bool = _option(
        True,
        "Match exposure",
        "Clean plate",
        "Correct the clean plate's gain and offset per channel, measured outside the subject.",
        affects="alignment",
    )
    layer: str = _option(
        "",
        "Layer",
        "Input",
        "Layer of the plate's EXR that holds its colour. Empty: its main R, G, B.",
        affects="alignment",
        hidden_in=_ITS_INPUT_IS_THE_LAYER,
    )
    clean_layer: str = _option(
        "",
        "Clean plate layer",
        "Input",
        "Layer of the clean plate's EXR that holds its colour. Empty: its main R, G, B.",
        affects="alignment",
        hidden_in=_ITS_INPUT_IS_THE_LAYER,
    )
    view: str = _option(
        "",
        "View",
        "Input",
        "View of multi-view EXRs, such as left or right, of plate and clean plate alike. Empty: the first.",
        affects="alignment",
        hidden_in={"nuke": "Nuke hands over one view at a time", "blender": "the Image node chooses the view"},
    )
    region: str = _option(
        "",
        "Region",
        "Input",
        "Where the subject is looked for: 'x y width height' in the plate's pixels, y down. Empty: everywhere.",
        affects="model",
    )
    colourspace: str = _option(
        "auto",
        "Colourspace",
        "Colour",
        "Colourspace of the plate. 'auto' reads it from the file or the host.",
        affects="alignment",
        hidden_in={"blender": "the Image node says what its picture is stored in"},
    )
    clean_colourspace: str = _option(
        "auto",
        "Clean plate colourspace",
        "Colour",
        "Colourspace of the clean plate. 'auto' reads it from the file, else takes the plate's.",
        affects="alignment",
        hidden_in={
            "nuke": "Nuke hands both plates over in its working space",
            "blender": "the Image node says what its picture is stored in",
        },
    )
    output_colourspace: str = _option(
        "auto",
        "Output colourspace",
        "Colour",
        "Colourspace of the result. 'auto': the plate's own for EXR plates, scene-linear Rec.709 for others.",
        affects="output",
        hidden_in={
            "nuke": "the result returns in the working space, for a Read that is raw",
            "blender": "the result returns in what the compositor works in",
        },
    )
    ocio_config: str = _option(
        "",
        "OCIO config",
        "Colour",
        "OpenColorIO config, as the server sees it. Empty: $OCIO, else the built-in ACES config.",
        affects="alignment",
        hidden_in={"blender": "Blender's own configuration says what its pictures are"},
    )
    foreground: str = _option(
        "solve",
        "Foreground",
        "Foreground",
        "'solve' takes the foreground out of the plate itself, unclamped; 'network' takes the model's own.",
        affects="foreground",
        choices=("solve", "network"),
    )
    premultiplied: bool = _option(
        False,
        "Premultiplied",
        "Foreground",
        "Write the foreground multiplied by alpha.",
        affects="output",
        hidden_in={
            "nuke": "the node's own output knob decides, from one unpremultiplied result",
            "blender": "the node multiplies by alpha itself",
        },
    )
    black_point: float = _option(
        0.0,
        "Black point",
        "Edge",
        "Alpha at or below this becomes 0.",
        affects="edges",
        minimum=0.0,
        maximum=1.0,
    )
    white_point: float = _option(
        1.0,
        "White point",
        "Edge",
        "Alpha at or above this becomes 1.",
        affects="edges",
        minimum=0.0,
        maximum=1.0,
    )
    gamma: float = _option(
        1.0,
        "Gamma",
        "Edge",
        "Above 1 makes the semi-transparent edge more solid.",
        affects="edges",
        minimum=0.1,
        maximum=10.0,
    )
    erode: float = _option(
        0.0,
        "Erode",
        "Edge",
        "Shrink (positive) or grow (negative) the matte, in fractions of a pixel too.",
        affects="edges",
        minimum=-100.0,
        maximum=100.0,
        unit="px",
    )
    softness: float = _option(
        0.0,
        "Softness",
        "Edge",
        "Blur of the matte's edge.",
        affects="edges",
        minimum=0.0,
        maximum=100.0,
        unit="px",
    )
    despeckle: int = _option(
        0,
        "Despeckle",
        "Edge",
        "Remove islands and fill holes of fewer pixels than this.",
        affects="edges",
        minimum=0,
        maximum=1000000,
        unit="px",
    )
    temporal: float = _option(
        0.0,
        "Temporal smoothing",
        "Edge",
        "Against flicker: how far alpha follows the frames before and after, where they show the same. 0 is off.",
        affects="foreground",
        minimum=0.0,
        maximum=1.0,
    )
    bit_depth: str = _option(
        "half",
        "Bit depth",
        "Output",
        "Bit depth of the result's EXR.",
        affects="output",
        choices=("half", "float"),
    )
    compression: str = _option(
        "zip",
        "Compression",
        "Output",
        "Compression of the result's EXR. What is to read htj2k256 and htj2k32 (lossless JPEG 2000) needs OpenEXR "
        "3.4 or newer, which Nuke and Blender may not have yet.",
        affects="output",
        choices=(
            "none",
            "rle",
            "zips",
            "zip",
            "piz",
            "pxr24",
            "b44",
            "b44a",
            "dwaa",
            "dwab",
            "htj2k256",
            "htj2k32",
        ),
    )
    layer_clean: bool = _option(
        False,
        "Clean plate layer",
        "Output",
        "Add the aligned clean plate as layer 'clean'.",
        affects="output",
        hidden_in=_ONE_LAYER,
    )
    layer_confidence: bool = _option(
        False,
        "Confidence layer",
        "Output",
        "Add the model's confidence as a layer.",
        affects="output",
        hidden_in=_ONE_LAYER,
    )
    layer_difference: bool = _option(
        False,
        "Difference layer",
        "Output",
        "Add the plate's distance from the aligned clean plate as a layer.",
        affects="output",
        hidden_in=_ONE_LAYER,
    )

    def __post_init__(self) -> None:
        for spec in option_specs():
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))
        if self.black_point >= self.white_point:
            raise ValueError("black_point must lie below white_point.")
        parse_region(self.region)

    def to_dict(self) -> dict[str, Value]:
        """Only what differs from the defaults: short on the wire, stable across added options."""
        return {s.name: getattr(self, s.name) for s in option_specs() if getattr(self, s.name) != s.default}

    def seen_by(self, stage: str) -> dict[str, Value]:
        """Of :meth:`to_dict`, what changes ``stage`` (one of :data:`AFFECTS`) or a stage before it."""
        seen = AFFECTS[: AFFECTS.index(stage) + 1]
        affects = {spec.name: spec.affects for spec in option_specs()}
        return {name: value for name, value in self.to_dict().items() if affects[name] in seen}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> MatteOptions:
        """The inverse of :meth:`to_dict`; raises ``ValueError`` on an unknown option or a bad value."""
        known = {spec.name for spec in option_specs()}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"unknown option {', '.join(map(repr, unknown))}; this version knows {', '.join(sorted(known))}."
            )
        return MatteOptions(**dict(values))


def parse_region(text: str) -> Optional[tuple[int, int, int, int]]:
    """x, y, width and height of ``MatteOptions.region``; None where it is empty. Raises ``ValueError``."""
    if not text.strip():
        return None
    try:
        x, y, width, height = (int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"region must be 'x y width height' in whole pixels, not {text!r}.") from None
    if width <= 0 or height <= 0:
        raise ValueError(f"region must have a width and a height above 0, not {text!r}.")
    return x, y, width, height


_SPECS: tuple[OptionSpec, ...] = ()


def option_specs() -> tuple[OptionSpec, ...]:
    """The table of controls, in the order in which a panel shows them."""
    return _SPECS


def shown_in(host: str) -> tuple[OptionSpec, ...]:
    """The controls that the panel of "nuke" or "blender" shows, in order."""
    return tuple(spec for spec in option_specs() if host not in spec.hidden_in)


_TYPES = {"str": str, "bool": bool, "int": int, "float": float}
_SPECS = tuple(
    OptionSpec(name=f.name, type=_TYPES[cast(str, f.type)], default=cast(Value, f.default), **f.metadata)
    for f in fields(MatteOptions)
)
