"""The first phase of a run: Nuke renders the plates of a plan to disk, on its main thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from matte_link.errors import CancelledError, LinkError
from matte_link.option_spec import Value

from . import graph, host, range_plan, view_jobs
from .range_plan import RangePlan, Refused


def render_plates(node: host.Node, plan: RangePlan) -> RangePlan:
    """Renders the plates of a plan to disk in full resolution and leaves the node as it was. Raises ``LinkError``.

    A neighbour that cannot be rendered stops nothing. Returns the plan with ``unrendered`` filled in.
    """
    unrendered: dict[tuple[int, str], str] = {}
    try:
        with _rendering(), contextlib.ExitStack() as stack:
            writes = {
                role: stack.enter_context(
                    _writing(host.inner(node, graph.WRITES[role]), role, plan.plate_pattern(role))
                )
                for role in plan.roles
            }
            for view in plan.views:
                _render_view(plan, view, writes)
                unrendered.update(_render_beside(plan, view, writes))
    except LinkError:
        view_jobs.remove_plates(plan)
        raise
    return replace(plan, unrendered=unrendered)


def render_one(write: host.Node, role: str, pattern: str, frame: int, views: Sequence[str]) -> None:
    """Renders one frame of an input in all views, in full resolution. Raises ``LinkError``."""
    with _rendering(), _writing(write, role, pattern):
        for view in views:
            host.render([write], ((frame, frame, 1),), view)


@contextlib.contextmanager
def _rendering() -> Iterator[None]:
    """Full resolution inside the ``with`` block, and what goes wrong there in the artist's words."""
    try:
        with host.unnoticed(), host.full_resolution():
            yield
    except host.RenderCancelled:
        raise CancelledError("Cancelled while the plates were rendered; nothing was sent.") from None
    except host.HostBusy:
        raise Refused("busy", "Nuke is rendering something else.", "Try again when it is done.") from None
    except RuntimeError as error:
        raise Refused("render", f"Nuke could not render the plates: {error}", "Look at the inputs.") from None


def _writing(write: host.Node, role: str, pattern: str) -> contextlib.AbstractContextManager[host.Node]:
    return host.writing(write, pattern, _pins(role))


_HALF_RGBA = "write_ACES_compliant_EXR"
"""A house may have switched it on for all Writes. Not every version of Nuke has it, so it is no knob of the node's
text."""
_VIEWS = "views"


def _word(view: str) -> str:
    return f"{{{view}}}" if " " in view else view


def _pins(role: str) -> dict[str, Value]:
    """What the Write of a role must be set to. It is set again before each render, since a studio's own onCreate
    may have changed it."""
    (spec,) = [one for one in graph.nodes_of_group() if one.name == graph.WRITES[role]]
    pins = {name: value for name, value in spec.knobs.items() if not isinstance(value, graph.Expression)}
    # A view that was added since the node was made is not among those that its Writes render.
    views = host.views()
    return {**pins, _HALF_RGBA: False, **({_VIEWS: " ".join(map(_word, views))} if len(views) > 1 else {})}


def _render_view(plan: RangePlan, view: str, writes: dict[str, host.Node]) -> None:
    if not plan.wanted(view):
        return
    host.render(_each_frame(plan, writes), range_plan.segments(plan.wanted(view)), view)
    if plan.still_clean:
        host.render([writes["clean"]], range_plan.segments(plan.to_render("clean", view)), view)


def _each_frame(plan: RangePlan, writes: dict[str, host.Node]) -> list[host.Node]:
    return [write for role, write in writes.items() if not (role == "clean" and plan.still_clean)]


def _render_beside(plan: RangePlan, view: str, writes: dict[str, host.Node]) -> dict[tuple[int, str], str]:
    """Renders the neighbours that are not wanted themselves, one by one; returns those that failed and why."""
    unrendered: dict[tuple[int, str], str] = {}
    for frame in plan.only_beside(view):
        try:
            host.render(_each_frame(plan, writes), ((frame, frame, 1),), view)
        except RuntimeError as error:
            unrendered[frame, view] = str(error)
    return unrendered
