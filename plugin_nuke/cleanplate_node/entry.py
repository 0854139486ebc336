"""What the buttons of saved nodes call: ``entry.press(node, "process_frame")``.

Every saved node holds this call as text, so neither the names of this package, module and function nor the name of
a button may ever change. Nodes of panel 1 call ``matte.callbacks.process_frame(node)`` and the like instead; the
package ``matte`` beside this one answers them.
"""

from __future__ import annotations

from . import callbacks, host

BUTTONS = (
    *("process_frame", "process_range", "cancel", "retry", "check_server", "clear_cache"),
    *("add_key", "remove_key", "learn"),
)
"""The buttons that saved nodes may have."""


def press(node: host.Node, button: str) -> object:
    """Does what a button says. A button that only a newer version has is answered with a sentence."""
    if button not in BUTTONS:
        host.say(
            f"This version of the Cleanplate plugin has no button {button!r}. Install the version of the node."
        )
        return None
    return getattr(callbacks, button)(node)
