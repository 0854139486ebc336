"""Has a shot learnt by the server on a thread, so that the host's window never blocks.

The host makes one :class:`LearnTask` for each frame, starts a :class:`LearnJob` with them, and calls
:meth:`LearnJob.poll` on its main thread now and then::

    job = LearnJob([LearnTask(frame=1001, plate=..., clean_plate=..., key=...)], MatteOptions(), "shot.learned")
    job.start()
    while job.is_running:
        for event in job.poll(wait_s=0.1):
            ...  # LearnPreparing, LearnStep; LearnDone or LearnFailed comes last

The weights are complete on disk under their final name before :class:`~matte_link.learn_events.LearnDone` is
reported. Whoever puts their path into ``MatteOptions.weights`` mattes with them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .client import MatteClient
from .endpoint import Endpoint
from .errors import LinkError
from .files import write_atomically
from .job_thread import JobThread
from .learn_events import LearnDone, LearnEvent, LearnFailed, LearnPreparing, LearnStep
from .local_files import LocalFiles
from .messages import Accepted, Learn, LearnFrame, LearnProgress, LearnReply, Progress, Source, new_id
from .options import MatteOptions
from .tasks import TaskSource


@dataclass(frozen=True)
class LearnTask:
    """One frame to learn from. ``key`` is a matte that a person vouches for, ``mask`` says where it is right (None:
    everywhere); without a key the frame is learnt with the model's own matte. ``hints`` as in a FrameTask."""

    frame: int
    plate: TaskSource
    clean_plate: TaskSource
    key: Optional[TaskSource] = None
    mask: Optional[TaskSource] = None
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)


class LearnJob(JobThread[LearnEvent]):
    """Learns from ``tasks`` and writes ``output``, if something was gained.

    ``steps`` 0: as many as are usual. View and hints are those of the first task. ``patience_s`` is how long the
    server may be silent or unreachable before the job gives up; ``connect_s`` replaces it for the first answer.
    """

    def __init__(
        self,
        tasks: Sequence[LearnTask],
        options: MatteOptions,
        output: str,
        steps: int = 0,
        seed: int = 1,
        shot: str = "",
        endpoint: Optional[Endpoint] = None,
        patience_s: float = 30.0,
        connect_s: Optional[float] = None,
    ) -> None:
        super().__init__(threading.Thread(target=self._run, name="cleanplate-learn", daemon=True))
        self.tasks = tuple(tasks)
        self.options = options
        self.output = output
        self._steps = steps
        self._seed = seed
        self._shot = shot
        self._endpoint = endpoint
        self._patience_s = patience_s
        self._connect_s = patience_s if connect_s is None else connect_s
        self._leave = threading.Event()

    def cancel(self) -> None:
        """Stops the learning after its current step. What was gained until then is written."""
        self._cancel.set()

    def leave(self) -> None:
        """Stops to wait within a moment; the server goes on. The same tasks, started again later, join its job or
        get its result."""
        self._leave.set()

    # -- everything below runs on the thread

    def _run(self) -> None:
        try:
            event = self._learn()
        except _Left:
            event = LearnFailed(code="left", message="The server goes on learning.", hint="Learn again to join it.")
        except LinkError as error:
            event = LearnFailed(code=error.code, message=error.message, hint=error.hint)
        except OSError as error:
            event = LearnFailed(code="missing_file", message=f"{error.filename} cannot be read: {error.strerror}.")
        except ValueError as error:
            event = LearnFailed(code="bad_request", message=f"This cannot be learnt from: {error}")
        except Exception as error:  # noqa: BLE001 - the thread's edge: the host must hear of anything
            event = LearnFailed(code="internal", message=f"The job stopped: {type(error).__name__}: {error}")
        self._events.put(event)

    def _learn(self) -> Union[LearnDone, LearnFailed]:
        request = self._request()
        with MatteClient(self._endpoint, self._patience_s) as client:
            client.ping(self._connect_s)
            return self._written(client.learn(request, self._progress, self._is_cancelled))

    def _is_cancelled(self) -> bool:
        if self._leave.is_set():
            raise _Left
        return self._cancel.is_set()

    def _request(self) -> Learn:
        """Raises ``OSError`` and ``ValueError``."""
        files = LocalFiles()

        def read(source: Optional[TaskSource]) -> Optional[Source]:
            return None if source is None else files.read(source, keep=True)

        return Learn(
            id=new_id(),
            frames=tuple(
                LearnFrame(
                    frame=task.frame,
                    plate=files.read(task.plate),
                    clean_plate=files.read(task.clean_plate, keep=True),
                    key=read(task.key),
                    mask=read(task.mask),
                )
                for task in self.tasks
            ),
            options=self.options,
            steps=self._steps,
            seed=self._seed,
            shot=self._shot,
            view=self.tasks[0].view if self.tasks else "",
            hints=self.tasks[0].hints if self.tasks else {},
        )

    def _progress(self, event: Union[Accepted, Progress]) -> None:
        self._events.put(_event(event))

    def _written(self, reply: LearnReply) -> Union[LearnDone, LearnFailed]:
        output = self.output if reply.has_gained else ""
        if output:
            try:
                write_atomically(output, reply.data)
            except OSError as error:
                return LearnFailed(code="cannot_write", message=f"{output} cannot be written: {error.strerror}.")
        return LearnDone(
            output=output,
            digest=reply.digest,
            steps=reply.steps,
            first_error=reply.first_error,
            error=reply.error,
            has_gained=reply.has_gained,
            is_complete=reply.is_complete,
            model=reply.model,
            diagnostics=reply.diagnostics,
        )


class _Left(Exception):
    """The host does not wait any longer."""


def _event(event: Union[Accepted, Progress]) -> LearnEvent:
    if isinstance(event, LearnProgress):
        return LearnStep(
            step=event.done,
            steps=event.total,
            error=event.error,
            first_error=event.first_error,
            left_s=event.left_s,
            message=event.message,
        )
    if isinstance(event, Accepted):
        return LearnPreparing(stage="queued", done=event.position, total=event.position)
    return LearnPreparing(stage=event.stage, done=event.done, total=event.total)
