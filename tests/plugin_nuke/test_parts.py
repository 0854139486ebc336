"""The pieces that need no host: keys, records, plans, words, and EXR files in plain Python."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from cleanplate_node import (
    fingerprint,
    graph,
    knob_text,
    manifest,
    nk_text,
    panel,
    plain_exr,
    quiet_folders,
    range_plan,
    view_jobs,
)
from cleanplate_node.colour import ConfigUnreadable, HostColour, SentColour, sent_colour
from cleanplate_node.fingerprint import FrameKey
from cleanplate_node.frame_reach import SAME_FRAME
from cleanplate_node.job_progress import JobProgress
from cleanplate_node.manifest import Record
from cleanplate_node.plain_exr import PlainImage
from cleanplate_node.source_files import FileStamps, SourceFile, frame_file
from hypothesis import given
from hypothesis import strategies as st
from matte_link.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Endpoint
from matte_link.job_events import FrameDone, FrameFailed, FrameProgress, FrameStarted, JobFinished
from matte_link.options import MatteOptions
from matte_link.seen_files import SeenTogether
from matte_link.tasks import LocalFile


@dataclass(frozen=True)
class Facts:
    kind: str
    knobs: str
    inputs: tuple[int, ...] = ()
    driven: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    reads_render: bool = False


def key(*facts: Facts, **more: object) -> str:
    return fingerprint.settings_key(facts, (len(facts) - 1,), MatteOptions(), more)


def test_what_a_node_does_changes_the_key_and_how_it_looks_does_not() -> None:
    plain = key(Facts("Read", "file a.exr"), Facts("Grade", "white 2", (0,)))
    assert plain == key(Facts("Read", "file a.exr xpos 3 name R2"), Facts("Grade", "selected true white 2", (0,)))
    assert plain != key(Facts("Read", "file a.exr"), Facts("Grade", "white 2.5", (0,)))
    assert plain != key(Facts("Read", "file a.exr"), Facts("Grade", "white 2", (-1,)))
    assert plain != key(Facts("Read", "file a.exr"), Facts("Multiply", "white 2", (0,)))
    assert plain != key(Facts("Read", "file a.exr"), Facts("Grade", "white 2", (0,)), space="acescg")


@pytest.mark.parametrize(
    ("kind", "knobs"),
    [
        ("DeepRead", "file a.exr"),
        ("DeepRead", "file a.exr last 120 origlast 120 after black version 3 proxy b.exr"),
        ("DeepRead", "file a.exr localizationPolicy on"),
    ],
)
def test_a_deep_read_that_grows_or_is_copied_is_the_same(kind: str, knobs: str) -> None:
    assert key(Facts(kind, knobs)) == key(Facts(kind, "file a.exr last 100"))


@pytest.mark.parametrize(
    ("kind", "knobs", "is_seen"),
    [
        ("Card2", "display off selectable false", False),
        ("Camera4", "display wireframe", False),
        ("ReadGeo2", "display solid localizationPolicy off version 2", False),
        ("GeoImport", "localizationPolicy off", False),
        ("ParticleEmitter", "display off", False),
        ("Card2", "render_mode off", True),
        ("OCIODisplay", "display Rec.709", True),
        ("Write", "reading true display Rec.709", True),
        # A house's own gizmo may do anything with it.
        ("Group", "display Rec.709", True),
    ],
)
def test_how_a_scene_is_drawn_in_the_viewer_changes_no_picture(kind: str, knobs: str, is_seen: bool) -> None:
    before = "reading true" if kind == "Write" else ""
    assert (key(Facts(kind, knobs)) != key(Facts(kind, before))) == is_seen


def test_the_order_of_knobs_does_not_matter_but_their_text_does() -> None:
    assert key(Facts("Grade", "white 2 black {1 2 3 4}")) == key(Facts("Grade", "black {1 2 3 4} white 2"))
    assert key(Facts("Grade", 'label "white 3" white 2')) == key(Facts("Grade", "white 2"))
    curve = "white {{curve x1 0 x10 1}}"
    assert key(Facts("Grade", curve)) != key(Facts("Grade", curve.replace("x10", "x11")))


def test_a_write_that_counts_its_renders_does_not() -> None:
    one = key(Facts("Write", "file out.exr version 3 colorspace linear channels rgb"))
    assert one == key(Facts("Write", "channels rgb version 4"))
    assert one != key(Facts("Write", "channels rgba version 4"))


def test_a_clean_plate_is_expected_once_it_was_the_same_twice() -> None:
    known = view_jobs.CleanPlateHistory()
    expected = []
    for digest in ("a", "a", "a", "b", "b", "", "c", "d"):
        expected.append(known.expected("node", "main"))
        known.add("node", "main", digest)
    assert expected == ["", "", "a", "a", "", "b", "b", ""]
    assert known.expected("node", "main") == known.expected("node", "right") == ""


@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)), max_size=6))
def test_words_of_what_we_quote_ourselves(texts: list[str]) -> None:
    quoted = [nk_text.quoted(text) for text in texts]
    assert knob_text.words(" ".join(quoted)) == quoted


@given(st.text(max_size=80))
def test_words_never_loop_or_lose_letters(text: str) -> None:
    assert "".join("".join(knob_text.words(text)).split()) == "".join(text.split())


def test_frame_keys_see_hashes_and_files(tmp_path: Path) -> None:
    file = tmp_path / "plate.main.0007.exr"
    file.write_bytes(b"one")
    plate = SourceFile(f"{tmp_path}/plate.%V.%04d.exr")

    def key_now(*hashes: list[int]) -> FrameKey:
        return fingerprint.frame_key(hashes, FileStamps([plate], [{SAME_FRAME}]).of(7, "main"))

    first = key_now([1, 2], [3])
    assert not first.differs(key_now([1, 2], [3]))
    other = key_now([1, 2], [4])
    assert first.differs(other) and not first.differs(other, compare_hashes=False)
    unknown = key_now([1, 2], [])
    assert unknown.hashes == "" and not first.differs(unknown), "a host that does not say is not a change"
    file.write_bytes(b"another")
    assert first.differs(key_now([1, 2], [3]))


@pytest.mark.parametrize(
    ("pattern", "frame", "view", "file"),
    [
        ("a.%04d.exr", 12, "main", "a.0012.exr"),
        ("a.####.exr", 12, "main", "a.0012.exr"),
        ("a.%d.exr", 12, "main", "a.12.exr"),
        ("%V/a.%v.%03d.exr", 7, "left", "left/a.l.007.exr"),
        ("a.%04d.exr", -3, "main", "a.-003.exr"),
        ("still.exr", 5, "main", "still.exr"),
    ],
)
def test_frame_files(pattern: str, frame: int, view: str, file: str) -> None:
    assert frame_file(pattern, frame, view) == file


@given(st.lists(st.integers(-50, 50), max_size=30))
def test_segments_are_the_frames(frames: list[int]) -> None:
    runs = range_plan.segments(frames)
    assert [frame for first, last, _ in runs for frame in range(first, last + 1)] == sorted(set(frames))
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(runs)), "none could be joined"


ACES = "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1"
CUSTOM = """ocio_profile_version: 2
roles:
  color_picking: sRGB
  scene_linear: "House Linear"
  compositing_log: Log
