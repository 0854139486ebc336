"""What learning jobs leave behind, by the key of the job: weights that were learnt, and checkpoints to go on from.

It is a folder of this user's, and outlives the server: a job whose server was killed goes on with the next one. The
oldest files make room for new ones.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matte_link.files import disk_words, write_atomically
from matte_link.messages import Blob, Digest, Learn, LearnReply, OnDisk, digest_of
from matte_link.roles import sources_of

from ..worker.messages import LearningEnded
from .structured_log import log_event

FOLDER_VARIABLE = "CLEANPLATE_LEARNING"
_BUDGET = 2 << 30
_A_JOB = 400 << 20
"""The most bytes that a job writes: the checkpoint of the largest network (V1, 72 MB of weights) holds them four
times, the file of what was learnt once, and each is written beside the one before."""
_CHECKPOINT, _WEIGHTS, _FACTS = ".checkpoint", ".learned", ".json"


def default_folder() -> Path:
    """The folder that the environment names, else the operating system's usual one for what a user's programs may
    make again."""
    if named := os.environ.get(FOLDER_VARIABLE, ""):
        return Path(named).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "cleanplate" / "learning"


def usable_folder(spool: Path) -> Path:
    """:func:`default_folder`, or a folder in the spool where this user cannot write there."""
    folder = default_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder
    except OSError:
        return spool / "learning"


class LearningShelf:
    """The files in ``folder``, which is made when it is needed; at most ``budget`` bytes of them. ``spool``: where
    a worker writes what it learnt if the folder does not take it, for the clients that wait for it."""

    def __init__(self, folder: Path, budget: int = _BUDGET, spool: Path | None = None) -> None:
        self._folder = folder
        self._budget = budget
        self._spool = spool
        self._a_job = min(_A_JOB, budget // 2)

    def open(self) -> None:
        """Makes the folder, readable by its user only. Raises ``OSError``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def checkpoint(self, key: str) -> Path:
        """Where a job's worker keeps what is needed to go on."""
        return self._folder / f"{key}{_CHECKPOINT}"

    def weights(self, key: str) -> Path:
        """Where a job's worker writes what was learnt."""
        return self._folder / f"{key}{_WEIGHTS}"

    def keep(self, key: str, ended: LearningEnded) -> None:
        """Keeps how a complete job ended; its checkpoint is not needed any more. Where the disk takes neither this
        nor the weights, nothing is kept: whoever asks again has it learnt again."""
        if self._spooled(key):
            log_event("not kept", logging.WARNING, key=key[:8], words="The folder of learning has no room.")
            return
        facts = {name: value for name, value in asdict(ended).items() if name != "number"}
        try:
            write_atomically(str(self._folder / f"{key}{_FACTS}"), json.dumps(facts).encode())
            self.checkpoint(key).unlink(missing_ok=True)
        except OSError as error:
            log_event("not kept", logging.WARNING, key=key[:8], words=disk_words(error))

    def _spooled(self, key: str) -> Path | None:
        """What a worker wrote to the spool of this job, where there is such a file."""
        path = self._spool / self.weights(key).name if self._spool else None
        return path if path and path.exists() else None

    def reply(self, key: str, request_id: str) -> LearnReply | None:
        """The answer that an earlier job with this key gave; None where there was none, or it is no longer here."""
        try:
            facts = json.loads((self._folder / f"{key}{_FACTS}").read_bytes())
            ended = LearningEnded(number=0, **facts)
            return self.reply_of(key, request_id, ended)
        except (OSError, ValueError, TypeError):
            return None

    def reply_of(self, key: str, request_id: str, ended: LearningEnded) -> LearnReply:
        """The answer for a job that ended so. Raises ``OSError`` where its weights are gone."""
        data: Blob = b""
        if ended.has_gained and (spooled := self._spooled(key)):
            data = spooled.read_bytes()
            spooled.unlink()
        elif ended.has_gained:
            path = self.weights(key)
            data = path.read_bytes()
            # Read is used: what is asked for again is not the first to make room.
            with contextlib.suppress(OSError):
                os.utime(path)
        values: dict[str, Any] = {name: value for name, value in asdict(ended).items() if name != "number"}
        return LearnReply(id=request_id, data=data, digest=digest_of(data) if data else "", **values)

    def make_room(self, in_use: Collection[str]) -> None:
        """Deletes the oldest files, other than those of the keys ``in_use``, until a job that begins may write
        :data:`_A_JOB` bytes within the budget."""
        with contextlib.suppress(OSError):
            files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
            used = sum(path.stat().st_size for path in files)
            for path in files:
                if used <= self._budget - self._a_job:
                    return
                if path.name.partition(".")[0] not in in_use:
                    used -= path.stat().st_size
                    path.unlink(missing_ok=True)


def key_of(request: Learn, version: str) -> str:
    """Names what a job depends on: pictures by content (or by path), options, steps and seed, and the server's
    ``version``, because another one may learn differently."""
    facts = {
        "version": version,
        "sources": {role: _facts_of(source) for role, source in sources_of(request).items()},
        "alignments": {str(frame.frame): dict(frame.alignment) for frame in request.frames},
        "options": {**request.options.seen_by("model"), "weights": request.options.weights},
        "run": [request.steps, request.seed, request.view, str(request.hints.get("colourspace", ""))],
    }
    return digest_of(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode())[:32]


def _facts_of(source: object) -> list[object]:
    if isinstance(source, OnDisk):
        return ["path", source.path, source.frame]
    assert isinstance(source, Digest)
    return ["digest", source.digest]
