"""A ring buffer of composites, filled by processes beside the training loop so that the loop need not wait.

Maker processes write into shared memory. Every composite is used a few times, mirrored and regraded. Where the
network trains on a GPU, the shared memory is only an inbox, and the ring itself lies on the device.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .bank import Bank
from .composite import Composite, Faults, compose
from .lit import compose_lit
from .random_fields import Dice

CHANNELS = {"plate": 3, "clean": 3, "foreground": 3, "alpha": 1, "coverage": 1, "core": 1, "holdout": 1}
REUSE = 4.0
"""Uses of a composite on average: the makers pause while it is lower."""
AHEAD = 160
"""Composites that the makers may be ahead of this rate."""
INBOX = 8
"""Inbox slots for each maker, where the ring lies on a GPU."""


@dataclass(frozen=True)
class SynthesisSetup:
    """The settings of the maker processes; picklable."""

    bank: Path
    renders: Path | None
    pairs: Path | None
    size: tuple[int, int]
    seed: int
    faults: Faults
    makers: int
    on_gpu: int
    """How many of the makers compose on the GPU."""
    inbox: bool
    """Whether the loop empties the ring; else the makers overwrite what has been used."""


@dataclass(frozen=True, eq=False)
class Ring:
    """Composites in half-float, slots x all of ``CHANNELS`` x pixels. Odd slots are upright (sides exchanged).

    ``counters``: composites made, used, absorbed into even slots, absorbed into odd ones. ``ready`` is 0 while a
    slot is empty or being written.
    """

    store: Tensor
    ready: Tensor
    counters: Tensor
    size: tuple[int, int]

    @classmethod
    def create(cls, slots: int, size: tuple[int, int], device: torch.device) -> Ring:
        """An empty ring; on the CPU in memory that other processes share."""
        height, width = size
        store = torch.zeros(slots, sum(CHANNELS.values()), height * width, dtype=torch.float16, device=device)
        ready, counters = torch.zeros(slots, dtype=torch.uint8), torch.zeros(4, dtype=torch.float64)
        if device.type == "cpu":
            for tensor in (store, ready, counters):
                tensor.share_memory_()  # type: ignore[no-untyped-call]
        return cls(store, ready, counters, size)

    def put(self, slot: int, sample: Composite) -> None:
        """Write one composite; it must have the orientation of the slot."""
        self.ready[slot] = 0
        whole = torch.cat([getattr(sample, name) for name in CHANNELS])
        self.store[slot] = whole.flatten(1).clamp(-60_000, 60_000).half()
        self.ready[slot] = 1
        self.counters[0] += 1

    def absorb(self, inbox: Ring, at_most: int) -> int:
        """Move up to ``at_most`` composites out of ``inbox``, each to the next slot of its orientation; returns how
        many."""
        full = np.flatnonzero(inbox.ready.numpy().copy())[:at_most]
        for slot in full.tolist():
            odd = slot % 2
            target = (2 * int(self.counters[2 + odd]) + odd) % len(self.ready)
            self.store[target].copy_(inbox.store[slot])
            inbox.ready[slot] = 0
            self.ready[target] = 1
            self.counters[2 + odd] += 1
            self.counters[0] += 1
        return len(full)

    def shape(self, slot: int) -> tuple[int, int]:
        """Height and width of the composite in a slot."""
        height, width = self.size
        return (width, height) if slot % 2 else (height, width)

    def take(self, rng: np.random.Generator, count: int) -> dict[str, Tensor]:
        """A batch of random composites of one orientation, N x C x H x W float32; marks them used."""
        odd = int(rng.integers(2))
        slots = np.flatnonzero(self.ready.numpy().copy())
        slots = slots[slots % 2 == odd]
        self.counters[1] += count
        return self.read(rng.choice(slots, count, replace=len(slots) < count).tolist())

    def read(self, slots: list[int]) -> dict[str, Tensor]:
        """The composites in these slots, all of one orientation, N x C x H x W float32."""
        height, width = self.shape(slots[0])
        chosen = torch.tensor(slots, device=self.store.device)
        batch = self.store[chosen].view(len(slots), -1, height, width).float()
        return dict(zip(CHANNELS, torch.split(batch, list(CHANNELS.values()), 1), strict=True))


def compose_one(bank: Bank, dice: Dice, size: tuple[int, int], faults: Faults) -> Composite:
    """A composite of random material: 12 % have no subject, most have one, some two or three."""
    count = int(dice.rng.choice([0, 1, 2, 3], p=[0.12, 0.68, 0.15, 0.05]))
    subjects = [bank.pick_subject(dice.rng, faults.people) for _ in range(count)]
    pair = bank.pick_pair(dice.rng, size[0] > size[1]) if dice.ever(faults.lit) else None
    if pair is not None:
        return compose_lit(dice, pair, subjects, size, faults)
    return compose(dice, subjects, bank.pick_set(dice.rng), size, faults)


def make_forever(ring: Ring, setup: SynthesisSetup, worker: int, stop: Event) -> None:
    """The body of a maker process: composes into its share of the slots while more are needed."""
    torch.set_num_threads(1)
    os.nice(3)
    device = torch.device("cuda" if worker < setup.on_gpu else "cpu")
    bank = Bank(folder=setup.bank, render_folder=setup.renders, pair_folder=setup.pairs, device=device)
    number, share = 0, len(ring.ready) // setup.makers
    parent = os.getppid()
    while bank.refresh() >= 0 and not (bank.subjects and bank.sets):
        if stop.is_set() or os.getppid() != parent:
            return
        time.sleep(0.5)  # the bank is still being filled
    while not stop.is_set() and os.getppid() == parent:
        slot = worker * share + number % share
        if bool(ring.ready[slot]) if setup.inbox else _ahead(ring):
            time.sleep(0.02)
            continue
        dice = Dice(
            rng=np.random.default_rng([setup.seed, worker, number]),
            noise=torch.Generator(device).manual_seed(hash((setup.seed, worker, number)) & 0x7FFFFFFF),
        )
        ring.put(slot, compose_one(bank, dice, ring.shape(slot), setup.faults))
        number += 1
        if number % 100 == 0:
            bank.refresh(at_most=20)


def _ahead(ring: Ring) -> bool:
    return bool(ring.counters[1] + AHEAD * REUSE < REUSE * ring.counters[0])
