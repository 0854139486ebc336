"""The training loop. It resumes from its checkpoint, and averaged weights are ready at any time."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import cast

import numpy as np
import torch
import torch.multiprocessing as mp
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..learning.losses import Losses, training_losses
from ..models.architectures import without_batch_counters
from ..models.networks.cleanplate import LAYOUTS, LIGHT, CleanplateNet, NetworkLayout
from ..pixels.device_facts import has_bfloat16
from .composite import Faults
from .grow import grown_from
from .joint import joint_losses
from .ledger import write_record
from .parts import save_parts
from .progress_log import ProgressLog
from .ring import INBOX, Ring, SynthesisSetup, make_forever
from .validation import SEED as VALIDATION_SEED
from .validation import Validation

_ERROR = "validation"
"""What the error on the held-out composites is called in logs and headers."""
JOINT = 0
"""Stands for both looks together (:mod:`joint`) where other steps have a number of octaves."""
STEP_SHARES = {JOINT: 0.5, 1: 0.44, 2: 0.06}
"""How often a step takes both looks, the second at the composites' full size, and how often one look, which sees
them at a half or a quarter of that, and the octaves from there. In production the first look sees frames of 256 to
512 pixels, the second of 512 to 1024."""
JOINT_SHARE = 0.5
"""The share of a batch in a step that takes both looks."""
LOG = "log.jsonl"


@dataclass(frozen=True)
class TrainSetup:
    """One training run. ``size`` is height x width of the composites, multiples of 32."""

    bank: Path
    renders: Path | None
    out: Path
    pairs: Path | None = None
    """Rendered pairs of plate and clean plate (:mod:`tabletop`); may still be growing."""
    init: Path | None = None
    """Weights to start from where ``out`` has no checkpoint: a file, or a folder of parts (:mod:`parts`), of this
    layout or of a smaller network."""
    layout: NetworkLayout = LIGHT
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
    call_minutes: float = math.inf
    """The loop ends after this time, with a checkpoint; ``minutes`` counts over all calls."""
    frozen_statistics: bool = False
    """Batch statistics stay as they are: for fine-tuning with small batches."""
    only: str = ""
    """Train only the parameters whose names begin with this."""
    validation: int = 0
    """Held-out composites to choose the best averaged weights by; an even number, 0 to keep the last."""
    hold: bool = False
    """Errors above those of the weights in ``init`` count twice: for fine-tuning on new kinds."""
    home: Path | None = None
    """A folder that gets the best averaged weights in parts at every checkpoint."""


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
def running_makers(ring: Ring, setup: TrainSetup, seed: int, held_out: Ring | None) -> Iterator[None]:
    """Run the maker processes that fill ``ring``, and once ``held_out``, while the context is open."""
    context = mp.get_context("spawn")
    stop = context.Event()
    inbox = torch.cuda.is_available()
    synthesis = SynthesisSetup(
        bank=setup.bank,
        renders=setup.renders,
        pairs=setup.pairs,
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
    if held_out is not None:
        once = replace(synthesis, seed=VALIDATION_SEED, makers=1, on_gpu=0, inbox=True)
        makers.append(context.Process(target=make_forever, args=(held_out, once, 0, stop), daemon=True))
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


def save_weights(state: dict[str, Tensor], path: Path, step: int, facts: Mapping[str, float] | None = None) -> None:
    """Write averaged weights as safetensors, under a temporary name until complete, ``facts`` into the header."""
    part = path.with_suffix(".part")
    tensors = {name: value.contiguous().cpu() for name, value in without_batch_counters(state).items()}
    written = {"step": step, "licence": "Apache-2.0", **(facts or {})}
    save_file(tensors, part, metadata={name: str(value) for name, value in written.items()})
    part.replace(path)


def _error_of(weights: Path) -> float:
    """The error on the held-out composites that a file of weights names; infinite where it names none."""
    if not weights.exists():
        return math.inf
    with safe_open(weights, "pt") as file:
        return float((file.metadata() or {}).get(_ERROR, math.inf))


def freeze_statistics(net: nn.Module) -> None:
    """Batch normalisation uses its running statistics and keeps them; everything else stays in training mode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class Trainer:
    """The network, optimiser, average and checkpoint of one run."""

    def __init__(self, setup: TrainSetup, device: torch.device) -> None:
        torch.manual_seed(setup.seed)
        self.setup, self.device = setup, device
        self.net = CleanplateNet(setup.layout).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, weight in self.net.named_parameters():
            weight.requires_grad_(name.startswith(setup.only))
        if setup.frozen_statistics:
            freeze_statistics(self.net)
        self.optimiser = torch.optim.AdamW(
            [weight for weight in self.net.parameters() if weight.requires_grad],
            lr=setup.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=1e-4,
            fused=device.type == "cuda",
        )
        self.average = Average(self.net)
        self.earlier = self._earlier()
        self.step = 0
        self.seconds = 0.0
        self.best = math.inf
        self.checkpoint = setup.out / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()
        elif setup.init is not None:
            self.net.load_state_dict(grown_from(setup.init, setup.layout).state_dict())
            self.average = Average(self.net)

    def _earlier(self) -> CleanplateNet | None:
        """The network as ``init`` holds it, to compare with; None unless the setup says ``hold``."""
        if not self.setup.hold:
            return None
        if self.setup.init is None:
            raise ValueError("--hold compares with the weights of --init, which is missing")
        net = grown_from(self.setup.init, self.setup.layout).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cast(CleanplateNet, net.eval().requires_grad_(False))

    @property
    def _best_weights(self) -> Path:
        return self.setup.out / "best.safetensors"

    def _resume(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.average.state = saved["average"]
        self.best = _error_of(self._best_weights)
        self.step, self.seconds = int(saved["step"]), float(saved["seconds"])

    def save(self, validation: Validation | None) -> dict[str, float]:
        """Write checkpoint and averaged weights, each under a temporary name until complete; the weights also to
        ``home`` where they are the best of the run. Returns their error on the held-out composites, if any."""
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
        if validation is None or not validation.ready:
            found: dict[str, float] = {}
        else:
            found = {_ERROR: round(validation.error(self.average.state), 4)}
            if found[_ERROR] >= self.best:
                return found
            self.best = found[_ERROR]
        self._bring_home(found)
        return found

    def _bring_home(self, found: dict[str, float]) -> None:
        save_weights(self.average.state, self._best_weights, self.step, found)
        if self.setup.home is not None:
            facts = {"step": self.step, "licence": "Apache-2.0", **found}
            save_parts(
                without_batch_counters(self.average.state),
                self.setup.home,
                {name: str(value) for name, value in facts.items()},
            )
            write_record(self.setup.home, self._facts(found))
            log = self.setup.out / LOG
            if log.exists():
                shutil.copyfile(log, self.setup.home / LOG)

    def _facts(self, found: dict[str, float]) -> dict[str, str | int | float]:
        """The run's row of the ledger."""
        setup = self.setup
        height, width = setup.size
        return {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
            "layout": next(name for name, layout in LAYOUTS.items() if layout == setup.layout),
            "start": setup.init.name if setup.init else "random",
            "material": f"{setup.bank.name}, {setup.renders.name if setup.renders else 'no renders'}",
            "setting": f"{height}x{width}, {setup.batch} a step, rate {setup.learning_rate:g}",
            "steps": self.step,
            "minutes": round(self.seconds / 60, 1),
            "error": found.get(_ERROR, "not measured"),
        }

    @property
    def finished(self) -> bool:
        return self.step >= self.setup.steps or self.seconds >= self.setup.minutes * 60

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
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bfloat16(self.device)):
            losses = self._losses(batch, octaves, generator)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        self.average.update(self.net, self.step)
        return {**losses.parts, "norm": norm}

    def _losses(self, batch: dict[str, Tensor], octaves: int, generator: torch.Generator) -> Losses:
        if octaves == JOINT:
            return joint_losses(self.net, batch, self.earlier)
        return training_losses(self.net, batch, octaves, generator, self.earlier)


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
    held_out = Ring.create(setup.validation, setup.size, torch.device("cpu")) if setup.validation else None
    with running_makers(inbox, setup, seed, held_out):
        validation = None if held_out is None else Validation(trainer.net, held_out)
        _loop(trainer, ring, inbox, seed, validation, on_progress)


