"""MatteOptions: one table that checks itself."""

from __future__ import annotations

from typing import Any

import pytest
from matte_link.options import MatteOptions, option_specs, parse_region


def test_the_table_names_every_field_once_and_explains_it() -> None:
    names = [spec.name for spec in option_specs()]
    assert len(names) == len(set(names)) > 15
    for spec in option_specs():
        assert spec.label and spec.help.endswith(".") and spec.group
        assert spec.check(spec.default) == spec.default
        assert (spec.minimum is None) == (spec.maximum is None)


def test_only_what_differs_travels() -> None:
    assert MatteOptions().to_dict() == {}
    options = MatteOptions(model="difference", erode=2)
    assert options.to_dict() == {"model": "difference", "erode": 2.0}
    assert MatteOptions.from_dict(options.to_dict()) == options


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"model": "magic"}, "model must be one of auto, cleanplate"),
        ({"erode": 101.0}, "erode must lie in -100 to 100"),
        ({"erode": True}, "erode must be a number"),
        ({"erode": float("nan")}, "erode must lie in"),
        ({"despeckle": 1.5}, "despeckle must be a whole number"),
        ({"premultiplied": 1}, "premultiplied must be a yes or no"),
        ({"black_point": 0.5, "white_point": 0.5}, "black_point must lie below white_point"),
        ({"sharpen": 1}, "unknown option 'sharpen'"),
        ({"temporal": 1.5}, "temporal must lie in 0 to 1"),
        ({"region": "1 2 3"}, "region must be 'x y width height'"),
        ({"region": "1 2 3 4.5"}, "region must be 'x y width height'"),
        ({"region": "1 2 0 4"}, "region must have a width"),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MatteOptions.from_dict(values)


def test_a_region_is_read_with_spaces_or_commas() -> None:
    assert parse_region("") is None and parse_region("  ") is None
    assert parse_region("-3 4 50 60") == parse_region("-3,4, 50,60") == (-3, 4, 50, 60)
