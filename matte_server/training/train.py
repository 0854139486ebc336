"""The training loop: resumable, anytime (averaged weights are always ready), never waiting for data."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp
from safetensors.torch import save_file
from torch import Tensor, nn

from ..models.networks.cleanplate import CleanplateNet
from .composite import Faults
from .grow import grown_from
from .losses import training_losses
from .ring import INBOX, Ring, SynthesisSetup, make_forever

OCTAVE_SHARES = (0.35, 0.5, 0.15)
"""How often the coarse stage sees a picture at its own size, a half, a quarter of it: at work it sees frames of
256 to 512 pixels, in which a close subject is far larger than in the halves."""
WHOLE_SHARE = 0.375
"""Of a batch, what a step takes that trains the coarse stage alone, at the composites' own size."""


@dataclass(frozen=True)
class TrainSetup:
    """One training run. ``size`` is height x width of the composites, multiples of 32."""

    bank: Path
    renders: Path | None
    out: Path
    init: Path | None = None
    """Weights to start from where ``out`` has no checkpoint; of this network or of a narrower one."""
    size: tuple[int, int] = (288, 384)
    batch: int = 8
    slots: int = 800
    learning_rate: float = 1e-3
    decay_steps: float = 20_000
    """The learning rate falls as 1 / (1 + step / decay_steps): good weights at any time."""
    steps: int = 1_000_000
    minutes: float = math.inf
    """Where given, the learning rate falls along a cosine to nothing at this time instead."""
    makers: int = 1
    gpu_makers: int = 0
    """How many of the makers compose on the GPU."""
    threads: int = 1
    """Of the loop. On shared cores one is fastest by far: two wait for each other at every layer."""
    seed: int = 1
    checkpoint_minutes: float = 3.0
    faults: Faults = field(default_factory=Faults)


