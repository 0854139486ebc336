"""Models that other distributions install: the entry point group ``cleanplate.models``.

A distribution names an object in its pyproject.toml::

    [project.entry-points."cleanplate.models"]
    mine = "my_package:PLUGIN"

The object is a :class:`ModelPlugin`: it has a ``spec``, a ``load`` and, if its weights can change without its
version, a ``weights_digest``. Entry points are imported in the worker and by ``cleanplate models`` only. Importing
one executes the code of a distribution that somebody installed, as any import does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

import torch
from matte_link.options import AUTO_MODEL, BUILT_IN_MODELS, MatteOptions

from .network_table import SEGMENTATION
from .protocols import MattingModel, ModelSpec

GROUP = "cleanplate.models"
_RESERVED = (AUTO_MODEL, SEGMENTATION, *BUILT_IN_MODELS)
_log = logging.getLogger(__name__)


class ModelPlugin(Protocol):
    """What an entry point of the group names.

    It may also have a method ``weights_digest() -> str``, a name for the contents of its weights: results of other
    weights then count as stale. Without it, the distribution's name and version stand in.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def load(self, weights: str, device: torch.device) -> MattingModel:
        """The model on its device. ``weights`` is a file, or empty for the plugin's own choice. Raises
        ``MatteError`` with the codes missing_weights and bad_weights."""


@dataclass(frozen=True)
class InstalledModel:
    """A plugin that was imported and has a name of its own."""

    spec: ModelSpec
    load: Callable[[str, torch.device], MattingModel]
    digest: str


@cache
def installed_models() -> tuple[InstalledModel, ...]:
    """The plugins of this environment, by name. One that cannot be imported, or whose name is taken, is left out
    with a warning in the log."""
    models: dict[str, InstalledModel] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        try:
            model = _imported(entry, models)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # A plugin's code may raise anything; the other models must still run.
            _log.warning("The model %r (%s) is left out: %s", entry.name, entry.value, error)
        else:
            models[model.spec.name] = model
    return tuple(models[name] for name in sorted(models))


def _imported(entry: EntryPoint, taken: Collection[str]) -> InstalledModel:
    plugin = cast(ModelPlugin, entry.load())
    spec = plugin.spec
    if not isinstance(spec, ModelSpec) or not callable(plugin.load):
        raise TypeError("the entry point's object needs a spec (a ModelSpec) and a method load.")
    if spec.name in (*_RESERVED, *taken):
        raise ValueError(f"the name {spec.name!r} is taken by another model.")
    MatteOptions(model=spec.name)  # refuses names that cannot be sent
    own_digest = getattr(plugin, "weights_digest", None)
    digest = str(own_digest()) if own_digest else _distribution(entry)
    return InstalledModel(spec=spec, load=plugin.load, digest=digest)


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
