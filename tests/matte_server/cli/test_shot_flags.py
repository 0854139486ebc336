"""Flags made from the tables of shot arguments and of options: help, types and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.options import MatteOptions, option_specs

from matte_server.cli.main import parser
from matte_server.cli.shot_flags import options_from
from matte_server.errors import MatteError

SHOT = ("matte", "p.exr", "--clean", "c.exr", "-o", "m.exr")


def options_of(*words: str) -> MatteOptions:
    return options_from(parser().parse_args([*SHOT, *words]))


def test_without_flags_every_option_is_at_its_default() -> None:
    assert options_of() == MatteOptions()


def test_every_option_has_a_flag_and_its_default_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["matte", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for spec in option_specs():
        assert "--" + spec.name.replace("_", "-") in shown
    assert shown.count("(default: ") >= len(option_specs())


def test_a_switch_can_be_turned_off() -> None:
    assert options_of("--layer-clean").layer_clean
    assert not options_of("--layer-clean", "--no-layer-clean").layer_clean


def test_weights_that_lie_here_are_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has another working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "netG.pth").touch()
    assert options_of("--weights", "netG.pth").weights == str(tmp_path / "netG.pth")
    # A name that is no file here is one among the server's.
    assert options_of("--weights", "elsewhere.pth").weights == "elsewhere.pth"


def test_options_that_contradict_each_other_are_one_sentence() -> None:
    with pytest.raises(MatteError, match="black_point must lie below white_point") as raised:
        options_of("--black-point", "0.9", "--white-point", "0.1")
    assert raised.value.code == "bad_option"
