"""Rendered inputs of a solve. Each frame is rendered once, also where several results need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import extraction
from .input_folders import InputFolder
from .plan import SolvePlan
from .sources import FileSource


class RenderedInputs:
    """Files of the plan's sources that are nodes. A frame's files are deleted when the last of the solve's
    ``frames`` that needs them has ended, and all of them by :meth:`close`."""

    def __init__(self, plan: SolvePlan, frames: Sequence[int]) -> None:
        sources = (("plate", "Plate", plan.plate), ("clean_plate", "Clean Plate", plan.clean_plate))
        wanted = [(role, name) for role, name, source in sources if not isinstance(source, FileSource)]
        self._roles = [role for role, _ in wanted]
        self._names = [name for _, name in wanted]
        self._plan = plan
        self._folder = InputFolder()
        self._files: dict[int, dict[str, str]] = {}
        self._made_from: dict[int, list[object]] = {}
        """What the files behind each frame were when it was rendered."""
        self._renders = 0
        self._needed_by: dict[int, set[int]] = {}
        for frame in frames:
            for other in plan.inputs(frame):
                self._needed_by.setdefault(other, set()).add(frame)

    @property
    def files(self) -> Mapping[int, Mapping[str, str]]:
        """Present files, by frame and by role: ``plate`` and ``clean_plate``."""
        return self._files

    def lacking(self, frame: int) -> tuple[int, ...]:
        """The frames that are still to be rendered before the frame can be solved, in order; also those of which a
        file was written over since: a result is named by the files of now."""
        if not self._names:
            return ()
        return tuple(
            other
            for other in self._plan.inputs(frame)
            if self._made_from.get(other) != self._plan.identities(other)
        )

    def render(self, scene: Any, node: Any, frame: int) -> None:
        """Renders a frame's files, on Blender's main thread. Raises ``NodeError``."""
        made_from = self._plan.identities(frame)
        # What was rendered before may still be sent for the frame beside.
        self._renders += 1
        folder = Path(self._folder.name, str(self._renders))
        folder.mkdir()
        files = extraction.render_inputs(scene, node, self._names, frame, folder)
        self._files[frame], self._made_from[frame] = dict(zip(self._roles, files, strict=True)), made_from

    def forget(self, frame: int) -> None:
        """The frame's task has ended: deletes what no other one needs."""
        for other in self._plan.inputs(frame):
            waiting = self._needed_by.get(other, set())
            waiting.discard(frame)
            if not waiting:
                self._made_from.pop(other, None)
                for file in self._files.pop(other, {}).values():
                    Path(file).unlink(missing_ok=True)

    def close(self) -> None:
        """Deletes everything."""
        self._folder.cleanup()
