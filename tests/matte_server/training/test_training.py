"""Material, composites, losses, the loop, packaging: each on a few small pictures."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import torch
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.exr import write_image
from matte_server.learning.losses import held_loss, training_losses
from matte_server.models.cleanplate import read_network
from matte_server.models.networks.cleanplate import DETAILED, LIGHT, CleanplateNet, NetworkLayout
from matte_server.training.__main__ import main
from matte_server.training.backgrounds import background
from matte_server.training.bank import Bank, read_render, renders
from matte_server.training.calm import calm
from matte_server.training.clean_plate import parallax
from matte_server.training.composite import MEASURED, Composite, Faults, compose, grade
from matte_server.training.procedural import Canvas, subject
from matte_server.training.random_fields import Dice
from matte_server.training.ring import Ring, SynthesisSetup, make_forever
from matte_server.training.scenes.props import build_prop
from matte_server.training.scenes.recipes import HELDOUT_HDRIS, Kind
from matte_server.training.train import JOINT, STEP_SHARES, Trainer, TrainSetup, _next_batch

SIZE = (96, 128)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of two procedural subjects and sets; there are no panoramas."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "hdri").mkdir()
    code = main(["fill", str(folder), "--hdri", str(folder / "hdri"), "--subjects", "2", "--sets", "2"])
    assert code == 0
    return folder


def composite(
    seed: int, subjects: int = 1, faults: Faults | None = None, size: tuple[int, int] = SIZE
) -> Composite:
    rng = np.random.default_rng(seed)
    layers = [torch.from_numpy(np.moveaxis(subject(rng, 96), -1, 0).copy()) for _ in range(subjects)]
    scene = torch.from_numpy(np.moveaxis(background(rng, [], *size), -1, 0).copy())
    dice = Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))
    return compose(dice, layers, scene, size, faults or Faults())


def test_the_same_seeds_give_the_same_composite() -> None:
    first, second = composite(5), composite(5)
    assert all(torch.equal(getattr(first, name), value) for name, value in vars(second).items())
    assert not torch.equal(first.plate, composite(6).plate)


@pytest.mark.parametrize("seed", range(8))
def test_composites_are_what_they_say(seed: int) -> None:
    sample = composite(seed)
    for name in ("plate", "clean", "foreground"):
        value = getattr(sample, name)
        assert value.shape == (3, *SIZE) and bool(torch.isfinite(value).all())
    for name in ("alpha", "coverage", "core", "holdout"):
        value = getattr(sample, name)
        assert value.shape == (1, *SIZE) and float(value.min()) >= 0 and float(value.max()) <= 1
    assert not bool((sample.core.bool() & (sample.alpha < 0.9)).any())
    assert not bool((sample.holdout.bool() & (sample.alpha > 0.1)).any())


def test_an_empty_frame_has_no_alpha() -> None:
    assert float(composite(3, subjects=0).alpha.max()) == 0.0


def test_blending_is_linear_unless_the_ablation_says_otherwise() -> None:
    """Where the subject covers all or nothing both ways agree; where it is partial they do not."""
    linear, video = composite(1), composite(1, faults=Faults(linear_light=False))
    assert torch.equal(linear.alpha, video.alpha)
    partial = ((linear.alpha > 0.2) & (linear.alpha < 0.8)).expand(3, -1, -1)
    difference = (linear.plate - video.plate).abs()
    assert bool(partial.any())
    assert float(difference[partial].mean()) > 10 * float(difference[~partial].mean())


def test_a_subject_in_the_colours_behind_it_may_be_darker() -> None:
    """In a set of one grey, a subject's light falls to 0.55 to 0.85 where it has the set's colours."""
    darker = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        layer = torch.from_numpy(np.moveaxis(subject(rng, 96), -1, 0).copy())
        scene = torch.full((3, *layer.shape[1:]), 0.3)
        lit, shaded = (
            grade(Dice(rng=np.random.default_rng(seed), noise=torch.Generator()), layer, scene, faults)
            for faults in (MEASURED, replace(MEASURED, shaded=1.0))
        )
        assert torch.equal(lit[3], shaded[3])
        left = (shaded[:3].sum(0) / lit[:3].sum(0).clamp_min(1e-6))[lit[3] > 0.5]
        # The darkest pixel: the part's border fades.
        assert 0.55 <= float(left.min()) <= 0.85 or torch.equal(lit, shaded)
        assert float(left.max()) <= 1 + 1e-6  # float32
        darker += int(not torch.equal(lit, shaded))
    # Two fifths of the subjects have the colours behind them, of 20 at least 3 in 99.6 % of cases.
    assert darker >= 3


def test_a_whole_subject_may_have_the_colour_of_its_set() -> None:
    """At least 0.6 of the way from its own colours to the set's; its dark side stays the darker one."""
    layer = torch.zeros(4, 24, 24)
    layer[:, 4:20, 4:20] = 1
    layer[:3] *= torch.tensor([0.2, 0.6, 0.6])[:, None, None] * torch.linspace(1, 2, 24)
    scene = torch.tensor([0.4, 0.2, 0.1])[:, None, None].expand(3, 24, 24)
    for seed in range(8):
        alone, alike = (
            grade(Dice(rng=np.random.default_rng(seed), noise=torch.Generator()), layer, scene, faults)
            for faults in (MEASURED, replace(MEASURED, alike=1.0))
        )
        assert torch.equal(alike[3], layer[3])
        red, left = ((each[0] / each[:3].sum(0))[8:16, 8:16] for each in (alone, alike))
        # Red is 4/7 of the set's light. At least 0.6 of the light is the set's, which is less of the hue where the
        # subject is the brighter: 0.75 is left of the difference in the worst of these seeds, 1.0 without.
        assert float(((4 / 7 - left) / (4 / 7 - red)).max()) < 0.8
        assert float(alike[:3, 8:16, 6].mean()) < float(alike[:3, 8:16, 17].mean())


