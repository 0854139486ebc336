"""The table of edits of the nodes upstream: which are noticed, and which change the picture that is sent.

python -m tests.plugin_blender.edit_table plugin_blender/docs/edits.md      minutes; real Blender, no server
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .conftest import CASES, NOWHERE, make_shot
from .environments import REPOSITORY, VERSIONS, Version, ensure

_ASKED = (VERSIONS[0], VERSIONS[-1])
_INTRODUCTION = """# Edits upstream, and what becomes of them

Made by `python -m tests.plugin_blender.edit_table plugin_blender/docs/edits.md`. Each edit was made in real
Blender, and the pictures that would be sent were rendered before and after it and compared, bit by bit. "Noticed":
results become stale. "Unknown": they are called unknown. "Other pixels": at the frames that were compared; an edit
may change others, or act together with another setting alone. No edit that was found to change a picture goes
unnoticed.
"""


def main(target: Path) -> None:
    """Asks the oldest and the newest Blender, and writes the table."""
    found = {version.package: facts_of(version) for version in _ASKED}
    target.write_text(table(found), encoding="utf-8")


def facts_of(version: Version) -> dict[str, Any]:
    """What the case says with ``all``. Raises ``subprocess.CalledProcessError``."""
    with tempfile.TemporaryDirectory() as folder:
        shot = make_shot(Path(folder) / "shot", (61, 83), range(1, 5))
        environment = {**os.environ, "CLEANPLATE_SERVER": NOWHERE, "PYTHONPATH": str(REPOSITORY)}
        words = [str(ensure(version)), str(CASES / "every_node.py"), str(shot), "all"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FACTS ")]
    facts: dict[str, Any] = json.loads(lines[-1].removeprefix("FACTS "))
    return facts


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page, of what the case has said, by version."""
    parts = [_INTRODUCTION]
    for version, facts in found.items():
        parts += _of_nodes(version, facts)
    return "\n".join(parts).rstrip() + "\n"


def _of_nodes(version: str, facts: Mapping[str, Any]) -> list[str]:
    rows: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for kind, *row in facts["rows"]:
        rows[kind].append(row)
    count = len(facts["rows"])
    lines = [
        f"## Every setting and input of every node, Blender {version}: {count} edits of {facts['kinds']} kinds",
        "",
    ]
    lines += ["| node | edits | noticed | unknown | other pixels | unnoticed, all with the same pixels |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for kind, edits in rows.items():
        counts = [sum(state == wanted for _, state, _ in edits) for wanted in ("noticed", "unknown")]
        changed = sum(bool(other) for *_, other in edits)
        unnoticed = "; ".join(name for name, state, _ in edits if state == "UNNOTICED")
        lines.append(f"| {kind} | {len(edits)} | {counts[0]} | {counts[1]} | {changed} | {unnoticed} |")
    return [*lines, ""]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
