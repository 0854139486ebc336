"""A shot's frames as requests to the server, each with a stamp that names what its result is made from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matte_link.messages import PICTURES, Inline, Matte, Neighbour, Pong
from matte_link.result_key import FrameSources, Maker, result_key

from ..core.align import Alignment
from ..core.image import with_roles
from ..errors import MatteError
from .inputs import NamedPicture, ShotInputs
from .plate_solve import PlateSolve
from .shot import Shot, ShotFrame, neighbour_offsets
from .solve_file import alignment_facts


@dataclass(frozen=True)
class PreparedFrame:
    """A frame that is ready to be sent. ``stamp`` is the same for the same inputs, plate solve, options, server
    version and weights."""

    frame: ShotFrame
    request: Matte
    stamp: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _RequestFrame:
    """One frame's pictures by role, its alignment from the plate solve (empty without one), and what names the OCIO
    config (empty without one)."""

    pictures: Mapping[str, NamedPicture]
    alignment: Mapping[str, object]
    colour: Mapping[str, str]

    @property
    def sources(self) -> FrameSources:
        """What a result depends on: the pictures by content, and the alignment."""
        digests = {role: picture.digest for role, picture in self.pictures.items()}
        return FrameSources(pictures={**digests, **self.colour}, alignment=self.alignment)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the pictures' files state and could not be honoured, a sentence for each cause. A trimap is core and
        holdout."""
        return with_roles((role.replace("_", " "), picture.warnings) for role, picture in self.pictures.items())

    def sent(self, role: str) -> Inline | None:
        """The picture as it goes to the server; None where the frame has none in this role."""
        picture = self.pictures.get(role)
        return picture.inline if picture else None


class ShotRequests:
    """Reads frames and builds their requests; several threads may call it."""

    def __init__(self, shot: Shot, server: Pong, pictures: ShotInputs, solve: PlateSolve) -> None:
        self._shot = shot
        self._pictures = pictures
        self._solve = solve
        self.maker = Maker.of(shot.options, server)
        """What is to make every frame of the shot."""
        # All frames on disk, not only those wanted: a part of a shot comes out like the whole.
        self._frames = {frame.frame: frame for frame in shot.all_frames}
        self._offsets = neighbour_offsets(shot)

    def prepare(self, frame: ShotFrame) -> PreparedFrame:
        """Raises ``OSError`` and ``MatteError`` where the frame's own pictures cannot be read or solved."""
        own = self._read(frame, self._solve.alignment)
        around = self._neighbours(frame) if self._shot.options.temporal else {}
        options = self._pictures.request_options(frame, frame.output)
        beside = {side: neighbour.sources for side, neighbour in around.items()}
        stamp = result_key(own.sources, options, beside, self.maker)
        request = Matte(
            id=uuid.uuid4().hex,
            frame=frame.frame,
            plate=own.pictures["plate"].inline,
            clean_plate=own.pictures["clean_plate"].inline,
            options=options,
            core=own.sent("core"),
            holdout=own.sent("holdout"),
            priority="batch",
            shot=self._shot.name,
            hints={"stamp": stamp},
            alignment=own.alignment,
            before=_neighbour(own, around.get("before")),
            after=_neighbour(own, around.get("after")),
        )
        return PreparedFrame(frame=frame, request=request, stamp=stamp, warnings=own.warnings)

    def _read(self, frame: ShotFrame, align: Callable[[ShotFrame], Alignment]) -> _RequestFrame:
        found = ((role, self._pictures.picture(frame, role)) for role in PICTURES)
        pictures = {role: picture for role, picture in found if picture is not None}
        alignment = alignment_facts(align(frame)) if self._solve.applies else {}
        return _RequestFrame(pictures=pictures, alignment=alignment, colour=self._pictures.colour_source)

    def _neighbours(self, frame: ShotFrame) -> dict[str, _RequestFrame]:
        """The frames "before" and "after". Left out are those beyond the ends of the shot and those that cannot be
        read, which is reported with that frame itself."""
        neighbours = {}
        for side, offset in self._offsets.items():
            other = self._frames.get(frame.frame + offset)
            if other is None:
                continue
            try:
                neighbours[side] = self._read(other, self._solve.alignment_of_neighbour)
            except (MatteError, OSError):
                continue
        return neighbours


def _neighbour(own: _RequestFrame, other: _RequestFrame | None) -> Neighbour | None:
    if other is None:
        return None
    # A clean plate that all three frames share goes with the frame itself.
    is_shared = other.pictures["clean_plate"].digest == own.pictures["clean_plate"].digest
    return Neighbour(
        plate=other.pictures["plate"].inline,
        clean_plate=None if is_shared else other.pictures["clean_plate"].inline,
        core=other.sent("core"),
        holdout=other.sent("holdout"),
        alignment=other.alignment,
    )