class Average:
    """An exponential moving average of every weight and statistic; counts stay as they were."""

    def __init__(self, net: nn.Module) -> None:
        self.state = {name: value.detach().clone() for name, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        keep = min(0.9985, (1 + step) / (20 + step))
        now = {name: value for name, value in net.state_dict().items() if value.is_floating_point()}
        torch._foreach_lerp_([self.state[name] for name in now], list(now.values()), 1 - keep)


def augmented(batch: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
    """The same composites mirrored, with colour channels exchanged and each under another exposure."""
    if rng.random() < 0.5:
        batch = {name: value.flip(-1) for name, value in batch.items()}
    order = rng.permutation(3).tolist() if rng.random() < 0.3 else [0, 1, 2]
    count = len(batch["alpha"])
    gain = torch.from_numpy(np.exp(rng.normal(0, 0.5, (count, 1, 1, 1))).astype(np.float32))
    gain = gain.to(batch["alpha"].device)
    return {
        name: value[:, order] * gain if name in ("plate", "clean", "foreground") else value
        for name, value in batch.items()
    }


@contextmanager
def running_makers(ring: Ring, setup: TrainSetup, seed: int) -> Iterator[None]:
    """Maker processes beside the loop that fill ``ring``, ended with it."""
    context = mp.get_context("spawn")
    stop = context.Event()
    inbox = torch.cuda.is_available()
    synthesis = SynthesisSetup(
        setup.bank, setup.renders, setup.size, seed, setup.faults, setup.makers, setup.gpu_makers, inbox
    )
    makers = [
        context.Process(target=make_forever, args=(ring, synthesis, n, stop), daemon=True)
        for n in range(setup.makers)
    ]
    for maker in makers:
        maker.start()
    try:
        while int(ring.ready.sum()) < min(64, len(ring.ready)):
            if not all(maker.is_alive() for maker in makers):
                raise RuntimeError("a maker of composites ended early; is the bank filled?")
            time.sleep(0.2)
        yield
    finally:
        stop.set()
        for maker in makers:
            maker.join(10)


def save_weights(state: dict[str, Tensor], path: Path, step: int) -> None:
    """Averaged weights as safetensors, moved into place whole."""
    part = path.with_suffix(".part")
    tensors = {name: value.contiguous().cpu() for name, value in state.items() if "num_batches" not in name}
    save_file(tensors, part, metadata={"step": str(step), "licence": "Apache-2.0"})
    part.replace(path)


class Trainer:
    """One run's network, optimiser and average, with their checkpoint."""

    def __init__(self, setup: TrainSetup, device: torch.device) -> None:
        torch.manual_seed(setup.seed)
        self.setup, self.device = setup, device
        self.net = CleanplateNet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(),
            lr=setup.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=1e-4,
            fused=device.type == "cuda",
        )
        self.average = Average(self.net)
        self.step = 0
        self.seconds = 0.0
        self.checkpoint = setup.out / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()
        elif setup.init is not None:
            self.net.load_state_dict(grown_from(setup.init).state_dict())
            self.average = Average(self.net)

    def _resume(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.average.state = saved["average"]
        self.step, self.seconds = int(saved["step"]), float(saved["seconds"])

    def save(self) -> None:
        """Checkpoint and averaged weights, each moved into place whole."""
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": self.average.state,
                "step": self.step,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(self.checkpoint)
        save_weights(self.average.state, self.setup.out / "average.safetensors", self.step)

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 200)
        if math.isfinite(self.setup.minutes):
            done = min(1.0, self.seconds / (60 * self.setup.minutes))
            return self.setup.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * done))
        return self.setup.learning_rate * warm / (1 + self.step / self.setup.decay_steps)

    def train_step(self, batch: dict[str, Tensor], octaves: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of the optimiser; returns the losses, still on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = training_losses(self.net, batch, octaves, generator)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        self.average.update(self.net, self.step)
        return {**losses.parts, "norm": norm}


def train(setup: TrainSetup, say: Callable[[str], None] = print) -> None:
    """Train until ``steps`` or ``minutes`` are used up or SIGTERM comes; goes on from the checkpoint in
    ``setup.out``."""
    setup.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(setup.threads)
    trainer = Trainer(setup, device)
    seed = setup.seed * 1_000_003 + trainer.step
    ring = Ring.create(setup.slots, setup.size, device)
    inbox = Ring.create(INBOX * setup.makers, setup.size, torch.device("cpu")) if device.type == "cuda" else ring
    with running_makers(inbox, setup, seed):
        _loop(trainer, ring, inbox, seed, say)


def _gather(ring: Ring, inbox: Ring) -> None:
    """Composites out of the inbox; waits until the ring has some to train on."""
    if inbox is ring:
        return
    ring.absorb(inbox, 24)
    while int(ring.ready.sum()) < min(512, len(ring.ready)):
        time.sleep(0.01)
        ring.absorb(inbox, 64)


def _loop(trainer: Trainer, ring: Ring, inbox: Ring, seed: int, say: Callable[[str], None]) -> None:
    setup = trainer.setup
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    rng = np.random.default_rng(seed)
    generator = torch.Generator(trainer.device).manual_seed(seed & 0x7FFFFFFF)
    last = last_save = last_log = time.monotonic()
    sums: dict[str, Tensor] = {}
    since = 0
    while not stopping and trainer.step < setup.steps and trainer.seconds < setup.minutes * 60:
        _gather(ring, inbox)
        batch = augmented(ring.take(rng, setup.batch), rng)
        octaves = int(rng.choice([0, 1, 2], p=OCTAVE_SHARES))
        if octaves == 0:
            batch = {name: value[: math.ceil(WHOLE_SHARE * setup.batch)] for name, value in batch.items()}
        parts = trainer.train_step(batch, octaves, generator)
        now = time.monotonic()
        trainer.seconds, last = trainer.seconds + now - last, now
        since += 1
        for name, value in parts.items():
            sums[name] = sums[name] + value if name in sums else value
        if trainer.step % 100 == 0 or now - last_log > 60:
            row = {"step": trainer.step, "seconds": round(trainer.seconds, 1), "made": int(ring.counters[0])}
            row |= {name: round(float(value) / since, 5) for name, value in sums.items()}
            with (setup.out / "log.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            say(json.dumps(row))
            sums, since, last_log = {}, 0, now
        if now - last_save > setup.checkpoint_minutes * 60:
            trainer.save()
            last_save = now
    trainer.save()
    say(f"stopped at step {trainer.step} in process {os.getpid()}")
