"""What Nuke calls: buttons, node events, renders, the menu. Saved scripts call these functions by name.

A button ends in a result or in one sentence for the artist. A node event must never raise, because that would keep
artists from working on their own script: an error there is printed once in the terminal.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, Optional, TypeVar, cast

from matte_link.errors import LinkError
from matte_link.files import disk_words

from . import host, later, nk_text, panel, vendor

_Call = TypeVar("_Call", bound=Callable[..., Any])
_REST_S = 0.4
"""Seconds without a change after which a node's status, and with auto update its result, follow."""
_LONGEST_LABEL = 48
"""Characters of a node's status in the graph."""
_printed: set[str] = set()


def _run() -> Any:
    """The module that does the work. Raises ``LinkError`` if its libraries do not fit this interpreter."""
    problem = vendor.trouble()
    if problem:
        raise LinkError(problem)
    from . import run

    return run


def _button(work: _Call) -> _Call:
    """Decorates a button's function: an error is shown in the node's status and in one message."""

    @functools.wraps(work)
    def pressed(node: host.Node) -> object:
        try:
            return work(node)
        except LinkError as error:
            _show_trouble(node, str(error), with_message=error.code != "cancelled")
        except RuntimeError as error:
            # Nuke's own: TCL that cannot be evaluated, an expression with an error, a missing file.
            _show_trouble(node, f"Nuke says: {error}", with_message=True)
        except OSError as error:
            # A share that went away, a path that is too long.
            _show_trouble(node, f"{disk_words(error)} Look at 'Results folder' and at its disk.", with_message=True)
        return None

    return cast(_Call, pressed)


def _one_at_a_time(work: _Call) -> _Call:
    """Decorates the function of a button that changes, renders or deletes something."""

    @functools.wraps(work)
    def pressed(node: host.Node) -> object:
        with _run().at_work(node):
            return work(node)

    return cast(_Call, pressed)


def _show_trouble(node: host.Node, text: str, with_message: bool) -> None:
    with host.unnoticed():
        host.set_value(node, "status", text)
    if not vendor.trouble():
        _run().tell_trouble(node, text)
    if with_message:
        host.say(f"{host.full_name(node)}: {text}")


def _event(work: _Call) -> _Call:
    """Decorates the function of a node event, so that it never raises."""

    @functools.wraps(work)
    def handle() -> object:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - Nuke goes on, whatever fails here
            if str(error) not in _printed:
                _printed.add(str(error))
                traceback.print_exc()
            return None

    return cast(_Call, handle)


# -- buttons


@_button
@_one_at_a_time
def process_frame(node: host.Node) -> object:
    """Makes the matte of the current frame, even if it has one, and then those of the frames around it."""
    return _run().process_frame(node)


@_button
@_one_at_a_time
def process_range(node: host.Node) -> object:
    """Makes the mattes of the range that lack one."""
    run = _run()
    return run.process(node, run.frames_of(node))


@_button
def cancel(node: host.Node) -> None:
    """Stops what the node is doing."""
    _run().stop(node)


@_button
@_one_at_a_time
def retry(node: host.Node) -> object:
    """Processes the frames again that failed."""
    return _run().retry(node)


@_button
def check_server(node: host.Node) -> None:
    """Says which server answers, and whether that server would still make the node's results."""
    run = _run()
    host.say(run.server_words(node))
    if not run.must_wait():
        run.check(node, deep=False)


@_button
@_one_at_a_time
def clear_cache(node: host.Node) -> None:
    """Deletes the node's results, after asking, but none that something else shows."""
    run = _run()
    others = run.sharing(node)
    shared = f" Some are kept: {', '.join(others)} shows them too." if others else ""
    if not host.ask(f"Delete the results of {host.full_name(node)} from disk?{shared}"):
        return
    cleared = run.clear(node)
    if cleared.kept_for:
        kept = f"Others are kept, because {', '.join(cleared.kept_for)} shows them."
        host.say(f"{cleared.count} results are deleted. {kept}")


@_button
@_one_at_a_time
def add_key(node: host.Node) -> None:
    """Keeps the mended matte of the current frame, to learn from."""
    _run().learning.add_key(node)


@_button
@_one_at_a_time
def remove_key(node: host.Node) -> None:
    """Forgets the mended matte of the current frame."""
    _run().learning.remove_key(node)


@_button
@_one_at_a_time
def learn(node: host.Node) -> object:
    """Has the server learn the shot."""
    return _run().learning.learn(node)


# -- node events


@_event
def on_create() -> None:
    """A node was created: from the menu, by pasting, or by opening a script. A copy gets an id of its own."""
    node = host.this_node()
    run = _run()
    if not run.is_ours(node):
        return
    for name in ("status", "key_frames"):
        if host.has_knob(node, name):
            host.keep_out_of_files(node, name)
    run.watch(node)
    own_id = str(host.value(node, "node_id"))
    same_id = [one for one in run.ours() if str(host.value(one, "node_id")) == own_id and one is not node]
    if not own_id or any(host.full_name(one) != host.full_name(node) for one in same_id):
        with host.without_undo():
            host.set_value(node, "node_id", "")
        run.take_over_state(own_id, run.node_id(node))
    run.arrivals.note(node)


@_event
def on_load() -> None:
    """A script was opened: updates the status of its nodes, and shows results that were moved with the script."""
    _run().arrivals.note_opened(_run().ours())
    for node in _run().ours():
        _run().open_again(node)
        _resting.touch(host.full_name(node))


@_event
def on_destroy() -> None:
    """A node is deleted: its run is cancelled."""
    node = host.this_node()
    if _run().is_ours(node):
        _run().stop(node)


