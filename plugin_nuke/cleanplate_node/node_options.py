"""The options on a node's panel.

A number or switch that has keys or an expression has a value of its own on each frame; every other option has one
for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from matte_link.option_spec import Value
from matte_link.options import MatteOptions
from matte_link.result_key import digest

from . import host, neighbours, panel
from .neighbours import Footage, Sides
from .node_state import setting
from .project_colour import project_colour
from .range_plan import Refused

_ONE_VALUE = ("model", "send_guides")
"""Settings that have one value for all frames of a press: each model makes results of another maker, and the inputs
to be rendered are chosen once."""


@dataclass(frozen=True)
class NodeOptions:
    """The options of one node. ``shared`` has those that hold on every frame, and its defaults for the ``animated``
    ones. :meth:`at` asks the node, so it is for the main thread only."""

    node: host.Node
    shared: MatteOptions
    animated: tuple[str, ...] = ()
    _known: dict[int, MatteOptions] = field(default_factory=dict)

    def at(self, frame: int) -> MatteOptions:
        """The options of one frame. Raises ``Refused`` where they exclude each other there."""
        if not self.animated:
            return self.shared
        if frame not in self._known:
            try:
                self._known[frame] = replace(self.shared, **self._values(frame))
            except ValueError as error:
                raise Refused("bad_option", f"Frame {frame}: {error}", "Correct the setting's keys.") from None
        return self._known[frame]

    def digest(self, frame: int) -> str:
        """What tells the animated options of a frame from those of another; empty where none is animated."""
        return digest(self._values(frame)) if self.animated else ""

    def sides(self, frame: int, footage: Footage) -> Sides:
        """The frames before and after that a frame is sent with."""
        return neighbours.beside(frame, footage if self.at(frame).temporal else None)

    def with_neighbours(self, frames: Sequence[int], footage: Footage) -> tuple[int, ...]:
        """The frames, and behind them those that are only sent with one of them."""
        return (*frames, *neighbours.only_beside(frames, lambda frame: self.sides(frame, footage)))

    def smooths(self) -> bool:
        """Whether some frame may need the frames before and after it."""
        return bool(self.shared.temporal) or "temporal" in self.animated

    def _values(self, frame: int) -> dict[str, Value]:
        return {name: host.value_at(self.node, name, frame) for name in self.animated}


def options_of(node: host.Node) -> NodeOptions:
    """The options on the node's panel. Raises ``Refused``."""
    _check_views(node, (host.current_frame(),))
    animated = tuple(name for name in panel.option_names() if name not in _ONE_VALUE and _is_animated(node, name))
    _check_expressions(node, animated)
    values = {name: setting(node, name) for name in panel.option_names() if name not in animated}
    try:
        shared = panel.options_from(values)
    except ValueError as error:
        raise Refused("bad_option", f"{error}", "Correct the setting.") from None
    if not shared.ocio_config:
        shared = replace(shared, ocio_config=project_colour().config)
    return NodeOptions(node=node, shared=shared, animated=animated)


def _check_views(node: host.Node, frames: Iterable[int]) -> None:
    """Raises ``Refused`` where a setting was split, so that views have different values at one of ``frames``."""
    views = host.views()
    if len(views) == 1:
        return
    for name in panel.option_names():
        if host.has_knob(node, name) and any(_differs(node, name, frame, views) for frame in frames):
            raise Refused(
                "split",
                f"{panel.label_of(name)} is split into views, and all views of a press share one value.",
                "Unsplit it, or use a node for each view.",
            )


def _check_expressions(node: host.Node, names: Iterable[str]) -> None:
    """Raises ``Refused`` where the value of a setting at a frame is not known."""
    for name in names:
        if not host.has_values_at_frames(node, host.script_text(node, name)):
            raise Refused(
                "timeline",
                f"{panel.label_of(name)}: its expression runs TCL or Python that follows the timeline, not the "
                "frame.",
                "Say it without, as in frame/10 or Grade1.white.",
            )


def _differs(node: host.Node, name: str, frame: int, views: Sequence[str]) -> bool:
    """Whether a setting's value at a frame is not the same in all ``views``."""
    return len({host.value_at(node, name, frame, view) for view in views}) > 1


def _is_animated(node: host.Node, name: str) -> bool:
    return host.has_knob(node, name) and host.is_animated(node, name)


def check_constant(node: host.Node, frames: Sequence[int]) -> None:
    """Raises ``Refused`` where a setting that has one value for all frames changes between ``frames``, or from them
    to the current frame; and where views have different values of a setting at one of ``frames``."""
    _check_views(node, frames)
    looked_at = (host.current_frame(), *frames)
    for name in _ONE_VALUE:
        if _is_animated(node, name) and len({host.value_at(node, name, frame) for frame in looked_at}) > 1:
            raise Refused(
                "animated",
                f"{panel.label_of(name)} changes over these frames, and all frames of a press share one value.",
                "Remove its keys or expression, or process each stretch that has one value by itself.",
            )
