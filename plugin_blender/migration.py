"""Changes settings of nodes that another version saved, or will open, and that this one does not know.

What was changed is said. Blender 4.5 may copy their groups, and finds what Blender 5 keeps elsewhere."""

from __future__ import annotations

from typing import Any

from . import graph, runtime
from .matte_link.options import shown_in
from .places import all_nodes
from .properties import title_case
from .versions import IS_FIVE


def bring_up_to_date() -> None:
    """Every node of the file, but for those of linked files, which are not ours to change."""
    for _, node in all_nodes():
        if node.node_tree.library is None:
            graph.make_safe_to_copy(node.node_tree)
            graph.connect_lost(node.node_tree)
        if node.id_data.library is None:
            changed = _reset_unknown_choices(node.matte)
            if changed:
                runtime.state(node.matte.node_id).error = " ".join(changed)


def _reset_unknown_choices(settings: Any) -> list[str]:
    """Sets options to their defaults whose choice is none of this version's; a sentence for each."""
    changed = []
    for spec in shown_in("blender"):
        # Blender keeps the number of a choice, and shows nothing where there is none of that number.
        if spec.choices and not getattr(settings, spec.name):
            settings.property_unset(spec.name)
            label = title_case(spec.label)
            changed.append(f"{label} was set to what this version does not offer here; it is {spec.default} now.")
    return changed


def keep_for_older() -> None:
    """Before a file is saved: Blender 4.5 reads the settings of add-ons among a node's custom properties, where
    Blender 5 neither keeps nor reads them."""
    if IS_FIVE:
        for _, node in all_nodes():
            if node.id_data.library is None:
                node["matte"] = _values(node.matte)


def _values(settings: Any) -> dict[str, Any]:
    """The settings that are not at their defaults, as Blender writes them: choices by their numbers."""
    values = {}
    for item in settings.bl_rna.properties:
        name = item.identifier
        if name in ("rna_type", "name") or not settings.is_property_set(name):
            continue
        value = getattr(settings, name)
        if item.type == "COLLECTION":
            value = [_values(each) for each in value]
        elif item.type == "ENUM":
            # One that was pasted from another version's file may have a choice that is none here.
            value = item.enum_items[value].value if value else []
        if value != []:
            values[name] = value
    return values