def test_parallax_moves_a_part_of_the_set_by_up_to_five_pixels() -> None:
    for seed in range(8):
        dice = Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))
        reach = parallax(dice, (64, 96)).square().sum(0).sqrt()
        # Straight up a step is half as long.
        assert 0.75 <= float(reach.max()) <= 5
        assert float((reach == 0).float().mean()) > 0.1


def test_parallax_can_be_switched_on() -> None:
    """A shifted depth makes plate and clean plate of an empty frame less alike, and changes nothing else."""
    exact = replace(MEASURED, misalignment=0.0)
    for seed in range(20, 26):
        still, moved = (composite(seed, subjects=0, faults=replace(exact, parallax=share)) for share in (0.0, 1.0))
        assert not torch.equal(still.clean, moved.clean)
        assert torch.equal(still.alpha, moved.alpha)


def test_misalignment_can_be_switched_off() -> None:
    """The clean plate of an empty frame without misalignment is the plate but for light and noise: its edges stay
    where they are, so the two correlate better than with it."""

    def likeness(strength: float) -> float:
        values = []
        for seed in range(20, 32):
            sample = composite(seed, subjects=0, faults=Faults(misalignment=strength))
            pair = torch.stack([sample.plate.mean(0).flatten(), sample.clean.mean(0).flatten()])
            values.append(float(torch.corrcoef(pair)[0, 1]))
        return float(np.mean(values))

    assert likeness(0.0) > likeness(3.0)


@pytest.mark.parametrize("octaves", [0, 1, 2])
@pytest.mark.parametrize("layout", [LIGHT, DETAILED], ids=["light", "detailed"])
def test_every_weight_learns(octaves: int, layout: NetworkLayout) -> None:
    samples = [composite(seed, size=(192, 192)) for seed in (1, 2)]
    batch = {name: torch.stack([getattr(sample, name) for sample in samples]) for name in vars(samples[0])}
    net = CleanplateNet(layout)
    torch.nn.init.normal_(net.refiner.last.weight, 0, 0.01)  # starts as zero, which hides what is before it
    losses = training_losses(net, batch, octaves, torch.Generator().manual_seed(0))
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(losses.total))
    still = {name.split(".")[0] for name, weight in net.named_parameters() if weight.grad is None}
    assert still == (set() if octaves else {"refiner"})


def test_a_step_takes_both_looks_or_one(tmp_path: Path) -> None:
    batch = {name: value[None] for name, value in vars(composite(1, size=(192, 192))).items()}
    trainer = Trainer(TrainSetup(bank=tmp_path, renders=None, out=tmp_path), CPU)
    for octaves, has_both in ((JOINT, True), (1, False)):
        losses = trainer.train_step(batch, octaves, torch.Generator().manual_seed(0))
        assert ("joint" in losses, "octave fine" in losses) == (has_both, not has_both)


