"""Chooses the colour channels of an EXR part by their names."""

from __future__ import annotations

from collections.abc import Sequence

_ALPHA_ONLY = ("a", "a", "a")
# Names of R, G and B, in the order tried; a grey or alpha-only picture uses one channel for all three.
_TRIPLES = (("r", "g", "b"), ("red", "green", "blue"), ("y", "y", "y"), ("v", "v", "v"), _ALPHA_ONLY)


def colour_channels(
    names: Sequence[str], part: str, part_view: str, layer: str, view: str
) -> list[tuple[int, str]]:
    """R, G, B and, if present, A of a layer and view: for each its index in the part's channel ``names`` and its
    plain name ("R", "G", "B", "A"). Empty if the part does not have them."""
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
    """What may stand before a channel's own name, in the order tried. Multi-view files name the view in the part's
    attribute or before the channel; multi-part files may name the layer in the part instead of the channel."""
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
        # The default view's channels have no prefix, and a file without views serves both eyes.
        return [*prefixes, ""]
    return ["", "rgba.", "rgb."]
