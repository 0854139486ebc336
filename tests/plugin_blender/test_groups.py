"""The node inside groups, in real Blender: the same pixels as at the top, and a clear word where that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import Blender, read
from .test_blender import expected

pytestmark = pytest.mark.timeout(900)


def test_a_node_in_groups_is_solved_as_at_the_top(blender: Blender, shot: Path) -> None:
    facts = blender.case("groups", "solve", shot).facts
    top = Path(facts["top"])
    # Bare files are found through the group's inputs: the same results, not solved again.
    assert facts["bare files outside"] == facts["top"]
    assert len({facts[name] for name in ("top", "graph", "nested")}) == 3
    for frame in (1, 2):
        result = f"matte.{frame:04d}.exr"
        for name in ("graph", "nested"):
            # One stop up outside and one down inside: exact in float.
            np.testing.assert_array_equal(read(Path(facts[name]) / result), read(top / result))
        main = read(shot / "out" / f"main_{frame:04d}.exr")
        np.testing.assert_array_equal(main, expected(Path(facts["nested"]) / result)["Image"])
    assert facts["shared"].startswith("The node group Shot is used 2 times")


def test_a_group_that_is_used_twice_ends_a_background_render(blender: Blender, shot: Path) -> None:
    outcome = blender.case("groups", "refuse", shot, code=7)
    assert "Cleanplate Matte: The node group Key is used 2 times" in outcome.output
    assert not list((shot / "out").glob("*"))
