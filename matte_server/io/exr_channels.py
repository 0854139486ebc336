"""Chooses the part and the channels of an EXR that hold its picture, by their names.

Without a layer the picture is looked for in this order, each step over all parts before the next step: R, G, B as
they are written; Y with RY and BY, R, G, B in any case, and red, green, blue; a grey picture Y or V; a file with
alpha alone; the only channel of a file, as mattes are written. X, Y, Z and u, v are vectors, depth is a distance,
and an ID and Cryptomatte's channels are identifiers, whatever their names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from matte_link.plain_text import printable

from ..errors import MatteError
from .exr_part import ExrPart

LUMA_CHROMA = ("Y", "RY", "BY")
_LISTED = 20
_PLAIN_PREFIXES = ("", "rgba.", "rgb.")
# Names of parts that hold the picture itself, where other parts have R, G, B too.
_PICTURE_PARTS = frozenset(("rgba", "rgb", "beauty", "combined", "color", "colour", "c", "main", "final"))
_VECTORS = frozenset(("x", "y", "z", "u", "v"))
_NO_PICTURES = _VECTORS | {"depth", "zdepth", "id", "objectid", "object_id", "materialid", "material_id"}
"""Names of the only channel of a file that is no picture: in a matte, numbers would stand for coverage."""
_EXACT, _ANY_CASE, _GREY, _ALPHA = range(4)


@dataclass(frozen=True)
class ChosenChannels:
    """The picture in an EXR: the index of its part, the names of its channels there, and what they are ("R", "G",
    "B", "A"). ``is_luma_chroma``: the first three are Y, RY and BY instead."""

    part: int
    names: tuple[str, ...]
    channels: tuple[str, ...]
    is_luma_chroma: bool = False


def choose_channels(parts: Sequence[ExrPart], label: str, layer: str, view: str) -> ChosenChannels:
    """The channels of a layer and view; without a layer those of the main picture. ``label`` is what messages call
    the file. Raises ``MatteError`` with the codes deep, no_view, no_layer, no_colour."""
    views = views_in(parts)
    if view and views and view not in views:
        raise MatteError("no_view", f"{label} has no view {view!r}.", f"Its views are {_joined(views)}.")
    order = sorted(range(len(parts)), key=lambda index: _base_name(parts[index]) not in _PICTURE_PARTS)
    flat = [index for index in order if not parts[index].is_deep]
    for step in (_EXACT, _ANY_CASE, _GREY, _ALPHA):
        for index in flat:
            if found := _of_part(parts[index], index, step, layer, view):
                return found
    if not layer and (only := _only_channel(parts)):
        return only
    raise _not_found(parts, label, layer)


def _only_channel(parts: Sequence[ExrPart]) -> ChosenChannels | None:
    """The channel of a file that has no other, as a grey picture."""
    found = [(index, channel) for index, part in enumerate(parts) for channel in part.channels]
    if len(found) != 1 or parts[found[0][0]].is_deep:
        return None
    index, channel = found[0]
    layer, _, plain = channel.name.rpartition(".")
    is_picture = plain.lower() not in _NO_PICTURES and not _is_cryptomatte(parts[index], layer)
    if not is_picture or not channel.is_full_size:
        return None
    return ChosenChannels(part=index, names=(channel.name,) * 3, channels=("R", "G", "B"))


def _of_part(part: ExrPart, index: int, step: int, layer: str, view: str) -> ChosenChannels | None:
    if view and part.view and part.view != view:
        return None
    full_size = tuple(channel.name for channel in part.channels if channel.is_full_size)
    for prefix in _prefixes(part, layer, view):
        luma_chroma = _luma_chroma(part, full_size, prefix) if step == _ANY_CASE else ()
        triple = luma_chroma or _triple(full_size, prefix, step)
        if triple and (layer or step == _EXACT or not _is_cryptomatte(part, prefix)):
            alpha = _alpha(full_size, prefix) if step != _ALPHA else None
            names = (*triple, alpha) if alpha else triple
            channels = ("R", "G", "B", "A")[: len(names)]
            return ChosenChannels(part=index, names=names, channels=channels, is_luma_chroma=bool(luma_chroma))
    return None


def _luma_chroma(part: ExrPart, full_size: Sequence[str], prefix: str) -> tuple[str, ...]:
    """The channels Y, RY and BY, where the part has all three; chroma may be subsampled."""
    luma, *chroma = LUMA_CHROMA
    found = (_named(full_size, prefix, luma), *(_named(part.names, prefix, plain) for plain in chroma))
    names = tuple(name for name in found if name)
    return names if len(names) == len(LUMA_CHROMA) else ()


def _triple(names: Sequence[str], prefix: str, step: int) -> tuple[str, ...]:
    """The channels to use as R, G and B; empty if the step finds none."""
    if step == _EXACT:
        exact = tuple(name for plain in "RGB" if (name := _exactly(names, prefix + plain)))
        return exact if len(exact) == 3 else ()
    if step == _ANY_CASE:
        for wanted in (("r", "g", "b"), ("red", "green", "blue")):
            found = tuple(name for plain in wanted if (name := _named(names, prefix, plain)))
            if len(found) == 3:
                return found
        return ()
    if step == _ALPHA and any(_named(names, prefix, plain) for plain in (*"RGB", "red", "green", "blue")):
        return ()  # a part of a picture stands beside it
    grey = _alpha(names, prefix) if step == _ALPHA else _grey(names, prefix)
    return (grey, grey, grey) if grey else ()


def _alpha(names: Sequence[str], prefix: str) -> str | None:
    """The channel that is alpha; beside red, green and blue Nuke writes out its name."""
    return _named(names, prefix, "A") or _named(names, prefix, "alpha")


def _grey(names: Sequence[str], prefix: str) -> str | None:
    """The channel of a grey picture: Y without X beside it, or V without U."""
    for plain, of_vector in (("Y", "X"), ("V", "U")):
        found = _named(names, prefix, plain)
        if found and not _named(names, prefix, of_vector):
            return found
    return None


def _exactly(names: Sequence[str], wanted: str) -> str | None:
    """A channel whose prefix may be written in any case, and whose own name may not."""
    if wanted in names:
        return wanted
    layer, _, plain = wanted.rpartition(".")
    for name in names:
        its_layer, _, its_plain = name.rpartition(".")
        if its_plain == plain and _folded(its_layer) == _folded(layer):
            return name
    return None


def _folded(name: str) -> str:
    """A name without its case, and with each letter with an accent as one character: systems differ there."""
    return unicodedata.normalize("NFC", name).lower()


def _named(names: Sequence[str], prefix: str, plain: str) -> str | None:
    """The channel with this prefix and name, preferably as written, else in any case."""
    wanted = prefix + plain
    if exact := _exactly(names, wanted):
        return exact
    return next((name for name in names if _folded(name) == _folded(wanted)), None)


def _prefixes(part: ExrPart, layer: str, view: str) -> list[str]:
    """What may stand before a channel's own name, in the order tried. Multi-view files name the view in the part's
    attribute or before the channel; multi-part files may name the layer in the part instead of the channel."""
    named = [f"{layer}."] if layer else []
    if layer and _folded(part.name) in (_folded(layer), _folded(f"{layer}.{view}")):
        named.append("")
    if not view or part.view:
        # A part that is called Beauty may call its channels Beauty.R.
        own = (f"{part.name}.",) if _base_name(part) in _PICTURE_PARTS else ()
        return named or list(dict.fromkeys((*_PLAIN_PREFIXES, *own)))
    of_view = [f"{view}.{layer}.", f"{layer}.{view}."] if layer else [f"{view}."]
    # The default view's channels have no prefix, and a file without views serves both eyes.
    is_default = not part.views_of_channels or view == part.views_of_channels[0]
    return [*of_view, *(named or ("",))] if is_default else of_view


def _base_name(part: ExrPart) -> str:
    """The last word of a part's name, without its view."""
    name = part.name.lower()
    if part.view and name.endswith(f".{part.view.lower()}"):
        name = name[: -len(part.view) - 1]
    return name.rpartition(".")[2]


