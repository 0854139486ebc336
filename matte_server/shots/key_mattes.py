"""Which files hold the key mattes of a shot that is learnt, and their masks, by frame number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matte_link.sequence import FramePattern, format_frames, parse_frames

from ..errors import MatteError
from .named_paths import named_path
from .portraits import pictures_in
from .role_files import check_files, check_numbers, input_pattern
from .shot import ShotFrame


@dataclass(frozen=True)
class KeyMatte:
    """A matte that a person vouches for: the file, and that of the mask which says where it is right (None:
    everywhere)."""

    matte: Path
    mask: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that exist of it."""
        return [self.matte] if self.mask is None else [self.matte, self.mask]


def key_mattes(named: Sequence[str], masks: str, frames: Sequence[ShotFrame]) -> dict[int, KeyMatte]:
    """The key mattes by frame number: from patterns such as ``mended.####.exr`` (every existing file of a frame of
    the shot), from ``FRAMES=FILE`` or ``FRAMES=PATTERN``, or from a folder that holds a picture of the same name as
    the frame's plate. ``masks`` is a pattern, one file or such a folder; empty: the mattes are right everywhere.
    Raises ``MatteError`` with bad_key, bad_range and missing_frame."""
    files: dict[int, Path] = {}
    for text in named:
        for number, path in _numbered(text, frames).items():
            _check_same(number, files.setdefault(number, path), path)
    found = {number: KeyMatte(matte=path) for number, path in sorted(files.items())}
    if masks:
        mask_of = _masks(masks, frames)
        if not found:
            raise MatteError(
                "bad_key",
                f"{masks} says where key mattes are right, and no key matte is named.",
                "Name it with --key.",
            )
        found = {number: replace(key, mask=mask_of(number)) for number, key in found.items()}
    check_files((path for key in found.values() for path in key.files), "Correct the name, or leave that key out.")
    return found


def unused_keys(named: Sequence[str], frames: Sequence[ShotFrame]) -> list[int]:
    """The frames of which a pattern of ``named`` has files, and which are not among ``frames``."""
    patterns = [input_pattern(text) for text in named if not _frames_before(text)[0]]
    on_disk = {number for each in patterns if each.is_sequence for number in each.frames_on_disk()}
    return sorted(on_disk - {frame.frame for frame in frames})


def _check_same(number: int, first: Path, second: Path) -> None:
    if first.absolute() != second.absolute():
        raise MatteError(
            "bad_key",
            f"Frame {number} has two key mattes, {first} and {second}.",
            "Name one of them.",
        )


def _masks(text: str, frames: Sequence[ShotFrame]) -> Callable[[int], Path]:
    """The mask of a frame's key matte, by frame number."""
    if not Path(text).is_dir():
        return input_pattern(text).path
    named = _named_after(Path(text), frames)
    # A missing one is then missed under the name that it should have.
    plates = {frame.frame: frame.plate for frame in frames}
    return lambda number: named.get(number, Path(text) / plates[number].name)


def _named_after(folder: Path, frames: Sequence[ShotFrame]) -> dict[int, Path]:
    """By frame number, the picture of ``folder`` that is called as the frame's plate is."""
    by_stem = {path.stem: path for path in pictures_in(folder)}
    return {frame.frame: by_stem[frame.plate.stem] for frame in frames if frame.plate.stem in by_stem}


def _numbered(text: str, frames: Sequence[ShotFrame]) -> dict[int, Path]:
    """The files that one ``--key`` names, by frame number."""
    numbers = {frame.frame for frame in frames}
    named, name = _frames_before(text)
    if not name:
        raise MatteError("bad_key", f"--key {text!r} names no file.", "Write 1001=FILE, or mended.####.exr.")
    if Path(name).is_dir() and not named:
        found = _named_after(Path(name), frames)
    else:
        pattern = input_pattern(name)
        found = {frame: pattern.path(frame) for frame in named or _frames_of(pattern, numbers)}
    if not found:
        raise MatteError("bad_key", f"No file of {text} belongs to a frame of the shot.", "Correct the name.")
    if beyond := sorted(set(found) - numbers):
        raise MatteError("bad_key", f"The shot has no frame {format_frames(beyond)}.", "Correct the number.")
    return found


def named_key(text: str) -> str:
    """What one ``--key`` means: the file of ``FRAMES=NAME``, or ``text`` as a whole, by :func:`named_path`. Raises
    ``MatteError``: not_set, bad_name, no_user."""
    _, name = _frames_before(text)
    return text.removesuffix(name) + named_path(name)


def _frames_before(text: str) -> tuple[tuple[int, ...], str]:
    """The frames and the name in ``FRAMES=NAME``; no frames where ``text`` is a name alone."""
    before, is_pair, name = text.partition("=")
    try:
        return (parse_frames(before), name) if is_pair else ((), text)
    except ValueError:
        return (), text


def _frames_of(pattern: FramePattern, numbers: set[int]) -> list[int]:
    """The frames of the shot of which ``pattern`` has a file."""
    if not pattern.is_sequence:
        raise MatteError(
            "bad_key",
            f"{pattern.text} does not say which frame it is the matte of.",
            "Write 1001=FILE, or a pattern such as mended.####.exr.",
        )
    check_numbers(pattern)
    return [frame for frame in pattern.frames_on_disk() if frame in numbers]
