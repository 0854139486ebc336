"""The colour settings of the open script, as the server is told them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from matte_link.file_digest import file_digest
from matte_link.ocio_luts import names_in
from matte_link.result_key import digest

from . import host
from .colour import ConfigUnreadable, HostColour, SentColour, sent_colour
from .range_plan import Refused

_OWN = "nuke-default"


def project_colour() -> SentColour:
    """The colourspace of the plates and the configuration that has it. Raises ``Refused``."""
    try:
        return sent_colour(_host_colour())
    except ConfigUnreadable as error:
        raise Refused("bad_ocio_config", str(error), "Correct the project's colour settings.") from None


def _host_colour() -> HostColour:
    return HostColour(
        management=host.root_text("colorManagement"),
        space=host.root_text("workingSpaceLUT"),
        config=host.root_text("OCIO_config"),
        custom_path=host.root_evaluated("customOCIOConfigPath"),
        environment=os.environ.get("OCIO", ""),
        installed=host.installed_configs(),
    )


def manages_by_ocio() -> bool:
    """Whether Reads convert their files by an OCIO configuration."""
    return _host_colour().management.lower() == "ocio"


def config_of_nodes() -> str:
    """The configuration that OCIO nodes take, whatever manages the project's colours: a path, or a name; empty for
    Nuke's own."""
    asked = _host_colour()
    try:
        found = sent_colour(replace(asked, management="OCIO")).config
    except ConfigUnreadable:
        found = asked.environment or asked.custom_path
    return found or ("" if asked.config == _OWN else asked.config)


def config_digest(config: str, with_luts: bool = False) -> str:
    """The digest of a configuration, since a house may edit it where it lies, and of the LUTs that it names, by
    which files and nodes are converted; empty where it is no file."""
    try:
        path = Path(config)
        found = [one for one in names_in(path).there(path) if one.is_file()] if with_luts else []
        own = file_digest(path)
        return digest([own, *map(file_digest, found)]) if found else own
    except (OSError, ValueError):
        return ""
