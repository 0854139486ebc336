"""The review of a whole shot: its files, and its page in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.media import VideoReader
from matte_server.review.columns import COLUMNS
from matte_server.review.figures import FrameFigures, Reason
from matte_server.review.frame import aligned, read_view
from matte_server.review.page import Page, PageFrame, page_html
from matte_server.review.review import ReviewFiles, _chosen, review_folder, write_review
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.outputs import comp_of
from matte_server.shots.plan import plan_shot
from matte_server.shots.reports import FrameReport, ResultStatus, ShotReport
from matte_server.shots.shot import Shot, ShotSources

WIDTH, HEIGHT = 96, 54
COLOUR, BEHIND, CLEAN = (0.6, 0.3, 0.1), (0.1, 0.2, 0.6), (0.3, 0.3, 0.3)
FRAMES, BAD, FAILED = 12, 1006, 1009
NUMBERS = range(1001, 1001 + FRAMES)


def image(pixels: npt.NDArray[np.floating], channels: str = "RGB", **metadata: object) -> Image:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return Image(pixels.astype(np.float32), tuple(channels), window, window, metadata=metadata)


def flat(colour: tuple[float, float, float]) -> Float32:
    return np.broadcast_to(np.array(colour, np.float32), (HEIGHT, WIDTH, 3)).copy()


def alpha_of(number: int) -> Float32:
    """A disc in the middle; one frame has lost half of it."""
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.circle(alpha, (WIDTH // 2, HEIGHT // 2), 20, 1.0, -1, cv2.LINE_AA)
    if number == BAD:
        alpha[:, : WIDTH // 2] = 0.0
    return alpha[..., None]


def facts(number: int) -> dict[str, object]:
    alignment = {"residual_px": 0.2, "gain": [1.0, 1.0, 1.0], "offset": [0.0] * 3, "transform": np.eye(3).tolist()}
    return {
        "alignment": alignment,
        "alpha_area": float(alpha_of(number).mean()),
        "recomposition_error": 1e-4,
        "warnings": [],
        "colourspace": "",
    }


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """A finished shot on disk."""
    folder = tmp_path_factory.mktemp("shot")
    for number in NUMBERS:
        alpha = alpha_of(number)
        plate = alpha * flat(COLOUR) + (1 - alpha) * flat(CLEAN)
        exr.write_image(folder / f"plate.{number}.exr", image(plate))
        if number != FAILED:
            diagnostics = exr.Attribute("string", json.dumps(facts(number)))
            matte = image(np.concatenate([flat(COLOUR), alpha], -1), "RGBA", **{exr.DIAGNOSTICS: diagnostics})
            exr.write_image(folder / f"matte.{number}.exr", matte)
    exr.write_image(folder / "clean.exr", image(flat(CLEAN)))
    exr.write_image(folder / "background.exr", image(flat(BEHIND)))
    sources = ShotSources(
        str(folder / "plate.####.exr"), str(folder / "clean.exr"), str(folder / "matte.####.exr"),
        background=str(folder / "background.exr"), comp=str(folder / "comp.####.exr"),
    )  # fmt: skip
    return plan_shot(sources, "", MatteOptions(), overwrite=True)


def report_of(shot: Shot) -> ShotReport:
    """As after a resumed run: frames made now have their figures in the report, skipped ones in their files."""
    frames = []
    for frame in shot.frames:
        if frame.frame == FAILED:
            report = FrameReport(frame.frame, ResultStatus.FAILED, str(frame.output), message="It is <cut> off.")
        elif frame.frame < 1004:
            report = FrameReport(frame.frame, ResultStatus.SKIPPED, str(frame.output))
        else:
            report = FrameReport(frame.frame, ResultStatus.DONE, str(frame.output), 1.0, facts(frame.frame))
        frames.append(report)
    return ShotReport(tuple(frames), solve="The camera is locked.")


@pytest.fixture(scope="module")
def review(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> ReviewFiles:
    return write_review(shot, report_of(shot), tmp_path_factory.mktemp("review"))


def test_the_bad_and_the_failed_frame_are_named(review: ReviewFiles) -> None:
    """Half a disc stands out, by its area and by what vanished; the good frames beside it do not."""
    assert review.to_look_at == (BAD, FAILED)
    assert review.worst is not None and review.worst.frame == FAILED


def test_the_sheet_begins_with_the_worst() -> None:
    assert _chosen([0.0, 2.0, 0.0, 9.0, 0.0, 3.0, 0.0]) == [3, 5, 1, 0, 6]
    assert _chosen([0.0, 2.0, 0.0, 9.0, 0.0, 3.0, 0.0])[:3] == [3, 5, 1]
    # However many stand out, two rows are kept for the rest of the shot.
    assert _chosen([float(k) for k in range(40)])[:4] == [39, 38, 37, 36]
    assert len(_chosen([1.0] * 40)) == 5 and _chosen([0.0, 0.0]) == [0, 1]


def test_the_preview_has_every_frame(review: ReviewFiles) -> None:
    with VideoReader(review.movie) as video:
        assert (video.facts.frames, video.facts.rate) == (FRAMES, Fraction(24))


def test_the_sheet_is_a_picture(review: ReviewFiles) -> None:
    assert exr.read_image(review.sheet).pixels.std() > 0.1


def test_the_page_loads_nothing_from_outside(review: ReviewFiles) -> None:
    text = review.page.read_text("utf-8")
    outside = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)|url\(([^)]*)\)|(https?://[^\s"'<]+)""", text)
    # The one address is the name of an XML namespace; nothing is loaded from it.
    assert {found for row in outside for found in row if found} == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


