"""One press of a button, start to end: look, render the plates, hand them over, show each result as it comes.

Phase 1 is on the host's main thread: checks, then the plates. Phase 2 is a worker thread's: it talks to the
server and asks the main thread for nothing but to show what is finished. Without a window both run in turn.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from matte_link.client import MatteClient
from matte_link.errors import CancelledError, LinkError
from matte_link.messages import Pong

from . import fingerprint, host, job, manifest, neighbours, spec
from .job import CleanPlates, RangePlan, Refused, ViewJobs
from .neighbours import Footage
from .tally import JobProgress

PING_S = 2.0
PATIENCE_S = 30.0
"""How long the server may be silent in the middle of a range before the range ends with a sentence."""
_POLL_S = 0.05
_CANCEL_POLL_S = 0.1
NOT_PROCESSED = "not processed"
UP_TO_DATE = "up to date"

_running: dict[str, RangeRun] = {}
_states: dict[str, str] = {}
_said: dict[str, str] = {}
_clean_plates = CleanPlates()


# -- what a node says of itself


def is_ours(node: host.Node) -> bool:
    """Whether a node is a Cleanplate Matte."""
    return host.kind(node) == "Group" and host.has_knob(node, "node_id") and host.has_knob(node, "process_frame")


def ours() -> list[host.Node]:
    """All Cleanplate nodes of the script."""
    return [node for node in host.groups() if is_ours(node)]


def node_id(node: host.Node) -> str:
    """The node's own name for its folder; minted where it has none yet."""
    known = str(host.value(node, "node_id"))
    if known:
        return known
    with host.without_undo():
        host.set_value(node, "node_id", uuid.uuid4().hex[:12])
    return str(host.value(node, "node_id"))


def state(node: host.Node) -> str:
    """The words last found for a node; for its label, so without a look at anything."""
    return _states.get(str(host.value(node, "node_id")), NOT_PROCESSED)


def running(node: host.Node) -> Optional[RangeRun]:
    """What is under way for a node."""
    return _running.get(str(host.value(node, "node_id")))


def all_running() -> list[RangeRun]:
    """Everything that is under way."""
    return list(_running.values())


def tell(node: host.Node, text: str) -> None:
    """Puts a node's state on its panel and its label."""
    if host.exists(node):
        _states[str(host.value(node, "node_id"))] = text
        with host.without_undo():
            host.set_value(node, "status", text)


@dataclass(frozen=True)
class Freshness:
    """What was found of a node's result: ``fresh`` where a render may use it, and the words for it."""

    fresh: bool
    text: str


def check(node: host.Node, deep: bool = True) -> Freshness:
    """Looks whether what the node shows is what it would make now, and says so on the node.

    ``deep`` also asks the host for the current frame's hashes, which it must not be asked for everywhere.
    """
    if running(node):
        return Freshness(False, state(node))
    try:
        look = _look(node, deep)
    except (LinkError, KeyError) as error:
        look = Freshness(False, str(error))
    tell(node, look.text)
    return look


def _look(node: host.Node, deep: bool) -> Freshness:
    folder = job.shown_folder(str(host.value(host.inner(node, spec.READ), "file")))
    if not folder:
        return Freshness(False, _said.get(node_id(node), NOT_PROCESSED))
    options = _options(node)
    if folder.rpartition("/")[2] != _settings_key(node, options):
        return Freshness(False, "stale: a setting or an input changed")
    if deep:
        return _look_at_frame(node, folder, _footage(node, options))
    return Freshness(True, _said.get(node_id(node), UP_TO_DATE))


def _look_at_frame(node: host.Node, folder: str, footage: Footage) -> Freshness:
    frame, views = host.current_frame(), host.views()
    keys = _Sources(node, _roles(node), (frame,)).keys((frame,), views, footage)
    for view in views:
        record = manifest.read(folder, frame, view)
        if record is None:
            return Freshness(False, f"frame {frame} is not processed")
        if record.code:
            return Freshness(False, f"frame {frame} failed: {record.message}")
        if record.key.differs(keys[frame, view], compare_hashes=not host.uses_proxy()):
            return Freshness(False, f"stale: the sources of frame {frame} changed")
        if record.warnings:
            return Freshness(True, f"frame {frame}: {' '.join(record.warnings)}")
    return Freshness(True, UP_TO_DATE)


# -- planning


