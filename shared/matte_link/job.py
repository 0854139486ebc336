"""Runs the frames of a shot through the server on a worker thread, so that the host's window never blocks.

The host makes one :class:`~matte_link.tasks.FrameTask` for each frame, starts a :class:`MatteJob` with them, and
calls :meth:`MatteJob.poll` on its main thread now and then::

    job = MatteJob(tasks, MatteOptions(model="v2"))
    job.start()
    while job.is_running:
        for event in job.poll(wait_s=0.1):
            ...  # FrameStarted, FrameProgress, FrameDone, FrameFailed; JobFinished comes last

A result is complete on disk under its final name before its ``FrameDone`` is reported.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Optional, Union

from .client import MatteClient
from .endpoint import Endpoint
from .errors import LinkError
from .files import write_atomically
from .job_events import FrameDone, FrameFailed, FrameProgress, FrameStarted, JobEvent, JobFinished
from .job_thread import JobThread
from .local_files import LocalFiles
from .messages import Accepted, Answer, Digest, Failure, Inline, Matte, Neighbour, Progress, Source, new_id
from .options import MatteOptions
from .tasks import FrameTask, LocalFile, TaskNeighbour, TaskSource

_RECEIVE_S = 0.1
_RECEIVE_OPEN_S = 0.01
"""How long one wait for an answer lasts at most, and how long while a host may add tasks: an added task should not
wait long for its turn."""


class MatteJob(JobThread[JobEvent]):
    """Runs tasks in order, with up to ``in_flight`` frames at the server at a time.

    ``patience_s`` is how long the server may be silent or unreachable (it may be restarting) before the job gives
    up; ``connect_s`` replaces it for the first answer. With ``more`` the job stays open for tasks from :meth:`add`
    until :meth:`close` is called.
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
        super().__init__(threading.Thread(target=self._run, name="cleanplate-job", daemon=True))
        self.tasks = tuple(tasks)
        self.options = options
        self._endpoint = endpoint
        self._priority = priority
        self._shot = shot or new_id()
        self._in_flight = max(1, in_flight)
        self._patience_s = patience_s
        self._connect_s = patience_s if connect_s is None else connect_s
        self._more = more
        self._waiting = deque(self.tasks)
        self._sent: dict[str, FrameTask] = {}
        """The tasks at the server, by the id of their request."""
        self._done = 0
        self._failed = 0
        self._files = LocalFiles()

    def add(self, task: FrameTask) -> None:
        """Appends one task to those that wait."""
        self._waiting.append(task)

    def close(self) -> None:
        """Ends the job once its tasks are done: no more will be added."""
        self._more = False

    @property
    def waiting(self) -> int:
        """How many tasks have not been started."""
        return len(self._waiting)

    def cancel(self) -> None:
        """Stops the job within a moment. Results that are already on disk stay."""
        self._cancel.set()

    # -- everything below runs on the thread

    def _run(self) -> None:
        error: Optional[LinkError] = None
        try:
            self._work()
        except LinkError as problem:
            error = problem
            for task in self._sent.values():
                self._fail(task, problem.code, problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001 - the thread's edge: the host must hear of anything
            error = LinkError(f"The job stopped: {type(problem).__name__}: {problem}")
        finally:
            self._events.put(
                JobFinished(
                    done=self._done,
                    failed=self._failed,
                    cancelled=self._cancel.is_set(),
                    code=error.code if error else "",
                    message=error.message if error else "",
                    hint=error.hint if error else "",
                )
            )

    def _work(self) -> None:
        with MatteClient(self._endpoint, self._patience_s) as client:
            client.ping(self._connect_s)
            while not self._cancel.is_set():
                more = self._more
                self._fill(client)
                if not self._sent and not more:
                    return
                answer = client.receive(_RECEIVE_OPEN_S if more else _RECEIVE_S)
                task = self._sent.pop(answer.id, None) if answer else None
                if task and answer:
                    self._finish(task, answer)

    def _fill(self, client: MatteClient) -> None:
        while self._waiting and len(self._sent) < self._in_flight:
            task = self._waiting.popleft()
            try:
                self._start(client, task)
            except OSError as error:
                self._fail(task, "missing_file", f"{error.filename} cannot be read: {error.strerror}.")

    def _start(self, client: MatteClient, task: FrameTask) -> None:
        unverified = self._unverified_clean_plate(task)
        request = self._request(client, task, unverified or self._held(client, task.clean_plate))
        self._submit(client, task, request)
        self._events.put(FrameStarted(task.frame))
        if unverified:
            self._verify_clean_plate(client, task, request)

    def _unverified_clean_plate(self, task: FrameTask) -> Optional[Source]:
        """A clean plate that can be sent before it is hashed, because hashing takes longer than all else here: the
        digest that the host expects, or the bytes themselves if an artist waits for this single frame. None for a
        clean plate that an earlier frame read or that later frames will share.
        """
        file = task.clean_plate
        if not isinstance(file, LocalFile) or file.path in self._files:
            return None
        if task.clean_digest:
            return Digest(task.clean_digest)
        is_single = self._priority == "interactive" and len(self.tasks) == 1 and not self._more
        return self._files.read(file, keep=True) if is_single else None

    def _verify_clean_plate(self, client: MatteClient, task: FrameTask, request: Matte) -> None:
        """Hashes the clean plate while the server computes; sends the frame again if its digest was wrong."""
        try:
            found = self._held(client, task.clean_plate)
        except OSError:
            self._withdraw(client, request)
            raise
        if isinstance(request.clean_plate, Digest) and found != request.clean_plate:
            self._withdraw(client, request)
            self._submit(client, task, replace(request, id=new_id(), clean_plate=found))
        elif isinstance(found, Digest):
            self._sent[request.id] = replace(task, clean_digest=found.digest)

    def _held(self, client: MatteClient, source: TaskSource) -> Source:
        """A picture that other frames may use too: named by its digest, and sent if the server lacks it."""
        picture = self._files.read(source, keep=True)
        return client.hold(picture) if isinstance(picture, Inline) else picture

    def _submit(self, client: MatteClient, task: FrameTask, request: Matte) -> None:
        clean = request.clean_plate
        self._sent[request.id] = replace(task, clean_digest=clean.digest if isinstance(clean, Digest) else "")
        client.submit(request, partial(self._progress, task.frame), name_clean_plate=False)

    def _withdraw(self, client: MatteClient, request: Matte) -> None:
        del self._sent[request.id]
        client.cancel(request.id)

    def _request(self, client: MatteClient, task: FrameTask, clean_plate: Source) -> Matte:
        options = task.options or self.options
        sides = {"before": task.before, "after": task.after} if options.temporal else {}
        neighbours = {
            side: self._neighbour(client, task, neighbour)
            for side, neighbour in sides.items()
            if neighbour is not None
        }

        def read(source: TaskSource) -> Source:
            # With neighbours the next frames use these pictures too.
            return self._held(client, source) if neighbours else self._files.read(source)

        request = Matte(
            id=new_id(),
            frame=task.frame,
            plate=read(task.plate),
            clean_plate=clean_plate,
            core=read(task.core) if task.core else None,
            holdout=read(task.holdout) if task.holdout else None,
            options=options,
            priority=self._priority,
            shot=self._shot,
            view=task.view,
            hints=task.hints,
            before=neighbours.get("before"),
            after=neighbours.get("after"),
        )
        self._files.keep_only(task)
        return request

    def _neighbour(self, client: MatteClient, task: FrameTask, neighbour: TaskNeighbour) -> Neighbour:
        def held(source: Optional[TaskSource]) -> Optional[Source]:
            return None if source is None else self._held(client, source)

        # The frame's own clean plate is not named again: it may not have been read yet.
        clean = None if neighbour.clean_plate == task.clean_plate else neighbour.clean_plate
        return Neighbour(
            plate=self._held(client, neighbour.plate),
            clean_plate=held(clean),
            core=held(neighbour.core),
            holdout=held(neighbour.holdout),
        )

    def _progress(self, frame: int, event: Union[Accepted, Progress]) -> None:
        if isinstance(event, Progress):
            self._events.put(FrameProgress(frame=frame, stage=event.stage, done=event.done, total=event.total))

    def _finish(self, task: FrameTask, answer: Answer) -> None:
        if isinstance(answer, Failure):
            self._fail(task, answer.code, answer.message, answer.hint)
            return
        try:
            write_atomically(task.output, answer.data)
        except OSError as error:
            self._fail(task, "cannot_write", f"{task.output} cannot be written: {error.strerror}.")
            return
        self._done += 1
        self._events.put(
            FrameDone(
                frame=task.frame,
                output=task.output,
                diagnostics=answer.diagnostics,
                clean_digest=task.clean_digest,
            )
        )

    def _fail(self, task: FrameTask, code: str, message: str, hint: str = "") -> None:
        self._failed += 1
        self._events.put(FrameFailed(frame=task.frame, code=code, message=message, hint=hint))