colorspaces:
  - !<ColorSpace> {name: House Linear}
"""


@pytest.mark.parametrize(
    ("management", "name", "config", "space", "sent"),
    [
        ("Nuke", "linear", "nuke-default", "linear", ""),
        ("Nuke", "", "", "linear", ""),
        ("OCIO", "", ACES, "ACEScg", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1"),
        ("OCIO", "scene_linear", "nuke-default", "linear", ""),
        ("OCIO", "scene_linear", ACES, "ACEScg", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1"),
        (
            "OCIO",
            "Linear Rec.709 (sRGB)",
            ACES,
            "Linear Rec.709 (sRGB)",
            "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1",
        ),
        ("OCIO", "Utility - Linear - sRGB", "aces_1.2", "Utility - Linear - sRGB", ""),
        ("OCIO", "scene_linear", "aces_1.2", "ACEScg", ""),
    ],
)
def test_working_spaces(management: str, name: str, config: str, space: str, sent: str) -> None:
    found = sent_colour(HostColour(management=management, space=name, config=config))
    assert (found.space, found.config) == (space, sent)


@pytest.mark.parametrize("by", ["custom_path", "environment"])
def test_a_configuration_of_the_house_is_read(by: str, tmp_path: Path) -> None:
    path = str(tmp_path / "config.ocio")
    asked = HostColour(management="OCIO", space="scene_linear", config="custom", **{by: path})
    with pytest.raises(ConfigUnreadable, match="cannot be read"):
        sent_colour(asked)
    (tmp_path / "config.ocio").write_text(CUSTOM)
    assert sent_colour(asked) == SentColour(space="House Linear", config=path)
    named = dataclasses.replace(asked, space="ACES - ACEScg")
    assert sent_colour(named) == SentColour(space="ACES - ACEScg", config=path), "a name is sent as it is"


@pytest.mark.parametrize(
    ("line", "space"),
    [
        ("  scene_linear: lnf", "lnf"),
        ("    scene_linear : 'lnf f' # the old one", "lnf f"),
        ("  Scene_Linear: lnf", "lnf"),
        ("  default: raw", "scene_linear"),
    ],
)
def test_a_configuration_beside_nuke_is_read(line: str, space: str, tmp_path: Path) -> None:
    """A house may add its own to those that a project chooses by name; what its role means is never guessed."""
    asked = HostColour(management="OCIO", space="scene_linear", config="house", installed=str(tmp_path))
    with pytest.raises(ConfigUnreadable, match=r"house/config\.ocio cannot be read"):
        sent_colour(asked)
    path = tmp_path / "house" / "config.ocio"
    path.parent.mkdir()
    path.write_text(f"ocio_profile_version: 1\n\nroles:\n  data: raw\n{line}\n\nname: scene_linear\n")
    assert sent_colour(asked) == SentColour(space=space, config=path.as_posix())


@pytest.mark.parametrize("name", ["take#1", "a%04dz", "b%V", "c%v", "[wip]", "d$e", "{f}"])
def test_folders_that_nuke_would_rename_are_refused(name: str) -> None:
    with pytest.raises(range_plan.Refused, match="which Nuke replaces"):
        range_plan.absolute(f"/shot/{name}/cache", "/shot/comp.nk")
    assert range_plan.absolute("/a shot/50% v1/it's", "/shot/comp.nk") == "/a shot/50% v1/it's"


def test_the_environment_replaces_the_default_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "tcp://127.0.0.1:7000")
    assert range_plan.endpoint_of(DEFAULT_ADDRESS).address == "tcp://127.0.0.1:7000"
    assert range_plan.endpoint_of(" tcp://127.0.0.1:8000 ").address == "tcp://127.0.0.1:8000"
    with pytest.raises(range_plan.Refused, match="it should look like"):
        range_plan.endpoint_of("http://somewhere")


def test_results_folders_are_absolute() -> None:
    assert range_plan.absolute("/a/b", "/shot/comp.nk") == "/a/b"
    assert range_plan.absolute("cache", "/shot/comp.nk") == "/shot/cache"
    assert range_plan.absolute("//server/share/cache", "/shot/comp.nk") == "//server/share/cache"
    with pytest.raises(range_plan.Refused, match="empty"):
        range_plan.absolute("  ", "/shot/comp.nk")
    assert range_plan.shown_folder("/a/id/key/matte.%V.%04d.exr") == "/a/id/key"
    assert range_plan.shown_folder(graph.NOT_PROCESSED) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has drives")
@pytest.mark.parametrize(
    ("path", "script"),
    [("P:/show/cache", "/shot/comp.nk"), ("p:\\show\\cache", "/shot/comp.nk"), ("cache", "P:/show/comp.nk")],
)
def test_a_folder_on_a_drive_of_windows_is_refused_elsewhere(path: str, script: str) -> None:
    """A folder called ``P:`` was made beside the script, or where Nuke was started. A house's filter says what the
    drive is here."""
    with pytest.raises(range_plan.Refused, match=r"(?i)p:/show/cache is on a drive of Windows"):
        range_plan.absolute(path, script)

    def mounted(name: str) -> str:
        return "/mnt/show" + name[7:] if name[:7].lower() == "p:/show" else name

    assert range_plan.absolute(path, script, mounted) == "/mnt/show/cache"


def test_plans_in_one_folder_leave_each_others_plates_alone(tmp_path: Path) -> None:
    keys = {(frame, "main"): FrameKey("h", "f") for frame in (1, 2)}
    plans = [
        range_plan.RangePlan(
            "id", str(tmp_path), (1, 2), ("main",), MatteOptions(), Endpoint(), keys, still_clean=True
        )
        for _ in range(2)
    ]
    for plan in plans:
        for role in plan.roles:
            for frame in plan.to_render(role, "main"):
                file = Path(plan.plate_file(role, frame, "main"))
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(b"plate")
    view_jobs.remove_plates(plans[0])
    (left,) = tmp_path.iterdir()
    assert left == Path(plans[1].plates_folder())
    assert sorted(path.name for path in left.iterdir()) == [
        "clean.main.0001.exr",
        "src.main.0001.exr",
        "src.main.0002.exr",
    ]
    sent = [task.clean_plate for task in view_jobs.tasks(plans[1], "main")]
    assert sent == [LocalFile(str(left / "clean.main.0001.exr"))] * 2


def test_the_progress_of_a_run_in_words() -> None:
    progress = JobProgress(4)
    for event in (
        FrameStarted(1),
        FrameProgress(frame=1, stage="model", done=3, total=9),
    ):
        progress.add(event)
    assert progress.bar_text == "0 of 4 done, frame 1, model" and progress.percent == 8
    progress.add(FrameDone(frame=1, output="a", diagnostics={"warnings": ["It fits badly (3.20 px)."]}))
    progress.add(FrameDone(frame=2, output="a", diagnostics={}))
    assert progress.percent == 50 and progress.bar_text.startswith("2 of 4 done")
    progress.add(FrameFailed(frame=3, code="not_finite", message="The plate has NaN.", hint="Repair it."))
    progress.add(FrameDone(frame=4, output="a", diagnostics={}))
    progress.add(JobFinished(done=3, failed=1, cancelled=False))
    assert progress.summary == "3 of 4 frames done. Frame 3: The plate has NaN. Repair it."
    assert progress.code == "not_finite" and not progress.succeeded


def test_the_progress_never_goes_back() -> None:
    """Several frames are under way at once."""
    progress, seen = JobProgress(2), []
    for event in (
        FrameProgress(frame=1, stage="write", done=8, total=9),
        FrameProgress(frame=2, stage="align", done=0, total=9),
        FrameDone(frame=1, output="a", diagnostics={}),
        FrameProgress(frame=2, stage="model", done=3, total=9),
    ):
        progress.add(event)
        seen.append(progress.percent)
    assert seen == [44, 44, 50, 66]


def test_the_progress_of_a_run_that_was_cancelled_or_has_warnings() -> None:
    progress = JobProgress(2)
    progress.add(FrameDone(frame=1, output="a", diagnostics={"warnings": ["It fits badly (3.20 px)."]}))
    cancelled = JobProgress(2)
    cancelled.add(JobFinished(done=1, failed=0, cancelled=True))
    assert cancelled.summary == "cancelled, 0 of 2 frames done"
    progress.add(FrameDone(frame=2, output="a", diagnostics={}))
    assert progress.summary == "2 done. Check: Frame 1: It fits badly (3.20 px)."


def test_records_that_have_settled_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's time tells whether they are others, unless it was changed a moment ago."""
    folder, plain = str(tmp_path / "key"), manifest._parsed
    read: list[Path] = []

    def parsed(path: Path) -> Record | None:
        read.append(path)
        return plain(path)

    monkeypatch.setattr(manifest, "_parsed", parsed)
    first, other, second = Record(1, "main", "h", "f"), Record(1, "main", "h", "g"), Record(2, "main", "h", "f")

    def reads_of(found: list[Record]) -> int:
        read.clear()
        assert manifest.read_all(folder) == found
        return len(read)

    assert reads_of([]) == 0
    manifest.write(folder, first)
    assert [reads_of([first]) for _ in range(3)] == [1, 1, 1], "another may be written within the disk's tick"
    monkeypatch.setattr(quiet_folders, "SETTLED_NS", 0)
    assert [reads_of([first]) for _ in range(3)] == [1, 0, 0]
    manifest.read_all(folder).clear()
    assert reads_of([first]) == 0, "what others do to a list is theirs"
    manifest.write(folder, other)
    assert [reads_of([other]) for _ in range(2)] == [1, 0]
    manifest.write(folder, second)
    assert [reads_of([other, second]) for _ in range(2)] == [2, 0]
    manifest.clear(str(tmp_path))
    assert reads_of([]) == 0


