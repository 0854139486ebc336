"""Seconds from Solve to result of one frame, broken down; see tests/benchmarks/bench_blender.py."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
import stage

CLOCK = time.perf_counter


def case(folder: str, frames: str) -> dict[str, Any]:
    stage.add_on()
    from plugin_blender.matte_link.job import MatteJob

    from plugin_blender import extraction

    _, tree, node = stage.shot_node(Path(folder), 1)
    plate = node.inputs["Plate"].links[0].from_node
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    marks: dict[str, float] = {}
    render, ask, finish = extraction.render_inputs, MatteJob._request, MatteJob._finish

    def timed_render(*arguments: Any) -> Any:
        started = CLOCK()
        files = render(*arguments)
        marks["rendering"] = CLOCK() - started
        return files

    def timed_ask(*arguments: Any) -> Any:
        request = ask(*arguments)
        marks["sent"] = CLOCK()
        return request

    def timed_finish(self: Any, task: Any, answer: Any) -> None:
        marks["answered"] = CLOCK()
        marks["computing"] = sum(answer.diagnostics["seconds"].values())
        finish(self, task, answer)

    extraction.render_inputs, MatteJob._request, MatteJob._finish = timed_render, timed_ask, timed_finish
    rows = []
    for _ in range(int(frames)):
        started = CLOCK()
        bpy.ops.cleanplate.solve_frame()
        total = CLOCK() - started
        asked = marks["answered"] - marks["sent"]
        rows.append(
            {
                "total": total,
                "rendering the inputs": marks["rendering"],
                "server computing": marks["computing"],
                "wire, queue and spool": asked - marks["computing"],
                "add-on": total - marks["rendering"] - asked,
            }
        )
    return {"rows": rows}


stage.run(case)
