"""What is written for a farm, before any farm reads it."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from matte_server.cli import main as cli
from matte_server.errors import MatteError
from matte_server.farm import opencue, openjd
from matte_server.farm.farm_job import FarmJob, FarmPlan, PathWord, blender_job, nuke_job, task_words, write_job
from matte_server.shots.arguments import PATH, ShotArgument
from matte_server.shots.named_paths import named_path, written_name
from matte_server.shots.solve_file import FORMAT, FORMAT_VERSION

from .conftest import FIRST, FRAMES, FarmShot, cleanplate


def test_a_bundle_names_every_file_it_needs(bundle: Callable[..., Path], shot: FarmShot) -> None:
    folder = bundle("openjd", "named")
    assets = yaml.safe_load((folder / "asset_references.yaml").read_text())["assetReferences"]
    plates = [str(shot.folder / f"plate.{FIRST + number}.exr") for number in range(FRAMES)]
    assert assets["inputs"]["filenames"] == [shot.clean, *plates]
    assert assets["outputs"]["directories"] == [str(shot.folder / "named")]
    template = yaml.safe_load((folder / "template.yaml").read_text())
    values = yaml.safe_load((folder / "parameter_values.yaml").read_text())["parameterValues"]
    assert {value["name"] for value in values} == {each["name"] for each in template["parameterDefinitions"]}
    assert {value["name"]: value["value"] for value in values} == yaml.safe_load(
        (folder / "openjd_parameters.yaml").read_text()
    )


@pytest.mark.parametrize("more", [(), ("--weights", "own.safetensors")])
def test_a_job_is_named_after_the_folder_of_its_plate_and_result(
    bundle: Callable[..., Path],
    shot: FarmShot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    folder = bundle("openjd", "named", *more)
    values = yaml.safe_load((folder / "openjd_parameters.yaml").read_text())
    assert values["JobName"] == f"{shot.folder.name} plate"


def test_a_part_of_a_shot_also_names_what_its_plate_solve_reads(
    bundle: Callable[..., Path], shot: FarmShot
) -> None:
    """Frames sampled from the whole shot decide how the camera moves, so a farm must bring them to its workers."""
    folder = bundle("openjd", "part", "--frames", f"{FIRST}")
    assets = yaml.safe_load((folder / "asset_references.yaml").read_text())["assetReferences"]
    named = [Path(name).name for name in assets["inputs"]["filenames"]]
    # 7 of the 8 frames are sampled, all but 1004; the two beside the wanted one are among them.
    assert named == ["clean.exr", *(f"plate.{FIRST + n}.exr" for n in range(FRAMES) if n != 3)]


_OCIO = """ocio_profile_version: 2
search_path: luts
roles: {default: lin_rec709, scene_linear: lin_rec709}
file_rules: [!<Rule> {name: Default, colorspace: default}]
displays: {s: [!<View> {name: v, colorspace: lin_rec709}]}
colorspaces:
  - !<ColorSpace> {name: lin_rec709, isdata: false}
  - !<ColorSpace> {name: show, to_scene_reference: !<FileTransform> {src: look.cube}}
