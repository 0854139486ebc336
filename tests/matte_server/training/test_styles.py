"""Hair styles, and heads that wear them each in their own way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matte_server.training.scenes.__main__ import _job, _parser
from matte_server.training.scenes.job import Job
from matte_server.training.scenes.styles import STYLES, HairStyle, styles_of, varied


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names of clothes, poses and a panorama, as the recipes look for them."""
    folder = tmp_path_factory.mktemp("makehuman")
    for name in ("female_casualsuit01", "male_casualsuit01", "shoes01"):
        (folder / "clothes" / name).mkdir(parents=True)
        (folder / "clothes" / name / f"{name}.mhclo").touch()
    for folder_name, name in (("poses", "standing01.bvh"), ("hdri", "workshop.hdr")):
        (folder / folder_name).mkdir()
        (folder / folder_name / name).touch()
    return folder


def hair_of(data: Path, is_varied: bool) -> list[HairStyle]:
    job = Job(
        out=data, makehuman=data, hdri=data / "hdri", split="train", seed=3, first=0, count=30, varied=is_varied
    )
    people = [recipe.person for recipe in job.recipes()]
    return [person.hair for person in people if person is not None and person.hair is not None]


def test_a_varied_style_stays_near_its_own_and_follows_from_its_seed() -> None:
    for style in STYLES:
        for seed in range(8):
            other = varied(style, np.random.default_rng(seed))
            assert other == varied(style, np.random.default_rng(seed)) and other != style
            assert (other.name, other.split, other.hard) == (style.name, style.split, style.hard)
            # Both draws of a length together are within 0.3 to 3.3 in all but one of 10,000 cases.
            for name in ("length_top", "length_side", "length_back"):
                assert 0.3 < getattr(other, name) / getattr(style, name) < 3.3
                assert getattr(other, name) != getattr(style, name)
            assert 0 <= other.lift <= 1 and 0 <= other.clump <= 0.9 and 0 < other.radius <= 0.0002
            assert (other.gather, other.parting, other.count) == (style.gather, style.parting, style.count)


def test_straight_hair_is_sometimes_curled_and_sometimes_frizzy() -> None:
    style = next(s for s in styles_of("train") if s.curl_radius == 0 and s.frizz == 0)
    found = [varied(style, np.random.default_rng(seed)) for seed in range(40)]
    curled, frizzy = sum(s.curl_radius > 0 for s in found), sum(s.frizz > 0 for s in found)
    # A quarter of 40 each; fewer than 2 or more than 22 would be four deviations away.
    assert 2 <= curled <= 22 and 2 <= frizzy <= 22
    assert all(s.curl_turns >= 5 for s in found if s.curl_radius > 0)


def test_people_of_a_varied_job_wear_no_style_alike(data: Path) -> None:
    plain, changed = hair_of(data, False), hair_of(data, True)
    assert [s.name for s in plain] == [s.name for s in changed] and set(plain) <= set(STYLES)
    assert len(set(changed)) == len(changed) >= 15 and not set(changed) & set(STYLES)
    assert changed == hair_of(data, True)


@pytest.mark.parametrize("flags", [[], ["--varied"]])
def test_the_flag_of_the_command_reaches_the_job(flags: list[str]) -> None:
    options = _parser().parse_args(["--out", "o", "--count", "1", "--blender-python", "python", *flags])
    assert _job(options).varied is bool(flags)
