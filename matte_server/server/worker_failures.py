"""The reports that clients get about workers that died, hung or do not start."""

from __future__ import annotations

from collections.abc import Sequence

from matte_link.messages import Failure

from ..errors import ErrorReport
from ..worker.messages import SolveFailed
from .dispatcher import MOST_NOT_BEGUN, QueuedFrame, RetryReason
from .worker_pool import WorkerExited, WorkerState

MAX_FAILED_STARTS = 3
_LACKED = {"out_of_memory": RetryReason.OUT_OF_MEMORY, "disk_full": RetryReason.DISK_FULL}
"""Failures of a worker after which a frame is computed once more, by itself."""
RESULT_LOST = ErrorReport(
    code="worker_died", message="The result that the worker process wrote is gone.", hint="Try the frame again."
)
LEARNING_CANCELLED = ErrorReport(code="cancelled", message="The learning was cancelled before anything was gained.")
LEARNING_CANCELLED_AND_DIED = ErrorReport(
    code="cancelled",
    message="The learning was cancelled, and the process that learned has died.",
    hint="Learn again to go on from its last checkpoint.",
)
LEARNING_OTHERS_WANT_IT = ErrorReport(
    code="cancelled", message="The learning goes on, because another client waits for it."
)


def exit_report(
    exited: WorkerExited, did: str = "computed this frame", again: str = "Try the frame"
) -> ErrorReport:
    """The report for a frame whose worker died or was ended because it hung. ``did``: what the worker was doing;
    ``again``: what may be tried again."""
    if exited.code == "worker_hung":
        return ErrorReport(
            code="worker_hung",
            message=f"The process that {did} hung and was replaced. {exited.reason}",
            hint=f"{again} again; where it hangs again, use a smaller picture or another model.",
        )
    return ErrorReport(
        code="worker_died",
        message=f"The process that {did} died and was replaced. {exited.reason}",
        hint=f"{again} again; where it dies again, the picture or the machine's memory is the cause.",
    )


def reason_to_retry(frame: QueuedFrame, failed: SolveFailed) -> RetryReason | None:
    """What a frame lacked that it may have when it is computed alone; None where that was tried."""
    reason = _LACKED.get(failed.code)
    return reason if reason not in frame.retried_for and not frame.state.is_abandoned else None


def is_given_out_again(frame: QueuedFrame, exited: WorkerExited) -> bool:
    """Whether a worker ended before it began its frame, as one does that is killed while it has nothing to do and
    is given a frame in that moment. Not without end: a frame may be what no worker can begin."""
    return not exited.has_begun and frame.not_begun <= MOST_NOT_BEGUN and not frame.state.is_abandoned


def no_worker_report(workers: Sequence[WorkerState]) -> ErrorReport | None:
    """The report for every frame where no worker manages to start; None while any of them runs or may still."""
    if not workers or any(state.failed_starts < MAX_FAILED_STARTS for state in workers):
        return None
    return ErrorReport(
        code="no_worker",
        message=f"The server's matting process does not start. {workers[0].last_exit_reason}",
        hint="Read the server's log, or run 'cleanplate doctor' there.",
    )


def failure(request_id: str, report: ErrorReport) -> Failure:
    """The report as a client gets it."""
    return Failure(id=request_id, code=report.code, message=report.message, hint=report.hint)
