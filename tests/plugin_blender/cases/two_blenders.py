"""The same file in two Blenders: what one solves the other sees, and neither takes anything from the other."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bpy
import stage

_OTHER = "other"
_ALPHA = "stage.shown_alpha(bpy.context.scene, 1)"


def case(folder: str, role: str = "") -> dict[str, Any]:
    from plugin_blender import file_states, runtime

    stage.add_on()
    # As in a window, where files are looked at now and then.
    file_states.is_kept = runtime.in_window = True
    place = Path(folder)
    if role == _OTHER:
        bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
        obey()
        return {}
    _, tree, node = stage.shot_node(place)
    stage.render_settings(bpy.context.scene, place / "out", (83, 61))
    stage.main_output(tree, node.outputs["Image"])
    bpy.ops.wm.save_mainfile()
    with SecondBlender(place) as other:
        seen_by_the_other(other)
        kept_for_the_other(other)
        newer_picture(place, other)
        crashed(other)
    return {}


class SecondBlender:
    """The other Blender, which does what lines on its standard input say."""

    def __init__(self, place: Path) -> None:
        words = [sys.executable, __file__, str(place), _OTHER]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def __call__(self, expression: str) -> Any:
        """The value of an expression there."""
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line[7:])
        raise AssertionError("the other Blender has ended")

    def __enter__(self) -> SecondBlender:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def obey() -> None:
    print("ANSWER null", flush=True)
    for line in sys.stdin:
        print("ANSWER " + json.dumps(eval(line)), flush=True)


def looked() -> list[int]:
    """What the timer of a window does; the frames that are solved then."""
    from plugin_blender import planning, runtime

    node = matte()
    # It looks at one more folder each time.
    for _ in range(6):
        planning.look_at_files()
    planning.refresh_all(by_timer=True)
    return list(runtime.state(node.matte.node_id).counts.fresh)


def matte() -> Any:
    from plugin_blender import places

    ((_, node),) = places.all_nodes()
    return node


def solve() -> str:
    return stage.error_of(bpy.ops.cleanplate.solve_range)


def image() -> int:
    """The image that plays the results: which one it is."""
    from plugin_blender import graph

    return graph.image_node(matte()).image.session_uid


def seen_by_the_other(other: SecondBlender) -> None:
    assert looked() == other("looked()") == []
    assert other(_ALPHA) == 0.0
    before = other("image()")
    assert not solve()
    assert other("looked()") == [1, 2, 3, 4]
    assert other("image()") != before, "Blender keeps what an image has read"
    assert other(_ALPHA) > 0.5, "it still shows what it read before there was a result"


def kept_for_the_other(other: SecondBlender) -> None:
    """Settings that are in no file yet: Clear Cache leaves the results of what the other Blender plays."""
    other("setattr(matte().matte, 'softness', 1.0)")
    assert other("looked()") == []
    assert not other("solve()") and other("looked()") == [1, 2, 3, 4]
    assert bpy.ops.cleanplate.clear_cache() == {"FINISHED"}
    assert looked() == [] and other("looked()") == [1, 2, 3, 4]
    assert other(_ALPHA) > 0.5
    other("setattr(matte().matte, 'softness', 0.0)")
    assert other("looked()") == []
    assert not solve() and other("looked()") == [1, 2, 3, 4]


def newer_picture(place: Path, other: SecondBlender) -> None:
    """A plate is rendered again, and solved here before the other has looked at it."""
    plate = place / "plate.0002.exr"
    shutil.copyfile(place / "plate.0003.exr", plate)
    os.utime(plate, ns=(time.time_ns(), plate.stat().st_mtime_ns + 10**9))
    looked()
    assert not solve()
    result = Path(bpy.path.abspath(shown())).parent / "matte.0002.exr"
    before = result.stat()
    other("__import__('plugin_blender.file_states').file_states.forget(" + repr(str(result)) + ")")
    other("__import__('plugin_blender.planning').planning.refresh_all(by_timer=True)")
    assert result.stat() == before, "the other has put a newer result aside"
    assert other("looked()") == looked() == [1, 2, 3, 4]


def shown() -> str:
    from plugin_blender import graph

    return graph.shown_file(matte())


def crashed(other: SecondBlender) -> None:
    """A mark that nobody renews is no reason to keep results for ever."""
    from plugin_blender import sessions

    other("setattr(matte().matte, 'softness', 1.0)")
    assert not other("solve()") and other("looked()") == [1, 2, 3, 4]
    other.__exit__()
    (mark,) = (each for each in Path(shown()).parents[1].glob("*/.played-by-*") if each.name != sessions._MARK)
    old = time.time() - 1000.0
    os.utime(mark, (old, old))
    bpy.ops.cleanplate.clear_cache()
    assert not list(mark.parent.glob("matte.*")), "results of a Blender that has crashed are kept"


if __name__ == "__main__":
    stage.run(case)