def test_a_step_of_both_looks_takes_half_of_the_composites() -> None:
    ring, rng = Ring.create(4, (8, 8), CPU), np.random.default_rng(1)
    ring.store.fill_(0.5)
    ring.ready.fill_(True)
    steps = [(octaves, len(batch["alpha"])) for batch, octaves in (_next_batch(ring, rng, 5) for _ in range(60))]
    assert set(steps) == {(octaves, 3 if octaves == JOINT else 5) for octaves in STEP_SHARES}


def test_only_errors_above_the_earlier_network_are_held() -> None:
    truth, trust = torch.tensor([[[[0.0, 0.5, 1.0, 1.0]]]]), torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    before = torch.tensor([[[[0.2, 0.5, 0.6, 1.0]]]])
    assert float(held_loss(truth, before, truth, trust)) == 0.0
    assert float(held_loss(before, before, truth, trust)) == 0.0
    worse = torch.tensor([[[[0.1, 0.2, 0.5, 0.0]]]])  # better, 0.3 worse, 0.1 worse, not trusted
    assert float(held_loss(worse, before, truth, trust)) == pytest.approx(0.4 / 4)


def test_a_run_that_holds_compares_with_its_start(tmp_path: Path) -> None:
    """The earlier network stays as it began, also when the run goes on from its checkpoint."""
    start = tmp_path / "start.safetensors"
    net = CleanplateNet()
    save_file({name: value for name, value in net.state_dict().items() if "num_batches" not in name}, start)
    setup = TrainSetup(bank=tmp_path, renders=None, out=tmp_path, init=start, hold=True)
    began = Trainer(setup, CPU)
    with torch.no_grad():
        began.net.coarse.head.weight.add_(1.0)
    began.save(None)
    trainer = Trainer(setup, CPU)
    assert trainer.earlier is not None
    name = "coarse.head.weight"
    earlier = trainer.earlier.state_dict()[name]
    assert torch.equal(earlier, load_file(start)[name])
    assert not torch.equal(earlier, trainer.net.state_dict()[name])
    with pytest.raises(ValueError, match="--init"):
        Trainer(TrainSetup(bank=tmp_path, renders=None, out=tmp_path / "new", hold=True), CPU)


def test_training_goes_on_where_it_stopped(bank_folder: Path, tmp_path: Path) -> None:
    """Two steps from given weights, two more from the checkpoint; the average is packaged and read again."""
    start = tmp_path / "start.safetensors"
    net = CleanplateNet()
    save_file({name: value for name, value in net.state_dict().items() if "num_batches" not in name}, start)
    run = tmp_path / "run"
    common = ["train", str(run), "--bank", str(bank_folder), "--batch", "2", "--slots", "4", "--size", "128x160"]
    assert main([*common, "--steps", "2", "--init", str(start)]) == 0
    first = load_file(run / "average.safetensors")
    assert main([*common, "--steps", "4"]) == 0
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 4
    name = "coarse.head.weight"
    origin = load_file(start)[name]
    # Four steps of a warm-up that reaches 1e-3 after 200: each moves a weight by at most about 2e-5.
    assert 0 < float((first[name] - origin).abs().max()) < 1e-3
    assert main(["package", str(run / "average.safetensors"), str(tmp_path / "shipped.safetensors")]) == 0
    shipped = read_network(tmp_path / "shipped.safetensors").state_dict()[name]
    # Half precision keeps 11 bits.
    assert torch.allclose(shipped.float(), load_file(run / "average.safetensors")[name], rtol=2**-10, atol=1e-6)


def test_packaged_weights_may_stay_nearer_to_their_start(tmp_path: Path) -> None:
    for name, value in (("start", 1.0), ("end", 2.0)):
        save_file({"a": torch.full((2, 2), value), "b": torch.full((3,), value)}, tmp_path / name)
    start = ["--start", str(tmp_path / "start"), "--share"]
    assert main(["package", str(tmp_path / "end"), str(tmp_path / "between"), *start, "0.25"]) == 0
    between = load_file(tmp_path / "between")
    assert torch.equal(between["a"], torch.full((2, 2), 1.25).half())
    assert torch.equal(between["b"], torch.full((3,), 1.25))
    # Installed with the mode it has here: whoever may read a new file may read it.
    (tmp_path / "plain").touch()
    assert (tmp_path / "between").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert main(["package", str(tmp_path / "end"), str(tmp_path / "beyond"), *start, "1.5"]) == 2
    save_file({"a": torch.ones(1)}, tmp_path / "start")
    assert main(["package", str(tmp_path / "end"), str(tmp_path / "other"), *start, "0.5"]) == 2
    assert not (tmp_path / "beyond").exists() and not (tmp_path / "other").exists()