def test_records(tmp_path: Path) -> None:
    folder = str(tmp_path / "id" / "key")
    good, bad = Record(1, "main", "h", "f", warnings=("w",)), Record(2, "left", "h", "f", "code", "words")
    manifest.write(folder, good)
    manifest.write(folder, bad)
    for number, text in enumerate(("", "[1]", "7", '{"frame": 3}', '{"frame": 1, "warnings": 5}')):
        (tmp_path / f"id/key/records/main.000{number + 3}.json").write_text(text)
    assert manifest.read(folder, 1, "main") == good and manifest.read(folder, 9, "main") is None
    assert manifest.read_all(folder) == [good, bad] and manifest.failed_frames(folder) == (2,)
    assert not manifest.has_result(folder, 1, "main", good.key), "a record without its picture"
    Path(manifest.result_file(folder, 1, "main")).write_bytes(b"exr")
    assert manifest.has_result(folder, 1, "main", good.key)
    assert not manifest.has_result(folder, 1, "main", FrameKey("h", "other"))
    left = tmp_path / "id" / "key" / ".plates-0123abcd" / "src.main.0001.exr"
    left.parent.mkdir()
    left.write_bytes(b"plate of a host that was killed")
    assert manifest.clear(str(tmp_path / "id")) == 1 and not (tmp_path / "id").exists()


