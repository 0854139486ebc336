"""What a colour configuration is known by: its text, and the tables that it names."""

from __future__ import annotations

from pathlib import Path

import pytest
from matte_link.file_digest import file_digest

from plugin_blender.ocio_files import config_facts


def test_without_tables_it_is_its_text(tmp_path: Path) -> None:
    config = tmp_path / "config.ocio"
    config.write_text("ocio_profile_version: 2\nsearch_path: luts\n")
    assert config_facts(config) == ["config.ocio", file_digest(config)]
    with pytest.raises(OSError):
        config_facts(Path("ocio://default"))


@pytest.mark.parametrize(
    ("searched", "place"),
    [
        ("search_path: luts", "luts"),
        ('search_path: "luts:more/luts"', "more/luts"),
        ("search_path: luts # tables", "luts"),
        ("search_path: $FILM/luts", "film/luts"),
        ("search_path:\n  - luts\n  - 'more/luts'", "more/luts"),
        # As OpenColorIO 2.6 has it: items of lists are not taken apart at colons.
        ("search_path: # tables\n\n- luts\n# and\n- P:/luts # more", "P:/luts"),
        ("search_path: [luts, more/luts]", "more/luts"),
        ('search_path: ["P:/luts", luts]', "P:/luts"),
        ("search_path: [luts, # a, b\n  more/luts]", "more/luts"),
        # What the environment sets goes before the config's own.
        ("environment: {SHOW: 'shows/a', FILM: none}\nsearch_path: $SHOW/$FILM", "shows/a/film"),
        (
            "search_path: ${SHOW}/%FILM%\nenvironment:\n  # of us\n  SHOW: shows/a # one\n\nroles:\n  SHOW: x",
            "shows/a/film",
        ),
        ("search_path: luts", "."),
        ("", "."),
    ],
)
@pytest.mark.parametrize(
    "named",
    ["src: film.spi1d", 'src: "film.spi1d"', "src: 'film.spi1d'", "src: $FILM.spi1d", "src: film.spi1d # grain\n "],
)
def test_a_table_counts_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: str, place: str, named: str
) -> None:
    monkeypatch.setenv("FILM", "film")
    config, table = tmp_path / "config.ocio", tmp_path / place / "film.spi1d"
    transform = f"from_scene_reference: !<FileTransform> {{{named}, interpolation: linear}}"
    config.write_text(f"ocio_profile_version: 2\n{searched}\ncolorspaces:\n  - {transform}\n")
    table.parent.mkdir(parents=True, exist_ok=True)
    missing = config_facts(config)
    table.write_text("one")
    first = config_facts(config)
    table.write_text("another")
    other = config_facts(config)
    table.write_text("one")
    assert config_facts(config) == first
    assert missing != first != other != missing
    assert first[:2] == ["config.ocio", file_digest(config)] and str(tmp_path) not in str(first)


def test_names_that_are_no_files_are_left_out(tmp_path: Path) -> None:
    """Colourspaces that a transform goes between, tables that are missing, and folders: results of older versions
    stay."""
    config = tmp_path / "config.ocio"
    (tmp_path / "luts").mkdir()
    config.write_text("- !<ColorSpaceTransform> {src: acescg, dst: aces}\n- {src: gone.spi1d}\n- {src: luts}\n")
    assert config_facts(config) == ["config.ocio", file_digest(config)]
    (tmp_path / "my film.spi1d").write_text("one")
    config.write_text("- !<FileTransform> {src: my film.spi1d, interpolation: linear}\n")
    assert config_facts(config)[2] == [["my film.spi1d", file_digest(tmp_path / "my film.spi1d")]]
