"""What is sent for a frame: its pictures, and what the result is to say of them. Does not import bpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .matte_link.file_digest import file_digest
from .matte_link.result_key import digest
from .matte_link.tasks import FrameTask, LocalFile, TaskNeighbour
from .picture_headers import not_as_shown
from .plan import SCHEMA, NodeError, SolvePlan
from .result_files import SentPictures, joined_stamp
from .sources import FileSource, Source

Rendered = Mapping[int, Mapping[str, str]]
"""The files of sources that are nodes, by frame, as ``plate`` and ``clean_plate``."""


def pictures_of(plan: SolvePlan, frame: int, rendered: Rendered | None = None) -> dict[str, str]:
    """The files of a frame's own pictures, as ``plate`` and ``clean_plate``."""
    files = (rendered or {}).get(frame, {})
    return {
        "plate": files.get("plate") or _file(plan.plate, frame),
        "clean_plate": files.get("clean_plate") or _file(plan.clean_plate, frame),
    }


def _file(source: Source, frame: int) -> str:
    if not isinstance(source, FileSource):
        raise ValueError("nodes have to be rendered first")
    return source.path(frame)


def sent_for(plan: SolvePlan, frame: int, rendered: Rendered | None = None) -> Callable[[], SentPictures]:
    """What finds the frame's pictures by reading them, on any thread; it raises ``OSError``. Their files are looked
    at before: what is put there meanwhile is noticed later."""
    seen = plan.seen(frame)

    def read() -> SentPictures:
        content = content_of(plan, frame, rendered)
        files = seen.read_contents()
        sizes = seen.sizes if files else ""
        return SentPictures(content=content, witness=seen.witness, sizes=sizes, files=files)

    return read


def content_of(plan: SolvePlan, frame: int, rendered: Rendered | None = None) -> str:
    """The digest of everything that is sent for a frame: of all pictures' bytes, and the options. Raises
    ``OSError``."""
    numbers = {"own": frame, **plan.around(frame)}
    sent = {
        side: {role: file_digest(Path(file)) for role, file in pictures_of(plan, other, rendered).items()}
        for side, other in numbers.items()
    }
    return digest([SCHEMA, plan.option_facts, sent])


def task_of(plan: SolvePlan, frame: int, sent: SentPictures, rendered: Rendered | None = None) -> FrameTask:
    """The frame's task; ``rendered`` has each of its inputs' frames. Raises ``NodeError`` where the server would
    take a picture otherwise than Blender shows it."""
    for other in plan.inputs(frame):
        _check_headers(plan, other)

    def files(other: int) -> dict[str, LocalFile]:
        return {role: LocalFile(file) for role, file in pictures_of(plan, other, rendered).items()}

    around = {side: TaskNeighbour(**files(other)) for side, other in plan.around(frame).items()}
    own = files(frame)
    return FrameTask(
        frame=frame,
        plate=own["plate"],
        clean_plate=own["clean_plate"],
        output=str(plan.result(frame)),
        hints={"stamp": joined_stamp(plan.stamp(frame), sent)},
        before=around.get("before"),
        after=around.get("after"),
    )


def _check_headers(plan: SolvePlan, frame: int) -> None:
    """That a sequence is sent as files was decided by its first one."""
    for name, source in (("plate", plan.plate), ("clean plate", plan.clean_plate)):
        if not isinstance(source, FileSource):
            continue
        if words := not_as_shown(source.path(frame), plan.needs_rendering):
            sentence = f"The {name} {source.path(frame)} {words}, which Blender does not follow."
            hint = f"Put a node, such as Exposure, before {name.title()}: then it is matted as Blender shows it."
            raise NodeError(sentence, hint)