def test_a_shared_picture_is_in_the_page_once(review: ReviewFiles) -> None:
    shown = shot_in(review.page.read_text("utf-8"))
    assert len({frame["pictures"]["background"] for frame in shown["frames"] if frame["pictures"]}) == 1
    assert shown["frames"][FAILED - 1001]["pictures"] == {}


def shot_in(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="shot">(.*?)</script>', text, re.DOTALL)
    assert found
    shot: dict[str, Any] = json.loads(found[1])
    return shot


def test_the_page_gets_its_columns_and_their_values_from_python(review: ReviewFiles) -> None:
    text = review.page.read_text("utf-8")
    shown = shot_in(text)
    assert [column["name"] for column in shown["columns"]] == [column.name for column in COLUMNS]
    area = [frame["values"][2] for frame in shown["frames"]]
    assert shown["columns"][2]["name"] == "alpha area"
    assert area == [[None] if number == FAILED else [facts(number)["alpha_area"]] for number in NUMBERS]
    # The script knows no column: what it shows is what it was given.
    script = text[text.index('"use strict"') :]
    assert not [column.name for column in COLUMNS if column.name in script or f"({column.unit})" in script]


def test_text_from_outside_cannot_end_the_script() -> None:
    evil = "</script><script>alert(1)</script> @STYLE@ @TITLE@"
    page = Page(evil, [PageFrame(FrameFigures(1, reasons=(Reason(sentence=evil, severity=1.0),)))], evil)
    text = page_html(page)
    assert text.count("<script") == 2 and html.escape(evil) in text
    assert shot_in(text)["note"] == evil


def test_a_shot_without_any_result_has_no_review(shot: Shot, tmp_path: Path) -> None:
    failed = tuple(FrameReport(f.frame, ResultStatus.FAILED, str(f.output), message="No.") for f in shot.frames)
    with pytest.raises(MatteError, match="No frame of the shot has a result"):
        write_review(shot, ShotReport(failed), tmp_path / "review")
    assert not (tmp_path / "review").exists()


def test_the_review_lies_beside_the_mattes_and_is_named_after_them(shot: Shot) -> None:
    first = shot.frames[0]
    assert review_folder(shot) == first.output.parent / "matte.review"
    still = replace(shot, frames=(replace(first, output=Path("out/portrait.exr")),))
    assert review_folder(still) == Path("out/portrait.review")
    people = [replace(first, output=Path(f"out/{name}.exr")) for name in ("anna", "ben")]
    assert review_folder(replace(shot, frames=tuple(people))) == Path("out/shot.review")


def test_the_clean_plate_is_shown_where_the_frame_had_it() -> None:
    """Moved by 5 pixels right and 2 down, half as bright again, between data windows at other places."""
    dot = np.zeros((20, 30, 3), np.float32)
    dot[7, 11] = 1.0
    clean = replace(image(dot), data_window=Window(100, 50, 30, 20), display_window=Window(0, 0, 200, 200))
    plate = replace(image(np.zeros((20, 30, 3))), data_window=Window(90, 45, 30, 20))
    move = [[1.0, 0.0, 5.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    diagnostics = {"alignment": {"transform": move, "gain": [1.5] * 3, "offset": [0.0] * 3}}
    moved = aligned(clean, plate, diagnostics)
    # x = 100 + 11 + 5 - 90 and y = 50 + 7 + 2 - 45.
    assert moved[14, 26].tolist() == [1.5] * 3 and np.count_nonzero(moved) == 3


def test_a_frame_is_read_scene_linear(shot: Shot) -> None:
    with ShotInputs(MatteOptions()) as pictures:
        view = read_view(shot.frames[0], pictures)
    middle = view.comp[HEIGHT // 2, WIDTH // 2], view.comp[0, 0]
    # Half floats hold these to 1 part in 2000.
    np.testing.assert_allclose(middle, (COLOUR, BEHIND), rtol=1e-3)


def test_the_background_lies_in_the_shadow_that_the_comp_has(shot: Shot, tmp_path: Path) -> None:
    """The review showed comps without the shadow layer beside comps with it."""
    first = replace(shot.frames[0], output=tmp_path / "matte.1001.exr", comp=tmp_path / "comp.1001.exr")
    stored = exr.read_image(shot.frames[0].output)
    cast = image(np.broadcast_to(np.array([0.5, 0.25, 0.75], np.float32), (HEIGHT, WIDTH, 3)))
    exr.write_image(first.output, stored, exr.ExrFormat(), {"shadow": cast})
    with ShotInputs(MatteOptions(layer_shadow=True)) as pictures:
        view, comp = read_view(first, pictures), comp_of(first, "", pictures)
    np.testing.assert_allclose(view.comp, comp.rgb, atol=1e-6)
    # Half floats hold these to 1 part in 2000.
    np.testing.assert_allclose(view.comp[0, 0], np.array(BEHIND) * [0.5, 0.25, 0.75], rtol=1e-3)


@pytest.mark.parametrize("data", [Window(-8, -4, 112, 62), Window(10, 10, 40, 30)], ids=["overscan", "part"])
def test_a_png_result_lies_on_its_plate(tmp_path: Path, data: Window) -> None:
    """It holds the display window, where the plate has a data window of its own: the review ended with an error of
    two shapes."""
    display = Window(0, 0, WIDTH, HEIGHT)
    for name, window in (("plate.exr", data), ("clean.exr", data), ("matte.png", display)):
        pixels = np.zeros((window.height, window.width, 4))
        pixels[20 - window.y, 30 - window.x] = 1.0
        exr.write_image(tmp_path / name, replace(image(pixels, "RGBA"), data_window=window, display_window=display))
    plate, clean, matte = (str(tmp_path / name) for name in ("plate.exr", "clean.exr", "matte.png"))
    with ShotInputs(MatteOptions()) as pictures:
        planned = plan_shot(ShotSources(plate, clean, matte), "", MatteOptions(), overwrite=True)
        view = read_view(planned.frames[0], pictures)
    for seen in (view.plate, view.clean, view.alpha):
        assert [place.tolist() for place in np.nonzero(seen[..., 0] > 0.5)] == [[20], [30]]


# -- in a browser


@dataclass(frozen=True)
class Browser:
    """Headless Chromium on the review's page."""

    command: str
    page: Path
    profile: Path

    def _run(self, address: str, *how: str) -> str:
        command = [
            self.command, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.profile}",
            "--window-size=1400,1100", "--virtual-time-budget=8000", *how, f"{self.page.as_uri()}#{address}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    def dom(self, address: str) -> str:
        """The page's elements once its script has drawn."""
        return self._run(address, "--dump-dom")

    def with_script(self, script: str, folder: Path) -> Browser:
        """On a copy of the page, in a folder of the test's own, with a script at its end."""
        copy = folder / "copy.html"
        text = self.page.read_text("utf-8").replace("</body>", f"<script>{script}</script></body>")
        copy.write_text(text, "utf-8")
        return replace(self, page=copy)

    def shot(self, address: str, path: Path) -> Float32:
        """What a person sees, 0..1."""
        self._run(address, f"--screenshot={path}")
        return exr.read_image(path).rgb


@pytest.fixture(scope="module")
def browser(review: ReviewFiles, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("there is no Chromium on this machine: the review page's behaviour is not tested here")
    return Browser(found, review.page, tmp_path_factory.mktemp("profile"))


def text_of(dom: str, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>(.*?)</(?:h2|ul|p|div)>', dom, re.DOTALL)
    assert found
    return found[1]


def test_the_page_opens_from_a_file_and_marks_the_bad_frames(browser: Browser) -> None:
    dom = browser.dom(f"frame={BAD}&view=alpha")
    assert f'data-drawn="{BAD} alpha"' in dom
    assert text_of(dom, "now") == f"Frame {BAD}"
    assert "The matte's area is" in text_of(dom, "reasons")
    assert {str(BAD), str(FAILED)} <= set(re.findall(r">(\d+)</button>", text_of(dom, "bad")))
    assert dom.count("<svg") == len(COLUMNS) and "The camera is locked." in dom


def test_a_frame_without_a_result_says_why(browser: Browser) -> None:
    dom = browser.dom(f"frame={FAILED}")
    assert "No result: It is &lt;cut&gt; off." in text_of(dom, "missing")


@pytest.mark.parametrize(
    ("view", "middle", "corner"),
    [
        ("plate", COLOUR, CLEAN),
        ("clean", CLEAN, CLEAN),
        ("background", COLOUR, BEHIND),
        ("grey", COLOUR, (0.18, 0.18, 0.18)),
    ],
)
def test_comps_are_made_scene_linear_as_in_the_product(
    browser: Browser, tmp_path: Path, view: str, middle: tuple[float, ...], corner: tuple[float, ...]
) -> None:
    """The screen shows the float comp's colours within 3 codes of 255: JPEG and two lookup tables cost that."""
    seen = browser.shot(f"frame=1002&view={view}", tmp_path / "seen.png")
    for colour in (middle, corner):
        wanted = np.array([12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in colour])
        near = (np.abs(seen - wanted) < 3 / 255).all(-1).sum()
        assert near > 3000, f"{view}: {colour} is hardly there"


def test_the_wipe_shows_two_views_side_by_side(browser: Browser, tmp_path: Path) -> None:
    seen = browser.shot("frame=1002&view=alpha&wipe=background&at=0.5", tmp_path / "seen.png")
    blue = (seen[..., 2] > seen[..., 0] + 0.3) & (seen[..., 1] < 0.6)
    white = (seen > 0.98).all(-1)
    left_of_all, right_of_all = np.nonzero(blue.any(0))[0].min(), np.nonzero(white.any(0))[0].max()
    # Left of the wipe's line is the white of alpha, right of it the new background.
    assert blue.sum() > 3000 and white.sum() > 3000 and right_of_all <= left_of_all + 2


def test_keys_walk_through_the_shot(browser: Browser, tmp_path: Path) -> None:
    """Real key events, sent by a line of script at the end of a copy of the page."""
    keys = ["End", "ArrowLeft", "3", "w", "b", "+", "+", "z"]
    script = "".join(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}));" for key in keys)
    dom = browser.with_script(script, tmp_path).dom("")
    first_bad = min(int(number) for number in re.findall(r">(\d+)</button>", text_of(dom, "bad")))
    assert text_of(dom, "now") == f"Frame {first_bad}"
    assert 'data-view="alpha" title="alpha (3)" aria-pressed="true"' in dom
    assert ">+1 stops<" in dom and ">1 : 1<" in dom
    assert not re.search(r'id="wipe-line"[^>]*hidden', dom)


def test_a_click_in_a_plot_goes_to_that_frame(browser: Browser, tmp_path: Path) -> None:
    """The curve of 12 frames reaches from 64 px right of the plot's left edge to 14 px left of its right edge. A
    click lies nearly halfway to the next frame, but this one is still nearer."""
    indices = (7, 0, 1, FRAMES - 1)
    places = [(index + (-0.45 if index == FRAMES - 1 else 0.45)) / (FRAMES - 1) for index in indices]
    script = (
        "const clicked = () => document.querySelector('#plots svg');"
        f"document.body.dataset.seen = {places}.map((place) => {{"
        "const box = clicked().getBoundingClientRect();"
        "const x = box.left + 64 + (box.width - 64 - 14) * place;"
        "clicked().dispatchEvent(new PointerEvent('pointerdown', {clientX: x, clientY: box.top + 20}));"
        "return document.getElementById('now').textContent; }).join();"
    )
    found = re.search(r'data-seen="(.*?)"', browser.with_script(script, tmp_path).dom(""))
    assert found and found[1].split(",") == [f"Frame {NUMBERS[index]}" for index in indices]


def test_the_number_of_the_bad_frame_that_is_shown_can_be_read(browser: Browser, tmp_path: Path) -> None:
    """It was red on yellow, all but the same brightness."""
    script = (
        "setTimeout(() => { document.body.dataset.ink ="
        " getComputedStyle(document.querySelector('#bad [aria-pressed=true]')).color; }, 100);"
    )
    assert 'data-ink="rgb(27, 27, 28)"' in browser.with_script(script, tmp_path).dom(f"frame={BAD}")


def test_the_address_is_changed_in_a_pause_and_not_with_every_frame(browser: Browser, tmp_path: Path) -> None:
    """Firefox and Safari refuse it with an error after 100 to 200 changes, as playing or a drag makes them within
    seconds; the page then stood still. The rule is acted here, as this browser only says nothing more."""
    rule = (
        "const own = history.replaceState.bind(history); let changes = 0;"
        "history.replaceState = (...all) => { if (++changes > 100) throw new DOMException('', 'SecurityError');"
        " own(...all); document.body.dataset.address = location.hash; };"
    )
    press = "(key) => document.dispatchEvent(new KeyboardEvent('keydown', {key}))"
    keys = f"const press = {press}; for (let n = 0; n < 300; n++) press(n % 2 ? ',' : '.'); press('End');"
    dom = browser.with_script(rule + keys, tmp_path).dom("view=plate")
    assert text_of(dom, "now") == f"Frame {NUMBERS[-1]}" and f'data-drawn="{NUMBERS[-1]} plate"' in dom
    address = re.search(r'data-address="([^"]*)"', dom)
    assert address and address[1].startswith(f"#frame={NUMBERS[-1]}&amp;view=plate&amp;wipe=plate")


def test_a_plots_title_ends_before_its_value(browser: Browser, tmp_path: Path) -> None:
    """On a telephone, too; the body's margin is in the width."""
    widths = (390, 639, 680, 1280)
    script = (
        f"document.body.dataset.gaps = {[*widths]}.flatMap((width) => {{"
        "document.body.style.width = `${width}px`; dispatchEvent(new Event('resize'));"
        "return [...document.querySelectorAll('#plots svg')].map((svg) =>"
        " svg.querySelector('.value').getBoundingClientRect().left"
        " - svg.querySelector('.title').getBoundingClientRect().right); });"
    )
    found = re.search(r'data-gaps="([^"]*)"', browser.with_script(script, tmp_path).dom("frame=1002"))
    assert found
    gaps = [float(gap) for gap in found[1].split(",")]
    assert len(gaps) == len(widths) * len(COLUMNS) and min(gaps) > 4, gaps
