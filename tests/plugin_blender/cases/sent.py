"""What would be sent of a plate now: what results are compared by, and the picture itself."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any


class Sent:
    """The pictures of a node's inputs at some frames, rendered through the compositor as a solve renders them."""

    def __init__(
        self, scene: Any, node: Any, frames: tuple[int, ...], inputs: tuple[str, ...] = ("Plate",)
    ) -> None:
        self._scene, self._node, self._frames, self._inputs = scene, node, frames, inputs

    def state(self) -> list[str]:
        """What results are compared by; another one after an edit that is noticed."""
        return self.look()[0]

    def is_unknown(self) -> bool:
        """Whether something cannot be compared."""
        return self.look()[1]

    def plan(self) -> Any:
        """How the node would be solved now."""
        from plugin_blender import planning

        return planning.plan_of(self._scene, self._node)

    def look(self) -> tuple[list[str], bool]:
        """Both."""
        plan = self.plan()
        if plan.problem:
            return [plan.problem], False
        return [plan.key, *(plan.stamp(frame) for frame in self._frames)], bool(plan.uncomparable)

    def digest(self) -> str:
        """The digest of the pictures; why there are none, where they cannot be rendered."""
        from plugin_blender import extraction
        from plugin_blender.plan import NodeError

        found = hashlib.blake2b(digest_size=8)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            for frame in self._frames:
                try:
                    files = extraction.render_inputs(self._scene, self._node, self._inputs, frame, Path(folder))
                except NodeError as error:
                    return error.message.partition(":")[0]
                for file in files:
                    found.update(Path(file).read_bytes())
                    Path(file).unlink()
        return found.hexdigest()
