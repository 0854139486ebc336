"""Solves the Cleanplate Matte nodes of a .blend without a window, for farms.

    blender -b FILE --python solve_headless.py -- --frames 1001-1100 [--server ADDR] [--node NAME] [--again]

Uses the installed add-on, else the one this script lies in. The .blend is not changed: a file that was saved with
the add-on already plays the folder that the results go to, so that afterwards machines without it can render.
Exit codes: 0 every frame is solved, 1 some failed, 2 the file or the arguments cannot work, 3 no server.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import bpy

OK, FRAMES_FAILED, UNUSABLE, NO_SERVER = 0, 1, 2, 3


def main(arguments: list[str]) -> int:
    """Runs the solve; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.server:
        os.environ["CLEANPLATE_SERVER"] = options.server
    modules = _add_on()
    errors = sys.modules[f"{modules.__name__}.matte_link.errors"]
    try:
        codes = [_solve(modules, scene, node, options) for scene, node in _nodes(modules, options.node)]
    except errors.LinkError as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        return UNUSABLE
    return max(codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="solve_headless.py", description="Solves Cleanplate Matte nodes.")
    parser.add_argument("--frames", default="", metavar="RANGE", help="1001-1100x2 (default: the node's own)")
    parser.add_argument("--server", default="", metavar="ADDR", help="the matting server")
    parser.add_argument("--node", default="", metavar="NAME", help="only the node of this name")
    parser.add_argument("--again", action="store_true", help="solve frames that are fresh, too")
    return parser


def _add_on() -> ModuleType:
    """The package of the registered add-on; registers the one beside this script where there is none."""
    if not hasattr(bpy.ops.cleanplate, "solve_range") or "solve_range" not in dir(bpy.ops.cleanplate):
        here = Path(__file__).resolve().parent
        sys.path.insert(0, str(here.parent))
        package = __import__(here.name)
        try:
            package.register()
        except ImportError as error:
            _give_up(f"{error}; install the add-on from its zip, which contains what it needs.")
        return package
    name = next(name for name in sys.modules if name.endswith(".solve") and hasattr(sys.modules[name], "solve_now"))
    return sys.modules[name.rpartition(".")[0]]


def _give_up(sentence: str) -> NoReturn:
    print(f"cleanplate: {sentence}", file=sys.stderr, flush=True)
    os._exit(UNUSABLE)


def _nodes(package: ModuleType, name: str) -> list[tuple[Any, Any]]:
    graph = sys.modules[f"{package.__name__}.graph"]
    found = [(scene, node) for scene, node in graph.all_nodes() if not name or node.name == name]
    if not found:
        what = f"no Cleanplate Matte node called {name!r}" if name else "no Cleanplate Matte node"
        _give_up(f"{bpy.data.filepath or 'the file'} has {what}.")
    return found


def _solve(package: ModuleType, scene: Any, node: Any, options: argparse.Namespace) -> int:
    planning = sys.modules[f"{package.__name__}.planning"]
    sequence = sys.modules[f"{package.__name__}.matte_link.sequence"]
    try:
        wanted = sequence.parse_frames(options.frames) if options.frames else None
        frames = planning.wanted_frames(scene, node.matte) if wanted is None else wanted
    except ValueError as error:
        _give_up(str(error))
    solve = sys.modules[f"{package.__name__}.solve"].solve_now(scene, node, frames, options.again)
    print(f"cleanplate: {node.name}: {solve.summary}", flush=True)
    if solve.sentence:
        print(f"cleanplate: {node.name}: {solve.sentence}", file=sys.stderr)
    if solve.stopped:
        return NO_SERVER
    return FRAMES_FAILED if solve.failures else OK


if __name__ == "__main__":
    code = main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else [])
    sys.stdout.flush()
    sys.stderr.flush()
    # Blender 4.5 can hang at its ordinary end while Python handlers are registered.
    os._exit(code)
