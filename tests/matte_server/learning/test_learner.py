"""Learning a tiny shot: steps, measuring, going on, and refusing to be worse."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from matte_server.errors import MatteError
from matte_server.learning.examples import LearningExample
from matte_server.learning.learned_file import checkpoint_bytes, checkpoint_state, learned_bytes
from matte_server.learning.learner import ShotLearner
from matte_server.learning.measurement import probes_of
from matte_server.learning.networks import LearnableCleanplate
from matte_server.learning.settings import LearningProgress, LearningSettings
from matte_server.models.cleanplate import load_network, read_network
from matte_server.models.learned import LearnedFacts, learned_facts
from tests.matte_server.learning.test_composites import CPU, made


class Cancelled(Exception):
    """Raised by a check."""


def learner(examples: list[LearningExample], steps: int = 8, rate: float = 3e-4) -> ShotLearner:
    torch.manual_seed(0)
    network = LearnableCleanplate(load_network(""), CPU)
    return ShotLearner(network, examples, LearningSettings(steps=steps, rate=rate), CPU)


def run(learning: ShotLearner, stop_at: int = -1) -> list[LearningProgress]:
    seen: list[LearningProgress] = []

    def check() -> None:
        if learning.step == stop_at:
            raise Cancelled

    while not learning.is_finished:
        seen.append(learning.advance(check))
    return seen


def half_there(example: LearningExample) -> LearningExample:
    """The same frame with a matte that no network would give: whoever paints it wants it."""
    return LearningExample(**{**vars(example), "alpha": example.alpha * 0.5})


def test_it_learns_what_a_person_painted_and_measures_on_what_it_did_not_see() -> None:
    learning = learner([half_there(made())], steps=30, rate=1e-3)
    seen = run(learning)
    # Each measurement is a piece of work of its own: before the first step, after every 7, and after the last.
    steps = [progress.step for progress in seen]
    assert steps == sorted([0, *range(1, 31), 7, 14, 21, 28, 30])
    assert learning.first_error is not None and learning.best_error is not None
    # Half of the error goes in 30 steps; a tenth is demanded.
    assert learning.best_error < 0.9 * learning.first_error
    assert learning.has_gained and learning.is_finished
    assert seen[-1].error == learning.errors[-1] and seen[0].error == learning.first_error


def test_nothing_gained_is_said_and_the_weights_stay() -> None:
    learning = learner([made()], steps=3, rate=0.0)
    run(learning)
    assert not learning.has_gained
    before = load_network("").state_dict()
    assert all(torch.equal(value, before[name]) for name, value in learning.best_weights().items() if value.ndim)


def test_more_must_be_gained_where_nobody_vouches_for_a_matte() -> None:
    by_a_person, by_the_model = learner([made()]), learner([made(is_truth=False)])
    for error, has_gained in ((0.0985, (False, False)), (0.096, (True, False)), (0.0945, (True, True))):
        by_a_person.errors = by_the_model.errors = [0.1, error]
        assert (by_a_person.has_gained, by_the_model.has_gained) == has_gained


def test_without_true_mattes_ever_denser_subjects_are_measured_on() -> None:
    thin = torch.full_like(made().alpha, 0.25)
    probes = probes_of([replace(made(is_truth=False), alpha=thin)], 0, CPU)
    found = [float(probe["alpha"].max()) for probe in probes]
    assert found == pytest.approx([1 - 0.75 * (1 - alpha) for alpha in (0.25, 0.3, 0.35)])


def test_without_true_mattes_nothing_is_measured_until_the_steps_are_small() -> None:
    for is_truth, first in ((True, 10), (False, 30)):
        learning = learner([made(is_truth=is_truth)], steps=40)
        learning.errors = [0.1]
        for step, is_due in ((first - 1, False), (first, True)):
            learning.step = step
            assert learning._is_measurement_due == is_due


def test_it_goes_on_from_a_checkpoint_as_if_it_had_never_stopped() -> None:
    examples = [made(), made(frame=2, is_truth=False)]
    whole = learner(examples, steps=4)
    run(whole)
    stopped = learner(examples, steps=4)
    with pytest.raises(Cancelled):
        run(stopped, stop_at=2)
    data = checkpoint_bytes(stopped.state(), "these pictures")
    assert checkpoint_state(data, "other pictures") is None
    for damaged in (b"", b"1", data[:1000], data[:-1]):
        assert checkpoint_state(damaged, "these pictures") is None
    state = checkpoint_state(data, "these pictures")
    assert state is not None and state.step == 2
    again = learner(examples, steps=4)
    again.resume(state)
    run(again)
    assert again.errors == whole.errors
    found, wanted = again.state().tensors, whole.state().tensors
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_steps_that_make_it_worse_are_undone_and_smaller_ones_follow() -> None:
    # No network survives a rate of 3: the first measurement after the start is far worse.
    learning = learner([made()], steps=8, rate=3.0)
    start = learning.state().tensors
    while len(learning.errors) < 2:
        learning.advance(lambda: None)
    assert learning.errors[1] > learning.errors[0]
    assert all(torch.equal(value, start[name]) for name, value in learning.state().tensors.items())
    assert learning._rate() == pytest.approx(0.3 * 3.0 * (3 / 20) * 0.5 * (1 + math.cos(math.pi * 2 / 8)))
    run(learning)
    assert not learning.has_gained
    assert all(torch.equal(value, start[f"best.{name}"]) for name, value in learning.best_weights().items())


def test_batch_statistics_stay_as_they_were() -> None:
    learning = learner([made()], steps=2)
    run(learning)
    before, after = load_network("").state_dict(), learning.state().tensors
    statistics = [name for name in before if "running" in name]
    assert statistics and all(torch.equal(before[name], after[f"net.{name}"]) for name in statistics)
    assert any(
        not torch.equal(before[name], after[f"net.{name}"]) for name in before if name.endswith("conv.weight")
    )


def test_a_run_that_gains_nothing_more_ends_early() -> None:
    learning = learner([made()], steps=1000)
    learning.step = 5 * LearningSettings(steps=1000).measure_every
    learning.errors = [0.1, 0.05, 0.05, 0.0499, 0.05, 0.05]
    assert learning.is_finished
    learning.errors = [0.1, 0.05, 0.05, 0.0499, 0.05, 0.049]
    assert not learning.is_finished


def test_learned_weights_say_what_they_were_made_from(tmp_path: Path) -> None:
    facts = LearnedFacts(
        model="cleanplate", base="ab", licence="Apache-2.0", version="1", frames=(1, 9), true_frames=(9,),
        inputs="cd", steps=4, seed=1, first_error=0.02, error=0.01,
    )  # fmt: skip
    path = tmp_path / "shot.learned"
    path.write_bytes(learned_bytes(load_network("").state_dict(), facts))
    found = learned_facts(path)
    assert found == facts
    # The packaged weights are in half precision too: nothing may change.
    before = load_network("").state_dict()
    assert all(torch.equal(value, before[name]) for name, value in read_network(path).state_dict().items())
    changed = bytearray(path.read_bytes())
    changed[-100] ^= 1
    path.write_bytes(changed)
    with pytest.raises(MatteError, match="is damaged: its weights are not those that were learned"):
        read_network(path)
    (tmp_path / "other.learned").write_bytes(b"nothing of the kind")
    assert learned_facts(tmp_path / "other.learned") is None
