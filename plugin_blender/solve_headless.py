"""Solves the Cleanplate Matte nodes of a .blend without a window, for farms.

    blender -b FILE --python-exit-code 2 --python solve_headless.py -- --frames 1001-1100
          [--server ADDR] [--keys FILE] [--node NAME] [--again]

``--server`` may name an address beyond this machine without Allow Online Access, but not with --offline-mode.
Uses the installed add-on, else the one this script lies in. The .blend is not changed: a file that was saved with
the add-on already plays the folder that the results go to, so that afterwards machines without it can render.
Exit codes: 0 every frame is solved, 1 some failed, 2 the file or the arguments cannot work, 3 no server.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import bpy

OK, FRAMES_FAILED, UNUSABLE, NO_SERVER = 0, 1, 2, 3


def main(arguments: list[str]) -> int:
    """Runs the solve; returns the exit code."""
    options = _parser().parse_args(arguments)
    package = _package()
    runtime: Any = import_module(f"{package}.runtime")
    runtime.server_address, runtime.server_keys = options.server, options.keys
    errors = import_module(f"{package}.matte_link.errors")
    try:
        if options.server:
            _tell_of_network(package)
        return max(_solve(package, scene, node, options) for scene, node in _nodes(package, options.node))
    except (errors.LinkError, ValueError) as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        return UNUSABLE


def _tell_of_network(package: str) -> None:
    """Says once that ``--server`` goes before the preference to work offline."""
    server = import_module(f"{package}.preferences").endpoint()
    if not (server.is_loopback or bpy.app.online_access):
        print(f"cleanplate: Blender is set to work offline; --server names {server.address}, so it is used.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="solve_headless.py", description="Solves Cleanplate Matte nodes.")
    parser.add_argument("--frames", default="", metavar="RANGE", help="1001-1100x2 (default: the node's own)")
    parser.add_argument("--server", default="", metavar="ADDR", help="the matting server")
    parser.add_argument("--keys", default="", metavar="FILE", help="the key file of an encrypted server")
    parser.add_argument("--node", default="", metavar="NAME", help="only the node of this name")
    parser.add_argument("--again", action="store_true", help="solve frames that are fresh, too")
    return parser


def _package() -> str:
    """The name of the add-on's package; registers the one beside this script where none is installed."""
    installed = getattr(bpy.types, "CLEANPLATE_OT_solve_range", None)
    if installed is not None:
        return str(installed.__module__).rpartition(".")[0]
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent))
    try:
        import_module(here.name).register()
    except ImportError as error:
        raise ValueError(f"{error}; install the add-on from its zip, which contains what it needs.") from None
    return here.name


def _nodes(package: str, name: str) -> list[tuple[Any, Any]]:
    everything = import_module(f"{package}.places").all_nodes()
    found = [(scene, node) for scene, node in everything if not name or node.name == name]
    if not found:
        called = f" called {name!r}" if name else ""
        raise ValueError(f"{bpy.data.filepath or 'The file'} has no Cleanplate Matte node{called}.")
    return found


def _solve(package: str, scene: Any, node: Any, options: argparse.Namespace) -> int:
    if options.frames:
        frames = import_module(f"{package}.matte_link.sequence").parse_frames(options.frames)
    else:
        frames = import_module(f"{package}.planning").wanted_frames(scene, node.matte)
    solve = import_module(f"{package}.solve").solve_now(scene, node, frames, options.again)
    print(f"cleanplate: {node.name}: {solve.summary}", flush=True)
    for warning in solve.warnings:
        print(f"cleanplate: {node.name}: {warning}", file=sys.stderr)
    if solve.sentence:
        print(f"cleanplate: {node.name}: {solve.sentence}", file=sys.stderr)
    _tell_of_saved_file(package, node, solve.plan.results)
    if solve.stopped:
        return NO_SERVER
    return FRAMES_FAILED if solve.failures else OK


def _tell_of_saved_file(package: str, node: Any, results: Path) -> None:
    """Says where the file, which is not saved here, plays other results: those of an older version's names, or of
    its pictures as another machine's drives have them."""
    library = node.id_data.library
    absolute_path = import_module(f"{package}.rna_facts").absolute_path
    file = Path(absolute_path(library.filepath, library) if library else bpy.data.filepath)
    if not import_module(f"{package}.blend_files").plays(file, results):
        print(
            f"cleanplate: {node.name}: {file}, as it is saved, does not play the results in {results}, so machines "
            "without the add-on do not show them. Open it here with the add-on, and save it.",
            file=sys.stderr,
        )


def command(arguments: list[str]) -> int:
    """``blender --command cleanplate FILE --frames RANGE``: the same from the installed add-on.

    Blender opens no file for a command, so the file is the command's first argument.
    """
    if not arguments or arguments[0].startswith("-"):
        print(
            "cleanplate: name the .blend first: blender --command cleanplate FILE --frames RANGE", file=sys.stderr
        )
        return UNUSABLE
    try:
        bpy.ops.wm.open_mainfile(filepath=arguments[0])
    except RuntimeError as error:
        print(f"cleanplate: {error}".strip(), file=sys.stderr)
        return UNUSABLE
    return main(arguments[1:])


def run() -> NoReturn:
    """The script itself. Blender 4.5 can hang at its ordinary end while Python handlers are registered."""
    try:
        code = main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else [])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else UNUSABLE
    except Exception:  # noqa: BLE001 - the process's edge: a farm must see a failure
        traceback.print_exc()
        code = UNUSABLE
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