"""


def test_configs_luts_and_weights_travel_with_the_job(
    bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "look.cube").write_text("cube")
    config, weights = tmp_path / "show.ocio", tmp_path / "own.safetensors"
    config.write_text(_OCIO)
    weights.write_bytes(b"weights")
    monkeypatch.setenv("OCIO", str(config))
    folder = bundle("openjd", "travels", "--weights", str(weights), "--colourspace", "linear")
    assets = yaml.safe_load((folder / "asset_references.yaml").read_text())["assetReferences"]
    assert {str(config), str(weights), str(tmp_path / "luts/look.cube")} <= set(assets["inputs"]["filenames"])
    values = yaml.safe_load((folder / "openjd_parameters.yaml").read_text())
    assert (values["OcioConfig"], values["Weights"]) == (str(config), str(weights))
    step = yaml.safe_load((folder / "template.yaml").read_text())["steps"][0]
    task = step["script"]["actions"]["onRun"]["args"]
    assert task[task.index("--ocio-config") + 1] == "{{Param.OcioConfig}}"
    # The session's server may read them, and nothing else.
    start = step["stepEnvironments"][0]["script"]["actions"]["onEnter"]["args"]
    assert start[-4:] == ["--read", "{{Param.Weights}}", "--read", "{{Param.OcioConfig}}"]
    assert str(tmp_path) not in task[task.index("--options") + 1]


def test_a_given_plate_solve_needs_no_other_frames(
    bundle: Callable[..., Path], shot: FarmShot, tmp_path: Path
) -> None:
    solve = tmp_path / "given.json"
    solve.write_text(f'{{"format": "{FORMAT}", "version": {FORMAT_VERSION}, "frames": {{}}}}')
    folder = bundle("openjd", "solved", "--frames", f"{FIRST}", "--solve", str(solve))
    assets = yaml.safe_load((folder / "asset_references.yaml").read_text())["assetReferences"]
    named = {Path(name).name for name in assets["inputs"]["filenames"]}
    assert named == {"clean.exr", "given.json", f"plate.{FIRST}.exr"}


def test_a_parameters_description_has_its_default_filled_in() -> None:
    """argparse fills in %(default)s; a farm shows the text as it is."""
    argument = ShotArgument(
        name="lut", kind=PATH, help="100 %% of it (default: %(default)s)", flags=("--lut",), default="none",
        parameter="Lut",
    )  # fmt: skip
    [_, word] = task_words(argument, "/a/b.cube")
    assert word == PathWord(name="Lut", path="/a/b.cube", help="100 % of it (default: none).")


def test_a_bundle_is_never_overwritten(bundle: Callable[..., Path], shot: FarmShot) -> None:
    folder = bundle("openjd", "twice")
    before = (folder / "template.yaml").read_bytes()
    said = cleanplate("farm", "openjd", "shot", shot.plate, "--clean", shot.clean, "-o", shot.output("twice"),
                      "--bundle", str(folder), ok=False)  # fmt: skip
    assert "exists already" in said
    assert (folder / "template.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--frames", "1-3"), "do not exist; nothing was started"),
        (("--frames", "9-1"), "runs backwards"),
        (("--chunk", "0"), "'0' is not a whole number, 1 or more"),
        (("--erode", "1000"), "erode must lie"),
        (("--layer", "{{x}}"), "cannot stand in a job template"),
        (("--name", "two\nlines"), "'two lines' cannot name a farm's job"),
        (("--name", "n" * 129), "cannot name a farm's job"),
        (("--name", "../../sessions"), "cannot name a farm's job"),
        # The first task made the video of its own frames, and every other failed.
        (("-o", "m.mov", "--chunk", "3"), "m.mov is one video of 8 frames, and each task makes 3 of them. Name"),
        (("-o", "/" + "deep/" * 250 + "m.####.exr"), "Output is a path of 1261 characters"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    shot: FarmShot, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    command = ["farm", "openjd", "shot", shot.plate, "--clean", shot.clean, "-o", shot.output("no")]
    try:
        code: object = cli.main([*command, "--bundle", str(tmp_path / "job"), *words])
    except SystemExit as ended:  # from argparse
        code = ended.code
    # A terminal's width breaks the sentence into lines.
    assert code == 2 and sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "job").exists()


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """Files of a host's plugin and a script, where the bundle expects them."""
    for name in ("shot.nk", "shot.blend", "cleanplate_node/bake.py", "solve_headless.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_the_nuke_bundle_runs_the_bake(hosts: Path) -> None:
    job = nuke_job(str(hosts / "shot.nk"), "Cleanplate1", "1-20", str(hosts), "nuke", "bake")
    action = openjd.template(job, FarmPlan())["steps"][0]["script"]["actions"]["onRun"]
    assert [action["command"], *action["args"]] == [
        "{{Param.Host}}", "-t", "{{Param.Bake}}", "{{Param.Script}}", "--frames={{Task.Param.Frame}}",
        "--node", "Cleanplate1",
    ]  # fmt: skip
    command = opencue.outline(job, FarmPlan(chunk=5))["layers"][0]["command"]
    assert shlex.split(command) == [
        "nuke", "-t", str(hosts / "cleanplate_node/bake.py"), str(hosts / "shot.nk"),
        "--frames=#FRAMESPEC#", "--node", "Cleanplate1",
    ]  # fmt: skip


def test_the_blender_bundle_runs_the_solve(hosts: Path) -> None:
    job = blender_job(str(hosts / "shot.blend"), "1-20", str(hosts), "blender", "solve")
    action = openjd.template(job, FarmPlan())["steps"][0]["script"]["actions"]["onRun"]
    assert [action["command"], *action["args"]] == [
        "{{Param.Host}}", "-b", "{{Param.Scene}}", "--python-exit-code", "1", "--python", "{{Param.Solve}}", "--",
        "--frames={{Task.Param.Frame}}",
    ]  # fmt: skip


def test_a_missing_plugin_is_one_sentence(hosts: Path) -> None:
    (hosts / "cleanplate_node/bake.py").unlink()
    with pytest.raises(MatteError, match=r"no cleanplate_node/bake\.py"):
        nuke_job(str(hosts / "shot.nk"), "Cleanplate1", "1-20", str(hosts), "nuke", "bake")


def test_only_workers_with_a_gpu(hosts: Path) -> None:
    job = FarmJob(name="w", frames=(1, 2), command=("true",))
    assert openjd.template(job, FarmPlan(gpu=True))["steps"][0]["hostRequirements"] == {
        "amounts": [{"name": "amount.worker.gpu", "min": 1}]
    }
    assert "hostRequirements" not in openjd.template(job, FarmPlan())["steps"][0]
    assert opencue.outline(job, FarmPlan(gpu=True))["layers"][0]["gpus"] == 1
    # A session that asks for one GPU takes one; what is named stays.
    assert [FarmPlan(gpu=True).session_device, FarmPlan().session_device] == ["cuda:free", "auto"]
    assert FarmPlan(gpu=True, device="cuda:3").session_device == "cuda:3"
    defaults = {
        each["name"]: each.get("default")
        for each in openjd.template(job, FarmPlan(gpu=True))["parameterDefinitions"]
    }
    assert defaults["Device"] == "cuda:free"
    plan = FarmPlan(memory_gb=12)
    assert openjd.template(job, plan)["steps"][0]["hostRequirements"] == {
        "amounts": [{"name": "amount.worker.memory", "min": 12288}]
    }
    assert opencue.outline(job, plan)["layers"][0]["memory"] == "12g"


def test_frames_with_gaps_go_to_opencue_in_chunks_too() -> None:
    job = FarmJob(name="w", frames=(1, 2, 5), command=("true", "<frames>"))
    layer = opencue.outline(job, FarmPlan(chunk=10))["layers"][0]
    assert (layer["range"], layer["chunk"], layer["command"]) == ("1-2,5", 10, "true '--frames=#FRAMESPEC#'")


def test_a_shared_server_reaches_the_chunks(bundle: Callable[..., Path]) -> None:
    shared = ("--server", "tcp://10.0.0.1:5560", "--keys", "/farm/keys.json")
    folder = bundle("opencue", "shared", *shared)
    layer = json.loads((folder / "outline.json").read_text())["layers"][0]
    assert layer["env"] == {"CLEANPLATE_SERVER": "tcp://10.0.0.1:5560", "CLEANPLATE_KEYS": "/farm/keys.json"}
    values = yaml.safe_load((bundle("openjd", "shared", *shared) / "openjd_parameters.yaml").read_text())
    assert (values["MattingServer"], values["Keys"]) == ("tcp://10.0.0.1:5560", "/farm/keys.json")


def learning_bundle(bundle: Callable[..., Path], shot: FarmShot, farm: str) -> Path:
    """A job that learns from two key mattes first."""
    keys = [f"{FIRST}={shot.clean}", f"{FIRST + 2}={shot.clean}"]
    learned = str(shot.folder / "take.learned")
    return bundle(farm, "learns", "--model", "cleanplate", "--align", "none", "--erode", "2",
                  "--learn", learned, "--key", *keys, "--key-mask", shot.clean)  # fmt: skip


def test_a_shot_that_is_learnt_first_is_matted_with_what_was_learnt(
    bundle: Callable[..., Path], shot: FarmShot
) -> None:
    folder = learning_bundle(bundle, shot, "openjd")
    learn, matte = yaml.safe_load((folder / "template.yaml").read_text())["steps"]
    assert matte["dependencies"] == [{"dependsOn": learn["name"]}] and "parameterSpace" not in learn
    words = learn["script"]["actions"]["onRun"]["args"]
    assert words == [
        "learn", "{{Param.Plate}}", "--clean", "{{Param.CleanPlate}}",
        "--key", f"{FIRST}={{{{Param.Key{FIRST}}}}}", f"{FIRST + 2}={{{{Param.Key{FIRST + 2}}}}}",
        "--key-mask", "{{Param.KeyMask}}", "--model=cleanplate", "--align=none",
        "-o", "{{Param.Learned}}", "--overwrite", "--or-keep", "--device", "cpu",
    ]  # fmt: skip
    task = matte["script"]["actions"]["onRun"]["args"]
    assert task[-2:] == ["--weights", "{{Param.Learned}}"]
    # Its session's server starts before there are weights; they reach it by content.
    assert "--read" not in matte["stepEnvironments"][0]["script"]["actions"]["onEnter"]["args"]
    values = yaml.safe_load((folder / "openjd_parameters.yaml").read_text())
    assert values["Learned"] == str(shot.folder / "take.learned") and values[f"Key{FIRST}"] == shot.clean
    assets = yaml.safe_load((folder / "asset_references.yaml").read_text())["assetReferences"]
    assert str(shot.folder / "take.learned") not in assets["inputs"]["filenames"]
    assert assets["outputs"]["directories"] == sorted([str(shot.folder), str(shot.folder / "learns")])


def test_an_opencue_job_learns_in_a_layer_of_its_own(bundle: Callable[..., Path], shot: FarmShot) -> None:
    folder = learning_bundle(bundle, shot, "opencue")
    learn, matte = json.loads((folder / opencue.OUTLINE).read_text())["layers"]
    assert learn["range"] == str(FIRST) and matte["require"] == ["learn:all"]
    assert f"{FIRST}={shot.clean}" in shlex.split(learn["command"])
    assert shlex.split(matte["command"])[-2:] == ["--weights", str(shot.folder / "take.learned")]


@pytest.mark.parametrize("farm", ["openjd", "opencue"])
def test_a_dollar_in_a_path_is_no_variable_of_the_worker(
    tmp_path: Path, shot: FarmShot, monkeypatch: pytest.MonkeyPatch, farm: str
) -> None:
    """Every path of the job: those of the shot, of key mattes, of what is learnt. Inputs are named as they are."""
    copy = FarmShot(folder=tmp_path / "$SHOW")
    shutil.copytree(shot.folder, copy.folder)
    mask, weights = copy.folder / "mask.exr", copy.folder / "own.safetensors"
    shutil.copy(copy.clean, mask)
    weights.write_bytes(b"weights")
    words = ["farm", farm, "shot", copy.plate, "--clean", copy.clean, "-o", copy.output("m")]
    learning = ["--learn", str(copy.folder / "a.learned"), "--key", f"{FIRST}={copy.clean}"]
    learning += ["--key-mask", str(mask)]
    for number, more in enumerate((learning, ["--weights", str(weights)])):
        job = tmp_path / f"{farm}-{number}"
        monkeypatch.delenv("SHOW", raising=False)
        assert cli.main([*words, "--model", "cleanplate", *more, "--bundle", str(job)]) == 0
        monkeypatch.setenv("SHOW", "elsewhere")
        if farm == "openjd":
            values = [str(each) for each in yaml.safe_load((job / "openjd_parameters.yaml").read_text()).values()]
            files = yaml.safe_load((job / "asset_references.yaml").read_text())["assetReferences"]["inputs"]
            assert str(weights if number else mask) in files["filenames"]
        else:
            layers = json.loads((job / opencue.OUTLINE).read_text())["layers"]
            values = [word for layer in layers for word in shlex.split(layer["command"])]
        paths = {named_path(value.removeprefix(f"{FIRST}=")) for value in values if str(tmp_path) in value}
        assert {copy.plate, copy.clean, copy.output("m")} <= paths
        assert all(path.startswith(f"{copy.folder}/") for path in paths)
    start = cli.parser().parse_args(["farm", "start", "--state", "s", "--read", written_name(str(weights))])
    assert start.read == [str(weights)]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--learn", "take.pth"), "must end in .learned"),
        (("--key", "1001=a.exr"), "are for --learn FILE"),
        (("--learn", "take.learned", "--key", "9999=a.exr"), "The shot has no frame 9999"),
        (("--learn", "take.learned", "--key", f"{FIRST}=missing.exr"), "missing.exr does not exist"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_before_anything_is_written(
    shot: FarmShot, tmp_path: Path, more: tuple[str, ...], sentence: str
) -> None:
    said = cleanplate("farm", "openjd", "shot", shot.plate, "--clean", shot.clean, "-o", shot.output("no"),
                      "--bundle", str(tmp_path / "job"), *more, ok=False)  # fmt: skip
    assert sentence in said and not (tmp_path / "job").exists()


def test_a_bundle_that_cannot_be_written_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MatteError, match=r"cannot be written: (Not a directory|File exists)\.") as raised:
        write_job(tmp_path / "file" / "job", {"template.yaml": b""})
    assert (raised.value.code, raised.value.hint) == ("cannot_write", "Name another --bundle.")
