"""Every control of a matte in one table: command line, hosts and server all read it.

:class:`MatteOptions` is the table, one field for each option; :func:`option_specs` lists what it says of each. To
add an option, add a field here: the command line, both panels, the wire and the keys of results take it from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Optional, cast

from .option_spec import AFFECTS, OptionSpec, Value

BUILT_IN_MODELS = ("cleanplate", "difference", "v1", "v2")
AUTO_MODEL = "auto"
"""The value of the option ``model`` that leaves the choice to the server: see :func:`chosen_model`."""


def _option(default: Value, label: str, group: str, help: str, affects: str, **more: Any) -> Any:
    return field(
        default=default, metadata={"label": label, "group": group, "help": help, "affects": affects, **more}
    )


_ITS_INPUT_IS_THE_LAYER = {
    "nuke": "the node's input is the layer",
    "blender": "the Image node chooses the layer",
}
_ONE_LAYER = {"blender": "the node's sockets are matte, confidence and shadow"}


class UnknownOption(ValueError):
    """This version has no such option; a later one may have it."""


@dataclass(frozen=True)
class MatteOptions:
    """The settings of one matte. Raises ``ValueError`` with the name of the option that is not valid."""

    model: str = _option(
        AUTO_MODEL,
        "Model",
        "Matte",
        "Which matting model runs. 'auto' is Cleanplate's own network if its weights are installed, else the "
        "difference matte. 'v1' and 'v2' are the published Background Matting networks; you bring their weights. "
        "Any other model that is installed on the server is chosen by its name.",
        affects="model",
        choices=(AUTO_MODEL, *BUILT_IN_MODELS),
        is_open=True,
    )
    weights: str = _option(
        "",
        "Weights",
        "Matte",
        "Weights file: those that 'cleanplate learn' made of this shot, or those of v1 and v2. A .learned or "
        ".safetensors file of this machine is sent along; any other is named by its path on the server. Empty: the "
        "model's own.",
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
        "How the clean plate is aligned to the plate. 'auto' measures it and takes the simplest transform.",
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
        "Where to look for the subject: 'x y width height' in the plate's pixels, y down. Empty: the whole frame.",
        affects="model",
    )
    colourspace: str = _option(
        "auto",
        "Colourspace",
        "Colour",
        "Colourspace of the plate. 'auto' reads it from the file or the host.",
        affects="alignment",
        hidden_in={"blender": "the Image node has its own colourspace setting"},
    )
    clean_colourspace: str = _option(
        "auto",
        "Clean plate colourspace",
        "Colour",
        "Colourspace of the clean plate. 'auto' reads it from the file, else uses the plate's.",
        affects="alignment",
        hidden_in={
            "nuke": "Nuke hands both plates over in its working space",
            "blender": "the Image node has its own colourspace setting",
        },
    )
    output_colourspace: str = _option(
        "auto",
        "Output colourspace",
        "Colour",
        "Colourspace of the result. 'auto': the plate's own for EXR plates, scene-linear Rec.709 for others.",
        affects="output",
        hidden_in={
            "nuke": "the result returns in the working space, for a Read node set to raw",
            "blender": "the result returns in the compositor's working space",
        },
    )
    ocio_config: str = _option(
        "",
        "OCIO config",
        "Colour",
        "OpenColorIO config, as a path on the server. Empty: $OCIO, else the built-in ACES config.",
        affects="alignment",
        hidden_in={"blender": "Blender uses its own configuration"},
    )
    foreground: str = _option(
        "solve",
        "Foreground",
        "Foreground",
        "'solve' computes the foreground from the plate, unclamped; 'network' uses the model's own.",
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
        "Reduces flicker: how far alpha follows the frames before and after where they show the same. 0 is off.",
        affects="foreground",
        minimum=0.0,
        maximum=1.0,
    )
    bit_depth: str = _option(
        "half",
        "Bit depth",
        "Output",
        "Bit depth of R, G, B and A in the result's EXR. Its layers are always half floats.",
        affects="output",
        choices=("half", "float"),
    )
    compression: str = _option(
        "zip",
        "Compression",
        "Output",
        "Compression of the result's EXR. Reading htj2k256 and htj2k32 (lossless JPEG 2000) takes OpenEXR 3.4 or "
        "newer, which Nuke and Blender may not have yet.",
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
        "Add how sure alpha is as a layer: 1 is certain, 0 means that it could as well be 0 or 1.",
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
    layer_shadow: bool = _option(
        False,
        "Shadow layer",
        "Output",
        "Add the subject's shadow as layer 'shadow': a factor for the new background, 1 where nothing changed.",
        affects="output",
    )

    def __post_init__(self) -> None:
        for spec in option_specs():
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))
        if self.black_point >= self.white_point:
            raise ValueError("black_point must lie below white_point.")
        parse_region(self.region)

    def to_dict(self) -> dict[str, Value]:
        """The options that differ from their defaults. Short on the wire, and unchanged by options added later."""
        return {s.name: getattr(self, s.name) for s in option_specs() if getattr(self, s.name) != s.default}

    def seen_by(self, stage: str) -> dict[str, Value]:
        """The part of :meth:`to_dict` that affects ``stage`` or a stage before it, as named in
        :data:`~matte_link.option_spec.AFFECTS`."""
        seen = AFFECTS[: AFFECTS.index(stage) + 1]
        affects = {spec.name: spec.affects for spec in option_specs()}
        return {name: value for name, value in self.to_dict().items() if affects[name] in seen}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> MatteOptions:
        """The inverse of :meth:`to_dict`. Raises :class:`UnknownOption`, and ``ValueError`` for a value that is not
        valid."""
        known = {spec.name for spec in option_specs()}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UnknownOption(
                f"unknown option {', '.join(map(repr, unknown))}; this version knows {', '.join(sorted(known))}."
            )
        return MatteOptions(**dict(values))


def chosen_model(name: str, available: Sequence[str]) -> str:
    """The model that the option's value ``name`` stands for. ``available``: the models that a server can run
    without being given weights, its default first; :data:`AUTO_MODEL` is that one."""
    return available[0] if name == AUTO_MODEL and available else name


def parse_region(text: str) -> Optional[tuple[int, int, int, int]]:
    """x, y, width and height in pixels from ``MatteOptions.region``; None if it is empty. Raises ``ValueError``."""
    if not text.strip():
        return None
    try:
        x, y, width, height = (int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"region must be 'x y width height' in whole pixels, not {text!r:.60}.") from None
    if width <= 0 or height <= 0:
        raise ValueError(f"region must have a width and a height above 0, not {text!r:.60}.")
    return x, y, width, height


_SPECS: tuple[OptionSpec, ...] = ()


def option_specs() -> tuple[OptionSpec, ...]:
    """What the table says of each option, in the order in which a panel shows them."""
    return _SPECS


def shown_in(host: str) -> tuple[OptionSpec, ...]:
    """The options that the panel of a host ("nuke" or "blender") shows, in order."""
    return tuple(spec for spec in option_specs() if host not in spec.hidden_in)


_TYPES = {"str": str, "bool": bool, "int": int, "float": float}
_SPECS = tuple(
    OptionSpec(name=f.name, type=_TYPES[cast(str, f.type)], default=cast(Value, f.default), **f.metadata)
    for f in fields(MatteOptions)
)