@_event
def on_save() -> None:
    """The script is saved, perhaps under another name: a moment later each node notes in which script it is."""
    if not vendor.trouble():
        for node in _run().ours():
            _resting.touch(host.full_name(node))
            _run().before_saving(node)


@_event
def on_close() -> None:
    """The script is closed: all runs are cancelled."""
    _opened.clear()
    _run().stop_all()


@_event
def on_change() -> None:
    """The node's panel was opened: a moment later Nuke's hashes of the current frame are compared too. Everything
    else is seen by :func:`on_update`, since Nuke calls this function only while the panel is open, or from 17 on
    too often."""
    if host.this_knob() != "showPanel":
        return
    node, run = host.this_node(), _run()
    if run.is_ours(node) and not run.running(node):
        _opened.add(host.full_name(node))
        _resting.touch(host.full_name(node))


@_event
def on_update() -> None:
    """Something in the script changed. Looks at the node once the changes have stopped for a moment, so a slider
    that is dragged costs nothing here."""
    node = host.this_node()
    if not vendor.trouble() and _run().is_ours(node):
        _resting.touch(host.full_name(node))


def _came_to_rest(name: str) -> None:
    """On a thread of its own: asks the disk before the main thread has to."""
    if host.has_window() and not vendor.trouble():
        host.on_main(_look, name, _run().ask(name))


_resting = later.Rest(_REST_S, _came_to_rest)
_opened: set[str] = set()
"""The names of the nodes whose panel was opened since they were looked at."""


def _look(name: str, ahead: object = None) -> None:
    """On the main thread, outside of all events: the status follows what changed, and so does the result, where the
    artist wants that. The disk was asked ``ahead``."""
    if _run().must_wait():
        _resting.touch(name)
        return
    node, run = host.find(name), _run()
    if node is None or not run.is_ours(node) or run.running(node):
        return
    asked_too_early = ahead is None and run.is_to_be_asked(node)
    changed = None if asked_too_early else run.look_again(node, ahead, deep=name in _opened)
    if changed is None:
        _resting.touch(name)
        return
    _opened.discard(name)
    if changed and run.setting(node, "auto_update"):
        _update(node)


def _update(node: host.Node) -> None:
    run = _run()
    try:
        with run.at_work(node):
            run.process(node, (host.current_frame(),), force=True, quiet=True)
    except (LinkError, RuntimeError, OSError) as error:
        run.tell_trouble(node, run.words_of(error))


@_event
def on_label() -> Optional[str]:
    """The label of a Cleanplate node in the graph: its name, the artist's own label and its status. None leaves
    other nodes to Nuke."""
    node = host.this_node()
    if vendor.trouble() or not _run().is_ours(node):
        return None
    name = str(host.value(node, "name"))
    return "\n".join(line for line in (name, _own_label(node), f"({_short(_run().state(node))})") if line)


def _own_label(node: host.Node) -> str:
    """What the artist wrote into the label; as it stands where its TCL has an error."""
    try:
        return host.evaluated(node, "label")
    except RuntimeError:
        return host.text_as_typed(node, "label")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1].rstrip() + "…"


def before_frame() -> None:
    """Stops a render before a frame that would use a stale result, unless the artist switched that off. Only checks
    and raises, because Nuke must not be made to render here."""
    if vendor.trouble() or _is_inner_write():
        return
    for node, found in _run().guarded_states(host.this_node()):
        if not found.usable:
            reason = f"{host.full_name(node)}: {found.text.rstrip('.')}."
            raise RuntimeError(f"{reason} Have it processed first, or switch off 'Refuse stale renders'.")
        if found.is_unknown and not host.has_window():
            _say_once(f"{host.full_name(node)} is rendered, though {found.text.rstrip('.')}.")


@_event
def before_render() -> None:
    """A Write begins to render."""
    if vendor.trouble():
        _say_that_nothing_is_guarded()
    else:
        _run().render_begins(host.this_node())


def _say_that_nothing_is_guarded() -> None:
    """Once, in a farm's log: a window has said at its start that the plugin cannot work."""
    nodes = [node for node in host.groups() if host.is_cleanplate(node)]
    guarded = ", ".join(host.full_name(node) for node in nodes if host.value(node, "guard"))
    if guarded and not host.has_window():
        _say_once(f"{vendor.trouble()} So stale results of {guarded} are not refused here.")


def _say_once(text: str) -> None:
    if text not in _printed:
        _printed.add(text)
        host.say(text)


@_event
def after_render() -> None:
    """A Write has rendered its last frame."""
    if not vendor.trouble():
        _run().render_ended(host.this_node())


def _is_inner_write() -> bool:
    """Whether the Write that renders is one of those that render a node's plates."""
    group = host.parent(host.this_node())
    return group is not None and _run().is_ours(group)


# -- start


def create() -> Optional[host.Node]:
    """The menu's command: a new node behind the selected one, with its panel open."""
    with host.where_the_artist_works():
        node = host.paste(nk_text.node_text())
    if node is not None and host.has_window():
        host.open_panel(node)
    return node


def register() -> None:
    """Registers the callbacks, with and without a window."""
    if not host.has_node_graph():
        return
    host.when_created(on_create)
    host.when_destroyed(on_destroy)
    host.when_changed(on_change)
    host.when_updated(on_update)
    host.when_loaded(on_load)
    host.when_saving(on_save)
    host.when_closing(on_close)
    host.before_each_render(before_render)
    host.before_each_frame(before_frame)
    host.after_each_render(after_render)


def register_menu() -> None:
    """Registers the menu entry and the label, which need a window, and says what keeps the plugin from working."""
    if not host.has_node_graph():
        return
    host.when_labelled(on_label)
    host.add_to_menu(f"Keyer/{panel.TITLE}", create)
    if vendor.trouble():
        host.say(vendor.trouble())
