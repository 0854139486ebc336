"""The first phase of a run, on the host's main thread: the plates of a plan, rendered to disk."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from matte_link.errors import CancelledError, LinkError

from . import graph, host, range_plan
from .range_plan import RangePlan, Refused


def render_plates(node: host.Node, plan: RangePlan) -> RangePlan:
    """The plates of a plan on disk, in full resolution; leaves the node as it was. Raises ``LinkError``.

    Returns the plan with the neighbours that could not be rendered: frames that were not asked for take nothing
    from those that were, but a word.
    """
    lost: dict[tuple[int, str], str] = {}
    try:
        with host.without_undo(), host.full_resolution(), contextlib.ExitStack() as stack:
            writes = {
                role: stack.enter_context(
                    host.writing(host.inner(node, graph.WRITES[role]), plan.plate_pattern(role))
                )
                for role in plan.roles
            }
            for view in plan.views:
                _render_view(plan, view, writes)
                lost.update(_render_beside(plan, view, writes))
        return replace(plan, lost=lost)
    except host.RenderCancelled:
        trouble: LinkError = CancelledError("Cancelled while the plates were rendered; nothing was sent.")
    except host.HostBusy:
        trouble = Refused("busy", "Nuke renders something else at the moment.", "Try again when it is done.")
    except RuntimeError as error:
        trouble = Refused("render", f"Nuke could not render the plates: {error}", "Look at the inputs.")
    except KeyError as error:
        trouble = Refused("broken", f"The node lacks its {error.args[0]}.", "Make a new one from the Keyer menu.")
    range_plan.remove_plates(plan)
    raise trouble


def _render_view(plan: RangePlan, view: str, writes: dict[str, host.Node]) -> None:
    if not plan.wanted(view):
        return
    host.render(_each_frame(plan, writes), range_plan.segments(plan.wanted(view)), view)
    if plan.still_clean:
        host.render([writes["clean"]], range_plan.segments(plan.to_render("clean", view)), view)


def _each_frame(plan: RangePlan, writes: dict[str, host.Node]) -> list[host.Node]:
    return [write for role, write in writes.items() if not (role == "clean" and plan.still_clean)]


def _render_beside(plan: RangePlan, view: str, writes: dict[str, host.Node]) -> dict[tuple[int, str], str]:
    """The neighbours that are not made themselves, one by one; those that cannot be rendered, with the reason."""
    lost: dict[tuple[int, str], str] = {}
    for frame in plan.only_beside(view):
        try:
            host.render(_each_frame(plan, writes), ((frame, frame, 1),), view)
        except RuntimeError as error:
            lost[frame, view] = str(error)
    return lost
