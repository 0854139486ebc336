"""The contract on the stand-in for Nuke, with a real server over TCP: with a window and in a terminal.

``cleanplate_node.selftest`` runs the same cases inside a real Nuke.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cleanplate_node import contract, contract_failing, contract_results, contract_staleness, selftest
from cleanplate_node.bench import Case, Server
from cleanplate_node.selftest import Runner
from nuke._state import State


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_CASE_S", 600.0)


def run_case(case: Case, folder: Path, server: Server, state: State) -> None:
    """Goes on with the case and with the host's loop in turn, as a window does."""
    runner = Runner(case, folder, server)
    while not runner.step():
        state.process_events()
        time.sleep(0.005)
    assert runner.result is not None
    assert not runner.result.trouble, runner.result.trouble
    assert not state.callback_errors, state.callback_errors[0]


@pytest.mark.parametrize("case", contract.cases(window=True), ids=lambda case: case.__name__)
def test_in_a_window(case: Case, window: State, server: Server, tmp_path: Path) -> None:
    run_case(case, tmp_path, server, window)


# Each step of these differs where nobody runs queued calls; the others' steps are the same, and the whole list
# runs in a real ``nuke -t``.
TERMINAL = [
    contract_results.one_frame,
    contract_results.a_range,
    contract_results.two_views,
    contract_failing.cancel_while_rendering,
    contract_failing.no_server,
    contract_failing.a_bad_frame_and_retry,
    contract_staleness.save_and_reopen,
    contract_staleness.the_guard,
    contract_staleness.what_expressions_read_and_offsets_take,
    *contract_results.TERMINAL_ONLY,
]


@pytest.mark.parametrize("case", TERMINAL, ids=lambda case: case.__name__)
def test_in_a_terminal(case: Case, terminal: State, server: Server, tmp_path: Path) -> None:
    run_case(case, tmp_path, server, terminal)
