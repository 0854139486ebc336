"""The table of networks agrees with the registry, and costs a command's help nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from matte_server.cli.main import main
from matte_server.models.network_table import ARCHITECTURES, FETCHABLE, SEGMENTATION
from matte_server.models.registry import built_in_specs


def test_every_network_belongs_to_a_model_and_every_model_with_weights_has_one() -> None:
    with_weights = {spec.name for spec in built_in_specs() if spec.weights != "none"}
    helpers = {helper for spec in built_in_specs() for helper in spec.helpers}
    assert helpers == {SEGMENTATION}
    assert {each.model for each in ARCHITECTURES} == with_weights | helpers


def test_the_help_of_fetch_names_what_can_be_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "fetch", "--help"])
    shown = capsys.readouterr().out
    assert FETCHABLE and all(name in shown for name in FETCHABLE)


def test_the_table_imports_no_torch() -> None:
    code = "import sys, matte_server.models.network_table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
