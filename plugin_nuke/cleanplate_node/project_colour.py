"""The colour settings of the open script, as the server is told them."""

from __future__ import annotations

import os
from pathlib import Path

from matte_link.file_digest import file_digest

from . import host
from .colour import ConfigUnreadable, HostColour, SentColour, sent_colour
from .range_plan import Refused


def project_colour() -> SentColour:
    """The colourspace of the plates and the configuration that has it. Raises ``Refused``."""
    try:
        return sent_colour(
            HostColour(
                management=host.root_text("colorManagement"),
                space=host.root_text("workingSpaceLUT"),
                config=host.root_text("OCIO_config"),
                custom_path=host.root_evaluated("customOCIOConfigPath"),
                environment=os.environ.get("OCIO", ""),
                installed=host.installed_configs(),
            )
        )
    except ConfigUnreadable as error:
        raise Refused("bad_ocio_config", str(error), "Correct the project's colour settings.") from None


def config_digest(config: str) -> str:
    """The digest of a configuration, since a house may edit it where it lies; empty where it is no file."""
    try:
        return file_digest(Path(config))
    except (OSError, ValueError):
        return ""
