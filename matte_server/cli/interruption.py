"""Ends a command in one line, with exit code 130, at any moment after Ctrl+C.

SIGTERM and SIGHUP do the same, by which farms, service managers and closed terminals end a process.

A command's life has three parts. While it is imported and while the interpreter ends, nothing is at stake, and
Python code may be interrupted where it passes nothing on: there the process ends at once. In between
``KeyboardInterrupt`` is raised once, so that the command can take back what is at the server and leave whole files.

It imports nothing that takes time before it answers them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

INTERRUPTED = 130
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_AGAIN_S = 0.05
_ONE_WISH_S = 1.0
"""Signals within this time are one wish: a terminal and whoever started the command may both pass Ctrl+C on."""


class Interruption:
    """How this process takes signals; the door of the command makes one."""

    def __init__(self) -> None:
        self._words = "Interrupted before anything was started."
        self._is_installed = self._may_raise = False
        self._asked_at = 0.0
        """When the interruption was raised; 0: not yet."""
        self._number = signal.SIGINT
        """The signal that came last; others may be ignored."""
        self._asks_again = False

    def install(self) -> None:
        """From now on signals end the process at once. What whoever started it had ignored, as nohup does, stays
        ignored."""
        for number in _numbers():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        self._is_installed = True
        # The first to be registered is the last to be called: Python gives signals back to the system after that.
        atexit.register(self._ignore)

    def begin(self) -> None:
        """The command itself begins: signals raise ``KeyboardInterrupt`` from now on."""
        if self._is_installed:
            self._may_raise = True
            sys.unraisablehook = self._on_lost

    def end(self) -> None:
        """The command has ended, and the interpreter is about to."""
        self._words, self._may_raise = "Interrupted at its end; what is finished stays.", False

    @property
    def words(self) -> str:
        """What to say of an interruption now."""
        return f"error: {self._words}"

    @property
    def was_asked_for(self) -> bool:
        """Whether the command was interrupted: libraries turn that into errors of their own."""
        return self._asked_at > 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._number = signal.Signals(number)
        if _is_in_hook(frame):
            # It would be lost there, too.
            self._come_again()
            return
        now = time.monotonic()
        if self._may_raise and not self._asked_at:
            self._asked_at = now
            raise KeyboardInterrupt
        if now - self._asked_at > _ONE_WISH_S:
            if self._asked_at and self._may_raise:
                self._words = "Interrupted a second time."
            _say(self.words)
            os._exit(INTERRUPTED)

    def _on_lost(self, lost: Any) -> None:
        """An interruption that was raised where Python passes nothing on, as in a destructor, comes again."""
        if isinstance(lost.exc_value, KeyboardInterrupt):
            self._asked_at = 0.0
            self._come_again()
        else:
            sys.__unraisablehook__(lost)

    def _come_again(self) -> None:
        """Has the signal come again until it was raised."""
        import threading

        if not self._asks_again:
            self._asks_again = True
            threading.Thread(target=self._ask_again, daemon=True).start()

    def _ask_again(self) -> None:
        while True:
            time.sleep(_AGAIN_S)
            if not self._asked_at:
                _signal_main_thread(self._number)

    def _ignore(self) -> None:
        for number in _numbers():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_IGN)


def _say(words: str) -> None:
    """Writes a line to standard error, not by way of ``sys.stderr``, which may be in the middle of one. Where that
    was closed from the start, another file may have its number; where its reader is gone, nobody reads."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            os.write(2, f"{words}\n".encode())


def _is_in_hook(frame: FrameType | None) -> bool:
    """Whether this thread is dealing with an error that Python does not pass on."""
    while frame is not None and frame.f_code is not Interruption._on_lost.__code__:
        frame = frame.f_back
    return frame is not None


def _signal_main_thread(number: signal.Signals) -> None:
    import threading

    if hasattr(signal, "pthread_kill"):
        # It also wakes that thread where it waits.
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def _numbers() -> list[signal.Signals]:
    """The signals that this system has."""
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
