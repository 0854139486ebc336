"""No server, one of Blender's own, and one that dies in the middle."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import bpy
import stage


def case(folder: str, command: str) -> None:
    stage.add_on()
    from plugin_blender import panels, preferences, runtime, server_process, solve

    scene, _, node = stage.shot_node(Path(folder))
    address = os.environ["CLEANPLATE_SERVER"]
    patience, solve.CONNECT_S = solve.CONNECT_S, 0.5
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert message.startswith(f"No matting server answers at {address}."), message
    solve.CONNECT_S = patience
    assert runtime.states[node.matte.node_id].error == message
    message = stage.error_of(bpy.ops.cleanplate.test_server)
    assert message.startswith(f"No matting server answers at {address}."), message
    assert panels._server_state() == (f"{address}: no answer", False)
    # In a window the panel has buttons for it.
    runtime.in_window = True
    message = stage.error_of(bpy.ops.cleanplate.test_server)
    assert message.endswith(" Press Start or Set Up Server, or correct the address."), message
    runtime.in_window = False
    preferences._UNSET.command = "no-such-command"
    message = stage.error_of(bpy.ops.cleanplate.start_server)
    assert message.startswith("There is no command 'no-such-command'."), message

    preferences._UNSET.command = command
    assert bpy.ops.cleanplate.start_server() == {"FINISHED"}
    assert bpy.ops.cleanplate.test_server() == {"FINISHED"}
    # A second press uses the one that runs.
    assert bpy.ops.cleanplate.start_server() == {"FINISHED"}
    private(node)
    # One that is named on the command line goes first.
    runtime.server_address = address
    assert preferences.endpoint().address == address
    runtime.server_address = ""
    killed(scene, node)
    bpy.ops.cleanplate.stop_server()
    assert not server_process.is_running() and not server_process.describe()
    never_ready(Path(folder))
    another_users(command)
    if stage.FIVE:  # the same in each version, and a server more
        starting(scene, node, command)


def never_ready(place: Path) -> None:
    """A server that hangs while it starts: whoever waits for it is told at last. Stop waits for nothing, and ends
    it."""
    from plugin_blender import panels, preferences, server_process

    hangs = place / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    preferences._UNSET.command = str(hangs)
    patience, server_process.START_S = server_process.START_S, 0.0
    for _ in range(2):  # the second press waits for the one that starts already
        message = stage.error_of(bpy.ops.cleanplate.start_server)
        assert message.startswith("The server was not ready after 0 s. Stop it"), message
    assert server_process.describe() == message
    server_process.START_S = patience
    assert server_process.describe() == panels._server_state()[0] == "The server is starting"
    process = server_process._server.process
    assert bpy.ops.cleanplate.stop_server() == {"FINISHED"}
    assert process.poll() is None and not server_process.is_running() and not server_process.describe()
    process.kill()
    server_process._STOP_S = 0.1
    server_process.start(str(hangs))
    process = server_process._server.process
    server_process.stop()
    assert process.poll() == -signal.SIGKILL


def starting(scene: object, node: object, command: str) -> None:
    """A server that answers before its first matting process does: a solve without a window waits for that, and
    knows who makes results."""
    from plugin_blender import runtime

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        runtime.server_address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    address = runtime.server_address
    words = [command, "serve", "--bind", address, "--device", "cpu"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked_early(scene, node, address)
    finally:
        server.terminate()
    runtime.server_address = ""


def asked_early(scene: object, node: object, address: str) -> None:
    from plugin_blender import runtime
    from plugin_blender.solve import Solve, ask_server

    said = ""
    while not said:
        with contextlib.suppress(Exception):
            said = ask_server(0.5)
    assert said.endswith(f"answers at {address}, and is starting."), said
    solve = Solve(scene, node, [1], again=True)
    assert solve.plan.maker.model == "difference" and "difference" in runtime.servers[address].models
    # A window does not wait, and asks again at the end of a solve.
    early = dataclasses.replace(runtime.servers[address], models=(), weights={})
    solve.plan, runtime.servers[address] = dataclasses.replace(solve.plan, server=early), early
    solve.run()
    assert solve.done == [1] and runtime.servers[address].models, solve.sentence


def another_users(command: str) -> None:
    """Pictures are not sent to a server of another user of this machine, unless the preferences name it."""
    from plugin_blender.matte_link import port_owner
    from plugin_blender.matte_link.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS

    from plugin_blender import preferences, server_process, solve

    named, asked = os.environ.pop(ADDRESS_VARIABLE), port_owner.is_another_users
    port_owner.is_another_users = lambda address: True
    message = stage.error_of(bpy.ops.cleanplate.test_server)
    assert message == (
        f"The matting server at {DEFAULT_ADDRESS} is another user's, who could see the pictures. "
        "Start a server of your own, or name that one as Server in the preferences."
    ), message
    preferences._UNSET.address = DEFAULT_ADDRESS
    assert preferences.endpoint().address == DEFAULT_ADDRESS
    preferences._UNSET.address = ""
    # One of one's own is started beside it.
    preferences._UNSET.command = command
    assert bpy.ops.cleanplate.start_server() == {"FINISHED"}
    assert server_process.endpoint().address in solve.ask_server()
    bpy.ops.cleanplate.stop_server()
    os.environ[ADDRESS_VARIABLE], port_owner.is_another_users = named, asked


def private(node: object) -> None:
    """Our own server admits nobody without its keys."""
    from plugin_blender.matte_link.client import MatteClient
    from plugin_blender.matte_link.endpoint import Endpoint
    from plugin_blender.matte_link.errors import LinkError

    from plugin_blender import preferences

    own = preferences.endpoint()
    assert own.encrypted and own.is_loopback and own.address != os.environ["CLEANPLATE_SERVER"]
    try:
        with MatteClient(Endpoint(own.address)) as client:
            client.ping(1.0)
    except LinkError:
        return
    raise AssertionError("a stranger is served")


def killed(scene: object, node: object) -> None:
    """It dies in the middle of a solve: noticed at once, started again, and nothing is lost."""
    from plugin_blender import preferences, server_process
    from plugin_blender.solve import Solve

    solve = Solve(scene, node, range(1, 5))
    while not solve.done:
        assert solve.step()
        time.sleep(0.01)
    before = preferences.endpoint()
    os.kill(server_process._server.process.pid, signal.SIGKILL)
    started = time.monotonic()
    while not (solve._is_restarting or server_process.endpoint()):
        assert solve.step()
        assert time.monotonic() - started < 20.0, "a dead server is not noticed"
        time.sleep(0.01)
    solve.run()
    assert not solve.sentence and sorted(solve.done) == [1, 2, 3, 4], (solve.done, solve.sentence)
    assert preferences.endpoint() != before, "the old server's address and keys are used"
    # While nothing is solved: the panel says it.
    os.kill(server_process._server.process.pid, signal.SIGKILL)
    server_process._server.process.wait()
    assert "has stopped" in server_process.describe() and "Start it again." in server_process.describe()


stage.run(case)
