"""What the node promises, as cases that run inside a real Nuke or inside the tests' stand-in for one.

A case is a generator that runs on the main thread. Where Nuke must go on working, the case yields a function, and
it is continued once that function returns true. So the same case runs in a window, whose main thread must not be
blocked, and in a terminal. :mod:`cleanplate_node.selftest` runs the cases; each ``contract_*`` module
holds those of one subject.
"""

from __future__ import annotations

from . import contract_documents, contract_failing, contract_in_time, contract_results, contract_staleness
from .bench import Case


def cases(window: bool) -> list[Case]:
    """The cases for a host with or without a window."""
    window_only = [*contract_failing.WINDOW_ONLY, *contract_results.WINDOW_ONLY, *contract_staleness.WINDOW_ONLY]
    return [
        *contract_documents.CASES,
        *contract_results.CASES,
        *contract_staleness.CASES,
        *contract_failing.CASES,
        *contract_in_time.CASES,
        *(window_only if window else contract_results.TERMINAL_ONLY),
    ]
