"""Training of the refiner alone, on what the coarse stage's two looks really hand it: fast enough for a processor.

The coarse stage stays as it is. Makers compose large pictures, look at them as the product does, and cut windows
where alpha is partial; the loop doubles each window's alpha up to three times, as frames up to 4K need, and learns
at every octave. The loop keeps the last ``POOL`` composites' windows of each number of octaves.
"""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor

from ..models.networks.cleanplate import CleanplateNet
from .bank import Bank
from .composite import Composite, Dice, Faults
from .grow import grown_from
from .losses import Losses, alpha_loss, refine_whole
from .procedural import Random
from .ring import compose_one
from .train import Run, Trainer, TrainSetup


@dataclass(frozen=True)
class Depth:
    """Windows of one number of octaves: how often a step takes them, their side in coarse pixels, and the long
    sides of the composites they are cut from."""

    share: float
    side: int
    composites: tuple[int, ...]


DEPTHS = {
    1: Depth(0.4, 40, (640, 768, 896)),
    2: Depth(0.45, 28, (1024,)),
    3: Depth(0.15, 20, (1280,)),
}
"""By octaves. The coarse stage then sees composites of 160 to 448 pixels."""
MARGIN = 8
"""Pixels at a window's edge that are refined but not judged: their surroundings were cut away."""
WINDOWS = 10
"""Windows of a composite."""
POOL = 600
_COMPOSITES = 8
"""Composites that a batch is picked from."""
_AHEAD = 3
"""Composites of each maker that may wait for the loop."""
_ENOUGH = 4
"""Composites without which the loop does not start."""

Windows: TypeAlias = tuple[int, Tensor, Tensor]
"""Octaves; plate, clean plate and true alpha, N x 7 x side 2 ** octaves either way; the coarse stage's alpha and
context, N x 13 x side x side; half-float."""


