"""The training loop. It resumes from its checkpoint, and averaged weights are ready at any time."""

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
from threading import Event

import numpy as np
import torch
import torch.multiprocessing as mp
from safetensors.torch import save_file
from torch import Tensor, nn

from ..learning.losses import training_losses
from ..models.networks.cleanplate import CleanplateNet
from .composite import Faults
from .grow import grown_from
from .ring import INBOX, Ring, SynthesisSetup, make_forever

OCTAVE_SHARES = (0.35, 0.5, 0.15)
"""How often the coarse stage sees a composite at its full size, a half and a quarter of it. In production it sees
frames of 256 to 512 pixels, where a close subject is far larger than in a halved composite."""
WHOLE_SHARE = 0.375
"""The share of a batch in a step that trains the coarse stage alone, at the composites' full size."""


@dataclass(frozen=True)
class TrainSetup:
    """One training run. ``size`` is height x width of the composites, multiples of 32."""

    bank: Path
    renders: Path | None
    out: Path
    init: Path | None = None
    """Weights to start from where ``out`` has no checkpoint: of this network or of a narrower one."""
    size: tuple[int, int] = (288, 384)
    batch: int = 8
    slots: int = 800
    learning_rate: float = 1e-3
    decay_steps: float = 20_000
    """The learning rate falls as 1 / (1 + step / decay_steps), so that the weights are good at any time."""
    steps: int = 1_000_000
    minutes: float = math.inf
    """If finite, the learning rate falls along a cosine instead and reaches 0 at this time."""
    makers: int = 1
    gpu_makers: int = 0
    """How many of the makers compose on the GPU."""
    threads: int = 1
    """Threads of the loop itself. On shared cores one is fastest: two wait for each other at every layer."""
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
    """The same composites at random mirrored, with colour channels exchanged, and each with its own exposure."""
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
    """Run the maker processes that fill ``ring`` while the context is open."""
    context = mp.get_context("spawn")
    stop = context.Event()
    inbox = torch.cuda.is_available()
    synthesis = SynthesisSetup(
        bank=setup.bank,
        renders=setup.renders,
        size=setup.size,
        seed=seed,
        faults=setup.faults,
        makers=setup.makers,
        on_gpu=setup.gpu_makers,
        inbox=inbox,
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
    """Write averaged weights as safetensors, under a temporary name until complete."""
    part = path.with_suffix(".part")
    tensors = {name: value.contiguous().cpu() for name, value in state.items() if "num_batches" not in name}
    save_file(tensors, part, metadata={"step": str(step), "licence": "Apache-2.0"})
    part.replace(path)


class Trainer:
    """The network, optimiser, average and checkpoint of one run."""

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
        """Write checkpoint and averaged weights, each under a temporary name until complete."""
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
        """Take one optimiser step; returns the losses as tensors on the device."""
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


def train(setup: TrainSetup, on_progress: Callable[[str], None] = print) -> None:
    """Train until ``steps`` or ``minutes`` are used up or SIGTERM arrives; resumes from the checkpoint in
    ``setup.out``. ``on_progress`` gets a line of JSON every 100 steps."""
    setup.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(setup.threads)
    trainer = Trainer(setup, device)
    seed = setup.seed * 1_000_003 + trainer.step
    ring = Ring.create(setup.slots, setup.size, device)
    inbox = Ring.create(INBOX * setup.makers, setup.size, torch.device("cpu")) if device.type == "cuda" else ring
    with running_makers(inbox, setup, seed):
        _loop(trainer, ring, inbox, seed, on_progress)


def _gather(ring: Ring, inbox: Ring) -> None:
    """Move composites from the inbox to the ring; waits until the ring holds enough to train on."""
    if inbox is ring:
        return
    ring.absorb(inbox, 24)
    while int(ring.ready.sum()) < min(512, len(ring.ready)):
        time.sleep(0.01)
        ring.absorb(inbox, 64)


class ProgressLog:
    """Means of the losses since the last row, written to ``log.jsonl`` every 100 steps or once a minute."""

    def __init__(self, file: Path, on_progress: Callable[[str], None]) -> None:
        self._file, self._on_progress = file, on_progress
        self._sums: dict[str, Tensor] = {}
        self._since, self._last = 0, time.monotonic()

    def add(self, parts: dict[str, Tensor], trainer: Trainer, made: int) -> None:
        """Count one step's losses; writes a row where one is due."""
        self._since += 1
        for name, value in parts.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        if trainer.step % 100 and time.monotonic() - self._last <= 60:
            return
        row = {"step": trainer.step, "seconds": round(trainer.seconds, 1), "made": made}
        row |= {name: round(float(value) / self._since, 5) for name, value in self._sums.items()}
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._on_progress(json.dumps(row))
        self._sums, self._since, self._last = {}, 0, time.monotonic()


@contextmanager
def _stop_requests() -> Iterator[Event]:
    """An event that SIGTERM sets while the context is open."""
    stopping = Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)


def _loop(trainer: Trainer, ring: Ring, inbox: Ring, seed: int, on_progress: Callable[[str], None]) -> None:
    setup = trainer.setup
    rng = np.random.default_rng(seed)
    generator = torch.Generator(trainer.device).manual_seed(seed & 0x7FFFFFFF)
    log = ProgressLog(setup.out / "log.jsonl", on_progress)
    last = last_save = time.monotonic()
    with _stop_requests() as stopping:
        while not stopping.is_set() and trainer.step < setup.steps and trainer.seconds < setup.minutes * 60:
            _gather(ring, inbox)
            parts = trainer.train_step(*_next_batch(ring, rng, setup.batch), generator)
            now = time.monotonic()
            trainer.seconds, last = trainer.seconds + now - last, now
            log.add(parts, trainer, int(ring.counters[0]))
            if now - last_save > setup.checkpoint_minutes * 60:
                trainer.save()
                last_save = now
    trainer.save()
    on_progress(f"stopped at step {trainer.step} in process {os.getpid()}")


def _next_batch(ring: Ring, rng: np.random.Generator, count: int) -> tuple[dict[str, Tensor], int]:
    """A batch, and how many octaves the coarse stage works below its resolution."""
    batch = augmented(ring.take(rng, count), rng)
    octaves = int(rng.choice([0, 1, 2], p=OCTAVE_SHARES))
    if octaves == 0:
        batch = {name: value[: math.ceil(WHOLE_SHARE * count)] for name, value in batch.items()}
    return batch, octaves