def _gather(ring: Ring, inbox: Ring) -> None:
    """Move composites from the inbox to the ring; waits until the ring holds enough to train on."""
    if inbox is ring:
        return
    ring.absorb(inbox, 24)
    while int(ring.ready.sum()) < min(512, len(ring.ready)):
        time.sleep(0.01)
        ring.absorb(inbox, 64)


@contextmanager
def _stop_requests() -> Iterator[Event]:
    """An event that SIGTERM sets while the context is open."""
    stopping = Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)


def _loop(
    trainer: Trainer,
    ring: Ring,
    inbox: Ring,
    seed: int,
    validation: Validation | None,
    on_progress: Callable[[str], None],
) -> None:
    setup = trainer.setup
    rng = np.random.default_rng(seed)
    generator = torch.Generator(trainer.device).manual_seed(seed & 0x7FFFFFFF)
    log = ProgressLog(setup.out / LOG, on_progress)
    began = last = last_save = time.monotonic()
    with _stop_requests() as stopping:
        while not (stopping.is_set() or trainer.finished or last - began > setup.call_minutes * 60):
            _gather(ring, inbox)
            parts = trainer.train_step(*_next_batch(ring, rng, setup.batch), generator)
            now = time.monotonic()
            trainer.seconds, last = trainer.seconds + now - last, now
            log.add(parts, trainer.step, trainer.seconds, int(ring.counters[0]))
            if now - last_save > setup.checkpoint_minutes * 60:
                log.note(trainer.save(validation))
                last_save = now
    found = trainer.save(validation)
    on_progress(json.dumps({"stopped at": trainer.step, "process": os.getpid(), **found}))


def _next_batch(ring: Ring, rng: np.random.Generator, count: int) -> tuple[dict[str, Tensor], int]:
    """A batch, and how many octaves one look works below its resolution, or ``JOINT``."""
    batch = augmented(ring.take(rng, count), rng)
    octaves = int(rng.choice(list(STEP_SHARES), p=list(STEP_SHARES.values())))
    if octaves == JOINT:
        batch = {name: value[: math.ceil(JOINT_SHARE * count)] for name, value in batch.items()}
    return batch, octaves
