"""The environment that a server prepares for its workers."""

from __future__ import annotations

import os

import pytest

from matte_server.server.serve import set_thread_environment


@pytest.mark.parametrize(("given", "expected"), [("", "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_decided_otherwise(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": given} if given else {})
    set_thread_environment(3)
    assert os.environ["OMP_WAIT_POLICY"] == expected
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
