"""What one frame is solved from, and the protocol through which the frame room gets at pictures.

The worker implements :class:`FrameSource` over the files of a job; nothing here knows where a picture lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from matte_link.messages import Matte
from matte_link.roles import sources_of

from ..core.align import Alignment
from ..core.image import Guides, PlatePair, with_roles
from ..core.placement import from_facts
from ..errors import MatteError


@dataclass(frozen=True, eq=False)
class FrameInputs:
    """The decoded pictures of one frame, all in scene-linear light."""

    pair: PlatePair
    guides: Guides
    plate_colourspace: str
    """The colourspace that the plate's file is tagged with."""
    result_colourspace: str
    """The colourspace that the result is written in."""
    seconds: float
    """How long reading took."""
    key: str = ""
    """Names the model output that these pictures lead to; empty where it must not be cached."""

    @property
    def file_warnings(self) -> tuple[str, ...]:
        """What the frame's files state and could not be honoured, a sentence for each cause."""
        return warnings_of_files(self.pair, self.guides)


def warnings_of_files(pair: PlatePair, guides: Guides) -> tuple[str, ...]:
    """What a frame's files state and could not be honoured, a sentence for each cause."""
    found = [("plate", pair.plate.file_warnings()), ("clean plate", pair.clean_plate.file_warnings())]
    for role, guide in (("core", guides.core), ("holdout", guides.holdout)):
        if guide is not None:
            found.append((role, guide.file_warnings(is_data=True)))
    return with_roles(found)


class FrameSource(Protocol):
    """The pictures of one requested frame and of its neighbours. ``side`` is "before" or "after" for a neighbour,
    empty for the frame itself."""

    @property
    def request(self) -> Matte: ...

    def read(self, side: str = "") -> FrameInputs:
        """Decodes the pictures of one side. Raises ``MatteError`` and ``OSError``."""
        ...

    def content_name(self, role: str) -> str:
        """Names the content of the picture with this role (``messages.sources_of``). Raises ``MatteError`` where
        the file cannot be read."""
        ...


def role_of(request: Matte, side: str, name: str) -> str:
    """The role of picture ``name`` of a side. A neighbour without a clean plate of its own uses the frame's."""
    role = f"{side}_{name}" if side else name
    return "clean_plate" if name == "clean_plate" and role not in sources_of(request) else role


def given_alignment(request: Matte, side: str = "") -> Alignment | None:
    """The alignment that the client sent for a side, from its plate solve; None where it sent none. Raises
    ``MatteError("bad_alignment", ...)``."""
    facts = (getattr(request, side) if side else request).alignment
    if not facts:
        return None
    try:
        return from_facts(facts)
    except ValueError as error:
        raise MatteError("bad_alignment", f"The alignment in the request cannot be used: {error}") from None
