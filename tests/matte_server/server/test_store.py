"""How the store of clean plates makes room, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.messages import digest_of

from matte_server.errors import MatteError
from matte_server.server.spool import Spool
from matte_server.server.store import PictureStore

PICTURE = b"x" * 60
FIRST, SECOND = digest_of(PICTURE), "0b" * 32


@pytest.mark.parametrize(("spool_bytes", "budget"), [(1000, 100), (100, 1000)], ids=["its budget", "the spool"])
def test_what_nobody_holds_makes_room_in_its_budget_and_in_the_spool(
    tmp_path: Path, spool_bytes: int, budget: int
) -> None:
    spool = Spool(spool_bytes, tmp_path)
    store = PictureStore(spool, budget)
    store.add(FIRST, PICTURE, "first.exr")
    store.make_room(40)
    assert FIRST in store
    store.make_room(41)
    assert FIRST not in store and spool.used == 0
    spool.close()


def test_bytes_that_are_not_those_of_the_digest_are_refused(tmp_path: Path) -> None:
    spool = Spool(1000, tmp_path)
    store = PictureStore(spool, 100)
    with pytest.raises(MatteError) as caught:
        store.add(SECOND, PICTURE, "first.exr")
    assert caught.value.code == "wrong_digest" and len(store) == 0 and spool.used == 0
    store.add(FIRST, PICTURE, "first.exr")
    assert (store.size_of(FIRST), store.size_of(SECOND), store.used) == (60, 0, 60)
    spool.close()


def test_what_a_job_holds_stays_and_the_server_is_busy(tmp_path: Path) -> None:
    spool = Spool(1000, tmp_path)
    store = PictureStore(spool, 100)
    store.add(FIRST, PICTURE, "first.exr")
    assert store.hold(FIRST) is not None and store.hold(SECOND) is None
    with pytest.raises(MatteError, match="no room") as caught:
        store.make_room(41)
    assert caught.value.code == "busy" and FIRST in store
    store.release(FIRST)
    store.make_room(41)
    assert FIRST not in store
    spool.close()
