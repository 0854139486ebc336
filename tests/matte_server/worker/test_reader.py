"""Which device the worker claims."""

from __future__ import annotations

import pytest

from matte_server.errors import MatteError
from matte_server.worker.solver import choose_device


def test_devices_that_are_not_there() -> None:
    assert choose_device("cpu") == "cpu"
    for wanted in ("cuda:99", "cuda:x", "tpu", "cpu:3"):
        with pytest.raises(MatteError, match="has no device"):
            choose_device(wanted)