@torch.no_grad()
def cut_windows(net: CleanplateNet, sample: Composite, octaves: int, side: int, dice: Dice) -> Windows:
    """``WINDOWS`` windows of ``side`` coarse pixels out of one composite, most where alpha is partial in truth
    or to the coarse stage."""
    scale = 1 << octaves
    names = ("plate", "clean", "coverage", "core", "holdout")
    coarse = net.look_twice(*(F.avg_pool2d(getattr(sample, name)[None], scale) for name in names))
    told = torch.cat([coarse.alpha, coarse.context], 1)[0]
    whole = torch.cat([sample.plate, sample.clean, sample.alpha])
    rows, columns = told.shape[-2:]
    unsure = F.avg_pool2d(sample.alpha * (1 - sample.alpha), scale)[0] + 0.5 * told[0] * (1 - told[0])
    places = torch.multinomial(unsure.flatten().clamp(min=0) + 1e-4, WINDOWS, generator=dice.noise).tolist()
    pictures, coarses = [], []
    for place in places:
        top, left = (
            min(max(middle - int(dice.rng.integers(side)), 0), sides - side)
            for middle, sides in ((place // columns, rows), (place % columns, columns))
        )
        coarses.append(told[:, top : top + side, left : left + side])
        y, x, size = top * scale, left * scale, side * scale
        pictures.append(whole[:, y : y + size, x : x + size])
    return octaves, torch.stack(pictures).clamp(-60_000, 60_000).half(), torch.stack(coarses).half()


def window_losses(net: CleanplateNet, windows: Windows) -> Losses:
    """The refiner's losses on windows at every octave, half as heavy before the last."""
    octaves, pictures, coarse = windows
    whole = dict(zip(("plate", "clean", "alpha"), torch.split(pictures.float(), [3, 3, 1], 1), strict=True))
    alpha, context = coarse[:, :1].float().clamp(0, 1), coarse[:, 1:].float()
    total, fine = alpha.new_zeros(()), alpha.new_zeros(())
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    for octave in range(1, octaves + 1):
        scale = 1 << (octaves - octave)
        level = {name: F.avg_pool2d(value, scale) for name, value in whole.items()}
        refined = refine_whole(net, level, alpha, context)
        truth = level["alpha"][inner]
        fine = alpha_loss(refined[inner], truth, torch.ones_like(truth))
        total = total + fine * (1.0 if octave == octaves else 0.5)
        alpha = refined.clamp(0, 1)
        context = F.interpolate(context, scale_factor=2.0, mode="bilinear")
    return Losses(total, {"fine": fine.detach(), "total": total.detach()})


@dataclass(frozen=True)
class Making:
    """What a maker of windows needs to start; picklable."""

    bank: Path
    renders: Path | None
    weights: Path
    seed: int


def make_windows(setup: Making, worker: int, windows: mp.Queue[Windows], stop: Event) -> None:
    """A maker process: composes, looks and cuts for ever, or until its parent is gone."""
    torch.set_num_threads(1)
    os.nice(3)
    bank = Bank(setup.bank, setup.renders, torch.device("cpu"))
    bank.refresh()
    net = grown_from(setup.weights).fold()
    number, parent = 0, os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        dice = Dice(
            np.random.default_rng([setup.seed, worker, number]),
            torch.Generator().manual_seed(hash((setup.seed, worker, number)) & 0x7FFFFFFF),
        )
        made = _made(net, bank, dice)
        while made is not None and not stop.is_set() and os.getppid() == parent:
            try:
                windows.put(made, timeout=0.5)
                made = None
            except queue.Full:
                continue
        number += 1
        if number % 40 == 0:
            bank.refresh(at_most=20)


def _made(net: CleanplateNet, bank: Bank, dice: Dice) -> Windows | None:
    """Windows of one composite; None where nobody came into it."""
    octaves = int(dice.rng.choice(list(DEPTHS), p=[depth.share for depth in DEPTHS.values()]))
    depth = DEPTHS[octaves]
    long = int(dice.rng.choice(depth.composites))
    size = (long * 3 // 4, long) if dice.maybe(0.6) else (long, long * 3 // 4)
    sample = compose_one(bank, dice, size, Faults())
    if float(sample.alpha.max()) < 0.1:
        return None
    return cut_windows(net, sample, octaves, depth.side, dice)


@contextmanager
def _making(setup: TrainSetup, weights: Path, seed: int) -> Iterator[mp.Queue[Windows]]:
    """Maker processes, ended with the loop, and what they hand over."""
    context = mp.get_context("spawn")
    stop = context.Event()
    windows: mp.Queue[Windows] = context.Queue(_AHEAD * setup.makers)
    making = Making(setup.bank, setup.renders, weights, seed)
    makers = [
        context.Process(target=make_windows, args=(making, n, windows, stop), daemon=True)
        for n in range(setup.makers)
    ]
    for maker in makers:
        maker.start()
    try:
        yield windows
    finally:
        stop.set()
        for maker in makers:
            maker.join(10)


class Pool:
    """The last windows of every number of octaves."""

    def __init__(self) -> None:
        self._kept: dict[int, deque[Windows]] = {octaves: deque(maxlen=POOL) for octaves in DEPTHS}
        self.made = 0

    def add(self, windows: Windows) -> None:
        octaves, pictures, coarse = windows
        # Copies: what comes from another process holds a file open each.
        self._kept[octaves].append((octaves, pictures.clone(), coarse.clone()))
        self.made += 1

    @property
    def enough(self) -> bool:
        return self.made >= _ENOUGH

    def take(self, rng: Random, count: int, device: torch.device) -> Windows:
        """A batch of about ``count`` windows of one number of octaves, perhaps mirrored."""
        there = [octaves for octaves, kept in self._kept.items() if kept]
        shares = np.array([DEPTHS[octaves].share for octaves in there])
        octaves = int(rng.choice(there, p=shares / shares.sum()))
        kept = self._kept[octaves]
        each = max(1, count // _COMPOSITES)
        pictures, coarse = [], []
        for one in rng.integers(len(kept), size=min(count, _COMPOSITES)):
            _, of_one, told = kept[int(one)]
            picks = torch.from_numpy(rng.integers(len(of_one), size=each))
            pictures.append(of_one[picks])
            coarse.append(told[picks])
        sides = [side for side in (-1, -2) if rng.random() < 0.5]
        return octaves, _flipped(pictures, sides, device), _flipped(coarse, sides, device)


def _flipped(parts: list[Tensor], sides: list[int], device: torch.device) -> Tensor:
    return torch.cat(parts).to(device).flip(sides)


def refine(setup: TrainSetup, say: Callable[[str], None] = print) -> None:
    """Train the refiner of the weights ``setup.init`` until ``setup.steps`` or ``setup.minutes`` are used up or
    SIGTERM comes; goes on from the checkpoint in ``setup.out``. Raises ``ValueError`` without ``init``."""
    if setup.init is None:
        raise ValueError("a refiner is trained for the coarse stage of given weights: name them")
    setup.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(setup.threads)
    trainer = Trainer(setup, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    trainer.net.coarse.requires_grad_(False)
    seed = setup.seed * 1_000_003 + trainer.step
    rng, pool = np.random.default_rng(seed), Pool()
    with _making(setup, setup.init, seed) as windows:
        while not pool.enough:
            pool.add(windows.get(timeout=600))
        run = Run(trainer, say)
        while run.on:
            while not windows.empty():
                pool.add(windows.get())
            batch = pool.take(rng, setup.batch, trainer.device)
            run.stepped(trainer.learn(window_losses(trainer.net, batch)), pool.made)
        run.ended()
