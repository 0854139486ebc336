"""The table of options and the values that it accepts."""

from __future__ import annotations

from typing import Any

import pytest
from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs, parse_region


def test_the_table_names_every_field_once_and_explains_it() -> None:
    names = [spec.name for spec in option_specs()]
    assert len(names) == len(set(names)) > 15
    groups = ["Matte", "Clean plate", "Input", "Colour", "Foreground", "Edge", "Output"]
    assert list(dict.fromkeys(spec.group for spec in option_specs())) == groups
    for spec in option_specs():
        assert spec.label and spec.help.endswith(".")
        assert spec.check(spec.default) == spec.default
        assert (spec.minimum is None) == (spec.maximum is None)


def test_the_defaults() -> None:
    """Old scripts and job files leave out what was at its default: a default that changes changes their results."""
    automatic = dict.fromkeys(
        ("model", "precision", "align", "colourspace", "clean_colourspace", "output_colourspace"), "auto"
    )
    empty = dict.fromkeys(("weights", "layer", "clean_layer", "view", "region", "ocio_config"), "")
    off = dict.fromkeys(
        ("premultiplied", "layer_clean", "layer_confidence", "layer_difference", "layer_shadow"), False
    )
    assert {spec.name: spec.default for spec in option_specs()} == {
        **automatic, **empty, **off, "match_exposure": True, "foreground": "solve", "black_point": 0.0,
        "white_point": 1.0, "gamma": 1.0, "erode": 0.0, "softness": 0.0, "despeckle": 0, "temporal": 0.0,
        "bit_depth": "half", "compression": "zip",
    }  # fmt: skip


def test_only_what_differs_travels() -> None:
    assert MatteOptions().to_dict() == {}
    options = MatteOptions(model="difference", erode=2)
    assert options.to_dict() == {"model": "difference", "erode": 2.0}
    assert MatteOptions.from_dict(options.to_dict()) == options


@pytest.mark.parametrize(
    ("values", "sentence"),  # a regular expression
    [
        ({"precision": "magic"}, "precision must be one of auto, float32, bfloat16, float16, not 'magic'.$"),
        ({"erode": 101.0}, "erode must lie in -100 to 100, not 101.0.$"),
        ({"erode": 10**400}, "erode is a number of more than 300 digits.$"),
        ({"erode": True}, "erode must be a number, not True.$"),
        ({"layer": 1}, "layer must be text, not 1.$"),
        ({"erode": float("nan")}, "erode must lie in"),
        ({"despeckle": 1.5}, "despeckle must be a whole number"),
        ({"premultiplied": 1}, "premultiplied must be yes or no"),
        ({"black_point": 0.5, "white_point": 0.5}, "black_point must lie below white_point"),
        ({"sharpen": 1}, "unknown option 'sharpen'"),
        ({"temporal": 1.5}, "temporal must lie in 0 to 1"),
        ({"region": "1 2 3"}, "region must be 'x y width height'"),
        ({"region": "1 2 3 4.5"}, "region must be 'x y width height'"),
        ({"region": "1 2 0 4"}, "region must have a width"),
        ({"model": list(range(9999))}, r"model must be text, not \[0, 1, .{53}\.$"),
        ({"precision": "m" * 9999}, "not 'm{59}\\.$"),
        ({"region": "m" * 9999}, "whole pixels, not 'm{59}\\.$"),
        ({"despeckle": 10**200}, r"despeckle must lie in 0 to 1e\+06, not 10{59}\.$"),
        ({"region": "1 2 0 " + "4" * 99}, r"height above 0, not '1 2 0 4{53}\.$"),
        ({"region": "0 " * 9 + "m" * 9999}, "whole pixels, not '(0 ){9}m{41}\\.$"),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MatteOptions.from_dict(values)


def test_a_region_is_read_with_spaces_or_commas() -> None:
    assert parse_region("") is None and parse_region("  ") is None
    assert parse_region("-3 4 50 60") == parse_region("-3,4, 50,60") == (-3, 4, 50, 60)


def test_every_option_says_what_it_affects() -> None:
    """The first stage that an option changes in the pipeline. A new option has to be added here too."""
    assert {spec.name: spec.affects for spec in option_specs()} == {
        **dict.fromkeys(("model", "weights", "precision", "region"), "model"),
        **dict.fromkeys(("align", "match_exposure", "layer", "clean_layer", "view"), "alignment"),
        **dict.fromkeys(("colourspace", "clean_colourspace", "ocio_config"), "alignment"),
        **dict.fromkeys(("foreground", "temporal"), "foreground"),
        **dict.fromkeys(("black_point", "white_point", "gamma", "erode", "softness", "despeckle"), "edges"),
        **dict.fromkeys(("output_colourspace", "premultiplied", "bit_depth", "compression"), "output"),
        **dict.fromkeys(("layer_clean", "layer_confidence", "layer_difference", "layer_shadow"), "output"),
    }


def test_a_stage_sees_its_own_options_and_those_before_it() -> None:
    options = MatteOptions(align="none", region="1 2 3 4", foreground="network", erode=2.0, compression="piz")
    assert options.seen_by("alignment") == {"align": "none"}
    assert set(options.seen_by("model")) == {"align", "region"}
    assert set(options.seen_by("foreground")) == {"align", "region", "foreground"}
    assert set(options.seen_by("edges")) == {"align", "region", "foreground", "erode"}
    assert options.seen_by("output") == options.to_dict()


def test_an_option_that_affects_no_known_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="sharpen affects one of alignment, model"):
        OptionSpec(
            name="sharpen",
            type=float,
            default=0.0,
            label="Sharpen",
            help="Sharpens.",
            group="Edge",
            affects="edge",
        )


def test_any_model_may_be_named_but_only_by_a_plain_name() -> None:
    assert MatteOptions(model="my-studio_2").model == "my-studio_2"
    for bad in ("", "Magic", "../x", "a" * 41):
        with pytest.raises(ValueError, match="model must be a name"):
            MatteOptions(model=bad)