def test_an_inbox_is_filled_and_emptied(bank_folder: Path) -> None:
    """Two makers as they run beside a GPU: what they compose reaches the ring, each picture in a slot of its own
    orientation, and their slots are free again."""
    context = mp.get_context("spawn")
    inbox, ring = Ring.create(4, SIZE, CPU), Ring.create(6, SIZE, CPU)
    setup = SynthesisSetup(
        bank=bank_folder,
        renders=None,
        pairs=None,
        size=SIZE,
        seed=7,
        faults=Faults(),
        makers=2,
        on_gpu=0,
        inbox=True,
    )
    stop = context.Event()
    makers = [context.Process(target=make_forever, args=(inbox, setup, n, stop), daemon=True) for n in range(2)]
    for maker in makers:
        maker.start()
    try:
        while ring.counters[0] < 12:  # pytest's own limit ends a test whose makers died
            ring.absorb(inbox, 3)
            time.sleep(0.01)
    finally:
        stop.set()
        for maker in makers:
            maker.join(20)
    assert bool(ring.ready.all())
    for odd, shape in enumerate((SIZE, SIZE[::-1])):
        # All three of an orientation: a single picture may be nearly flat, and which one lies where is chance.
        pictures = [ring.store[slot, :3] for slot in range(odd, 6, 2)]
        right, torn = (sum(_roughness(each.view(3, *sides)) for each in pictures) for sides in (shape, shape[::-1]))
        assert right < 0.8 * torn  # read with its sides exchanged, a picture is torn at every row


def _roughness(picture: torch.Tensor) -> float:
    return float((picture[:, 1:].float() - picture[:, :-1].float()).abs().clamp(max=1).mean())


def test_a_packed_render_is_the_render(tmp_path: Path) -> None:
    write_render(tmp_path / "exr", "train-disc-0", "train")
    assert main(["pack", str(tmp_path / "exr"), str(tmp_path / "packed")]) == 0
    (packed,), (whole,) = (list(renders(tmp_path / name, "train")) for name in ("packed", "exr"))
    # Half a step of 8 bits in alpha; in colour, stored as a square root, twice that.
    assert np.abs(read_render(packed) - read_render(whole)).max() < 1 / 255


@pytest.mark.parametrize("kind", ["furniture", "plant", "animal"])
def test_every_prop_has_parts(kind: Kind) -> None:
    """Twelve seeds reach each of the four pieces of furniture."""
    for seed in range(12):
        built = build_prop(kind, np.random.default_rng(seed))
        assert built.parts and all(np.isfinite(part.mesh.vertices).all() for part in built.parts)


def test_losses_are_drawn_as_curves(tmp_path: Path) -> None:
    rows = [{"step": 100 * n, "total": 0.5 / n, "coarse": 0.2 / n, "fine": 0.0} for n in range(1, 9)]
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["curves", str(tmp_path / "curves.png"), str(tmp_path)]) == 0
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None and len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def write_render(folder: Path, name: str, split: str, level: float = 0.4) -> None:
    """A disc of alpha 1 in grey, as scenes write a subject."""
    folder.mkdir(exist_ok=True)
    y, x = np.mgrid[0:80, 0:64].astype(np.float32)
    alpha = np.clip(25 - np.hypot(x - 32, y - 40), 0, 1)
    pixels = np.dstack([alpha * level] * 3 + [alpha]).astype(np.float32)
    window = Window(x=0, y=0, width=64, height=80)
    write_image(
        folder / f"{name}.exr",
        Image(
            pixels=pixels,
            channels=("R", "G", "B", "A"),
            data_window=window,
            display_window=window,
            premultiplied=True,
        ),
    )
    (folder / f"{name}.json").write_text(json.dumps({"split": split, "hard": ["a disc"]}))


def test_a_bank_takes_only_finished_training_renders(bank_folder: Path, tmp_path: Path) -> None:
    write_render(tmp_path, "a", "train")
    write_render(tmp_path, "b", "heldout")
    write_render(tmp_path, "c", "train")
    (tmp_path / "c.json").unlink()
    assert [path.stem for path in renders(tmp_path, "train")] == ["a"]
    bank = Bank(folder=bank_folder, render_folder=tmp_path, device=CPU)
    assert bank.refresh() == 5  # two subjects, two sets, one render
    assert bank.refresh() == 0
    write_render(tmp_path, "d", "train")
    assert bank.refresh() == 1 and len(bank.people) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="counts POSIX descriptors")
