"""The buttons of nodes of panel 1. Add nothing here; new nodes call :mod:`cleanplate_node.entry`."""

from __future__ import annotations

from cleanplate_node.callbacks import cancel, check_server, clear_cache, process_frame, process_range, retry

__all__ = ["cancel", "check_server", "clear_cache", "process_frame", "process_range", "retry"]
