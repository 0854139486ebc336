"""Makes mattes without a window, for farms: ``nuke -t bake.py SCRIPT --frames RANGE --node NAME``.

Nuke keeps a last word that is a number or a frame range for itself and does not put it into ``sys.argv`` (developer
guide, "Using the Command-line"), so the words are read from ``nuke.rawArgs``. Put --node last all the same.

The script is never changed. Its Read points at the results only where the same node was processed with the same
settings before it was saved; ``--save`` writes a copy that points at them in any case, for ``nuke -x`` to render.
Exit code 0: every frame has its result. 1: some have none; the reason stands on the last line. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from cleanplate_node import vendor

vendor.add_paths()

from matte_link.errors import LinkError  # noqa: E402
from matte_link.sequence import format_frames, parse_frames  # noqa: E402

from cleanplate_node import host, node_state, preflight, result_read, run  # noqa: E402

_NEGATIVE = re.compile(r"-\d")


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nuke -t bake.py", description="Make the mattes of a Cleanplate node.")
    parser.add_argument("script", metavar="SCRIPT", help="the .nk file; it is not changed")
    parser.add_argument("--node", required=True, metavar="NAME", help="the node's full name, or 'all'")
    parser.add_argument("--frames", default="", metavar="RANGE", help="such as 1001-1100; default: the node's own")
    parser.add_argument("--server", default="", metavar="ADDR", help="in place of the node's own server")
    parser.add_argument("--force", action="store_true", help="make frames again that are up to date")
    parser.add_argument("--save", default="", metavar="NK", help="write a copy that shows the results")
    return parser.parse_args(_with_frames_joined(words))


def _with_frames_joined(words: Sequence[str]) -> list[str]:
    """A range that begins with a negative frame is no option, which argparse takes it for, and a farm puts in what
    its shot has."""
    found: list[str] = []
    for word in words:
        if found[-1:] == ["--frames"] and _NEGATIVE.match(word):
            found[-1] = f"--frames={word}"
        else:
            found.append(word)
    return found


def main(words: Sequence[str]) -> int:
    """Bakes as the command line says; returns the exit code."""
    arguments = _arguments(words)
    try:
        return _bake(arguments)
    except (LinkError, ValueError, RuntimeError, OSError) as error:
        print(f"cleanplate: {node_state.words_of(error)}", file=sys.stderr, flush=True)
        return 1


def _bake(arguments: argparse.Namespace) -> int:
    if arguments.save and Path(arguments.save).resolve() == Path(arguments.script).resolve():
        raise ValueError("--save names SCRIPT itself, which is not changed; give the copy another name.")
    if not Path(arguments.script).is_file():
        raise ValueError(f"there is no script {arguments.script}.")
    host.open_script(arguments.script)
    nodes = _nodes(arguments.node)
    codes = [_bake_node(node, arguments) for node in nodes]
    if arguments.save:
        host.save_script_as(arguments.save)
        for node in nodes:
            result_read.note_script(node)
    return max(codes)


def _nodes(name: str) -> list[host.Node]:
    if name == "all":
        found = node_state.ours()
    else:
        node = host.find(name)
        found = [node] if node is not None and node_state.is_ours(node) else []
    if not found:
        there = ", ".join(host.full_name(node) for node in node_state.ours()) or "none"
        raise ValueError(f"the script has no Cleanplate node {name!r}; it has {there}.")
    return found


def _bake_node(node: host.Node, arguments: argparse.Namespace) -> int:
    name = host.full_name(node)
    frames = parse_frames(arguments.frames) if arguments.frames else preflight.frames_of(node)
    print(f"cleanplate: {name}: frames {format_frames(frames)}", flush=True)
    done = run.process(node, frames, arguments.force, "batch", arguments.server, quiet=True)
    outcome = done.outcome if done else None
    text = outcome.text if outcome else f"nothing to do, {node_state.summaries[node_state.node_id(node)]}"
    print(f"cleanplate: {name}: {text}", file=sys.stderr if outcome and outcome.code else sys.stdout, flush=True)
    return 0 if outcome is None or outcome.succeeded else 1


if __name__ == "__main__":
    sys.exit(main(host.script_arguments(Path(__file__).name)))