def _options(node: host.Node) -> spec.MatteOptions:
    try:
        return spec.options_from({name: host.value(node, name) for name in spec.option_names()})
    except ValueError as error:
        raise Refused("bad_option", f"{error}", "Correct the setting.") from None


def _roles(node: host.Node) -> tuple[str, ...]:
    """The inputs whose pictures go to the server."""
    guides = [role for role in ("core", "holdout") if host.input_of(node, spec.INPUTS.index(role)) is not None]
    return ("src", "clean", *(guides if host.value(node, "send_guides") else ()))


def _feeds(node: host.Node, roles: Sequence[str]) -> list[Optional[host.Node]]:
    return [host.input_of(node, spec.INPUTS.index(role)) for role in roles]


def _footage(node: host.Node, options: spec.MatteOptions) -> Footage:
    """The frames that the plate's source has, where the options make a frame follow its neighbours in time."""
    feed = _feeds(node, ("src",))[0]
    return host.frame_range(feed) if options.temporal and feed is not None else None


def _space(node: host.Node) -> str:
    return job.working_space(
        host.root_text("colorManagement"), host.root_text("workingSpaceLUT"), host.root_text("OCIO_config")
    )


def _settings_key(node: host.Node, options: spec.MatteOptions) -> str:
    roles = _roles(node)
    facts, starts = host.upstream(_feeds(node, roles))
    more = {"roles": list(roles), "space": _space(node), "schema": spec.SCHEMA}
    return fingerprint.settings_key(facts, starts, options.to_dict(), more)


class _Sources:
    """What the host says of the pictures that feed a node, frame by frame; the timeline stands where it stood."""

    def __init__(self, node: host.Node, roles: Sequence[str], frames: Sequence[int]) -> None:
        feeds = {role: feed for role, feed in zip(roles, _feeds(node, roles)) if feed is not None}
        facts, _ = host.upstream(feeds.values())
        self._files = sorted({one.file for one in facts if one.file})
        self._hashes: dict[int, dict[str, tuple[int, ...]]] = {}
        for frame in frames:
            with host.at_frame(frame):
                self._hashes[frame] = {role: host.hashes(feed) for role, feed in feeds.items()}

    def keys(
        self, frames: Sequence[int], views: Sequence[str], footage: Footage
    ) -> dict[tuple[int, str], fingerprint.FrameKey]:
        """The key of each of some frames in each view. A neighbour that the host was not asked about is known by
        its files only."""
        return {(frame, view): self._key(frame, view, footage) for frame, view in job.all_pairs(frames, views)}

    def _key(self, frame: int, view: str, footage: Footage) -> fingerprint.FrameKey:
        own = self._alone(frame, view)
        if footage is None:
            return own
        around = neighbours.beside(frame, footage)
        return fingerprint.with_neighbours(own, [None if one is None else self._alone(one, view) for one in around])

    def _alone(self, frame: int, view: str) -> fingerprint.FrameKey:
        hashes = self._hashes.get(frame, {"src": ()})
        return fingerprint.frame_key(hashes.values(), self._files, frame, view)

    def clean_is_still(self, frames: Sequence[int]) -> bool:
        """Whether the host's hashes promise the same clean plate on all these frames."""
        seen = {self._hashes[frame].get("clean", ()) for frame in frames}
        return len(frames) > 1 and len(seen) == 1 and () not in seen


def frames_of(node: host.Node) -> tuple[int, ...]:
    """The frames of 'Process range'; raises ``Refused``."""
    mode = str(host.value(node, "range_mode"))
    if mode == "project":
        first, last = host.project_range()
    elif mode == "custom":
        first, last = int(host.value(node, "first")), int(host.value(node, "last"))
    else:
        feed = host.input_of(node, spec.INPUTS.index("src"))
        if feed is None:
            raise Refused("no_plate", "Nothing is connected to src.", "Connect the plate to the src input.")
        first, last = host.frame_range(feed)
    if last < first:
        raise Refused("bad_range", f"The frame range {first} to {last} is empty.", "Correct 'First' and 'Last'.")
    return tuple(range(first, last + 1))


