"""The counts of wanted frames, by which requests are admitted."""

from __future__ import annotations

from matte_server.server.dispatcher import QueuedFrame
from matte_server.server.frame_table import FrameTable
from matte_server.worker.messages import FrameJob

from .service_bench import ANNA, BEN, matte


def _frame(client: bytes, number: int, request_id: str) -> QueuedFrame:
    job = FrameJob(number=number, request=matte(request_id), pictures={}, result=f"result-{number}.exr")
    return QueuedFrame(client=client, job=job, fingerprint=0, arrived=0.0)


def test_an_abandoned_frame_counts_no_longer_and_its_id_may_be_used_again() -> None:
    table = FrameTable()
    first, second, other = _frame(ANNA, 1, "a"), _frame(ANNA, 2, "a"), _frame(BEN, 3, "a")
    table.add(first)
    table.add(other)
    table.abandon(first)
    assert (table.wanted, table.clients, table.wanted_by(ANNA), table.find(ANNA, "a")) == (1, 1, 0, None)
    assert table.by_number[1] is first, "its worker still has it"
    table.add(second)
    # The end of the first one takes nothing from the second, which has its id.
    table.remove(first)
    assert list(table.by_number) == [3, 2] and table.of(ANNA) == [second] and table.wanted_by(ANNA) == 1
    for frame in (second, second, other):
        table.remove(frame)
    assert (table.wanted, table.clients, dict(table.by_number)) == (0, 0, {})
