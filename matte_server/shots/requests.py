"""A shot's frames as requests to the server, and the word that says what a result is made from."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from matte_link.messages import PICTURES, Matte, Neighbour, Pong
from matte_link.options import MatteOptions
from matte_link.result_key import FrameSources, Maker, result_key

from ..errors import MatteError
from .inputs import NamedPicture, ShotInputs
from .plate_solve import PlateSolve, facts_of
from .shot import Shot, ShotFrame, neighbour_offsets


@dataclass(frozen=True)
class PreparedFrame:
    """A frame whose request can go; ``stamp`` is the same word for the same inputs, solve, options, version and
    weights."""

    frame: ShotFrame
    request: Matte
    stamp: str


@dataclass(frozen=True)
class _Named:
    """One frame's pictures and its place in the plate solve."""

    sent: Mapping[str, NamedPicture]
    alignment: Mapping[str, object]

    @property
    def sources(self) -> FrameSources:
        """What of it a result depends on."""
        return FrameSources({role: picture.digest for role, picture in self.sent.items()}, self.alignment)


class ShotRequests:
    """Reads frames and puts their requests together; may be asked by several threads."""

    def __init__(self, shot: Shot, server: Pong, pictures: ShotInputs, solve: PlateSolve) -> None:
        self._shot = shot
        self._pictures = pictures
        self._solve = solve
        self._maker = Maker.of(shot.options, server)
        # All that the shot has, whichever part of it is wanted: a part comes out like the whole.
        self._frames = {frame.frame: frame for frame in shot.all_frames}
        self._beside = neighbour_offsets(shot)

    def ready(self, frame: ShotFrame) -> PreparedFrame:
        """Raises ``OSError`` and ``MatteError`` where the frame's own pictures or solve cannot be had."""
        solve = self._solve
        own = _Named(self._sent(frame), facts_of(solve.alignment(frame)) if solve.applies else {})
        around = self._around(frame) if self._shot.options.temporal else {}
        options = self._pictures.request_options(frame, frame.output)
        stamp = self._stamp(own, around, options)
        pictures = {role: sent.picture for role, sent in own.sent.items()}
        request = Matte(
            id=uuid.uuid4().hex,
            frame=frame.frame,
            plate=pictures["plate"],
            clean_plate=pictures["clean_plate"],
            options=options,
            core=pictures.get("core"),
            holdout=pictures.get("holdout"),
            priority="batch",
            shot=self._shot.name,
            hints={"stamp": stamp},
            alignment=own.alignment,
            before=_neighbour(own, around.get("before")),
            after=_neighbour(own, around.get("after")),
        )
        return PreparedFrame(frame, request, stamp)

    def _sent(self, frame: ShotFrame) -> dict[str, NamedPicture]:
        found = ((role, self._pictures.sent(frame, role)) for role in PICTURES)
        return {role: sent for role, sent in found if sent is not None}

    def _around(self, frame: ShotFrame) -> dict[str, _Named]:
        """The frames on both sides; none where the shot ends, or where one cannot be read: that frame reports
        it."""
        around = {}
        for side, step in self._beside.items():
            other = self._frames.get(frame.frame + step)
            if other is None:
                continue
            try:
                alignment = facts_of(self._solve.seen_from_beside(other)) if self._solve.applies else {}
                around[side] = _Named(self._sent(other), alignment)
            except (MatteError, OSError):
                continue
        return around

    def _stamp(self, own: _Named, around: Mapping[str, _Named], options: MatteOptions) -> str:
        beside = {side: named.sources for side, named in around.items()}
        return result_key(own.sources, options, beside, self._maker)


def _neighbour(own: _Named, named: _Named | None) -> Neighbour | None:
    if named is None:
        return None
    pictures = {role: sent.picture for role, sent in named.sent.items()}
    # A still clean plate serves all three.
    same = named.sent["clean_plate"].digest == own.sent["clean_plate"].digest
    return Neighbour(
        pictures["plate"],
        None if same else pictures["clean_plate"],
        pictures.get("core"),
        pictures.get("holdout"),
        named.alignment,
    )