def preflight(
    node: host.Node, frames: Sequence[int], force: bool, priority: str, server: str = "", ping: bool = True
) -> RangePlan:
    """Everything that can be known to be wrong before a picture is rendered; raises ``LinkError``."""
    _check_host(node)
    options, endpoint = _options(node), job.endpoint_of(server or str(host.value(node, "server")))
    cache = job.absolute(host.evaluated(node, "cache_dir"), host.script_path())
    if ping:
        _ask_server(endpoint)
    roles, views = _roles(node), host.views()
    folder = job.result_folder(cache, node_id(node), _settings_key(node, options))
    with host.full_resolution():
        footage = _footage(node, options)
        sources = _Sources(node, roles, (*frames, *neighbours.only_beside(frames, footage)))
        width, height = host.size(_feeds(node, ("src",))[0] or node)
    keys = {
        at: key
        for at, key in sources.keys(frames, views, footage).items()
        if force or not manifest.has_result(folder, *at, key)
    }
    wanted = tuple(sorted({frame for frame, _ in keys}))
    still = sources.clean_is_still((*wanted, *neighbours.only_beside(wanted, footage)))
    plan = RangePlan(
        node_id(node), folder, wanted, views, options, endpoint, keys, roles, still, _hints(node), priority, footage
    )
    job.check_room(folder, width * height, plan.plates())
    return plan


def _check_host(node: host.Node) -> None:
    edition = host.limited_licence()
    if edition:
        raise Refused(
            "edition",
            f"Cleanplate does not work in Nuke {edition}, whose Python may use ten nodes only.",
            "Use Nuke, NukeX or Nuke Studio.",
        )
    if not host.script_path():
        raise Refused("not_saved", "The script has no name yet.", "Save it: results lie in a folder beside it.")
    for role, what in (("src", "plate"), ("clean", "clean plate")):
        if host.input_of(node, spec.INPUTS.index(role)) is None:
            raise Refused(
                f"no_{what.replace(' ', '_')}",
                f"Nothing is connected to {role}.",
                f"Connect the {what} to the {role} input.",
            )


def _hints(node: host.Node) -> dict[str, str]:
    return {
        "colourspace": _space(node),
        "colour_management": host.root_text("colorManagement"),
        "working_space": host.root_text("workingSpaceLUT"),
        "host": f"Nuke {host.version()}",
    }


def _ask_server(endpoint: job.Endpoint) -> Pong:
    with MatteClient(endpoint, PING_S) as client:
        return client.ping(PING_S)


def server_words(node: host.Node) -> str:
    """What the server says when asked; raises ``LinkError``."""
    endpoint = job.endpoint_of(str(host.value(node, "server")))
    answer = _ask_server(endpoint)
    return f"Cleanplate {answer.version} at {endpoint.address}, models: {', '.join(answer.models) or 'none'}."


# -- phase 1


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
                    host.writing(host.inner(node, spec.WRITES[role]), plan.plate_pattern(role))
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
    job.remove_plates(plan)
    raise trouble


def _render_view(plan: RangePlan, view: str, writes: dict[str, host.Node]) -> None:
    if not plan.wanted(view):
        return
    host.render(_each_frame(plan, writes), job.segments(plan.wanted(view)), view)
    if plan.still_clean:
        host.render([writes["clean"]], job.segments(plan.to_render("clean", view)), view)


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


# -- phase 2


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``code`` and ``text`` for the artist, or for a farm's log."""

    done: int
    total: int
    code: str
    text: str

    @property
    def succeeded(self) -> bool:
        """Whether every frame has its result."""
        return not self.code and self.done == self.total


class RangeRun:
    """A plan under way for a node."""

    def __init__(self, node: host.Node, plan: RangePlan, quiet: bool = False) -> None:
        self.node = node
        self.plan = plan
        self.outcome: Optional[RunOutcome] = None
        self._quiet = quiet
        self._cancel = threading.Event()
        self._asked = 0.0

    def cancel(self) -> None:
        """Stops within a moment; finished frames stay."""
        self._cancel.set()

    def start(self) -> None:
        """Goes on by itself where there is a window; else returns when all is over."""
        _running[self.plan.node_id] = self
        if host.has_window():
            tell(self.node, f"waiting for the server, {self.plan.total} to do")
            threading.Thread(target=self._work, name="cleanplate-node", daemon=True).start()
        else:
            self._work()

    def _work(self) -> None:
        jobs = ViewJobs(self.plan, PATIENCE_S, _clean_plates)
        bar = host.ProgressBar("Cleanplate")
        try:
            while not jobs.finished:
                try:
                    self._step(jobs, bar)
                except KeyboardInterrupt:
                    self.cancel()
        finally:
            # Whatever happened, the node must not be left at work for ever.
            try:
                bar.close()
                jobs.tidy()
            finally:
                host.on_main(self._end, jobs.tally)

    def _step(self, jobs: ViewJobs, bar: host.ProgressBar) -> None:
        if jobs.poll(_POLL_S):
            host.on_main(self._show, jobs.tally.progress)
        jobs.tidy()
        if time.monotonic() - self._asked >= _CANCEL_POLL_S:
            self._asked = time.monotonic()
            bar.show(jobs.tally.percent, jobs.tally.progress)
            if self._cancel.is_set() or bar.cancelled():
                jobs.cancel()

    def _show(self, text: str) -> None:
        """On the main thread: the Read shows what is there."""
        if host.exists(self.node):
            show_results(self.node, self.plan.folder, self.plan.frames)
            tell(self.node, text)

    def _end(self, tally: JobProgress) -> None:
        _running.pop(self.plan.node_id, None)
        code = tally.code or ("cancelled" if tally.cancelled else "")
        self.outcome = RunOutcome(tally.done, tally.total, code, tally.summary)
        _said[self.plan.node_id] = tally.summary
        if not host.exists(self.node):
            return
        tell(self.node, tally.summary)
        if tally.trouble and not self._quiet:
            host.say(f"{host.full_name(self.node)}: {tally.summary}")


