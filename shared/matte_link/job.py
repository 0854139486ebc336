"""A shot's frames through the server on a worker thread, so that a host's window stays alive.

The host makes :class:`FrameTask` after :class:`FrameTask`, starts a :class:`MatteJob` and calls ``poll()`` on
its main thread; every result is on disk under its final name before its event is handed out.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

from .client import MatteClient
from .endpoint import Endpoint
from .errors import LinkError
from .messages import (
    PICTURES,
    Accepted,
    Blob,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Neighbour,
    Progress,
    Source,
)
from .options import MatteOptions

_ADDED_S = 0.01


@dataclass(frozen=True)
class LocalFile:
    """A picture on the host's own disk; its bytes are read when its frame's turn comes."""

    path: str


TaskSource = Union[Source, LocalFile]


@dataclass(frozen=True)
class TaskNeighbour:
    """The frame before or after a task's, with what its own task would name. ``clean_plate`` None: the task's own
    serves it too."""

    plate: TaskSource
    clean_plate: Optional[TaskSource] = None
    core: Optional[TaskSource] = None
    holdout: Optional[TaskSource] = None


@dataclass(frozen=True)
class FrameTask:
    """One frame of a job. ``output`` is the local file the result is written to (temporary + rename).

    ``clean_digest``, where given, is what a local clean plate's content is expected to be named: the frame then
    goes to the server at once, and its clean plate is read and named while the server is at work. Where the name
    turns out to be another one, the frame is taken back and sent with the right one.

    ``before`` and ``after`` are the frames on both sides. Give them where the options' ``temporal`` is above 0, and
    None at a shot's ends; they are not sent where it is 0.
    """

    frame: int
    plate: TaskSource
    clean_plate: TaskSource
    output: str
    core: Optional[TaskSource] = None
    holdout: Optional[TaskSource] = None
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    clean_digest: str = ""
    before: Optional[TaskNeighbour] = None
    after: Optional[TaskNeighbour] = None


@dataclass(frozen=True)
class FrameStarted:
    """The frame went to the server."""

    frame: int


@dataclass(frozen=True)
class FrameProgress:
    """Stage ``done`` of ``total`` of a frame has begun."""

    frame: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class FrameDone:
    """The frame's result lies at ``output``, complete; ``clean_digest`` names the clean plate it was made with."""

    frame: int
    output: str
    diagnostics: Mapping[str, Any]
    clean_digest: str = ""


@dataclass(frozen=True)
class FrameFailed:
    """The frame has no result; the words are for the artist."""

    frame: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class JobFinished:
    """The last event. ``code`` and ``message`` say why a job ended before its frames were done."""

    done: int
    failed: int
    cancelled: bool
    code: str = ""
    message: str = ""
    hint: str = ""


JobEvent = Union[FrameStarted, FrameProgress, FrameDone, FrameFailed, JobFinished]


