"""The add-on in a real window of Blender 5.2, driven by its own simulated keys and clicks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from matte_server.server.local_server import LocalServer
from plugin_blender import package

from .conftest import CASES, NOWHERE, Outcome, make_shot, read
from .environments import REPOSITORY, VERSIONS, Unavailable, ensure
from .test_blender import expected
from .windowed import command, inside, run, take_pictures

# Large enough for a frame to take longer than a click.
_SIZE = (540, 960)


def in_window(server: LocalServer, case: str, home: Path, *arguments: object) -> Outcome:
    """Runs a case in the window; it must end well."""
    environment = {"CLEANPLATE_SERVER": server.endpoint.address, "PYTHONPATH": f"{REPOSITORY}:{CASES}"}
    environment |= {"HOME": str(home), "CLEANPLATE_PICTURES": os.environ.get("CLEANPLATE_PICTURES", "")}
    try:
        words = command(CASES / f"{case}.py", *arguments, environment=environment)
    except Unavailable as reason:
        pytest.skip(str(reason))
    done = run(words, 600)
    assert done.returncode == 0, done.stdout[-6000:]
    return Outcome(code=done.returncode, output=done.stdout)


@pytest.mark.timeout(900)
def test_keys_clicks_and_renders_in_the_window(server: LocalServer, tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", _SIZE, range(1, 13))
    facts = in_window(server, "window", tmp_path, shot, NOWHERE).facts
    print(facts)

    for stopped in (facts["escape"], facts["cancel"], facts["rendered"]["stopped"], facts["connecting"]):
        assert stopped["seconds"] < 10.0  # a tenth of one where nothing else runs
        assert stopped["kept"] == stopped["done"] < stopped["wanted"]

    # F12 right behind an edit, Ctrl-F12 behind a plate that was rendered again: solved, and seen.
    still, animation = facts["still"], facts["animation"]
    assert still["fresh"] == [1] and not still["error"]
    assert animation["fresh"] == [1, 2, 3] and not animation["error"]
    results = Path(animation["results"])
    assert Path(still["result"]).parent == results
    for frame in (1, 2, 3):
        picture = expected(results / f"matte.{frame:04d}.exr")["Image"]
        np.testing.assert_array_equal(read(shot / "animation" / f"main_{frame:04d}.exr"), picture)
    # The first frame's plate is the same picture, only newer.
    picture = expected(results / "matte.0001.exr")["Image"]
    np.testing.assert_array_equal(read(shot / "still.exr"), picture)

    # What cannot be solved is named, and comes out transparent.
    assert facts["away"]["error"].startswith("Rendered without a matte: frames 1-3. No matting server answers")
    assert facts["rendered"]["message"].startswith("Rendered without a matte: frames 1-3. What feeds the node")
    for frame in (1, 2, 3):
        for name in ("away", "unsolved"):
            assert not read(shot / name / f"main_{frame:04d}.exr").any()
        assert read(shot / "solved" / f"main_{frame:04d}.exr").any()
    assert not facts["rendered"]["error"]


@pytest.mark.timeout(900)
def test_render_layers_groups_and_rest_in_the_window(server: LocalServer, tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", (32, 48), range(1, 4))
    facts = in_window(server, "window_graph", tmp_path, shot).facts
    print(facts)
    for name in ("files", "grouped", "layers"):
        assert facts[name]["solved"] == [1, 2, 3], (name, facts[name])
        assert not facts[name]["error"] and not facts[name]["problem"]
    # Every three seconds two files are looked at; one plan at most is made, for what the solve has changed.
    assert facts["rest"]["stats"] <= 8 and facts["rest"]["plans"] <= 1
    assert facts["rest"]["solved"] == [1, 2, 3]
    # Three renders and one image at least; the press itself may change the node, as an edit by hand does.
    assert facts["busy"]["calls"] >= 4 and facts["busy"]["beside"] <= 1, facts["busy"]
    assert facts["busy"]["solved"] == [1, 2, 3]
    assert facts["edited"]["stale"] == [1, 2, 3]
    assert facts["undone"]["solved"] == [1, 2, 3] and not facts["undone"]["error"]


@pytest.mark.timeout(900)
def test_two_windows_show_the_same_node(server: LocalServer, tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", (270, 480), range(1, 7))
    facts = in_window(server, "two_windows", tmp_path, shot).facts
    assert facts["solved"] == facts["after"] == [1, 2, 3, 4, 5, 6]
    assert facts["kept"] >= 1 and not facts["error"]


@pytest.mark.timeout(900)
def test_the_command_of_the_installed_add_on(server: LocalServer, tmp_path: Path) -> None:
    """``blender --command``, a real process: from an installed zip to results, and to exit codes."""
    shot = make_shot(tmp_path / "shot", (61, 83), range(1, 5))
    environment = {"CLEANPLATE_SERVER": server.endpoint.address, "HOME": str(tmp_path), "PYTHONPATH": ""}

    def blender(*words: object) -> subprocess.CompletedProcess[str]:
        return run(inside(["blender", *map(str, words)], environment), 300)

    try:
        zip_file = package.build("linux-x64", tmp_path)
        enabling = ("--background", "--python-exit-code", 1, "--python", CASES / "enable.py")
        made = blender(*enabling, "--", zip_file)
        version = VERSIONS[-1]
        python = [str(ensure(version)), str(CASES / "files.py"), "make", str(shot)]
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert made.returncode == 0, made.stdout[-3000:]
    known = {**os.environ, **environment, "HOME": os.environ.get("HOME", ""), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(python, check=True, capture_output=True, env=known)

    file = shot / "shot.blend"
    done = blender("--command", "cleanplate", file, "--frames", "3-4")
    assert done.returncode == 0 and "1 of 1 frames solved." in done.stdout, done.stdout[-3000:]
    assert len(list(shot.glob("cleanplate/*/*/matte.0004.exr"))) == 1
    assert blender("--command", "cleanplate", shot / "nowhere.blend").returncode == 2
    assert blender("--command", "cleanplate", file, "--again", "--server", NOWHERE).returncode == 3
    # An address of the network: --server names it, and --offline-mode forbids it. Nobody has this one.
    far = ("--command", "cleanplate", file, "--again", "--server", "tcp://192.0.2.1:5560")
    used = blender(*far)
    assert used.returncode == 3 and used.stdout.count("--server names tcp://192.0.2.1:5560, so it is used.") == 1
    refused = blender("--offline-mode", *far)
    assert refused.returncode == 2 and "Blender was started with --offline-mode." in refused.stdout, refused.stdout


@pytest.mark.timeout(900)
def test_from_the_zip_to_the_first_matte(tmp_path: Path) -> None:
    """Every press counts: the dropped zip, its dialog, keys, and one for a name that is typed. The server is
    installed, and Solve starts it."""
    try:
        output = take_pictures("clicks", Path(os.environ.get("CLEANPLATE_PICTURES") or tmp_path / "pictures"))
    except Unavailable as reason:
        pytest.skip(str(reason))
    facts = Outcome(code=0, output=output).facts
    assert facts["pressed"] == [
        "drop_the_zip",
        "install",
        "select_both",
        "add_menu",
        "type_its_name",
        "choose_it",
        "place_it",
        "solve_frame",
    ]
    # Where there is no server yet Solve Frame offers Set Up, which is one press more.
    assert facts["offered"] == ["set_up"]


def test_what_takes_too_long_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(subprocess.TimeoutExpired):
        # The shell's child holds the output open, as a Blender behind xvfb-run does.
        run(["sh", "-c", f"sleep 600 & echo $! > {child}; wait"], 1.0)
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(child.read_text()))
        # It dies when the processor has time for that, and may be a zombie until whoever adopts it looks.
        give_up = time.monotonic() + 20
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up:
            time.sleep(0.05)
        assert process.status() == psutil.STATUS_ZOMBIE
