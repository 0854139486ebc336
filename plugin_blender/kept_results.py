"""Results that are there already: taken, moved aside, or deleted.

They are taken where they are of equal pictures. Does not import bpy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from . import touched
from .file_states import forget
from .matte_link.file_witness import were_touched
from .matte_link.result_key import OTHER, compare_makers
from .plan import OUTDATED, SolvePlan
from .put_again import restamp
from .result_files import NAME, SentPictures, is_result, known_facts, known_stamp


def take_equal(plan: SolvePlan, frame: int, sent: SentPictures) -> bool:
    """Whether a result of the very same pictures, options and maker is there, under whatever key and stamp; it
    becomes the frame's present one. Raises ``OSError``."""
    own = plan.result(frame)
    others = (Path(plan.folder).glob(f"{place}/{NAME.format(frame)}") for place in ("*", f"*/{OUTDATED}"))
    for path in (own, *(path for found in others for path in found)):
        facts = known_facts(path)
        if facts.content != sent.content or compare_makers([facts.maker], plan.maker)[0] == OTHER:
            continue
        if path != own or facts.stamp != plan.stamp(frame):
            restamp(path, own, facts, plan.stamp(frame), sent)
        elif were_touched(facts.witness, sent.witness):
            touched.note_equal(str(own), facts, sent.witness)
            # Where it cannot be written, this session remembers it.
            with contextlib.suppress(OSError):
                restamp(path, own, facts, plan.stamp(frame), sent)
        return True
    return False


def withdraw(plan: SolvePlan, frame: int, sent: SentPictures) -> None:
    """Moves the frame's result out of sight where it was made from other pictures. Raises ``OSError``."""
    facts = known_facts(plan.result(frame))
    if facts.content in ("", sent.content):
        return
    plan.move_aside(frame)
    if plan.uncomparable:
        # Its files may be the same: without them it is not taken back before its pictures are the frame's again.
        outdated = plan.outdated(frame)
        made = SentPictures(content=facts.content, witness=facts.witness, sizes=facts.sizes)
        restamp(outdated, outdated, facts, facts.stamp, made)


def clear(plan: SolvePlan, keep_present: bool = False, keep_keys: Collection[str] = ()) -> int:
    """Deletes the node's results, or only those of other settings and inputs; how many. One of which something
    is unknown may be a present one. The folders of ``keep_keys`` are left as they are."""
    counts = plan.counts()
    keep = {str(plan.result(frame)) for frame in (*counts.fresh, *counts.unknown)} if keep_present else set()
    deleted = 0
    for folder, _, files in os.walk(plan.folder, topdown=False):
        if set(Path(folder).relative_to(plan.folder).parts[:1]) & set(keep_keys):
            continue
        for name in files:
            path = Path(folder, name)
            if (is_result(name) or name.endswith(".tmp")) and str(path) not in keep:
                deleted += bool(known_stamp(path))
                path.unlink()
                forget(str(path))
        with contextlib.suppress(OSError):
            # Fails, as it should, where something else lies in there.
            Path(folder).rmdir()
    return deleted