def test_plain_exr_is_exr(tmp_path: Path) -> None:
    rows = [[(x + 0.25, -y, 40000.0, 0.5) for x in range(7)] for y in range(5)]
    picture = PlainImage(("R", "G", "B", "A"), rows, (-2, 3, 7, 5), (0, 0, 16, 12), 2.0, {"camera:lens": "50"})
    plain_exr.write(tmp_path / "a.exr", picture)
    image = oiio.ImageBuf(str(tmp_path / "a.exr"))
    spec_read = image.spec()
    assert (spec_read.x, spec_read.y, spec_read.width, spec_read.height) == (-2, 3, 7, 5)
    assert (spec_read.full_width, spec_read.full_height) == (16, 12)
    assert spec_read.getattribute("PixelAspectRatio") == 2.0 and spec_read.getattribute("camera:lens") == "50"
    # OpenImageIO orders the channels R, G, B, A whatever their order in the file.
    assert np.array_equal(np.asarray(image.get_pixels(oiio.FLOAT)), np.asarray(rows, np.float32))
    again = plain_exr.read(tmp_path / "a.exr")
    assert again.at(-2, 3, "R") == 0.25 and again.at(4, 7, "G") == -4.0 and again.at(5, 7, "G") == 0.0
    assert again.attributes["camera:lens"] == "50" and again.display == (0, 0, 16, 12)


