"""The files of a request by their roles, and a request with other files in them.

A Matte has a "plate", "clean_plate", "core", "holdout" and "weights", and those of its neighbours, such as
"before_plate". A Learn has "weights", and for each of its frames a "1001_plate", "1001_clean_plate", "1001_key" and
"1001_mask". Roles that are empty are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, Union, cast

from .messages import NEIGHBOURS, PICTURES, Job, Learn, LearnFrame, Matte, Neighbour, Source

WEIGHTS = "weights"
LEARN_PICTURES = ("plate", "clean_plate", "key", "mask")
"""The roles of the pictures of a frame that is learnt from."""
AnyJob = TypeVar("AnyJob", bound=Job)
_Holder = Union[Matte, Learn, Neighbour, LearnFrame]


def sources_of(request: Job) -> dict[str, Source]:
    """Every file of a request by its role."""
    return {
        prefix + name: source
        for prefix, holder in _holders(request)
        for name in _names(holder)
        if (source := getattr(holder, name)) is not None
    }


def with_sources(request: AnyJob, sources: Mapping[str, Source]) -> AnyJob:
    """The request with the files of these roles replaced; the inverse of :func:`sources_of`."""
    changed = {prefix: _replaced(holder, prefix, sources) for prefix, holder in _holders(request)}
    made = changed.pop("")
    if isinstance(made, Learn):
        return cast(AnyJob, replace(made, frames=tuple(cast(LearnFrame, each) for each in changed.values())))
    sides: dict[str, Any] = {prefix[:-1]: neighbour for prefix, neighbour in changed.items()}
    return cast(AnyJob, replace(made, **sides))


def _replaced(holder: _Holder, prefix: str, sources: Mapping[str, Source]) -> _Holder:
    own: dict[str, Any] = {name: sources[prefix + name] for name in _names(holder) if prefix + name in sources}
    return replace(holder, **own) if own else holder


def _names(holder: _Holder) -> tuple[str, ...]:
    if isinstance(holder, LearnFrame):
        return LEARN_PICTURES
    return {Learn: (WEIGHTS,), Matte: (*PICTURES, WEIGHTS)}.get(type(holder), PICTURES)


def _holders(request: Job) -> Iterator[tuple[str, _Holder]]:
    """The request itself with an empty prefix, and what it holds with the prefix of its roles."""
    yield "", request
    if isinstance(request, Learn):
        for frame in request.frames:
            yield f"{frame.frame}_", frame
        return
    for side in NEIGHBOURS:
        neighbour = getattr(request, side)
        if neighbour is not None:
            yield f"{side}_", neighbour