def show_results(node: host.Node, folder: str, frames: Sequence[int]) -> None:
    """Points the node's Read at a folder of results and has it look again. One undo takes it back."""
    read = host.inner(node, spec.READ)
    file = manifest.result_pattern(folder)
    if str(host.value(read, "file")) == file:
        first, last = job.spans(int(host.value(read, "first")), int(host.value(read, "last")), frames)
    else:
        first, last = job.spans(*host.frame_range(_feeds(node, ("src",))[0] or node), frames)
    news = {"file": file, "first": first, "last": last, "origfirst": first, "origlast": last}
    if any(host.value(read, name) != value for name, value in news.items()):
        with host.one_undo("Cleanplate result"):
            for name, value in news.items():
                host.set_value(read, name, value)
    host.press(read, "reload")


# -- the whole


def process(
    node: host.Node,
    frames: Sequence[int],
    force: bool = False,
    priority: str = "interactive",
    server: str = "",
    quiet: bool = False,
) -> Optional[RangeRun]:
    """Makes the mattes of some frames; those that are there and up to date only with ``force``.

    Returns the run, whose outcome is set when it is over; None where there was nothing to do. Raises
    ``LinkError`` for everything that stops it before the server is at work.
    """
    if running(node):
        raise Refused("running", "This node is at work already.", "Wait, or press Cancel.")
    plan = preflight(node, frames, force, priority, server)
    if not plan.keys:
        show_results(node, plan.folder, frames)
        _said[plan.node_id] = "up to date"
        check(node)
        return None
    tell(node, f"rendering the plates of {len(plan.frames)} frames")
    run = RangeRun(node, render_plates(node, plan), quiet)
    run.start()
    return run


def retry(node: host.Node) -> Optional[RangeRun]:
    """Makes the frames again that failed last time; raises ``LinkError``."""
    plan = preflight(node, (), False, "interactive", ping=False)
    failed = manifest.failed_frames(plan.folder)
    if not failed:
        raise Refused("nothing_failed", "No frame of this node failed.", "Press 'Process range' for missing ones.")
    return process(node, failed)


def clear(node: host.Node) -> int:
    """Deletes a node's results; returns how many. Raises ``LinkError``."""
    if running(node):
        raise Refused("running", "This node is at work.", "Press Cancel first.")
    cache = job.absolute(host.evaluated(node, "cache_dir"), host.script_path())
    try:
        count = manifest.clear(f"{cache}/{node_id(node)}")
    except OSError as error:
        raise Refused("cannot_delete", f"{error.filename} cannot be deleted: {error.strerror}.") from None
    _said.pop(node_id(node), None)
    show_nothing(node)
    tell(node, NOT_PROCESSED)
    return count


def show_nothing(node: host.Node) -> None:
    """The Read as it was before the first result."""
    read = host.inner(node, spec.READ)
    with host.one_undo("Cleanplate clear"):
        host.set_value(read, "file", spec.NOT_PROCESSED)
    host.press(read, "reload")


def sharing(node: host.Node) -> list[str]:
    """Other nodes that show results out of this node's folder, because they were copied from it."""
    mine = f"/{node_id(node)}/"
    others = [one for one in ours() if node_id(one) != node_id(node)]
    return [host.full_name(one) for one in others if mine in str(host.value(host.inner(one, spec.READ), "file"))]