def _is_cryptomatte(part: ExrPart, prefix: str) -> bool:
    own = prefix.rstrip(".") or part.name
    layers = [
        part.text(name) for name in part.attributes if name.startswith("cryptomatte/") and name.endswith("/name")
    ]
    return own.lower().startswith("crypto") or any(layer and own.startswith(layer) for layer in layers)


def views_in(parts: Sequence[ExrPart]) -> list[str]:
    """The views of an EXR; none where it does not speak of views."""
    found: list[str] = []
    for part in parts:
        found += [part.view] if part.view else part.views_of_channels
    return list(dict.fromkeys(found))


def _not_found(parts: Sequence[ExrPart], label: str, layer: str) -> MatteError:
    if all(part.is_deep for part in parts):
        return MatteError(
            "deep", f"{label} is a deep EXR, which has no single alpha per pixel.", "Flatten it first."
        )
    offered = _colour_layers(parts)
    names = [name for part in parts for name in part.names]
    listed = f"Its channels are {_joined(names)}{', ...' if len(names) > _LISTED else ''}."
    if offered:
        listed = f"Choose one of its layers with --layer: {_joined(offered)}."
    if layer:
        return MatteError("no_layer", f"{label} has no layer {layer!r} with colour.", listed)
    coarse = [channel.name for part in parts for channel in part.channels if not channel.is_full_size]
    if coarse and not offered:
        listed = f"{listed} Subsampled channels ({_joined(coarse)}) are read only as RY and BY beside Y."
    elif not offered and len(views := [view for view in views_in(parts) if _shows(parts, view)]) > 1:
        listed = f"Choose one of its views with --view: {_joined(views)}."
    return MatteError("no_colour", f"{label} has no R, G, B outside a layer.", listed)


def _joined(names: Sequence[str]) -> str:
    """The first of these names, as a message quotes them."""
    return printable(", ".join(names[:_LISTED]))


def _shows(parts: Sequence[ExrPart], view: str) -> bool:
    """Whether a view has colour outside a layer."""
    return any(_is_colour(part, f"{view}.") for part in parts)


def _colour_layers(parts: Sequence[ExrPart]) -> list[str]:
    """The layers that hold a colour picture, in any part; views are no layers, nor are identifiers."""
    found = []
    views = views_in(parts)
    for part in parts:
        layers = dict.fromkeys(name.rpartition(".")[0] for name in part.names if "." in name)
        found += [layer for layer in layers if _is_colour(part, f"{layer}.")]
        if part.name and _is_colour(part, ""):
            found.append(part.name)
    return [layer for layer in dict.fromkeys(found) if layer not in views]


def _is_colour(part: ExrPart, prefix: str) -> bool:
    full_size = tuple(channel.name for channel in part.channels if channel.is_full_size)
    steps = (_triple(full_size, prefix, step) for step in (_EXACT, _ANY_CASE))
    is_named = bool(_luma_chroma(part, full_size, prefix)) or any(steps)
    return is_named and not _is_cryptomatte(part, prefix)
