"""The running Nuke: its window, its licence, its messages and progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import nuke


def has_window() -> bool:
    """Whether Nuke has a window. ``nuke -t`` and ``-x`` have none and run no calls queued for the main thread."""
    return bool(nuke.GUI)


def has_node_graph() -> bool:
    """Whether this is a Nuke. Hiero runs what lies on NUKE_PATH too, and has no nodes and no menu of them."""
    return not nuke.env.get("hiero")


def holds_files_open() -> bool:
    """Whether a file that Nuke shows cannot be replaced: Windows refuses that while a program holds it open."""
    return sys.platform == "win32" and has_window()


def version() -> str:
    """For example ``15.1v2``."""
    return str(nuke.NUKE_VERSION_STRING)


_LIMITED = {
    "nc": "Nuke Non-commercial, whose Python may use ten nodes only",
    "indie": "Nuke Indie, whose Python may use ten nodes only",
    "assist": "Nuke Assist, which renders no files",
}


def limited_licence() -> str:
    """The edition of Nuke and what it cannot do, where the plugin needs that; else empty."""
    return next((words for key, words in _LIMITED.items() if nuke.env.get(key)), "")


def installed_configs() -> str:
    """The folder of the OCIO configurations that a project can choose by name, each a folder of its own."""
    return Path(nuke.EXE_PATH).parent.joinpath("plugins", "OCIOConfigs", "configs").as_posix()


def script_arguments(script: str) -> list[str]:
    """The words of the command line after ``script``, the file that ``nuke -t`` runs.

    Nuke keeps a last word that is a number or a frame range for itself and leaves it out of ``sys.argv``;
    ``nuke.rawArgs`` has all of them (developer guide, Using the Command-line)."""
    words = [str(word) for word in nuke.rawArgs]
    places = [index for index, word in enumerate(words) if word.replace("\\", "/").rpartition("/")[2] == script]
    return words[places[0] + 1 :] if places else sys.argv[1:]


def on_main(call: Callable[..., object], *arguments: object) -> None:
    """Queues ``call`` for the main thread. Without a window it is called at once, since Nuke would never run it."""
    if nuke.GUI:
        nuke.executeInMainThread(call, arguments)
    else:
        call(*arguments)


def say(text: str) -> None:
    """Shows a message: in a dialog, or as a line in a terminal."""
    if nuke.GUI:
        nuke.message(text)
    else:
        nuke.tprint(text)


def ask(question: str) -> bool:
    """Asks the artist yes or no. In a terminal the answer is yes."""
    return bool(nuke.ask(question)) if nuke.GUI else True


class ProgressBar:
    """Nuke's progress bar; shows nothing without a window. Gone when :meth:`close` is called."""

    def __init__(self, title: str) -> None:
        self._task: Optional[nuke.ProgressTask] = nuke.ProgressTask(title) if nuke.GUI else None

    def show(self, percent: int, text: str) -> None:
        """``percent`` in 0 to 100."""
        if self._task is not None:
            self._task.setProgress(percent)
            self._task.setMessage(text)

    def cancelled(self) -> bool:
        """Whether the artist pressed the bar's Cancel."""
        return self._task is not None and bool(self._task.isCancelled())

    def close(self) -> None:
        """Nuke closes the bar when its object is deleted."""
        self._task = None
