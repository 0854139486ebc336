"""Writes the golden .nk text anew, after a change that was meant: look at the difference before committing it."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE / "fake_nuke"), str(HERE.parents[1] / "plugin_nuke")]

if __name__ == "__main__":
    from cleanplate_node import nk_text

    from tests.plugin_nuke import test_nk

    test_nk.GOLDEN.write_text(test_nk.frozen_part(nk_text.node_text()), encoding="utf-8")
