"""What jobs of matting and of learning have in common."""

from __future__ import annotations

import threading

from matte_link.job_thread import JobThread


class Counting(JobThread[int]):
    """Reports 0, 1 and 2, and ends once it is cancelled."""

    def __init__(self) -> None:
        super().__init__(threading.Thread(target=self._run, daemon=True))
        self.has_reported = threading.Event()

    def cancel(self) -> None:
        self._cancel.set()

    def _run(self) -> None:
        for number in range(3):
            self._events.put(number)
        self.has_reported.set()
        self._cancel.wait()


def test_a_job_gives_its_events_in_order_and_once_and_says_whether_it_has_ended() -> None:
    job = Counting()
    assert not job.is_running and job.poll() == []
    job.start()
    assert job.has_reported.wait(60)
    assert job.is_running and not job.join(0.0)
    assert job.poll(60) == [0, 1, 2] and job.poll() == []
    job.cancel()
    assert job.join(60) and not job.is_running
    assert job.poll(0.001) == []
