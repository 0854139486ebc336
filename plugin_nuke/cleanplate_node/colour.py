"""The colourspace that the plates are rendered in, and the OCIO configuration that says what its name means.

No nuke here. Names are sent as the host has them. A role is looked up in the configuration itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LINEAR = "linear"
"""The server's name of scene-linear Rec.709, which is what Nuke's own colour management works in."""
_FOUNDRY = "fn-nuke_"
_SCENE_LINEAR = "scene_linear"
# What the role is in every ACES configuration that OpenColorIO or Nuke brings along.
_ACES_ROLES = {_SCENE_LINEAR: "ACEScg"}


class ConfigUnreadable(Exception):
    """A configuration of the house's own is needed to know what a role means, and cannot be read."""


@dataclass(frozen=True)
class HostColour:
    """The project's colour settings: the knobs colorManagement, workingSpaceLUT, OCIO_config and
    customOCIOConfigPath (evaluated) of the root, $OCIO, and the folder of the configurations that are chosen by
    name, to which a house may add its own."""

    management: str
    space: str
    config: str
    custom_path: str = ""
    environment: str = ""
    installed: str = ""


@dataclass(frozen=True)
class SentColour:
    """The colourspace's name for the server and the configuration that has it: a path, a name such as
    ``ocio://cg-config-...``, or empty where the server needs none."""

    space: str
    config: str = ""


def sent_colour(host: HostColour) -> SentColour:
    """What the server is told. Raises ``ConfigUnreadable``."""
    space = host.space.strip() or _SCENE_LINEAR
    if host.management.lower() != "ocio":
        return SentColour(space=LINEAR)
    path = host.environment or (host.custom_path if host.config == "custom" else "")
    if path and "://" not in path:
        return SentColour(space=_of_role(path, space), config=path)
    if path:
        return SentColour(space=_ACES_ROLES.get(space, space), config=path)
    if host.config.startswith(_FOUNDRY):
        return SentColour(space=_ACES_ROLES.get(space, space), config=f"ocio://{host.config[len(_FOUNDRY) :]}")
    if host.config.startswith("aces_"):
        return SentColour(space=_ACES_ROLES.get(space, space))
    if host.config in ("", "nuke-default"):
        return SentColour(space=LINEAR if space == _SCENE_LINEAR else space)
    path = Path(host.installed, host.config, "config.ocio").as_posix()
    return SentColour(space=_of_role(path, space), config=path)


def _of_role(path: str, space: str) -> str:
    """The colourspace of a role, or ``space`` itself, from the text of a configuration."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigUnreadable(f"The OCIO configuration {path} cannot be read: {error.strerror}.") from None
    section = re.search(r"^roles:[^\n]*\n((?:[ \t]+[^\n]*\n?|\s*\n)*)", text, re.MULTILINE)
    pattern = rf"^\s+{re.escape(space)}\s*:\s*(.+?)\s*(?: #.*)?$"
    found = re.search(pattern, section.group(1), re.MULTILINE | re.IGNORECASE) if section else None
    return found.group(1).strip("\"'") if found else space
