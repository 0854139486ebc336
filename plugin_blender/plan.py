"""One node's results: where they lie, what they were made from, and which are fresh. Does not import bpy.

A node's folder holds one folder per *key*, which names the settings and nodes that do not change from frame to
frame, and where their pictures lie (:mod:`same_names`). The node only ever reads the folder of its present key: an
old result can never be shown as a new one. Inside, each result carries the stamp of its own inputs, and the digest
of the pictures that were sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from . import touched
from .counts import Counts, Survey
from .exr_header import empty_picture
from .file_states import FileState, forget, names_in, seen_file, state_of
from .matte_link.errors import LinkError
from .matte_link.file_digest import file_digest
from .matte_link.files import write_atomically
from .matte_link.messages import NEIGHBOURS, Pong
from .matte_link.options import MatteOptions
from .matte_link.result_key import OTHER, UNKNOWN, Maker, compare_makers, digest, maker_now
from .matte_link.seen_files import Seen, SeenTogether
from .matte_link.sequence import counted
from .result_files import NAME, frame_of, frames_of, known_facts, known_stamp, put_aside, withdrawn_content
from .same_names import places_beyond_names
from .sources import OF_ANOTHER_NODE, FileSource, GraphSource, Source, remedy

SCHEMA = 1
_CHANNELS = ("R", "G", "B", "A", "confidence.V")
_SHADOW_CHANNELS = ("shadow.R", "shadow.G", "shadow.B")
OUTDATED = "outdated"
NOTHING = FileSource(file="", colourspace="")


class NodeError(LinkError):
    """The node cannot be solved as it is; one sentence for the artist."""

    code = "node"


@dataclass(frozen=True)
class SolvePlan:
    """What is to be solved: ``folder`` is the node's own, absolute; ``problem`` says why nothing can be. ``server``
    is the last answer of the node's server in this session; None where it was not asked."""

    node_id: str
    folder: str
    frames: tuple[int, ...] = ()
    options: MatteOptions = field(default_factory=MatteOptions)
    plate: Source = NOTHING
    clean_plate: Source = NOTHING
    problem: str = ""
    server: Pong | None = None
    played: str = ""
    """The key of the results that the node plays, where those stand for pictures that are not on this machine:
    where these lay when they were solved is not known."""
    compared: Mapping[int, str] = field(default_factory=dict)
    """The stamps of the frames whose pictures were compared since the last edit: nothing is unknown of them."""

    @property
    def maker(self) -> Maker | None:
        """Who would make the results now; None where no server was asked, or it was starting."""
        return maker_now(self.options, self.server)

    @cached_property
    def key(self) -> str:
        """The name of the folder of the results of the present settings and pictures."""
        if self.played:
            return self.played
        places = [places_beyond_names(source.paths, self.folder) for source in (self.plate, self.clean_plate)]
        return f"{self.settings_key}-{digest(places)[:8]}" if any(places) else self.settings_key

    @cached_property
    def settings_key(self) -> str:
        """Names everything that does not change from frame to frame, on any machine: stamps of results have it."""
        return digest([SCHEMA, self.option_facts, self.plate.name, self.clean_plate.name])[:12]

    @property
    def makes_the_same(self) -> list[object]:
        """What two plans have alike where the results of both are the same, wherever these lie."""
        return [self.settings_key, *self.paths]

    @property
    def paths(self) -> tuple[str, ...]:
        """All files and folders that the pictures come from."""
        return (*self.plate.paths, *self.clean_plate.paths)

    def elsewhere(self) -> list[Path]:
        """The folders of results of the present settings whose pictures lay elsewhere, or seemed to: as another
        machine sees them, or before a project was moved. Theirs may be the same."""
        names = (name for name in names_in(self.folder) if name.partition("-")[0] == self.settings_key)
        return [Path(self.folder, name) for name in sorted(names) if name != self.key]

    @cached_property
    def option_facts(self) -> dict[str, object]:
        """The options, with a weights file by its content: where it lies does not matter."""
        facts: dict[str, object] = dict(self.options.to_dict())
        if self.options.weights:
            # OSError: it lies on the server, so its name is all that is known.
            with contextlib.suppress(OSError, ValueError):
                facts["weights"] = file_digest(Path(self.options.weights))
        return facts

    def pictures_stamp(self, frame: int) -> str:
        """Names the frame's plate and clean plate, whatever the settings."""
        return digest([*self._names, *self.identities(frame)])

    @property
    def nodes_stamp(self) -> str:
        """Names what feeds the node, and not the files of any frame."""
        return digest(self._names)

    @property
    def _names(self) -> list[object]:
        return [self.plate.name, self.clean_plate.name]

    @cached_property
    def results(self) -> Path:
        """The folder of the results of the present settings."""
        return Path(self.folder) / self.key

    def result(self, frame: int) -> Path:
        """The frame's result."""
        return self.results / NAME.format(frame)

    def outdated(self, frame: int) -> Path:
        """Where the frame's result is moved that must not be played any more."""
        return self.results / OUTDATED / NAME.format(frame)

    def stamp(self, frame: int) -> str:
        """Names everything that a frame's result is made from."""
        facts: list[object] = [self.settings_key, *self.identities(frame)]
        if self.options.temporal:
            facts.append({side: self.identities(other) for side, other in self.around(frame).items()})
        return digest(facts)

    def identities(self, frame: int) -> list[object]:
        """What the frame's own files are."""
        return [self.plate.identity(frame), self.clean_plate.identity(frame)]

    def around(self, frame: int) -> dict[str, int]:
        """The frames before and after that the result is made from too: none without temporal smoothing, and
        none where the footage itself ends. The frames that are wanted, and the scene's, do not matter: a shot may
        be solved in parts."""
        if not self.options.temporal:
            return {}
        return {side: frame + step for side, step in NEIGHBOURS.items() if self._has(frame + step)}

    def _has(self, frame: int) -> bool:
        plate, clean = self.plate.span, self.clean_plate.span
        # A clean plate that ends early is held, as it is for the frame's own result.
        return frame >= 0 and (plate is None or plate.has(frame)) and (clean is None or clean.shows(frame))

    def inputs(self, frame: int) -> tuple[int, ...]:
        """The frames whose pictures the frame's result is made from, in order."""
        return tuple(sorted((frame, *self.around(frame).values())))

    def is_fresh(self, frame: int) -> bool:
        """Whether the result is there, was made from what the node has now, and by no other model or version than
        would make it now."""
        return self._is_present(frame) and not self._is_in_doubt(frame)

    def is_uncertain(self, frame: int) -> bool:
        """Whether the result is there and nothing that can be compared has changed, but something cannot be."""
        return self._is_present(frame) and self._is_in_doubt(frame)

    def _is_in_doubt(self, frame: int) -> bool:
        return self.is_touched(frame) or self._is_uncompared(frame, self.stamp(frame))

    def _is_uncompared(self, frame: int, stamp: str) -> bool:
        return bool(self.uncomparable) and self.compared.get(frame) != stamp

    def is_touched(self, frame: int) -> bool:
        """Whether a file was put there again with its old size and time, and nobody looked if it is the same."""
        return self._touched(frame) == UNKNOWN

    def must_be_read(self, frame: int) -> bool:
        """Whether the frame's result is in doubt, and to read its files would tell whether they are the same."""
        return self._is_of_present_inputs(frame) and self.is_touched(frame) and self._can_be_read(frame)

    def _can_be_read(self, frame: int) -> bool:
        return bool(known_facts(self.result(frame)).files) and self.seen(frame).known_contents() is None

    def put_again(self, frame: int) -> tuple[Path, ...]:
        """Results of the present settings whose files have other times since, or lay elsewhere, and have the same
        sizes: they are the frame's own where the files' contents are equal. None where there is one of the present
        times."""
        if self.problem or known_stamp(self.result(frame)) == self.stamp(frame):
            return ()
        places = (self.results, self.results / OUTDATED, *self.elsewhere())
        found = {path: known_facts(path) for path in (place / NAME.format(frame) for place in places)}
        withdrawn = withdrawn_content(self.outdated(frame))
        return tuple(
            path
            for path, facts in found.items()
            if facts.files and touched.verdict(str(path), facts, self.seen(frame), have_same_times=False) != OTHER
            if not touched.was_given_up(str(path), self.stamp(frame)) and facts.content != withdrawn
        )

    def _touched(self, frame: int) -> str:
        result = self.result(frame)
        return touched.verdict(str(result), known_facts(result), self.seen(frame), have_same_times=True)

    def seen(self, frame: int) -> SeenTogether:
        """The files that the frame's result is made from, as they are."""
        return SeenTogether([self._seen_alone(number) for number in self.inputs(frame)])

    def seen_pictures(self, frame: int) -> SeenTogether:
        """The files of the frame's own plate and clean plate, as they are."""
        return SeenTogether(self._seen_alone(frame))

    def _seen_alone(self, frame: int) -> Seen:
        return [seen_file(file) for file in self.files_of(frame)]

    def _is_present(self, frame: int) -> bool:
        return self._is_of_present_inputs(frame) and self._makers([frame])[frame] != OTHER

    @property
    def uncomparable(self) -> tuple[str, ...]:
        """What the inputs depend on and cannot be compared, each as a noun ("the simulation of Cube")."""
        sources = (self.plate, self.clean_plate)
        found = [noun for source in sources if isinstance(source, GraphSource) for noun in source.unknown]
        return tuple(dict.fromkeys(found))

    def _is_of_present_inputs(self, frame: int) -> bool:
        is_stamped = not self.problem and known_stamp(self.result(frame)) == self.stamp(frame)
        return is_stamped and self._touched(frame) != OTHER

    def _makers(self, frames: Sequence[int]) -> dict[int, str]:
        """How who made some results compares with who would make them now, or with each other."""
        found = [known_facts(self.result(frame)).maker for frame in frames]
        return dict(zip(frames, compare_makers(found, self.maker), strict=True))

    def look_again(self, frame: int) -> None:
        """The frame's pictures are to be looked at on disk, whatever is known of them."""
        for number in self.inputs(frame):
            for file in self.files_of(number):
                forget(file)

    def files_of(self, frame: int) -> list[str]:
        """The files on disk that the frame's own pictures are read from."""
        return [*self.plate.files_of(frame), *self.clean_plate.files_of(frame)]

    def stands(self, frame: int) -> bool:
        """Whether there is a result of the present settings whose inputs are only not here to be compared."""
        return not self.problem and bool(self.missing_input(frame)) and self.is_stamped(self.result(frame))

    def is_of_others(self, frame: int) -> bool:
        """Whether the frame's result was made from other pictures than those of now, as far as is known."""
        result, stamp = self.result(frame), self.stamp(frame)
        facts = known_facts(result)
        return touched.verdict(str(result), facts, self.seen(frame), have_same_times=facts.stamp == stamp) == OTHER

    def check(self, frames: Sequence[int]) -> None:
        """Raises ``NodeError`` where some of the frames cannot be solved."""
        if self.problem:
            raise NodeError(self.problem)
        if any(frame < 0 for frame in frames):
            raise NodeError(f"Frame {min(frames)} cannot be solved: frames are numbered from 0.")
        missing = {frame: found for frame in frames if (found := self.missing_input(frame))}
        if missing:
            first, more = min(missing), len(missing) - 1
            others = f", nor do those of {counted(more, 'more frame')}" if more else ""
            sentence = f"Frame {first}: {missing[first]} does not exist{others}."
            raise NodeError(sentence, remedy(missing[first]))

    def obstacle(self, frame: int) -> str:
        """Why this frame cannot be solved, as a sentence; empty where it can."""
        if frame < 0:
            return "Frames are numbered from 0."
        missing = self.missing_input(frame)
        return f"{missing[:1].upper()}{missing[1:]} does not exist. {remedy(missing)}" if missing else ""

    def missing_input(self, frame: int) -> str:
        """The frame's first input that is not on disk, as "the plate ..."; else empty."""
        for other in (frame, *self.around(frame).values()):
            for name, source in (("plate", self.plate), ("clean plate", self.clean_plate)):
                path = source.missing(other)
                if path:
                    whose = OF_ANOTHER_NODE if frame_of(Path(path).name) is not None else ""
                    why = "" if other == frame else ", which temporal smoothing needs,"
                    return f"the {name} {path}{whose}{why}"
        return ""

    @property
    def needs_rendering(self) -> bool:
        """Whether an input has to come out of the compositor first."""
        return not (isinstance(self.plate, FileSource) and isinstance(self.clean_plate, FileSource))

    def counts(self) -> Counts:
        """The state of all wanted frames."""
        return self.survey().counts

    def survey(self) -> Survey:
        """The state of all wanted frames, and what must not be played any more. Each result is compared once."""
        found = {} if self.problem else self._stamps_of_results()
        stamps = {frame: self.stamp(frame) for frame in found}
        same = [frame for frame in found if found[frame] == stamps[frame]]
        verdicts = {frame: self._touched(frame) for frame in same}
        present = [frame for frame in sorted({*self.frames} & {*same}) if verdicts[frame] != OTHER]
        makers = self._makers(present)
        in_doubt = (
            frame for frame in present if verdicts[frame] == UNKNOWN or self._is_uncompared(frame, stamps[frame])
        )
        makers |= {frame: UNKNOWN for frame in in_doubt if makers[frame] != OTHER}
        counts = self._counted(makers, self.frames_with_results())
        other = (frame for frame in found if verdicts.get(frame, OTHER) == OTHER)
        return Survey(
            counts=counts,
            outdated=tuple(frame for frame in other if not self.missing_input(frame)),
            touched=self._to_compare(verdicts),
        )

    def _to_compare(self, verdicts: Mapping[int, str]) -> tuple[int, ...]:
        """The frames whose files have to be read; ``verdicts`` has those whose results are of the present times."""
        places = (self.results, self.results / OUTDATED, *self.elsewhere())
        there = frames_of(name for place in places for name in names_in(str(place)))
        again = (frame for frame in sorted(there) if frame not in verdicts and self.put_again(frame))
        return (
            *(frame for frame, found in verdicts.items() if found == UNKNOWN and self._can_be_read(frame)),
            *again,
        )

    def _counted(self, makers: Mapping[int, str], existing: Collection[int]) -> Counts:
        """``makers`` has the frames whose results were made from the present inputs, in order."""
        old = {frame for frame in self.frames if frame not in makers and frame in existing}
        old |= {frame for frame, maker in makers.items() if maker == OTHER}
        return Counts(
            fresh=tuple(frame for frame, maker in makers.items() if maker not in (OTHER, UNKNOWN)),
            stale=tuple(sorted(old)),
            missing=tuple(frame for frame in self.frames if frame not in makers and frame not in old),
            unknown=tuple(frame for frame, maker in makers.items() if maker == UNKNOWN),
        )

    def _stamps_of_results(self) -> dict[int, str]:
        """The stamps of all results of the present settings, by frame, in order."""
        frames = sorted(frames_of(names_in(str(self.results))))
        stamps = {frame: known_stamp(self.result(frame)) for frame in frames}
        return {frame: stamp for frame, stamp in stamps.items() if stamp}

    def result_states(self) -> dict[int, FileState]:
        """What the results of the present settings look like on disk, by frame."""
        states = {frame: state_of(str(self.result(frame))) for frame in frames_of(names_in(str(self.results)))}
        return {frame: state for frame, state in states.items() if state.is_file}

    def frames_with_results(self) -> set[int]:
        """The frames of which there is a result of whatever settings."""
        found: set[int] = set()
        for key in names_in(self.folder):
            for place in (Path(self.folder, key), Path(self.folder, key, OUTDATED)):
                frames = frames_of(names_in(str(place)))
                # Frame 0's name belongs to the empty picture too.
                found |= {frame for frame in frames if frame or self.is_stamped(place / NAME.format(0))}
        return found

    @staticmethod
    def is_stamped(path: Path) -> bool:
        """Whether a file is a result, and not the empty picture."""
        return bool(known_stamp(path))

    def prepare(self) -> Path:
        """Makes the results' folder with the empty picture that tells Blender the layers; returns that picture.

        Raises ``OSError``.
        """
        first = self.result(0)
        if not first.exists():
            shadow = _SHADOW_CHANNELS if self.options.layer_shadow else ()
            write_atomically(str(first), empty_picture((*_CHANNELS, *shadow)))
            forget(str(first))
        return first

    def set_aside(self, frame: int) -> None:
        """Moves the frame's result out of sight where it was made from other inputs. Raises ``OSError``."""
        stamp = known_stamp(self.result(frame))
        is_other = stamp != self.stamp(frame) or self._touched(frame) == OTHER
        if stamp and is_other and not self.missing_input(frame):
            self.move_aside(frame)

    def move_aside(self, frame: int) -> None:
        """Moves a result out of the node's sight. Raises ``OSError``."""
        put_aside(self.result(frame), self.outdated(frame))
        if frame == 0:
            self.prepare()
