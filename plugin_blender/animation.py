"""Which values of a data-block the timeline or a driver sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class AnimatedPaths:
    """The paths of a data-block whose values its curves and drivers set."""

    def __init__(self, block: Any) -> None:
        self._paths = {(curve.data_path, curve.array_index) for curve in acting_curves(block)}

    def without(self, struct: Any, item: Any, value: Any) -> Any:
        """The value of a property, with None for what is animated."""
        if not self._paths or not item.is_animatable:
            return value
        try:
            path = struct.path_from_id(item.identifier)
        except ValueError:
            return value
        if isinstance(value, list):
            return [None if (path, index) in self._paths else each for index, each in enumerate(value)]
        return None if (path, 0) in self._paths else value

    def has(self, struct: Any, *names: str) -> bool:
        """Whether one of a struct's properties is animated."""
        return bool(self._paths) and any((struct.path_from_id(name), 0) in self._paths for name in names)

    def has_custom(self, struct: Any, path: str) -> bool:
        """Whether a custom property of a struct is animated. Its ``path`` is ``["name"]``, or longer in groups."""
        if not self._paths:
            return False
        try:
            owner = struct.path_from_id()
        except (ValueError, TypeError):
            owner = ""
        return any(each == owner + path for each, _ in self._paths)


def acting_curves(block: Any) -> Iterator[Any]:
    """The curves and drivers that set values of a data-block."""
    return (curve for curve in _curves(getattr(block, "animation_data", None)) if _acts(curve))


def driver_targets(block: Any) -> list[Any]:
    """What the drivers of a data-block read."""
    data = getattr(block, "animation_data", None)
    variables = (variable for curve in (data.drivers if data else ()) for variable in curve.driver.variables)
    return [target for variable in variables for target in variable.targets]


def _acts(curve: Any) -> bool:
    group = getattr(curve, "group", None)
    return not curve.mute and not (group is not None and group.mute)


def _curves(data: Any) -> Iterator[Any]:
    if data is None:
        return
    yield from data.drivers
    yield from _curves_of(data.action, getattr(data, "action_slot", None))
    for track in data.nla_tracks:
        if not track.mute:
            yield from _strip_curves(track.strips)


def _strip_curves(strips: Any) -> Iterator[Any]:
    for strip in strips:
        if not strip.mute:
            yield from _curves_of(strip.action, getattr(strip, "action_slot", None))
            yield from strip.fcurves
            yield from _strip_curves(strip.strips)


def _curves_of(action: Any, slot: Any) -> Iterator[Any]:
    """The curves of an action that act on the owner of the slot."""
    if action is None or slot is None:
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if bag.slot_handle == slot.handle:
                    yield from bag.fcurves
