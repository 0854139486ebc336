"""What clients hear of a learning job while it waits and runs."""

from __future__ import annotations

from matte_link.messages import LearnProgress

from ..worker.messages import StepTaken


def progress_of(request_id: str, taken: StepTaken, message: str = "") -> LearnProgress:
    """How far the job of a request has come; ``message`` is a sentence for the user."""
    return LearnProgress(
        id=request_id,
        stage="step",
        done=taken.step,
        total=taken.steps,
        error=taken.error,
        first_error=taken.first_error,
        left_s=taken.left_s,
        message=message,
    )


def resumed_sentence(step: int, has_died: bool) -> str:
    """Says that a job goes on from a checkpoint: of a process that died, or of an earlier run."""
    if has_died:
        return f"A new process goes on from step {step}."
    return f"Learning goes on from step {step}, where it was interrupted."
