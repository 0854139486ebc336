"""Several machines, as network namespaces with addresses of their own: one server each, and one server for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from matte_server.server import keys

from .conftest import CLEANPLATE, FIRST, FRAMES, FarmShot, namespaces

Make = Callable[..., Path]
_HALF = FRAMES // 2
_CHUNKS = [f"{FIRST}-{FIRST + _HALF - 1}", f"{FIRST + _HALF}-{FIRST + FRAMES - 1}"]


def _start(machine: str, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "netns", "exec", machine, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _blade(machine: str, openjd: str, folder: Path, chunk: str, *more: str) -> subprocess.Popen[str]:
    """One worker's session: the chunk that its farm gave it."""
    tasks = json.dumps([{"Frame": chunk}])
    parameters = f"file://{folder / 'openjd_parameters.yaml'}"
    return _start(machine, openjd, "run", str(folder / "template.yaml"), "-p", parameters, *more, "--tasks", tasks)


def _ended_well(blades: list[subprocess.Popen[str]]) -> list[str]:
    said = [blade.communicate(timeout=600)[0] for blade in blades]
    for blade, words in zip(blades, said, strict=True):
        assert blade.returncode == 0, words
    return said


def test_machines_with_a_server_each(openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str]) -> None:
    folder = bundle("openjd", "each")
    with namespaces(2) as machines:
        pairs = zip(machines, _CHUNKS, strict=True)
        said = _ended_well([_blade(machine, openjd, folder, chunk) for machine, chunk in pairs])
    assert all("openjd_env: CLEANPLATE_SERVER=tcp://127.0.0.1:" in words for words in said)
    assert shot.results("each") == truth


def test_one_server_for_many_blades(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    keys.make_server(folder)
    farm = keys.add_client(folder, "farm")
    stranger = keys.make_server(tmp_path / "other").parent
    keys.add_client(stranger, "eve")
    with namespaces(3) as (gpu, *blades):
        server = subprocess.Popen(
            ["ip", "netns", "exec", gpu, sys.executable, "-m", "matte_server", "serve", "--bind",
             "tcp://10.213.7.1:5560", "--keys", str(folder), "--device", "cpu"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
        )  # fmt: skip
        try:
            assert server.stdout and json.loads(server.stdout.readline())["ready"]
            job = bundle("openjd", "shared", "--server", "tcp://10.213.7.1:5560", "--keys", str(farm))
            pairs = zip(blades, _CHUNKS, strict=True)
            said = _ended_well([_blade(machine, openjd, job, chunk) for machine, chunk in pairs])
            # From the same machines, but without the farm's key, or with somebody else's.
            for key in ("", str(stranger / "eve.json")):
                asked = _start(blades[0], CLEANPLATE, "status", "--server", "tcp://10.213.7.1:5560", "--keys", key)
                assert (
                    "tcp://10.213.7.1:5560 " in (refused := asked.communicate(timeout=60)[0]) and "key" in refused
                )
        finally:
            server.terminate()
            server.communicate(timeout=60)
    assert all("goes on" in words for words in said)
    assert shot.results("shared") == truth