class MatteJob:
    """Runs tasks in order with ``in_flight`` frames under way; one job is run once.

    ``patience_s`` is handed to the client: how long the server may be silent or away (it may restart
    meanwhile) before the job gives up with its sentence; ``connect_s``, where given, is how long it may take
    to answer at first. A job with ``more`` takes further tasks by :meth:`add` until :meth:`close` is called.
    """

    def __init__(
        self,
        tasks: Sequence[FrameTask],
        options: MatteOptions,
        endpoint: Optional[Endpoint] = None,
        priority: str = "interactive",
        shot: str = "",
        in_flight: int = 2,
        patience_s: float = 30.0,
        connect_s: Optional[float] = None,
        more: bool = False,
    ) -> None:
        self.tasks = tuple(tasks)
        self.options = options
        self._endpoint = endpoint
        self._priority = priority
        self._shot = shot or uuid.uuid4().hex
        self._in_flight = max(1, in_flight)
        self._patience_s = patience_s
        self._connect_s = patience_s if connect_s is None else connect_s
        self._more = more
        self._waiting = deque(self.tasks)
        self._events: queue.SimpleQueue[JobEvent] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cleanplate-job", daemon=True)
        self._under_way: dict[str, FrameTask] = {}
        self._done = 0
        self._failed = 0
        self._files: dict[str, tuple[tuple[int, int], Inline]] = {}

    def start(self) -> None:
        """Starts the worker thread."""
        self._thread.start()

    def add(self, task: FrameTask) -> None:
        """One more task, after those that wait."""
        self._waiting.append(task)

    def close(self) -> None:
        """No further tasks come: the job ends when those it has are done."""
        self._more = False

    @property
    def waiting(self) -> int:
        """Tasks whose turn has not come."""
        return len(self._waiting)

    def poll(self, wait_s: float = 0.0) -> list[JobEvent]:
        """What happened since the last call, in order; the last event is JobFinished. Never blocks, but where
        nothing has happened for ``wait_s`` seconds."""
        events = []
        with contextlib.suppress(queue.Empty):
            if wait_s:
                events.append(self._events.get(timeout=wait_s))
            while True:
                events.append(self._events.get_nowait())
        return events

    def cancel(self) -> None:
        """Stops within a moment; finished frames stay."""
        self._cancel.set()

    def join(self, timeout_s: Optional[float] = None) -> bool:
        """Waits for the worker; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether the worker thread is at work."""
        return self._thread.is_alive()

    def _run(self) -> None:
        error: Optional[LinkError] = None
        try:
            self._work()
        except LinkError as problem:
            error = problem
            for task in self._under_way.values():
                self._fail(task, problem.code, problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - the thread's edge: the host must hear of anything
            error = LinkError(f"The job stopped: {type(problem).__name__}: {problem}")
        finally:
            self._events.put(
                JobFinished(
                    self._done,
                    self._failed,
                    self._cancel.is_set(),
                    error.code if error else "",
                    error.message if error else "",
                    error.hint if error else "",
                )
            )

    def _work(self) -> None:
        with MatteClient(self._endpoint, self._patience_s) as client:
            client.ping(self._connect_s)
            while not self._cancel.is_set():
                more = self._more
                self._fill(client)
                if not self._under_way and not more:
                    return
                # A task that is added meanwhile should not wait long for its turn.
                answer = client.receive(_ADDED_S if more else 0.1)
                task = self._under_way.pop(answer.id, None) if answer else None
                if task and answer:
                    self._finish(task, answer)

    def _fill(self, client: MatteClient) -> None:
        while self._waiting and len(self._under_way) < self._in_flight:
            task = self._waiting.popleft()
            try:
                self._send(client, task)
            except OSError as error:
                self._fail(task, "missing_file", f"{error.filename} cannot be read: {error.strerror}.")

    def _send(self, client: MatteClient, task: FrameTask) -> None:
        early = self._early(task)
        request = self._request(client, task, early or self._clean_plate(client, task))
        self._submit(client, task, request)
        self._events.put(FrameStarted(task.frame))
        if early:
            self._name_late(client, task, request)

    def _early(self, task: FrameTask) -> Optional[Source]:
        """A clean plate that can go before it was named, which takes longer than all else here: by the name that
        it is expected to have, or as it is where an artist waits for this one frame. None where it was read for a
        frame before, or others will want it."""
        file = task.clean_plate
        if not isinstance(file, LocalFile) or file.path in self._files:
            return None
        if task.clean_digest:
            return Digest(task.clean_digest)
        waited_for = self._priority == "interactive" and len(self.tasks) == 1 and not self._more
        return self._read(file, keep=True) if waited_for else None

    def _name_late(self, client: MatteClient, task: FrameTask, request: Matte) -> None:
        """Names a clean plate while the server is at work; mends what was expected wrongly."""
        try:
            found = self._clean_plate(client, task)
        except OSError:
            self._take_back(client, request)
            raise
        if isinstance(request.clean_plate, Digest) and found != request.clean_plate:
            self._take_back(client, request)
            self._submit(client, task, replace(request, id=uuid.uuid4().hex, clean_plate=found))
        elif isinstance(found, Digest):
            self._under_way[request.id] = replace(task, clean_digest=found.digest)

    def _clean_plate(self, client: MatteClient, task: FrameTask) -> Source:
        return self._held(client, task.clean_plate)

    def _held(self, client: MatteClient, source: TaskSource) -> Source:
        """A picture that other frames may want too, by its name."""
        read = self._read(source, keep=True)
        return client.hold(read) if isinstance(read, Inline) else read

    def _submit(self, client: MatteClient, task: FrameTask, request: Matte) -> None:
        clean = request.clean_plate
        self._under_way[request.id] = replace(task, clean_digest=clean.digest if isinstance(clean, Digest) else "")
        client.submit(request, partial(self._progress, task.frame), name_clean_plate=False)

    def _take_back(self, client: MatteClient, request: Matte) -> None:
        del self._under_way[request.id]
        client.cancel(request.id)

    def _request(self, client: MatteClient, task: FrameTask, clean_plate: Source) -> Matte:
        sides = {"before": task.before, "after": task.after} if self.options.temporal else {}
        around = {side: self._neighbour(client, task, one) for side, one in sides.items() if one is not None}

        def read(source: TaskSource) -> Source:
            return self._held(client, source) if around else self._read(source)

        request = Matte(
            id=uuid.uuid4().hex,
            frame=task.frame,
            plate=read(task.plate),
            clean_plate=clean_plate,
            core=read(task.core) if task.core else None,
            holdout=read(task.holdout) if task.holdout else None,
            options=self.options,
            priority=self._priority,
            shot=self._shot,
            view=task.view,
            hints=task.hints,
            before=around.get("before"),
            after=around.get("after"),
        )
        self._forget_files(task)
        return request

    def _neighbour(self, client: MatteClient, task: FrameTask, one: TaskNeighbour) -> Neighbour:
        # The frame's own clean plate is not named twice: it may not even have been read yet.
        clean = None if one.clean_plate == task.clean_plate else one.clean_plate

        def held(source: Optional[TaskSource]) -> Optional[Source]:
            return None if source is None else self._held(client, source)

        return Neighbour(self._held(client, one.plate), held(clean), held(one.core), held(one.holdout))

    def _forget_files(self, task: FrameTask) -> None:
        """Of a sequence only what the latest frame was made from is kept: the next one needs most of it again."""
        holders = [task, *(one for one in (task.before, task.after) if one is not None)]
        used = [getattr(holder, role) for holder in holders for role in PICTURES]
        paths = {source.path for source in used if isinstance(source, LocalFile)}
        self._files = {path: kept for path, kept in self._files.items() if path in paths}

    def _read(self, source: TaskSource, keep: bool = False) -> Source:
        if not isinstance(source, LocalFile):
            return source
        facts = Path(source.path).stat()
        stamp = (facts.st_mtime_ns, facts.st_size)
        known = self._files.get(source.path)
        if known and known[0] == stamp:
            return known[1]
        picture = Inline(Path(source.path).read_bytes(), Path(source.path).name)
        if keep:
            self._files[source.path] = (stamp, picture)
        return picture

    def _progress(self, frame: int, event: Union[Accepted, Progress]) -> None:
        if isinstance(event, Progress):
            self._events.put(FrameProgress(frame, event.stage, event.done, event.total))

    def _finish(self, task: FrameTask, answer: Union[MatteReply, Failure]) -> None:
        if isinstance(answer, Failure):
            self._fail(task, answer.code, answer.message, answer.hint)
            return
        try:
            write_atomically(task.output, answer.data)
        except OSError as error:
            self._fail(task, "cannot_write", f"{task.output} cannot be written: {error.strerror}.")
            return
        self._done += 1
        self._events.put(FrameDone(task.frame, task.output, answer.diagnostics, task.clean_digest))

    def _fail(self, task: FrameTask, code: str, message: str, hint: str = "") -> None:
        self._failed += 1
        self._events.put(FrameFailed(task.frame, code, message, hint))


def write_atomically(path: str, data: Blob) -> None:
    """Writes a file under a temporary name beside its place and renames it; raises ``OSError``.

    Creates the folder. Leaves nothing behind where it fails.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
        os.replace(temporary, target)  # noqa: PTH105 - Path.replace hides which of the two names failed
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
