"""No server, one of Blender's own, and one that dies in the middle."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import bpy
import stage


def case(folder: str, command: str) -> None:
    stage.add_on()
    from plugin_blender import preferences, runtime, server_process
    from plugin_blender.solve import Solve

    scene, _, node = stage.shot_node(Path(folder))
    address = os.environ["CLEANPLATE_SERVER"]
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert message.startswith(f"No matting server answers at {address}."), message
    assert runtime.states[node.matte.node_id].error == message
    message = stage.error_of(bpy.ops.cleanplate.test_server)
    assert message.startswith(f"No matting server answers at {address}."), message
    preferences._UNSET.command = "no-such-command"
    message = stage.error_of(bpy.ops.cleanplate.start_server)
    assert message.startswith("There is no command 'no-such-command'."), message

    preferences._UNSET.command = command
    assert bpy.ops.cleanplate.start_server() == {"FINISHED"}
    assert bpy.ops.cleanplate.test_server() == {"FINISHED"}
    # A second press uses the one that runs.
    assert bpy.ops.cleanplate.start_server() == {"FINISHED"}

    solve = Solve(scene, node, range(1, 5))
    while not solve.done:
        assert solve.step()
        time.sleep(0.01)
    os.kill(server_process._server.process.pid, signal.SIGKILL)
    server_process._server.process.wait()
    kept = len(solve.done)
    server_process.start(command, preferences.endpoint())
    solve.run()
    assert not solve.sentence and sorted(solve.done) == [1, 2, 3, 4], (kept, solve.done, solve.sentence)
    bpy.ops.cleanplate.stop_server()
    assert not server_process.is_running()
    return


stage.run(case)