def test_a_bank_takes_all_kinds_however_many_there_are(tmp_path: Path) -> None:
    """And keeps none of their files open, of which a process may have 1,024."""
    (tmp_path / "kinds").mkdir()
    pixels = np.arange(24, dtype=np.float16).reshape(4, 3, 2)
    for number in range(1100):
        np.save(tmp_path / "kinds" / f"{number:05d}.npy", pixels + np.float16(number))
    np.save(tmp_path / "kinds" / "99999.npy", np.asfortranarray(pixels))
    open_before = psutil.Process().num_fds()
    bank = Bank(folder=tmp_path, render_folder=None, device=CPU)
    assert bank.refresh() == 1101 and bank.refresh() == 0
    assert psutil.Process().num_fds() < open_before + 50
    for number in (0, 699, 700, 1099):
        assert np.array_equal(bank.kinds[number].numpy(), pixels + np.float16(number))
    assert np.array_equal(bank.kinds[-1].numpy(), pixels)


def test_calm_keeps_alpha_and_takes_the_noise() -> None:
    rng = np.random.default_rng(0)
    alpha = np.zeros((64, 64, 1), np.float32)
    alpha[8:56, 8:56] = 1
    noisy = np.dstack([np.clip(0.3 + rng.normal(0, 0.1, (64, 64, 3)), 0, None) * alpha, alpha]).astype(np.float32)
    quiet = calm(noisy)
    assert np.array_equal(quiet[..., 3], noisy[..., 3])
    inside = (slice(12, 52), slice(12, 52), slice(0, 3))
    # A Gaussian of sigma 1.4 averages about 4 pi 1.4^2 = 25 pixels: a fifth of the noise.
    assert quiet[inside].std() < 0.35 * noisy[inside].std()
    assert abs(float(quiet[inside].mean() - noisy[inside].mean())) < 0.02


def test_the_benchmark_is_the_same_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Panoramas by the held-out names, one held-out render: twice the same figures."""
    folder, panoramas = tmp_path / "renders", tmp_path / "hdri"
    folder.mkdir()
    panoramas.mkdir()
    write_render(folder, "b", "heldout")
    rng = np.random.default_rng(1)
    picture = cv2.resize(rng.uniform(0.05, 1, (16, 32, 3)).astype(np.float32), (256, 128))
    for name in HELDOUT_HDRIS:
        assert cv2.imwrite(str(panoramas / f"{name}.hdr"), picture)
    reports = []
    for number in range(2):
        report = tmp_path / f"{number}.json"
        worst = tmp_path / "worst.png"
        arguments = [
            str(folder),
            "--hdri",
            str(panoramas),
            "--every",
            "40",
            "--size",
            "96x128",
            "--json",
            str(report),
            "--worst",
            str(worst),
        ]
        assert main(["benchmark", *arguments]) == 0
        facts = json.loads(report.read_text())
        reports.append({name: {**summary, "cpu_seconds": 0} for name, summary in facts.items()})
    assert reports[0] == reports[1]
    assert set(reports[0]) == {"cleanplate", "difference"}
    assert reports[0]["cleanplate"]["kinds"]["rendered person"]["mad"] > 0
    printed = capsys.readouterr().out
    assert "ratio" in printed and "| rendered person |" in printed
    looked_at = cv2.imread(str(tmp_path / "worst.png"))
    # --every 40 leaves stills 0 and 40: two rows of four pictures.
    assert looked_at is not None and looked_at.shape == (2 * 96, 4 * 128, 3)


def test_a_benchmark_without_renders_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", str(tmp_path), "--hdri", str(tmp_path)]) == 2
    assert "--split heldout" in capsys.readouterr().err


@pytest.mark.parametrize("place", [(0, 0), (0, 5), (63, 5), (63, 63)])
def test_a_shape_of_one_pixel_is_drawn(place: tuple[int, int]) -> None:
    """As of a limb that leaves the picture by a pixel."""
    canvas = Canvas(np.random.default_rng(1), 32)
    matte = np.zeros((64, 64), np.uint8)
    matte[place] = 255
    canvas.lay(matte)
    assert canvas.alpha[place] == 1.0 and canvas.alpha.sum() == 1.0