def test_plain_exr_reads_half_and_refuses_the_rest(tmp_path: Path) -> None:
    image = oiio.ImageBuf(oiio.ImageSpec(4, 3, 3, oiio.HALF))
    oiio.ImageBufAlgo.fill(image, (0.5, 1.5, -2.0))
    for compression in ("none", "zip"):
        image.specmod().attribute("compression", compression)
        assert image.write(str(tmp_path / f"{compression}.exr"))
    assert plain_exr.read(tmp_path / "none.exr").at(1, 1, "B") == -2.0
    with pytest.raises(ValueError, match="compressed"):
        plain_exr.read(tmp_path / "zip.exr")
    (tmp_path / "no.exr").write_bytes(b"no EXR at all")
    with pytest.raises(ValueError, match="is no EXR"):
        plain_exr.read(tmp_path / "no.exr")


def test_the_panel_picture_shows_every_knob_that_is_not_folded_away() -> None:
    import panel_picture

    drawn = panel_picture.draw()
    committed = (panel_picture.HERE / "panel.svg").read_text(encoding="utf-8")
    own = {knob.name for knob in panel.knobs()} - set(panel.option_names())
    folded = False
    for knob in panel.knobs():
        folded = folded and knob.group != -1
        if knob.label and not knob.hidden:
            arrow = {panel.OPEN: "▾ ", panel.FOLDED: "▸ "}.get(knob.group, "")
            assert (f">{arrow}{knob.label}<" in drawn) == (not folded), knob.name
            if knob.name in own and knob.kind != "tab" and not folded:
                assert f">{knob.label}<" in committed, "write it anew with 'python plugin_nuke/panel_picture.py'"
        folded = folded or knob.group == panel.FOLDED
    assert drawn.count("not processed") == committed.count("not processed") == 2, "label and status agree"
    assert math.isfinite(float(drawn.split("height='")[1].split("'")[0]))


def test_what_was_not_compared_is_not_known_to_equal() -> None:
    """A result from before driven knobs were recorded, and a neighbour that only Nuke's hashes can tell."""
    made = fingerprint.frame_key([(1,)], SeenTogether([[1, 2]]), driven="values")
    before = fingerprint.frame_key([(1,)], SeenTogether([[1, 2]]))
    assert made.is_known_to_equal(made)
    assert not made.differs(before) and not made.is_known_to_equal(before)
    plain, text = (
        fingerprint.frame_key([()], SeenTogether([[1, 2]]), needs_hashes=needs) for needs in (False, True)
    )
    for beside, is_known in ((plain, True), (text, False)):
        key = fingerprint.with_neighbours(plain, [beside, None])
        assert key.is_known_to_equal(key) == is_known
