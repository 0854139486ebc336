"""Which channels of an EXR's part are a picture's colour, by their names alone."""

from __future__ import annotations

from collections.abc import Sequence

_ALPHA_ONLY = ("a", "a", "a")
# How R, G, B may be called, grey and alpha-only pictures included.
_TRIPLES = (("r", "g", "b"), ("red", "green", "blue"), ("y", "y", "y"), ("v", "v", "v"), _ALPHA_ONLY)


def colour_channels(
    names: Sequence[str], part: str, part_view: str, layer: str, view: str
) -> list[tuple[int, str]]:
    """Where among a part's channel ``names`` R, G, B and, where there is one, A of a layer and view lie: index and
    plain name of each; nothing where they are not in this part."""
    index = {name.lower(): position for position, name in enumerate(names)}
    for prefix in _prefixes(part, part_view, layer, view):
        for triple in _TRIPLES:
            if all(prefix + channel in index for channel in triple):
                found = [(index[prefix + channel], name) for channel, name in zip(triple, "RGB", strict=True)]
                if prefix + "a" in index and triple != _ALPHA_ONLY:
                    found.append((index[prefix + "a"], "A"))
                return found
    return []


def _prefixes(part: str, part_view: str, layer: str, view: str) -> list[str]:
    """Names before the channel's own, in the order tried: multi-view files put the view in the part, or
    before the channel; multi-part files may name the layer in the part instead of in the channel."""
    if view and part_view and part_view != view:
        return []
    wanted = layer.lower()
    prefixes = []
    if view and not part_view:
        prefixes.append(f"{view.lower()}.{wanted}." if wanted else f"{view.lower()}.")
        prefixes.append(f"{wanted}.{view.lower()}." if wanted else f"{view.lower()}.")
    if wanted:
        prefixes.append(f"{wanted}.")
        if part.lower() in (wanted, f"{wanted}.{view}".lower()):
            prefixes.append("")
        return prefixes
    if view and not part_view:
        # A file without any views serves both eyes; the default view's channels are unprefixed too.
        return [*prefixes, ""]
    return ["", "rgba.", "rgb."]
