"""The passes of a result as files of their own (``--passes``).

Alpha, foreground, comp, and the layers that options add to the EXR. They are read from the finished result, so a
pass that is missing costs no matting."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from matte_link.options import MatteOptions

from ..core.image import Float32, Image, divided_by_alpha
from ..errors import MatteError
from ..io import exr
from ..io.colour import from_scene_linear, to_scene_linear
from .nearest_word import nearest_word
from .role_files import named_pattern

COMP = "comp"
LAYERS = ("clean", "confidence", "difference", "shadow")
"""The passes that are layers of the result's EXR; each is made by the option ``layer_NAME``."""
_GREY = ("confidence", "difference")
PASSES = ("alpha", "foreground", COMP, *LAYERS)


def pass_names(text: str) -> tuple[str, ...]:
    """The passes of a list such as "alpha,foreground", each once; raises ``MatteError("bad_option", ...)``."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if text and not names:
        raise MatteError("bad_option", f"{text!r} names no pass.", f"There are {', '.join(PASSES)}.")
    unknown = next((name for name in names if name not in PASSES), None)
    if unknown is not None:
        near = nearest_word(unknown, PASSES)
        hint = f"Did you mean {near}?" if near else f"There are {', '.join(PASSES)}."
        raise MatteError("bad_option", f"There is no pass {unknown!r}.", hint)
    return names


def with_layers(options: MatteOptions, text: str) -> MatteOptions:
    """The options with the layers switched on that the passes are read from."""
    layers: dict[str, Any] = {f"layer_{name}": True for name in pass_names(text) if name in LAYERS}
    return replace(options, **layers)


def around_number(name: str) -> tuple[str, str]:
    """The parts of a file's name before its frame number, and between that and the suffix: "m_" and "_left" of
    m_####_left.exr; the stem and nothing without a number."""
    pattern = named_pattern(name)
    if not pattern.is_sequence:
        return Path(name).stem, ""
    # A frame's file name and the pattern differ in the frame number alone.
    numbered = pattern.path(0).name
    after = _common_beginning(name[::-1], numbered[::-1])[::-1]
    return _common_beginning(name, numbered), after.removesuffix(Path(name).suffix)


def _common_beginning(one: str, other: str) -> str:
    pairs = zip(one, other, strict=False)
    return "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def pass_file(output: str, name: str) -> str:
    """The file or pattern of a pass: matte.alpha.####.exr beside matte.####.exr."""
    path = Path(output)
    head, _ = around_number(path.name)
    rest = path.name[len(head) :]
    mark = head[-1] if head[-1:] in ("_", "-") else "."
    return str(path.with_name(mark.join(filter(None, (head.rstrip("._-"), name, rest.lstrip("."))))))


def pass_of(output: Path, name: str) -> Image:
    """One pass of a finished result, in the colourspace of its file; alpha, confidence and difference are grey."""
    if name in LAYERS:
        layer = exr.read_image(output, layer=name)
        is_grey = name in _GREY
        return _with(layer, layer.pixels[..., : 1 if is_grey else 3], ("Y",) if is_grey else tuple("RGB"))
    result = exr.read_image(output)
    alpha = result.pixels[..., 3:4]
    if name == "alpha":
        return _with(result, alpha, ("Y",))
    straight = result
    if result.premultiplied:
        # It was light that was multiplied by alpha.
        light = to_scene_linear(result, result.colourspace)
        straight = from_scene_linear(divided_by_alpha(light), result.colourspace)
    return _with(straight, straight.rgb, tuple("RGB"))


def _with(image: Image, pixels: Float32, channels: tuple[str, ...]) -> Image:
    contiguous = np.ascontiguousarray(pixels, np.float32)
    return replace(image, pixels=contiguous, channels=channels, premultiplied=False)
